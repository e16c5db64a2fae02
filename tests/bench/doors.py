"""Rows over HTTP: the same request, again and again, on 16 connections, to one system after another in rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.bench.figures import Figure, Round, figure
from tests.bench.load import Request, load
from tests.bench.processes import cpu_seconds, resident
from tests.bench.systems import System

HAPI_WARM = 120.0  # seconds: its figures of the first two minutes are 2 to 4 times too slow (hapi.md)


@dataclass(frozen=True)
class Asking:
    """What one system is asked in one row: the n-th request and the status that is success."""

    request: Request
    status: int = 200


@dataclass(frozen=True)
class Door:
    """A row over HTTP. `prepare`: by name of the system, what makes it ready for the row; a system not named has no part."""

    id: str
    name: str
    prepare: Mapping[str, Callable[[System], Asking]]


@dataclass(frozen=True)
class Pace:
    """`rounds` of `seconds` each; `warm` seconds before them do not count."""

    rounds: int = 5
    seconds: float = 4.0
    warm: float = 4.0
    warm_hapi: float = HAPI_WARM


def measure(doors: Sequence[Door], systems: Sequence[System], pace: Pace, say: Callable[[str], object] = lambda line: None) -> list[Figure]:
    """Every row on every system that has part in it: prepared, warmed, then in interleaved rounds whose order turns, so
    that what else the machine does meets them all. Raises BenchError."""
    lanes = [(door, system, door.prepare[system.name](system)) for door in doors for system in systems if system.name in door.prepare]
    asked = [0] * len(lanes)
    rounds: list[list[Round]] = [[] for _ in lanes]
    held: list[float | None] = [None] * len(lanes)

    def one(number: int, seconds: float) -> Round:
        _, system, asking = lanes[number]
        before = cpu_seconds(system.pids())
        done = load(system.address, asking.request, asking.status, seconds=seconds, first=asked[number])
        after = cpu_seconds(system.pids())
        asked[number] += done.acts
        return replace(done, cpu=after - before if before is not None and after is not None else None)

    for number, (door, system, _) in enumerate(lanes):
        shared = sum(each is system for _, each, _ in lanes)
        seconds = pace.warm_hapi / shared if system.name == "hapi" else pace.warm
        say(f"warming {system.name} for {door.id} {door.name}: {seconds:.0f} s")
        one(number, seconds)
    for turn in range(pace.rounds):
        say(f"round {turn + 1} of {pace.rounds}")
        for place in range(len(lanes)):
            number = (place + turn) % len(lanes)
            rounds[number].append(one(number, pace.seconds))
            held[number] = resident(lanes[number][1].pids())
    return [
        figure(door.id, door.name, system.name, rounds[number], rss=held[number], note=system.note)
        for number, (door, system, _) in enumerate(lanes)
    ]
