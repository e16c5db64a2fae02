"""B8: many Task versions pulled in pages of 100, against a bare pager of the same pages: `python -m tests.bench.pull_rate [--tasks 100000]`.

The EHR is a stub in a process of its own (`paging_ehr`). Each Task has a copy known here in its first version and is shown in its
second; one in a hundred says something new. Late ones come while the first run reads; the second run must find them all.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from adapter import ehr, network
from adapter.app import App, build
from adapter.clock import SystemClock
from adapter.ports import EhrClient, Link, Remote, Uow, Version
from adapter.settings import load_settings
from adapter.store import upgrade
from adapter.sync import links
from adapter.sync.cursors import Cursor, cursor_name
from tests.bench import paging_ehr
from tests.bench.figures import Figure
from tests.bench.load import BenchError
from tests.bench.processes import resident
from tests.e2e.stage import CLINIC, ROOT

AT_ONCE = 500


@dataclass(frozen=True)
class Run:
    """`latency` of the EHR in ms, before each page; `late`: Tasks that are committed while the first run reads."""

    tasks: int = 100_000
    late: int = 500
    latency: float = 50

    @property
    def name(self) -> str:
        return f"Task versions in pages of 100 at {self.latency:g} ms"


@contextmanager
def paging(run: Run) -> Iterator[str]:
    """The base of the EHR."""
    command = [sys.executable, "-m", "tests.bench.paging_ehr", str(run.tasks), str(run.late), str(run.latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as stub:
        try:
            assert stub.stdout
            yield f"http://127.0.0.1:{int(stub.stdout.readline())}/fhir"
        finally:
            stub.kill()


class Watched:
    """An EHR's client; `held` is the memory (MB) of this process at each page."""

    def __init__(self, client: Any) -> None:
        self._client, self.name, self.held = client, client.name, list[float]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def search(self, type: str, params: Sequence[tuple[str, str]]) -> Iterator[list[Remote]]:
        for page in self._client.search(type, params):
            self.held.append(resident([os.getpid()]) or 0.0)
            yield page


def filled(url: str, base: str, run: Run) -> tuple[App, Watched]:
    """A Liaison that knows a copy of every Task, in its first version."""
    upgrade(url)
    watched: list[Watched] = []

    def connect(entry: Any) -> EhrClient:
        watched.append(Watched(ehr.connect(entry, clock=SystemClock())))
        return watched[-1]

    app = build(load_settings({"LIAISON_SECRET_KEY": "k" * 40, "LIAISON_DATABASE_URL": url}), clock=SystemClock(), ehrs=connect)
    found = network.load(ROOT / "mappings" / "demo" / "network.yaml")
    moved = tuple(replace(each, ehr=replace(each.ehr, url=base)) if each.ehr else each for each in found.organisations)
    app.apply_network(replace(found, organisations=moved))
    every = range(run.tasks + run.late)
    for start in every[::AT_ONCE]:
        app.store.write_now(lambda uow, some=every[start : start + AT_ONCE]: [_known(app, uow, n) for n in some])  # type: ignore[misc, func-returns-value]
    # Read whole lately: a search for what changed since long ago, in which only the overlap shows what came late.
    read = Cursor(datetime(2026, 3, 1, tzinfo=UTC), None, app.clock.now())
    app.store.write_now(lambda uow: uow.keep(cursor_name(CLINIC, "Task"), read.encode()))
    _ = app.clients
    return app, watched[0]


def _known(app: App, uow: Uow, n: int) -> None:
    there = paging_ehr.task(n, version=1, updated="2026-03-02T18:00:00Z")
    ours = json.dumps(there | {"id": f"t{n}"}).encode()
    uow.save(Version("Task", f"t{n}", 0, uow.at, CLINIC, ours), expected=0, index=())
    link: Link = links.linked(CLINIC, "Task", f"t{n}", Remote(there, "1"), app.ownership, sent=1)
    links.save(uow, links.Known(link, {name: value for name, value in there.items() if name not in ("id", "meta")}))


def pager(base: str) -> float:
    """Seconds in which the same pages are read, each taken apart and nothing else done."""
    connection, began = http.client.HTTPConnection(urlsplit(base).netloc), time.perf_counter()
    place = f"/fhir/Task?identifier={paging_ehr.SYSTEM}%7C&_sort=_lastUpdated&_count=100"
    while place:
        connection.request("GET", place)
        found = json.loads(connection.getresponse().read())
        place = next((urlsplit(each["url"]).path + "?" + urlsplit(each["url"]).query for each in found.get("link", ())), "")
    return time.perf_counter() - began


def missed(app: App, run: Run) -> int:
    """How many Tasks are not known in the version that the EHR has."""

    def behind(uow: Uow, after: str) -> tuple[int, str]:
        found = uow.links(CLINIC, "Task", after=after, limit=AT_ONCE)
        return sum(each.remote_version != "2" for each in found), found[-1].id if found else ""

    total, after = 0, ""
    while True:
        some, after = app.store.read_now(lambda uow, after=after: behind(uow, after))  # type: ignore[misc]
        total += some
        if not after:
            return total


def measure(run: Run) -> list[Figure]:
    """Ours and the bare pager, in versions a second. Raises BenchError when one was missed or memory grows."""
    with paging(run) as base, tempfile.TemporaryDirectory() as folder:
        app, watched = filled(f"sqlite:///{folder}/liaison.db", base, run)
        began, worked = time.perf_counter(), time.process_time()
        report = app.wiring.pulls[CLINIC].run(now=True)
        took, cpu = time.perf_counter() - began, time.process_time() - worked
        early, late = watched.held[len(watched.held) // 10], watched.held[-1]
        first = missed(app, run)
        app.wiring.pulls[CLINIC].run(now=True)
        left = missed(app, run)
        app.close()
        connection = http.client.HTTPConnection(urlsplit(base).netloc)
        connection.request("GET", "/_reset")
        connection.getresponse().read()
        alone = pager(base)
    if left or first != run.late:
        raise BenchError(f"{left} were missed, {first} of {run.late} came late; {report.total}")
    if late > 1.2 * early:
        raise BenchError(f"{late:.0f} MB at the end, {early:.0f} MB after a tenth")
    note = f"{run.late} late ones found; {late:.0f} MB at the end, {late / early:.2f} of that after a tenth"
    return [
        Figure("B8", run.name, "ours", run.tasks / took, rss=late, cpu_ms=cpu * 1000 / run.tasks, note=note),
        Figure("B8", run.name, "bare pager", run.tasks / alone, note="the same pages"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=Run.tasks)
    parser.add_argument("--late", type=int, default=Run.late)
    parser.add_argument("--latency", type=float, default=Run.latency, help="ms before each page")
    ours, other = measure(Run(**vars(parser.parse_args())))
    print(f"{ours.name}: ours {ours.rate:.0f}/s, bare {other.rate:.0f}/s, {ours.rate / other.rate:.0%}, {ours.cpu_ms:.2f} ms of CPU a version ({ours.note})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
