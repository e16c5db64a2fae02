"""What an EHR is asked for, and how often (SDOHCC task-11, task-12)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from adapter.names import Systems
from adapter.ports import Resource
from adapter.sync.links import own_system

CONSENTS = timedelta(minutes=15)  # day and night (workflow.md 4)
REFERRALS = timedelta(hours=1)  # SDOHCC task-11
FLOOR = timedelta(minutes=15)  # task-12: not more often, unless something urgent is awaited


@dataclass(frozen=True, slots=True)
class Search:
    """What to ask for one type. `every`: how often; `by`: how, "" for our own identifiers, which show everything that we have a copy
    of there; `always`: day and night, not only in the EHR's hours."""

    type: str
    params: tuple[tuple[str, str], ...]
    every: timedelta
    by: str = ""
    always: bool = False


def pace(interval: int | None, *, sandbox: bool) -> timedelta:
    """How often an EHR is asked for Tasks and requests, by the seconds of its network entry; never below the floor but in a sandbox."""
    wanted = timedelta(seconds=interval) if interval else REFERRALS
    return wanted if sandbox else max(wanted, FLOOR)


def own_searches(systems: Systems, *, consents: timedelta = CONSENTS, referrals: timedelta = REFERRALS) -> tuple[Search, ...]:
    """The default: everything that carries an identifier of ours, Consents first, Tasks before the requests that end with
    them. It finds exactly what we sent,
    whoever the requester is, and needs no knowledge of the EHR's own ids. Where an EHR cannot search by `system|`,
    give searches by requester or patient instead."""
    kinds = (("Consent", consents), ("Task", referrals), ("ServiceRequest", referrals))
    return tuple(
        Search(type, (("identifier", f"{own_system(type, systems)}|"),), every, always=type == "Consent")
        for type, every in kinds
    )


def declared_searches(
    own: Sequence[Search], poll: Collection[str], *, clinic: Resource, requesters: Sequence[Resource], owners: Sequence[Resource],
    referrals: timedelta = REFERRALS,
) -> tuple[Search, ...]:  # fmt: skip
    """The searches of an EHR whose network entry says how to poll: `identifier` (the default), `requester`, `owner`, `offers`
    (unclaimed work). `clinic`, `requesters` (the people that ask in its name) and `owners` are References as the EHR knows them. Consents are asked for by
    the clinic that keeps them where identifiers do not serve."""
    found = [each for each in own if "identifier" in poll or (each.type == "Consent" and "requester" not in poll)]
    if "requester" in poll:
        consents = next(each.every for each in own if each.type == "Consent")
        if "identifier" not in poll:
            found += [Search("Consent", ((f"organization{each}", values),), consents, "requester", always=True) for each, values in _by([clinic])]
        asking = _by([clinic, *requesters])
        for type in ("Task", "ServiceRequest"):
            found += [Search(type, ((f"requester{each}", values),), referrals, f"requester{each}") for each, values in asking]
    if "owner" in poll:
        found += [Search("Task", ((f"owner{each}", values),), referrals, f"owner{each}") for each, values in _by(owners)]
    if "offers" in poll:
        found.append(Search("Task", (("owner:missing", "true"), ("status", "requested")), referrals, "offers"))
    return tuple(sorted(found, key=lambda each: ("Consent", "Task", "ServiceRequest").index(each.type)))


def _by(references: Sequence[Resource]) -> list[tuple[str, str]]:
    """(modifier, values) of the searches for what refers to any of these."""
    groups: dict[str, list[str]] = {}
    for reference in references:
        named = reference.get("identifier") or {}
        if text := reference.get("reference"):
            groups.setdefault("", []).append(str(text))
        elif named.get("system") and named.get("value"):
            groups.setdefault(":identifier", []).append(f"{named['system']}|{named['value']}")
    return [(modifier, ",".join(values)) for modifier, values in sorted(groups.items())]


Hours = Callable[[], bool]
"""Whether the EHR may be asked at this moment for what can wait."""
