"""F2 of france.md 8: a mother with cancer and three young children; two services, neither of which is told why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.france import DOCTOR, VIEW, call, events, form, only, seen, stored, there
from tests.e2e.stage import CARSAT, COURSIER, GP, SAAD, Stage, staged

WORD = "cancer"
WORDS = f"Zyxmots: {WORD} du sein, chimiothérapie, trois enfants"
CHILDREN = [{"role": "enfant", "age": age} for age in ("moins-3", "3-10", "11-17")]


@pytest.fixture
def stage() -> Iterator[Stage]:
    """The call to the courier (children, urgent) and the form to the social worker (income), both agreed to and accepted."""
    with staged() as found:
        call(found, besoins=["garde-enfants", "retour-hospitalisation"], urgence="48h", entourage=CHILDREN, mots_du_medecin=WORDS, diagnostic=WORD)
        form(found, motifs=["ressources-ij"], informations_complementaires=WORDS)
        for who, view in ((COURSIER, VIEW), (CARSAT, "as-carsat")):
            found.act(who, view, only(found.cards(who, view)), "accept")
        yield found


def test_F2_no_view_contains_cancer(stage: Stage) -> None:
    found = there(stage)
    stage.ehr.edit("Task", stage.ehr.all("Task")[0]["id"], {"note": [{"text": WORD}], "description": WORD})
    stage.pull()
    assert WORD in json.dumps(stored(stage, "ServiceRequest"), ensure_ascii=False), "it is kept, for its author"
    for who, view in ((COURSIER, VIEW), (CARSAT, "as-carsat"), (SAAD, "saad")):
        said = seen(stage, who, view).lower()
        assert WORD not in said and "chimio" not in said and "zyxmots" not in said
    assert WORD not in found.lower() and WORD not in json.dumps(events(stage)).lower()
    assert Counter(WORD in json.dumps(each.card, ensure_ascii=False) for each in stage.cards(GP, DOCTOR)) == {True: 2}


def test_F2_diagnosis_is_dropped_at_the_door_and_said_so(stage: Stage) -> None:
    receipt = call(stage, id="appel-2", besoins=["garde-enfants"], diagnostic=WORD)
    assert receipt.dropped == ("diagnostic",) and WORD not in json.dumps(receipt.shown())
    assert "diagnostic" in json.dumps(events(stage))


def test_F2_children_are_told_only_to_the_service_asked_to_mind_them(stage: Stage) -> None:
    courier, worker = only(stage.cards(COURSIER, VIEW)).card, only(stage.cards(CARSAT, "as-carsat")).card
    assert courier["people"] and "people" not in worker
    assert "enfant" not in seen(stage, CARSAT, "as-carsat").lower()


def test_F2_two_services_and_one_who_answers_for_each_need(stage: Stage) -> None:
    owners = Counter(
        coding["code"] for request in stored(stage, "ServiceRequest") for concept in request["reasonCode"] for coding in concept["coding"]
    )
    assert owners == {"garde-enfants": 1, "retour-hospitalisation": 1, "ressources-ij": 1}
    assert sorted(each["owner"]["reference"] for each in stored(stage, "Task")) == ["HealthcareService/coursier-rouen", "HealthcareService/permanence-saint-eloi"]
    assert len(stored(stage, "Patient")) == 1


def test_F2_neither_service_learns_of_the_other(stage: Stage) -> None:
    assert "permanence" not in seen(stage, COURSIER, VIEW) and "ressources-ij" not in seen(stage, COURSIER, VIEW)
    assert "coursier-rouen" not in seen(stage, CARSAT, "as-carsat") and "garde" not in seen(stage, CARSAT, "as-carsat")
