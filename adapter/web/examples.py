"""Bodies that work as they stand, for /openapi.json, /docs and /docs/collection.json: in the network that `liaison init` makes. All
persons are invented."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
ID, SID = "exemple-1", "https://clinic.example/sid/patient"
TERMS, CODES = "https://liaison.example/CodeSystem", "http://terminology.hl7.org/CodeSystem"
SDOHCC = "http://hl7.org/fhir/us/sdoh-clinicalcare"
PERSON, AGREED, ASKED, DONE = (f"urn:uuid:00000000-0000-4000-8000-{number:012}" for number in range(1, 5))
CLINIC, SERVICE, UNIT, DOCTOR = (
    {"reference": each} for each in ("Organization/msp", "Organization/coursiers", "HealthcareService/coursiers-ville", "PractitionerRole/medecin")
)


def concept(*codings: tuple[str, str]) -> Schema:
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


def to(place: str) -> Schema:
    return {"reference": place}


def patient(number: str) -> Schema:
    return {
        "resourceType": "Patient", "identifier": [{"system": SID, "value": number}], "name": [{"use": "official", "family": "Modele", "given": ["Jeanne"]}],
        "gender": "female", "birthDate": "1941-04-05", "telecom": [{"system": "phone", "value": "+33639980001"}], "managingOrganization": CLINIC,
    }  # fmt: skip


def code(type: str) -> Schema:
    """What an operation on CodeSystem, ConceptMap or ValueSet is asked: a need of ours."""
    url = {"CodeSystem": f"{TERMS}/need", "ConceptMap": "https://liaison.example/ConceptMap/need-sdohcc", "ValueSet": "https://liaison.example/ValueSet/need"}[type]
    asked = [{"name": "url", "valueUri": url}, {"name": "system", "valueUri": f"{TERMS}/need"}, {"name": "code", "valueCode": "isolement"}]
    return {"resourceType": "Parameters", "parameter": asked}


CONSENT: Schema = {
    "resourceType": "Consent", "status": "active", "scope": concept((f"{CODES}/consentscope", "patient-privacy")),
    "category": [concept((f"{CODES}/v3-ActCode", "IDSCL"))], "patient": to(PERSON), "dateTime": "2026-03-06T17:50:00Z", "organization": [CLINIC],
    "policy": [{"uri": "https://www.legifrance.gouv.fr/codes/article_lc/LEGIARTI000036515027"}],
    "provision": {
        "type": "permit", "actor": [{"role": concept((f"{CODES}/v3-ParticipationType", "IRCP")), "reference": SERVICE}],
        "action": [concept((f"{CODES}/consentaction", code)) for code in ("access", "disclose")],
        "purpose": [{"system": f"{CODES}/v3-ActReason", "code": "TREAT"}],
        "class": [{"system": "http://hl7.org/fhir/resource-types", "code": code} for code in ("ServiceRequest", "Task")],
        "code": [concept((f"{TERMS}/need", "isolement"))],
    },
}  # fmt: skip
REQUEST: Schema = {
    "resourceType": "ServiceRequest", "status": "active", "intent": "order", "priority": "urgent",
    "category": [
        concept(("http://hl7.org/fhir/us/core/CodeSystem/us-core-category", "sdoh")),
        concept((f"{SDOHCC}/CodeSystem/SDOHCC-CodeSystemTemporaryCodes", "social-connection")),
    ],
    "code": concept((f"{TERMS}/service", "intervention-coursier")), "subject": to(PERSON), "authoredOn": "2026-03-06T17:50:00Z",
    "requester": DOCTOR, "performer": [UNIT], "reasonCode": [concept((f"{TERMS}/need", "isolement"))], "supportingInfo": [to(AGREED)],
}  # fmt: skip
TASK: Schema = {
    "resourceType": "Task", "status": "requested", "intent": "order", "priority": "urgent",
    "code": concept(("http://hl7.org/fhir/CodeSystem/task-code", "fulfill")), "focus": to(ASKED), "for": to(PERSON),
    "authoredOn": "2026-03-06T17:50:00Z", "requester": DOCTOR, "owner": UNIT,
}  # fmt: skip
REFERRAL: Schema = {"resourceType": "Bundle", "type": "transaction", "entry": [
    {"fullUrl": PERSON, "resource": patient("P-1"), "request": {"method": "POST", "url": "Patient", "ifNoneExist": f"identifier={SID}|P-1"}},
    *({"fullUrl": name, "resource": each, "request": {"method": "POST", "url": each["resourceType"]}}
      for name, each in ((AGREED, CONSENT), (ASKED, REQUEST), (DONE, TASK))),
]}  # fmt: skip
PATCH: list[Schema] = [{"op": "replace", "path": "/telecom/0/value", "value": "+33639980002"}]
YES = {"accord": "oui", "par": "medecin", "comment": "telephone"}
CALL: Schema = {
    "id": "appel-2", "appel": "2026-03-06T18:50:00+01:00", "preneur_appel": "medecin", "destinataire": "coursiers-ville",
    "appelant": {"nom": "Exemple", "prenom": "Camille", "telephone": "+33261910012", "rpps": "10000000009"},
    "personne": {"nom": "Fictive", "nom_naissance": "Modele", "prenom": "Jeanne", "sexe": "F", "naissance": "1941-04-05", "telephone": "+33639980001"},
    "besoins": ["isolement"], "urgence": "48h", "accord_medecin": YES,
}  # fmt: skip
AGREEMENT: Schema = {"who": "patient", "agreed": True, "heard_by": "medecin", "how": "telephone"}
RDV: Schema = {
    "meta": {"model": "Rdv", "event": "created", "timestamp": "2026-03-06T18:50:00+01:00"},
    "data": {
        "uuid": "00000000-0000-4000-8000-000000000001", "starts_at": "2026-03-10 09:30:00 +0100", "ends_at": "2026-03-10 10:15:00 +0100",
        "duration_in_min": 45, "created_by_type": "Agent", "organisation": {"id": 309}, "motif": {"location_type": "public_office"},
        "participations": [{"status": "unknown", "user": {
            "id": 68, "first_name": "Jeanne", "last_name": "Modele", "birth_date": "1941-04-05", "case_number": "K7-42M",
        }}],
    },
}  # fmt: skip
ASSIGNED: Schema = {"rdv": "00000000-0000-4000-8000-000000000001", "user": "68", "referral": ID}
