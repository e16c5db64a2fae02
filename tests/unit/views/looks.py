"""Looks at the referral of F1 (an invented lady), for the tests of views."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from adapter.names import PROFILES, SDOHCC_CODES, SNOMED, US_CORE_CATEGORY, Systems
from adapter.views import Facts, Need, View, load_views, pairwise, project
from adapter.views.view import sensitivity

ROOT = Path(__file__).parents[3]
SYSTEMS = Systems()
VIEWS = load_views(ROOT / "mappings" / "views")
SOCIAL = ("as-carsat", "coursier-dac-asso", "saad")


def _terms() -> dict[str, dict[str, Any]]:
    files = ("needs", "services", "constraints", "situations", "relations", "outcomes", "need-results", "business-status", "status-reasons")
    tables = (yaml.load((ROOT / "mappings" / "terms" / f"{file}.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader) for file in files)
    return {table["table"]: {str(code): term for code, term in table["codes"].items()} for table in tables}


TERMS = _terms()
NEEDS = {code: Need(term["neutral"], term["sensitivity"]) for code, term in TERMS["need"].items()}
LABELS = {table: {code: {"fr": term["fr"], "en": term["en"]} for code, term in codes.items()} for table, codes in TERMS.items()}


def needs(*codes: str) -> frozenset[str]:
    return frozenset(f"{SYSTEMS.code('need')}|{code}" for code in codes)


def key(type: str, id: str) -> str:
    return pairwise(b"key of the unit", "u1", type, id)


def facts(*codes: str, **more: Any) -> Facts:
    """An open look on consent for these needs (denutrition and isolement when none is said)."""
    those = needs(*(codes or ("denutrition", "isolement")))
    return replace(
        Facts("open", "consent", those, those, NEEDS, key, labels=LABELS, reference="K7-42M", area="76100 Rouen", age_class="75 ans et plus",
              parties=frozenset({"Organization/cbo", "HealthcareService/u1"})),
        **more,
    )  # fmt: skip


def author(*codes: str, **more: Any) -> Facts:
    """The prescriber's own look, or what goes to the EHR."""
    return facts(*codes, **{"basis": "author", "needs": None, "parties": frozenset({"Organization/clinic"}), **more})


def coded(table: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": SYSTEMS.code(table), "code": code}]}


def other(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


REQUEST: dict[str, Any] = {
    "resourceType": "ServiceRequest", "id": "sr1", "meta": {"profile": [PROFILES["ServiceRequest"]], "versionId": "4", "lastUpdated": "2026-03-06T18:50:00Z"},
    "identifier": [{"system": SYSTEMS.sid("request"), "value": "sr1"}], "requisition": {"system": SYSTEMS.sid("call"), "value": "call-1"},
    "status": "active", "intent": "order", "priority": "urgent",
    "category": [other(US_CORE_CATEGORY, "sdoh"), other(SDOHCC_CODES, "food-insecurity")],
    "code": {"coding": [{"system": SNOMED, "code": "308440001"}, *coded("service", "intervention-coursier")["coding"]]},
    "orderDetail": [coded("constraint", "marche-aide"), coded("situation", "vit-seul"),
                    {"coding": [*coded("relation", "voisin")["coding"], *coded("age-class", "60-74")["coding"]]}],
    "subject": {"reference": "Patient/p1", "display": "Jeanne Durand"}, "authoredOn": "2026-03-06T18:50:00+01:00",
    "requester": {"reference": "PractitionerRole/dr"}, "performer": [{"reference": "HealthcareService/u1"}],
    "reasonCode": [coded("need", "denutrition"), coded("need", "isolement")], "supportingInfo": [{"reference": "Consent/c1"}],
    "note": [{"text": "ne peut plus exercer à cause de son handicap"}],
}  # fmt: skip
TASK: dict[str, Any] = {
    "resourceType": "Task", "id": "t1", "meta": {"profile": [PROFILES["Task"]]}, "identifier": [{"system": SYSTEMS.sid("task"), "value": "t1"}],
    "groupIdentifier": {"system": SYSTEMS.sid("call"), "value": "call-1"}, "status": "requested", "businessStatus": coded("business-status", "non-lu"),
    "intent": "order", "priority": "urgent", "code": other("http://hl7.org/fhir/CodeSystem/task-code", "fulfill"),
    "focus": {"reference": "ServiceRequest/sr1"}, "for": {"reference": "Patient/p1"}, "authoredOn": "2026-03-06T18:50:00+01:00",
    "lastModified": "2026-03-06T18:50:00+01:00", "requester": {"reference": "Organization/clinic"}, "owner": {"reference": "HealthcareService/u1"},
    "restriction": {"period": {"end": "2026-03-10T18:00:00+01:00"}},
}  # fmt: skip
CONSENT: dict[str, Any] = {
    "resourceType": "Consent", "id": "c1", "meta": {"profile": [PROFILES["Consent"]]}, "identifier": [{"system": SYSTEMS.sid("consent"), "value": "c1"}],
    "status": "active", "scope": other("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
    "category": [other("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IDSCL")], "patient": {"reference": "Patient/p1"},
    "dateTime": "2026-03-06T18:50:00+01:00", "organization": [{"reference": "Organization/clinic"}],
    "sourceAttachment": {"contentType": "text/plain", "language": "fr", "data": "RMOpbnV0cml0aW9u", "title": "Attestation", "creation": "2026-03-06"},
    "policy": [{"uri": "https://www.legifrance.gouv.fr/codes/article_lc/LEGIARTI000036515027"}],
    "provision": {
        "type": "permit",
        "actor": [{"role": other("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP"), "reference": {"reference": "Organization/cbo"}}],
        "action": [other("http://terminology.hl7.org/CodeSystem/consentaction", "access")],
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}],
        "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "ServiceRequest"}],
        "code": [coded("need", "denutrition"), coded("need", "isolement")],
    },
}  # fmt: skip
PATIENT: dict[str, Any] = {
    "resourceType": "Patient", "id": "p1", "active": True,
    "identifier": [{"system": "https://clinic.example/ipp", "value": "42"},
                   {"type": other("http://terminology.hl7.org/CodeSystem/v2-0203", "NH"), "system": "urn:oid:1.2.250.1.213.1.4.8", "value": "238027654000102"}],
    "name": [{"use": "official", "family": "Dupont"}, {"use": "usual", "family": "Durand", "given": ["Jeanne"]}],
    "telecom": [{"system": "phone", "value": "+33639980001"}, {"system": "email", "value": "jeanne@durand.example"}], "gender": "female",
    "birthDate": "1938-02-03", "address": [{"line": ["12 rue de l'Exemple"], "postalCode": "76100", "city": "Rouen"}],
    "contact": [{"name": {"family": "Voisin"}}],
}  # fmt: skip
DIRECTORY: list[dict[str, Any]] = [
    {"resourceType": "Organization", "id": "clinic", "active": True, "name": "Maison de santé", "telecom": [{"system": "phone", "value": "+33261910010"}]},
    {"resourceType": "PractitionerRole", "id": "dr", "practitioner": {"reference": "Practitioner/dr"}, "organization": {"reference": "Organization/clinic"}},
    {"resourceType": "Practitioner", "id": "dr", "name": [{"text": "Dr Camille Exemple", "prefix": ["Dr"], "given": ["Camille"], "family": "Exemple"}],
     "telecom": [{"system": "phone", "value": "+33261910012"}]},
    {"resourceType": "HealthcareService", "id": "u1", "active": True, "name": "Coursiers de Rouen", "providedBy": {"reference": "Organization/cbo"},
     "telecom": [{"system": "phone", "value": "+33639980021"}]},
    {"resourceType": "Organization", "id": "cbo", "active": True, "name": "Asso", "identifier": [{"system": "https://sirene.fr", "value": "00000000000028"}]},
]  # fmt: skip
PROCEDURE: dict[str, Any] = {
    "resourceType": "Procedure", "id": "pr1", "meta": {"profile": [PROFILES["Procedure"]]}, "basedOn": [{"reference": "ServiceRequest/sr1"}],
    "status": "completed", "category": other(SDOHCC_CODES, "food-insecurity"),
    "code": {"coding": [{"system": SNOMED, "code": "710925007"}, *coded("outcome", "aide-alimentaire-en-place")["coding"]]},
    "subject": {"reference": "Patient/p1"}, "performedDateTime": "2026-03-20T10:00:00.000Z", "reasonCode": [coded("need", "denutrition")],
    "outcome": coded("need-result", "satisfait"), "note": [{"text": "la belle-fille boit"}],
}  # fmt: skip
MESSAGE: dict[str, Any] = {
    "resourceType": "Communication", "id": "m1", "status": "completed", "basedOn": [{"reference": "ServiceRequest/sr1"}],
    "category": [coded("communication", "message")], "sent": "2026-03-09T10:00:00.000Z", "sender": {"reference": "Organization/cbo"},
    "recipient": [{"reference": "Organization/clinic"}], "payload": [{"contentString": "Je passe mardi."}],
}  # fmt: skip
REFERRAL = [REQUEST, TASK, CONSENT, PATIENT, *DIRECTORY, PROCEDURE, MESSAGE]


def see(view: str | View, look: Facts, resources: list[dict[str, Any]] = REFERRAL) -> list[dict[str, Any]]:
    """All that the view shows of these resources."""
    shape = VIEWS[view] if isinstance(view, str) else view
    return [shown for resource in resources if (shown := project(copy.deepcopy(resource), shape, facts=look)) is not None]


def of(type: str, shown: list[dict[str, Any]]) -> dict[str, Any]:
    return next(resource for resource in shown if resource["resourceType"] == type)


def paths(value: Any, prefix: str = "") -> set[str]:
    """Every leaf path of a JSON value, list positions left out."""
    if isinstance(value, dict):
        return {path for name, inner in value.items() for path in paths(inner, f"{prefix}.{name}" if prefix else name)}
    if isinstance(value, list):
        return {path for inner in value for path in paths(inner, prefix)}
    return {prefix}


def all_facts() -> list[Facts]:
    """Looks of every stage and basis, with everything demanded."""
    every = frozenset(f"D{number}" for number in range(1, 14))
    mild = [code for code in NEEDS if sensitivity(code, facts()) < 3]
    return [
        facts(*mild, stage=stage, basis=basis, demanded=every, parties=frozenset({"Organization/cbo", "Organization/clinic"}))
        for stage in ("offer", "open", "closed") for basis in ("consent", "self", "author", "team")
    ]  # fmt: skip
