"""What holds of the job of due acts whenever it runs (workflow.md 2 and 3): twice, late, by turns, after whatever people did meanwhile."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter import elapsed
from adapter.names import Systems
from adapter.ports import Query, Resource
from adapter.referral import codes
from adapter.referral.due import PRESSING, Patience, contact_awaited, escalated, unanswered
from adapter.referral.states import STATES
from tests.e2e.france import call
from tests.e2e.records import VIEW, card
from tests.e2e.stage import COURSIER, FRIDAY, Stage, staged

BUSINESS = Systems().code("business-status")
SENT = datetime(2026, 3, 6, 17, 50, tzinfo=UTC)
lengths = st.timedeltas(timedelta(0), timedelta(days=400))
patience = st.builds(lambda remind, more: Patience(remind, remind + more), st.timedeltas(timedelta(days=1), timedelta(days=50)), st.timedeltas(timedelta(1), timedelta(days=50)))
RUNGS = ["", codes.HALF, codes.SECOND, codes.DUE]


@st.composite
def tasks(draw: st.DrawFn) -> Resource:
    said = draw(st.sampled_from(["", codes.UNREAD, codes.QUESTION_OPEN, *codes.PROGRESS]))
    end = SENT + draw(st.timedeltas(timedelta(days=-3), timedelta(days=10)))
    coded = {"businessStatus": {"coding": [{"system": draw(st.sampled_from([BUSINESS, "urn:x"])), "code": said}]}} if said else {}
    return {
        "status": draw(st.sampled_from(STATES)), "priority": draw(st.sampled_from(["routine", *PRESSING])), **coded,
        "restriction": {"period": {"end": end.isoformat()}},
    }  # fmt: skip


# ── the rules, pure ──────────────────────────────────────────────────────────────────────────────
@given(tasks(), lengths, lengths, patience)
def test_only_what_was_sent_and_not_answered_waits_and_never_goes_back(task: Resource, one: timedelta, more: timedelta, patient: Patience) -> None:
    rungs = ["", codes.WAITS, codes.EXPIRED]
    first, second = (unanswered(task, SENT, SENT + length, patience=patient) for length in (one, one + more))
    assert rungs.index(first) <= rungs.index(second)
    wanted = "" if task["status"] != "requested" or one < patient.remind else codes.WAITS if one < patient.expire else codes.EXPIRED
    assert first == wanted


@given(tasks(), lengths, lengths, patience)
def test_a_clock_that_stood_still_is_one_that_was_started_so_much_later(task: Resource, length: timedelta, still: timedelta, patient: Patience) -> None:
    now = SENT + length + still
    assert unanswered(task, SENT, now, stood=still, patience=patient) == unanswered(task, SENT + still, now, patience=patient)


@given(tasks(), lengths, lengths)
def test_escalation_only_rises_and_only_where_a_first_contact_is_awaited(task: Resource, one: timedelta, more: timedelta) -> None:
    first, second = (escalated(task, SENT, SENT + length, BUSINESS) for length in (one, one + more))
    assert RUNGS.index(first) <= RUNGS.index(second)
    end = datetime.fromisoformat(task["restriction"]["period"]["end"])
    presses = task["priority"] in PRESSING and contact_awaited(task, BUSINESS)
    assert (first == codes.DUE) is (presses and SENT + one >= end)
    assert presses or not first
    assert first != codes.HALF or SENT + (end - SENT) / 2 <= SENT + one < SENT + (end - SENT) * 3 / 4


@given(tasks())
def test_first_contact_is_awaited_until_a_day_is_fixed(task: Resource) -> None:
    coding = task.get("businessStatus", {}).get("coding", [{}])[0]
    fixed = coding.get("system") == BUSINESS and coding["code"] in (codes.APPOINTMENT_FIXED, *codes.ABSENT)
    assert contact_awaited(task, BUSINESS) is (task["status"] in ("requested", "accepted") and not fixed)


# ── the job ──────────────────────────────────────────────────────────────────────────────────────
DAYS = st.lists(st.integers(0, 45), min_size=1, max_size=6)
ACTS = st.dictionaries(st.integers(0, 40), st.sampled_from(["accept", "ask", "decline", "withdraw"]), max_size=2)
ARGUMENTS = {"ask": {"question": "coordonnees"}, "decline": {"reason": "session-complete"}, "withdraw": {"heard_by": "coursier-lea"}}


def lived(stage: Stage, runs: list[int], acts: dict[int, str], twice: bool) -> tuple[str, str, Counter[str]]:
    """Runs and acts of people by day; then how the Task stands, why, and what was said."""
    call(stage)
    for day in range(46):
        stage.clock.set(FRIDAY.astimezone(UTC) + timedelta(days=day))
        for _ in range(runs.count(day) * (2 if twice else 1)):
            assert stage.app.wiring.due.run().failed == 0
        if day in acts and (cards := stage.cards(COURSIER, VIEW)) and cards[0].card["state"] == "requested":
            stage.act(COURSIER, VIEW, card(stage), acts[day], **ARGUMENTS.get(acts[day], {}))
    assert stage.app.wiring.due.run().failed == 0
    (task,) = stage.app.read_now(lambda _, uow: uow.search(Query("Task")))
    found = stage.app.read_now(lambda story, uow: elapsed.notices(story, uow, since=FRIDAY))
    read = json.loads(task.served)
    return read["status"], read.get("statusReason", {}).get("text", ""), Counter(each.what for each in found)


@settings(max_examples=10)
@given(DAYS, ACTS, st.booleans())
def test_whenever_it_runs_the_end_is_the_same_and_nothing_is_said_twice(runs: list[int], acts: dict[int, str], twice: bool) -> None:
    with staged() as one, staged() as other:
        status, why, said = lived(one, runs, acts, twice)
        daily, because, every = lived(other, list(range(46)), acts, False)
        answered = any(day < 30 and verb != "ask" for day, verb in acts.items())
        assert set(said) <= set(every) and max(said.values(), default=1) == 1
        if answered or not any(day >= 30 for day in acts):
            assert (status, why) == (daily, because)
        assert (codes.EXPIRED in said) is (why == "Sans réponse dans le délai")
