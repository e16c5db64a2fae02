"""The clients of others, had once a machine: two from PyPI in an environment of their own, one from Maven Central."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapter.cli import sandbox_java
from adapter.errors import SettingsError
from tests.hapi_server import require_java

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / ".work" / "clients"
REQUIREMENTS, CONSTRAINTS = HERE / "requirements.txt", ROOT / "constraints.txt"


@contextmanager
def _made(folder: Path, sources: list[Path], make: Callable[[], object]) -> Iterator[None]:
    """Within the block `folder` is what `make` left of these very files; half of it never counts."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(b"\0".join(each.read_bytes() for each in sources)).hexdigest()
    mark = folder / "made"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.is_file() or mark.read_text("utf-8") != wanted:
            mark.unlink(missing_ok=True)
            make()
            mark.write_text(wanted, "utf-8")
    yield


def python_clients() -> Path:
    """The folder of programs of the environment with sekmet and fhirclient. Leaves the test out where they cannot be had."""
    folder = WORK / "python"
    programs = folder / "venv" / "bin"

    def make() -> None:
        shutil.rmtree(folder / "venv", ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        pip = [programs / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", CONSTRAINTS, "-r", REQUIREMENTS]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"pip could not install {REQUIREMENTS.name}: {(done.stderr.strip() or 'no reason given').splitlines()[-1]}")

    with _made(folder, [REQUIREMENTS, CONSTRAINTS], make):
        return programs


def java_client() -> list[str]:
    """The command of the walk with HAPI's client, to be followed by its arguments. Leaves the test out without Java or Maven, or
    where what it needs cannot be had."""
    require_java()
    folder = WORK / "java"
    sources = [HERE / "java" / path for path, _ in sandbox_java.files(HERE / "java")]

    def make() -> None:
        for leftover in ("src", "target"):
            shutil.rmtree(folder / leftover, ignore_errors=True)
        shutil.copytree(HERE / "java", folder, dirs_exist_ok=True)
        try:
            sandbox_java.package(sandbox_java.maven(), folder, pause=threading.Event().wait, progress=lambda _: None)
        except SettingsError as error:
            if "COMPILATION ERROR" in (folder / "build.log").read_text("utf-8", errors="replace"):
                raise
            pytest.skip(f"{error}; {error.fix}")

    with _made(folder, sources, make):
        return [sandbox_java.java(), "-cp", f"{folder}/target/walk.jar:{folder}/target/lib/*", "org.liaison.clients.Walk"]
