"""The person says no, before anything was sent or once and for all (workflow.md 4).

A refusal at the proposal leaves a count and nothing that tells who it was, whenever it is told. Where an opposition stands
against a recipient, a record for that recipient is not taken in, and its sender and the practice are told so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from adapter import traces
from adapter.audit import events
from adapter.clock import instant
from adapter.consent import anchored, decide, members
from adapter.dossier import Dossier, content, follow, patient_of, pointing, split
from adapter.errors import Invalid
from adapter.names import ACT_REASON, Systems
from adapter.network import Network
from adapter.ports import Ask, Basis, Change, Principal, Resource, Uow, Version
from adapter.receipt import refused_mark
from adapter.referral.spoken import of_task

PROVISIONAL = "provisoire"  # tag of a doctor whom only a record tells of
TO_PRACTICE = "the person opposed that this service is told: nothing was taken in or sent; ask the person"
TO_OTHERS = "this cannot be sent, nothing was taken in; the practice knows why"
REFUSALS = "refused-at-proposal/"  # before month (UTC) and house: the name of a count
NOTED, MOST = timedelta(days=30), 100  # how long the practice's list holds what was not sent, and how much
SAID = "non transmise : la personne s'est opposée ; voir avec elle"


# ── a refusal at the proposal ────────────────────────────────────────────────────────────────────
def count(uow: Uow, organisation: str) -> None:
    """One refusal at the proposal more (I7), of the house and of its month; a day would say more than a count."""
    uow.add(f"{REFUSALS}{uow.at:%Y-%m}/{organisation}", 1)
    name = f"refused-at-proposal:{organisation}"
    uow.keep(name, str(int(uow.kept(name) or b"0") + 1).encode())


def unsent(uow: Uow, referral: Dossier) -> bool:
    """Whether it never left the draft: nobody but its author has been shown anything of it."""
    versions = uow.history("Task", referral.task["id"])
    return all(content(each)["status"] in ("draft", "cancelled") for each in versions if not each.deleted)


def forget(uow: Uow, who: Principal, referrals: Sequence[Dossier], *, systems: Systems, request_id: str = "") -> None:
    """The person said no to what was never sent: all that the record made is destroyed, in every version. A Patient stays whom
    the clinic, its EHR or another referral knows, a provisional doctor who stands elsewhere too. One count, one event without
    identity."""
    made = {each.reference: each for referral in referrals for each in traces.of_referral(uow, referral)}
    for version in list(made.values()):
        made |= {each.reference: each for each in _doctors(uow, content(version), made, systems)}
    for patient in {patient_of(referral.request) for referral in referrals}:
        made |= {each.reference: each for each in _person(uow, patient, made, systems)}
    for version in made.values():
        uow.erase(version.type, version.id)
    for referral in referrals:
        uow.keep(refused_mark(referral.task["id"]), b"1")
    count(uow, who.organisation)
    uow.audit(events.act(who, "refused-at-proposal", at=uow.at, request_id=request_id, details=[("resources", str(len(made)))]))


def _person(uow: Uow, patient: str, made: dict[str, Version], systems: Systems) -> list[Version]:
    """The Patient and who speaks for it, where a record made it and nothing else is about it."""
    own = follow(uow, patient)
    if own is None or own.number > 1 or uow.copies(own.type, own.id) or not _by_record(content(own), systems):
        return []
    rest = [each for each in traces.of_person(uow, patient) if each.reference not in made]
    return [] if any(each.type not in ("Patient", "RelatedPerson", "Provenance") for each in rest) else rest


def _by_record(resource: Resource, systems: Systems) -> bool:
    return str(resource.get("meta", {}).get("source", "")).startswith(f"{systems.base}/mapping/")


def _doctors(uow: Uow, resource: Resource, made: dict[str, Version], systems: Systems) -> Iterator[Version]:
    """The provisional doctor whom a request or its Provenance names, and who is named nowhere else."""
    named = [resource.get("requester", {}), *(agent.get("who", {}) for agent in resource.get("agent", ()))]
    for reference in {str(each.get("reference", "")) for each in named}:
        found = follow(uow, reference) if split(reference)[0] in ("Practitioner", "PractitionerRole") else None
        if found is None or not provisional(content(found), systems):
            continue
        others = [*pointing(uow, "ServiceRequest", "requester", reference), *pointing(uow, "Provenance", "agent", reference)]
        if all(each.reference in made for each in others):
            yield found
            if behind := follow(uow, str(content(found).get("practitioner", {}).get("reference", ""))):
                yield behind


def provisional(resource: Resource, systems: Systems) -> bool:
    """Whether only a record tells of this doctor."""
    return {"system": systems.code("tag"), "code": PROVISIONAL} in resource.get("meta", {}).get("tag", ())


# ── an opposition that stands ────────────────────────────────────────────────────────────────────
def opposed(uow: Uow, network: Network, request: Resource, owner: str) -> bool:
    """Whether a deny of this person stands against the unit that the request is put to: then nothing of it could be seen."""
    recipient = network.organisation_of_unit(owner)
    return denied(uow, network, request, frozenset({f"Organization/{recipient}", f"HealthcareService/{owner}"}))


def parties(who: Principal) -> frozenset[str]:
    """As whom a clinic's own software is denied something."""
    return frozenset({f"Organization/{who.organisation}", *([f"PractitionerRole/{who.person}", f"Practitioner/{who.person}"] if who.person else [])})


def denied(uow: Uow, network: Network, request: Resource, actors: frozenset[str]) -> bool:
    """Whether a deny of this person, on this request, stands against these."""
    patient = patient_of(request)
    consents = [content(each) for each in pointing(uow, "Consent", "patient", patient)]
    teams = [content(each) for each in pointing(uow, "CareTeam", "patient", patient)]
    ask = Ask(patient, actors, (f"{ACT_REASON}|TREAT",), "access")
    ground = (Basis("author", ""),)  # permits all that nobody denies
    groups = members(teams, uow.at, zone=network.zone)
    return not decide(anchored(consents, request), ground, ask, uow.at, resource=request, groups=groups, zone=network.zone).permit


def against(uow: Uow, network: Network, changes: Sequence[Change]) -> list[Resource]:
    """The Tasks among the changes of a record whose recipient the person opposed."""
    made = [each.resource for each in changes if each.resource]
    requests = {f"ServiceRequest/{each['id']}": each for each in made if each["resourceType"] == "ServiceRequest"}
    tasks = [each for each in made if each["resourceType"] == "Task"]
    return [each for each in tasks if opposed(uow, network, requests[each["focus"]["reference"]], split(each["owner"]["reference"])[1])]


def told(uow: Uow, who: Principal, network: Network, patient: str, spoken: Iterable[str], *, request_id: str = "") -> str:
    """What the caller is told where an opposition stands: the practice the reason, anybody else that the practice knows it. That
    is a declared exception (workflow.md 6), an event each time; the practice's list has it under the spoken references."""
    uow.audit(events.act(who, "opposition-told", patient=patient, at=uow.at, request_id=request_id))
    clinic = _clinic(uow, who, patient)
    noted = [{"reference": each, "sent": instant(uow.at), "read": "", "text": SAID} for each in spoken]
    uow.keep(f"not-sent:{clinic}", orjson.dumps([*not_sent(uow, clinic), *noted][-MOST:]))
    return _words(who, clinic)


def stopped(uow: Uow, who: Principal, network: Network, tasks: Sequence[Resource], *, request_id: str = "") -> Invalid:
    """The same for an act, which has no receipt: a refusal with the same words, that leaves the same event and notice."""
    patient, spoken = patient_of(tasks[0]), [of_task(each) for each in tasks]
    refused = Invalid(_words(who, _clinic(uow, who, patient)), expression="destinataire")
    refused.kept = lambda later: told(later, who, network, patient, spoken, request_id=request_id)
    return refused


def _clinic(uow: Uow, who: Principal, patient: str) -> str:
    known = follow(uow, patient)
    return known.clinic if known else who.organisation


def _words(who: Principal, clinic: str) -> str:
    return TO_PRACTICE if who.organisation == clinic and who.role != "service" else TO_OTHERS


def not_sent(uow: Uow, clinic: str) -> list[dict[str, Any]]:
    """What was not sent for a practice's patients in the last 30 days: spoken reference and time, nothing of the person."""
    found: list[dict[str, Any]] = orjson.loads(uow.kept(f"not-sent:{clinic}") or b"[]")
    return [each for each in found if uow.at - datetime.fromisoformat(each["sent"]) < NOTED]
