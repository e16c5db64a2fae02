"""Nothing crosses clinics (workflow.md 7), and what is written points only to what is there: over the doors of /fhir."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter.network import ClientEntry, Organisation, Person, Secret
from tests.e2e.stage import CALL, Stage, staged
from tests.e2e.test_hearsay import YES
from tests.unit.web.test_doors import SECRET, Door, agreed

PATIENT = {"resourceType": "Patient", "identifier": [{"system": "urn:ipp", "value": "7"}], "name": [{"family": "Zyxinvente"}]}
REQUEST = {
    "resourceType": "ServiceRequest", "status": "draft", "intent": "order", "subject": {"reference": "Patient/x"},
    "requester": {"reference": "Organization/autre"}, "performer": [{"reference": "HealthcareService/coursier-rouen"}],
}  # fmt: skip
TASK = {
    "resourceType": "Task", "status": "draft", "intent": "order", "focus": {"reference": "ServiceRequest/x"}, "for": {"reference": "Patient/x"},
    "requester": {"reference": "Organization/autre"}, "owner": {"reference": "HealthcareService/coursier-rouen"}, "authoredOn": "2026-03-06T18:50:00+01:00",
    "lastModified": "2026-03-06T18:50:00+01:00",
}  # fmt: skip


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """The demonstration's network with a second clinic, every client with the same secret."""
    file = tmp_path / "secret"
    file.write_text(SECRET)
    with staged() as found:
        network = found.app.network
        other = Organisation(key="autre", kind="clinic", name="Autre cabinet fictif", category="prescripteur")
        clients = (*network.clients, ClientEntry("autre", "autre", scopes=("system/*.cruds", "views", "intake")))
        secret = Secret(file=str(file))
        found.app.apply_network(
            replace(network, organisations=(*network.organisations, other), clients=tuple(replace(each, secret=secret) for each in clients))
        )
        yield found


@pytest.fixture
def door(stage: Stage) -> Door:
    return Door(stage)


def made(door: Door, client: str, resource: dict[str, Any], **headers: str) -> Any:
    return door("POST", f"/fhir/{resource['resourceType']}", content=json.dumps(resource), headers=door.token(client) | headers)


def rows(stage: Stage) -> int:
    return len(list(stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))))


@pytest.mark.parametrize("client", ["autre", "coursiers", "saad"])
def test_if_none_exist_finds_nothing_of_others(door: Door, stage: Stage, client: str) -> None:
    theirs = made(door, "saint-eloi", PATIENT).json()["id"]
    before = rows(stage)
    answer = made(door, client, PATIENT | {"name": [{"family": "Autre"}]}, **{"If-None-Exist": "identifier=urn:ipp|7"})
    assert answer.status_code == (201 if client == "autre" else 404)
    assert "Zyxinvente" not in answer.text and theirs not in answer.text
    assert rows(stage) > before


@pytest.mark.parametrize("client", ["autre", "coursiers", "saad"])
def test_if_none_exist_finds_no_referral_by_its_spoken_reference(door: Door, client: str) -> None:
    reference = door("POST", "/intake/appel-coursier", json=agreed(), headers=door.token("coursiers")).json()["referrals"][0]["reference"]
    answer = made(door, client, TASK, **{"If-None-Exist": f"identifier=https://liaison.example/sid/spoken|{reference}"})
    assert answer.status_code in (404, 422) and reference not in answer.text and "coursier-lea" not in answer.text


def test_if_none_exist_is_read_and_recorded_when_the_row_is_ones_own(door: Door, stage: Stage) -> None:
    first = made(door, "saint-eloi", PATIENT)
    again = made(door, "saint-eloi", PATIENT, **{"If-None-Exist": "identifier=urn:ipp|7"})
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    events = [json.loads(row.event) for row in stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))]
    assert [each["subtype"][0]["code"] for each in events][-1] == "read"


def test_if_none_exist_answers_412_when_several_are_ones_own(door: Door) -> None:
    made(door, "saint-eloi", PATIENT)
    made(door, "saint-eloi", PATIENT)
    answer = made(door, "saint-eloi", PATIENT, **{"If-None-Exist": "identifier=urn:ipp|7"})
    assert answer.status_code == 412 and answer.json()["issue"][0]["code"] == "multiple-matches"


@pytest.mark.parametrize("resource", [REQUEST, TASK, {"resourceType": "RelatedPerson", "patient": {"reference": "Patient/x"}}], ids=lambda each: each["resourceType"])
def test_patient_of_another_clinic_reads_as_absent_when_pointed_to(door: Door, stage: Stage, resource: dict[str, Any]) -> None:
    theirs, own = (made(door, client, PATIENT).json()["id"] for client in ("saint-eloi", "autre"))
    answers = []
    for id in (theirs, "absent"):
        pointed = json.loads(json.dumps(resource).replace("Patient/x", f"Patient/{id}"))
        answers.append(made(door, "autre", pointed))
    assert [each.status_code for each in answers] == [422, 422] and answers[0].text == answers[1].text
    assert made(door, "autre", json.loads(json.dumps(REQUEST).replace("Patient/x", f"Patient/{own}"))).status_code == 201
    assert "Zyxinvente" not in door("GET", "/views/prescripteur/referrals", headers=door.token("autre")).text


BAD = {
    "an owner nobody is": (TASK | {"owner": {"reference": "HealthcareService/nix"}}, "Task.owner"),
    "an owner that is no unit": (TASK | {"owner": {"reference": "Organization/asso-coursiers"}}, "Task.owner"),
    "an owner elsewhere": (TASK | {"owner": {"reference": "https://evil.example/fhir/HealthcareService/1"}}, "Task.owner"),
    "no owner": ({name: value for name, value in TASK.items() if name != "owner"}, "Task.owner"),
    "a patient elsewhere": (TASK | {"for": {"reference": "https://evil.example/fhir/Patient/1"}}, "Task.for"),
    "a request that is not there": (TASK | {"focus": {"reference": "ServiceRequest/nix"}}, "Task.focus"),
    "two performers": (REQUEST | {"performer": [{"reference": "HealthcareService/coursier-rouen"}, {"reference": "HealthcareService/saad-portage"}]}, "ServiceRequest.performer"),
    "a consent that is not there": (REQUEST | {"supportingInfo": [{"reference": "Consent/nix"}]}, "ServiceRequest.supportingInfo[0]"),
    "a reason that is not there": (REQUEST | {"reasonReference": [{"reference": "Condition/nix"}]}, "ServiceRequest.reasonReference[0]"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_points_nowhere_is_refused_with_its_place(door: Door, name: str) -> None:
    patient = made(door, "autre", PATIENT).json()["id"]
    request = made(door, "autre", REQUEST | {"subject": {"reference": f"Patient/{patient}"}}).json()["id"]
    resource, place = BAD[name]
    whole = json.loads(json.dumps(resource).replace("Patient/x", f"Patient/{patient}").replace("ServiceRequest/x", f"ServiceRequest/{request}"))
    answer = made(door, "autre", whole)
    assert answer.status_code == 422 and place in [path for issue in answer.json()["issue"] for path in issue["expression"]]
    assert "nix" not in answer.text and "evil" not in answer.text


def test_a_request_has_one_task(door: Door) -> None:
    patient = made(door, "autre", PATIENT).json()["id"]
    request = made(door, "autre", REQUEST | {"subject": {"reference": f"Patient/{patient}"}}).json()["id"]
    whole = json.loads(json.dumps(TASK).replace("Patient/x", f"Patient/{patient}").replace("ServiceRequest/x", f"ServiceRequest/{request}"))
    assert made(door, "autre", whole).status_code == 201
    again = made(door, "autre", whole)
    assert again.status_code == 422 and again.json()["issue"][0]["code"] == "duplicate"


@pytest.mark.parametrize("last", ["8", "9", "10", "11"])
def test_number_of_the_social_security_is_refused_with_its_place_unless_the_clinic_may_handle_it(door: Door, stage: Stage, last: str) -> None:
    numbered = PATIENT | {"identifier": [*PATIENT["identifier"], {"system": f"urn:oid:1.2.250.1.213.1.4.{last}", "value": "250017654000117"}]}
    refused = made(door, "saint-eloi", numbered)
    assert refused.status_code == 422 and "250017" not in refused.text
    assert refused.json()["issue"][0]["expression"] == ["Patient.identifier[1]"]
    hidden = json.dumps(numbered).replace("urn:oid:1.2", "urn:oid:\\u0031.2")
    assert door("POST", "/fhir/Patient", content=hidden, headers=door.token("saint-eloi")).status_code == 422
    network = stage.app.network
    may = tuple(replace(each, nir_authorised="décret fictif") if each.key == "msp-saint-eloi" else each for each in network.organisations)
    stage.app.apply_network(replace(network, organisations=may))
    assert made(door, "saint-eloi", numbered).status_code == 201


# ── a record that names a doctor of another clinic ───────────────────────────────────────────────
THEIRS, NOBODYS = "10000000009", "10000000108"


def called(door: Door, rpps: str, client: str = "autre") -> Any:
    said = YES | {"par": "dr-autre"}
    record = CALL | {"appelant": CALL["appelant"] | {"rpps": rpps}, "preneur_appel": "dr-autre", "accord_medecin": said, "accord_patient": said}
    return door("POST", "/intake/appel-coursier", json=record | {"id": f"appel-{rpps}"}, headers=door.token(client))


def listed(door: Door, client: str) -> list[Any]:
    found: list[Any] = door("GET", "/views/prescripteur/referrals", headers=door.token(client)).json()["referrals"]
    return found


@pytest.fixture
def colleague(stage: Stage) -> None:
    network = stage.app.network
    stage.app.apply_network(replace(network, people=(*network.people, Person(key="dr-autre", name="Dr Autre Fictif", role="doctor", organisation="autre"))))


@pytest.mark.usefixtures("colleague")
def test_record_of_a_clinic_stays_its_own_whichever_doctor_it_names(door: Door, stage: Stage) -> None:
    assert called(door, THEIRS).status_code == 201
    assert len(listed(door, "autre")) == 1 and listed(door, "saint-eloi") == []
    for type in ("Patient", "ServiceRequest", "Task", "Consent", "Practitioner"):
        assert "Zyx" not in door("GET", f"/fhir/{type}", headers=door.token("saint-eloi")).text
    assert "Zyx" in door("GET", "/fhir/Patient", headers=door.token("autre")).text and stage.push() == 0


@pytest.mark.usefixtures("colleague")
def test_answer_is_the_same_for_a_doctor_of_another_clinic_and_for_one_whom_nobody_knows(door: Door) -> None:
    answers = []
    for rpps in (THEIRS, NOBODYS):
        receipt = called(door, rpps).json()
        (line,) = receipt["referrals"]
        request = door("GET", f"/fhir/ServiceRequest/{line['serviceRequest']}", headers=door.token("autre")).json()
        kind = request["requester"]["reference"].partition("/")[0]
        doctor = door("GET", f"/fhir/{request['requester']['reference']}", headers=door.token("autre")).json()
        answers.append((receipt["status"], [each["text"] for each in receipt["warnings"]], kind, doctor["meta"]["tag"], sorted(line)))
    assert answers[0] == answers[1]


@pytest.mark.usefixtures("colleague")
def test_call_taker_may_name_any_doctor(door: Door) -> None:
    answer = door("POST", "/intake/appel-coursier", json=agreed(), headers=door.token("coursiers"))
    assert answer.status_code == 201 and len(listed(door, "saint-eloi")) == 1 and listed(door, "autre") == []


COLON = {"code": {"text": "Zyxinvente"}, "subject": {"reference": "Patient/x"}}
HELD: dict[str, dict[str, Any]] = {
    "Patient": PATIENT, "Observation": COLON | {"status": "final"}, "Condition": COLON, "Goal": {"lifecycleStatus": "active", "description": {"text": "Zyxinvente"}, "subject": {"reference": "Patient/x"}},
    "RelatedPerson": {"patient": {"reference": "Patient/x"}, "name": [{"family": "Zyxinvente"}]}, "ServiceRequest": REQUEST, "Group": {"type": "person", "actual": True, "name": "Zyxinvente"},
    "Consent": {
        "status": "draft", "scope": {"text": "x"}, "category": [{"text": "Zyxinvente"}], "patient": {"reference": "Patient/x"}, "policy": [{"uri": "urn:x"}],
        "organization": [{"reference": "Organization/autre"}],
    },
}  # fmt: skip


@pytest.mark.parametrize("type", HELD)
def test_put_of_another_clinics_resource_is_as_if_nothing_were_there_to_change(door: Door, type: str) -> None:
    """Whatever the body says of whose it is: neither the resource nor its past comes into other hands."""
    patients = {client: made(door, client, PATIENT).json()["id"] for client in ("saint-eloi", "autre")}

    def written(client: str) -> dict[str, Any]:
        text = json.dumps({"resourceType": type, **HELD[type]}).replace("Patient/x", f"Patient/{patients[client]}")
        return dict(json.loads(text.replace("Organization/autre", f"Organization/{'msp-saint-eloi' if client == 'saint-eloi' else client}")))

    theirs = made(door, "saint-eloi", written("saint-eloi"))
    assert theirs.status_code == 201, theirs.text
    place, before, token = f"/fhir/{type}/{theirs.json()['id']}", theirs.json(), door.token("autre")
    for claim in ({}, {"managingOrganization": {"reference": "Organization/autre"}} if type == "Patient" else {"language": "fr"}):
        changed = written("autre") | {"id": before["id"], **claim}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": changed, "request": {"method": "PUT", "url": place.removeprefix("/fhir/")}}]}
        for headers in (token, token | {"If-Match": 'W/"1"'}):
            assert door("PUT", place, content=json.dumps(changed), headers=headers).status_code == 404
        assert door("POST", "/fhir", content=json.dumps(bundle), headers=token).status_code == 404
    patch = json.dumps([{"op": "add", "path": "/language", "value": "fr"}])
    assert door("PATCH", place, content=patch, headers=token | {"Content-Type": "application/json-patch+json"}).status_code == 404
    for method, tail in (("GET", ""), ("GET", "/_history"), ("GET", "/_history/1"), ("DELETE", "")):
        answer = door(method, f"{place}{tail}", headers=token)
        assert answer.status_code == 404 and "Zyxinvente" not in answer.text
    assert door("GET", place, headers=door.token("saint-eloi")).json() == before
