"""The act of urgency: the only way round a missing agreement, for professionals bound by secrecy (workflow.md 4).

It is recorded as a Provenance of the request, says why, holds for 72 hours and stands on the officer's list. It permits
where nothing else does; a deny or an opposition wins over it like over every basis.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from adapter.clock import instant
from adapter.consent.question import NO, YES, canonical, coding_of, listed, reference_of, same
from adapter.consent.times import span
from adapter.errors import Forbidden, Invalid
from adapter.names import Systems
from adapter.ports import Basis, Resource

LASTS = timedelta(hours=72)
ACTIVITY = "urgence"  # code of our table `activity`
REASONS = ("danger-vital", "impossible-de-consentir")  # codes of our table `urgency-reason`


def urgent(target: str, *, id: str, by: str, to: str, bound: bool, reason: str, at: datetime, systems: Systems) -> Resource:
    """The Provenance of an act of urgency on `target` ("ServiceRequest/x"). `by`: the professional who takes it on himself;
    `to`: the organisation it opens for; `bound`: whether both are bound by professional secrecy (the network file says so).
    Raises Forbidden, Invalid (reason)."""
    if not bound:
        raise Forbidden("an act of urgency is for professionals bound by secrecy")
    if reason not in REASONS:
        raise Invalid(f"expected one of {', '.join(REASONS)}", code="value", expression="Provenance.reason")
    return {
        "resourceType": "Provenance",
        "id": id,
        "target": [{"reference": target}],
        "occurredPeriod": {"start": instant(at), "end": instant(at + LASTS)},
        "recorded": instant(at),
        "reason": [{"coding": [{"system": systems.code("urgency-reason"), "code": reason}]}],
        "activity": {"coding": [{"system": systems.code("activity"), "code": ACTIVITY}]},
        "agent": [{"who": {"reference": by}, "onBehalfOf": {"reference": to}}],
    }


def urgencies(provenances: Iterable[Resource], target: str, actors: Iterable[str], at: datetime, *, systems: Systems) -> tuple[Basis, ...]:
    """The acts of urgency on `target` that hold at `at` for one of `actors` (the identities of the ask), as bases."""
    identities = frozenset(actors)
    found = (one for one in provenances if _holds(one, target, identities, at, systems))
    return tuple(Basis("urgency", f"Provenance/{one['id']}") for one in found)


def _holds(act: Resource, target: str, actors: frozenset[str], at: datetime, systems: Systems) -> bool:
    activity, period = act.get("activity"), act.get("occurredPeriod")
    codes = {coding_of(coding) for coding in listed(activity.get("coding") if isinstance(activity, dict) else None)}
    if f"{systems.code('activity')}|{ACTIVITY}" not in codes or not isinstance(act.get("id"), str) or not act.get("reason"):
        return False
    begun = span(period.get("start"), "UTC") if isinstance(period, dict) else None
    ended = span(period.get("end"), "UTC") if isinstance(period, dict) else None
    if begun is None or ended is None or not begun[0] <= at < min(begun[0] + LASTS, ended[1]):
        return False  # never longer than 72 hours, whatever is written
    parties = {reference_of(agent.get("onBehalfOf")) for agent in listed(act.get("agent")) if isinstance(agent, dict)}
    aimed = max((same(text, canonical(target)) for one in listed(act.get("target")) if (text := reference_of(one))), default=NO)
    return aimed == YES and not parties.isdisjoint(actors)
