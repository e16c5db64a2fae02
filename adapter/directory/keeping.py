"""How the directory's resources are stored: written where they differ, never deleted, never those of the network file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from adapter import fhir
from adapter.directory.naming import CELL, EVERYBODY, PUBLIC, SOURCE
from adapter.directory.reading import Made
from adapter.network import Network
from adapter.ports import IndexRow, Resource, Uow, Version
from adapter.writing import AUTHOR, KEEPER, LISTED

STEP = 10  # cells a degree: eleven kilometres from south to north


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a record. `elements`: which of its resource differ."""

    what: Literal["new", "changed", "unchanged", "gone"]
    id: str
    name: str
    elements: tuple[str, ...] = ()


def taken_over(network: Network, id: str) -> bool:
    """Whether the network file names it: it is the network's from then on."""
    return network.organisation(id) is not None or network.unit(id) is not None


def cell(latitude: float, longitude: float) -> str:
    return f"{math.floor(latitude * STEP)}:{math.floor(longitude * STEP)}"


def marks(resource: Resource, source: str) -> list[IndexRow]:
    """The search rows of the house, all of what the resource itself holds."""
    found = [IndexRow(AUTHOR, "token", value=LISTED), IndexRow(SOURCE, "token", value=source)]
    if position := resource.get("position"):
        found.append(IndexRow(CELL, "token", value=cell(position["latitude"], position["longitude"])))
    if resource["resourceType"] == "HealthcareService":
        publics = [coding["code"] for each in resource.get("eligibility", ()) for coding in each.get("code", {}).get("coding", ())]
        found += [IndexRow(PUBLIC, "token", value=each) for each in publics or [EVERYBODY]]
    return found


def write(uow: Uow, made: Made) -> Written:
    """Stores the resources of a record. A place of its own that a service no longer has becomes inactive."""
    stored = [(each["resourceType"], uow.current(each["resourceType"], made.id)) for each in made.resources]
    elements = tuple(name for (_, before), each in zip(stored, made.resources, strict=True) for name in _put(uow, before, each, made.source))
    if len(made.resources) == 1:
        elements += _closed(uow, "Location", made.id)
    what: Literal["new", "changed", "unchanged"] = "new" if stored[0][1] is None else "changed" if elements else "unchanged"
    return Written(what, made.id, made.name, elements if what == "changed" else ())


def retire(uow: Uow, type: str, id: str) -> Written:
    """Makes a record's resources inactive: nothing is deleted, references go on resolving."""
    current = uow.current(type, id)
    name = str(orjson.loads(current.received).get("name", "")) if current else ""
    _closed(uow, type, id)
    _closed(uow, "Location", id)
    return Written("gone", id, name)


def _closed(uow: Uow, type: str, id: str) -> tuple[str, ...]:
    """Ends a resource, where it is there and open."""
    current = uow.current(type, id)
    if current is None:
        return ()
    ended: Resource = orjson.loads(current.received)
    ended |= {"status": "inactive"} if type == "Location" else {"active": False}
    return _put(uow, current, ended, str(ended["meta"]["source"]).rpartition("/")[2])


def _put(uow: Uow, before: Version | None, resource: Resource, source: str) -> tuple[str, ...]:
    """Stores it unless it is as it was; the elements that differ."""
    received = fhir.dumps(resource)
    if before is not None and before.received == received:
        return ()
    type, id, number = resource["resourceType"], resource["id"], before.number + 1 if before else 1
    served = fhir.stamp(resource, id=id, version=number, updated=uow.at)
    version = Version(type, id, number, uow.at, KEEPER, served, received)
    uow.save(version, expected=number - 1, index=[*fhir.rows(resource), *marks(resource, source)])
    return _differing(orjson.loads(before.received) if before else {}, resource)


def _differing(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))
