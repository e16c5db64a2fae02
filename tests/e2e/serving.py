"""A real `liaison` in processes of its own, in a folder of its own, beside a FakeEhr: what the tests of the command line,
of bad input and of `kill -9` share. All persons are invented."""

from __future__ import annotations

import atexit
import base64
import copy
import http.client
import json
import os
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from adapter.ehr.fake import FakeEhr
from tests.e2e import forking
from tests.e2e.forking import PATIENCE, Begun
from tests.e2e.stage import CALL, PATIENT

T = TypeVar("T")
PLACEHOLDER = "http://127.0.0.1:8700/fhir"  # of mappings/demo/network.yaml
AGREED = {"accord": "oui", "par": "coursier-lea", "le": "2026-03-06T18:50:00+01:00", "comment": "telephone"}
READY = "Liaison answers at "


def until(holds: Callable[[], T], what: str) -> T:
    """What `holds` gives once it is true. A bounded poll: a process tells nobody when it is done."""
    pause = threading.Event()
    for _ in range(PATIENCE * 20):
        if found := holds():
            return found
        pause.wait(0.05)
    raise AssertionError(f"waited in vain: {what}")


def agreed(**changed: Any) -> dict[str, Any]:
    """The call of the story with both agreements in it, so that it leaves at once."""
    return copy.deepcopy(CALL) | {"accord_medecin": AGREED, "accord_patient": AGREED} | changed


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def issue(self) -> dict[str, Any]:
        """The one issue of an OperationOutcome, which must be one."""
        assert self.headers["content-type"] == "application/fhir+json"
        assert self.json["resourceType"] == "OperationOutcome"
        (found,) = self.json["issue"]
        return dict(found)


class Serving:
    """One running `liaison serve`."""

    def __init__(self, process: subprocess.Popen[str] | Begun, folder: Path, log: Path) -> None:
        self.process, self.folder, self.log = process, folder, log
        self.url = self._announced()
        self._tokens: dict[str, str] = {}

    def _announced(self) -> str:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if readable else ""
        assert line.startswith(READY), f"it did not start: {line}{self.log.read_text()}"
        return line.removeprefix(READY).strip()

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            found = connection.getresponse()
            return Answer(found.status, {name.lower(): text for name, text in found.getheaders()}, found.read())

    def token(self, client: str, secret: str = "") -> Answer:
        pair = f"{client}:{secret or (self.folder / 'secrets' / client).read_text().strip()}"
        headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode(), "Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", "/oauth/token", b"grant_type=client_credentials", headers)

    def bearer(self, client: str) -> dict[str, str]:
        if client not in self._tokens:
            self._tokens[client] = self.token(client).json["access_token"]
        return {"Authorization": f"Bearer {self._tokens[client]}"}

    def get(self, path: str, client: str = "") -> Answer:
        return self.ask("GET", path, None, self.bearer(client) if client else {})

    def post(self, path: str, body: Any, client: str = "coursiers") -> Answer:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, sent, self.bearer(client) | {"Content-Type": "application/json"})

    def kill(self) -> None:
        """kill -9: no handler runs, nothing is flushed."""
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(PATIENCE) == -signal.SIGKILL

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(PATIENCE)


@dataclass
class Folder:
    """Where a Liaison lives: key, network file, secrets, database."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / "liaison.db"

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("LIAISON_")}
        return kept | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONWARNINGS": "error::ResourceWarning"} | dict(settings)

    def run(self, *arguments: str, given: bytes = b"", **settings: str) -> subprocess.CompletedProcess[str]:
        """One command, to its end. `settings`: LIAISON_ variables without that prefix, in small letters."""
        named = {f"LIAISON_{name.upper()}": text for name, text in settings.items()}
        return forking.run(arguments, cwd=self.path, environment=self.environment(named), given=given, timeout=PATIENCE)

    def did(self, *arguments: str, **settings: str) -> str:
        """What a command printed that must succeed."""
        done = self.run(*arguments, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def serving(self, *arguments: str, fresh: bool = False, **settings: str) -> Iterator[Serving]:
        """`liaison serve` on a free port until the block ends; letters of a dead process are taken again after a second. `fresh`: begun from
        nothing, as an operator's is, and not forked."""
        quick = {"LIAISON_PUSH_LEASE": "1s"} | {f"LIAISON_{name.upper()}": text for name, text in settings.items()}
        log = self.path / "serve.log"
        with log.open("a") as errors:
            words, environment = ["serve", "--port", "0", *arguments], self.environment(quick)
            process: subprocess.Popen[str] | Begun
            if fresh:
                command = [sys.executable, "-m", "adapter.cli", *words]
                process = subprocess.Popen(command, cwd=self.path, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
            else:
                process = forking.begun(words, cwd=self.path, environment=environment, stderr=errors)
        try:
            running = Serving(process, self.path, log)
            yield running
            running.stop()
        finally:
            process.kill()  # its children end with it
            process.wait(PATIENCE)
            assert process.stdout is not None
            process.stdout.close()
        assert "Traceback" not in log.read_text()

    def rows(self) -> dict[str, int]:
        """How many rows each table has; what no request may leave half-written."""
        with closing(sqlite3.connect(self.database)) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
            return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}

    def letters(self) -> list[tuple[str, str, str]]:
        """(type, state, reason) of every letter to the EHR, in order."""
        with closing(sqlite3.connect(self.database)) as connection:
            return list(connection.execute("SELECT type, state, reason FROM outbox ORDER BY key"))


@cache
def _prepared() -> Path:
    """A folder with the demonstration's network and an empty database, made once a run."""
    made = Folder(Path(tempfile.mkdtemp(prefix="liaison-test-")))
    atexit.register(shutil.rmtree, made.path, ignore_errors=True)
    made.did("init", "--demo")
    made.did("db", "upgrade")
    return made.path


def settled(path: Path, ehr_url: str = PLACEHOLDER) -> Folder:
    """A folder with the demonstration's network applied, its EHR at `ehr_url`."""
    shutil.copytree(_prepared(), path, dirs_exist_ok=True)
    file = path / "network.yaml"
    file.write_text(file.read_text("utf-8").replace(PLACEHOLDER, ehr_url), "utf-8")
    made = Folder(path)
    made.did("network", "apply")
    return made


def known(ehr: FakeEhr) -> None:
    """The EHR has a record of the person already."""
    ehr.plant(copy.deepcopy(PATIENT))
