"""The order of erasure (workflow.md 8): what runs is ended and its recipients are told, the register line of each disclosure
goes under the officer's key, then the content goes, and the events about the person with it; what cannot be erased is listed.

The chain still verifies: it covers salted digests, and an act that is itself a link names every event it destroyed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import orjson

from adapter import dossier, traces
from adapter.audit import events, pages, register
from adapter.audit.erasures import ERASE, LARGEST, ranges
from adapter.audit.told import told
from adapter.audit.verifying import patient_in
from adapter.dossier import Dossier, content, split
from adapter.errors import Conflict, NotFound
from adapter.flows import Flows
from adapter.ports import Change, Principal, Uow, Version
from adapter.referral import codes, verbs
from adapter.referral.spoken import of_task
from adapter.referral.states import TERMINAL

Sealed = Callable[[bytes], bytes]
"""sealed(line) -> what only the officer can open."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What was done before anything is destroyed. `told`: (recipient, spoken reference) of each closing notice; `waiting`:
    letters that an EHR has not got yet."""

    ended: int
    told: tuple[tuple[str, str], ...]
    waiting: int


@dataclass(frozen=True, slots=True)
class Left:
    """What cannot be erased, why, and who holds it."""

    what: str
    reason: str
    holder: str


@dataclass(frozen=True, slots=True)
class Erased:
    """What is gone. `resources`: type -> how many; `events`: links without content now; `lines`: kept under the officer's key."""

    resources: Mapping[str, int]
    versions: int
    events: int
    lines: int
    left: tuple[Left, ...]


def end(story: Flows, uow: Uow, who: Principal, patient: str) -> Ended:
    """Ends every referral of the person that still runs, as a withdrawal, and gives a closing notice to every recipient that
    was shown who it is and has none. Raises NotFound."""
    if dossier.follow(uow, patient) is None:
        raise NotFound("no such person, or erased before", expression="PERSON")
    ended, notices = 0, []
    for found in _referrals(uow, patient):
        acting = replace(who, organisation=found.clinic)
        if found.task["status"] not in TERMINAL:
            story.withdraw(uow, acting, found, {})
            ended += 1
        elif _unaware(story, uow, acting, found):
            case = story.agreements.case(uow, acting, found)
            notice = verbs.closing_notice(case.hand.referral, case.hand.scene)
            story.receive(uow, acting, [Change("create", "Communication", notice["id"], notice, origin="intake")])
        if _noticed(dossier.load(uow, found.task_version.id), story):
            notices.append((found.owner, of_task(found.task)))
    waiting = sum(uow.letters_waiting(version.type, version.id) for version in traces.of_person(uow, patient))
    return Ended(ended, tuple(notices), waiting)


def erase(story: Flows, uow: Uow, who: Principal, patient: str, *, sealed: Sealed, unsent: bool = False) -> Erased:
    """Destroys the content of every version of every resource about the person and of every event about them. Raises Conflict
    when a referral runs or an EHR was not told yet (`unsent`: then it is left untold, and listed)."""
    everything = list(traces.of_person(uow, patient))
    waiting = sum(uow.letters_waiting(version.type, version.id) for version in everything)
    if any(found.task["status"] not in TERMINAL for found in _referrals(uow, patient)):
        raise Conflict("a referral of this person still runs: it is ended first", code="conflict")
    if waiting and not unsent:
        raise Conflict(f"{waiting} letters to an EHR wait: it is told first", code="conflict")
    left = tuple(_left(uow, everything, waiting))
    links, lines = [], 0
    for seq, line in _lines(uow, patient):
        links.append(seq)
        if line is not None:
            uow.file(seq, patient, line.at, sealed(line.dumps()))
            lines += 1
    versions = sum(uow.erase(version.type, version.id) for version in everything)
    uow.discard(dossier.DOUBTED + patient)  # how sure the identity was
    for start in range(0, len(links), LARGEST):
        some = links[start : start + LARGEST]
        uow.audit(events.act(who, ERASE, at=uow.at, details=[("links", ranges(some))]), erasing=some)
    counts = Counter(version.type for version in everything)
    uow.audit(events.act(who, "person-erase", at=uow.at, details=[("resources", str(len(everything))), ("events", str(len(links))), ("lines", str(lines))]))
    return Erased(dict(sorted(counts.items())), versions, len(links), lines, left)


def _referrals(uow: Uow, patient: str) -> Iterator[Dossier]:
    for version in dossier.pointing(uow, "Task", "patient", patient):
        if found := dossier.load(uow, version.id):
            yield found


def _unaware(story: Flows, uow: Uow, who: Principal, found: Dossier) -> bool:
    return found.task["status"] != "draft" and not _noticed(found, story) and story.agreements.case(uow, who, found).shown(found)


def _noticed(found: Dossier | None, story: Flows) -> bool:
    kind = {"system": story.writer.systems.code("communication"), "code": codes.CLOSING}
    said = (concept for each in (found.of("Communication") if found else ()) for concept in each.get("category", ()))
    return any({"system": coding.get("system"), "code": coding.get("code")} == kind for concept in said for coding in concept.get("coding", ()))


def _lines(uow: Uow, patient: str) -> Iterator[tuple[int, register.Line | None]]:
    """Every link about the person with the register's line of it, if it was a disclosure."""
    for row in pages(lambda after, limit: uow.audit_of(patient, after=after, limit=limit)):
        event = orjson.loads(row.event) if row.event else {}
        if event and patient_in(event) == patient:
            line = register.line(row.seq, told(event))
            yield row.seq, replace(line, agreed=agreed(uow, line)) if line else None


def agreed(uow: Uow, line: register.Line) -> tuple[str, ...]:
    """The days on which the Consents of a line were given."""
    found = []
    for cited in line.consents:
        reference, _, number = cited.partition("/_history/")
        type, id = split(reference)
        version = uow.version(type, id, int(number)) if number.isdecimal() else uow.current(type, id) if type else None
        if version and not version.deleted and (day := str(content(version).get("dateTime", ""))[:10]):
            found.append(day)
    return tuple(dict.fromkeys(found))


def _left(uow: Uow, everything: list[Version], waiting: int) -> Iterator[Left]:
    """The closed list of what stays, with the reason and the holder."""
    for version in everything:
        for ehr in uow.copies(version.type, version.id):
            link = uow.link(ehr, version.type, version.id)
            remote = f"{version.type}/{link.remote_id}" if link else version.type
            yield Left(f"copy {remote} in the EHR", "medical record, kept by law (CSP R1112-7; RGPD 17-3-b): ask the clinic", ehr)
    if waiting:
        yield Left(f"{waiting} letters that were not sent", "the EHR could not be told: tell the clinic by hand", "Liaison")
    yield Left(
        "register lines (recipient, date, purpose, element set, consent version)",
        "limitation period of claims (RGPD 17-3-e); under the officer's key, then shredded", "data protection officer",
    )  # fmt: skip
    yield Left("closing notices: a spoken reference, no name", "recipients must read them (RGPD 19)", "Liaison and the recipients")
    yield Left("events that name only this house's ids of what is gone", "integrity of the security log, 12 months, no content", "Liaison")
    yield Left("receipts of records taken in: reference, unit, dates", "so that a record sent again does not bring the person back", "Liaison")
    yield Left("database files: freed pages, write-ahead log, replicas, backups", "until they are vacuumed and rotate out", "operator")
    yield Left("what recipients copied or remember", "outside this house; they were told to destroy it", "the recipients")
