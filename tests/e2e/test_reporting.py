"""The courier's assessment of a visit: a record about a referral that is here, taken from the unit whose referral it is, and from nobody else."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from adapter.dossier import load
from adapter.ports import Query
from adapter.traces import of_person, of_referral
from tests.e2e.stage import CALL, Stage
from tests.e2e.test_hearsay import YES, act, cards, everything, stored, taken
from tests.e2e.test_hearsay import stage as _stage
from tests.unit.web.test_doors import Door

stage = _stage
VIEW = "/views/coursier-dac-asso/referrals"
SEEN: dict[str, Any] = {
    "id": "bilan-1", "visite": "2026-03-09T14:30:00+01:00", "fait_par": "coursier-lea",
    "besoins": [
        {"besoin": "denutrition", "suite": "aide-alimentaire-en-place", "resultat": "partiel"}, {"besoin": "violences", "suite": "evaluation-faite"},
    ],
    "aides": [{"service": "portage-repas", "besoin": "denutrition", "etat": "en place"}],
    "propositions": [{"service": "teleassistance", "besoin": "isolement", "destinataire": "saad-portage"}],
    "objectif": {"but": "bien-manger", "besoin": "denutrition", "atteint": "en cours"}, "termine": "non",
}  # fmt: skip


@pytest.fixture
def door(stage: Stage) -> Door:
    return Door(stage)


@pytest.fixture
def card(door: Door, stage: Stage) -> Any:
    """A referral that the couriers accepted, as they see it on the Monday."""
    taken(door, "coursiers", "appel-coursier", CALL | {"accord_medecin": YES, "accord_patient": YES})
    (found,) = cards(door)
    assert act(door, "coursiers", VIEW, found, "accept").status_code == 200
    stage.clock.tick(timedelta(days=3))
    (found,) = cards(door)
    return found


def tasks(stage: Stage) -> list[Any]:
    return stored(stage, "Task")


def test_assessment_is_taken_down_by_the_spoken_reference_and_is_the_first_contact(door: Door, stage: Stage, card: Any) -> None:
    receipt = taken(door, "coursiers", "bilan-coursier", SEEN | {"reference": card["reference"]})
    assert (receipt["status"], receipt["referrals"], receipt["warnings"]) == ("reported", [], [])
    (task,) = tasks(stage)
    assert task["status"] == "in-progress"
    assert [len(stored(stage, type)) for type in ("Observation", "Goal", "CarePlan", "Procedure", "ServiceRequest")] == [1, 1, 1, 0, 1]
    (plan,) = stored(stage, "CarePlan")
    assert plan["subject"] == task["for"] and {each["reference"] for each in plan["supportingInfo"]} >= {task["focus"]["reference"]}


def test_assessment_proposes_and_sends_nothing(door: Door, stage: Stage, card: Any) -> None:
    taken(door, "coursiers", "bilan-coursier", SEEN | {"reference": card["reference"]})
    assert len(tasks(stage)) == len(stored(stage, "Consent")) == 1
    assert door("GET", "/views/saad/referrals", headers=door.token("saad")).json()["referrals"] == []


def test_last_assessment_is_the_answer_for_the_needs_that_were_asked_and_no_other(door: Door, stage: Stage, card: Any) -> None:
    taken(door, "coursiers", "bilan-coursier", SEEN | {"reference": card["id"], "termine": "oui"})
    (task,) = tasks(stage)
    (procedure,) = stored(stage, "Procedure")
    assert task["status"] == "completed" and task["output"][0]["valueReference"]["reference"] == f"Procedure/{procedure['id']}"
    assert [each["coding"][0]["code"] for each in procedure["reasonCode"]] == ["denutrition"]
    assert procedure["outcome"]["coding"][0]["code"] == "partiel"
    assert {each["status"] for each in stored(stage, "Consent")} == {"inactive"}


def test_what_was_seen_at_home_is_in_no_view_and_not_on_the_practices_fhir(door: Door, stage: Stage, card: Any) -> None:
    taken(door, "coursiers", "bilan-coursier", SEEN | {"reference": card["reference"]})
    mine = "".join(door("GET", f"/fhir/{type}", headers=door.token("saint-eloi")).text for type in ("Observation", "Goal", "CarePlan", "Procedure"))
    shown = everything(door) + mine + everything(door, "saint-eloi", "/views/prescripteur/referrals")
    assert not any(word in shown for word in ("violences", "teleassistance", "bien-manger"))


def test_same_record_again_gets_the_same_receipt_and_other_content_a_conflict(door: Door, stage: Stage, card: Any) -> None:
    record = SEEN | {"reference": card["reference"], "termine": "oui"}
    first = taken(door, "coursiers", "bilan-coursier", record)
    assert taken(door, "coursiers", "bilan-coursier", record) == first
    assert len(stored(stage, "Observation")) == 1
    taken(door, "coursiers", "bilan-coursier", record | {"termine": "non"}, status=409)


@pytest.mark.parametrize("client", ["saad", "carsat", "ccas", "saint-eloi"])
@pytest.mark.parametrize("by", ["reference", "id"])
def test_assessment_of_a_referral_of_another_house_is_as_of_one_that_is_not_there(door: Door, stage: Stage, card: Any, client: str, by: str) -> None:
    stage.app.apply_network(_all_may_send(stage))
    answers = [
        door("POST", "/intake/bilan-coursier", json=SEEN | {"reference": said, "fait_par": None}, headers=door.token(client))
        for said in (card[by], "K7-42M", "nobody")
    ]
    assert {each.status_code for each in answers} == {404} and len({json.dumps(each.json()["issue"]) for each in answers}) == 1
    assert not stored(stage, "Observation") and tasks(stage)[0]["status"] == "accepted"


def _all_may_send(stage: Stage) -> Any:
    from dataclasses import replace

    network = stage.app.network
    return replace(network, clients=tuple(replace(each, scopes=("system/*.cruds", "intake", "views")) for each in network.clients))


def test_assessment_of_an_offer_or_of_what_ended_is_refused(door: Door, stage: Stage, card: Any) -> None:
    taken(door, "coursiers", "appel-coursier", CALL | {"id": "appel-2", "accord_medecin": YES, "accord_patient": YES})
    offer = next(each for each in cards(door) if each["id"] != card["id"])
    taken(door, "coursiers", "bilan-coursier", SEEN | {"reference": offer["reference"]}, status=422)
    act(door, "coursiers", VIEW, card, "withdraw", heard_by="coursier-lea", how="telephone")
    taken(door, "coursiers", "bilan-coursier", SEEN | {"reference": card["reference"]}, status=404)
    assert not stored(stage, "Observation")


def test_assessment_without_a_reference_is_refused_with_all_that_is_wrong(door: Door, card: Any) -> None:
    answer = door("POST", "/intake/bilan-coursier", json=SEEN | {"termine": "peut-être"}, headers=door.token("coursiers"))
    assert answer.status_code == 422 and {each["expression"][0] for each in answer.json()["issue"]} == {"reference", "termine"}


def test_last_assessment_that_says_nothing_of_the_needs_asked_is_refused(door: Door, stage: Stage, card: Any) -> None:
    other = SEEN | {"reference": card["reference"], "termine": "oui", "besoins": SEEN["besoins"][1:]}
    taken(door, "coursiers", "bilan-coursier", other, status=422)
    assert not stored(stage, "Observation")


def test_assessment_by_somebody_of_a_third_house_is_refused(door: Door, card: Any) -> None:
    taken(door, "coursiers", "bilan-coursier", SEEN | {"reference": card["reference"], "fait_par": "as-ines"}, status=422)


def test_assessment_is_found_by_an_erasure_of_the_referral_and_of_the_person(door: Door, stage: Stage, card: Any) -> None:
    taken(door, "coursiers", "bilan-coursier", SEEN | {"reference": card["reference"]})

    def found(_: Any, uow: Any) -> list[set[str]]:
        (task,) = uow.search(Query("Task"))
        dossier = load(uow, task.id)
        assert dossier
        return [{each.type for each in of_referral(uow, dossier)}, {each.type for each in of_person(uow, dossier.request["subject"]["reference"])}]

    for types in stage.app.read_now(found):
        assert {"Observation", "Goal", "CarePlan"} <= types
