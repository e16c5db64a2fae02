"""Rows inside one process: an act done again and again, by the CPU time it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.figures import Figure, Round, figure


@dataclass(frozen=True)
class Lane:
    """`act` does `worth` of what is counted."""

    id: str
    name: str
    system: str
    act: Callable[[], object]
    worth: int = 1


def measure(lanes: Sequence[Lane], *, rounds: int, seconds: float) -> list[Figure]:
    """Interleaved rounds, each of about `seconds` of CPU time, one before them not counted. A rate is per second of CPU
    time of one core; p50 and p99 are over stretches of some acts."""
    found: list[list[Round]] = [[] for _ in lanes]
    times = [_times(lane.act, seconds) for lane in lanes]
    for turn in range(rounds + 1):
        for number, lane in enumerate(lanes):
            one = _round(lane, times[number])
            if turn:
                found[number].append(one)
    return [figure(lane.id, lane.name, lane.system, found[number], note="per core") for number, lane in enumerate(lanes)]


STRETCHES = 20  # of a round


def _times(act: Callable[[], object], seconds: float) -> int:
    """How often it can be done in one stretch."""
    act()
    begin = time.process_time()
    count = 0
    while time.process_time() - begin < seconds / STRETCHES:
        act()
        count += 1
    return max(1, count)


def _round(lane: Lane, times: int) -> Round:
    took = []
    for _ in range(STRETCHES):
        begin = time.process_time()
        for _ in range(times):
            lane.act()
        took.append((time.process_time() - begin) / times / lane.worth * 1e3)
    whole = sum(took) * times * lane.worth / 1e3
    return Round(STRETCHES * times * lane.worth, whole, took, whole)
