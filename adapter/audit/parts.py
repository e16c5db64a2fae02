"""The parts of an AuditEvent: who took part, what it was about. References, codes and keys only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from adapter.audit import codes
from adapter.audit.codes import Coding
from adapter.ports import Principal, Resource

LIAISON: Resource = {"type": "Device", "identifier": {"value": "liaison"}}
_ACTORS = ("Device/", "Organization/", "Patient/", "Practitioner/", "PractitionerRole/", "RelatedPerson/")
_UNKNOWN = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}


def event(
    type: Coding, subtype: Coding, action: str, *, at: datetime, agents: list[Resource], entities: Iterable[Resource | None],
    outcome: str = codes.DONE, why: str = "", purposes: Iterable[str] = (),
) -> Resource:  # fmt: skip
    """One AuditEvent. `why` is a catalogued reason; entities that are None are left out."""
    made: Resource = {
        "resourceType": "AuditEvent", "type": type, "subtype": [subtype], "action": action,
        "recorded": recorded(at),
        "outcome": outcome, "agent": agents, "source": {"observer": LIAISON, "type": [codes.SERVER_KIND]},
    }  # fmt: skip
    if why:
        made["outcomeDesc"] = why
    if purposed := [codes.purpose(code) for code in sorted(purposes)]:
        made["purposeOfEvent"] = purposed
    if involved := [entity for entity in entities if entity]:
        made["entity"] = involved
    return made


def recorded(at: datetime) -> str:
    """A time as it stands in the events: UTC with microseconds, so that its order as text is the order of time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


# ── agents ───────────────────────────────────────────────────────────────────────────────────────
def agent(type: Coding, who: Resource, *, requestor: bool = False, **more: Any) -> Resource:
    return {"type": codes.concept(type), "who": who, "requestor": requestor, **more}


def named(reference: str) -> Resource:
    """A reference where FHIR allows that type for an agent, else the same as an identifier."""
    return {"reference": reference} if reference.startswith(_ACTORS) else {"identifier": {"value": reference}}


def network(address: str) -> Resource:
    """The network address of a machine, or that it is not known."""
    return {"address": address, "type": "2"} if address else {"_address": _UNKNOWN}


def client(who: Principal, type: Coding, address: str = "") -> Resource:
    """The software that asked, and with which token (U-07)."""
    token: Resource = {"policy": [f"{codes.TOKEN}{who.jti}"]} if who.jti else {}
    return agent(type, {"identifier": {"value": who.client}}, network=network(address), **token)


def server(type: Coding) -> Resource:
    """Liaison itself, which is the observer too."""
    return agent(type, LIAISON, network=network(""))


def user(who: Principal) -> Resource:
    """The person who asked, or the organisation where no person is known; with role, unit and purposes."""
    reference = f"PractitionerRole/{who.person}" if who.person else f"Organization/{who.organisation}"
    roles: list[Resource] = [{"coding": [{"code": who.role}]}]
    if who.unit:
        roles.append({"text": f"HealthcareService/{who.unit}"})
    more: Resource = {"role": roles}
    if purposes := [codes.purpose(code) for code in sorted(who.purposes)]:
        more["purposeOfUse"] = purposes
    return agent(codes.USER, {"reference": reference}, requestor=True, **more)


def organisation(who: Principal) -> Resource:
    return agent(codes.USER_ORGANISATION, {"reference": f"Organization/{who.organisation}"})


# ── entities ─────────────────────────────────────────────────────────────────────────────────────
def resource(reference: str, details: Iterable[tuple[str, str]] = ()) -> Resource | None:
    """A resource, best by its version: "Task/x/_history/2"; or a thing of our own by its name. `details` as for `patient`."""
    if not reference:
        return None
    what = {"reference": reference} if "/" in reference else {"identifier": {"value": reference}}
    return {"what": what, "type": codes.SYSTEM_OBJECT, "role": codes.DOMAIN_RESOURCE, **_detail(details)}


def patient(reference: str, details: Iterable[tuple[str, str]] = ()) -> Resource | None:
    """The patient it is about; `details` are (name, value) pairs, empty values left out."""
    if not reference:
        return None
    return {"what": {"reference": reference}, "type": codes.PERSON, "role": codes.PATIENT_ROLE, **_detail(details)}


def _detail(details: Iterable[tuple[str, str]]) -> Resource:
    told = [{"type": name, "valueString": value} for name, value in details if value]
    return {"detail": told} if told else {}


def request(request_id: str) -> Resource | None:
    return {"what": {"identifier": {"value": request_id}}, "type": codes.REQUEST_ID} if request_id else None


def consent(version: str) -> Resource:
    return {"what": {"reference": version}, "type": codes.CONSENT}


def view(name: str, version: str) -> Resource:
    """The view whose elements were shown."""
    return {"what": {"identifier": {"value": f"{name}|{version}"}}, "type": codes.SYSTEM_OBJECT, "role": codes.POLICY_ROLE}
