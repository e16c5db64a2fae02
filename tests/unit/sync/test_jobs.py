"""The loop and the timer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from adapter.errors import EhrUnavailable, Unavailable
from adapter.sync.jobs import LOOK, Jobs
from adapter.sync.schedule import Schedule
from tests.unit.sync.house import START, House
from tests.unit.sync.scripted import away

WAIT = 20.0  # seconds that a thread may take before the test gives up


class HandSchedule(Schedule):
    """A timer that a test turns by hand."""

    def __init__(self) -> None:
        self.calls: dict[str, tuple[timedelta, Callable[[], object]]] = {}
        self.state = "new"

    def every(self, name: str, length: timedelta, call: Callable[[], object], *, spread: timedelta = timedelta(0)) -> None:
        self.calls[name] = (length, call)

    def start(self) -> None:
        self.state = "started"

    def stop(self) -> None:
        self.state = "stopped"


class Heard:
    def __init__(self) -> None:
        self.codes: list[str] = []

    def __call__(self, code: str, error: Exception) -> None:
        self.codes.append(f"{code}:{type(error).__name__}")


def jobs(house: House, schedule: Schedule | None = None, heard: Heard | None = None, **more: object) -> Jobs:
    return Jobs(house.store, house.push(), {"clinic": house.pull()}, schedule=schedule, failed=heard or Heard(), **more)  # type: ignore[arg-type]


def test_tick_sends_all_that_is_due() -> None:
    house = House().referral()

    assert jobs(house).tick() == 3
    assert jobs(house).tick() == 0


def test_a_commit_wakes_the_push() -> None:
    house = House()
    running = jobs(house)
    arrived = threading.Event()
    running.start()
    try:
        house.ehr.before["create"] = arrived.set
        house.referral()
        assert arrived.wait(WAIT)
    finally:
        running.stop()


def test_stop_waits_for_the_letter_in_hand_and_leaves_the_rest() -> None:
    house = House()
    running = jobs(house)
    on_the_wire, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        on_the_wire.set()
        assert go_on.wait(WAIT)

    house.ehr.before["create"] = hold
    running.start()
    house.referral()
    assert on_the_wire.wait(WAIT)
    stopping = threading.Thread(target=running.stop)
    stopping.start()
    assert running._ending.wait(WAIT)
    go_on.set()
    stopping.join(WAIT)

    assert [state for _, state, _ in house.states()] == ["done", "queued", "queued"]


def test_stop_is_harmless_when_nothing_runs_and_start_is_refused_twice() -> None:
    running = jobs(House())
    running.stop()
    running = jobs(House())
    running.start()
    try:
        with pytest.raises(RuntimeError):
            running.start()
    finally:
        running.stop()
        running.stop()


def test_a_fault_of_a_pull_is_told_by_code_and_ends_nothing() -> None:
    house, heard = House().sent(), Heard()
    house.ehr.script("search", away(), KeyError("bug"), Unavailable("database"))
    running = jobs(house, heard=heard)

    for _ in range(4):
        running.pull("clinic", now=True)

    assert heard.codes == ["pull-clinic-ehr:EhrUnavailable", "pull-clinic-fault:KeyError", "pull-clinic-store:Unavailable"]
    assert EhrUnavailable.retry


def test_start_schedules_a_look_at_every_pull_and_the_chores() -> None:
    house, heard = House().sent(), Heard()
    schedule, done, at_start = HandSchedule(), [], threading.Event()

    def chore() -> None:
        done.append(1)
        at_start.set()
        raise ValueError

    running = jobs(house, schedule, heard, chores={"reminders": (chore, timedelta(hours=1))})
    running.start()
    try:
        assert at_start.wait(WAIT)
        assert {name: length for name, (length, _) in schedule.calls.items()} == {"pull-clinic": LOOK, "reminders": timedelta(hours=1)}
        house.ehr.searched.clear()
        schedule.calls["pull-clinic"][1]()
        schedule.calls["pull-clinic"][1]()
        assert len(house.ehr.searched) == 3, "the second look found nothing due"
        schedule.calls["reminders"][1]()
        assert (len(done), set(heard.codes)) == (2, {"reminders-fault:ValueError"})
    finally:
        running.stop()
    assert schedule.state == "stopped"


def test_a_chore_is_done_before_the_first_letter_and_a_failing_one_holds_nothing_back() -> None:
    house, heard, sent = House(), Heard(), threading.Event()
    order: list[str] = []

    def chore() -> None:
        order.append("chore")
        raise EhrUnavailable("away")

    def creating() -> None:
        order.append("letter")
        sent.set()

    house.ehr.before["create"] = creating
    house.referral()
    running = jobs(house, HandSchedule(), heard, chores={"directory": (chore, timedelta(hours=1))})
    running.start()
    try:
        assert sent.wait(WAIT)
    finally:
        running.stop()
    assert order[:2] == ["chore", "letter"]
    assert heard.codes == ["directory-ehr:EhrUnavailable"]


def test_an_idle_loop_does_not_wake_itself() -> None:
    house = House()
    wakes: list[int] = []
    house.store.on_commit(lambda: wakes.append(1))

    jobs(house).tick()

    assert wakes == []


def test_schedule_calls_what_it_was_given_until_it_is_stopped() -> None:
    schedule, called = Schedule(), threading.Event()
    schedule.every("often", timedelta(milliseconds=10), called.set)
    schedule.start()
    try:
        assert called.wait(WAIT)
        assert schedule.names == ("often",)
    finally:
        schedule.stop()
        schedule.stop()


def test_schedule_keeps_jobs_in_memory_joins_missed_turns_and_never_skips_one() -> None:
    schedule = Schedule()
    schedule.every("pull", timedelta(minutes=1), START.isoformat, spread=timedelta(seconds=5))
    schedule.every("pull", timedelta(minutes=2), START.isoformat)
    schedule.start()
    try:
        (job,) = schedule._scheduler.get_jobs()
        assert (job.coalesce, job.max_instances, job.misfire_grace_time) == (True, 1, None)
        assert job.trigger.interval == timedelta(minutes=2)
    finally:
        schedule.stop()
