"""The person takes the agreement back when the referral has ended (workflow.md 4): closed to its recipient at once, and what had not
reached the EHR by then never does. All persons are invented."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.away import nothing_to_see, states
from tests.e2e.records import BY_PHONE, DOCTOR, VIEW, acts, card, notices, stored, told
from tests.e2e.stage import COURSIER, GP, Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


def ended(stage: Stage, *, pushed: bool) -> str:
    """A referral that its unit completed; the id under which the unit knows it."""
    stage.sent()
    id = card(stage).id
    stage.act(COURSIER, VIEW, card(stage), "accept")
    stage.act(COURSIER, VIEW, card(stage), "complete", outcome="aide-en-place")
    if pushed:
        stage.push()
    return id


@pytest.mark.parametrize("by", ["prescriber", "unit", "agreement"])
def test_withdrawal_after_the_end_closes_it_and_holds_back_its_letters(stage: Stage, by: str) -> None:
    id = ended(stage, pushed=False)
    if by == "agreement":
        stage.agree("patient", agreed=False)
    else:
        who, view = (GP, DOCTOR) if by == "prescriber" else (COURSIER, VIEW)
        shown = stage.cards(who, view)[0] if by == "prescriber" else stage.see(who, view, id)
        assert shown is not None
        stage.act(who, view, shown, "withdraw", **BY_PHONE)
    nothing_to_see(stage, id)
    assert len(told(stage, "retrait")) == len(notices(stage)) == 1 and "agreement-withdraw" in dict(acts(stage))
    stage.push()
    assert [stage.ehr.all(type) for type in ("Task", "ServiceRequest", "Consent", "Procedure")] == [[], [], [], []]
    assert states(stage) == ("completed", "completed", "inactive")


def test_withdrawal_after_the_end_is_no_end_for_the_ehr_that_has_it(stage: Stage) -> None:
    id = ended(stage, pushed=True)
    stage.agree("patient", agreed=False)
    nothing_to_see(stage, id)
    stage.push()
    assert states(stage, ehr=True) == ("completed", "completed", "inactive")


def test_withdrawal_after_the_end_tells_the_end_where_the_task_is_known_and_nothing_new(stage: Stage) -> None:
    stage.sent()
    stage.act(COURSIER, VIEW, card(stage), "accept")
    stage.push()
    stage.act(COURSIER, VIEW, card(stage), "complete", outcome="aide-en-place")
    stage.agree("patient", agreed=False)
    stage.push()
    (task,) = stage.ehr.all("Task")
    assert (task["status"], "output" in task, stage.ehr.all("Procedure")) == ("completed", False, [])
    assert {each.state for each in stage.app.read_now(lambda _, uow: uow.letters())} <= {"done", "dropped"}


def test_withdrawal_said_again_changes_nothing(stage: Stage) -> None:
    ended(stage, pushed=False)
    stage.agree("patient", agreed=False)
    before = [stored(stage, type) for type in ("Task", "Consent", "Provenance", "Communication")]
    stage.agree("patient", agreed=False)
    assert [stored(stage, type) for type in ("Task", "Consent", "Provenance", "Communication")] == before
