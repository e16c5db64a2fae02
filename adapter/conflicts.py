"""A conflict with an EHR, element by element: what both sides held last, what each holds now, and whose element it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from adapter.audit import events
from adapter.dossier import content, follow, patient_of
from adapter.errors import NotFound
from adapter.ports import ConflictRow, Principal, Uow
from adapter.sync.canonical import decode, same
from adapter.sync.ownership import Ownership, Side


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the resource that the sides do not hold alike, by its name. `owner`: whose it is (ours | ehr | both); `changed`: who changed it
    since they were in step (ours | theirs | both). A person may choose where `owner` is both. The values are JSON, None where it is not there."""

    name: str
    owner: Side
    changed: Literal["ours", "theirs", "both"]
    base: Any
    ours: Any
    theirs: Any


def conflict(uow: Uow, number: int) -> ConflictRow:
    """Raises NotFound."""
    row = next((each for each in uow.conflicts() if each.key == number), None)
    if row is None:
        raise NotFound("no open conflict of that number; `liaison sync conflicts list` has them")
    return row


def elements(row: ConflictRow, ownership: Ownership) -> list[Element]:
    """What the sides do not hold alike."""
    return list(_elements(row, ownership))


def _elements(row: ConflictRow, ownership: Ownership) -> Iterator[Element]:
    base, ours, theirs = (decode(each) for each in (row.base, row.ours, row.theirs))
    for name in sorted({*base, *ours, *theirs} - ownership.server - {"resourceType", "meta"}):
        before, mine, other = (each.get(name) for each in (base, ours, theirs))
        if same(mine, other, ownership, name):
            continue
        moved = not same(mine, before, ownership, name), not same(other, before, ownership, name)
        changed: Literal["ours", "theirs", "both"] = "both" if all(moved) else "ours" if moved[0] else "theirs"
        yield Element(name, ownership.side(row.type, name, "ehr"), changed, before, mine, other)


def told(uow: Uow, who: Principal, row: ConflictRow) -> None:
    """That somebody saw the values, in the audit before they are shown."""
    found = follow(uow, f"{row.type}/{row.id}")
    patient = patient_of(content(found)) if found and not found.deleted else ""
    uow.audit(events.act(who, "conflict-seen", at=uow.at, what=found.cited if found else f"{row.type}/{row.id}", patient=patient))
