"""A house whose EHR shows too little, too much, the wrong thing, or nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from adapter.errors import EhrRejected
from adapter.ports import Principal, Remote, Resource
from adapter.sync import halts
from adapter.sync.cursors import Cursor, cursor_name
from tests.unit.sync.house import REQUEST, SYSTEMS, House
from tests.unit.sync.scripted import ScriptedEhr

OPERATOR = Principal("operator", "clinic", role="operator")


class Odd(ScriptedEhr):
    """`timeless`: how it takes `_lastUpdated`; `stale`: what a search shows of a resource, by id; `hidden`: what it does not show."""

    timeless = ""
    blind = False

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.stale: dict[str, Resource] = {}
        self.hidden: set[str] = set()

    def search(self, type: str, params: Sequence[tuple[str, str]]) -> Iterable[list[Remote]]:
        timed = {name for name, _ in params} & {"_lastUpdated", "_sort"}
        if timed and self.timeless == "refuses":
            self._meet("search", type)
            self.searched.append((type, tuple(params)))
            raise EhrRejected("search: 400", status_code=400)
        kept = [pair for pair in params if pair[0] != "_lastUpdated"] if self.timeless == "ignores" else params
        pages = super().search(type, kept)
        self.searched[-1] = (type, tuple(params))
        shown = ([self.stale.get(remote.id, remote.resource) for remote in page if remote.id not in self.hidden] for page in pages)
        return ([Remote(copy.deepcopy(each), each["meta"]["versionId"]) for each in page] for page in shown if not self.blind)


def odd() -> House:
    house = House()
    house.ehr = Odd("clinic", house.clock)
    house.clients["clinic"] = house.ehr
    return house


def of(house: House) -> Odd:
    assert isinstance(house.ehr, Odd)
    return house.ehr


def cursor(house: House, type: str = "Task") -> Cursor:
    return Cursor.decode(house.store.read_now(lambda uow: uow.kept(cursor_name("clinic", type))))


def asked_since(house: House, type: str = "Task") -> list[bool]:
    return ["_lastUpdated" in dict(params) for kind, params in house.ehr.searched if kind == type]


def many(house: House, count: int) -> House:
    """`count` more requests of ours, all in step."""
    for n in range(count):
        own = [{"system": SYSTEMS.sid("request"), "value": f"x{n}"}]
        house.put({**REQUEST, "id": f"x{n}", "identifier": own, "supportingInfo": []})
        house.post(f"ServiceRequest/x{n}", lane=f"x{n}")
    house.push().drain(1000)
    house.acts.clear()
    return house


def reason(house: House, patient: str = "") -> str:
    found = house.store.read_now(lambda uow: halts.halted(uow, "clinic", patient))
    return found.reason if found else ""
