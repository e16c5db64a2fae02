"""Denies are asked of every resource (workflow.md 4): a Consent that denies only the Patient, or only the Task, at every door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from adapter.fhir import query
from adapter.names import ACT_CODE, CONSENT_SCOPE, RESOURCE_TYPES
from adapter.ports import Change
from tests.e2e.records import VIEW, card, only, stored
from tests.e2e.stage import CLINIC, COURSIER, GP, Stage, staged

READER = replace(COURSIER, scopes=frozenset({"system/*.rs"}))


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        found.sent()
        yield found


def deny(stage: Stage, **constraints: Any) -> None:
    """The clinic's software writes down that the person denies something to the coursiers, beside the agreement in force."""
    consent = {
        "resourceType": "Consent", "status": "active", "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": ACT_CODE, "code": "IDSCL"}]}], "patient": {"reference": f"Patient/{only(stored(stage, 'Patient'))['id']}"},
        "organization": [{"reference": f"Organization/{CLINIC}"}], "dateTime": "2026-03-06T19:00:00+01:00",
        "policy": [{"uri": "https://www.legifrance.gouv.fr/"}],
        "provision": {"type": "deny", "actor": [{"role": {"text": "x"}, "reference": {"reference": "Organization/asso-coursiers"}}], **constraints},
    }  # fmt: skip
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("create", "Consent", "", consent, origin="fhir")]))


def found(stage: Stage, type: str) -> list[Any]:
    return stage.app.write_now(lambda story, uow: story.search(uow, READER, query(type, []))[0])


def of(type: str) -> dict[str, Any]:
    return {"class": [{"system": RESOURCE_TYPES, "code": type}]}


def test_person_who_denies_who_they_are_is_shown_to_nobody_by_name(stage: Stage) -> None:
    before = card(stage).card
    assert before["person"]["family_name"] == "Zyxdurand" and found(stage, "Patient")
    deny(stage, **of("Patient"))
    after = card(stage).card
    assert "person" not in after and after["needs"] == before["needs"] and "Zyxdurand" not in json.dumps(after)
    assert found(stage, "Patient") == [] and found(stage, "Task")


def test_denial_of_one_resource_by_its_reference_holds_for_it_alone(stage: Stage) -> None:
    person = f"Patient/{only(stored(stage, 'Patient'))['id']}"
    deny(stage, data=[{"meaning": "instance", "reference": {"reference": person}}])
    assert "person" not in card(stage).card and found(stage, "Patient") == []


def test_who_is_denied_the_task_is_told_of_no_referral(stage: Stage) -> None:
    shown = card(stage)
    deny(stage, **of("Task"))
    assert stage.cards(COURSIER, VIEW) == [] and stage.see(COURSIER, VIEW, shown.id) is None
    assert {type: found(stage, type) for type in ("Task", "ServiceRequest", "Patient", "Consent")} == {key: [] for key in ("Task", "ServiceRequest", "Patient", "Consent")}


def test_denial_of_what_is_no_part_of_the_referral_changes_nothing(stage: Stage) -> None:
    before = card(stage).card
    deny(stage, **of("Observation"))
    assert card(stage).card == before
