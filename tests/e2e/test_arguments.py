"""An argument that an act does not take is refused, and the act does not happen (M-14): at the doors, in the command line, in the house."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.errors import Invalid, LiaisonError
from adapter.ports import ConflictRow, Query
from adapter.views.load import VERBS
from adapter.web.shapes import ACTS
from tests.e2e.stage import CALL, COURSIER, GP, Stage
from tests.unit.web.test_doors import Door, agreed
from tests.unit.web.test_doors import stage as stage  # noqa: PLC0414  every client with the secret of the test
from tests.worlds.hidden import HIDDEN
from tests.worlds.observer import Observer
from tests.worlds.world import world

UNIT, DOCTOR = ("coursiers", "coursier-dac-asso", COURSIER), ("saint-eloi", "prescripteur", GP)
KINDS = ("Patient", "Task", "Consent", "ServiceRequest", "Provenance", "Communication", "Procedure", "RelatedPerson", "CareTeam")


@pytest.fixture
def door(stage: Stage) -> Door:
    return Door(stage)


def standing(stage: Stage) -> list[tuple[str, int]]:
    """Every resource with its version."""
    found = (stage.app.read_now(lambda _, uow, kind=kind: uow.search(Query(kind))) for kind in KINDS)
    return sorted((version.reference, version.number) for versions in found for version in versions)


def acted(door: Door, who: tuple[str, str, Any], verb: str, body: Any) -> Any:
    client, view, _ = who
    token = door.token(client)
    (card,) = door("GET", f"/views/{view}/referrals", headers=token).json()["referrals"]
    return door("POST", f"/views/{view}/referrals/{card['id']}/{verb}", json=body, headers=token | {"If-Match": f'W/"{card["etag"]}"'})


@pytest.mark.parametrize(("who", "verb", "body", "places"), [
    (DOCTOR, "oppose", {"agianst": "everyone", "heard_by": "dr-exemple"}, ["?"]),
    (DOCTOR, "oppose", {"against": ["everyone"]}, ["against"]),
    (UNIT, "narrow", {"needs": ["isolement"], "untill": "2026-03-09T10:00:00+01:00"}, ["?"]),
    (UNIT, "narrow", {"needs": ["isolement"], "until": ""}, ["until"]),
    (UNIT, "withdraw", {"heard_by": {}}, ["heard_by"]),
    (UNIT, "withdraw", {"heard_by": [], "at": "", "how": []}, ["heard_by", "at", "how"]),
    (UNIT, "withdraw", {"heard_by": None}, ["heard_by"]),
    (UNIT, "accept", {"zz": 1}, ["?"]),
    (UNIT, "message", {"text": "vu", "Zyxdurand": "Zyxdurand"}, ["?"]),
    (DOCTOR, "recognise", {"person": "as-ines", "how": "presence", "informed": "yes"}, ["informed"]),
])  # fmt: skip
def test_act_with_what_it_does_not_take_does_not_happen_M_14(door: Door, stage: Stage, who: Any, verb: str, body: Any, places: list[str]) -> None:
    assert door("POST", "/intake/appel-coursier", json=agreed(), headers=door.token("coursiers")).status_code == 201
    before = standing(stage)
    answer = acted(door, who, verb, body)
    assert (answer.status_code, [each["expression"][0] for each in answer.json()["issue"]]) == (422, places)
    assert standing(stage) == before and not [word for word in ("agianst", "untill", "zz", "Zyx") if word in answer.text]


def test_withdrawal_of_what_was_not_sent_is_held_to_its_arguments_too_M_14(door: Door, stage: Stage) -> None:
    """It would destroy the draft."""
    assert door("POST", "/intake/appel-coursier", json=CALL, headers=door.token("coursiers")).status_code == 201
    before = standing(stage)
    assert acted(door, DOCTOR, "withdraw", {"heard_by": {}}).status_code == 422 and standing(stage) == before
    assert acted(door, DOCTOR, "withdraw", {"heard_by": "dr-exemple"}).status_code == 204 and standing(stage) != before


@pytest.mark.parametrize(("heard", "places"), [
    ({"who": "patient", "agreed": True, "gievn_by": {"capacity": "parent"}}, ["?"]),
    ({"who": "patient", "agreed": True, "given_by": {"capacty": "parent", "name": ""}}, ["given_by.?", "given_by.name"]),
    ({"who": "patient", "agreed": True, "given_by": {}}, ["given_by.capacity"]),
    ({"who": "patient", "agreed": True, "given_by": []}, ["given_by"]),
    ({"who": "patient", "agreed": "false"}, ["agreed"]),
    ({"who": "patient", "agreed": False, "heard_by": ""}, ["heard_by"]),
    ({"who": "doctor", "agreed": False, "how": []}, ["how"]),
    ({"agreed": True}, ["who"]), ({"who": "doctor"}, ["who"]),
])  # fmt: skip
def test_agreement_with_what_it_does_not_take_is_nobodys_agreement_M_14(door: Door, stage: Stage, heard: Any, places: list[str]) -> None:
    token = door.token("coursiers")
    assert door("POST", "/intake/appel-coursier", json=CALL, headers=token).status_code == 201
    before = standing(stage)
    answer = door("POST", "/intake/appel-coursier/appel-1/agreements", json=heard, headers=token)
    assert (answer.status_code, [each["expression"][0] for each in answer.json()["issue"]]) == (422, places)
    assert standing(stage) == before and "gievn" not in answer.text and "capacty" not in answer.text
    absent = [door("POST", "/intake/appel-coursier/absent/agreements", json=each, headers=token) for each in (heard, {"who": "doctor", "agreed": True})]
    assert [each.status_code for each in absent] == [404, 404] and absent[0].content == absent[1].content


def test_no_to_what_was_sent_in_urgency_withdraws_with_what_was_said(stage: Stage) -> None:
    """The agreement's own keys (who, agreed) are none of the withdrawal's."""
    yes = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}
    stage.call(destinataire="permanence-saint-eloi", besoins=["acces-droits"], accord_medecin=yes)
    (draft,) = stage.cards(GP, "prescripteur")
    stage.act(GP, "prescripteur", draft, "urgency", reason="danger-vital")
    stage.agree("patient", agreed=False)
    assert [each.card["state"] for each in stage.cards(GP, "prescripteur")] == ["cancelled"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_act_refuses_a_key_more_and_writes_nothing_M_14(stage: Stage, verb: str) -> None:
    yes = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}
    stage.call(accord_medecin=yes, accord_patient=yes)
    _, view, who = UNIT if verb in stage.app.views[UNIT[1]].writes else DOCTOR
    if verb == "refer":
        stage.act(who, view, *stage.cards(who, view), "accept")
    (shown,) = stage.cards(who, view)
    before = standing(stage)
    with pytest.raises(LiaisonError) as refusal:
        stage.act(who, view, shown, verb, **ACTS[verb], zyx=1)
    assert refusal.value.status == 422 and "zyx" not in str(refusal.value) and standing(stage) == before
    if verb not in ("refer", "reorient"):  # those take a record, which its mapping refuses
        assert [each.expression for each in refusal.value.issues] == ["?"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("verb", ["refer", "reorient"])
def test_record_with_an_empty_id_is_refused_rather_than_given_another(stage: Stage, verb: str) -> None:
    yes = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}
    stage.call(accord_medecin=yes, accord_patient=yes)
    who, view = (COURSIER, UNIT[1]) if verb == "refer" else (GP, DOCTOR[1])
    first, reason = ("accept", {}) if verb == "refer" else ("decline", {"reason": "mauvaise-orientation"})
    stage.act(COURSIER, UNIT[1], stage.cards(COURSIER, UNIT[1])[0], first, **reason)
    before = standing(stage)
    for id in ("", [], False):
        with pytest.raises(LiaisonError) as refusal:
            stage.act(who, view, stage.cards(who, view)[0], verb, **ACTS[verb], id=id)
        assert refusal.value.status == 422 and standing(stage) == before


def test_evidence_that_settles_a_conflict_is_held_to_its_keys(stage: Stage) -> None:
    stage.sent()
    (consent,) = (version.id for version in stage.app.read_now(lambda _, uow: uow.search(Query("Consent"))))
    conflict = ConflictRow("msp-saint-eloi", "Consent", consent, "stale", b"{}", b"{}", b"{}", stage.clock.now())
    stage.app.write_now(lambda _, uow: uow.save_conflict(conflict))
    (row,) = stage.app.read_now(lambda _, uow: uow.conflicts())
    with pytest.raises(Invalid, match="resolve takes heard_by, at, how"):
        stage.app.write_now(lambda story, uow: story.resolve(uow, GP, row.key, "ours", heard={"heardby": "dr-exemple"}))
    assert stage.app.read_now(lambda _, uow: uow.conflicts())


def test_wrong_arguments_tell_nothing_of_what_the_caller_may_not_see_M_14() -> None:
    """Of a referral that is not there, or not the caller's, an act is a 404 whatever its arguments are."""
    answers = set()
    for name in ("", "somebody-else-elsewhere", "draft"):
        with world() as made:
            made.persons()
            if name:
                made.act("hidden", 0)
                HIDDEN[name](made, "coursier-rouen")
            ids = ["absent", *(each["id"] for each in made.stored("Task"))]
            observer = Observer(made, "coursier-rouen")
            for id in ids:
                for verb in ("accept", "withdraw"):
                    for body in ({}, {"zz": 1}, {"heard_by": []}):
                        path = f"/views/coursier-dac-asso/referrals/{id}/{verb}"
                        answers.add(observer.ask("POST", path, match="any", body=body)[1:])
    assert len(answers) == 1 and next(iter(answers))[0] == 404
