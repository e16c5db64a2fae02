"""The state table, written down a second time from sdohcc.md (c) and workflow.md 2, and what else a change must keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapter.errors import Invalid
from adapter.referral import states
from tests.unit.referral.referrals import AT, task

# state -> (what the requester may make of it, what the target may), by hand from the spec
TABLE = {
    "": ("draft requested", ""),
    "draft": ("requested cancelled entered-in-error", ""),
    "requested": ("cancelled entered-in-error", "accepted rejected cancelled"),
    "accepted": ("cancelled entered-in-error", "in-progress on-hold completed failed cancelled"),
    "in-progress": ("cancelled entered-in-error", "on-hold completed failed cancelled"),
    "on-hold": ("cancelled entered-in-error", "in-progress completed failed cancelled"),
    "rejected": ("entered-in-error", ""),
    "cancelled": ("entered-in-error", ""),
    "completed": ("entered-in-error", ""),
    "failed": ("entered-in-error", ""),
    "entered-in-error": ("", ""),
}
CELLS = [(old, new, actor) for old in TABLE for new in states.STATES for actor in states.ACTORS if old != new]


@pytest.mark.parametrize(("old", "new", "actor"), CELLS)
def test_check_move_follows_the_table_in_every_cell(old: str, new: str, actor: str) -> None:
    may = new in TABLE[old][states.ACTORS.index(actor)].split()
    assert (new in states.legal(old, actor)) is may
    if may:
        states.check_move(old, new, actor)
        return
    with pytest.raises(Invalid) as caught:
        states.check_move(old, new, actor)
    assert caught.value.status == 422 and caught.value.issues[0].code == "business-rule"
    assert caught.value.issues[0].expression == "Task.status"
    for other in TABLE[old][states.ACTORS.index(actor)].split():
        assert other in str(caught.value)


def test_table_knows_no_state_that_the_profile_forbids() -> None:
    assert not {"received", "ready"} & set(states.STATES)
    assert set(states.STATES) == set(TABLE) - {""}


def test_check_move_lets_no_change_pass_for_anyone() -> None:
    for state in states.STATES:
        states.check_move(state, state, "target")
        states.check_move(state, state, ())


def test_check_move_takes_both_sides_when_one_organisation_stands_on_both() -> None:
    states.check_move("requested", "accepted", {"requester", "target"})
    with pytest.raises(Invalid, match="someone outside this referral"):
        states.check_move("requested", "accepted", frozenset())


def test_check_move_does_not_repeat_a_state_it_does_not_know() -> None:
    with pytest.raises(Invalid) as caught:
        states.check_move("requested", "Durand", "target")
    assert "Durand" not in str(caught.value)


@pytest.mark.parametrize(("inbound", "kept"), [("received", "requested"), ("ready", "accepted")])
def test_normalised_reads_states_of_others_with_a_warning(inbound: str, kept: str) -> None:
    given = task(inbound)
    taken, issues = states.normalised(given)
    assert taken["status"] == kept and given["status"] == inbound
    assert [issue.severity for issue in issues] == ["warning"]
    assert states.normalised(task("accepted"))[1] == []


def test_settle_keeps_the_old_task_when_nothing_changes() -> None:
    old = task("requested")
    for new in (task("requested"), task("received"), task("requested", lastModified="x", meta={"versionId": "9"}, id="other")):
        assert states.settle(old, new, actors=(), at=AT) is old


def test_settle_marks_the_time_when_something_changes() -> None:
    new = states.settle(task("requested"), task("accepted", lastModified="1999-01-01T00:00:00Z"), actors={"target"}, at=AT)
    assert new["lastModified"] == "2026-03-02T09:00:00.000Z"


def test_settle_dates_what_ended_by_its_end() -> None:
    ended = task("cancelled", lastModified="2026-01-01T00:00:00Z", statusReason={"text": "x"})
    assert states.settle(ended, ended | {"status": "entered-in-error"}, actors={"requester"}, at=AT)["lastModified"] == "2026-01-01T00:00:00Z"
    assert states.settle(ended, ended | {"priority": "asap"}, actors={"requester"}, at=AT)["lastModified"] == "2026-01-01T00:00:00Z"


def test_settle_takes_a_new_task_from_the_requester_only() -> None:
    assert states.settle(None, task("draft"), actors={"requester"}, at=AT)["status"] == "draft"
    assert states.settle(None, task("received"), actors={"requester"}, at=AT)["status"] == "requested"
    for status, actors in (("draft", {"target"}), ("accepted", {"requester"}), ("completed", {"requester", "target"})):
        with pytest.raises(Invalid):
            states.settle(None, task(status), actors=actors, at=AT)


@pytest.mark.parametrize("element", ["owner", "requester", "basedOn", "partOf", "for", "focus"])
def test_settle_freezes_the_parties_when_the_task_was_requested(element: str) -> None:
    other: Any = {"reference": "Organization/other"}
    other = [other] if element in ("basedOn", "partOf") else other
    with pytest.raises(Invalid) as caught:
        states.settle(task("requested"), task("requested", **{element: other}), actors={"requester"}, at=AT)
    assert caught.value.issues[0].expression == f"Task.{element}"
    assert states.settle(task("draft"), task("draft", **{element: other}), actors={"requester"}, at=AT)[element] == other


def test_settle_ignores_the_display_of_a_frozen_reference() -> None:
    shown = {"reference": "HealthcareService/coursier", "display": "Coursiers"}
    assert states.settle(task("requested"), task("accepted", owner=shown), actors={"target"}, at=AT)["owner"] == shown


@pytest.mark.parametrize("status", ["rejected", "cancelled", "on-hold", "failed"])
@pytest.mark.parametrize("reason", [None, {}, {"coding": [{"code": "x"}]}, {"text": " "}])
def test_settle_wants_the_text_of_the_reason_when_the_state_needs_one(status: str, reason: dict[str, Any] | None) -> None:
    new = task(status)
    new.pop("statusReason")
    new |= {} if reason is None else {"statusReason": reason}
    old = task("requested" if status == "rejected" else "in-progress")
    with pytest.raises(Invalid) as caught:
        states.settle(old, new, actors={"target"}, at=AT)
    assert caught.value.issues[0].expression == "Task.statusReason.text" and caught.value.issues[0].code == "required"
    assert states.settle(old, new | {"statusReason": {"text": "Motif"}}, actors={"target"}, at=AT)["status"] == status


def test_settle_wants_an_output_when_completed_and_an_owner_when_sent() -> None:
    for output in ({"output": []}, {"output": None}):
        with pytest.raises(Invalid, match="at least one output"):
            states.settle(task("in-progress"), task("completed", **output), actors={"target"}, at=AT)
    bare = {name: value for name, value in task("requested").items() if name != "owner"}
    with pytest.raises(Invalid, match="needs an owner"):
        states.settle(None, bare, actors={"requester"}, at=AT)


def test_settle_says_everything_that_is_wrong_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        states.settle(task("requested"), task("completed", output=[], owner={"reference": "x"}), actors={"requester"}, at=AT)
    assert {issue.expression for issue in caught.value.issues} == {"Task.status", "Task.owner", "Task.output"}


def test_same_sees_profile_and_content_but_not_the_servers_marks() -> None:
    one = task(meta={"profile": ["a"], "versionId": "1", "lastUpdated": "x"})
    assert states.same(one, task(meta={"profile": ["a"], "versionId": "2"}, lastModified="y"))
    assert not states.same(one, task(meta={"profile": ["b"]}))
    assert not states.same(one, task("accepted", meta={"profile": ["a"]}))
    assert states.same(task(meta={"versionId": "1"}), task())


def test_settle_never_changes_what_it_is_given() -> None:
    old, new = task("requested"), task("accepted")
    copies = (dict(old), dict(new))
    states.settle(old, new, actors={"target"}, at=datetime(2026, 3, 3, tzinfo=UTC) + timedelta(hours=1))
    assert (old, new) == copies
