"""Two records of one practice that may be one person: looked for when a record is made, put before a person of that practice, never merged.

"same" ties the two by Patient.link and sets one aside: it takes no new referral, and those that run on it run on to their end, each under
its own agreements. Nothing is moved from one to the other, and nothing is ever compared across practices.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from adapter import fhir, identity
from adapter.audit import events
from adapter.dossier import content, follow, pointing, split
from adapter.errors import Invalid, NotFound
from adapter.ports import Change, ConflictRow, Principal, Resource, Uow, Version
from adapter.referral.states import TERMINAL

REASON, STATE = "probable-double", "pair"
SAME, DIFFERENT = "same", "different"
HOPS = 8  # records set aside one after the other


def look(uow: Uow, made: Version) -> int:
    """Puts each other record of the same practice that may be the person just written down before somebody; how many."""
    person, found = content(made), dict[str, Version]()
    for asked in _asked(person):
        query = replace(fhir.query("Patient", [asked]), clinics=frozenset({made.clinic}))
        found |= {each.id: each for each in uow.search(query)}
    others = [each for each in found.values() if each.id != made.id and _one(person, content(each))]
    for each in others:
        other = json.dumps({"other": each.reference}).encode()
        uow.save_conflict(ConflictRow(made.clinic, "Patient", made.id, REASON, b"", b"", other, uow.at, state=STATE))
    return len(others)


def _asked(person: Resource) -> list[tuple[str, str]]:
    birth = str(person.get("birthDate", ""))
    mine = [each for each in person.get("identifier", ()) if each.get("system") and each.get("value") and identity.kind_of(each) not in identity.NUMBERS]
    numbers = [("identifier", f"{each['system']}|{_escaped(each['value'])}") for each in mine]
    return [*numbers, *([("birthdate", birth)] if len(birth) == 10 else [])]


def _escaped(value: str) -> str:
    return "".join(f"\\{mark}" if mark in "\\,|$" else mark for mark in value)


def _one(person: Resource, other: Resource) -> bool:
    """Whether they may be one: by traits, or by a number of the practice. Who was set aside is nobody to ask about."""
    if other.get("active") is False:
        return False
    mine, theirs = ({(identity.canonical(each.get("system", "")), each.get("value")) for each in one.get("identifier", ())
                     if identity.kind_of(each) not in identity.NUMBERS} for one in (person, other))  # fmt: skip
    return bool(mine & theirs) or identity.alike(person, other)


def standing(uow: Uow, id: str) -> str:
    """The id of the record that stands for a person whose own was set aside: itself where it was not."""
    for _ in range(HOPS):
        found = follow(uow, f"Patient/{id}")
        links = content(found).get("link", ()) if found else ()
        next_id = next((split(str(each["other"].get("reference", "")))[1] for each in links if each.get("type") == "replaced-by"), "")
        if not next_id:
            break
        id = next_id
    return id


def row_of(uow: Uow, number: int) -> ConflictRow:
    """Raises NotFound."""
    row = next((each for each in uow.conflicts(state=STATE) if each.key == number), None)
    if row is None:
        raise NotFound("no pair of records of that number; `liaison sync list` has them")
    return row


def both(uow: Uow, row: ConflictRow) -> tuple[Version, Version]:
    """(the record that stays, the one that is set aside): the one that the EHR knows, else the older one. Raises NotFound where one of
    them is gone meanwhile."""
    newer, older = follow(uow, f"Patient/{row.id}"), follow(uow, str(json.loads(row.theirs)["other"]))
    if newer is None or older is None:
        raise NotFound("one of the two records is not here any more: say that they are different")
    known = [uow.link(row.ehr, "Patient", each.id) is not None for each in (older, newer)]
    return (newer, older) if known == [False, True] else (older, newer)


def tied(uow: Uow, row: ConflictRow) -> list[Change]:
    """The two records as they refer to each other once somebody said that they are one person."""
    kept, aside = both(uow, row)
    return [
        Change("update", "Patient", aside.id, {**_linked(content(aside), kept, "replaced-by"), "active": False}, origin="portal"),
        Change("update", "Patient", kept.id, _linked(content(kept), aside, "replaces"), origin="portal"),
    ]


def _linked(patient: Resource, other: Version, type: str) -> Resource:
    return patient | {"link": [*patient.get("link", ()), {"other": {"reference": other.reference}, "type": type}]}


def decided(uow: Uow, who: Principal, number: int, choice: str, *, receive: Callable[[Uow, Principal, list[Change]], list[Version]]) -> list[Version]:
    """A person of the practice says of two of its records that they are the `same` person or `different` ones; the records that changed, as
    `receive` wrote them. Raises NotFound, Invalid."""
    row = row_of(uow, number)
    if choice not in (SAME, DIFFERENT):
        raise Invalid("expected same or different", code="value", expression="choice")
    saved = receive(uow, who, tied(uow, row)) if choice == SAME else []
    settled(uow, who, row, choice)
    return saved


def settled(uow: Uow, who: Principal, row: ConflictRow, choice: str) -> None:
    """What a person said of them, in the audit of both."""
    uow.settle_conflict(row.key, choice=choice)
    for patient in (f"Patient/{row.id}", str(json.loads(row.theirs)["other"])):
        uow.audit(events.act(who, "pair-settled", what=patient, patient=patient, at=uow.at, details=[("choice", choice)]))


def running(uow: Uow, patient: str) -> list[Resource]:
    """The Tasks of a person that have not ended."""
    tasks = (content(each) for each in pointing(uow, "Task", "patient", patient))
    return [each for each in tasks if each["status"] not in TERMINAL]


def opposed(uow: Uow, patient: str) -> bool:
    """Whether an opposition in force stands on this record."""
    consents = (content(each) for each in pointing(uow, "Consent", "patient", patient))
    return any(each.get("status") == "active" and each.get("provision", {}).get("type") == "deny" for each in consents)
