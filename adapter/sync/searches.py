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
    own: Sequence[Search], poll: Collection[str], *, requester: Resource, owners: Sequence[Resource], referrals: timedelta = REFERRALS
) -> tuple[Search, ...]:
    """The searches of an EHR whose network entry says how to poll: `identifier` (the default), `requester`, `owner`, `offers`
    (unclaimed work). `requester` and `owners` are References as the EHR knows the clinic and the units. Consents are asked for by
    the clinic that keeps them where identifiers do not serve."""
    found = [each for each in own if "identifier" in poll or (each.type == "Consent" and "requester" not in poll)]
    if "requester" in poll and (by := _by(requester)):
        consents = next(each.every for each in own if each.type == "Consent")
        if "identifier" not in poll:
            found.append(Search("Consent", ((f"organization{by[0]}", by[1]),), consents, "requester", always=True))
        found += [Search(type, ((f"requester{by[0]}", by[1]),), referrals, "requester") for type in ("Task", "ServiceRequest")]
    if "owner" in poll:
        groups: dict[str, list[str]] = {}
        for modifier, value in filter(None, map(_by, owners)):
            groups.setdefault(modifier, []).append(value)
        found += [Search("Task", ((f"owner{each}", ",".join(values)),), referrals, f"owner{each}") for each, values in sorted(groups.items())]
    if "offers" in poll:
        found.append(Search("Task", (("owner:missing", "true"), ("status", "requested")), referrals, "offers"))
    return tuple(sorted(found, key=lambda each: ("Consent", "Task", "ServiceRequest").index(each.type)))


def _by(reference: Resource) -> tuple[str, str] | None:
    """(modifier, value) of a search for what refers so."""
    if text := reference.get("reference"):
        return "", str(text)
    named = reference.get("identifier") or {}
    return (":identifier", f"{named['system']}|{named['value']}") if named.get("system") and named.get("value") else None


Hours = Callable[[], bool]
"""Whether the EHR may be asked at this moment for what can wait."""
