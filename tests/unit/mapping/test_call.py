"""The call to the courier: the resources of a referral (workflow.md 1 and 4), and its way back."""

from __future__ import annotations

import base64
import hashlib
from copy import deepcopy
from datetime import datetime
from typing import Any

import pytest

from adapter.fhir import check as fhir_check
from adapter.mapping import RecordRefused, explain, try_
from adapter.names import PROFILES, SDOHCC_CODES
from tests.unit.mapping.records import CALL, DOCUMENTS, DUE, changed, codes, context, only

CALLED = DOCUMENTS["appel-coursier"]


def made(record: dict[str, Any] = CALL, **facts: Any) -> list[dict[str, Any]]:
    return CALLED.to_fhir(record, context=context(**facts)).resources


def test_call_makes_one_request_task_and_consent_for_its_recipient() -> None:
    assert [each["resourceType"] for each in made()] == [
        "Patient", "Practitioner", "PractitionerRole", "Consent", "ServiceRequest", "Task", "Provenance", "Provenance", "Provenance",
    ]  # fmt: skip


def test_call_resources_are_valid_fhir_with_sdohcc_profiles() -> None:
    for resource in made():
        assert [issue for issue in fhir_check(resource) if issue.severity in ("error", "fatal")] == []
        if resource["resourceType"] in ("ServiceRequest", "Task", "Consent"):
            assert resource["meta"]["profile"] == [PROFILES[resource["resourceType"]]]
        assert resource["meta"]["source"] == "https://liaison.example/mapping/appel-coursier/1"


def test_call_resources_have_their_own_identifiers_and_one_id_of_the_call() -> None:
    resources = made()
    for resource in resources:
        if resource["resourceType"] != "Provenance":
            assert resource["identifier"][0]["value"] == resource["id"]
    systems = [resource["identifier"][0]["system"] for resource in resources if "identifier" in resource]
    assert len(set(systems)) == len(systems)
    (request,), (task,) = only(resources, "ServiceRequest"), only(resources, "Task")
    assert request["requisition"] == task["groupIdentifier"] == {"system": "https://liaison.example/sid/call", "value": "appel-1"}


def test_call_resources_refer_to_each_other() -> None:
    resources = made()
    (request,), (task,), (consent,), (patient,) = (only(resources, type) for type in ("ServiceRequest", "Task", "Consent", "Patient"))
    person = {"reference": f"Patient/{patient['id']}"}
    assert task["focus"] == {"reference": f"ServiceRequest/{request['id']}"}
    assert request["supportingInfo"] == [{"reference": f"Consent/{consent['id']}"}]
    assert request["subject"] == task["for"] == consent["patient"] == person
    assert request["performer"] == [task["owner"]] == [{"reference": "HealthcareService/coursier-rouen"}]
    assert consent["provision"]["actor"][0]["reference"] == {"reference": "Organization/asso-coursiers"}
    assert consent["organization"] == [{"reference": "Organization/msp"}]
    role = only(resources, "PractitionerRole")[0]["id"]
    assert request["requester"] == task["requester"] == {"reference": f"PractitionerRole/{role}"}


def test_call_consent_names_the_needs_of_its_request_in_the_same_codes() -> None:
    resources = made()
    (request,), (consent,) = only(resources, "ServiceRequest"), only(resources, "Consent")
    assert codes(request["reasonCode"], "/need") == codes(consent["provision"]["code"], "/need") == ["denutrition", "isolement"]
    assert codes(request["category"], SDOHCC_CODES) == ["food-insecurity", "social-connection"]
    assert codes([request["code"]], "/sct") == ["308440001"] and codes([request["code"]], "/service") == ["intervention-coursier"]


@pytest.mark.parametrize(("doctor", "person", "request_status", "task_status", "consent_status"), [
    (None, None, "draft", "draft", "proposed"), ("oui", None, "active", "draft", "proposed"), (None, "oui", "draft", "draft", "active"),
    ("non", "oui", "draft", "draft", "active"), ("oui", "oui", "active", "requested", "active"),
])  # fmt: skip
def test_call_is_requested_only_with_both_agreements(
    doctor: str | None, person: str | None, request_status: str, task_status: str, consent_status: str
) -> None:
    resources = made(changed(CALL, accord_medecin={"accord": doctor}, accord_patient={"accord": person}))
    (request,), (task,), (consent,) = (only(resources, type) for type in ("ServiceRequest", "Task", "Consent"))
    assert (request["status"], task["status"], consent["status"]) == (request_status, task_status, consent_status)
    assert ("businessStatus" in task) is (task_status == "requested")
    acts = [codes([each["activity"]], "/activity")[0] for each in only(resources, "Provenance")]
    assert acts == ["saisie", *(["accord-medecin"] if doctor == "oui" else []), *(["accord-patient"] if person == "oui" else [])]


def test_F6_call_with_a_refusal_leaves_nothing_but_its_own_id() -> None:
    mapped = CALLED.to_fhir(changed(CALL, accord_patient={"accord": "non"}), context=context())
    assert (mapped.refused, mapped.resources, mapped.warnings, mapped.dropped, mapped.record_id) == (True, [], [], [], "appel-1")


def test_call_attestation_is_french_text_with_its_hash_and_no_name_of_the_person() -> None:
    (consent,) = only(made(name_of={"Organization/asso-coursiers": "Coursiers de Rouen"}.get), "Consent")
    attachment = consent["sourceAttachment"]
    text = base64.b64decode(attachment["data"])
    assert attachment["hash"] == base64.b64encode(hashlib.sha1(text).digest()).decode()
    assert (attachment["contentType"], attachment["language"], attachment["creation"]) == ("text/plain", "fr", "2026-03-06T18:55:00+01:00")
    said = text.decode()
    assert (
        "Le 6 mars 2026 à 18 h 55" in said and "Coursiers de Rouen" in said and "par téléphone" in said and "(accord-1, langue fr)" in said
    )
    assert "Durand" not in said and "Jeanne" not in said
    assert "verification" not in consent


def test_call_agreements_say_who_heard_them_when_and_how() -> None:
    _, doctor, person = only(made(changed(CALL, accord_patient__par="marc", accord_patient__comment="presence")), "Provenance")
    assert (doctor["occurredDateTime"], person["occurredDateTime"]) == ("2026-03-06T18:50:00+01:00", "2026-03-06T18:55:00+01:00")
    assert doctor["agent"][1]["who"] == {"reference": "PractitionerRole/lea"}
    assert person["agent"][1]["who"] == {"reference": "PractitionerRole/marc"}
    assert codes(person["agent"][1]["role"], "/agreement-way") == ["presence"]
    assert person["recorded"] == "2026-03-06T19:00:00+01:00"


def test_call_taken_down_names_author_recorder_record_and_mapping() -> None:
    taken, *_ = only(made(), "Provenance")
    author, enterer, assembler = taken["agent"]
    assert author["who"]["reference"].startswith("PractitionerRole/") and enterer["who"] == {"reference": "PractitionerRole/lea"}
    assert assembler["who"]["identifier"]["value"] == "appel-coursier/1"
    assert taken["entity"][0]["what"]["identifier"] == {"system": "https://liaison.example/sid/record", "value": "appel-1"}


def test_F9_call_with_a_sensitive_need_is_a_request_and_a_consent_of_its_own() -> None:
    resources = made(changed(CALL, besoins=["violences", "isolement", "justice"]))
    requests, consents, tasks = (only(resources, type) for type in ("ServiceRequest", "Consent", "Task"))
    assert [codes(each["reasonCode"], "/need") for each in requests] == [["isolement"], ["violences"], ["justice"]]
    assert [codes(each["provision"]["code"], "/need") for each in consents] == [["isolement"], ["violences"], ["justice"]]
    assert [each["supportingInfo"][0]["reference"] for each in requests] == [f"Consent/{each['id']}" for each in consents]
    assert [each["focus"]["reference"] for each in tasks] == [f"ServiceRequest/{each['id']}" for each in requests]
    assert ["note" in each for each in requests] == [False, False, True]
    assert len({each["requisition"]["value"] for each in requests}) == 1


def test_F9_call_about_violence_wants_the_safe_channel_to_have_been_asked() -> None:
    record = changed(CALL, besoins=["violences"], personne__canal_sur=None)
    with pytest.raises(RecordRefused) as refused:
        made(record)
    assert [error.path for error in refused.value.problems] == ["personne.canal_sur"]
    (request,) = only(made(changed(record, personne__canal_sur="non")), "ServiceRequest")
    assert codes(request["orderDetail"], SDOHCC_CODES) == ["contacting-subject-prohibited"]
    (request,) = only(made(changed(record, personne__canal_sur=True)), "ServiceRequest")
    assert codes(request["orderDetail"], SDOHCC_CODES) == []


def test_call_puts_constraints_situation_and_people_as_codes_without_a_name() -> None:
    (request,), (task,) = only(made(), "ServiceRequest"), only(made(), "Task")
    details = request["orderDetail"]
    assert (codes(details, "/constraint"), codes(details, "/situation")) == (["marche-aide"], ["vit-seul"])
    assert [[coding["code"] for coding in each["coding"]] for each in details if "/relation" in each["coding"][0]["system"]] == [
        ["voisin", "60-74"]
    ]
    assert codes([task["input"][0]["valueCodeableConcept"]], "/already-followed") == ["non"]


def test_call_has_the_deadline_that_the_context_computes() -> None:
    asked: list[Any] = []

    def due(unit: str, at: datetime, priority: str) -> datetime:
        asked.append((unit, at.isoformat(), priority))
        return DUE

    (task,) = only(made(due=due), "Task")
    assert asked == [("coursier-rouen", "2026-03-06T18:50:00+01:00", "urgent")]
    assert task["restriction"] == {"period": {"end": DUE.isoformat()}}
    assert "restriction" not in only(made(due=None), "Task")[0]


def test_call_of_a_known_requester_about_a_known_person_makes_neither_again() -> None:
    resources = made(requester="PractitionerRole/dr-exemple", patient="Patient/p7")
    assert not only(resources, "Practitioner") and not only(resources, "PractitionerRole")
    assert only(resources, "Patient")[0]["id"] == "p7"
    assert only(resources, "ServiceRequest")[0]["requester"] == {"reference": "PractitionerRole/dr-exemple"}
    assert only(resources, "Task")[0]["for"] == {"reference": "Patient/p7"}


def test_call_service_is_the_one_asked_else_the_one_of_the_unit() -> None:
    assert codes([only(made(changed(CALL, service="portage-repas")), "ServiceRequest")[0]["code"]], "/service") == ["portage-repas"]
    assert codes([only(made(changed(CALL, service=None)), "ServiceRequest")[0]["code"]], "/service") == ["intervention-coursier"]


def test_call_drops_what_nobody_may_need_at_the_door() -> None:
    mapped = CALLED.to_fhir(CALL | {"notes_privees": "TOKEN-1", "diagnostic": "TOKEN-2", "numero_secu": "TOKEN-3"}, context=context())
    assert mapped.dropped == ["diagnostic", "notes_privees", "numero_secu"]
    assert all(each.document_place.startswith("appel-coursier.yaml:") for each in mapped.warnings)
    assert "TOKEN" not in repr(mapped)


def test_call_with_an_unknown_need_names_the_near_ones_and_not_the_value() -> None:
    trial = try_(CALLED, changed(CALL, besoins=["isolemnt", "TOKEN-4"]), context=context())
    assert [error.path for error in trial.problems] == ["besoins[0]", "besoins[1]"]
    assert "isolement" in str(trial.problems[0]) and "appel-coursier.yaml:" in str(trial.problems[0])
    assert "TOKEN-4" not in str(trial.problems[1]) and "acces-droits" in str(trial.problems[1])


def test_call_refuses_a_neutral_code_as_a_need() -> None:
    (problem,) = try_(CALLED, changed(CALL, besoins=["aide-alimentaire"]), context=context()).problems
    assert problem.path == "besoins[0]"


def test_call_in_the_future_is_refused() -> None:
    (problem,) = try_(CALLED, changed(CALL, appel="2026-03-06T19:01"), context=context()).problems
    assert (problem.path, problem.text) == ("appel", "expected a time that is not in the future")


def test_call_comes_back_as_it_went() -> None:
    assert try_(CALLED, CALL, context=context()).back == CALL


def test_call_comes_back_when_resources_are_in_another_order_with_more_in_them() -> None:
    resources = deepcopy(made())
    resources.reverse()
    for resource in resources:
        resource["extension"] = [{"url": "https://ehr.example/x", "valueString": "y"}]
    only(resources, "ServiceRequest")[0]["reasonCode"].insert(0, {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]})
    only(resources, "Patient")[0]["telecom"].insert(0, {"system": "email", "value": "a@b.example"})
    resources.append({"resourceType": "Observation", "status": "final"})
    assert CALLED.from_fhir(resources, context=context()) == CALL


def test_explain_names_line_and_fields_of_each_element() -> None:
    origins = {origin.element: origin for origin in explain(CALLED, CALL, context=context())}
    assert origins["patient.birthDate"].fields == ("personne.naissance",)
    assert origins["request.reasonCode[0].coding[0].code"].fields == ("besoins",)
    assert origins["task.owner.reference"].fields == ("destinataire",)
    assert set(origins["task.status"].fields) == {"accord_medecin.accord", "accord_patient.accord"}
    assert origins["patient.birthDate"].place.startswith("appel-coursier.yaml:")
    assert origins["request.priority"].place.startswith("parts/referral.yaml:")
    less = {origin.element for origin in explain(CALLED, changed(CALL, personne__naissance=None), context=context())}
    assert origins.keys() - less == {"patient.birthDate"}


@pytest.mark.parametrize(
    ("language", "heading", "words"),
    [("fr", "Texte lu (accord-1, langue fr)", "Votre médecin"), ("en", "Texte lu (accord-1, langue en)", "Your doctor"),
     ("ar", "Texte français, dit à la personne dans sa langue (accord-1, langue ar)", "Votre médecin")],
)  # fmt: skip
def test_attestation_quotes_the_text_in_the_language_it_was_read_in(language: str, heading: str, words: str) -> None:
    record = changed(CALL, accord_patient__langue=language)
    (consent,) = only(made(record), "Consent")
    said = base64.b64decode(consent["sourceAttachment"]["data"]).decode()
    assert heading in said and words in said and ("Your doctor" in said) is (language == "en")
    digest = hashlib.sha1(said.encode(), usedforsecurity=False).digest()
    assert base64.b64decode(consent["sourceAttachment"]["hash"]) == digest
