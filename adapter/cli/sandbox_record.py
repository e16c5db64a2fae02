"""The sandbox on this machine: where it lives, what is known of the one that runs, and whether it answers."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from adapter.clock import Clock
from adapter.errors import EhrError, SettingsError
from adapter.net import GuardedSession, Limits

LOOPBACK = "127.0.0.1"
ANSWER_WITHIN = 10.0  # seconds; the first /metadata of a HAPI takes about two
READY_WITHIN = 300.0  # seconds; 10 on an idle machine
LAST_LINES = 15


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One started sandbox. `handle` finds it again and nobody else: a mark on the command line of process `pid`,
    or the container's id. `log` is a file, or the command that prints it. `started` is an instant in UTC."""

    engine: Literal["java", "docker"]
    port: int
    handle: str
    started: str
    log: str
    pid: int = 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/fhir"

    def uptime(self, clock: Clock) -> int:
        """Whole seconds since it was started."""
        return int((clock.now() - datetime.fromisoformat(self.started)).total_seconds())


def home() -> Path:
    """The folder for what the sandbox downloads, builds and logs, made if need be: `$LIAISON_HOME/sandbox`, or
    else `~/.cache/liaison/sandbox`. Raises SettingsError when it cannot be written."""
    chosen = os.environ.get("LIAISON_HOME", "")
    return writable(Path(chosen) / "sandbox" if chosen else Path.home() / ".cache" / "liaison" / "sandbox", variable="LIAISON_HOME")


def writable(folder: Path, *, variable: str) -> Path:
    """`folder` as an absolute path, made if need be. Raises SettingsError naming `variable` when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SettingsError(f"cannot write in {folder} ({error.strerror})", variable=variable, fix=f"name a folder you may write in with {variable}") from None
    return folder.resolve()


def remember(place: Path, sandbox: Sandbox) -> None:
    """Writes the record whole or not at all."""
    half = place / "sandbox.json.new"
    half.write_text(json.dumps(asdict(sandbox)), encoding="utf-8")
    half.replace(place / "sandbox.json")


def remembered(place: Path) -> Sandbox | None:
    """The sandbox last started, whether or not it still runs; None when there was none or its record is unreadable."""
    try:
        return Sandbox(**json.loads((place / "sandbox.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget(place: Path) -> None:
    (place / "sandbox.json").unlink(missing_ok=True)


def expect_free(port: int) -> None:
    """Raises SettingsError when something listens on `port` of this machine already."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        # as servers do, so that connections of an ended sandbox, which linger a minute, are no hindrance
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((LOOPBACK, port))
        except OSError as error:
            raise SettingsError(
                f"port {port} cannot be used ({error.strerror})", variable="--port", fix="name a free one: liaison sandbox up --port 8091"
            ) from None


def capability(url: str, clock: Clock) -> dict[str, Any] | None:
    """The server's CapabilityStatement; None while it does not answer with one."""
    session = GuardedSession(allow=[url], clock=clock, limits=Limits(read=ANSWER_WITHIN, total=ANSWER_WITHIN))
    with closing(session):
        try:
            answer = session.send("GET", f"{url}/metadata", headers={"Accept": "application/fhir+json"})
            statement = json.loads(answer.body)
        except (EhrError, ValueError):
            return None
    return statement if isinstance(statement, dict) and statement.get("resourceType") == "CapabilityStatement" else None


def software(statement: dict[str, Any]) -> str:
    """For example "HAPI FHIR Server 8.0.0, FHIR 4.0.1"."""
    program = statement.get("software", {})
    return f"{program.get('name', 'unnamed')} {program.get('version', '')}".strip() + f", FHIR {statement.get('fhirVersion', '?')}"


def wait_until_ready(
    sandbox: Sandbox, *, alive: Callable[[], bool], last_lines: Callable[[], str], clock: Clock, pause: Callable[[float], object]
) -> dict[str, Any]:
    """Waits for the CapabilityStatement and returns it. Raises SettingsError, with the end of the log, when the
    sandbox ends before that or takes longer than READY_WITHIN seconds."""
    limit = clock.monotonic() + READY_WITHIN
    while clock.monotonic() < limit:
        if not alive():
            raise SettingsError(f"the sandbox ended while it started; its last lines were:\n{last_lines()}", fix=f"read {sandbox.log}")
        if (statement := capability(sandbox.url, clock)) is not None:
            return statement
        pause(0.5)
    raise SettingsError(f"the sandbox did not answer within {READY_WITHIN:.0f} s; its last lines were:\n{last_lines()}", fix=f"read {sandbox.log}")


def tail(log: Path) -> str:
    """The last lines of a log file, or what stands for them."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return "\n".join(lines[-LAST_LINES:]) or "(nothing was written)"
