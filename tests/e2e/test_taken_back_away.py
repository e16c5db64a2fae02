"""An agreement that leaves force in the EHR is the person's withdrawal told to the clinic (workflow.md 2 and 4, C-E8, Y-42).
All of it through a real pull; all persons are invented."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter import dossier
from adapter.clock import instant
from adapter.ports import Change, Resource, Uow
from adapter.store import upgrade
from tests.e2e.away import FORGOTTEN, TO_POOL, conflicts, edit, known, nothing_to_see, reference_only, settled, states, there
from tests.e2e.desk import Desk
from tests.e2e.records import DOCTOR, VIEW, acts, agents, card, notices, only, stored, told
from tests.e2e.stage import CLINIC, COURSIER, GP, SAAD, Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


# ── the person's word, told to the clinic ────────────────────────────────────────────────────────
def withdrawn(stage: Stage) -> Resource:
    """The one proof of a withdrawal that the clinic heard."""
    proof = only(told(stage, "retrait"))
    patient = only(stored(stage, "Consent"))["patient"]["reference"]
    assert agents(proof) == {"author": patient, "attester": f"Organization/{CLINIC}"}
    assert {each["reference"].partition("/")[0] for each in proof["target"]} == {"Consent", "ServiceRequest"}
    assert "agreement-withdraw" in dict(acts(stage))
    return proof


@pytest.mark.parametrize("status", ["inactive", "entered-in-error", "rejected", "draft"])
def test_agreement_that_left_force_in_the_ehr_is_a_withdrawal(stage: Stage, status: str) -> None:
    id, spoken = known(stage), card(stage).card["reference"]
    edit(stage, "Consent", status=status)
    heard = stage.clock.now()
    stage.clock.tick(timedelta(minutes=14))
    stage.pull()
    nothing_to_see(stage, id)
    assert states(stage) == ("cancelled", "revoked", status if status == "entered-in-error" else "inactive")
    assert withdrawn(stage)["occurredDateTime"] == instant(heard) and only(stored(stage, "Task"))["statusReason"]["text"] == "Demande close par le demandeur"
    assert only(notices(stage))["reference"] == spoken
    if status != "draft":  # that one waits for a person, for it asks for more than an end
        assert conflicts(stage) == []
        settled(stage)
        assert states(stage, ehr=True) == states(stage)
    stage.pull()
    assert len(notices(stage)) == len(told(stage, "retrait")) == 1
    stage.clock.tick(FORGOTTEN)
    nothing_to_see(stage, id)


@pytest.mark.parametrize(("accepted", "told_of"), [(False, 0), (True, 1)])
def test_pool_is_told_only_where_it_knew_who_it_was(stage: Stage, accepted: bool, told_of: int) -> None:
    id = known(stage, SAAD, "saad", accepted=accepted, **TO_POOL)
    edit(stage, "Consent", status="inactive")
    stage.pull()
    assert len(notices(stage, SAAD, "saad")) == told_of and states(stage) == ("cancelled", "revoked", "inactive")
    withdrawn(stage)
    nothing_to_see(stage, id, SAAD, "saad")


@pytest.mark.parametrize("types", [("Consent", "Task"), ("Task", "Consent"), ("Consent", "ServiceRequest"), ("ServiceRequest", "Consent")])
def test_agreement_and_referral_that_end_in_one_pull_read_as_the_stricter(stage: Stage, types: tuple[str, str]) -> None:
    id = known(stage)
    for type in types:
        edit(stage, type, status={"Consent": "inactive", "Task": "cancelled", "ServiceRequest": "revoked"}[type])
        stage.clock.tick(timedelta(seconds=1))
    stage.pull()
    assert len(notices(stage)) == len(told(stage, "retrait")) == 1 and conflicts(stage) == []
    nothing_to_see(stage, id)
    settled(stage)


def test_agreement_that_ends_after_its_referral_adds_nothing(stage: Stage) -> None:
    id = known(stage)
    edit(stage, "Task", status="cancelled")
    stage.pull()
    edit(stage, "Consent", status="inactive")
    stage.pull()
    assert notices(stage) == told(stage, "retrait") == conflicts(stage) == []
    settled(stage)
    edit(stage, "Consent", status="entered-in-error")
    stage.pull()
    assert only(stored(stage, "Consent"))["status"] == "entered-in-error" and notices(stage) == conflicts(stage) == []
    reference_only(stage, id)


def test_own_end_of_an_agreement_that_comes_back_is_no_withdrawal_Y_38(stage: Stage) -> None:
    known(stage)
    stage.act(COURSIER, VIEW, card(stage), "complete", outcome="aide-en-place")
    stage.push()
    assert there(stage, "Consent")["status"] == "inactive"
    stage.ehr.edit("Consent", there(stage, "Consent")["id"], {"language": "fr"})  # a new version of it
    stage.pull()
    assert notices(stage) == told(stage, "retrait") == [] and states(stage) == ("completed", "completed", "inactive")


def test_withdrawn_referral_is_neither_found_nor_shown_if_it_were(stage: Stage) -> None:
    """Two barriers, each looked at alone: the index under which a recipient finds, the decision on what is found."""
    id = known(stage)
    edit(stage, "Consent", status="inactive")
    stage.pull()
    assert stage.see(COURSIER, VIEW, id) is None
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    assert json.loads(rows[-1].event)["outcomeDesc"] == "withdrawn"  # it stands under no id that the recipient could find
    task = only(stored(stage, "Task"))["id"]
    found = stage.app.read_now(lambda story, uow: story.window.decision(uow, COURSIER, VIEW, dossier.load(uow, task)))
    assert not found.permit


def test_withdrawal_that_is_void_later_stays_hidden(stage: Stage) -> None:
    id = known(stage)
    edit(stage, "Consent", status="inactive")
    stage.pull()
    stage.push()
    edit(stage, "Task", status="entered-in-error")
    stage.pull()
    assert only(stored(stage, "Task"))["status"] == "entered-in-error"
    nothing_to_see(stage, id)


# ── what narrows ─────────────────────────────────────────────────────────────────────────────────
def provision(stage: Stage, **elements: Any) -> None:
    edit(stage, "Consent", provision={**there(stage, "Consent")["provision"], **elements})


def party(stage: Stage, key: str) -> Resource:
    before = there(stage, "Consent")["provision"]["actor"][0]
    reference = before["reference"]
    changed: Resource = {**before, "reference": {**reference, "identifier": {**reference["identifier"], "value": key}}}
    return changed


def test_mere_limits_withdraw_nothing(stage: Stage) -> None:
    known(stage)
    own = {"coding": [{"system": "https://liaison.example/CodeSystem/need", "code": "isolement"}]}
    nested = [{"type": "deny", "actor": [party(stage, "saad-seine")]}]
    end = stage.clock.now() + timedelta(days=2)
    for limit in ({"period": {"end": instant(end)}}, {"code": [own]}, {"action": there(stage, "Consent")["provision"]["action"][:1]}, {"provision": nested}):
        provision(stage, **limit)
        stage.pull()
    assert states(stage) == ("accepted", "active", "active") and notices(stage) == told(stage, "retrait") == []
    stage.clock.set(end + timedelta(seconds=1))
    assert stage.cards(COURSIER, VIEW) == []


def test_end_set_to_now_is_a_withdrawal_as_it_is_in_the_house(stage: Stage) -> None:
    id = known(stage)
    provision(stage, period={"end": instant(stage.clock.now() - timedelta(minutes=1))})
    stage.pull()
    withdrawn(stage)
    assert states(stage) == ("cancelled", "revoked", "inactive") and len(notices(stage)) == 1
    nothing_to_see(stage, id)
    settled(stage)


def test_recipient_replaced_by_another_is_a_withdrawal_and_the_other_waits_for_a_person(stage: Stage) -> None:
    id = known(stage)
    provision(stage, actor=[party(stage, "saad-seine")])
    stage.pull()
    withdrawn(stage)
    assert conflicts(stage) == [("Consent", "consent-wider")] and len(notices(stage)) == 1
    nothing_to_see(stage, id)
    stage.push()
    assert states(stage, ehr=True) == ("cancelled", "revoked", "inactive")


@pytest.mark.parametrize("actor", [[], [{"role": {"coding": [{"code": "IRCP"}]}, "reference": {"reference": "Organization/of-the-ehr"}}]])
def test_recipient_that_may_still_be_meant_waits_for_a_person(stage: Stage, actor: list[Any]) -> None:
    known(stage)
    there_now = {name: part for name, part in there(stage, "Consent")["provision"].items() if name != "actor"}
    edit(stage, "Consent", provision=there_now | ({"actor": actor} if actor else {}))
    stage.pull()
    assert conflicts(stage) == [("Consent", "consent-wider")] and states(stage) == ("accepted", "active", "active")
    assert len(stage.cards(COURSIER, VIEW)) == 1


@pytest.mark.parametrize("practice_first", [True, False])
def test_practice_that_may_know_no_more_ends_nothing_and_keeps_nothing_open(stage: Stage, practice_first: bool) -> None:
    further = {"destinataire": "saad-portage", "besoins": ["denutrition"], "service": "portage-repas", "contraintes": ["marche-aide"],
               "accord_patient": {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}, "cabinet_informe": "oui"}  # fmt: skip
    known(stage)
    stage.act(COURSIER, VIEW, card(stage), "refer", **further)
    stage.push()
    practice = only(each for each in stored(stage, "Consent") if each["provision"]["actor"][0]["reference"]["reference"] == f"Organization/{CLINIC}")
    copy = only(each for each in stage.ehr.all("Consent") if practice["identifier"][0] in each["identifier"])
    if practice_first:
        stage.ehr.edit("Consent", copy["id"], {"status": "inactive"})
        stage.pull()
        assert only(each for each in stored(stage, "Consent") if each["id"] == practice["id"])["status"] == "inactive"
        assert len(stage.cards(SAAD, "saad")) == 1 and told(stage, "retrait") == []
    own = only(each for each in stage.ehr.all("Consent") if each["id"] != copy["id"] and each["provision"]["actor"] != copy["provision"]["actor"] and _saad(each))
    stage.ehr.edit("Consent", own["id"], {"status": "inactive"})
    stage.pull()
    assert stage.cards(SAAD, "saad") == [] and len(told(stage, "retrait")) == 1 and len(stage.cards(COURSIER, VIEW)) == 1


def _saad(consent: Resource) -> bool:
    return "saad-seine" in json.dumps(consent["provision"]["actor"])


# ── gone there (C-E8) ────────────────────────────────────────────────────────────────────────────
def test_deletion_is_not_the_persons_word_and_a_person_ends_it(stage: Stage) -> None:
    id = known(stage)
    stage.ehr.delete("Consent", there(stage, "Consent")["id"])
    assert stage.app.wiring.presences[CLINIC].look() == 1
    nothing_to_see(stage, id)
    assert states(stage) == ("accepted", "active", "inactive") and conflicts(stage) == [("Consent", "gone-there")]
    assert notices(stage) == told(stage, "retrait") == []
    stage.act(GP, DOCTOR, card(stage, GP, DOCTOR), "withdraw")
    assert states(stage) == ("cancelled", "revoked", "inactive") and len(notices(stage)) == len(told(stage, "retrait")) == 1
    nothing_to_see(stage, id)


def test_end_after_a_deletion_leaves_the_reference(stage: Stage) -> None:
    id = known(stage)
    stage.ehr.delete("Consent", there(stage, "Consent")["id"])
    stage.app.wiring.presences[CLINIC].look()
    edit(stage, "Task", status="cancelled")
    stage.pull()
    assert notices(stage) == told(stage, "retrait") == []
    reference_only(stage, id)


# ── the same through other doors ─────────────────────────────────────────────────────────────────
def test_agreement_ended_by_the_clinics_software_on_fhir_is_a_withdrawal_too(stage: Stage) -> None:
    id = known(stage)
    consent = only(stored(stage, "Consent")) | {"status": "inactive"}
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("update", "Consent", consent["id"], consent)]))
    assert states(stage) == ("cancelled", "revoked", "inactive") and len(notices(stage)) == 1
    assert agents(only(told(stage, "retrait")))["attester"] == "PractitionerRole/dr-exemple"
    nothing_to_see(stage, id)


def test_withdrawal_told_to_the_ehr_is_in_the_officers_report_with_its_delay(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'liaison.db'}"
    upgrade(url)
    with staged(url) as stage:
        known(stage)
        spoken = card(stage).card["reference"]
        edit(stage, "Consent", status="inactive")
        stage.clock.tick(timedelta(minutes=14))
        stage.pull()
        found = json.loads(Desk(stage, tmp_path).run("dpo", "report", "--json").stdout)
    assert [(each["reference"], each["act"], each["delay_seconds"]) for each in found["withdrawals"]] == [(spoken, "retrait", 14 * 60.0)]


def test_task_of_a_request_that_never_leaves_is_given_up_and_bothers_nobody(stage: Stage) -> None:
    """A worker had taken the Task when it died, and the agreement was taken back before the request arrived: it may be there, is looked
    for, and is not."""
    stage.sent()

    def taken(uow: Uow) -> None:
        (task,) = (each for each in uow.letters() if each.type == "Task")
        assert uow.settle(replace(task, attempts=1), state="queued", reason="away", due=uow.at)

    stage.app.write_now(lambda _, uow: taken(uow))
    stage.agree("patient", agreed=False)
    stage.push()
    letters = stage.app.read_now(lambda _, uow: uow.letters(limit=100))
    assert {(each.type, each.state, each.reason) for each in letters} == {(type, "dropped", "withheld") for type in ("Consent", "ServiceRequest", "Task")}
    assert stage.ehr.all("ServiceRequest") == stage.ehr.all("Task") == []
