"""B6: how long one decision takes, with anchoring, for 1 and for 20 Consents (aim: 50 and 500 µs)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from adapter.consent import anchored, decide
from adapter.names import ACT_CODE, ACT_REASON, CONSENT_ACTION, CONSENT_SCOPE, RESOURCE_TYPES
from adapter.ports import Ask
from tests.bench.clocked import Lane

AT = datetime(2026, 3, 3, 9, tzinfo=UTC)
ASK = Ask("Patient/p1", frozenset({"Organization/o0", "HealthcareService/u0", "PractitionerRole/r0"}), (f"{ACT_REASON}|TREAT",), "access")
NEED = "https://liaison.example/CodeSystem/need"


def consent(number: int) -> dict[str, Any]:
    """A Consent as a referral carries it: one organisation, two needs, two actions."""
    action = [{"coding": [{"system": CONSENT_ACTION, "code": code}]} for code in ("access", "disclose")]
    needs = [{"coding": [{"system": NEED, "code": code}]} for code in ("denutrition", "isolement")]
    return {
        "resourceType": "Consent", "id": f"c{number}", "meta": {"versionId": "1"}, "status": "active",
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": ACT_CODE, "code": "IDSCL"}]}],
        "patient": {"reference": "Patient/p1"}, "dateTime": "2026-03-02T18:50:00+01:00",
        "provision": {
            "type": "permit", "period": {"start": "2026-03-02"},
            "actor": [{"reference": {"reference": f"Organization/o{number}"}}], "action": action,
            "purpose": [{"system": ACT_REASON, "code": "TREAT"}],
            "class": [{"system": RESOURCE_TYPES, "code": code} for code in ("ServiceRequest", "Task")], "code": needs,
        },
    }  # fmt: skip


REQUEST: dict[str, Any] = {
    "resourceType": "ServiceRequest", "id": "sr1", "status": "active", "intent": "order", "subject": {"reference": "Patient/p1"},
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "308440001"}]},
    "reasonCode": [{"coding": [{"system": NEED, "code": code}]} for code in ("denutrition", "isolement")],
    "requester": {"reference": "Organization/clinic"}, "performer": [{"reference": "HealthcareService/u0"}],
    "supportingInfo": [{"reference": "Consent/c0"}],
}  # fmt: skip


def lane(count: int) -> Lane:
    consents = [consent(number) for number in range(count)]

    def once() -> bool:
        return decide(anchored(consents, REQUEST), (), ASK, AT, resource=REQUEST).permit

    assert once()
    return Lane("B6", f"decide alone, {count} Consent{'s' if count > 1 else ''}", "ours", once)


def lanes() -> list[Lane]:
    return [lane(1), lane(20)]
