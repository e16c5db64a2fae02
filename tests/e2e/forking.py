"""`liaison` commands in processes of their own that need not load Python and the product first: each is forked from one process that
has, as `tests.e2e.dying` forks its lives. A command has its own pid, folder, environment, signals and exit code; what it does not have is
a start from nothing, which the tests of starting (`test_serve`, `test_readme_walk`, `test_demo_kept`) keep.

    python -m tests.e2e.forking SOCKET
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds that a process may take before a test gives up
LONGEST = 1 << 18  # bytes of one command with its environment
Environment = Mapping[str, str]


# ── in the test process ──────────────────────────────────────────────────────────────────────────
class Begun:
    """A command that runs; as much of `subprocess.Popen` as tests ask of one. `stdout`: what it prints, where that was asked for."""

    def __init__(self, arguments: Sequence[str], told: int, stdout: IO[str] | None) -> None:
        self.args, self.stdout = list(arguments), stdout
        self.returncode: int | None = None
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = self._number()

    def _number(self) -> int:
        line = self._told.readline()
        if not line:
            raise RuntimeError("the process that forks commands is gone")
        return int(line)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = self._number()
            self._told.close()
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def begun(arguments: Sequence[str], *, cwd: Path, environment: Environment, stderr: IO[Any], stdin: IO[Any] | None = None, stdout: IO[Any] | None = None) -> Begun:
    """`liaison` with these arguments. Where no `stdout` is given it is a pipe, to be read from what this returns."""
    read, write = (-1, -1) if stdout else os.pipe()
    told, telling = os.pipe()
    with open(os.devnull, "rb") as nothing:
        given = [(stdin or nothing).fileno(), stdout.fileno() if stdout else write, stderr.fileno(), telling]
        asked = {"arguments": list(arguments), "cwd": str(cwd), "environment": dict(environment)}
        socket.send_fds(_forking(), [json.dumps(asked).encode()], given)
    os.close(telling)
    if stdout is None:
        os.close(write)
    return Begun(arguments, told, None if stdout else os.fdopen(read, "r", encoding="utf-8"))


def run(arguments: Sequence[str], *, cwd: Path, environment: Environment, timeout: float, given: bytes = b"") -> subprocess.CompletedProcess[str]:
    """The same to its end, or `timeout` seconds: subprocess.TimeoutExpired then. `given`: its standard input."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        stdin.write(given)
        stdin.seek(0)
        process = begun(arguments, cwd=cwd, environment=environment, stdin=stdin, stdout=stdout, stderr=stderr)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        said = []
        for file in (stdout, stderr):
            file.seek(0)
            said.append(file.read().decode())
        return subprocess.CompletedProcess(process.args, code, *said)


@cache
def _forking() -> socket.socket:
    """The line to the process that forks, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    kept = {name: text for name, text in os.environ.items() if not name.startswith("LIAISON_")}
    environment = kept | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONWARNINGS": "error::ResourceWarning"}
    command = [sys.executable, "-m", "tests.e2e.forking", str(theirs.fileno())]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(60)

    atexit.register(end)
    return ours


# ── in the process that forks ────────────────────────────────────────────────────────────────────
def warm() -> None:
    """Loads what commands need, reads the repository's documents, compiles the types of FHIR."""
    import psycopg  # noqa: F401
    import uvicorn  # noqa: F401

    from adapter import fhir, web
    from adapter.app import build
    from adapter.cli.program import program
    from adapter.settings import load_settings
    from tests import compiled

    compiled.keep()
    program()
    fhir.warm(*fhir.CORE_TYPES)
    app = build(load_settings({"LIAISON_SECRET_KEY": "k" * 40, "LIAISON_DATABASE_URL": "sqlite://"}))
    web.create(app)
    app.close()


def forked(line: socket.socket) -> dict[str, Any]:
    """Forks a process for each command that comes, and tells when and how it ended. Returns in each of those: what it is to do."""
    running: dict[int, tuple[int, int]] = {}  # of a process: its handle -> its pid, where its end is told
    while True:
        ready, _, _ = select.select([line, *running], [], [])
        for handle in ready:
            if handle is not line:
                pid, telling = running.pop(handle)
                _tell(telling, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                os.close(telling)
                os.close(handle)
                continue
            message, given, _, _ = socket.recv_fds(line, LONGEST, 4)
            if not message:  # whose tests these are has ended
                for pid, _ in running.values():
                    os.kill(pid, signal.SIGKILL)
                sys.exit()
            assert threading.active_count() == 1
            child = os.fork()
            if not child:
                for number, each in enumerate(given[:3]):
                    os.dup2(each, number)
                line.close()
                for each in (*given, *running, *(telling for _, telling in running.values())):
                    os.close(each)
                return dict(json.loads(message))
            for each in given[:3]:
                os.close(each)
            running[os.pidfd_open(child)] = child, given[3]
            _tell(given[3], child)


def _tell(telling: int, number: int) -> None:
    try:
        os.write(telling, b"%d\n" % number)
    except BrokenPipeError:  # nobody waits for it any more
        pass


def main() -> None:
    warm()
    gc.collect()
    gc.freeze()
    asked = forked(socket.socket(fileno=int(sys.argv[1])))
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    os.chdir(asked["cwd"])
    sys.argv = ["liaison", *asked["arguments"]]

    from adapter.cli import main as command

    command(asked["arguments"])


if __name__ == "__main__":
    main()
