"""One referral end to end, on the flows, the real store and a FakeEhr (F1 of france.md 8)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter import audit
from adapter.errors import Conflict, NeedsMatch, NotFound, Stale
from adapter.ports import Change, Query
from tests.e2e.stage import CARSAT, CLINIC, COURSIER, GP, SAAD, Stage, staged

COURSIER_VIEW, SAAD_VIEW = "coursier-dac-asso", "saad"
FURTHER = {
    "destinataire": "saad-portage", "besoins": ["denutrition"], "service": "portage-repas", "contraintes": ["marche-aide"],
    "accord_patient": {"accord": "oui", "par": "coursier-lea", "comment": "presence"},
}  # fmt: skip


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


def only(cards: list) -> object:
    assert len(cards) == 1
    return cards[0]


def test_draft_never_leaves_while_either_agreement_is_missing_F1(stage: Stage) -> None:
    assert stage.call().status == "draft"
    assert stage.push() == 0
    assert stage.agree("doctor").status == "draft"
    assert stage.push() == 0
    assert stage.cards(COURSIER, COURSIER_VIEW) == []
    assert not stage.ehr.all("ServiceRequest")
    assert stage.agree("patient").status == "requested"
    stage.push()
    assert [task["status"] for task in stage.ehr.all("Task")] == ["requested"]


def test_due_is_tuesday_18h_when_called_on_friday_evening_F1(stage: Stage) -> None:
    line = stage.call().referrals[0]
    assert line["due"].startswith("2026-03-10T18:00:00")
    assert line["dueSaid"]["fr"] == "mardi 10 mars à 18 h"


def test_coursier_sees_no_diagnosis_word_nor_doctors_words_F1(stage: Stage) -> None:
    stage.sent()
    said = json.dumps([only(stage.cards(COURSIER, COURSIER_VIEW)).card], ensure_ascii=False)
    assert "Zyxdurand" in said and "Aide alimentaire" in said
    assert "énutrition" not in said and "denutrition" not in said and "Zyxmots" not in said


def test_whole_loop_reaches_the_ehr_and_comes_back_F1(stage: Stage) -> None:
    stage.sent()
    stage.push()
    card = only(stage.cards(COURSIER, COURSIER_VIEW))
    card = stage.act(COURSIER, COURSIER_VIEW, card, "accept")
    card = stage.act(COURSIER, COURSIER_VIEW, card, "start")
    stage.push()
    remote = only(stage.ehr.all("Task"))
    assert remote["status"] == "in-progress"
    stage.ehr.edit("Task", remote["id"], {"note": [{"text": "seen"}], "extension": [{"url": "https://ehr.example/x", "valueString": "kept"}]})
    stage.pull()
    card = stage.see(COURSIER, COURSIER_VIEW, card.id)
    closed = stage.act(COURSIER, COURSIER_VIEW, card, "complete", outcome="aide-alimentaire-en-place")
    assert closed.card["state"] == "completed"
    assert "person" not in closed.card
    stage.push()
    remote = only(stage.ehr.all("Task"))
    assert remote["status"] == "completed"
    assert remote["note"] == [{"text": "seen"}] and remote["extension"][0]["valueString"] == "kept"
    procedure = only(stage.ehr.all("Procedure"))
    assert remote["output"][0]["valueReference"]["reference"] == f"Procedure/{procedure['id']}"
    assert [each["status"] for each in stage.ehr.all("ServiceRequest")] == ["completed"]
    assert [each["status"] for each in stage.ehr.all("Consent")] == ["inactive"]
    assert len(stage.ehr.all("Patient")) == 1
    answer = only(stage.cards(GP, "prescripteur"))
    assert answer.card["outcome"] == ["Aide alimentaire ou portage de repas en place"]


def test_nothing_hidden_leaves_for_the_ehr_F1(stage: Stage) -> None:
    stage.sent()
    stage.push()
    left = json.dumps([each for type in ("ServiceRequest", "Task", "Consent") for each in stage.ehr.all(type)], ensure_ascii=False)
    for token in ("Zyxmots", "Zyxdurand", "Zyxexemple", "énutrition", "denutrition", "+33639980001"):
        assert token not in left


def test_pool_sees_who_it_is_only_after_accepting_F1(stage: Stage) -> None:
    stage.sent()
    card = stage.act(COURSIER, COURSIER_VIEW, only(stage.cards(COURSIER, COURSIER_VIEW)), "accept")
    stage.act(COURSIER, COURSIER_VIEW, card, "refer", **FURTHER)
    offer = only(stage.cards(SAAD, SAAD_VIEW))
    said = json.dumps(offer.card, ensure_ascii=False)
    assert not any(token in said for token in ("Zyxdurand", "Jeannezyx", "Zyxexemple", "3963998", "1938"))
    assert offer.card["area"] == "76100 Rouen"
    taken = stage.act(SAAD, SAAD_VIEW, offer, "accept")
    assert taken.card["person"]["family_name"] == "Zyxdurand"
    assert "1938" not in json.dumps(taken.card)


@pytest.mark.parametrize(("informed", "requests"), [("oui", 2), ("non", 1)])
def test_practice_hears_of_a_further_request_only_when_the_person_agreed(stage: Stage, informed: str, requests: int) -> None:
    stage.sent()
    card = stage.act(COURSIER, COURSIER_VIEW, only(stage.cards(COURSIER, COURSIER_VIEW)), "accept")
    stage.act(COURSIER, COURSIER_VIEW, card, "refer", **FURTHER, cabinet_informe=informed)
    stage.push()
    assert len(stage.ehr.all("ServiceRequest")) == len(stage.ehr.all("Task")) == requests
    assert len(stage.cards(GP, "prescripteur")) == 1


def test_withdrawal_closes_the_view_at_once_and_tells_the_ehr_F8(stage: Stage) -> None:
    stage.sent()
    stage.push()
    card = only(stage.cards(COURSIER, COURSIER_VIEW))
    stage.act(COURSIER, COURSIER_VIEW, card, "withdraw", heard_by="coursier-lea")
    assert stage.see(COURSIER, COURSIER_VIEW, card.id) is None
    assert stage.cards(COURSIER, COURSIER_VIEW) == []
    notices = stage.app.write_now(lambda story, uow: story.notices(uow, COURSIER, COURSIER_VIEW))
    assert [each["reference"] for each in notices] == [card.card["reference"]]
    assert "Zyx" not in json.dumps(notices)
    stage.push()
    assert [each["status"] for each in stage.ehr.all("Task")] == ["cancelled"]
    assert [each["status"] for each in stage.ehr.all("Consent")] == ["inactive"]


def test_refusal_at_the_proposal_stores_no_identity_F6(stage: Stage) -> None:
    receipt = stage.call(accord_patient={"accord": "non"})
    assert receipt.status == "refused"
    assert stage.app.read_now(lambda _, uow: [uow.count(Query(type)) for type in ("Patient", "Task", "Consent")]) == [0, 0, 0]


def test_patients_no_gives_the_draft_up(stage: Stage) -> None:
    stage.call()
    stage.agree("doctor")
    stage.agree("patient", agreed=False)
    assert stage.push() == 0
    assert stage.app.read_now(lambda _, uow: len(uow.letters())) == 0


def test_second_referral_of_the_same_person_does_not_double_the_patient(stage: Stage) -> None:
    stage.sent()
    stage.sent(id="appel-2", besoins=["isolement"])
    assert stage.app.read_now(lambda _, uow: uow.count(Query("Patient"))) == 1


def test_same_record_gets_the_same_receipt_and_another_body_is_refused(stage: Stage) -> None:
    first, again = stage.call(), stage.call()
    assert again.replayed and again.referrals == first.referrals
    with pytest.raises(Conflict):
        stage.call(besoins=["isolement"])


def test_act_needs_the_etag_of_what_was_seen(stage: Stage) -> None:
    stage.sent()
    card = only(stage.cards(COURSIER, COURSIER_VIEW))
    act = stage.app.flows(stage.app.network).advance
    with pytest.raises(NeedsMatch):
        stage.app.write_now(lambda _, uow: act(uow, COURSIER, COURSIER_VIEW, card.id, "accept", {}, if_match=None))
    with pytest.raises(Stale):
        stage.app.write_now(lambda _, uow: act(uow, COURSIER, COURSIER_VIEW, card.id, "accept", {}, if_match="0"))


def test_other_services_find_nothing_M_13(stage: Stage) -> None:
    stage.sent()
    card = only(stage.cards(COURSIER, COURSIER_VIEW))
    assert stage.see(CARSAT, "as-carsat", card.id) is None
    assert stage.see(CARSAT, COURSIER_VIEW, card.id) is None
    assert stage.cards(CARSAT, COURSIER_VIEW) == []


def test_unknown_mapping_names_the_known_ones(stage: Stage) -> None:
    with pytest.raises(NotFound, match="appel-coursier"):
        stage.app.write_now(lambda story, uow: story.refer(uow, COURSIER, "fax", {}))


def test_audit_chain_verifies_after_the_story(stage: Stage) -> None:
    stage.sent()
    stage.push()
    only(stage.cards(COURSIER, COURSIER_VIEW))
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    verdict = audit.verify(rows)
    assert verdict.ok and verdict.count == len(rows) > 20
    assert not any(b"Zyx" in row.event for row in rows)


STEPS = ("doctor", "patient", "push", "pull", "patient-no", "tick")
EXAMPLES = settings().max_examples if os.environ.get("LIAISON_TEST_PROFILE") == "nightly" else 50


@settings(max_examples=EXAMPLES)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=8))
def test_referral_never_leaves_before_both_agreed_whatever_the_order(steps: list[str]) -> None:
    with staged() as stage:
        stage.call()
        agreed: set[str] = set()
        pushed = withdrawn = False
        for step in steps:
            if step == "push":
                stage.push()
                pushed = pushed or (agreed >= {"doctor", "patient"} and not withdrawn)
            elif step == "pull":
                stage.pull()
            elif step == "tick":
                stage.clock.tick(timedelta(hours=30))
            elif step == "patient-no":
                stage.agree("patient", agreed=False)
                withdrawn = withdrawn or agreed >= {"doctor", "patient"}
                agreed |= set() if withdrawn else {"given-up"}
            elif "given-up" not in agreed and not withdrawn:
                stage.agree(step)
                agreed.add(step)
            if not agreed >= {"doctor", "patient"}:
                assert not stage.ehr.all("ServiceRequest") and not stage.ehr.all("Task") and not stage.ehr.all("Consent")
                assert stage.app.read_now(lambda _, uow: uow.letters()) == []
        stage.push()
        arrived = agreed >= {"doctor", "patient"} and (pushed or not withdrawn)  # what was taken back arrives nowhere for the first time
        assert len(stage.ehr.all("Task")) == (1 if arrived else 0)


def test_stage_has_one_clinic(stage: Stage) -> None:
    assert [entry.name for entry in stage.app.network.ehrs()] == [CLINIC]


def test_cancelled_in_the_ehr_ends_the_referral_here_F10(stage: Stage) -> None:
    stage.sent()
    stage.push()
    stage.ehr.edit("Task", only(stage.ehr.all("Task"))["id"], {"status": "cancelled"})
    stage.pull()
    card = only(stage.cards(GP, "prescripteur"))
    assert card.card["state"] == "cancelled"
    assert stage.app.read_now(lambda _, uow: uow.conflicts()) == []


def test_person_who_chooses_the_ehrs_side_takes_its_step_and_loses_nothing_that_it_never_had(stage: Stage) -> None:
    stage.sent()
    stage.push()
    before = ours(stage, "ServiceRequest")
    remote = only(stage.ehr.all("ServiceRequest"))
    stage.ehr.edit("ServiceRequest", remote["id"], {"priority": "routine"})
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("update", "ServiceRequest", before["id"], {**before, "priority": "stat"})]))
    stage.pull()
    row = only(stage.app.read_now(lambda _, uow: uow.conflicts()))
    assert (row.type, row.reason) == ("ServiceRequest", "both-changed")

    stage.app.write_now(lambda story, uow: story.resolve(uow, GP, row.key, "theirs"))
    after = ours(stage, "ServiceRequest")
    assert after["priority"] == "routine"
    kept = ("reasonCode", "note", "performer", "requester", "supportingInfo", "code")
    assert {name: after[name] for name in kept if name in before} == {name: before[name] for name in kept if name in before}
    assert not stage.app.read_now(lambda _, uow: uow.conflicts())


def ours(stage: Stage, type: str) -> dict:
    return json.loads(only(stage.app.read_now(lambda _, uow: uow.search(Query(type)))).served)


def test_deadline_runs_from_the_call_as_it_was_announced_when_agreements_come_later(stage: Stage) -> None:
    """Friday 18:50, 48 h: Tuesday 18:00, whatever the day on which the doctor rings back (workflow.md 3)."""
    announced = stage.call().referrals[0]["due"]
    stage.clock.tick(timedelta(days=2, hours=20))  # Monday 14:50
    stage.agree("doctor")
    line = stage.agree("patient").referrals[0]
    assert (line["status"], line["due"], announced) == ("requested", announced, "2026-03-10T18:00:00+01:00")


def test_deadline_runs_from_the_sending_when_the_announced_one_has_passed(stage: Stage) -> None:
    stage.call()
    stage.clock.tick(timedelta(days=7))  # the next Friday, 18:50
    stage.agree("doctor")
    assert stage.agree("patient").referrals[0]["due"] == "2026-03-17T18:00:00+01:00"
