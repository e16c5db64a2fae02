"""Limits of what one client may send: requests a minute, shared by all processes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapter.errors import TooMany
from adapter.limits import Limits, NoneLeft
from adapter.store import SqlStore
from tests.contract.stores import clock, empty_file, opening, store, url  # noqa: F401 - fixtures
from tests.e2e.stage import Stage
from tests.unit.web.conftest import Door


@pytest.fixture
def limited(stage: Stage, door: Door) -> Iterator[dict[str, str]]:
    who = door.token("saint-eloi")
    stage.app.limits = Limits(5)
    yield who
    stage.app.limits = Limits(0)


def test_client_that_sends_too_many_is_told_when_to_come_back(stage: Stage, door: Door, limited: dict[str, str]) -> None:
    answers = [door("GET", "/fhir/Task", headers=limited) for _ in range(7)]
    assert [each.status_code for each in answers] == [200] * 5 + [429] * 2
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    issue = answers[-1].json()["issue"][0]
    assert issue["code"] == "throttled" and issue["details"]["coding"][0]["code"] == "too-many"
    stage.clock.tick(timedelta(seconds=int(answers[-1].headers["retry-after"])))
    assert door("GET", "/fhir/Task", headers=limited).status_code == 200


def test_what_is_refused_counts_and_other_clients_are_not_slowed(door: Door, limited: dict[str, str]) -> None:
    assert [door("GET", "/fhir/Zyx", headers=limited).status_code for _ in range(6)][:2] == [404, 404]
    assert door("GET", "/fhir/Task", headers=limited).status_code == 429
    assert door("GET", "/fhir/Task", headers=door.token("coursiers")).status_code == 200


def test_processes_share_one_limit_and_give_no_more_together(store: SqlStore) -> None:
    processes, given = [Limits(100) for _ in range(4)], 0
    at = store.read_now(lambda uow: uow.at)
    for turn in range(400):
        limits = processes[turn % 4]
        for _ in range(2):
            try:
                limits.spend("one", at)
            except NoneLeft:
                store.write_now(lambda uow, limits=limits: limits.reserve(uow, "one"))  # type: ignore[misc]
                continue
            except TooMany:
                break
            given += 1
            break
    assert given == 100


def test_period_that_is_over_counts_no_more(store: SqlStore) -> None:
    counts = [store.write_now(lambda uow, period=period: uow.tally("x", period, 4, most=10)) for period in (1, 1, 1, 1, 2)]  # type: ignore[misc]
    assert counts == [4, 4, 2, 0, 4]


def test_no_limit_asks_nobody(tmp_path: Path, stage: Stage) -> None:
    Limits(0).spend("one", stage.clock.now())


def test_many_who_find_nothing_left_at_once_take_one_part(store: SqlStore) -> None:
    limits, at = Limits(100), store.read_now(lambda uow: uow.at)
    for _ in range(50):
        store.write_now(lambda uow: limits.reserve(uow, "one"))
    assert store.write_now(lambda uow: uow.tally("rate/one", int(at.timestamp()) // 60, 100, most=100)) == 95
