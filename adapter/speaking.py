"""Who agrees in the person's place: parental authority, a legal representative, a chosen proxy (workflow.md 4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapter.consent import given_by, given_by_parent, majority, missing_agreement, standing
from adapter.dossier import content, pointing
from adapter.errors import Invalid
from adapter.names import Systems
from adapter.ports import Resource, Uow
from adapter.referral.scene import Scene, reference

REPRESENTED = "mesure-representation"  # code of `situation`: somebody decides for the person on personal matters
WHOSE = {  # what is lacking, in words
    "person": "the person's own agreement, or that of the proxy the person chose, is needed",
    "autorite-parentale": "a minor: the agreement of a holder of parental authority or of the legal representative is needed",
    "mandataire": "a protected adult: the agreement of the legal representative is needed",
}


def standing_of(patient: Resource, request: Resource, at: datetime, *, systems: Systems, zone: str) -> str:
    """minor | protected | adult, by birth date and by what the request says of a measure of protection."""
    codings = (coding for concept in request.get("orderDetail", ()) for coding in concept.get("coding", ()))
    protected = {"system": systems.code("situation"), "code": REPRESENTED} in codings
    return standing(_birth(str(patient.get("birthDate", ""))), protected=protected, at=at.astimezone(ZoneInfo(zone)).date())


def _birth(written: str) -> date | None:
    """The latest day that a FHIR date allows: who may be a minor is taken for one."""
    year, month, day = (*(int(part) for part in written.split("-") if part), 0, 0, 0)[:3]
    if not year:
        return None
    if day:
        return date(year, month, day)
    return date(year + (month or 12) // 12, (month or 12) % 12 + 1, 1) - timedelta(days=1)


def of_age_since(
    patient: Resource, consents: Iterable[Resource], others: Mapping[str, Resource], at: datetime, *, systems: Systems, zone: str
) -> date | None:
    """Since when a person is of age for whom a parent agreed to a Consent in force; None: a minor, or no parent did."""
    birth = _birth(str(patient.get("birthDate", "")))
    if birth is None or not any(each.get("status") == "active" and given_by_parent(each, others, systems=systems) for each in consents):
        return None
    day = majority(birth)
    return day if day <= at.astimezone(ZoneInfo(zone)).date() else None


def related(uow: Uow, patient: str) -> dict[str, Resource]:
    """ "RelatedPerson/y" -> the resource, for everyone who speaks for this patient."""
    return {version.reference: content(version) for version in pointing(uow, "RelatedPerson", "patient", patient)}


def proxy(uow: Uow, patient: str, said: Mapping[str, Any], scene: Scene, known: Collection[str]) -> Resource:
    """The RelatedPerson of {capacity, name?}: the one that is known already, else a new one. Raises Invalid (capacity)."""
    capacity, name = said.get("capacity", ""), said.get("name", "").strip()
    if capacity not in known:
        raise Invalid("expected capacity with a code of the table capacity", code="code-invalid", expression="given_by.capacity")
    concept, named = scene.coded("capacity", capacity), [{"text": name}] if name else []
    for each in related(uow, patient).values():
        if each.get("active") is not False and concept in each.get("relationship", ()) and each.get("name", []) == named:
            return each
    id = scene.new_id()
    made: Resource = {
        "resourceType": "RelatedPerson",
        "id": id,
        "identifier": [{"system": scene.systems.sid("related-person"), "value": id}],
        "active": True,
        "patient": {"reference": patient},
        "relationship": [concept],
    }
    return made | ({"name": named} if named else {})


def agreed_by(consents: Iterable[Resource], speaker: Resource | None, others: Mapping[str, Resource], *, who: str, systems: Systems) -> list[Resource]:
    """The Consents as agreed to by `speaker` (None: the person). Raises Invalid naming whose agreement is lacking."""
    known = dict(others) | ({reference(speaker)["reference"]: speaker} if speaker else {})
    done = [given_by(each, [reference(speaker)["reference"]]) if speaker else each for each in consents]
    lacking = next((found for each in done if (found := missing_agreement(each, known, who=who, systems=systems))), "")
    if lacking:
        raise Invalid(WHOSE[lacking], expression="given_by")
    return done


def held_back(
    resources: list[Resource], patient: Resource, others: Mapping[str, Resource], at: datetime, *, systems: Systems, zone: str
) -> tuple[list[Resource], str]:
    """The resources of a record, and whose agreement they still lack (""): then its Consents are only proposed and its
    Tasks drafts. That the person agreed is kept in its Provenance."""
    requests = {each["id"]: each for each in resources if each["resourceType"] == "ServiceRequest"}
    lacking: dict[str, str] = {}
    for request in requests.values():
        who = standing_of(patient, request, at, systems=systems, zone=zone)
        named = {entry["reference"] for entry in request.get("supportingInfo", ())}
        mine = [each for each in resources if each["resourceType"] == "Consent" and f"Consent/{each['id']}" in named]
        for consent in (each for each in mine if each["status"] == "active"):
            if found := missing_agreement(consent, others, who=who, systems=systems):
                lacking |= {f"Consent/{consent['id']}": found, f"ServiceRequest/{request['id']}": found}
    if not lacking:
        return resources, ""
    return [_held(each, lacking) for each in resources], next(iter(lacking.values()))


def _held(resource: Resource, lacking: Mapping[str, str]) -> Resource:
    if resource["resourceType"] == "Consent" and f"Consent/{resource['id']}" in lacking:
        return resource | {"status": "proposed"}
    if resource["resourceType"] == "Task" and resource["focus"]["reference"] in lacking and resource["status"] == "requested":
        return {name: value for name, value in resource.items() if name != "businessStatus"} | {"status": "draft"}
    return resource
