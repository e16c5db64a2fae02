"""Valid resources of invented persons, one of each type that matters, rich enough to mutate."""

from __future__ import annotations

import copy
from typing import Any

_NEED = "https://liaison.example/CodeSystem/need"
_PIXEL = "eA=="
_DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>Demande de passage</p></div>'


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _ref(reference: str) -> dict[str, Any]:
    return {"reference": reference}


_RESOURCES: list[dict[str, Any]] = [
    {
        "resourceType": "Task",
        "id": "t1",
        "meta": {"profile": ["http://example.org/profile"], "versionId": "1", "lastUpdated": "2026-03-02T18:50:00Z"},
        "text": {"status": "generated", "div": _DIV},
        "identifier": [{"system": "https://liaison.example/sid/task", "value": "T1"}],
        "groupIdentifier": {"system": "https://liaison.example/sid/call", "value": "A1"},
        "basedOn": [_ref("ServiceRequest/sr0")],
        "partOf": [_ref("Task/t0")],
        "status": "requested",
        "businessStatus": _concept(_NEED, "non-lu"),
        "intent": "order",
        "priority": "urgent",
        "code": _concept("http://hl7.org/fhir/CodeSystem/task-code", "fulfill"),
        "focus": _ref("ServiceRequest/sr1"),
        "for": _ref("Patient/p1"),
        "executionPeriod": {"start": "2026-03-02", "end": "2026-03-04"},
        "authoredOn": "2026-03-02T18:50:00+01:00",
        "lastModified": "2026-03-02T18:50:00+01:00",
        "requester": _ref("Organization/clinic"),
        "owner": {"reference": "HealthcareService/u1", "type": "HealthcareService"},
        "restriction": {"repetitions": 1, "period": {"end": "2026-03-04T18:00:00+01:00"}},
        "input": [
            {"type": {"text": "contenu"}, "valueReference": _ref("DocumentReference/d1")},
            {"type": {"text": "jours"}, "valueDecimal": 7.5},
        ],
        "output": [{"type": {"text": "acte"}, "valueCodeableConcept": _concept(_NEED, "repas")}],
        "extension": [
            {"url": "http://example.org/x", "valueString": "ouvert"},
            {"url": "http://example.org/y", "extension": [{"url": "z", "valueBoolean": True}]},
        ],
    },
    {
        "resourceType": "ServiceRequest",
        "id": "sr1",
        "identifier": [{"system": "https://liaison.example/sid/request", "value": "R1"}],
        "requisition": {"value": "A1"},
        "status": "active",
        "intent": "order",
        "category": [_concept(_NEED, "sdoh")],
        "priority": "urgent",
        "code": _concept("http://snomed.info/sct", "308440001"),
        "subject": _ref("Patient/p1"),
        "occurrencePeriod": {"start": "2026-03"},
        "authoredOn": "2026-03-02T18:50:00.120Z",
        "requester": _ref("PractitionerRole/pr1"),
        "performer": [_ref("HealthcareService/u1")],
        "reasonCode": [_concept(_NEED, "isolement")],
        "supportingInfo": [_ref("Consent/c1")],
        "note": [{"text": "Passer avant midi", "time": "2026-03-02"}],
        "_priority": {"extension": [{"url": "http://example.org/why", "valueCode": "seul"}]},
    },
    {
        "resourceType": "Consent",
        "id": "c1",
        "identifier": [{"system": "https://liaison.example/sid/consent", "value": "C1"}],
        "status": "active",
        "scope": _concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [_concept(_NEED, "IDSCL")],
        "patient": _ref("Patient/p1"),
        "dateTime": "2026-03-02T18:50:00+01:00",
        "organization": [_ref("Organization/clinic")],
        "sourceAttachment": {"contentType": "text/plain", "language": "fr", "data": _PIXEL},
        "policy": [{"uri": "https://example.org/loi"}],
        "provision": {
            "type": "permit",
            "period": {"start": "2026-03-02", "end": "2027-03-02"},
            "purpose": [{"system": _NEED, "code": "TREAT"}],
            "actor": [{"role": _concept(_NEED, "IRCP"), "reference": _ref("Organization/cbo")}],
            "action": [_concept(_NEED, "access")],
            "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Task"}],
            "code": [_concept(_NEED, "isolement")],
            "provision": [
                {"type": "deny", "securityLabel": [{"code": "R"}], "data": [{"meaning": "related", "reference": _ref("Task/t2")}]}
            ],
        },
    },
    {
        "resourceType": "Patient",
        "id": "p1",
        "active": True,
        "identifier": [{"system": "https://clinic.example/ipp", "value": "42", "use": "usual"}],
        "name": [
            {
                "family": "Durand",
                "given": ["Jeanne", None],
                "_given": [None, {"extension": [{"url": "http://example.org/n", "valueBoolean": True}]}],
            }
        ],
        "telecom": [{"system": "phone", "value": "+33100000000", "rank": 1}],
        "gender": "female",
        "birthDate": "1938-02-03",
        "deceasedBoolean": False,
        "address": [{"use": "home", "line": ["1 rue de l'Invention"], "city": "Ville", "postalCode": "00000", "period": {"start": "2001"}}],
        "contact": [{"name": {"text": "Paul Durand"}, "gender": "male"}],
        "communication": [{"language": {"text": "français"}, "preferred": True}],
        "multipleBirthInteger": 1,
        "generalPractitioner": [_ref("Practitioner/d1")],
        "link": [{"other": _ref("Patient/p0"), "type": "replaces"}],
    },
    {
        "resourceType": "Procedure",
        "id": "a1",
        "status": "completed",
        "code": _concept("http://snomed.info/sct", "1"),
        "subject": _ref("Patient/p1"),
        "performedDateTime": "2026-03-03T09:00:00Z",
        "performer": [{"actor": _ref("Organization/cbo")}],
        "basedOn": [_ref("ServiceRequest/sr1")],
    },
    {
        "resourceType": "Communication",
        "id": "m1",
        "status": "completed",
        "basedOn": [_ref("ServiceRequest/sr1")],
        "subject": _ref("Patient/p1"),
        "sent": "2026-03-03T09:00:00Z",
        "sender": _ref("Organization/cbo"),
        "recipient": [_ref("Organization/clinic")],
        "payload": [{"contentString": "Vu ce matin"}],
    },
    {
        "resourceType": "Provenance",
        "id": "v1",
        "target": [_ref("Consent/c1/_history/1")],
        "recorded": "2026-03-02T18:50:00.000Z",
        "occurredDateTime": "2026-03-02",
        "activity": _concept(_NEED, "accord-patient"),
        "agent": [{"type": {"text": "author"}, "who": _ref("PractitionerRole/pr1"), "onBehalfOf": _ref("Organization/clinic")}],
        "entity": [{"role": "source", "what": _ref("ServiceRequest/sr1")}],
    },
    {
        "resourceType": "Organization",
        "id": "clinic",
        "active": True,
        "name": "Maison de santé",
        "telecom": [{"system": "phone", "value": "0", "use": "work"}],
        "address": [{"use": "work", "city": "Ville"}],
        "partOf": _ref("Organization/o0"),
        "contact": [{"purpose": {"text": "accueil"}}],
    },
    {
        "resourceType": "HealthcareService",
        "id": "u1",
        "active": True,
        "providedBy": _ref("Organization/cbo"),
        "name": "Coursiers",
        "availableTime": [{"daysOfWeek": ["mon", "tue"], "availableStartTime": "09:00:00", "availableEndTime": "18:00:00"}],
        "notAvailable": [{"description": "congés", "during": {"start": "2026-08-01", "end": "2026-08-15"}}],
    },
    {
        "resourceType": "Practitioner",
        "id": "d1",
        "name": [{"family": "Martin", "prefix": ["Dr"]}],
        "qualification": [{"code": {"text": "médecin"}}],
    },
    {
        "resourceType": "PractitionerRole",
        "id": "pr1",
        "practitioner": _ref("Practitioner/d1"),
        "organization": _ref("Organization/clinic"),
        "healthcareService": [_ref("HealthcareService/u1")],
        "period": {"start": "2025"},
    },
    {
        "resourceType": "AuditEvent",
        "id": "e1",
        "type": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110112"},
        "action": "E",
        "recorded": "2026-03-02T18:50:00.000Z",
        "outcome": "0",
        "agent": [{"who": _ref("Organization/clinic"), "requestor": True}],
        "source": {"observer": _ref("Device/liaison")},
        "entity": [{"what": _ref("Patient/p1"), "query": _PIXEL}],
    },
    {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"text": "jours évités"},
        "subject": _ref("Patient/p1"),
        "effectiveDateTime": "2026-03-09",
        "valueQuantity": {"value": 3, "unit": "d", "system": "http://unitsofmeasure.org", "code": "d"},
        "referenceRange": [{"low": {"value": 0}, "high": {"value": 30.5}}],
        "component": [{"code": {"text": "x"}, "valueInteger": 4}],
    },
    {
        "resourceType": "Appointment",
        "id": "r1",
        "status": "booked",
        "start": "2026-03-04T09:00:00Z",
        "end": "2026-03-04T09:30:00Z",
        "minutesDuration": 30,
        "participant": [{"actor": _ref("Patient/p1"), "status": "accepted", "required": "required"}],
    },
    {
        "resourceType": "QuestionnaireResponse",
        "id": "q1",
        "status": "completed",
        "questionnaire": "http://example.org/q|1",
        "item": [
            {"linkId": "1", "answer": [{"valueCoding": {"code": "oui"}}]},
            {"linkId": "2", "item": [{"linkId": "3", "answer": [{"valueDate": "2026"}]}]},
        ],
    },
    {
        "resourceType": "Condition",
        "id": "k1",
        "clinicalStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "code": {"text": "isolement"},
        "subject": _ref("Patient/p1"),
        "onsetAge": {"value": 80, "system": "http://unitsofmeasure.org", "code": "a"},
    },
    {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": "2026-03-02T18:50:00Z",
        "entry": [
            {
                "fullUrl": "http://example.org/fhir/Location/l1",
                "resource": {
                    "resourceType": "Location",
                    "id": "l1",
                    "status": "active",
                    "mode": "instance",
                    "position": {"longitude": 7.7, "latitude": 48.5},
                },
            }
        ],
    },
    {
        "resourceType": "DocumentReference",
        "id": "d1",
        "status": "current",
        "contained": [{"resourceType": "Practitioner", "id": "x"}],
        "author": [_ref("#x")],
        "content": [{"attachment": {"contentType": "text/plain", "data": _PIXEL, "size": 1, "url": "http://example.org/d"}}],
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"},
    },
    {
        "resourceType": "Location",
        "id": "l1",
        "status": "active",
        "name": "Cabinet du canal",
        "alias": ["Le canal"],
        "address": {"line": ["2 quai de l'Invention"], "city": "Ville", "postalCode": "00000"},
        "managingOrganization": _ref("Organization/clinic"),
    },
    {
        "resourceType": "Schedule",
        "id": "h1",
        "active": True,
        "serviceType": [_concept(_NEED, "visite")],
        "actor": [_ref("HealthcareService/u1")],
        "planningHorizon": {"start": "2026-03-02", "end": "2026-03-08"},
    },
    {
        "resourceType": "Slot",
        "id": "s1",
        "schedule": _ref("Schedule/h1"),
        "status": "free",
        "start": "2026-03-04T09:00:00Z",
        "end": "2026-03-04T09:30:00Z",
    },
    {
        "resourceType": "Goal",
        "id": "g1",
        "lifecycleStatus": "active",
        "achievementStatus": _concept("http://terminology.hl7.org/CodeSystem/goal-achievement", "in-progress"),
        "category": [_concept(_NEED, "sdoh")],
        "description": {"text": "manger chaque jour"},
        "subject": _ref("Patient/p1"),
        "startDate": "2026-03",
        "target": [{"measure": _concept(_NEED, "repas"), "dueDate": "2026-06-30"}],
    },
    {
        "resourceType": "Device",
        "id": "v2",
        "status": "active",
        "identifier": [{"system": "urn:x:serial", "value": "77"}],
        "deviceName": [{"name": "Relais", "type": "user-friendly-name"}],
        "patient": _ref("Patient/p1"),
        "owner": _ref("Organization/clinic"),
    },
    {
        "resourceType": "Endpoint",
        "id": "n1",
        "status": "active",
        "connectionType": {"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code": "hl7-fhir-rest"},
        "name": "Dossier",
        "managingOrganization": _ref("Organization/clinic"),
        "payloadType": [{"text": "any"}],
        "address": "https://ehr.example.org/fhir",
    },
    {
        "resourceType": "Group",
        "id": "w1",
        "type": "person",
        "actual": True,
        "characteristic": [{"code": _concept(_NEED, "inscrit"), "valueBoolean": True, "exclude": False}],
        "managingEntity": _ref("Organization/cbo"),
        "member": [{"entity": _ref("Patient/p1")}],
    },
    {
        "resourceType": "Subscription",
        "id": "u2",
        "status": "requested",
        "reason": "suivi",
        "criteria": "Task?owner=HealthcareService/u1",
        "channel": {"type": "rest-hook", "endpoint": "https://ehr.example.org/hook", "payload": "application/fhir+json"},
    },
    {"resourceType": "Binary", "id": "y1", "contentType": "text/plain", "data": _PIXEL},
]


def specimens() -> list[dict[str, Any]]:
    """Fresh copies, for changing at will."""
    return copy.deepcopy(_RESOURCES)


def specimen(type: str) -> dict[str, Any]:
    """A fresh copy of the one of this type."""
    return copy.deepcopy(next(r for r in _RESOURCES if r["resourceType"] == type))
