"""Who is in a Group or a CareTeam at a moment (S7), and the basis that being in the person's care team gives (workflow.md 5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from adapter.consent.question import canonical, listed, reference_of
from adapter.consent.times import bounds
from adapter.ports import Ask, Basis, Resource


def members(resources: Iterable[Resource], at: datetime, *, zone: str = "Europe/Paris") -> dict[str, list[str]]:
    """The argument `groups` of `decide`: "Group/x" or "CareTeam/x" -> the references of who is in it at `at`. A member whose
    period cannot be read is kept as "", which decides as unknown; a team that is not active has nobody."""
    found = {}
    for resource in resources:
        type, own = resource.get("resourceType"), resource.get("id")
        if type in ("Group", "CareTeam") and isinstance(own, str):
            found[f"{type}/{own}"] = list(_present(resource, at, zone)) if _active(resource) else []
    return found


def _active(resource: Resource) -> bool:
    return resource.get("status") == "active" if resource["resourceType"] == "CareTeam" else resource.get("active") is not False


def _present(resource: Resource, at: datetime, zone: str) -> Iterable[str]:
    for entry, text in _entries(resource):
        now = _during(entry, at, zone)
        if now is not False and entry.get("inactive") is not True:
            yield text if text and now else ""


def _entries(resource: Resource) -> Iterable[tuple[dict[str, Any], str | None]]:
    """(entry, its reference) of each member, or participant and whom it stands for."""
    for entry in listed(resource.get("member")) + listed(resource.get("participant")):
        if isinstance(entry, dict):
            yield entry, reference_of(entry.get("entity") if resource["resourceType"] == "Group" else entry.get("member"))


def _during(entry: dict[str, Any], at: datetime, zone: str) -> bool | None:
    """None: it cannot be read."""
    if "period" not in entry:
        return True
    start, end = bounds(entry["period"], zone) or (None, None)
    if start is None or end is None:
        return None
    return start[0] <= at and (at < end[1] or "end" not in entry["period"])


def team(care_teams: Iterable[Resource], ask: Ask, at: datetime, *, zone: str = "Europe/Paris") -> tuple[Basis, ...]:
    """The bases `team` of an ask: active CareTeams of that patient in which one of its identities takes part at `at`, since
    a date that is said. Whether the person recognised him and was informed is recorded with the participant; without a
    date there was no recognition."""
    found = []
    for resource in care_teams:
        if resource.get("resourceType") != "CareTeam" or not _active(resource) or not isinstance(resource.get("id"), str):
            continue
        if reference_of(resource.get("subject")) == canonical(ask.patient) and any(
            text in ask.actors and "start" in (entry.get("period") or {}) and _during(entry, at, zone) for entry, text in _entries(resource)
        ):
            found.append(Basis("team", f"CareTeam/{resource['id']}"))
    return tuple(found)
