"""Three days of outage, then so many requests a second (sync.md Y-40): what leaves in which order, what does not, and how a person sees it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from adapter.clock import FrozenClock
from adapter.errors import EhrUnavailable
from adapter.ports import Letter, Remote, Resource, Uow
from adapter.store import open_store, upgrade
from adapter.sync.acts import Act
from adapter.sync.line import Line
from adapter.sync.pull import own_searches
from adapter.sync.status import status
from tests.bench.processes import resident
from tests.unit.sync.house import CONSENT, PATIENT, REQUEST, START, SYSTEMS, House
from tests.unit.sync.scripted import ScriptedEhr

LETTERS = 100_000 if os.environ.get("LIAISON_TEST_PROFILE") == "nightly" else 300
RATE = 5
STEPS = 60  # parts of the outage, and looks at how far it is


class Returning(ScriptedEhr):
    """Away for as long as a test says; keeps of each resource its identifier alone, and in which order they came."""

    away = True

    def create(self, resource: Resource, *, if_none_exist: tuple[str, str] | None = None) -> Remote:
        if self.away:
            raise EhrUnavailable("away")
        assert if_none_exist is not None
        self.came.append(if_none_exist[1])
        return Remote({**resource, "id": f"r{len(self.came)}"}, "1")

    def __init__(self, name: str, clock: FrozenClock) -> None:
        super().__init__(name, clock)
        self.came: list[str] = []


class Forgetful(House):
    """Writes down nothing of what the engine tells, so that memory is the engine's own."""

    def audited(self, uow: Uow, act: Act) -> None:
        pass

    def leaving(self, uow: Uow, letter: Letter) -> bool:
        return self.outgoing(uow, letter) is not None


def queued(house: House, numbers: range) -> None:
    """Of five letters one about a Consent that ended, each in a lane of its own; all of this moment."""

    def one(uow: Uow, n: int) -> str:
        base, kind, name = (CONSENT, "consent", f"c{n}") if n % 5 == 0 else (REQUEST, "request", f"x{n}")
        ended: Resource = {"status": "inactive"} if kind == "consent" else {"supportingInfo": []}
        house.put_in(uow, {**base, **ended, "id": name, "identifier": [{"system": SYSTEMS.sid(kind), "value": name}]})
        house.post_in(uow, f"{base['resourceType']}/{name}", lane=name)
        return name

    house.store.write_now(lambda uow: [one(uow, n) for n in numbers])


def test_Y_40_three_days_of_outage_drain_newest_consents_first_and_send_nothing_that_was_withdrawn(tmp_path: Path) -> None:
    url, clock = f"sqlite:///{tmp_path / 'liaison.db'}", FrozenClock(START)
    upgrade(url)
    house = Forgetful(store=open_store(url, clock=clock, seal=lambda before, event: "0", key=b"k" * 32), clock=clock)
    ehr = Returning("clinic", clock)
    house.ehr, house.clients = ehr, {"clinic": Line(ehr, rate=RATE)}
    ehr.plant({**PATIENT, "id": "42"})
    house.put(PATIENT)
    push = house.push()
    for step in range(STEPS):
        queued(house, range(step * LETTERS // STEPS, (step + 1) * LETTERS // STEPS))
        push.drain()
        clock.tick(timedelta(days=3) / STEPS)

    ehr.away = False
    seen: list[tuple[int, float]] = []
    held: list[float] = []
    taken_back: set[str] = set()
    seconds = 0
    while waiting := house.letters(states=("queued", "unknown"), limit=1):
        push.drain()
        if seconds == LETTERS // RATE // 10:
            sent = set(ehr.came)
            taken_back = {name for n in range(0, LETTERS, 7) if (name := f"x{n}") not in sent and n % 5}
            house.withheld |= {f"ServiceRequest/{name}" for name in taken_back}
        if seconds % max(1, LETTERS // RATE // STEPS) == 0 and seconds >= LETTERS // RATE // 10:
            (shown,) = house.store.read_now(lambda uow: status(uow, {"clinic": own_searches(SYSTEMS)}))
            seen.append((shown["queued"], shown["lag"]))
            held.append(resident([os.getpid()]) or 0.0)
        clock.tick(timedelta(seconds=1))
        seconds += 1
        assert waiting and seconds <= 2 * LETTERS / RATE + STEPS, "it ends"

    consents, requests = [name for name in ehr.came if name[0] == "c"], [name for name in ehr.came if name[0] == "x"]
    moments = [int(name[1:]) * STEPS // LETTERS for name in consents]
    assert ehr.came[: len(consents)] == consents and moments == sorted(moments, reverse=True), "the newest consents go first, before all else"
    assert len(consents) == -(-LETTERS // 5) and len(set(ehr.came)) == len(ehr.came)
    assert taken_back and not taken_back & set(requests), "what was withdrawn meanwhile is not sent"
    assert len(requests) + len(taken_back) + len(consents) == LETTERS, "and nothing else is lost"
    asked = len(ehr.came) + ehr.count("search")  # one tried while it was away is looked for
    assert asked / RATE - 1 <= seconds <= (asked + len(taken_back)) / RATE + 5, "it takes as long as its rate allows"
    depth = [queue for queue, _ in seen]
    assert depth == sorted(depth, reverse=True) and depth[0] > depth[-1], "a person sees it drain"
    assert held[-1] <= 1.2 * held[0], "memory does not grow with it"
    house.store.close()
