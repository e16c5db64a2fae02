"""The Task state table with its actors, and what must hold when a Task changes (sdohcc.md (c), workflow.md 2).

The requester is who asked, or Liaison's Device on its behalf; the target is the owner.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from adapter.clock import instant
from adapter.errors import Invalid, Issue
from adapter.ports import Resource

Actor = Literal["requester", "target"]
ACTORS: tuple[Actor, ...] = ("requester", "target")
_R: frozenset[str] = frozenset({"requester"})
_T: frozenset[str] = frozenset({"target"})
_BOTH = _R | _T
_ERROR = "entered-in-error"

# from -> to -> who may. "" is "not there yet". A terminal state leads only to entered-in-error.
MOVES: dict[str, dict[str, frozenset[str]]] = {
    "": {"draft": _R, "requested": _R},
    "draft": {"requested": _R, "cancelled": _R, _ERROR: _R},  # draft → cancelled is the house's own row
    "requested": {"accepted": _T, "rejected": _T, "cancelled": _BOTH, _ERROR: _R},
    "accepted": {"in-progress": _T, "on-hold": _T, "completed": _T, "failed": _T, "cancelled": _BOTH, _ERROR: _R},
    "in-progress": {"on-hold": _T, "completed": _T, "failed": _T, "cancelled": _BOTH, _ERROR: _R},
    "on-hold": {"in-progress": _T, "completed": _T, "failed": _T, "cancelled": _BOTH, _ERROR: _R},
    "rejected": {_ERROR: _R},
    "cancelled": {_ERROR: _R},
    "completed": {_ERROR: _R},
    "failed": {_ERROR: _R},
    _ERROR: {},
}
STATES = tuple(state for state in MOVES if state)
TERMINAL = frozenset({"rejected", "cancelled", "completed", "failed", _ERROR})
TAKEN = frozenset({"accepted", "in-progress", "on-hold", "completed", "failed"})  # only what was accepted comes to these
NEEDS_REASON = frozenset({"rejected", "cancelled", "on-hold", "failed"})
FROZEN = ("owner", "requester", "basedOn", "partOf", "for", "focus")
FROZEN_ANSWER = ("output",)  # the target's, whoever the rest belongs to
FROZEN_AT_END = ("code", "executionPeriod", "input", "intent", "priority", "restriction", "statusReason")
REQUEST_MOVES: dict[str, frozenset[str]] = {  # of a request that was sent; what ended does not come back, nothing is a draft again
    "active": frozenset({"on-hold", "revoked", "completed", _ERROR}), "on-hold": frozenset({"active", "revoked", "completed", _ERROR}),
    "completed": frozenset({_ERROR}), "revoked": frozenset({_ERROR}), "draft": frozenset({"active", "revoked", _ERROR}),
}  # fmt: skip
FROZEN_REQUEST = ("subject", "performer", "requester", "basedOn", "replaces", "intent")
READ_AS = {"received": "requested", "ready": "accepted"}  # never written by us (workflow.md 2)


def legal(old: str, actor: str | Collection[str]) -> tuple[str, ...]:
    """The states that `actor` ("requester", "target", or both) may move a Task to from `old` ("" = a new Task)."""
    actors = {actor} if isinstance(actor, str) else set(actor)
    return tuple(new for new, who in MOVES.get(old, {}).items() if who & actors)


def check_move(old: str, new: str, actor: str | Collection[str]) -> None:
    """Passes for a legal move and for no move at all. Raises Invalid (business-rule) naming the legal moves."""
    if old == new or new in legal(old, actor):
        return
    raise Invalid(_no_move(old, new, actor), expression="Task.status", detail="illegal-move")


def _no_move(old: str, new: str, actor: str | Collection[str]) -> str:
    said = " and ".join(sorted({actor} if isinstance(actor, str) else set(actor))) or "someone outside this referral"
    target = new if new in STATES else "that state"
    open_moves = ", ".join(legal(old, actor)) or "nothing"
    return f"a Task may not go from {old or 'nothing'} to {target} by the {said}; legal: {open_moves}"


def normalised(task: Resource) -> tuple[Resource, list[Issue]]:
    """A Task as we keep it: `received` becomes requested and `ready` accepted, with a warning each."""
    status = _status(task)
    if status not in READ_AS:
        return task, []
    text = f"{status} is not a state of SDOHCC referrals; it is taken as {READ_AS[status]}"
    return task | {"status": READ_AS[status]}, [Issue("business-rule", text, "Task.status", "warning")]


def settle(old: Resource | None, new: Resource, *, actors: Collection[str], at: datetime) -> Resource:
    """The Task to be kept when `actors` want `new` in place of `old`: status normalised, `lastModified` at `at`, but for ever
    at its end once it ended (what a recipient keeps is counted from there); `old` itself when nothing changes. Raises Invalid
    with every issue at once: an illegal move, a frozen element, a missing reason or output."""
    task, _ = normalised(new)
    if old is not None and same(old, task):
        return old
    if issues := [*_moves(old, task, actors), *_thawed(old, task), *_missing(task)]:
        raise Invalid(issues[0].text, issues=issues)
    ended = old is not None and _status(old) in TERMINAL and "lastModified" in old
    return task | {"lastModified": old["lastModified"] if old is not None and ended else instant(at)}


def same(old: Resource, new: Resource) -> bool:
    """Whether two resources say the same; the server's own marks (id, version, times) do not count."""
    return _said(old) == _said(new)


def _said(resource: Resource) -> Resource:
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in ("versionId", "lastUpdated", "source")}
    rest = {name: value for name, value in resource.items() if name not in ("id", "meta", "lastModified")}
    return rest | ({"meta": meta} if meta else {})


def _moves(old: Resource | None, task: Resource, actors: Collection[str]) -> list[Issue]:
    before, after = _status(old or {}), _status(task)
    if before == after or after in legal(before, actors):
        return []
    return [Issue("business-rule", _no_move(before, after, actors), "Task.status", detail="illegal-move")]


def _thawed(old: Resource | None, task: Resource) -> list[Issue]:
    """Once requested, who asks whom for whom about what does not change: another recipient is another Task."""
    if old is None or old.get("status") == "draft":
        return []
    changed = [element for element in FROZEN if _target(old.get(element)) != _target(task.get(element))]
    return [Issue("business-rule", f"{element} may not change once the Task is requested", f"Task.{element}", detail="frozen") for element in changed]


def check_answer(old: Resource, new: Resource, *, actors: Collection[str]) -> None:
    """What the target answered is for the target to change, and what ended stands. Raises Invalid with every element that would change."""
    held = (() if "target" in actors else FROZEN_ANSWER) + (FROZEN_AT_END if _status(old) in TERMINAL else ())
    moves = _status(old) != _status(new)  # to entered-in-error, which says why
    changed = [each for each in held if old.get(each) != new.get(each) and not (moves and each == "statusReason")]
    if changed:
        issues = [Issue("business-rule", f"{each} may not change any more, or not by the requester", f"Task.{each}", detail="frozen") for each in changed]
        raise Invalid(issues[0].text, issues=issues)


def check_request(old: Resource, new: Resource, *, running: bool) -> None:
    """The same of the request behind it: what was sent is about one person, from one to another, and ends once; it is completed when
    its Task is (`running`: it is not). Raises Invalid with every element that would change."""
    changed = [element for element in FROZEN_REQUEST if _target(old.get(element)) != _target(new.get(element))]
    issues = [Issue("business-rule", f"{element} may not change once the request is sent", f"ServiceRequest.{element}", detail="frozen") for element in changed]
    before, after = _status(old), _status(new)
    legal = REQUEST_MOVES.get(before, frozenset()) - ({"completed"} if running else set())
    if before != after and after not in legal:
        text = f"a request that was sent may not go from {before or 'nothing'} to that status; legal: {', '.join(sorted(legal)) or 'nothing'}"
        issues.append(Issue("business-rule", text, "ServiceRequest.status", detail="illegal-move"))
    if issues:
        raise Invalid(issues[0].text, issues=issues)


def _target(value: object) -> object:
    """A reference (or a list of them) without the display, which means nothing."""
    if isinstance(value, list):
        return [_target(entry) for entry in value]
    return {name: part for name, part in value.items() if name != "display"} if isinstance(value, dict) else value


def _status(task: Resource) -> str:
    """The status; "" for anything that is none."""
    status = task.get("status")
    return status if isinstance(status, str) else ""


def _missing(task: Resource) -> list[Issue]:
    status = _status(task) if _status(task) in MOVES else ""
    reason = task.get("statusReason")
    text = reason.get("text") if isinstance(reason, dict) else None
    issues = []
    if (status in NEEDS_REASON or reason is not None) and not (isinstance(text, str) and text.strip()):
        issues.append(Issue("required", f"a Task that is {status or 'in that state'} needs statusReason.text", "Task.statusReason.text"))
    if status == "completed" and not task.get("output"):
        issues.append(Issue("required", "a completed Task needs at least one output", "Task.output"))
    if status not in ("", "draft") and not task.get("owner"):
        issues.append(Issue("required", "a Task that is sent needs an owner: a unit", "Task.owner"))
    return issues
