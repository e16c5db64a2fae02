"""Several processes on one database, and processes that die: nothing acknowledged is lost, the chain never forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import IO

import pytest

from adapter.audit import pages, seal, verify
from adapter.audit.verifying import verified
from adapter.clock import SystemClock
from adapter.errors import Conflict, Stale
from adapter.ports import Clause, Query, Uow
from adapter.store import SqlStore, open_store
from tests.contract.stores import (  # noqa: F401 - fixtures
    FILES,
    KEY,
    Opening,
    clock,
    empty_file,
    event,
    opening,
    put,
    refer,
    store,
    task,
    url,
)

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.parametrize("url", FILES, indirect=True)


def writing(url: str, name: str, units: int, *wait: str) -> subprocess.Popen[str]:
    """A process that writes `units` referrals from a few threads and prints the id of each one acknowledged. With "wait" it
    says that it is ready, and writes as many for each line of its standard input until that ends."""
    command = [sys.executable, "-m", "tests.contract.test_store_processes", url, name, str(units), *wait]
    fed = subprocess.PIPE if wait else None
    return subprocess.Popen(command, cwd=ROOT, stdin=fed, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})


def main(url: str, name: str, units: int, *wait: str) -> None:
    store = open_store(url, clock=SystemClock(), seal=seal, key=KEY)
    rounds = iter(sys.stdin) if wait else iter([""])
    if wait:
        print("ready", flush=True)

    def one(number: int) -> None:
        id = store.write_now(lambda uow: refer(uow, f"{name}-{number}")).id
        os.write(1, f"{id}\n".encode())

    with ThreadPoolExecutor(8) as pool:
        for turn, _ in enumerate(rounds):
            for done in [pool.submit(one, turn * units + number) for number in range(units)]:
                done.result()
    store.close()


def lines(stream: IO[str] | None) -> Iterator[str]:
    assert stream is not None
    with stream:
        yield from (line.strip() for line in stream)


def stored(store: SqlStore) -> tuple[set[str], set[str], set[str]]:
    """Ids in the state, in the outbox and in the audit trail, the trail verified."""
    rows = list(pages(lambda after, limit: store.read_now(lambda uow: uow.audit_rows(after=after, limit=limit))))
    assert verify(rows).ok
    found = store.read_now(lambda uow: uow.search(Query("Task", count=100_000)))
    letters = store.read_now(lambda uow: uow.letters(limit=100_000))
    return {version.id for version in found}, {each.id for each in letters}, {row.event.split(b'"')[3].decode() for row in rows}


def test_nothing_acknowledged_is_lost_when_the_process_is_killed_U_09(url: str, opening: Opening) -> None:
    process = writing(url, "killed", 100_000)
    acknowledged = []
    for id in lines(process.stdout):
        acknowledged.append(id)
        if len(acknowledged) == 150:
            process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    state, outbox, trail = stored(opening())
    assert set(acknowledged) <= state
    assert state == outbox == trail  # never effect without letter or event
    assert len(acknowledged) >= 150


def test_two_processes_write_to_one_database_side_by_side(url: str, opening: Opening) -> None:
    both = [writing(url, name, 200) for name in ("left", "right")]
    acknowledged = [id for process in both for id in lines(process.stdout)]
    assert [process.wait() for process in both] == [0, 0]
    state, outbox, trail = stored(opening())
    assert len(acknowledged) == 400
    assert set(acknowledged) == state == outbox == trail


def test_chain_does_not_fork_with_eight_writers_U_11(opening: Opening) -> None:
    """A thousand events each, ten in a unit: one chain, every event in it once, those of a unit side by side."""
    stores = [opening(writers=2) for _ in range(4)]  # on SQLite one each

    def work(writer: int) -> None:
        for unit in range(100):
            stores[writer % 4].write_now(lambda uow, unit=unit: [uow.audit(event(f"{writer}-{unit}-{number}")) for number in range(10)])  # type: ignore[misc]

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, writer) for writer in range(8)]:
            done.result()
    verdict = stores[0].read_now(verified)
    assert (verdict.ok, verdict.count) == (True, 8000)
    rows = pages(lambda after, limit: stores[0].read_now(lambda uow: uow.audit_rows(after=after, limit=limit)))
    told = [row.event.split(b'"')[3].decode() for row in rows]
    assert len(set(told)) == 8000
    assert all(told[at : at + 10] == [f"{told[at].rpartition('-')[0]}-{number}" for number in range(10)] for at in range(0, 8000, 10))


def test_chain_does_not_fork_with_four_processes_U_11(url: str, opening: Opening) -> None:
    """Each process has its own writer; every one adds to the chain, in turns, and no link has two successors."""
    four = [writing(url, name, 50, "wait") for name in ("north", "south", "east", "west")]
    for process in four:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    acknowledged = []
    for _ in range(2):
        for process in four:
            assert process.stdin is not None
            process.stdin.write("go\n")  # off they go together
            process.stdin.flush()
        acknowledged += [process.stdout.readline().strip() for process in four for _ in range(50)]  # type: ignore[union-attr]
    for process in four:
        process.stdin.close()  # type: ignore[union-attr]
        assert not list(lines(process.stdout))
    assert [process.wait() for process in four] == [0] * 4 and len(acknowledged) == 400
    verdict = opening().read_now(verified)
    assert (verdict.ok, verdict.count) == (True, 400)
    by = [next(name for name in ("north", "south", "east", "west") if name.encode() in row.event) for row in opening().read_now(lambda uow: uow.audit_rows())]
    assert sum(one != other for one, other in pairwise(by)) >= 6  # each went on from what the others had written since


def test_one_of_two_wins_when_both_write_the_same_version(opening: Opening) -> None:
    """Every update is seen by the next: nothing is overwritten unseen."""
    stores = [opening(), opening()]
    stores[0].write_now(lambda uow: put(uow, task()))
    lost = 0

    def add(uow: Uow, who: int) -> None:
        seen = uow.current("Task", "t1")
        assert seen is not None
        put(uow, task(served=seen.served + b"%d" % who), expected=seen.number)

    def work(who: int) -> int:
        refused = 0
        for _ in range(50):
            try:
                stores[who].write_now(lambda uow: add(uow, who))
            except Stale:
                refused += 1
        return refused

    with ThreadPoolExecutor(2) as pool:
        lost = sum(pool.map(work, range(2)))
    last = stores[0].read_now(lambda uow: uow.current("Task", "t1"))
    assert last is not None
    assert last.number == 1 + 100 - lost
    assert len(last.served) == 2 + 100 - lost


def test_one_of_two_wins_when_both_create_the_same(opening: Opening) -> None:
    stores = [opening(), opening()]

    def work(who: int) -> int:
        won = 0
        for number in range(40):
            try:
                stores[who].write_now(lambda uow: refer(uow, f"same-{number}"))  # noqa: B023 - run before the loop goes on
                won += 1
            except Conflict:
                pass
        return won

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(work, range(2))) == 40
    state, outbox, trail = stored(stores[0])
    assert len(state) == 40
    assert state == outbox == trail


def test_unit_that_meets_another_writers_row_is_run_again(opening: Opening) -> None:
    """What both read first and then write by name ends as if one had come after the other."""
    stores = [opening(), opening()]

    def count(uow: Uow, number: int) -> bool:
        if uow.remembered(f"n{number}"):
            return False
        uow.remember(f"n{number}", "", b"")
        uow.audit(event(number))
        return True

    def work(who: int) -> int:
        first = 0
        for number in range(60):
            try:
                first += stores[who].write_now(lambda uow: count(uow, number))  # noqa: B023
            except Conflict:
                pass
        return first

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(work, range(2))) == 60
    assert len(stores[0].read_now(lambda uow: uow.audit_rows())) == 60


def test_search_and_lease_are_one_for_all_processes(opening: Opening) -> None:
    one, other = opening(), opening()
    one.write_now(lambda uow: refer(uow, "t1"))
    assert other.read_now(lambda uow: uow.count(Query("Task", (Clause("status", "token", ("requested",)),)))) == 1
    assert one.write_now(lambda uow: uow.lease("pull", holder="one", until=uow.at.replace(year=2027)))
    assert not other.write_now(lambda uow: uow.lease("pull", holder="other", until=uow.at.replace(year=2027)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
