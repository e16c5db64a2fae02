"""A clinic's software with an EHR that has a request in it: what the tests of SDOHCC Direct share. All persons are invented."""

from __future__ import annotations

import json
from typing import Any

import httpx

from adapter.names import RPPS
from adapter.ports import Resource
from tests.e2e.stage import Stage
from tests.unit.web.conftest import Door

NEED = "https://liaison.example/CodeSystem/need"
SENT = {"resourceType": "Task", "intent": "order", "status": "requested", "priority": "urgent", "authoredOn": "2026-03-06T18:50:00+01:00",
        "identifier": [{"system": "urn:clinic:task", "value": "T-1"}],
        "code": {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]},
        "owner": {"reference": "HealthcareService/coursier-rouen"}}  # fmt: skip


class Clinic:
    """A clinic's software, its EHR with a request in it, and our doors."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.door, self.ehr = stage, Door(stage), stage.ehr
        self.headers = self.door.token("saint-eloi")
        self.ehr.plant({"resourceType": "Practitioner", "id": "gp", "identifier": [{"system": RPPS, "value": "10000000009"}], "name": [{"family": "Exemple"}]})
        self.ehr.plant({"resourceType": "PractitionerRole", "id": "5", "practitioner": {"reference": "Practitioner/gp"}})
        self.ehr.plant(consent(f"{stage.app.fhir_base}/Organization/asso-coursiers"))
        self.ehr.plant(request())
        self.ehr.requests.clear()

    def at(self, reference: str) -> Resource:
        return {"reference": f"{self.ehr.base_url}/{reference}"}

    def task(self, **changed: Any) -> Resource:
        pointing = {"focus": self.at("ServiceRequest/9"), "for": self.at("Patient/zyx-patient"), "requester": self.at("PractitionerRole/5")}
        return SENT | pointing | changed

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = json.dumps(body) if body else None
        for _ in range(2):
            answer = self.door(method, f"/fhir/{path}", content=content, headers=self.headers | {"Content-Type": "application/fhir+json"} | named)
            if answer.status_code != 401:
                break
            self.headers = self.door.token("saint-eloi")  # the clock went on
        return answer

    def post(self, **changed: Any) -> Resource:
        answer = self("POST", "Task", self.task(**changed))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def read(self, id: str) -> Resource:
        return dict(self("GET", f"Task/{id}").json())

    def why(self, id: str) -> tuple[str, str]:
        task = self.read(id)
        return task["status"], next((each["code"] for each in task.get("statusReason", {}).get("coding", ()) if each["system"] == "urn:liaison:error"), "")


def consent(recipient: str, **changed: Any) -> Resource:
    coded = {"scope": "http://terminology.hl7.org/CodeSystem/consentscope|patient-privacy", "category": "http://terminology.hl7.org/CodeSystem/v3-ActCode|IDSCL"}
    scope, category = ({"coding": [dict(zip(("system", "code"), each.split("|"), strict=True))]} for each in coded.values())
    provision = {
        "type": "permit", "actor": [{"role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
                                     "reference": {"reference": recipient}}],
        "action": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": each}]} for each in ("access", "disclose")],
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}],
        "class": [{"system": "http://hl7.org/fhir/resource-types", "code": each} for each in ("ServiceRequest", "Task")],
    }  # fmt: skip
    return {"resourceType": "Consent", "id": "4", "status": "active", "scope": scope, "category": [category], "patient": {"reference": "Patient/zyx-patient"},
            "dateTime": "2026-03-06T18:40:00+01:00", "policy": [{"uri": "https://www.legifrance.gouv.fr/codes/article_lc/LEGIARTI000043895798"}],
            "sourceAttachment": {"contentType": "text/plain", "title": "Zyxattestation"}, "provision": provision} | changed  # fmt: skip


def request(**changed: Any) -> Resource:
    need = {"coding": [{"system": NEED, "code": "denutrition"}], "text": "Zyxbesoin dit par le médecin"}
    return {"resourceType": "ServiceRequest", "id": "9", "status": "active", "intent": "order", "priority": "urgent", "subject": {"reference": "Patient/zyx-patient"},
            "category": [{"coding": [{"system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-category", "code": "sdoh"}]}],
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "308440001"}]}, "authoredOn": "2026-03-06T18:45:00+01:00",
            "identifier": [{"system": "urn:clinic:request", "value": "SR-9"}], "requester": {"reference": "PractitionerRole/5"}, "reasonCode": [need],
            "supportingInfo": [{"reference": "Consent/4"}], "note": [{"text": "Zyxmots du médecin"}]} | changed  # fmt: skip
