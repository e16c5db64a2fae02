"""What holds of a referral whatever is done to it, in any order (workflow.md 2)."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import Invalid
from adapter.referral import states, verbs
from adapter.referral.scene import Referral
from tests.unit.referral.referrals import consent, request, scene, task

Step = tuple[str, str]
ACTS: dict[str, Any] = {
    "doctor": lambda r: verbs.agree(r, scene(), "doctor"),
    "patient": lambda r: verbs.agree(r, scene(), "patient"),
    "sent": lambda r: verbs.sent(r, scene()),
    "accept": lambda r: verbs.accept(r, scene()),
    "decline": lambda r: verbs.decline(r, scene(), "autre"),
    "start": lambda r: verbs.start(r, scene()),
    "hold": lambda r: verbs.hold(r, scene(), "autre"),
    "fail": lambda r: verbs.fail(r, scene(), "autre"),
    "complete": lambda r: verbs.complete(r, scene(), {"isolement": "sans-suite"}),
    "cancel by requester": lambda r: verbs.cancel(r, scene(), "autre", actor="requester"),
    "cancel by target": lambda r: verbs.cancel(r, scene(), "autre", actor="target"),
    "withdraw": lambda r: verbs.withdraw(r, scene(), shown=True),
    "ask": lambda r: verbs.ask(r, scene(), "telephone"),
    "answer": lambda r: verbs.answer(r, scene(), {"resourceType": "Communication", "id": "q"}, "oui"),
    "progress": lambda r: verbs.progress(r, scene(), "rdv-fixe"),
    "message": lambda r: verbs.message(r, scene(), "Bonjour"),
}


def after(referral: Referral, changed: list[dict[str, Any]]) -> Referral:
    """The referral as it stands once the changed resources are stored."""
    stored = {(one["resourceType"], one["id"]): one for one in changed}

    def now(one: dict[str, Any]) -> dict[str, Any]:
        return stored.get((one["resourceType"], one["id"]), one)

    return Referral(now(referral.task), now(referral.request), tuple(now(each) for each in referral.consents))


@given(st.lists(st.sampled_from(sorted(ACTS)), max_size=12))
def test_referral_never_leaves_before_both_agreed_whatever_the_order_of_acts(acts: list[str]) -> None:
    found = Referral(task("draft"), request("draft"), (consent("proposed"),))
    doctor = patient = False
    for name in acts:
        before = copy.deepcopy(found)
        try:
            changed = ACTS[name](found)
        except Invalid:
            assert found == before
            continue
        assert found == before  # acts are pure
        if before.task["status"] == "draft":
            doctor |= name == "doctor"
            patient |= name == "patient"
        found = after(found, changed)
        state = found.task["status"]
        assert verbs.may_leave(found.request, found.task, found.consents) <= (doctor and patient), (acts, name)
        if state not in states.TERMINAL and doctor and patient:
            assert verbs.may_leave(found.request, found.task, found.consents)
        # draft until both agreed, and requested from then on
        assert (state == "draft") <= (not (doctor and patient))
        if state not in ("draft", "cancelled"):
            assert doctor and patient
        # what is over has ended with all it had
        if state in states.TERMINAL:
            assert found.request["status"] in ("completed", "revoked", "entered-in-error")
            assert all(each["status"] in ("inactive", "rejected") for each in found.consents)
            assert (found.request["status"] == "completed") == (state == "completed")


@given(st.lists(st.sampled_from(sorted(ACTS)), max_size=12))
def test_every_act_is_a_move_that_the_table_allows_and_a_task_that_settle_accepts(acts: list[str]) -> None:
    found = Referral(task("draft"), request("draft"), (consent("proposed"),))
    for name in acts:
        try:
            changed = ACTS[name](found)
        except Invalid:
            continue
        following = after(found, changed)
        old, new = found.task, following.task
        assert old["status"] == new["status"] or new["status"] in states.MOVES[old["status"]]
        settled = states.settle(old, new, actors=states.ACTORS, at=scene().at)
        assert states.same(settled, new)
        found = following


@given(
    st.sampled_from(states.STATES),
    st.sampled_from([*states.STATES, "received", "ready", "", "other"]),
    st.sets(st.sampled_from(states.ACTORS)),
)
def test_check_move_refuses_exactly_what_legal_does_not_name(old: str, new: str, actors: set[str]) -> None:
    try:
        states.check_move(old, new, actors)
        passed = True
    except Invalid:
        passed = False
    assert passed == (old == new or new in states.legal(old, actors))


@given(st.sampled_from(states.STATES))
def test_terminal_states_lead_nowhere_but_to_an_error_mark(state: str) -> None:
    assert (set(states.legal(state, states.ACTORS)) <= {"entered-in-error"}) == (state in states.TERMINAL)


@given(
    st.dictionaries(
        st.sampled_from([*states.FROZEN, "status", "note", "output", "statusReason"]),
        st.recursive(
            st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
        ),
    )
)
def test_settle_answers_or_refuses_and_never_breaks_whatever_a_task_holds(elements: dict[str, Any]) -> None:
    try:
        kept = states.settle(task("requested"), task("requested") | elements, actors={"target"}, at=scene().at)
    except Invalid as refused:
        assert refused.issues
    else:
        assert kept["owner"] == task("requested")["owner"]
