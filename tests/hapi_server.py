"""A real HAPI FHIR server for the tier `hapi`, built from `docker/hapi` and started at most once a run."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapter.cli import sandbox_java
from adapter.errors import SettingsError

WORK = Path(__file__).resolve().parent.parent / ".work" / "hapi"


def require_java() -> None:
    """Leaves the test out where Java or Maven is missing; a build that fails is a failure, not a reason to skip."""
    try:
        sandbox_java.java()
        sandbox_java.maven()
    except SettingsError as error:
        pytest.skip(f"{error}; {error.fix}")


@contextmanager
def hapi(work: Path = WORK, *, flags: tuple[str, ...] = sandbox_java.MEMORY, **properties: str | int | bool) -> Iterator[str]:
    """The base URL of a fresh HAPI with nothing in it, for as long as the block lasts. `properties` are those of
    `sandbox_java.command` with _ for -; a database's password comes from SANDBOX_DATABASE_PASSWORD.
    Raises SettingsError without Java or Maven. The server also ends when this process does, however that ends."""
    work.mkdir(parents=True, exist_ok=True)
    sandbox_java.build(work, pause=threading.Event().wait)
    named = {name.replace("_", "-"): value for name, value in properties.items()}
    command = sandbox_java.command(work, {"port": 0, "until": "stdin", **named}, flags=flags)
    log = work / f"test-{os.getpid()}.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        drain = threading.Thread(target=process.stdout.read, daemon=True)  # a full pipe would stop the server
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("ready "):
                    break
            else:
                raise RuntimeError("HAPI ended while it started:\n" + "".join(said[-20:]) + log.read_text(errors="replace")[-2000:])
            drain.start()
            yield line.split()[1]
        finally:
            process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            if drain.is_alive():
                drain.join()
            log.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def hapi_url() -> Iterator[str]:
    """Base URL of the run's HAPI, shared by all its tests: use identifiers of your own. References to what is not
    there are refused, as HAPI does out of the box."""
    require_java()
    with hapi() as url:
        yield url


@pytest.fixture
def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
