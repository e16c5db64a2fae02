"""Whatever an EHR does to a referral's Task, request and Consent, in whatever order the pulls find it, nothing stands that should
have ended with something else (workflow.md 2 and 4)."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.referral.states import STATES, TERMINAL
from tests.e2e.away import TO_POOL, known
from tests.e2e.records import VIEW, notices, only, stored, told
from tests.e2e.stage import COURSIER, SAAD, Stage, staged

CASES = 2_000 if os.environ.get("LIAISON_TEST_PROFILE") == "nightly" else 25
STATUS: dict[str, tuple[str, ...]] = {
    "Task": (*STATES, "received", "fini"),
    "ServiceRequest": ("draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "fini"),
    "Consent": ("draft", "proposed", "active", "rejected", "inactive", "entered-in-error", "fini"),
}
EDITS = st.sampled_from([(type, status) for type, each in STATUS.items() for status in each])
DOINGS = st.lists(st.one_of(EDITS, st.sampled_from([("pull", ""), ("push", ""), ("look", "")])), min_size=1, max_size=8)


def done(stage: Stage, what: str, status: str) -> None:
    stage.clock.tick(timedelta(seconds=30))
    if what in STATUS:
        stage.ehr.edit(what, only(stage.ehr.all(what))["id"], {"status": status})
    elif what == "push":
        stage.push()
    else:
        stage.pull()


def holds(stage: Stage, who: Any, view: str, id: str, *, knew: bool) -> None:
    task, request, consent = (only(stored(stage, type)) for type in ("Task", "ServiceRequest", "Consent"))
    ended = task["status"] in TERMINAL
    assert not ended or (consent["status"] != "active" and request["status"] in ("completed", "revoked", "entered-in-error"))
    assert ended or request["status"] not in ("revoked", "entered-in-error")
    assert ended or consent["status"] == "active"
    taken_back = told(stage, "retrait")
    assert len(taken_back) <= 1 and len(notices(stage, who, view)) == (len(taken_back) if knew else 0)
    shown = stage.see(who, view, id)
    assert (shown is None) == bool(taken_back)
    assert not ended or shown is None or not {"person", "needs", "contact"} & shown.card.keys()


@settings(max_examples=CASES)
@given(doings=DOINGS, pool=st.booleans(), accepted=st.booleans())
def test_nothing_stands_that_should_have_ended(doings: list[tuple[str, str]], pool: bool, accepted: bool) -> None:
    who, view = (SAAD, "saad") if pool else (COURSIER, VIEW)
    with staged() as stage:
        id = known(stage, who, view, accepted=accepted, **(TO_POOL if pool else {}))
        for what, status in [*doings, ("pull", ""), ("push", ""), ("pull", "")]:
            done(stage, what, status)
            holds(stage, who, view, id, knew=accepted or not pool)
        if only(stored(stage, "Task"))["status"] in TERMINAL:
            stage.clock.tick(timedelta(days=31))
            assert stage.see(who, view, id) is None
