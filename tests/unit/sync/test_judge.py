"""What a change made in an EHR may change here (workflow.md 7)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from adapter.ports import Resource
from adapter.referral.states import STATES
from adapter.sync.judge import Judgement, as_theirs, judge
from tests.unit.sync.house import CONSENT, OWNERSHIP, REQUEST, TASK

NOTHING = Judgement()


def verdict(base: Resource, theirs: Resource, *ours: Resource, works_here: bool = False) -> Judgement:
    return judge(base, theirs, ours or (base,), ownership=OWNERSHIP, works_here=works_here)


def task(**elements: Any) -> Resource:
    return {name: value for name, value in {**TASK, **elements}.items() if value is not None}


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("requested", "cancelled", None), ("accepted", "cancelled", None), ("in-progress", "cancelled", None),
        ("on-hold", "cancelled", None), ("accepted", "entered-in-error", None), ("completed", "entered-in-error", None),
        ("requested", "accepted", "target-move"), ("accepted", "completed", "target-move"), ("in-progress", "on-hold", "target-move"),
        ("completed", "requested", "illegal-move"), ("accepted", "requested", "illegal-move"), ("cancelled", "in-progress", "illegal-move"),
        ("requested", "nobody-knows", "unknown-status"), ("requested", None, "unknown-status"),
    ],
)  # fmt: skip
def test_task_status_from_the_ehr_is_the_requesters_act_only_y_37_y_47(before: str, after: str | None, reason: str | None) -> None:
    found = verdict(task(status=before), task(status=after))

    assert found.refusals == ((reason,) if reason else ())
    assert (found.next or {}).get("status") == (None if reason else after)


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", [*STATES, "received", "ready", "", "done"])
def test_task_never_moves_otherwise_than_the_requester_may(before: str, after: str) -> None:
    found = verdict(task(status=before), task(status=after))

    if found.next is not None:
        assert (before, found.next["status"]) in {("draft", "requested"), ("draft", "cancelled")} | {
            (state, "cancelled") for state in ("requested", "accepted", "in-progress", "on-hold")
        } | {(state, "entered-in-error") for state in STATES if state != "entered-in-error"}


def test_task_moved_by_its_target_in_the_ehr_is_taken_in_where_the_unit_works_there() -> None:
    found = verdict(task(), task(status="accepted"), works_here=True)

    assert found == Judgement(task(status="accepted"), (), "target")


def test_task_without_focus_is_set_aside_y_37() -> None:
    assert verdict(task(), task(focus=None, status="cancelled")) == Judgement(None, ("task-without-focus",))


def test_task_read_as_requested_when_the_ehr_writes_received() -> None:
    assert verdict(task(), task(status="received")) == NOTHING
    assert verdict(task(), task(status="ready")).refusals == ("target-move",)


def test_owner_for_and_focus_never_change_by_pull_y_48() -> None:
    other = {"reference": "Organization/other"}

    assert verdict(task(), task(owner=other, focus=other, requester=other, **{"for": other})) == NOTHING


def test_what_only_the_ehr_knows_is_not_taken_in() -> None:
    assert verdict(task(), task(note=[{"text": "n"}], extension=[{"url": "u"}], description="d", nobodyKnows=1)) == NOTHING


def test_a_value_that_one_of_our_versions_has_is_our_own_coming_back_y_38() -> None:
    ours = [task(status="in-progress"), task(status="accepted"), task()]

    assert verdict(task(), task(status="accepted"), *ours) == NOTHING


def test_any_shared_value_of_one_of_our_versions_is_our_own_coming_back_y_38() -> None:
    ours = [{**REQUEST, "status": "completed", "priority": "asap"}, {**REQUEST, "status": "on-hold", "priority": "urgent"}, REQUEST]

    assert verdict(REQUEST, {**REQUEST, "status": "on-hold", "priority": "urgent"}, *ours) == NOTHING


def test_the_coded_reason_comes_with_the_move_and_free_text_does_not() -> None:
    reason = {"coding": [{"system": "s", "code": "doublon", "display": "d"}], "text": "vu avec Lise"}

    found = verdict(task(statusReason={"text": "a"}), task(status="cancelled", statusReason=reason))

    assert found.next == task(status="cancelled", statusReason={"coding": [{"system": "s", "code": "doublon"}]})
    assert verdict(task(), task(statusReason=reason)) == NOTHING, "a reason alone is no move"
    bare = verdict(task(statusReason={"text": "a"}), task(status="cancelled", statusReason={"text": "vu avec Lise"}))
    assert bare.next == task(status="cancelled"), "the reason of the move before does not stay"


def test_unit_that_works_there_says_where_it_keeps_what_came_of_the_work() -> None:
    output = [{"type": {"coding": [{"code": "resulting-activity"}], "text": "a"}, "valueReference": {"reference": "https://ehr.example/Procedure/9", "display": "b"}},
              {"type": {"text": "story"}, "valueString": "never taken in"}]  # fmt: skip
    found = verdict(task(status="accepted"), task(status="completed", output=output), works_here=True)

    assert found.next is not None and found.next["output"] == [
        {"type": {"text": "resulting-activity"}, "valueReference": {"reference": "https://ehr.example/Procedure/9"}},
    ]
    assert "output" not in (verdict(task(status="accepted"), task(status="cancelled", output=output), works_here=True).next or {})


def test_priority_is_taken_in_unless_both_sides_changed_it() -> None:
    assert verdict(task(), task(priority="urgent")).next == task(priority="urgent")
    assert verdict(task(), task(priority=None)).next == task(priority=None)
    assert verdict(task(), task(priority="urgent"), task(priority="asap")).refusals == ("both-changed",)


def test_a_move_and_a_refusal_in_one_change_are_told_apart() -> None:
    found = verdict(task(), task(status="accepted", priority="urgent"))

    assert (found.next, found.refusals) == (task(priority="urgent"), ("target-move",))


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("active", "revoked", None), ("active", "on-hold", None), ("on-hold", "active", None), ("active", "entered-in-error", None),
        ("revoked", "active", "illegal-move"), ("completed", "active", "illegal-move"), ("active", "draft", "illegal-move"),
        ("active", "gone", "unknown-status"), ("revoked", "entered-in-error", None), ("completed", "revoked", "illegal-move"),
    ],
)  # fmt: skip
def test_request_status_is_the_requesters_until_it_ends(before: str, after: str, reason: str | None) -> None:
    found = verdict({**REQUEST, "status": before}, {**REQUEST, "status": after})

    assert found.refusals == ((reason,) if reason else ())
    assert found.next == (None if reason else {**REQUEST, "status": after})


# ── consent: the EHR's copy says less than ours ──────────────────────────────────────────────────
COPY: Resource = {**CONSENT, "provision": {name: part for name, part in CONSENT["provision"].items() if name != "code"}}


def edited(**elements: Any) -> Resource:
    changed = copy.deepcopy(COPY)
    changed["provision"] = {name: part for name, part in {**changed["provision"], **elements}.items() if part is not None}
    return changed


def test_consent_withdrawn_in_the_ehr_is_withdrawn_here_at_once() -> None:
    assert verdict(COPY, {**COPY, "status": "inactive"}, CONSENT) == Judgement({**CONSENT, "status": "inactive"})


def test_consent_narrowed_in_the_ehr_keeps_the_needs_that_the_ehr_never_saw() -> None:
    found = verdict(COPY, edited(action=CONSENT["provision"]["action"][:1]), CONSENT)

    assert found.refusals == ()
    assert found.next is not None
    assert found.next["provision"] == {**CONSENT["provision"], "action": CONSENT["provision"]["action"][:1]}


@pytest.mark.parametrize("wider", [{"period": None}, {"actor": None}, {"code": [{"coding": [{"code": "x"}]}]}, {"type": "deny"}])
def test_consent_widened_in_the_ehr_waits_for_a_person_y_46(wider: dict[str, Any]) -> None:
    assert verdict(COPY, edited(**wider), CONSENT) == Judgement(None, ("consent-wider",))


def test_consent_is_not_reopened_by_the_ehr() -> None:
    closed = {**CONSENT, "status": "inactive"}

    assert verdict({**COPY, "status": "inactive"}, COPY, closed) == Judgement(None, ("consent-wider",))


def test_consent_echo_of_our_own_withdrawal_is_nothing() -> None:
    assert verdict(COPY, {**COPY, "status": "inactive"}, {**CONSENT, "status": "inactive"}, CONSENT) == NOTHING
    ours = [{**CONSENT, "status": status} for status in ("entered-in-error", "inactive", "active")]
    assert verdict(COPY, {**COPY, "status": "inactive"}, *ours) == NOTHING


# ── a person decides ─────────────────────────────────────────────────────────────────────────────
def test_as_theirs_takes_their_step_in_shared_elements_and_leaves_the_rest_ours() -> None:
    theirs = task(status="completed", priority=None, owner={"reference": "Organization/x"}, note=[{"text": "n"}])

    assert as_theirs(task(), task(businessStatus={"text": "b"}), theirs, ownership=OWNERSHIP) == task(
        businessStatus={"text": "b"}, status="completed", priority=None
    )


def test_as_theirs_of_a_consent_keeps_the_needs_that_the_ehr_never_saw() -> None:
    chosen = as_theirs(COPY, CONSENT, edited(period=None), ownership=OWNERSHIP)

    assert chosen["provision"] == {name: part for name, part in CONSENT["provision"].items() if name != "period"}
