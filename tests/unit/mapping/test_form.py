"""The paper form of the health centre, both sides (france.md 0, source A)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter.fhir import check as fhir_check
from adapter.mapping import try_
from tests.unit.mapping.records import CALL, DOCUMENTS, FORM, changed, codes, context, only

FILLED = DOCUMENTS["fiche-st-eloi"]
NIR = "268027654000175"


def made(record: dict[str, Any] = FORM, **facts: Any) -> list[dict[str, Any]]:
    return FILLED.to_fhir(record, context=context(**facts)).resources


@pytest.mark.parametrize("recorder", ["PractitionerRole/secretaire", None])
@pytest.mark.parametrize("heard_by", ["claire", None])
def test_form_resources_are_valid_fhir_whoever_is_known(recorder: str | None, heard_by: str | None) -> None:
    for resource in made(changed(FORM, personne__numero_secu=NIR, accord_patient__par=heard_by), nir_authorised=True, recorder=recorder):
        assert [issue for issue in fhir_check(resource) if issue.severity in ("error", "fatal")] == []


def test_form_of_today_makes_a_task_that_is_no_older_than_its_change() -> None:
    (task,) = only(made(changed(FORM, date="2026-03-06")), "Task")
    assert task["authoredOn"] == task["lastModified"] == "2026-03-06T19:00:00+01:00"


def test_form_comes_back_as_it_went() -> None:
    assert try_(FILLED, FORM, context=context()).back == FORM


def test_form_boxes_become_needs_and_words_again_however_they_are_typed() -> None:
    typed = ["ACCES AUX DROITS", "retour d’hospitalisation ou à prévoir si hospitalisation programmée", "budget"]
    trial = try_(FILLED, changed(FORM, motifs=typed), context=context())
    assert trial.mapped and trial.back
    (request,) = only(trial.mapped.resources, "ServiceRequest")
    assert codes(request["reasonCode"], "/need") == ["acces-droits", "retour-hospitalisation", "budget"]
    assert trial.back["motifs"] == ["Accès aux droits", "Retour d'hospitalisation ou à prévoir si hospitalisation programmée", "budget"]


def test_F4_form_keeps_a_social_security_number_only_where_it_is_authorised() -> None:
    record = changed(FORM, personne__numero_secu="2 68 02 76 540 001 75")
    mapped = FILLED.to_fhir(record, context=context())
    assert mapped.dropped == ["personne.numero_secu"] and NIR not in json.dumps(mapped.resources).replace(" ", "")
    (patient,) = only(made(record, nir_authorised=True), "Patient")
    assert patient["identifier"][1] == {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "NH"}]},
        "system": "urn:oid:1.2.250.1.213.1.4.8", "value": NIR,
    }  # fmt: skip
    trial = try_(FILLED, record, context=context(nir_authorised=True))
    assert trial.back and trial.back["personne"]["numero_secu"] == NIR


def test_form_with_a_wrong_key_is_dropped_unread_without_authority_and_refused_with_it() -> None:
    record = changed(FORM, personne__numero_secu="268027654000176")
    assert FILLED.to_fhir(record, context=context()).dropped == ["personne.numero_secu"]
    (problem,) = try_(FILLED, record, context=context(nir_authorised=True)).problems
    assert problem.path == "personne.numero_secu"


def test_form_appointment_is_booked_in_its_zone_and_follows_the_form() -> None:
    (appointment,) = only(made(), "Appointment")
    assert (appointment["start"], appointment["end"]) == ("2026-03-10T09:30:00+01:00", "2026-03-10T10:15:00+01:00")
    assert not only(made(changed(FORM, date_rdv=None)), "Appointment")


@pytest.mark.parametrize(
    ("qualification", "status"), [("Médecin généraliste", "active"), ("infirmière", "active"), ("secretaire", "draft")]
)
def test_form_filled_in_by_a_professional_in_charge_is_his_agreement(qualification: str, status: str) -> None:
    (request,) = only(made(changed(FORM, demandeur__qualification=qualification)), "ServiceRequest")
    assert request["status"] == status


def test_form_requester_is_the_clinic_or_whom_the_flows_know() -> None:
    assert only(made(), "Task")[0]["requester"] == {"reference": "Organization/msp"}
    resources = made(requester="PractitionerRole/dr-exemple")
    assert only(resources, "Task")[0]["requester"] == {"reference": "PractitionerRole/dr-exemple"} and not only(resources, "Practitioner")


def test_form_priority_is_the_highest_of_its_needs() -> None:
    assert only(made(), "ServiceRequest")[0]["priority"] == "routine"
    assert only(made(changed(FORM, motifs=["Autre", "sans-abri", "Accès aux droits"])), "ServiceRequest")[0]["priority"] == "stat"


def test_F12_form_words_stand_in_the_note_of_the_request_and_nowhere_else() -> None:
    words = "ne peut plus exercer à cause de son handicap"
    resources = made(changed(FORM, informations_complementaires=words))
    assert only(resources, "ServiceRequest")[0]["note"] == [{"text": words}]
    rest = [{key: value for key, value in each.items() if key != "note"} for each in resources]
    assert words not in json.dumps(rest, ensure_ascii=False)


def test_form_answer_is_printed_again_from_the_referral() -> None:
    resources = made()
    task = only(resources, "Task")[0]
    task["status"] = "completed"
    procedure = {
        "resourceType": "Procedure", "performedDateTime": "2026-03-10T09:00:00Z",
        "performer": [{"actor": {"reference": "PractitionerRole/claire"}}],
        "code": {"coding": [{"system": "https://liaison.example/CodeSystem/outcome", "code": "droits-ouverts"}]},
    }  # fmt: skip
    names = {"PractitionerRole/claire": "Claire Exemple"}.get
    back = FILLED.from_fhir([*resources, procedure], context=context(name_of=names))
    answer = back.pop("reponse")
    assert back == FORM
    assert answer == {
        "nom": "Claire Exemple", "etat": "close", "conformite": "oui", "le": "2026-03-10T10:00:00+01:00", "suite_donnee": [{"suite": "droits-ouverts"}],
    }  # fmt: skip


@pytest.mark.parametrize(("status", "reason", "answer"), [
    ("requested", None, None), ("accepted", None, {"etat": "acceptée", "conformite": "oui"}),
    ("rejected", "session-complete", {"etat": "refusée", "motif": "session-complete"}),
    ("rejected", "hors-territoire", {"etat": "refusée", "conformite": "non", "motif": "hors-territoire"}),
    ("cancelled", "mauvaise-orientation", {"etat": "annulée", "conformite": "non", "motif": "mauvaise-orientation"}),
])  # fmt: skip
def test_F5_form_answer_says_whether_the_request_was_for_this_service(
    status: str, reason: str | None, answer: dict[str, str] | None
) -> None:
    task: dict[str, Any] = {"resourceType": "Task", "status": status}
    if reason:
        task["statusReason"] = {"coding": [{"system": "https://liaison.example/CodeSystem/status-reason", "code": reason}], "text": "x"}
    assert FILLED.from_fhir([task], context=context()).get("reponse") == answer


def test_F6_form_with_a_refusal_leaves_nothing() -> None:
    mapped = FILLED.to_fhir(changed(FORM, accord_patient={"accord": "non"}), context=context())
    assert mapped.refused and not mapped.resources


def test_form_refuses_the_fields_of_another_kind_of_record() -> None:
    paths = {error.path for error in try_(FILLED, CALL, context=context()).problems}
    assert {"?", "motifs", "date"} <= paths


@pytest.mark.shared
def test_form_has_every_field_and_box_of_the_paper(shared: Path) -> None:
    paper = json.loads((shared / "data/fr/samples/fiche_liaison_st_eloi.json").read_text(encoding="utf-8"))
    trial = try_(FILLED, changed(FORM, motifs=[box.replace("’", "'") for box in paper["motifs"]]), context=context())
    assert trial.back and sorted(trial.back["motifs"]) == sorted(box.replace("’", "'") for box in paper["motifs"])
    fields = {field.name for field in FILLED.fields}
    written = {
        "Date": "date", "Demandeur / Qualification": "demandeur.qualification", "Nom usage / Nom de jeune fille": "personne.nom_naissance",
        "Prénom": "personne.prenom", "Date de naissance": "personne.naissance", "N° de Sécurité Sociale (13+2)": "personne.numero_secu",
        "Adresse": "personne.adresse.ligne", "Téléphone": "personne.telephone", "Date du RV": "date_rdv",
        "Accord du patient pour demande auprès de l’assistante sociale : oui ☐": "accord_patient.accord",
        "Motif de la demande (cases)": "motifs",
        "Informations complémentaires": "informations_complementaires", "[AS] Nom/Prénom": "reponse.nom",
        "[AS] Conformité de la demande : oui ☐ / non ☐": "reponse.conformite", "[AS] Suite donnée": "reponse.suite_donnee",
    }  # fmt: skip
    assert {label for label, _ in paper["fields"]} == set(written) and set(written.values()) <= fields
