"""kill -9 at every step between an effect and its event (U-09 of security.md 4.4): a process ends itself there, as a crash would;
what stands then has its letter and its event, and the chain goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from adapter.audit import seal
from adapter.audit.verifying import verified
from adapter.clock import SystemClock
from adapter.ports import Query
from adapter.store import SqlStore, open_store
from adapter.store.session import Session
from adapter.store.tables import audit
from adapter.store.tickets import Ticket
from adapter.store.uow import SqlUow
from tests.contract.stores import FILES, KEY, Opening, clock, empty_file, opening, refer, url  # noqa: F401 - fixtures

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.parametrize("url", FILES, indirect=True)


def dead(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _then(owner: Any, name: str, *, only: Callable[..., bool] = lambda *_: True) -> Any:
    """Does it, then dies."""
    done = getattr(owner, name)

    def doing(*given: Any, **named: Any) -> Any:
        found = done(*given, **named)
        if only(*given):
            dead()
        return found

    return mock.patch.object(owner, name, doing)


STEPS: dict[str, tuple[Callable[[], Any], int]] = {  # where the process ends; how many of four units stand then
    "the state is written": (lambda: _then(SqlUow, "save"), 3),
    "the letter is posted": (lambda: _then(SqlUow, "post"), 3),
    "the event is collected": (lambda: _then(SqlUow, "audit"), 3),
    "before the event is sealed": (lambda: mock.patch("adapter.store.writer.seal_events", dead), 3),
    "the link is written and the head is not": (lambda: _then(Session, "insert", only=lambda _, table, __: table is audit), 3),
    "the head is moved and nothing committed": (lambda: _then(sys.modules["adapter.store.writer"], "seal_events"), 3),
    "committed and not answered": (lambda: mock.patch.object(Ticket, "answer", dead), 4),
}  # fmt: skip


def main(url: str, step: str) -> None:
    store = open_store(url, clock=SystemClock(), seal=seal, key=KEY)
    for number in range(3):
        store.write_now(lambda uow, number=number: refer(uow, f"t{number}"))
    with STEPS[step][0]():
        store.write_now(lambda uow: refer(uow, "t3"))
    raise AssertionError("it lives")


def stands(store: SqlStore) -> tuple[set[str], set[str], set[str]]:
    """Ids in the state, in the outbox, in the trail."""
    found = store.read_now(lambda uow: uow.search(Query("Task", count=100)))
    letters = store.read_now(lambda uow: uow.letters(limit=100))
    rows = store.read_now(lambda uow: uow.audit_rows())
    return {each.id for each in found}, {each.id for each in letters}, {row.event.split(b'"')[3].decode() for row in rows}


@pytest.mark.parametrize("step", STEPS)
def test_effect_never_stands_without_its_event_wherever_the_process_dies_U_09(url: str, opening: Opening, step: str) -> None:
    command = [sys.executable, "-m", "tests.contract.test_store_killed", url, step]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    store = opening()
    state, letters, trail = stands(store)
    assert state == letters == trail == {f"t{number}" for number in range(STEPS[step][1])}
    assert store.read_now(verified).ok
    store.write_now(lambda uow: refer(uow, "after"))
    verdict = store.read_now(verified)
    assert (verdict.ok, verdict.count) == (True, STEPS[step][1] + 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
