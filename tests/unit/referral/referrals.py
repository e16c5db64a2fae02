"""A referral in the recommended shape, invented, and the scene of an act; each test says only what differs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from adapter.clock import FrozenClock
from adapter.names import SDOHCC_CODES, SNOMED, TASK_CODE, US_CORE_CATEGORY, Systems
from adapter.referral.scene import Referral, Scene

SYSTEMS = Systems("https://own.example")
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def task(status: str = "requested", **elements: Any) -> dict[str, Any]:
    resource = {
        "resourceType": "Task",
        "id": "t1",
        "identifier": [{"system": SYSTEMS.sid("task"), "value": "t1"}, {"system": SYSTEMS.sid("spoken"), "value": "K7-42M"}],
        "status": status,
        "intent": "order",
        "code": coded(TASK_CODE, "fulfill"),
        "focus": {"reference": "ServiceRequest/r1"},
        "for": {"reference": "Patient/p1"},
        "authoredOn": "2026-02-27T18:50:00+01:00",
        "lastModified": "2026-02-27T17:50:00.000Z",
        "requester": {"reference": "Organization/clinic"},
        "owner": {"reference": "HealthcareService/coursier"},
    }
    if status in ("rejected", "cancelled", "on-hold", "failed"):
        resource["statusReason"] = {"text": "Motif"}
    if status == "completed":
        resource["output"] = [{"type": {"text": "x"}, "valueReference": {"reference": "Procedure/x"}}]
    return resource | elements


def request(status: str = "active", **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "id": "r1",
        "status": status,
        "intent": "order",
        "category": [coded(US_CORE_CATEGORY, "sdoh"), coded(SDOHCC_CODES, "food-insecurity"), coded(SDOHCC_CODES, "social-connection")],
        "code": coded(SNOMED, "308440001"),
        "subject": {"reference": "Patient/p1"},
        "requester": {"reference": "Organization/clinic"},
        "reasonCode": [coded(SYSTEMS.code("need"), "denutrition"), coded(SYSTEMS.code("need"), "isolement")],
        "supportingInfo": [{"reference": "Consent/c1"}],
    } | elements


def consent(status: str = "active", *, id: str = "c1", actor: str = "Organization/asso") -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "id": id,
        "status": status,
        "patient": {"reference": "Patient/p1"},
        "provision": {"type": "permit", "actor": [{"reference": {"reference": actor}}]},
    }


def referral(state: str = "requested", *, doctor: str = "active", patient: str = "active", **elements: Any) -> Referral:
    return Referral(task(state, **elements), request(doctor), (consent(patient),))


def scene(*, by: str = "PractitionerRole/lea", at: datetime = AT) -> Scene:
    return Scene(at, by, SYSTEMS, lambda table, code: f"label of {table}/{code}", FrozenClock(at).new_id)


def kinds(changed: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The changed resources by type; each type once."""
    found = {resource["resourceType"]: resource for resource in changed}
    assert len(found) == len(changed)
    return found
