"""The servers that are measured, each in a process of its own on loopback: ours, the yardstick, HAPI."""

from __future__ import annotations

import http.client
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from adapter.cli import sandbox_java
from adapter.errors import SettingsError
from tests import postgres
from tests.bench.load import BenchError, request
from tests.bench.processes import family
from tests.bench.specimens import specimen
from tests.bench.yardstick import JSON, TOKEN
from tests.e2e.serving import settled
from tests.hapi_server import hapi as hapi_server

YARDSTICKS = ("yardstick", "yardstick-inline")
SYSTEMS = ("ours", *YARDSTICKS, "hapi")
HAPI_MEMORY = ("-Xms1g", "-Xmx2g", "-XX:+UseG1GC")  # hapi.md, "As a yardstick in the bench"
DURABLE = "-c listen_addresses=127.0.0.1 -c fsync=on -c synchronous_commit=on"
PATIENCE = 60


@dataclass(frozen=True)
class System:
    """One running server. `patient`: a Patient that it has; `base`: path of its FHIR endpoint; `tokens`: more callers."""

    name: str
    address: tuple[str, int]
    base: str
    pids: Callable[[], list[int]]
    headers: dict[str, str] = field(default_factory=dict)
    patient: str = "Patient/of-the-bench"
    note: str = ""
    tokens: dict[str, dict[str, str]] = field(default_factory=dict)

    def wire(self, method: str, path: str, body: bytes = b"", *, client: str = "", more: dict[str, str] | None = None) -> bytes:
        """One request to be sent again and again. `path` begins with / and is below the host."""
        host = {"Host": f"{self.address[0]}:{self.address[1]}", "Accept": JSON}
        return request(method, path, host | (self.tokens[client] if client else self.headers) | ({"Content-Type": JSON} if body else {}) | (more or {}), body)

    def ask(self, method: str, path: str, resource: Any = None, *, client: str = "") -> Any:
        """One request now, and the JSON of its answer. Raises BenchError unless it succeeds."""
        with closing(http.client.HTTPConnection(*self.address, timeout=PATIENCE)) as connection:
            headers = {"Content-Type": JSON, "Accept": JSON} | (self.tokens[client] if client else self.headers)
            connection.request(method, path, None if resource is None else json.dumps(resource), headers)
            found = connection.getresponse()
            body = found.read()
        if found.status not in (200, 201):
            raise BenchError(f"{self.name} answered {found.status} to {method} {urlsplit(path).path}: {body[:300].decode(errors='replace')}")
        return json.loads(body)

    def create(self, resource: dict[str, Any]) -> str:
        """Stores it; its reference there."""
        type = resource["resourceType"]
        return f"{type}/{self.ask('POST', f'{self.base}/{type}', resource)['id']}"


@contextmanager
def ours(database: str = "") -> Iterator[list[System]]:
    """`liaison serve` with as many web processes as cores and its worker, its EHR away. `database`: URL of an empty one in place of
    an SQLite file."""
    with tempfile.TemporaryDirectory(prefix="liaison-bench-") as folder, ExitStack() as stack:
        place = settled(Path(folder) / "liaison")
        chosen = {"database_url": database} if database else {}
        if database:
            place.did("db", "upgrade", **chosen)
            place.did("network", "apply", **chosen)
        running = stack.enter_context(place.serving(token_seconds="3600", rate_limit="100000000", web_processes=str(os.cpu_count()), **chosen))
        where = urlsplit(running.url)
        tokens = {client: running.bearer(client) for client in ("saint-eloi", "coursiers")}
        found = System(
            "ours", (str(where.hostname), int(where.port or 0)), "/fhir", lambda: family(running.process.pid), tokens["saint-eloi"],
            note=urlsplit(database).scheme or "SQLite", tokens=tokens,
        )  # fmt: skip
        yield [replace(found, patient=found.create(specimen("Patient")))]


@contextmanager
def yardstick() -> Iterator[list[System]]:
    """Both handlers of the yardstick, in one process."""
    with tempfile.TemporaryDirectory(prefix="liaison-bench-") as folder:
        command = [sys.executable, "-m", "tests.bench.yardstick", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[2]) as process:
            try:
                assert process.stdout is not None
                readable, _, _ = select.select([process.stdout], [], [], PATIENCE)
                line = process.stdout.readline() if readable else ""
                if not line.startswith("ready "):
                    raise BenchError("the yardstick did not start")
                where = urlsplit(line.split()[1])
                threads = System(
                    "yardstick", (str(where.hostname), int(where.port or 0)), "/fhir", lambda: [process.pid],
                    {"Authorization": f"Bearer {TOKEN}"}, note="SQLite",
                )  # fmt: skip
                yield [threads, replace(threads, name="yardstick-inline", base="/inline")]
            finally:
                process.kill()


@contextmanager
def hapi() -> Iterator[list[System]]:
    """HAPI JPA of docker/hapi, on PostgreSQL with fsync where there is one, else on H2 in memory, which is not durable.
    References are not looked up, for ours does not either. Raises SettingsError without Java or Maven."""
    with ExitStack() as stack:
        properties: dict[str, str | int | bool] = {"refint": False, "reuse_cached_search": 0, "database_pool": 40, "largest_page": 100}
        note, more = "H2 in memory: not durable", []
        if postgres.programs() and (os.geteuid() or shutil.which("runuser")):
            port = _free_port()
            cluster = stack.enter_context(postgres.running(f"{DURABLE} -c port={port}"))
            name = urlsplit(cluster.database(port)).path.strip("/")
            properties |= {"database": f"jdbc:postgresql://127.0.0.1:{port}/{name}", "database_user": "postgres"}
            note, more = "PostgreSQL, fsync", [cluster.pid]
        before = set(family(os.getpid()))
        where = urlsplit(stack.enter_context(hapi_server(flags=HAPI_MEMORY, **properties)))
        mine = [pid for pid in family(os.getpid()) if pid not in before]
        found = System("hapi", (str(where.hostname), int(where.port or 0)), where.path, lambda: [*mine, *(p for m in more for p in family(m))], note=note)
        yield [replace(found, patient=found.create(specimen("Patient")))]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def why_no_hapi() -> str:
    """What is missing for HAPI, "" when nothing is."""
    try:
        sandbox_java.java()
        sandbox_java.maven()
    except SettingsError as error:
        return f"{error}; {error.fix}"
    return ""
