"""`liaison sync list | retry | link | resolve`: what waits for a person between us and an EHR, seen and settled by number."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from adapter.audit.told import told
from adapter.identity.reliability import RELIABILITY
from adapter.ports import Change
from tests.e2e.away import edit, known, there
from tests.e2e.desk import Desk
from tests.e2e.records import VIEW, stored
from tests.e2e.stage import COURSIER, GP, PATIENT

NOBODY: dict[str, Any] = PATIENT | {"id": "another", "name": [{"use": "official", "family": "Zyxautre", "given": ["Paulzyx"]}], "birthDate": "1951-05-06"}


def listed(desk: Desk) -> list[dict[str, Any]]:
    result = desk.run("sync", "list", "--json")
    found: list[dict[str, Any]] = json.loads(result.stdout)
    assert result.exit_code == int(bool(found))
    return found


def parked(desk: Desk, *patients: dict[str, Any]) -> dict[str, Any]:
    """A referral whose patient the EHR does not find: its one stuck letter."""
    desk.stage.ehr.delete("Patient", PATIENT["id"])
    for each in patients:
        desk.stage.ehr.plant(copy.deepcopy(each))
    desk.stage.sent()
    desk.stage.push()
    (one,) = listed(desk)
    return one


def test_letter_that_is_stuck_is_told_by_number_and_reference_and_goes_when_its_cause_is_mended(desk: Desk) -> None:
    assert desk.run("sync", "list").stdout == "nothing waits for a person\n"
    one = parked(desk)
    assert (one["kind"], one["ehr"], one["reason"], one["reference"]) == ("letter", "msp-saint-eloi", "patient-none", desk.reference())
    text = desk.run("sync", "list").stdout
    assert "patient-none" in text and "sync link" in text and "Zyx" not in text
    assert desk.run("sync", "retry", str(one["number"])).exit_code == 0
    desk.stage.push()
    assert listed(desk)[0]["reason"] == "patient-none"  # the cause is still there
    desk.stage.ehr.plant(copy.deepcopy(PATIENT))
    assert desk.run("sync", "retry", str(listed(desk)[0]["number"])).exit_code == 0
    desk.stage.push()
    assert listed(desk) == [] and there(desk.stage, "Task")["status"] == "requested"
    rows = desk.stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    acts = [one for row in rows if (one := told(json.loads(row.event))).name == "repeat"]
    assert len(acts) == 2 and all(act.details["reason"] == "patient-none" and act.patient.startswith("Patient/") for act in acts)


def test_person_says_which_patient_it_is_and_the_letter_goes(desk: Desk) -> None:
    one = parked(desk, NOBODY)
    absent = desk.run("sync", "link", str(one["number"]), "nowhere")
    assert absent.exception is not None and "patient-absent" in str(absent.exception) and listed(desk) == [one]
    assert desk.run("sync", "link", str(one["number"]), "another").exit_code == 0
    desk.stage.push()
    assert listed(desk) == [] and there(desk.stage, "ServiceRequest")["subject"]["reference"] == "Patient/another"


def test_patient_that_stands_for_another_of_ours_is_not_linked_twice(desk: Desk) -> None:
    desk.stage.sent()
    desk.stage.push()
    desk.stage.sent(id="appel-2", personne={"nom": "Zyxtiers", "prenom": "Annezyx", "naissance": "1949-01-02", "sexe": "F"})
    desk.stage.push()
    (one,) = listed(desk)
    taken = desk.run("sync", "link", str(one["number"]), PATIENT["id"])
    assert "patient-taken" in str(taken.exception) and listed(desk) == [one]


def test_conflict_is_settled_by_number_and_the_state_table_holds_for_it_too(desk: Desk) -> None:
    known(desk.stage, accepted=False)
    edit(desk.stage, "Task", status="accepted")  # the target's move, made by the clinic
    desk.stage.pull()
    (one,) = listed(desk)
    assert (one["kind"], one["type"], one["reference"]) == ("conflict", "Task", desk.stage.cards(COURSIER, VIEW)[0].card["reference"])
    for choice, why in (("neither", "ours or theirs"), ("theirs", "legal: cancelled")):
        wrong = desk.run("sync", "resolve", str(one["number"]), choice)
        assert why in str(wrong.exception) and listed(desk) == [one]
    assert desk.run("sync", "resolve", str(one["number"]), "ours").exit_code == 0
    desk.stage.push()
    assert listed(desk) == [] and there(desk.stage, "Task")["status"] == "requested"


def test_wider_consent_of_the_ehr_is_taken_in_on_what_the_person_was_heard_to_say_Y_46(desk: Desk) -> None:
    known(desk.stage, accepted=False)
    provision = there(desk.stage, "Consent")["provision"]
    more = {**provision["actor"][0], "reference": {"identifier": {"system": "urn:x", "value": "saad"}}}
    edit(desk.stage, "Consent", provision={**provision, "actor": [*provision["actor"], more]})
    desk.stage.pull()
    (one,) = listed(desk)
    assert (one["kind"], one["type"], one["reason"]) == ("conflict", "Consent", "consent-wider")
    bare = desk.run("sync", "resolve", str(one["number"]), "theirs")
    assert "evidence" in str(bare.exception) and listed(desk) == [one]
    assert desk.run("sync", "resolve", str(one["number"]), "theirs", "--heard-by", "dr-exemple", "--how", "presence").exit_code == 0
    assert listed(desk) == [] and len(stored(desk.stage, "Consent")[0]["provision"]["actor"]) == 2


@pytest.mark.parametrize("words", [("retry", "99"), ("link", "99", "x"), ("resolve", "99", "ours")])
def test_number_that_nothing_has_is_refused(desk: Desk, words: tuple[str, ...]) -> None:
    result = desk.run("sync", *words)
    assert result.exception is not None and "number" in str(result.exception) and listed(desk) == []


def test_identity_in_doubt_and_two_records_are_told_and_settled_by_number(desk: Desk) -> None:
    doubted = {"extension": [{"url": RELIABILITY, "extension": [{"url": "identityStatus", "valueCoding": {"code": "DOUB"}}]}]}
    desk.stage.ehr.edit("Patient", PATIENT["id"], doubted)
    desk.stage.sent()
    desk.stage.push()
    letter, doubt = sorted(listed(desk), key=lambda one: str(one["kind"]), reverse=True)
    assert (letter["kind"], letter["reason"], doubt["kind"]) == ("letter", "identity-doubtful", "doubt") and doubt["reference"] == letter["reference"] != ""
    text = desk.run("sync", "list").stdout + desk.run("sync", "dead", "show", str(letter["number"])).stdout
    assert text.count("sync resolve NUMBER checked") == 3 and "Zyx" not in text
    assert desk.run("sync", "retry", str(letter["number"])).exit_code == 0
    desk.stage.push()
    assert {one["reason"] for one in listed(desk)} == {"identity-doubtful"}, "sent again it waits again"
    assert "letters go on" in desk.run("sync", "resolve", str(doubt["number"]), "checked").stdout
    desk.stage.push()
    assert listed(desk) == [] and there(desk.stage, "Task")["status"] == "requested"

    own = stored(desk.stage, "Patient")[0]
    twin = {name: value for name, value in own.items() if name not in ("id", "meta", "identifier")}
    desk.stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("create", "Patient", "twin", twin | {"id": "twin"})]))
    (pair,) = listed(desk)
    assert pair["kind"] == "pair" and "may be one person" in desk.run("sync", "list").stdout
    said = desk.run("sync", "resolve", str(pair["number"]), "same").stdout
    assert "set aside" in said and "Zyx" not in said and listed(desk) == []
