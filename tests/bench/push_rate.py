"""B7: queued letters into an EHR that answers after a while, against a bare loader: `python -m tests.bench.push_rate [--letters 10000]`.

The EHR is a stub in a process of its own (`slow_ehr`). The bare loader sends the identical requests, as the stub wrote them down, with
as many open as ours may have, in the same run. Exactly once is counted at the stub.
"""

from __future__ import annotations

import argparse
import http.client
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from adapter import network
from adapter.app import App, build
from adapter.clock import SystemClock
from adapter.network.model import Limits
from adapter.settings import load_settings
from adapter.store import upgrade
from tests import postgres
from tests.bench.figures import Figure
from tests.bench.load import BenchError
from tests.e2e.stage import CALL, COURSIER, ROOT

DURABLE = "-c listen_addresses='' -c fsync=on -c synchronous_commit=on"
AT_ONCE = 50  # referrals written in one unit
OPEN = ("queued", "unknown")
HELD = ("parked", "conflict")


@dataclass(frozen=True)
class Run:
    """`latency` of the EHR in ms, `faults`: percent of its writes done and never answered, `parallel` requests open at once, `together`:
    the letters of a referral in one transaction."""

    letters: int = 10_000
    latency: float = 50
    faults: float = 1
    parallel: int = 4
    together: bool = False
    database: str = ""

    @property
    def name(self) -> str:
        how = ", a referral at once" if self.together else ""
        return f"letters at {self.latency:g} ms, {self.parallel} open, {self.faults:g} % never answered{how}"


@contextmanager
def slow_ehr(latency: float, faults: float) -> Iterator[str]:
    """Its FHIR base."""
    command = [sys.executable, "-m", "tests.bench.slow_ehr", str(latency), str(faults)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as stub:
        try:
            assert stub.stdout
            yield f"http://127.0.0.1:{int(stub.stdout.readline())}/fhir"
        finally:
            stub.kill()


def opened(url: str) -> App:
    return build(load_settings({"LIAISON_SECRET_KEY": "k" * 40, "LIAISON_DATABASE_URL": url}), clock=SystemClock())


def filled(url: str, base: str, run: Run) -> App:
    """A Liaison with as many referrals, each of another person, as make the letters; none sent."""
    upgrade(url)
    app = opened(url)
    found = network.load(ROOT / "mappings" / "demo" / "network.yaml")
    limits = Limits(parallel=run.parallel)
    moved = tuple(replace(each, ehr=replace(each.ehr, url=base, limits=limits, transactions=run.together)) if each.ehr else each for each in found.organisations)
    app.apply_network(replace(found, organisations=moved))
    wanted = -(-run.letters // 3)
    for start in range(0, wanted, AT_ONCE):
        records = [_record(n) for n in range(start, min(wanted, start + AT_ONCE))]
        app.write_now(lambda story, uow, records=records: [story.refer(uow, COURSIER, "appel-coursier", each) for each in records])  # type: ignore[misc]
    return app


def _record(n: int) -> dict[str, Any]:
    agreed = {"accord": "oui", "par": "coursier-lea", "le": CALL["appel"], "comment": "telephone"}
    letters = "".join("abcdefghij"[int(digit)] for digit in str(n))
    person = CALL["personne"] | {"nom": f"Zyx{letters}", "nom_naissance": f"Zyx{letters}"}
    return {**CALL, "id": f"appel-{n}", "personne": person, "accord_medecin": agreed, "accord_patient": agreed}


def drained(app: App) -> tuple[float, float]:
    """Seconds, and seconds of CPU, until nothing waits any more."""
    push, began, worked = app.wiring.push, time.perf_counter(), time.process_time()
    while not _any(app, HELD) and _any(app, OPEN):
        push.drain(1_000_000)
        threading.Event().wait(0.02)
    return time.perf_counter() - began, time.process_time() - worked


def _any(app: App, states: Any) -> bool:
    return bool(app.store.read_now(lambda uow: uow.letters(states=states, limit=1)))


def bare(base: str, asked: list[Any], parallel: int) -> float:
    """Seconds that the same requests take, each sent once."""
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for each in asked:
        waiting.put(each)

    def send() -> None:
        connection = http.client.HTTPConnection(urlsplit(base).netloc)
        while True:
            try:
                method, path, headers, body = waiting.get_nowait()
            except queue.Empty:
                return connection.close()
            try:
                connection.request(method, path, body.encode() or None, headers)
                connection.getresponse().read()
            except (http.client.HTTPException, OSError):
                connection.close()

    threads = [threading.Thread(target=send) for _ in range(parallel)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def got(base: str, path: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(base).netloc)
    connection.request("GET", path)
    found = json.loads(connection.getresponse().read())
    connection.close()
    return found


def checked(app: App, base: str) -> tuple[int, list[Any]]:
    """How many letters there were, and what was asked for them. Raises BenchError when something is there twice or not at all."""
    letters = app.store.read_now(lambda uow: uow.letters(limit=1_000_000))
    if {each.state for each in letters} != {"done"}:
        raise BenchError(f"letters are left: { {(each.state, each.reason) for each in letters if each.state != 'done'} }")
    made = got(base, "/_made")
    if made != [1] * len(letters):
        raise BenchError(f"{len(made)} of {len(letters)} are there, {sum(each > 1 for each in made)} twice")
    return len(letters), got(base, "/_asked")


def measure(run: Run) -> list[Figure]:
    """Ours and the bare loader, in letters a second. Raises BenchError when something is there twice or not at all."""
    with slow_ehr(run.latency, run.faults) as base, tempfile.TemporaryDirectory() as folder:
        app = filled(run.database or f"sqlite:///{folder}/liaison.db", base, run)
        took, cpu = drained(app)
        letters, asked = checked(app, base)
        app.close()
        got(base, "/_reset")
        alone = bare(base, asked, run.parallel)
    note = f"{letters} letters in {len(asked)} requests, each there once"
    return [Figure("B7", run.name, "ours", letters / took, cpu_ms=cpu * 1000 / letters, note=note), Figure("B7", run.name, "bare loader", letters / alone, note="the same requests")]


def rows(letters: int) -> list[Figure]:
    """The row B7 of `make bench`: at 0, 50 and 200 ms, one by one and a referral at once. Wanted: 0.90 of the bare loader at 50 and 200 ms."""
    return [each for latency in (0, 50, 200) for together in (False, True) for each in measure(Run(letters, latency, together=together))]


# ── several processes ────────────────────────────────────────────────────────────────────────────
def shared(run: Run, workers: int) -> list[Figure]:
    """So many processes on the database of `run` (PostgreSQL), each with as many requests open, and one alone before them. Wanted of
    four: three times the rate of one. Raises BenchError like `measure`."""
    found = []
    for number in (1, workers):
        with slow_ehr(run.latency, run.faults) as base, postgres.running(DURABLE) as cluster:
            url = cluster.database()
            app = filled(url, base, run)
            took = _worked(url, number)
            letters, asked = checked(app, base)
            app.close()
        note = f"{letters} letters in {len(asked)} requests, each there once"
        found.append(Figure("B7", run.name + ", PostgreSQL", f"{number} worker{'s' if number > 1 else ''}", letters / took, note=note))
    return found


def _worked(url: str, number: int) -> float:
    """Seconds that so many workers take, from when all of them are there."""
    command = [sys.executable, "-m", "tests.bench.push_rate", "--drain", url]
    mine = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(number)]
    for each in mine:
        assert each.stdout and each.stdout.readline()
    began = time.perf_counter()
    for each in mine:
        assert each.stdin
        each.stdin.close()
    if any(each.wait() for each in mine):
        raise BenchError("a worker failed")
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=Run.letters)
    parser.add_argument("--latency", type=float, default=Run.latency, help="ms before each answer")
    parser.add_argument("--faults", type=float, default=Run.faults, help="percent of requests done and never answered")
    parser.add_argument("--parallel", type=int, default=Run.parallel)
    parser.add_argument("--together", action="store_true", help="the letters of a referral in one transaction")
    parser.add_argument("--database", default="", help="URL of an empty database in place of an SQLite file")
    parser.add_argument("--workers", type=int, default=0, help="so many processes on a PostgreSQL of its own against one")
    parser.add_argument("--drain", default="", help=argparse.SUPPRESS)
    given = vars(parser.parse_args())
    workers, queued = given.pop("workers"), given.pop("drain")
    if queued:
        app = opened(queued)
        _ = app.wiring
        print("ready", flush=True)
        sys.stdin.read()
        drained(app)
        app.close()
        return 0
    if workers:
        one, many = shared(Run(**given), workers)
        print(f"{many.name}: {one.system} {one.rate:.1f}/s, {many.system} {many.rate:.1f}/s, {many.rate / one.rate:.1f} times ({many.note})")
        return 0
    ours, other = measure(Run(**given))
    print(f"{ours.name}: ours {ours.rate:.1f}/s, bare {other.rate:.1f}/s, {ours.rate / other.rate:.0%}, {ours.cpu_ms:.1f} ms of CPU a letter ({ours.note})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
