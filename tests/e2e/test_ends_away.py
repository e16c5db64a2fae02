"""What ends in the EHR ends here with all that hangs on it (workflow.md 2 and 4), and leaves the recipient its reference for
30 days. All of it through a real pull; all persons are invented."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from adapter.ports import Change
from adapter.referral import states as states_module
from tests.e2e.away import KEPT, TO_POOL, conflicts, edit, known, nothing_to_see, reference_only, settled, states, there
from tests.e2e.records import VIEW, card, notices, only, stored, told
from tests.e2e.stage import COURSIER, GP, SAAD, Stage, staged

REASONS = "https://liaison.example/CodeSystem/status-reason"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


# ── the requester's side ends it ─────────────────────────────────────────────────────────────────
CLOSED_THERE = {"coding": [{"system": REASONS, "code": "demande-close"}]}
UNANSWERED = {"coding": [{"system": REASONS, "code": "sans-reponse"}]}
ENDS: dict[str, tuple[str, dict[str, Any], tuple[str, str, str]]] = {
    "task-cancelled": ("Task", {"status": "cancelled"}, ("cancelled", "revoked", "inactive")),
    "task-cancelled-for-a-reason": ("Task", {"status": "cancelled", "statusReason": UNANSWERED}, ("cancelled", "revoked", "inactive")),
    "task-cancelled-by-our-neutral-reason": ("Task", {"status": "cancelled", "statusReason": CLOSED_THERE}, ("cancelled", "revoked", "inactive")),
    "task-in-error": ("Task", {"status": "entered-in-error"}, ("entered-in-error", "revoked", "inactive")),
    "request-revoked": ("ServiceRequest", {"status": "revoked"}, ("cancelled", "revoked", "inactive")),
    "request-in-error": ("ServiceRequest", {"status": "entered-in-error"}, ("cancelled", "entered-in-error", "inactive")),
}


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize("end", ENDS)
def test_end_in_the_ehr_ends_the_agreement_and_leaves_the_reference_for_thirty_days(stage: Stage, end: str, accepted: bool) -> None:
    id = known(stage, accepted=accepted)
    type, elements, after = ENDS[end]
    edit(stage, type, **elements)
    stage.pull()
    assert states(stage) == after and conflicts(stage) == []
    settled(stage)
    assert states(stage, ehr=True) == after
    assert notices(stage) == [] and told(stage, "retrait") == []  # nobody said that the person took it back
    reference_only(stage, id)


def test_end_that_follows_is_an_act_of_the_device_on_behalf_of_the_requester(stage: Stage) -> None:
    known(stage)
    edit(stage, "Task", status="cancelled")
    stage.pull()
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    ended = only(each for each in (json.loads(row.event) for row in rows) if each["subtype"][0]["code"] == "referral-ended")
    assert "liaison" in json.dumps(ended["agent"])
    assert any(each.get("what", {}).get("reference", "").startswith("Task/") for each in ended["entity"])


def test_reason_of_an_end_and_of_a_withdrawal_read_alike(stage: Stage) -> None:
    known(stage)
    edit(stage, "Task", status="cancelled")
    stage.pull()
    settled(stage)
    ended = there(stage, "Task")["statusReason"]
    with staged() as other:
        known(other)
        other.act(COURSIER, VIEW, card(other), "withdraw")
        other.push()
        assert there(other, "Task")["statusReason"] == ended


@pytest.mark.parametrize("accepted", [False, True])
def test_pool_keeps_the_reference_of_an_offer_that_ended(stage: Stage, accepted: bool) -> None:
    id = known(stage, SAAD, "saad", accepted=accepted, **TO_POOL)
    edit(stage, "Task", status="cancelled")
    stage.pull()
    assert states(stage) == ("cancelled", "revoked", "inactive") and notices(stage, SAAD, "saad") == []
    reference_only(stage, id, SAAD, "saad")


def test_end_that_came_as_both_is_told_once_with_the_reason_of_the_task(stage: Stage) -> None:
    known(stage)
    edit(stage, "ServiceRequest", status="revoked")
    edit(stage, "Task", status="cancelled", statusReason=UNANSWERED)
    stage.pull()
    assert only(stored(stage, "Task"))["statusReason"]["text"] == "Sans réponse dans le délai"
    assert states(stage) == ("cancelled", "revoked", "inactive") and conflicts(stage) == []
    settled(stage)


def test_referral_made_by_mistake_is_void_as_a_whole(stage: Stage) -> None:
    known(stage)
    for type in ("Task", "ServiceRequest", "Consent"):
        edit(stage, type, status="entered-in-error")
    stage.pull()
    assert states(stage) == ("entered-in-error",) * 3 and conflicts(stage) == []
    settled(stage)


@pytest.mark.parametrize("after", [timedelta(days=29), timedelta(days=200)])
def test_what_is_touched_after_the_end_is_not_kept_longer(stage: Stage, after: timedelta) -> None:
    id = known(stage)
    edit(stage, "Task", status="cancelled")
    stage.pull()
    stage.push()
    ended = stage.clock.now()
    stage.clock.tick(after)
    edit(stage, "Task", priority="asap", status="entered-in-error")
    stage.pull()
    assert only(stored(stage, "Task"))["status"] == "entered-in-error"
    stage.clock.set(max(stage.clock.now(), ended + KEPT + timedelta(seconds=1)))
    nothing_to_see(stage, id)


# ── a unit that works on this EHR (SDOHCC Direct Light) ──────────────────────────────────────────
@pytest.fixture
def direct(stage: Stage) -> Stage:
    network = stage.app.network
    units = {each.key: tuple(replace(unit, works_on_ehr=True) for unit in each.units) for each in network.organisations}
    stage.app.apply_network(replace(network, organisations=tuple(replace(each, units=units[each.key]) for each in network.organisations)))
    return stage


OUTPUT = {"type": {"coding": [{"system": "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes", "code": "resulting-activity"}]}}


@pytest.mark.parametrize(("status", "request_after"), [("failed", "revoked"), ("cancelled", "revoked"), ("completed", "completed")])
def test_end_by_a_unit_that_works_there_ends_the_agreement(direct: Stage, status: str, request_after: str) -> None:
    id = known(direct)
    done = direct.ehr.plant({"resourceType": "Procedure", "id": "done-there", "status": "completed", "subject": there(direct, "Task")["for"]})[0]
    output = [OUTPUT | {"valueReference": {"reference": f"Procedure/{done['id']}"}}] if status == "completed" else []
    edit(direct, "Task", status=status, **({"output": output} if output else {}))
    direct.pull()
    assert states(direct) == (status, request_after, "inactive") and conflicts(direct) == []
    settled(direct)
    assert there(direct, "Task").get("output", []) == output
    reference_only(direct, id)


def test_refusal_by_a_unit_that_works_there_ends_the_agreement(direct: Stage) -> None:
    id = known(direct, accepted=False)
    edit(direct, "Task", status="rejected", statusReason={"coding": [{"system": REASONS, "code": "session-complete"}]})
    direct.pull()
    assert states(direct) == ("rejected", "revoked", "inactive") and conflicts(direct) == []
    reference_only(direct, id)


def test_unit_that_works_there_ends_both_at_once(direct: Stage) -> None:
    known(direct)
    edit(direct, "ServiceRequest", status="revoked")
    edit(direct, "Task", status="failed")
    direct.pull()
    assert states(direct) == ("failed", "revoked", "inactive") and conflicts(direct) == []


# ── the same through other doors ─────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("type", "status"), [("Task", "cancelled"), ("ServiceRequest", "revoked"), ("ServiceRequest", "entered-in-error")])
def test_end_by_the_clinics_software_on_fhir_is_whole_too(stage: Stage, type: str, status: str) -> None:
    id = known(stage)
    resource = only(stored(stage, type)) | {"status": status}
    if type == "Task":
        resource |= {"statusReason": {"text": "Sans suite"}}
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("update", type, resource["id"], resource)]))
    assert states(stage) == ("cancelled", "revoked" if type == "Task" else status, "inactive")
    settled(stage)
    assert states(stage, ehr=True) == states(stage)
    reference_only(stage, id)


def test_end_that_a_person_takes_over_from_the_ehr_is_whole_too(stage: Stage) -> None:
    id = known(stage)
    edit(stage, "Task", status="cancelled")
    with mock.patch("adapter.bridge._reasoned", lambda story, resource: resource):  # refused for want of a text, so a person decides
        stage.pull()
    assert conflicts(stage) == [("Task", "refused")] and states(stage) == ("accepted", "active", "active")
    key = only(stage.app.read_now(lambda _, uow: uow.conflicts())).key
    taken = states_module.NEEDS_REASON - {"cancelled"}
    with mock.patch.object(states_module, "NEEDS_REASON", taken):
        stage.app.write_now(lambda story, uow: story.resolve(uow, GP, key, "theirs"))
    assert states(stage) == ("cancelled", "revoked", "inactive")
    settled(stage)
    reference_only(stage, id)


def test_draft_that_is_given_up_was_never_there_for_its_recipient(stage: Stage) -> None:
    stage.call()
    stage.agree("patient")
    task = only(stored(stage, "Task")) | {"status": "cancelled", "statusReason": {"text": "Sans suite"}}
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("update", "Task", task["id"], task)]))
    assert states(stage) == ("cancelled", "entered-in-error", "inactive") and stage.cards(COURSIER, VIEW) == notices(stage) == []
    stage.push()
    assert stage.ehr.all("Task") == stage.ehr.all("Consent") == []
