"""One referral read as what happened to it and when: all that the indicators get of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import orjson

from adapter import dossier
from adapter.audit.told import told
from adapter.clock import instant_of
from adapter.dossier import Dossier, content, follow, pointing, split
from adapter.errors import Invalid
from adapter.flows import Flows
from adapter.ports import Resource, Uow, Version
from adapter.referral.area import age_class, area, department
from adapter.referral.concluding import DAYS, MOST, TABLE
from adapter.referral.due import calendar
from adapter.referral.indicators import Course, Meeting, Move
from adapter.sight import INSEE
from adapter.views import of_now
from adapter.writing import withdrawn

PAGE = 500  # links of the trail
_READS = frozenset({"read", "vread", "search-type"})  # of its own software
_SAID = frozenset({"final", "amended", "corrected"})


def course(uow: Uow, story: Flows, request_id: str) -> Course | None:
    """What happened to the referral of one ServiceRequest, up to now; None: it is not whole here, or nobody knows when it was asked."""
    found = dossier.of_request(uow, request_id)
    zone = ZoneInfo(story.network.zone)
    asked = instant_of(str(found.request.get("authoredOn", "")), zone) if found else None
    if found is None or asked is None:
        return None
    local, versions = asked.astimezone(zone), _versions(uow, found)
    moves = tuple(_moves(story, versions))
    patient = found.patient or {}
    one = Course(
        asked=local, person=str(found.request.get("subject", {}).get("reference", "")), unit=found.owner, moves=moves,
        needs=_codes(story, "need", found.request.get("reasonCode", ())), meetings=tuple(_meetings(uow, found, zone)),
        results=tuple(code for each in found.of("Procedure") for code in _codes(story, "need-result", [each.get("outcome", {})])),
        withdrawn=withdrawn(found.told), days_avoided=_days_avoided(uow, story, found),
        area=_area(story, patient, f"{local:%Y-%m-%d}"), age=age_class(str(patient.get("birthDate", "")), local.date()) or "",
    )  # fmt: skip
    return replace(one, opened=_opened(story, one), told=one.completed is not None and _reached(uow, story, found, versions))


# ── its times ────────────────────────────────────────────────────────────────────────────────────
def _versions(uow: Uow, found: Dossier) -> list[Version]:
    """Of its Task, oldest first."""
    return [each for each in reversed(uow.history("Task", found.task["id"])) if not each.deleted]


def _moves(story: Flows, versions: list[Version]) -> Iterator[Move]:
    before = ""
    for version in versions:
        task = content(version)
        if task["status"] != before:
            before = task["status"]
            yield Move(version.updated, before, next(iter(_codes(story, "status-reason", [task.get("statusReason", {})])), ""))


def _opened(story: Flows, one: Course) -> timedelta | None:
    if one.contacted is None:
        return None
    try:
        return calendar(story.network, one.unit).open_between(one.asked, one.contacted)
    except Invalid:  # the unit is no longer in the network file
        return None


def _meetings(uow: Uow, found: Dossier, zone: ZoneInfo) -> Iterator[Meeting]:
    """The Appointments that say they are for this request, and those of the record that made it."""
    mine, named = found.request_version.reference, dict[str, Version]()
    for version in pointing(uow, "Appointment", "based-on", mine):
        if content(version)["basedOn"][0].get("reference") == mine:  # of several requests the first has it: it took place once
            named[version.id] = version
    for proof in found.told:
        targets = [str(each.get("reference", "")) for each in proof.get("target", ())]
        if next((each for each in targets if split(each)[0] == "ServiceRequest"), "") == mine:
            named |= {each.id: each for one in targets if split(one)[0] == "Appointment" and (each := follow(uow, one))}
    for appointment in map(content, named.values()):
        if start := instant_of(str(appointment.get("start", "")), zone):
            yield Meeting(start, str(appointment.get("status", "")))


# ── what came of it ──────────────────────────────────────────────────────────────────────────────
def _reached(uow: Uow, story: Flows, found: Dossier, versions: list[Version]) -> bool:
    """Whether who asked has had the completed Task: its EHR holds it, or somebody of the house opened it (as long as the trail keeps
    that: a year)."""
    ended = next((each.number for each in versions if content(each)["status"] == "completed"), 0)
    asking = story.writer.organisation_of(str(found.request.get("requester", {}).get("reference", "")))
    ehr = story.network.ehr_of(asking) if asking else None
    link = uow.link(ehr.name, "Task", found.task["id"]) if ehr else None
    return (link is not None and link.sent >= ended) or (bool(asking) and _opened_by(uow, story, asking, found, ended))


def _opened_by(uow: Uow, story: Flows, house: str, found: Dossier, number: int) -> bool:
    after, subject = 0, str(found.request["subject"].get("reference", ""))
    while rows := uow.audit_of(subject, after=after, limit=PAGE):
        for one in (told(orjson.loads(row.event)) for row in rows if row.event):
            by = one.recipient if one.kind == "disclosed" else one.by if one.ok and one.name in _READS else ""
            if story.writer.organisation_of(by) == house and any(_at_least(what, found.task_version.reference, number) for what in one.what):
                return True
        after = rows[-1].seq
    return False


def _at_least(cited: str, reference: str, number: int) -> bool:
    """Whether "Task/x/_history/4" is of that Task, and of that version or a later one."""
    of, _, version = cited.partition("/_history/")
    return of == reference and version.isdigit() and int(version) >= number


def _days_avoided(uow: Uow, story: Flows, found: Dossier) -> int | None:
    """As the prescriber last declared them, 0 to 30."""
    said = []
    for version in pointing(uow, "Observation", "based-on", found.request_version.reference):
        seen = content(version)
        if seen.get("status") in _SAID and DAYS in _codes(story, TABLE, [seen.get("code", {})]):
            value = seen.get("valueInteger", seen.get("valueQuantity", {}).get("value"))
            said += [(version.updated, int(value))] if value is not None and 0 <= value <= MOST else []
    return max(said)[1] if said else None


# ── who it was about, coarsely ───────────────────────────────────────────────────────────────────
def _area(story: Flows, patient: Resource, day: str) -> str:
    """The commune (INSEE) of 2,000 inhabitants or more, else the department; "" where nobody knows."""
    address: Resource = next((each for each in patient.get("address", ()) if of_now(each, day)), {})
    insee = next((str(each["valueCoding"]["code"]) for each in address.get("extension", ()) if INSEE in each.get("url", "")), "")
    table = story.window.terms.get("commune")
    known = {code: int(term.properties.get("inhabitants", 0)) for code, term in table.terms.items()} if table else {}
    return area(insee, known) if insee else department(str(address.get("postalCode", "")))


def _codes(story: Flows, table: str, concepts: Iterable[Resource]) -> tuple[str, ...]:
    """The codes of one of our tables in these concepts, in order."""
    system = story.writer.systems.code(table)
    return tuple(str(each["code"]) for concept in concepts for each in concept.get("coding", ()) if each.get("system") == system and "code" in each)
