"""Several workers with several letters under way each, an EHR that loses answers: each resource is there once, each lane in order."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter.clock import FrozenClock
from adapter.errors import EhrUnavailable, EhrUnknown
from adapter.ports import Remote, Resource
from adapter.store import open_store, upgrade
from adapter.sync.crew import Crew
from adapter.sync.line import Line
from tests.unit.sync.house import CONSENT, PATIENT, REQUEST, START, SYSTEMS, TASK, House
from tests.unit.sync.scripted import ScriptedEhr

LANES = 12


class Shared(ScriptedEhr):
    """Used by many threads; one call in five goes wrong, before or after it was done."""

    def __init__(self, name: str, clock: FrozenClock, seed: int) -> None:
        super().__init__(name, clock)
        self._chance, self._lock = random.Random(seed), threading.RLock()

    def _meet(self, verb: str, type: str) -> bool:
        with self._lock:
            drawn = self._chance.random()
            self.calls.append((verb, type))
        if drawn < 0.07:
            raise EhrUnavailable("away")
        if drawn < 0.13:
            raise EhrUnknown("cut before it arrived")
        return drawn < 0.2

    def create(self, resource: Resource, *, if_none_exist: tuple[str, str] | None = None) -> Remote:
        with self._lock:
            return super().create(resource, if_none_exist=if_none_exist)

    def update(self, resource: Resource, *, if_match: str) -> Remote:
        with self._lock:
            return super().update(resource, if_match=if_match)

    def transaction(self, bundle: Resource) -> Resource:
        with self._lock:
            return super().transaction(bundle)

    def search(self, type: str, params: Any) -> Any:
        with self._lock:
            return list(super().search(type, params))


def referral(house: House, n: int) -> None:
    def own(kind: str) -> list[dict[str, str]]:
        return [{"system": SYSTEMS.sid(kind), "value": f"{kind[0]}{n}"}]

    house.put(
        {**CONSENT, "id": f"c{n}", "identifier": own("consent")},
        {**REQUEST, "id": f"r{n}", "identifier": own("request"), "supportingInfo": [{"reference": f"Consent/c{n}"}]},
        {**TASK, "id": f"t{n}", "identifier": own("task"), "focus": {"reference": f"ServiceRequest/r{n}"}},
    )
    house.post(f"Consent/c{n}", f"ServiceRequest/r{n}", f"Task/t{n}", lane=f"r{n}")


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
@pytest.mark.parametrize("seed", [1, 2])
def test_Y_04_four_workers_and_a_bad_line_bring_each_resource_once(tmp_path: Path, seed: int, together: bool) -> None:
    url = f"sqlite:///{tmp_path / 'liaison.db'}"
    upgrade(url)
    clock = FrozenClock(START)
    ehr = Shared("clinic", clock, seed)
    houses = []
    for _ in range(4):
        store = open_store(url, clock=clock, seal=lambda before, event: "0", key=b"k" * 32)
        house = House(store=store, clock=clock)
        house.ehr, house.transacts = ehr, {"clinic": together}
        house.clients["clinic"] = Line(ehr, parallel=3)
        houses.append(house)
    one = houses[0]
    ehr.plant({**PATIENT, "id": "42"})
    one.put(PATIENT)
    for n in range(LANES):
        referral(one, n)
    pushes = [house.push(f"worker-{n}") for n, house in enumerate(houses)]
    for _ in range(200):
        threads = [threading.Thread(target=push.drain) for push in pushes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not one.letters(states=("queued", "unknown"), limit=1):
            break
        one.later(minutes=16)
    assert {(state, reason) for _, state, reason in one.states()} == {("done", "")}
    assert [len(ehr.all(type)) for type in ("Consent", "ServiceRequest", "Task")] == [LANES] * 3
    assert [fault for house in houses for fault in house.faults] == []
    requests = {each["id"]: each for each in ehr.all("ServiceRequest")}
    for task in ehr.all("Task"):
        request = requests[task["focus"]["reference"].partition("/")[2]]
        assert request["identifier"][0]["value"] == task["identifier"][0]["value"].replace("t", "r")
    for house in houses:
        house.store.close()


# ── the crew by itself ───────────────────────────────────────────────────────────────────────────
def next_of(letters: list[int]) -> Callable[[object, bool], int | None]:
    return lambda sent, more: letters.pop() if more and letters else None


def crew(letters: list[int], sent: list[int], **more: Any) -> Crew[int, None]:
    given: dict[str, Any] = {"most": 3, "limit": 100, "stop": lambda: False, "name": "test"} | more
    return Crew(next_of(letters), sent.append, **given)


def test_crew_takes_all_there_is_and_no_more_than_it_may() -> None:
    sent: list[int] = []
    assert crew(list(range(20)), sent).run() == 20 and sorted(sent) == list(range(20))
    assert crew(list(range(20)), [], limit=7).run() == 7
    assert crew([], []).run() == 0
    assert crew(list(range(20)), [], stop=lambda: True).run() == 0


def test_crew_ends_with_what_went_wrong() -> None:
    def fail(letter: int) -> None:
        raise ValueError(letter)

    letters = list(range(20))
    broken = Crew(next_of(letters), fail, most=3, limit=100, stop=lambda: False, name="test")
    with pytest.raises(ValueError, match="1"):
        broken.run()
    assert len(letters) >= 14, "nobody took another"


def test_crews_of_several_ehrs_run_at_once() -> None:
    meeting = threading.Barrier(2)
    crews = []
    for _ in range(2):
        crews.append(Crew(next_of([1]), lambda _: meeting.wait(20), most=2, limit=9, stop=lambda: False, name="x"))
    assert Crew.together(crews) == 2
