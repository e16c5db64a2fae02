"""What a projection shows and leaves: M-01 to M-06, M-23, F1, F2, F9, F12; stages, bases, needs, telling names, ids."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from adapter.names import SDOHCC_CODES
from adapter.views import Facts, card
from tests.unit.views.looks import (
    CONSENT,
    MESSAGE,
    PATIENT,
    REFERRAL,
    REQUEST,
    SOCIAL,
    TASK,
    VIEWS,
    author,
    coded,
    facts,
    needs,
    of,
    other,
    see,
)  # fmt: skip

CANARY = "canary-5f2d"
ALL = tuple(VIEWS)


def look_of(view: str) -> Facts:
    return author() if view in ("prescripteur", "dossier-clinique") else facts()


# ── M: what is not listed ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("view", ALL)
@pytest.mark.parametrize("resource", REFERRAL, ids=lambda resource: resource["resourceType"])
def test_unknown_element_is_absent_M_01(view: str, resource: dict[str, Any]) -> None:
    wider = {**copy.deepcopy(resource), "newElement": CANARY, "otherElement": [{"deep": {"code": CANARY}}], "x": {"reference": f"Patient/{CANARY}"}}
    assert CANARY not in json.dumps(see(view, look_of(view), [wider]))


def _everywhere(value: Any, make: Any) -> Any:
    """`make(object)` merged into every object of a JSON value."""
    if isinstance(value, dict):
        return {**{name: _everywhere(inner, make) for name, inner in value.items()}, **make(value)}
    return [_everywhere(inner, make) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("view", ALL)
def test_extension_at_every_level_is_dropped_M_02(view: str) -> None:
    extension = {"extension": [{"url": f"urn:{CANARY}", "valueString": CANARY, "extension": [{"url": "deep", "valueCode": CANARY}]}]}
    wider = [_everywhere(resource, lambda _: extension) for resource in REFERRAL]
    assert see(view, look_of(view), wider) == see(view, look_of(view))


@pytest.mark.parametrize("view", ALL)
@pytest.mark.parametrize("place", ["top", "inside"])
def test_unlisted_modifier_extension_withholds_the_resource_M_02(view: str, place: str) -> None:
    modifier = {"modifierExtension": [{"url": "urn:not", "valueBoolean": True}]}
    for resource in REFERRAL:
        changed = {**resource, **modifier} if place == "top" else {**resource, "unlisted": [{"deep": modifier}]}
        assert see(view, look_of(view), [changed]) == []


@pytest.mark.parametrize("view", ALL)
def test_implicit_rules_withhold_the_resource_M_02(view: str) -> None:
    assert see(view, look_of(view), [{**resource, "implicitRules": "urn:rules"} for resource in REFERRAL]) == []


@pytest.mark.parametrize("view", ALL)
def test_primitive_sibling_is_dropped_M_03(view: str) -> None:
    sibling = {"extension": [{"url": "urn:x", "valueString": CANARY}]}
    wider = [_everywhere(resource, lambda node: {f"_{name}": sibling for name in node}) for resource in REFERRAL]
    assert see(view, look_of(view), wider) == see(view, look_of(view))


@pytest.mark.parametrize("view", ALL)
def test_text_around_codes_and_references_is_absent_M_04(view: str) -> None:
    def words(node: dict[str, Any]) -> dict[str, Any]:
        more: dict[str, Any] = {"display": CANARY, "assigner": {"display": CANARY}, "title": CANARY, "comment": CANARY}
        if "coding" in node:
            more["text"] = CANARY
        if "resourceType" in node:
            more |= {"text": {"status": "generated", "div": f"<div>{CANARY}</div>"}, "description": CANARY}
            more["note"] = [{"text": "kept by its author"}] if node["resourceType"] == "ServiceRequest" else [{"text": CANARY}]
        return more

    assert CANARY not in json.dumps(see(view, look_of(view), [_everywhere(resource, words) for resource in REFERRAL]))


@pytest.mark.parametrize("view", ALL)
def test_contained_is_absent_and_its_references_dropped_M_05(view: str) -> None:
    inside = {"resourceType": "Patient", "id": "in", "name": [{"family": CANARY}]}
    changed = [_everywhere(resource, lambda node: {"reference": "#in"} if "reference" in node else {}) for resource in REFERRAL]
    shown = json.dumps(see(view, look_of(view), [{**resource, "contained": [inside]} for resource in changed]))
    assert CANARY not in shown
    assert "#in" not in shown


RAW = {f"{resource['resourceType']}/{resource['id']}" for resource in REFERRAL}


@pytest.mark.parametrize("view", [*SOCIAL, "prescripteur"])
def test_no_raw_id_comes_out_M_06(view: str) -> None:
    shown = see(view, look_of(view))
    text = json.dumps(shown)
    assert not [raw for raw in RAW if f'"{raw}"' in text]
    assert not {resource["id"] for resource in shown} & {resource["id"] for resource in REFERRAL}
    known = {f"{resource['resourceType']}/{resource['id']}" for resource in shown}
    references = set(re.findall(r'"reference": "([^"]+)"', text))
    assert references <= known | {f"Organization/{look_of(view).pairwise('Organization', 'cbo')}"}


@pytest.mark.parametrize("reference", ["https://ehr.example/fhir/Patient/p1", "urn:uuid:1", "#p1", "Condition/c", "p1", "Patient/p1/x", "", 3, None, {}])
@pytest.mark.parametrize("view", ["saad", "dossier-clinique"])
def test_reference_to_what_is_not_shown_is_dropped_M_06(view: str, reference: Any) -> None:
    shown = see(view, look_of(view), [{**TASK, "for": {"reference": reference}}])
    assert "for" not in shown[0]


@pytest.mark.parametrize("view", ALL)
def test_free_text_in_a_task_is_absent_M_23(view: str) -> None:
    wordy = {**TASK, "description": "patient séropositif", "note": [{"text": "patient séropositif"}],
             "statusReason": {"text": "patient séropositif"}, "code": {**TASK["code"], "text": "patient séropositif"}}  # fmt: skip
    assert "séropositif" not in json.dumps(see(view, look_of(view), [wordy]), ensure_ascii=False)


# ── F ────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("view", ALL)
def test_no_view_says_denutrition_F1(view: str) -> None:
    shown = see(view, look_of(view))
    words = json.dumps([shown, card(VIEWS[view], shown, facts=look_of(view), lang="fr")], ensure_ascii=False).lower()
    assert "denutrition" not in words
    assert "dénutrition" not in words


@pytest.mark.parametrize("stage", ["offer", "open", "closed"])
def test_saad_never_sees_birth_date_identifiers_or_isolement_F1(stage: Any) -> None:
    shown = json.dumps(see("saad", facts("denutrition", stage=stage, demanded=frozenset({"D2", "D3"}))))
    for hidden in ("1938", "238027654000102", "isolement", "vit-seul", "voisin", "séropositif", "handicap"):
        assert hidden not in shown


def test_saad_sees_no_name_phone_or_address_before_it_accepts_F1() -> None:
    offer = see("saad", facts("denutrition", stage="offer"))
    text = json.dumps(offer, ensure_ascii=False)
    for hidden in ("Durand", "Jeanne", "Dupont", "+3363", "Exemple", "Rouen", "Maison de santé"):
        assert hidden not in text
    assert of("ServiceRequest", offer)["reasonCode"] == [{**coded("need", "aide-alimentaire"), "text": "Portage de repas"}]
    assert {resource["resourceType"] for resource in offer} == {"ServiceRequest", "Task", "Patient"}
    assert of("Task", offer)["restriction"]["period"]["end"] == "2026-03-10T18:00:00+01:00"
    accepted = of("Patient", see("saad", facts("denutrition")))
    assert (accepted["name"][0]["family"], accepted["address"][0]["city"]) == ("Durand", "Rouen")


@pytest.mark.parametrize("view", [*SOCIAL, "dossier-clinique"])
def test_the_prescribers_words_never_reach_a_view_F2_F12(view: str) -> None:
    words = {**REQUEST, "note": [{"text": "cancer, ne peut plus exercer à cause de son handicap"}]}
    shown = json.dumps(see(view, look_of(view), [words]))
    assert "cancer" not in shown
    assert "handicap" not in shown


def test_the_prescriber_reads_his_own_words_F12() -> None:
    assert of("ServiceRequest", see("prescripteur", author()))["note"] == REQUEST["note"]


@pytest.mark.parametrize("view", SOCIAL)
def test_no_address_and_no_phone_when_contact_is_unsafe_F9(view: str) -> None:
    violence = {**REQUEST, "reasonCode": [coded("need", "violences")]}
    patient = of("Patient", see(view, facts("violences"), [violence, PATIENT]))
    assert "name" in patient
    assert not {"address", "telecom"} & set(patient)
    assert not {"address", "telecom"} & set(of("Patient", see(view, facts(unsafe=True), [PATIENT])))
    assert of("ServiceRequest", see(view, facts("violences"), [violence]))["reasonCode"][0]["coding"][0]["code"] == "mise-en-securite"


# ── needs ────────────────────────────────────────────────────────────────────────────────────────
def shown_needs(view: str, look: Facts, request: dict[str, Any] = REQUEST) -> list[str]:
    found = see(view, look, [request])
    return [concept["coding"][0]["code"] for concept in found[0].get("reasonCode", [])] if found else []


def test_needs_are_limited_to_those_the_permit_names() -> None:
    assert shown_needs("saad", facts("denutrition")) == ["aide-alimentaire"]
    assert shown_needs("saad", facts("denutrition", "isolement")) == ["aide-alimentaire", "isolement"]
    assert shown_needs("saad", facts("budget")) == []


def test_needs_of_one_neutral_code_appear_once() -> None:
    two = {**REQUEST, "reasonCode": [coded("need", "expulsion"), coded("need", "impayes-loyer")]}
    assert shown_needs("as-carsat", facts("expulsion", "impayes-loyer"), two) == ["maintien-logement"]


def test_needs_of_sensitivity_3_want_a_permit_that_names_them() -> None:
    sensitive = {**REQUEST, "reasonCode": [coded("need", "addictions"), coded("need", "isolement")]}
    assert shown_needs("as-carsat", facts(needs=None, asked=needs("addictions", "isolement")), sensitive) == ["isolement"]
    assert shown_needs("as-carsat", facts("addictions", "isolement"), sensitive) == ["accompagnement", "isolement"]


def test_needs_that_no_table_knows_are_not_shown() -> None:
    assert shown_needs("as-carsat", facts("mystere", needs=None), {**REQUEST, "reasonCode": [coded("need", "mystere")]}) == []


def test_needs_are_neutral_wherever_they_stand() -> None:
    assert of("Consent", see("saad", facts("denutrition")))["provision"]["code"] == [coded("need", "aide-alimentaire")]
    assert of("Procedure", see("saad", facts("denutrition")))["reasonCode"] == [coded("need", "aide-alimentaire")]
    misplaced = {**TASK, "businessStatus": coded("need", "denutrition")}
    assert of("Task", see("coursier-dac-asso", facts("isolement"), [misplaced])).get("businessStatus") is None


# ── stage, basis, conditions ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("view", SOCIAL)
def test_closed_keeps_reference_state_and_outcome_only(view: str) -> None:
    shown = see(view, facts(stage="closed"))
    assert of("Patient", shown).keys() == {"resourceType", "id", "meta"}
    assert "reasonCode" not in of("ServiceRequest", shown)
    assert of("Task", shown)["status"] == "requested"
    assert of("Procedure", shown)["code"]["text"] == "Aide alimentaire ou portage de repas en place"


@pytest.mark.parametrize("basis", ["self", "author", "team"])
@pytest.mark.parametrize("view", SOCIAL)
def test_a_basis_does_not_open_what_wants_consent(view: str, basis: Any) -> None:
    shown = json.dumps(see(view, facts(basis=basis, needs=None)), ensure_ascii=False)
    for hidden in ("Durand", "Exemple", '"aide-alimentaire"', "marche-aide", "Camille"):
        assert hidden not in shown


def test_need_condition_opens_a_class_only_for_its_needs() -> None:
    assert "birthDate" not in of("Patient", see("coursier-dac-asso", facts()))
    assert of("Patient", see("coursier-dac-asso", facts("acces-droits")))["birthDate"] == "1938-02-03"
    not_consented = facts(needs=needs("isolement"), asked=needs("isolement", "acces-droits"))
    assert "birthDate" not in of("Patient", see("coursier-dac-asso", not_consented))


def test_nir_is_shown_to_carsat_only_and_only_for_its_needs() -> None:
    def numbers(view: str, look: Facts) -> list[str]:
        return [entry["value"] for entry in of("Patient", see(view, look)).get("identifier", [])]

    assert numbers("as-carsat", facts()) == []
    assert numbers("as-carsat", facts("acces-droits")) == ["238027654000102"]
    assert numbers("coursier-dac-asso", facts("acces-droits")) == []
    assert numbers("dossier-clinique", author(demanded=frozenset({"D3"}))) == ["42"]
    assert numbers("prescripteur", author()) == []
    assert numbers("prescripteur", author(demanded=frozenset({"D3"}))) == ["238027654000102"]


@pytest.mark.parametrize(
    "identifier",
    [{"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "x"}, {"system": "urn:oid:1.2.250.1.213.1.4.10", "value": "x"},
     {"system": "urn:s", "value": "x", "type": other("urn:t", "INS-NIR")}, {"system": "urn:s", "value": "2 38 02 76 540 001 02"},
     {"system": "urn:s", "value": "238022A540001"}, {"value": "42"}],
)  # fmt: skip
def test_numbers_that_may_be_a_nir_never_go_into_the_record(identifier: dict[str, Any]) -> None:
    assert "identifier" not in of("Patient", see("dossier-clinique", author(), [{**PATIENT, "identifier": [identifier]}]))


def test_demand_opens_a_class_for_the_prescriber() -> None:
    assert [one["coding"][0]["code"] for one in of("ServiceRequest", see("prescripteur", author()))["orderDetail"]] == ["marche-aide"]
    more = of("ServiceRequest", see("prescripteur", author(demanded=frozenset({"D6"}))))["orderDetail"]
    assert [one["coding"][0]["code"] for one in more] == ["marche-aide", "vit-seul"]


def test_relation_and_age_class_of_one_person_stay_together() -> None:
    detail = of("ServiceRequest", see("coursier-dac-asso", facts("aidant")))["orderDetail"]
    assert [[coding["code"] for coding in one["coding"]] for one in detail] == [["marche-aide"], ["voisin", "60-74"]]


def test_message_is_shown_to_sender_and_addressee_only() -> None:
    assert of("Communication", see("coursier-dac-asso", facts()))["payload"] == MESSAGE["payload"]
    assert of("Communication", see("prescripteur", author()))["payload"] == MESSAGE["payload"]
    assert see("coursier-dac-asso", facts(parties=frozenset({"Organization/another"})), [MESSAGE]) == []
    assert see("dossier-clinique", author(), [MESSAGE]) == []


# ── into the record of the practice ──────────────────────────────────────────────────────────────
def test_dossier_keeps_profiles_ids_and_references_and_no_subsetted() -> None:
    shown = see("dossier-clinique", author(), [REQUEST, TASK, CONSENT])
    assert [resource["meta"] for resource in shown] == [{"profile": resource["meta"]["profile"]} for resource in (REQUEST, TASK, CONSENT)]
    assert of("Task", shown)["focus"] == {"reference": "ServiceRequest/sr1"}
    assert of("Task", shown)["owner"] == {"reference": "HealthcareService/u1"}


def test_dossier_consent_has_neither_needs_nor_the_words_of_the_attestation() -> None:
    consent = of("Consent", see("dossier-clinique", author()))
    assert "code" not in consent["provision"]
    assert consent["sourceAttachment"].keys() == {"contentType", "language", "hash", "creation"}
    for kept in ("status", "scope", "category", "patient", "dateTime", "organization", "policy"):
        assert consent[kept] == CONSENT[kept]


SENSITIVE = {**REQUEST, "reasonCode": [coded("need", "violences")], "category": [*REQUEST["category"], other(SDOHCC_CODES, "intimate-partner-violence")]}
NAMED = {**CONSENT, "provision": {**CONSENT["provision"], "code": [coded("need", "violences")]}}
