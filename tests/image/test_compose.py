"""The compose file and the Dockerfile against what Liaison knows: settings, network, command line. No engine needed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter.cli.program import program
from adapter.cli.sandbox_docker import IMAGE
from adapter.network import load
from adapter.settings import load_settings, variables

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
Compose = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> Compose:
    read: Compose = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))
    return read


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (DOCKER / "Dockerfile").read_text("utf-8")


def ours(compose: Compose) -> list[str]:
    return [name for name, service in compose["services"].items() if service["image"] == "liaison"]


def test_compose_sets_only_settings_that_exist_when_parsed(compose: Compose) -> None:
    assert sorted(ours(compose)) == ["liaison", "prepare"]
    for name in ours(compose):
        environment = compose["services"][name]["environment"]
        assert set(environment) <= set(variables())
        settings = load_settings(environment)
        assert settings.host == "0.0.0.0"
        assert settings.database_url.startswith("postgresql://")


def test_dockerfile_sets_only_settings_that_exist_when_parsed(dockerfile: str) -> None:
    named = set(re.findall(r"\bLIAISON_[A-Z_]+\b", dockerfile))
    assert named and named <= set(variables())


def test_compose_publishes_on_loopback_only_when_it_publishes(compose: Compose) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert published and all(port.startswith("127.0.0.1:") for port in published)
    assert "ports" not in compose["services"]["database"], "it asks for no password"


def test_compose_ports_are_those_of_the_settings_and_the_image(compose: Compose, dockerfile: str) -> None:
    port = load_settings(compose["services"]["liaison"]["environment"]).port
    assert compose["services"]["liaison"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f"EXPOSE {port}\n" in dockerfile and f":{port}/health/live" in dockerfile
    assert compose["services"]["hapi"]["image"] == IMAGE


def test_compose_mounts_only_what_is_there_when_it_mounts(compose: Compose) -> None:
    declared = compose["volumes"]
    for service in compose["services"].values():
        for source, *_ in (volume.split(":") for volume in service.get("volumes", ())):
            assert source in declared if not source.startswith(".") else (DOCKER / source).is_file(), source
    assert (DOCKER / compose["x-liaison"]["build"]["context"] / compose["x-liaison"]["build"]["dockerfile"]).is_file()


def test_network_of_the_compose_file_sends_to_its_hapi_when_loaded(compose: Compose) -> None:
    (here,) = [ehr.url for ehr in load(DOCKER / "network-sandbox.yaml").ehrs()]
    assert re.findall(r'sed "s#(.+?)#(.+?)#" (\S+) > "\$LIAISON_NETWORK_FILE"', (DOCKER / "prepare.sh").read_text("utf-8")) == [
        (here, "http://hapi:8080/fhir", compose["services"]["prepare"]["volumes"][1].split(":")[1])
    ]
    assert "hapi" in compose["services"] and compose["services"]["hapi"]["ports"] == ["127.0.0.1:8090:8080"]


def test_prepare_makes_the_secret_of_every_client_when_run(compose: Compose) -> None:
    script = (DOCKER / "prepare.sh").read_text("utf-8")
    made = re.search(r"for client in ([\w -]+);", script)
    home = compose["services"]["prepare"]["volumes"][0].split(":")[1]
    assert made is not None
    wanted = {client.secret.file for client in load(DOCKER / "network-sandbox.yaml").clients}
    assert wanted == {f"secrets/{name}" for name in made[1].split()}
    assert f"cd {home}\n" in script
    assert subprocess.run(["sh", "-n", str(DOCKER / "prepare.sh")], check=False).returncode == 0


def test_prepare_and_image_call_only_commands_that_exist(compose: Compose, dockerfile: str) -> None:
    from typer.main import get_command

    top: Any = get_command(program())
    script = (DOCKER / "prepare.sh").read_text("utf-8")
    assert re.findall(r'ENTRYPOINT \["(\w+)"\]\nCMD \["(\w+)"\]', dockerfile) == [("liaison", "serve")]
    assert "serve" in top.commands
    for group, verb in re.findall(r"^liaison (\w+) (\w+)", script, re.M):
        assert verb in top.commands[group].commands


def test_image_is_not_root_and_keeps_to_the_constraints_when_built(dockerfile: str) -> None:
    last = dockerfile.rsplit("FROM ", maxsplit=1)[-1]
    assert re.search(r"^USER liaison$", last, re.M) and last.index("USER ") < last.index("ENTRYPOINT")
    assert "pip install --no-cache-dir -c constraints.txt" in dockerfile


def test_image_context_has_all_that_the_dockerfile_copies(dockerfile: str) -> None:
    """.dockerignore leaves everything out but what it names."""
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    copied = [name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.M) for name in line.split()]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert any(entry == name or entry.startswith(f"{name}/") for entry in let_in), f"{name} is not let in"
