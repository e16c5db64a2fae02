"""The referral of F1 with every element that any view lists."""

from __future__ import annotations

from tests.unit.views.looks import CONSENT, DIRECTORY, MESSAGE, PATIENT, PROCEDURE, REQUEST, TASK, coded, other

FULL = [
    {**REQUEST, "basedOn": [{"reference": "ServiceRequest/sr0"}], "replaces": [{"reference": "ServiceRequest/sr9"}], "doNotPerform": False,
     "occurrenceDateTime": "2026-03-09", "occurrencePeriod": {"start": "2026-03-09", "end": "2026-03-10"},
     "orderDetail": [*REQUEST["orderDetail"], other("http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes",
                                                     "contacting-subject-prohibited")]},
    {**TASK, "basedOn": [{"reference": "ServiceRequest/sr0"}], "partOf": [{"reference": "Task/t0"}], "restriction": {"period": {"start": "2026", "end": "2027"}},
     "executionPeriod": {"start": "2026", "end": "2027"},
     "statusReason": {**coded("status-reason", "hors-territoire"), "text": "x"},
     "input": [{"type": coded("input", "deja-suivi"), "valueCodeableConcept": coded("already-followed", "oui")}],
     "output": [{"type": coded("input", "x"), "valueReference": {"reference": "Procedure/pr1"}}]},
    {**CONSENT, "policy": [{"uri": "urn:p", "authority": "urn:a"}], "verification": [{"verified": True, "verificationDate": "2026-03-09"}],
     "provision": {**CONSENT["provision"], "period": {"start": "2026", "end": "2027"}}},
    {**PATIENT, "communication": [{"language": other("urn:ietf:bcp:47", "ar")}]},
    *({**party, "identifier": [{"system": "urn:s", "value": "1"}], "telecom": [{"system": "phone", "value": f"phone of {party['resourceType']}/{party['id']}"}], "active": True,
       "healthcareService": [{"reference": "HealthcareService/u1"}], "category": [coded("x", "y")], "type": [coded("service", "y")]} for party in DIRECTORY),
    {**PROCEDURE, "identifier": [{"system": "urn:s", "value": "1"}], "performedPeriod": {"start": "2026"}},
    {"resourceType": "Appointment", "id": "a1", "status": "booked", "basedOn": [{"reference": "ServiceRequest/sr1"}], "start": "2026", "end": "2027"},
    {**MESSAGE, "topic": coded("question", "q"), "inResponseTo": [{"reference": "Communication/m0"}]},
]  # fmt: skip
