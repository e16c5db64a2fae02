"""One record of data·inclusion as FHIR (france.md 2.1). Pure: the same record gives the same resources.

A field that does not fit is left out and said; only what a record cannot be without refuses it. `contact_nom_prenom` names a person and
nothing here needs it: it is never taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapter.directory import service, structure, values
from adapter.directory.naming import DirectorySystems, id_of
from adapter.directory.taken import Note, Taken
from adapter.ports import Resource

STRUCTURES, SERVICES = "structures", "services"


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a record. `id`: of its resources ("" where it cannot be told whose record it is); `resources`: the Organization
    or HealthcareService first, then its Location where it has one of its own; none where it was refused. `parent`: id of the structure
    that a service belongs to."""

    id: str
    name: str = ""
    source: str = ""
    resources: tuple[Resource, ...] = ()
    notes: tuple[Note, ...] = ()
    parent: str = ""

    @property
    def refused(self) -> bool:
        return not self.resources


def made(kind: str, record: Any, systems: DirectorySystems, *, source: str = "") -> Made:
    """`kind`: STRUCTURES or SERVICES. `source`: of records that do not say theirs. Never raises, whatever the record is."""
    if not isinstance(record, Mapping):
        return Made("", notes=(Note("", "expected an object or a row with columns", True),))
    taken = Taken(record, systems)
    origin = taken.get("source", values.source) or source
    key, name = taken.get("id", values.key, needed=True), taken.get("nom", values.line, needed=True)
    parent = taken.get("structure_id", values.key, needed=True) if kind == SERVICES else None
    if not origin:
        taken.notes.append(Note("source", "expected the source of the record: a column, or --source", True))
    id = id_of(kind, origin, key) if origin and key else ""
    if any(note.refused for note in taken.notes):
        return Made(id, source=origin, notes=_once(taken.notes))
    assert key and name  # or there were notes
    above = id_of(STRUCTURES, origin, parent) if parent else ""
    head: Resource = {
        "id": id,
        "meta": {"source": systems.systems.sid(f"data-inclusion/{origin}"), "tag": [systems.tag]},
        "identifier": [{"system": systems.record(kind), "value": key if key.startswith(f"{origin}--") else f"{origin}--{key}"}],
    }
    resources = service.resources(taken, head, name, above) if kind == SERVICES else structure.resources(taken, head, name)
    return Made(id, name, origin, tuple(resources), _once(taken.notes), above)


def _once(notes: list[Note]) -> tuple[Note, ...]:
    """A field that is looked at twice is said once."""
    return tuple(dict.fromkeys(notes))
