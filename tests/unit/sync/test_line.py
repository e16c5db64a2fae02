"""The line to an EHR: how many requests are open, how many a second."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from adapter.sync.line import Line, turn
from tests.unit.sync.house import TASK, House
from tests.unit.sync.scripted import ScriptedEhr

WAIT = 20.0


def test_line_has_no_more_requests_open_than_it_may() -> None:
    house = House()
    open_now, most, lock, gate = 0, 0, threading.Lock(), threading.Event()

    class Slow(ScriptedEhr):
        def read(self, type: str, id: str) -> None:  # type: ignore[override]
            nonlocal open_now, most
            with lock:
                open_now += 1
                most = max(most, open_now)
                if open_now == 2:
                    gate.set()
            assert gate.wait(WAIT)
            with lock:
                open_now -= 1

    line = Line(Slow("clinic", house.clock), parallel=2)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: line.read("Task", "1"), range(6)))
    assert most == 2


def test_turn_is_held_once_by_a_thread_that_calls_inside_it() -> None:
    house = House()
    line = Line(house.ehr, parallel=1)
    with turn(line):
        line.create(TASK)
        with turn(line):
            assert [len(page) for page in line.search("Task", [])] == [1]
    with turn(house.ehr):
        pass


def test_rate_is_one_for_all_processes_and_what_was_asked_beyond_is_paid_first() -> None:
    house = House()
    one, other = (Line(house.ehr, parallel=4, rate=5) for _ in range(2))

    def spend(line: Line) -> bool:
        return house.store.write_now(line.spend) is None

    assert [spend(each) for each in (one, other, one, other, one, other, one)] == [True] * 5 + [False] * 2
    for _ in range(6):  # three of the letters that were paid for ask twice
        one.read("Task", "1")
    house.later(seconds=1)
    assert [spend(one) for _ in range(4)] == [True, True, False, False], "three requests were owed"
    house.later(seconds=1)
    assert [spend(other) for _ in range(6)] == [True] * 5 + [False]


def test_spend_says_when_there_is_more() -> None:
    house = House()
    house.later(milliseconds=300)
    line = Line(house.ehr, parallel=1, rate=1)
    assert house.store.write_now(line.spend) is None
    again = house.store.write_now(line.spend)
    assert again is not None and (again - house.clock.now()).total_seconds() == 0.7
