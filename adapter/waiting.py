"""What waits for a person between us and an EHR, and what a person may do about it (workflow.md 7). Nothing in it tells of anybody:
letters and conflicts are known by number, referrals by their spoken reference."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from adapter.audit import events
from adapter.clock import instant
from adapter.dossier import content, follow, of_request, patient_of, split
from adapter.errors import NotFound
from adapter.ports import ConflictRow, Letter, Principal, Uow, Version
from adapter.referral.spoken import of_task
from adapter.sync import doubts, pairs
from adapter.sync.delivery import ABSENT
from adapter.sync.doubles import DOUBLE
from adapter.sync.push import requeue

MOST = 100_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """`kind`: letter | conflict | double (a second copy that an EHR's race made: ended by rule, to be taken note of) | doubt (a person whose
    identity is to be checked) | pair (two records of a practice that may be one person). `reference`: of the referral, as it is spoken (of a
    person all that run, "" for none); `since`: FHIR instant."""

    kind: str
    number: int
    ehr: str
    reference: str
    type: str
    reason: str
    attempts: int
    since: str


def waiting(uow: Uow) -> list[Waiting]:
    """Every parked letter and every open conflict, oldest first; of a lane only the letter that holds up the others."""
    letters: dict[tuple[str, str], Letter] = {}
    for each in uow.letters(states=("parked",), limit=MOST):
        letters.setdefault((each.ehr, each.lane), each)
    found = [
        Waiting("letter", each.key, each.ehr, reference_of(uow, each.lane), each.type, each.reason, each.attempts, instant(each.due))
        for each in letters.values()
    ]
    rows = [("conflict", row) for row in uow.conflicts()] + [("double", row) for row in uow.conflicts(state=DOUBLE)]
    for kind, row in rows:
        lane = row.id if row.type == "ServiceRequest" else _request_of(follow(uow, f"{row.type}/{row.id}"))
        found.append(Waiting(kind, row.key, row.ehr, reference_of(uow, lane), row.type, row.reason, 0, instant(row.at)))
    for row in (*uow.conflicts(state=doubts.STATE), *uow.conflicts(state=pairs.STATE)):
        said = ", ".join(dict.fromkeys(of_task(task) for each in _persons(row) for task in pairs.running(uow, each)))
        found.append(Waiting(row.state, row.key, row.ehr, said, row.type, row.reason, 0, instant(row.at)))
    return sorted(found, key=lambda each: each.since)


def _persons(row: ConflictRow) -> list[str]:
    other = [str(orjson.loads(row.theirs)["other"])] if row.theirs else []
    return [f"Patient/{row.id}", *other]


def retry(uow: Uow, who: Principal, number: int, *, absent: bool = False) -> Letter:
    """The parked letter of that number goes back into its lane. `absent`: somebody looked for its resource at the EHR and it is not
    there, so that nobody looks again: for an EHR that cannot be searched. Raises NotFound."""
    letter = parked(uow, number)
    requeue(uow, letter, at=uow.at, reason=ABSENT if absent else "")
    told(uow, who, "repeat", letter, ("reason", letter.reason), ("absent", "yes" if absent else ""))
    return letter


def seen(uow: Uow, who: Principal, number: int) -> None:
    """Somebody took note of a second copy that was ended. Raises NotFound."""
    row = next((each for each in uow.conflicts(state=DOUBLE) if each.key == number), None)
    if row is None:
        raise NotFound("no second copy of that number; `liaison sync list` has them")
    uow.settle_conflict(number, choice="seen")
    found = follow(uow, f"{row.type}/{row.id}")
    uow.audit(events.act(who, "resolve", at=uow.at, what=f"{row.type}/{row.id}", patient=patient_of(content(found)) if found else ""))


def told(uow: Uow, who: Principal, name: str, letter: Letter, *details: tuple[str, str]) -> None:
    """What an operator did with a letter, in the audit."""
    found = follow(uow, f"{letter.type}/{letter.id}")
    what, patient = (found.cited, patient_of(content(found))) if found else (f"{letter.type}/{letter.id}", "")
    uow.audit(events.act(who, name, what=what, patient=patient, at=uow.at, details=details))


def parked(uow: Uow, number: int) -> Letter:
    """Raises NotFound."""
    found = uow.letters(states=("parked",), key=number)
    if not found:
        raise NotFound("no letter of that number waits for a person; `liaison sync list` has them")
    return found[0]


def patient_behind(uow: Uow, letter: Letter) -> str:
    """The id of the Patient whose referral the letter is about. Raises NotFound."""
    referral = of_request(uow, letter.lane)
    id = split(patient_of(referral.request))[1] if referral else ""
    if not id:
        raise NotFound("the referral of this letter is not here any more")
    return id


def reference_of(uow: Uow, lane: str) -> str:
    """The spoken reference of the referral that a lane is about, "" for none."""
    referral = of_request(uow, lane) if lane else None
    return of_task(referral.task) if referral else ""


def _request_of(version: Version | None) -> str:
    return split(content(version).get("focus", {}).get("reference", ""))[1] if version else ""
