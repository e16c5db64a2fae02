"""Whose letter goes when: order, rates, EHRs that are away, and several letters under way (sync.md 5.4)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from adapter.errors import EhrRejected, EhrUnavailable, EhrUnknown
from adapter.net import retry_after
from adapter.ports import Letter, Resource, Uow
from adapter.sync import halts, standing
from adapter.sync.line import Line
from tests.unit.sync.house import CONSENT, PATIENT, START, SYSTEMS, House
from tests.unit.sync.oracle import converged, converged_all
from tests.unit.sync.scripted import ScriptedEhr, away

WAIT = 20.0  # seconds that a thread may take before the test gives up


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("120", 120, 122), ("Mon, 02 Mar 2026 18:10:00 GMT", 600, 602), (None, 1, 2), ("-5", 1, 3), ("31536000", 3600, 3602)],
    ids=["seconds", "date", "absent", "negative", "a year"],
)
def test_Y_11_an_ehr_that_asks_for_time_gets_it_and_nobody_else_waits(header: str | None, least: int, most: int) -> None:
    house = House().referral()
    house.clients["other"] = other = ScriptedEhr("other", house.clock)
    other.plant({**PATIENT, "id": "42"})
    house.more(2, ehr="other")
    at = retry_after({"Retry-After": header}, house.clock.now()) if header else None
    house.ehr.script("create", away(status_code=429, retry_at=at))

    house.push().drain()

    assert len(other.all("ServiceRequest")) == 2
    until = house.store.read_now(lambda uow: standing.rest(uow, "clinic")).until
    assert until is not None and timedelta(seconds=least) <= until - START <= timedelta(seconds=most)
    assert house.push("another process").drain() == 0, "all processes know"
    house.clock.set(until)
    house.push("another process").drain()
    converged(house)


def test_Y_30_an_ehr_whose_answers_do_not_come_rests_after_three() -> None:
    house = House()
    house.put(PATIENT)
    house.ehr.plant({**PATIENT, "id": "42"})
    house.more(9)
    house.ehr.script("create", *[EhrUnknown("timed out")] * 9)
    house.push().drain()
    assert house.ehr.count("create") == 3


def test_Y_30_one_letter_tries_an_ehr_that_was_away_and_the_others_wait_for_it() -> None:
    house = House()
    house.put(PATIENT)
    house.ehr.plant({**PATIENT, "id": "42"})
    house.more(5)
    house.ehr.script("create", away())
    house.push().drain()
    house.later(minutes=1)
    one, other = house.push("one"), house.push("other")
    house.ehr.before["create"] = lambda: tried.append(other.step())
    tried: list[bool] = []
    one.step()
    assert tried == [False]
    assert other.step(), "it answered: the others go on"


def test_letters_of_several_lanes_are_under_way_at_once_and_those_of_one_lane_one_after_the_other() -> None:
    house = House().referral()
    house.more(4)
    together, lock, lanes = threading.Barrier(3), threading.Lock(), Counter[str]()

    class Slow(ScriptedEhr):
        def create(self, resource: Resource, *, if_none_exist: tuple[str, str] | None = None) -> Any:
            with lock:
                lanes["now"] += 1
                lanes["most"] = max(lanes["most"], lanes["now"])
            if lanes["met"] < 3:
                lanes["met"] += 1
                together.wait(WAIT)
            with lock:
                lanes["now"] -= 1
                return super().create(resource, if_none_exist=if_none_exist)

    slow = Slow("clinic", house.clock)
    slow.plant({**PATIENT, "id": "42"})
    house.ehr = slow
    house.clients["clinic"] = Line(slow, parallel=3)
    assert house.push().drain() == 7
    assert lanes["most"] == 3
    created = [type for verb, type in slow.calls if verb == "create"]
    assert [type for type in created if type in ("Consent", "Task")] == ["Consent", "Task"]
    converged_all(house, 5)


def test_one_commit_settles_a_letter_and_takes_the_next() -> None:
    house = House().sent()
    house.more(5)
    commits: list[int] = []
    house.store.on_commit(lambda: commits.append(1))
    assert house.push().drain_one("clinic") == 5
    assert len(commits) == 5 + 1, "the first is taken by itself"


@pytest.mark.parametrize(
    "hold",
    [
        lambda uow: standing.pause(uow, "clinic", "a person asked"), lambda uow: halts.halt(uow, "clinic", "restored"),
        lambda uow: halts.halt(uow, "clinic", "patient-changed", "Patient/p1"),
    ],
    ids=["paused", "halted", "patient halted"],
)  # fmt: skip
def test_what_holds_a_letter_after_it_was_taken_and_decided_still_holds_it(hold: Callable[[Uow], object]) -> None:
    house = House().sent()
    house.more(1)

    class Waiting(Line):
        @contextmanager
        def turn(self) -> Iterator[None]:
            with super().turn():
                house.store.write_now(hold)
                yield

    house.clients["clinic"] = Waiting(house.ehr)
    house.push().drain(1)
    assert house.ehr.count("create") == 0
    assert [(each.type, each.state) for each in house.letters(states=("queued",))] == [("ServiceRequest", "queued")]


def test_an_ehr_that_does_not_answer_keeps_no_other_waiting() -> None:
    house = House()
    house.put(PATIENT)
    held, go = threading.Event(), threading.Event()

    class Deaf(ScriptedEhr):
        def create(self, resource: Resource, *, if_none_exist: tuple[str, str] | None = None) -> Any:
            held.set()
            assert go.wait(WAIT)
            raise EhrUnavailable("timed out")

    deaf, other = Deaf("clinic", house.clock), ScriptedEhr("other", house.clock)
    house.clients = {"clinic": Line(deaf, parallel=2), "other": Line(other, parallel=2)}
    for ehr in (deaf, other):
        ehr.plant({**PATIENT, "id": "42"})
    house.more(3)
    house.more(3, ehr="other")
    arrived: list[int] = []
    house.matches = None
    house.ehr = other
    pushing = threading.Thread(target=lambda: arrived.append(house.push().drain()))
    pushing.start()
    assert held.wait(WAIT)
    for _ in range(2000):
        if len(other.all("ServiceRequest")) == 3:
            break
        threading.Event().wait(0.01)
    there = len(other.all("ServiceRequest"))
    go.set()
    pushing.join(WAIT)
    assert there == 3


def test_Y_33_a_letter_committed_after_a_later_one_was_taken_is_sent() -> None:
    house = House().sent()
    house.more(1)
    house.push().drain()
    early = Letter("clinic", "s9", "Task", "t1", due=house.clock.now() - timedelta(hours=1))
    house.store.write_now(lambda uow: uow.post(early))
    assert house.push().drain() == 1


def test_Y_34_a_poison_letter_holds_up_its_lane_and_no_other() -> None:
    house = House().referral()
    house.more(3)
    house.ehr.script("create", EhrRejected("no", status_code=422))
    house.push().drain()
    assert [state for _, state, _ in house.states()] == ["parked", "queued", "queued", "done", "done", "done"]


def test_Y_40_the_newest_consent_goes_first_with_what_stands_before_it_in_its_lane() -> None:
    house = House()
    house.ehr.plant({**PATIENT, "id": "42"})
    house.put(PATIENT, CONSENT)
    house.more(20)
    for n, lane in ((1, "x3"), (2, "x9")):
        house.later(seconds=1)
        own = [{"system": SYSTEMS.sid("consent"), "value": f"w{n}"}]
        house.put({**CONSENT, "id": f"w{n}", "identifier": own, "status": "inactive"})
        house.post(f"Consent/w{n}", lane=lane)
    house.push().drain(4)
    made = [each["identifier"][0]["value"] for type in ("ServiceRequest", "Consent") for each in house.ehr.all(type)]
    assert sorted(made) == ["w1", "w2", "x3", "x9"]
    assert [type for verb, type in house.ehr.calls if verb == "create"] == ["ServiceRequest", "Consent"] * 2
    first = house.ehr.all("ServiceRequest")[0]["identifier"][0]["value"]
    assert first == "x9", "the newest of them first"


def test_a_look_in_vain_that_took_long_is_not_repeated_as_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    push, ticking = house.push(), iter([0.0, 0.4, 5.0, 5.01])
    monkeypatch.setattr(house.clock, "monotonic", lambda: next(ticking))
    assert push.take("clinic") is None and push.pause("clinic", 1.0) == pytest.approx(8.0)
    assert push.take("clinic") is None and push.pause("clinic", 1.0) == 1.0


def test_Y_40_a_backlog_drains_in_the_time_its_rate_allows() -> None:
    house = House()
    house.put(PATIENT)
    house.ehr.plant({**PATIENT, "id": "42"})
    house.more(300)
    house.clients["clinic"] = Line(house.ehr, rate=5)
    push, seconds = house.push(), 0
    while house.letters(states=("queued",), limit=1):
        push.drain()
        assert push.pause("clinic", 60) <= 1 or not house.letters(states=("queued",), limit=1)
        house.later(seconds=1)
        seconds += 1
    assert 60 <= seconds <= 62, "300 requests, 5 a second, and one search for the patient"
    assert len(house.ehr.all("ServiceRequest")) == 300


