"""What a projection shows and leaves: M-01 to M-06, M-23, F1, F2, F9, F12; stages, bases, needs, telling names, ids."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from adapter.names import SDOHCC_CODES
from adapter.views import Facts, card, etag, load_view, pairwise, project
from adapter.views.load import load_labels
from adapter.views.matrix import Matrix, load_matrix
from tests.unit.views.looks import (
    CONSENT,
    DIRECTORY,
    NEEDS,
    PATIENT,
    PROCEDURE,
    REFERRAL,
    REQUEST,
    ROOT,
    SYSTEMS,
    TASK,
    VIEWS,
    author,
    coded,
    facts,
    needs,
    of,
    other,
    paths,
    see,
)  # fmt: skip

CANARY = "canary-5f2d"
ALL = tuple(VIEWS)


def look_of(view: str) -> Facts:
    return author() if view in ("prescripteur", "dossier-clinique") else facts()


# ── M: what is not listed ────────────────────────────────────────────────────────────────────────
def _everywhere(value: Any, make: Any) -> Any:
    """`make(object)` merged into every object of a JSON value."""
    if isinstance(value, dict):
        return {**{name: _everywhere(inner, make) for name, inner in value.items()}, **make(value)}
    return [_everywhere(inner, make) for inner in value] if isinstance(value, list) else value


RAW = {f"{resource['resourceType']}/{resource['id']}" for resource in REFERRAL}


def shown_needs(view: str, look: Facts, request: dict[str, Any] = REQUEST) -> list[str]:
    found = see(view, look, [request])
    return [concept["coding"][0]["code"] for concept in found[0].get("reasonCode", [])] if found else []


SENSITIVE = {**REQUEST, "reasonCode": [coded("need", "violences")], "category": [*REQUEST["category"], other(SDOHCC_CODES, "intimate-partner-violence")]}


NAMED = {**CONSENT, "provision": {**CONSENT["provision"], "code": [coded("need", "violences")]}}


def test_dossier_withholds_a_sensitive_request_with_its_task_consent_and_outcome() -> None:
    assert see("dossier-clinique", author("violences"), [SENSITIVE, TASK, NAMED, PROCEDURE]) == []
    assert see("dossier-clinique", author("isolement"), [SENSITIVE, NAMED]) == []  # by what they say themselves, too
    assert see("dossier-clinique", author("unheard-of"), [TASK]) == []


def test_dossier_takes_a_ticked_request_without_its_need_and_domain() -> None:
    shown = see("dossier-clinique", author("violences", tick=True), [SENSITIVE, TASK, NAMED, PROCEDURE])
    assert [resource["resourceType"] for resource in shown] == ["ServiceRequest", "Task", "Consent", "Procedure"]
    text = json.dumps(shown)
    for hidden in ("violence", "mise-en-securite", "food-insecurity"):
        assert hidden not in text
    assert [one["coding"][0]["code"] for one in shown[0]["category"]] == ["sdoh"]


def test_status_reason_in_the_record_is_the_label_of_its_code() -> None:
    refused = {**TASK, "statusReason": {**coded("status-reason", "hors-territoire"), "text": CANARY}}
    assert of("Task", see("dossier-clinique", author(), [refused]))["statusReason"]["text"] == "Hors du territoire du service"
    foreign = {**TASK, "statusReason": {**other(SDOHCC_CODES, "no-capacity"), "text": CANARY}}
    assert of("Task", see("dossier-clinique", author(), [foreign]))["statusReason"]["text"] == "no-capacity"


# ── telling names ────────────────────────────────────────────────────────────────────────────────
TELLING = {"HealthcareService/u1": "+33261910059", "Organization/cbo": "", "PractitionerRole/dr": "", "Practitioner/dr": "+33261910058"}


def test_telling_owner_is_a_care_service_with_a_relay_phone() -> None:
    shown = see("prescripteur", author(telling=TELLING))
    unit = of("HealthcareService", shown)
    assert (unit["name"], unit["telecom"]) == ("un service de soins", [{"system": "phone", "value": "+33261910059"}])
    made = card(VIEWS["prescripteur"], shown, facts=author(telling=TELLING), lang="fr")
    assert made["recipient"] == {"name": "un service de soins", "phone": "+33261910059"}
    assert "Coursiers" not in json.dumps(shown)
    assert "Asso" not in json.dumps(shown)


def test_telling_organisation_is_a_care_service_too() -> None:
    shown = [each for each in see("prescripteur", author(telling=TELLING)) if each["resourceType"] == "Organization"]
    assert "un service de soins" in [each["name"] for each in shown] and "Asso" not in [each["name"] for each in shown]


def test_telling_prescriber_is_a_care_service() -> None:
    shown = see("coursier-dac-asso", facts(telling=TELLING, lang="en"))
    assert of("Practitioner", shown)["name"] == [{"text": "a care service"}]
    assert "Camille" not in json.dumps(shown)


def test_telling_names_go_into_no_record_not_even_by_reference() -> None:
    shown = see("dossier-clinique", author(telling=TELLING))
    assert [resource["id"] for resource in shown if resource["resourceType"] in ("HealthcareService", "PractitionerRole", "Practitioner")] == []
    assert of("Task", shown)["owner"] == {"display": "un service de soins"}
    assert of("Consent", shown)["provision"]["actor"][0]["reference"] == {"display": "un service de soins"}
    assert "u1" not in json.dumps(shown)


# ── listed extensions ────────────────────────────────────────────────────────────────────────────
def _with(entry: str, cls: str) -> Any:
    text = (ROOT / "mappings" / "views" / "matrix.yaml").read_text("utf-8")
    matrix: Matrix = load_matrix(text)
    elements = {**matrix.elements, "Patient": {**matrix.elements["Patient"], entry.partition("[")[0]: (cls, False)}}
    body = "view: t\nversion: 1\nrecipient: saad\ntitle: {fr: Essai, en: Trial}\nprofile: drop\nsubsetted: true\nids: pairwise\nresources:\n  Patient:\n    id: structure\n"
    labels = load_labels((ROOT / "mappings" / "views" / "labels.yaml").read_text("utf-8"))
    return load_view(f"{body}    {entry}: {cls}\n", name="t.yaml", matrix=replace(matrix, elements=elements), labels=labels)


def test_listed_extension_comes_out_with_its_simple_value_only() -> None:
    given = [{"url": "urn:a", "valueCode": "x", "extension": [{"url": "b", "valueCode": "y"}]}, {"url": "urn:b", "valueCode": "z"},
             {"url": "urn:a", "valueReference": {"reference": "Patient/p1"}}]  # fmt: skip
    shown = project({**PATIENT, "extension": given}, _with("extension[urn:a]", "D1"), facts=facts())
    assert shown is not None
    assert shown["extension"] == [{"url": "urn:a", "valueCode": "x"}]


def test_listed_modifier_extension_does_not_withhold() -> None:
    shape = _with("modifierExtension[urn:a]", "D1")
    assert project({**PATIENT, "modifierExtension": [{"url": "urn:a", "valueBoolean": True}]}, shape, facts=facts()) is not None
    assert project({**PATIENT, "modifierExtension": [{"url": "urn:b", "valueBoolean": True}]}, shape, facts=facts()) is None
    assert project({**PATIENT, "name": [{"modifierExtension": [{"url": "urn:a", "valueBoolean": True}]}]}, shape, facts=facts()) is None


# ── ids and versions ─────────────────────────────────────────────────────────────────────────────
def test_pairwise_is_a_fhir_id_that_differs_by_recipient_type_and_key() -> None:
    ids = {pairwise(key, unit, type, "1") for key in (b"a", b"b") for unit in ("u1", "u2") for type in ("Task", "Patient")}
    assert len(ids) == 8
    assert all(re.fullmatch(r"[a-z2-7]{26}", one) for one in ids)
    assert pairwise(b"a", "u1", "Task", "1") == pairwise(b"a", "u1", "Task", "1")
    assert pairwise(b"a", "u", "1Task", "1") != pairwise(b"a", "u1", "Task", "1")


def test_etag_follows_the_visible_content_alone() -> None:
    seen = etag(see("saad", facts("denutrition")))
    touched = [{**resource, "meta": {"versionId": "99", "lastUpdated": "2027-01-01T00:00:00Z"}} for resource in REFERRAL]
    touched[1] = {**touched[1], "lastModified": "2027-01-01T00:00:00Z", "note": [{"text": "hidden"}]}
    assert etag(see("saad", facts("denutrition"), touched)) == seen
    assert etag(see("saad", facts("denutrition"), [{**TASK, "status": "accepted"}])) != seen
    assert re.fullmatch(r"[0-9a-f]{32}", seen)


def test_etag_does_not_depend_on_the_order_of_keys() -> None:
    assert etag({"a": 1, "b": [1, 2]}) == etag({"b": [1, 2], "a": 1})
    assert etag({"b": [2, 1]}) != etag({"b": [1, 2]})


@pytest.mark.parametrize("view", ALL)
def test_projection_changes_nothing_it_is_given(view: str) -> None:
    before = copy.deepcopy(REFERRAL)
    for resource in REFERRAL:
        project(resource, VIEWS[view], facts=look_of(view))
    assert before == REFERRAL


@pytest.mark.parametrize("view", ALL)
def test_projection_gives_something_of_every_type_it_lists(view: str) -> None:
    """A guard: a view that shows nothing would pass every test of absence."""
    shown = see(view, look_of(view))
    assert {resource["resourceType"] for resource in shown} == set(VIEWS[view].trees) & {resource["resourceType"] for resource in REFERRAL}
    assert len({path for resource in shown for path in paths(resource)}) > 35


def test_the_needs_table_is_closed_under_neutral() -> None:
    for need in NEEDS.values():
        assert NEEDS[need.neutral].neutral == need.neutral
    assert SYSTEMS.code("need") in next(iter(needs("x")))
    assert DIRECTORY


def test_what_is_no_longer_so_stays_behind() -> None:
    """Old names, numbers and addresses say where a person was, not how to reach them."""
    patient = {
        "resourceType": "Patient", "id": "p1",
        "name": [{"use": "old", "family": "Zyxavant"}, {"use": "usual", "family": "Durand"}],
        "telecom": [{"system": "phone", "value": "+33639980001", "use": "old"}, {"system": "phone", "value": "+33639980002", "period": {"end": "2026-02"}},
                    {"system": "phone", "value": "+33639980003", "period": {"end": "2026-03"}}, {"system": "phone", "value": "+33639980004"}],
        "address": [{"line": ["1 rue Zyxavant"], "use": "old"}, {"line": ["2 rue"], "period": {"end": "2026-03-05T23:00:00Z"}}, {"line": ["3 rue"], "period": {"end": "2026-03-06"}}],
    }  # fmt: skip
    shown = project(patient, VIEWS["coursier-dac-asso"], facts=facts("isolement", on="2026-03-06"))
    assert shown is not None
    assert [each["value"] for each in shown["telecom"]] == ["+33639980003", "+33639980004"]
    assert [each["line"] for each in shown["address"]] == [["3 rue"]]
    assert [each["family"] for each in shown["name"]] == ["Durand"]


def test_no_day_no_end_is_judged() -> None:
    patient = {"resourceType": "Patient", "id": "p1", "address": [{"line": ["2 rue"], "period": {"end": "1999"}}, {"line": ["1 rue"], "use": "old"}]}
    shown = project(patient, VIEWS["coursier-dac-asso"], facts=facts("isolement"))
    assert shown is not None and [each["line"] for each in shown["address"]] == [["2 rue"]]
