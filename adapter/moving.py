"""A social service's own software moves a referral on `/fhir`: what it writes of its Task, read as the act that it is (sdohcc.md: the
target answers on the coordination platform). All else of the Task stays as it was read; what an act needs beside the status stands in
`statusReason` and `output`, and how far it has come without another status in `businessStatus`. Any further act is a door of the view (`POST /views/…`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from adapter.errors import Invalid, Issue
from adapter.names import Systems
from adapter.ports import Resource
from adapter.referral.states import READ_AS

VERBS: Mapping[str, str] = {"accepted": "accept", "rejected": "decline", "in-progress": "start", "completed": "complete", "cancelled": "cancel"}
_REASONED = ("rejected", "cancelled")
_SERVERS = ("meta", "lastModified")
_MOVING = ("status", "statusReason", "output", "businessStatus")


def act(before: Resource, after: Resource, systems: Systems) -> tuple[str, dict[str, str]] | None:
    """The verb and its arguments that make `after` of the Task as the caller was shown it; None where nothing changes. Raises Invalid for
    an element that an act does not move, a status that no act leads to, a missing reason or outcome."""
    after = after | {"status": READ_AS.get(str(after.get("status")), after.get("status"))}
    changed = [name for name in sorted(before.keys() | after.keys()) if name not in _SERVERS and before.get(name) != after.get(name)]
    text = f"expected the Task as it was read, but for {', '.join(_MOVING)}"
    if fixed := [Issue("business-rule", text, f"Task.{name}", detail="frozen") for name in changed if name not in _MOVING]:
        raise Invalid(text, issues=fixed)
    if not changed:
        return None
    status = str(after["status"])
    if changed == ["businessStatus"]:
        return "progress", {"progress": _coded([after.get("businessStatus")], systems.code("business-status"), "Task.businessStatus")}
    if status not in VERBS or "status" not in changed:
        raise Invalid(f"expected a move to {', '.join(VERBS)}", expression="Task.status", detail="illegal-move")
    if status in _REASONED:
        return VERBS[status], {"reason": _coded([after.get("statusReason")], systems.code("status-reason"), "Task.statusReason")}
    if status == "completed":
        told = [each.get("valueCodeableConcept") for each in after.get("output", ())]
        return VERBS[status], {"outcome": _coded(told, systems.code("outcome"), "Task.output")}
    return VERBS[status], {}


def _coded(concepts: Iterable[Resource | None], system: str, place: str) -> str:
    """The one code of a system of ours in these concepts."""
    found = {str(coding.get("code")) for each in concepts if each for coding in each.get("coding", ()) if coding.get("system") == system}
    if len(found) != 1:
        raise Invalid(f"expected one code of {system}", expression=place, code="required")
    return found.pop()
