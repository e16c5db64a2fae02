"""Is one version of a Consent never wider than another? (workflow.md 4: from an EHR a Consent can only narrow.)

`adapter.sync.narrow` takes of a change what narrows; this says, by the semantics of the decision alone, whether something
is wider. It is careful: where it is not sure, it says wider.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from adapter.consent.decide import rules_below, survey, unmodified
from adapter.consent.match import MATCHERS
from adapter.consent.times import FAR_FUTURE, FAR_PAST, bounds
from adapter.ports import Resource

SETS = tuple(name for name in MATCHERS if name not in ("period", "dataPeriod"))  # lists of alternatives
_SAME = ("resourceType", "id", "patient", "scope", "implicitRules", "modifierExtension")  # whose change may mean anything


def wider(before: Resource, after: Resource, *, zone: str = "Europe/Paris") -> tuple[str, ...]:
    """The elements by which `after` may permit more, or deny less, than `before` does; () when it never does. `zone` is
    for dates without a time. Any JSON objects will do."""
    if before.get("status") != "active":
        return ("status",) if after.get("status") == "active" else ()
    if after.get("status") != "active":
        return ("status",) if _denies(before.get("provision")) else ()  # an ended deny denies no more
    found = [name for name in _SAME if _text(before.get(name)) != _text(after.get(name))]
    if unmodified(after) and not unmodified(before):
        found.append("verification")
    return (*found, *_wider_rule(before.get("provision"), after.get("provision"), zone))


def _denies(rule: Any) -> bool:
    """Whether a rule, or one below it, can deny."""
    if not isinstance(rule, dict):
        return rule is not None
    return rule.get("type") != "permit" or "provision" in rule


def _wider_rule(old: Any, new: Any, zone: str) -> tuple[str, ...]:
    if _text(old) == _text(new):
        return ()
    if not isinstance(old, dict) or not isinstance(new, dict) or old.get("type") != "permit" or new.get("type") != "permit":
        return ("provision",)
    if rules_below(old) or rules_below(new) or not survey(old)[0] or not survey(new)[0]:
        return ("provision.provision",)  # what is nested inherits, so a limit above may loosen a deny below
    sets = [name for name in SETS if name in old and not _within(new.get(name), old[name])]
    periods = [name for name in ("period", "dataPeriod") if name in old and not _inside(new.get(name), old[name], zone)]
    return tuple(f"provision.{name}" for name in (*sets, *periods))


def _within(new: Any, old: Any) -> bool:
    """Every alternative was one before. A limit taken away, or emptied, is wider."""
    if not isinstance(new, list) or not isinstance(old, list) or not new:
        return False
    return {_text(one) for one in new} <= {_text(one) for one in old}


def _inside(new: Any, old: Any, zone: str) -> bool:
    now, then = _limits(new, zone), _limits(old, zone)
    return now is not None and then is not None and then[0] <= now[0] and now[1] <= then[1]


def _limits(period: Any, zone: str) -> tuple[datetime, datetime] | None:
    """First and last moment; None when they cannot be read."""
    start, end = bounds(period, zone) or (None, None)
    return None if start is None or end is None else (max(start[0], FAR_PAST), min(end[1], FAR_FUTURE))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
