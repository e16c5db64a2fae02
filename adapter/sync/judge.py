"""What a change made in an EHR may change here (workflow.md 7). Pure.

A pulled change is the clinic's act: the requester's moves are taken in; a move that is the target's waits for a
person; owner, for and focus never change; a Consent only narrows; what cannot be understood is set aside.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from adapter.ports import Resource
from adapter.referral.states import MOVES, READ_AS, STATES
from adapter.sync.canonical import same
from adapter.sync.narrow import narrower
from adapter.sync.ownership import Ownership

REQUEST_STATUS = frozenset({"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"})
REQUEST_ENDED = frozenset({"revoked", "completed", "entered-in-error"})

@dataclass(frozen=True, slots=True)
class Judgement:
    """`next`: our resource with what is taken in (None: nothing is). `refusals`: why the rest waits for a person,
    as catalogued codes. `actor`: on whose side of the state table the move is."""

    next: Resource | None = None
    refusals: tuple[str, ...] = ()
    actor: str = "requester"


@dataclass(slots=True)
class _Verdict:
    next: Resource
    refusals: list[str] = field(default_factory=list)
    actor: str = "requester"


def judge(
    base: Resource, theirs: Resource, ours: Sequence[Resource], *, ownership: Ownership, works_here: bool = False
) -> Judgement:
    """Judges the EHR's step from `base` to `theirs`; all in our references. `ours`: our version now, then the earlier
    ones the EHR may not have shown us yet: a value that one of them has is our own coming back, whoever lost the
    answer. `works_here`: the owning unit does its work in this EHR."""
    now = ours[0]
    if theirs.get("resourceType") == "Task" and "focus" not in theirs:
        return Judgement(refusals=("task-without-focus",))
    verdict = _Verdict(dict(now))
    for name in ownership.shared(now["resourceType"]):
        before, after = base.get(name), theirs.get(name)
        if same(before, after, ownership, name) or any(same(after, version.get(name), ownership, name) for version in ours):
            continue
        if name == "status" and now["resourceType"] == "Task":
            _task_status(verdict, ours, theirs, works_here)
        elif name == "status" and now["resourceType"] == "ServiceRequest":
            _request_status(verdict, now, str(after))
        elif now["resourceType"] != "Consent" and name != "statusReason":
            _value(verdict, name, base, theirs, now, ownership)
    if now["resourceType"] == "Consent":
        _consent(verdict, base, theirs, ours, ownership)
    taken = None if same(verdict.next, now, ownership) else verdict.next
    return Judgement(taken, tuple(verdict.refusals), verdict.actor)


def _task_status(verdict: _Verdict, ours: Sequence[Resource], theirs: Resource, works_here: bool) -> None:
    now, asked = ours[0], str(theirs.get("status"))
    after = READ_AS.get(asked, asked)
    if after not in STATES:
        verdict.refusals.append("unknown-status")
        return
    if after in {version["status"] for version in ours}:
        return
    may = MOVES[now["status"]].get(after, frozenset())
    if "requester" in may or ("target" in may and works_here):
        verdict.actor = "requester" if "requester" in may else "target"
        verdict.next = {**verdict.next, "status": after}
        _reason(verdict, theirs)
        if verdict.actor == "target" and after == "completed" and (done := _done_there(theirs)):
            verdict.next["output"] = [*verdict.next.get("output", ()), *done]
    else:
        verdict.refusals.append("target-move" if may else "illegal-move")


def _reason(verdict: _Verdict, theirs: Resource) -> None:
    """The coded reason of a move comes with it, its label is ours to add; free text stays in the EHR (workflow.md 1)."""
    verdict.next.pop("statusReason", None)
    codings = theirs.get("statusReason", {}).get("coding", ())
    coding = [{part: each[part] for part in ("system", "code") if part in each} for each in codings]
    if coding:
        verdict.next["statusReason"] = {"coding": coding}


def _done_there(theirs: Resource) -> list[Resource]:
    """Where the EHR keeps what came of the work of a unit that works there (SDOHCC Direct Light): addresses and no content.
    Without a code of its type no view shows one, nor does it go back."""
    found = (each.get("valueReference", {}).get("reference") for each in theirs.get("output", ()))
    return [{"type": {"text": "resulting-activity"}, "valueReference": {"reference": each}} for each in found if each]


def _request_status(verdict: _Verdict, now: Resource, after: str) -> None:
    if after not in REQUEST_STATUS:
        verdict.refusals.append("unknown-status")
    elif (now["status"] in REQUEST_ENDED and after != "entered-in-error") or after == "draft":
        verdict.refusals.append("illegal-move")
    else:
        verdict.next["status"] = after


def _value(verdict: _Verdict, name: str, base: Resource, theirs: Resource, now: Resource, ownership: Ownership) -> None:
    if not same(now.get(name), base.get(name), ownership, name):
        verdict.refusals.append("both-changed")
    elif name in theirs:
        verdict.next[name] = theirs[name]
    else:
        verdict.next.pop(name, None)


def _consent(verdict: _Verdict, base: Resource, theirs: Resource, ours: Sequence[Resource], ownership: Ownership) -> None:
    """Their step is replayed on our Consent, which says more than the EHR's copy, and only what narrows it is taken."""
    now, after = ours[0], dict(ours[0])
    changed = [name for name in ("status", "provision") if not same(base.get(name), theirs.get(name), ownership, name)]
    if "status" in changed and theirs.get("status") not in {version.get("status") for version in ours}:
        after["status"] = theirs.get("status")
    if "provision" in changed:
        after["provision"] = _replayed(base.get("provision", {}), now.get("provision", {}), theirs.get("provision", {}), ownership)
    verdict.next, wider = narrower(now, after, ownership)
    if wider:
        verdict.refusals.append("consent-wider")


def _replayed(base: Resource, now: Resource, theirs: Resource, ownership: Ownership) -> Resource:
    """Our provision with every part that the EHR changed as the EHR has it; parts that it never saw stay ours."""
    replayed = dict(now)
    for name in dict.fromkeys([*base, *theirs]):
        if same(base.get(name), theirs.get(name), ownership, name):
            continue
        if name in theirs:
            replayed[name] = theirs[name]
        else:
            replayed.pop(name, None)
    return replayed


def as_theirs(base: Resource, ours: Resource, theirs: Resource, *, ownership: Ownership, keeping: Collection[str] = ()) -> Resource:
    """Our resource when a person decides for the EHR's side of a conflict: its step from `base` to `theirs` in the
    elements that either side may change, and no other; the EHR's copy says less than ours and must not replace it. Those in
    `keeping` stay as they are."""
    chosen = dict(ours)
    for name in ownership.shared(ours["resourceType"]):
        if name in keeping or same(base.get(name), theirs.get(name), ownership, name):
            continue
        if name == "provision":
            chosen[name] = _replayed(base.get(name, {}), ours.get(name, {}), theirs.get(name, {}), ownership)
        elif name in theirs:
            chosen[name] = theirs[name]
        else:
            chosen.pop(name, None)
    return chosen
