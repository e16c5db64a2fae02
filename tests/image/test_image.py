"""The image, built once a run with buildah: no engine, no daemon. Every RUN step is carried out in a chroot.

Where the base image cannot be pulled, Debian's own Python 3.11 stands in for it, laid out by debootstrap once and kept
in `.work/image`; that needs root, as chroot does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.settings import load_settings

pytestmark = pytest.mark.image
ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".work" / "image"
BASE, BUILT = "localhost/liaison-test-base", "localhost/liaison-test"
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")


def buildah(*arguments: str | Path, within: float = 900) -> subprocess.CompletedProcess[str]:
    places = ("--storage-driver", "vfs", "--root", WORK / "root", "--runroot", WORK / "run")
    command = [str(each) for each in ("buildah", *places, *arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=within)


def done(*arguments: str | Path) -> str:
    """What buildah printed, without the last line's end. Fails the test when buildah did."""
    ended = buildah(*arguments)
    assert ended.returncode == 0, f"buildah {arguments[0]}: {ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"
    return ended.stdout.strip()


def base() -> str:
    """Name of an image to build on."""
    wanted = re.search(r"^ARG BASE=(\S+)$", (ROOT / "docker" / "Dockerfile").read_text("utf-8"), re.M)
    assert wanted is not None
    if buildah("pull", wanted[1], within=300).returncode == 0:
        return wanted[1]
    if buildah("inspect", "--type", "image", BASE).returncode != 0:
        if shutil.which("debootstrap") is None:
            pytest.skip(f"{wanted[1]} cannot be pulled, and debootstrap, which could make one like it, is missing")
        bootstrap()
    return BASE


def cleared(rootfs: Path) -> None:
    """Removes it, once nothing of the machine is mounted below it: a run that was cut off leaves its /proc there."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in reversed([each for each in mounted if each.startswith(f"{rootfs}/")]):
        subprocess.run(["umount", place], check=True)
    shutil.rmtree(rootfs, ignore_errors=True)


def bootstrap() -> None:
    """Packages unpacked, none of them configured: all that the Dockerfile asks for runs so, in half the time."""
    rootfs = WORK / "rootfs"
    cleared(rootfs)
    arguments = ("--foreign", "--variant=minbase", "--include=python3,python3-venv,ca-certificates", "bookworm", str(rootfs))
    made = subprocess.run(["debootstrap", *arguments], capture_output=True, text=True, check=False, timeout=900)
    failed = rootfs / "debootstrap" / "debootstrap.log"
    log = failed.read_text("utf-8", "replace")[-2000:] if failed.is_file() else made.stdout[-2000:]
    assert made.returncode == 0, log
    unpack = 'for each in "$1"/var/cache/apt/archives/*.deb; do dpkg-deb --fsys-tarfile "$each" | tar -x --keep-directory-symlink -C "$1"; done'
    subprocess.run(["bash", "-euo", "pipefail", "-c", unpack, "unpack", str(rootfs)], check=True)
    shutil.rmtree(rootfs / "var" / "cache" / "apt" / "archives")
    (rootfs / "proc").unlink()  # until packages are configured it points to this machine's
    (rootfs / "proc").mkdir()
    for name in ("passwd", "group"):
        shutil.copy(rootfs / "usr" / "share" / "base-passwd" / f"{name}.master", rootfs / "etc" / name)
    if (Path("/") / CERTIFICATES).is_file():  # whom this machine trusts, its image builds trust
        shutil.copy(Path("/") / CERTIFICATES, rootfs / CERTIFICATES)
    container = done("from", "scratch")
    done("copy", container, rootfs, "/")
    done("config", "--env", f"PIP_CERT=/{CERTIFICATES}", container)
    done("commit", "--rm", container, BASE)
    cleared(rootfs)


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    """A container of the image as built from the tree as it is now."""
    if shutil.which("buildah") is None:
        pytest.skip("buildah is missing")
    if os.geteuid() != 0:
        pytest.skip("building in a chroot needs root")
    WORK.mkdir(parents=True, exist_ok=True)
    done("bud", "--isolation", "chroot", "--build-arg", f"BASE={base()}", "--file", "docker/Dockerfile", "--tag", BUILT, ".")
    name = done("from", BUILT)
    try:
        yield name
    finally:
        done("rm", name)
        done("rmi", "--prune", "--force")


def inside(container: str, *command: str, options: tuple[str, ...] = ()) -> str:
    return done("run", "--isolation", "chroot", *options, container, "--", *command)


def test_image_runs_as_nobody_in_particular_when_started(container: str) -> None:
    assert inside(container, "id", "-u") == "10001"
    assert inside(container, "sh", "-c", "pwd; touch here && rm here && echo writable; touch /opt/liaison/there 2>/dev/null || echo closed").split() == [
        "/var/lib/liaison",
        "writable",
        "closed",
    ]


def test_image_has_the_versions_of_the_constraints_when_built(container: str) -> None:
    constraints = dict(line.lower().replace("_", "-").split("==") for line in (ROOT / "constraints.txt").read_text().split())
    listed = json.loads(inside(container, "/opt/liaison/bin/pip", "list", "--format=json", "--disable-pip-version-check"))
    installed = {each["name"].lower().replace("_", "-"): each["version"] for each in listed}
    assert {"psycopg", "fastapi", "sqlalchemy", "liaison-fhir"} <= installed.keys()
    assert "pytest" not in installed and "mypy" not in installed
    differing = {name for name, version in installed.items() if constraints.get(name, version) != version}
    assert not differing


def test_image_holds_no_secret_A_30(container: str) -> None:
    """Of what is ours in it: its own folders, its build history and its environment."""
    ours = "for each in /etc/liaison /var/lib/liaison /home /root /srv /tmp; do if [ -d $each ]; then find $each -xdev -type f; fi; done"
    held = inside(container, "sh", "-c", ours, options=("--user", "0")).split()
    assert [path for path in held if not path.rpartition("/")[2].startswith((".bash", ".profile"))] == []
    assert "/var/lib/liaison/.profile" in held, "it looked into what is nobody else's"
    package = inside(container, "sh", "-c", "grep -rlE 'BEGIN [A-Z ]*PRIVATE KEY' /opt/liaison/lib/python3*/site-packages/adapter || true")
    assert package == ""
    described = json.loads(done("inspect", container))["OCIv1"]
    said = [*described["config"]["Env"], *(str(each.get("created_by", "")) for each in described.get("history", ()))]
    assert not any(re.search(r"(?i)(secret|password|token|key)=(?!/)\S+", each) for each in said)


def test_image_serves_what_its_environment_says_when_started(container: str) -> None:
    described = json.loads(done("inspect", container))["OCIv1"]["config"]
    environment = dict(entry.split("=", 1) for entry in described["Env"])
    assert load_settings(environment).host == "0.0.0.0"
    assert described["Entrypoint"] == ["liaison"] and described["Cmd"] == ["serve"] and described["User"] == "liaison"


def test_image_tells_the_whole_story_when_the_demo_runs_in_it(container: str) -> None:
    lines = [json.loads(line) for line in inside(container, "liaison", "demo", "--json").splitlines()]
    assert len(lines) > 5 and all(line["ok"] for line in lines)


def test_image_has_the_sources_of_the_sandbox_when_built(container: str) -> None:
    program = "from adapter.cli.sandbox_java import files, sources; print(*(path for path, _ in files(sources())))"
    packed = inside(container, "/opt/liaison/bin/python", "-c", program).split()
    assert "pom.xml" in packed and any(path.endswith("HapiServer.java") for path in packed)


def test_prepare_makes_all_that_serve_needs_when_run_in_the_image(container: str) -> None:
    mounts = [f"--volume={ROOT}/docker/{name}:/etc/liaison/{into}:ro" for name, into in
              (("prepare.sh", "prepare.sh"), ("network-sandbox.yaml", "network.yaml"))]  # fmt: skip
    variables = [f"--env=LIAISON_{name}" for name in ("NETWORK_FILE=/var/lib/liaison/network.yaml", "SECRET_KEY_FILE=/var/lib/liaison/liaison.key")]
    script = "sh /etc/liaison/prepare.sh && cat liaison.key && sh /etc/liaison/prepare.sh >&2 && cat liaison.key && liaison db check"
    said = inside(container, "sh", "-c", script, options=(*mounts, *variables)).splitlines()
    keys = [line for line in said if re.fullmatch(r"[A-Za-z0-9+/]{43}=", line)]
    assert len(keys) == 2 and keys[0] == keys[1], "the second time it keeps what the first made"
