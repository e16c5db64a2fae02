"""Which part of a changed Consent only takes away: that acts at once, the rest waits for a person
(workflow.md 4: from an EHR a Consent can only narrow). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapter.consent import may_become
from adapter.ports import Resource
from adapter.sync.canonical import entry_key, normal, same
from adapter.sync.ownership import Ownership

CLOSED = frozenset({"inactive", "rejected", "entered-in-error"})
_OURS = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]+")  # a reference that came in as one of ours; any other was left absolute
SETS = ("actor", "action", "purpose", "class", "code", "securityLabel", "data")  # absent: no limit


def narrower(before: Resource, after: Resource, ownership: Ownership) -> tuple[Resource, list[str]]:
    """`before` with what `after` takes away, and the paths of what it would add or is not sure to take away.
    A status only ever closes, and one that is neither in force nor closed closes it too; a permit's provision may
    lose entries, gain a first limit, or end earlier. One that names others in place of all it named is closed."""
    narrowed, wider = dict(before), []
    if (status := after.get("status")) != before.get("status"):
        if status in CLOSED:
            return _closed(before, str(status)), []  # nothing else of it counts any more
        if before.get("status") == "active":
            return _closed(before), ["status"]  # not in force there: the stricter side acts at once
        wider.append("status")
    old, new = before.get("provision", {}), after.get("provision", {})
    if not same(old, new, ownership):
        if old.get("type") != "permit" or new.get("type") != "permit":
            return narrowed, [*wider, "provision"]
        narrowed["provision"], more = _provision(old, new, ownership)
        wider += more
        if before.get("status") == "active" and _others(old.get("actor", []), new.get("actor", [])):
            return _closed(before), wider
    return narrowed, wider


def _closed(before: Resource, status: str = "inactive") -> Resource:
    """With the status it may have of those that close it; what was closed otherwise stays as it is."""
    was = str(before.get("status"))
    ended = status if may_become(was, status) else was if was in CLOSED else "inactive" if was == "active" else "rejected"
    return {**before, "status": ended}


def _others(old: list[Any], new: list[Any]) -> bool:
    """Whether parties of ours that were named all went and other parties of ours came. Of a party that is not ours nobody
    knows whether it is another."""
    before, after = ({str(each.get("reference", {}).get("reference", "")) for each in actors} for actors in (old, new))
    return bool(before and after) and before.isdisjoint(after) and all(_OURS.fullmatch(each) for each in before | after)


def _provision(old: Mapping[str, Any], new: Mapping[str, Any], ownership: Ownership) -> tuple[dict[str, Any], list[str]]:
    narrowed, wider = dict(old), []
    kept: Any
    for name in dict.fromkeys([*old, *new]):
        if same(old.get(name), new.get(name), ownership, name):
            continue
        if name in SETS:
            kept, sure = _limited(name, old.get(name, []), new.get(name, []), ownership)
        elif name == "period":
            kept, sure = _sooner(old.get(name, {}), new.get(name, {}), ownership)
        elif name == "provision":
            kept, sure = _denies(old.get(name, []), new.get(name, []), ownership)
        else:
            kept, sure = old.get(name), False
        if kept:
            narrowed[name] = kept
        if not sure:
            wider.append(f"provision.{name}")
    return narrowed, wider


def _limited(name: str, old: list[Any], new: list[Any], ownership: Ownership) -> tuple[list[Any], bool]:
    """The entries that both name; a first limit where there was none. Taking the last one away would lift the limit."""
    if not old or not new:
        return (old or new), bool(new)
    paths = ownership.keys.get(name, ())
    left = {entry_key(entry, paths, ownership): entry for entry in new}
    kept = [entry for entry in old if same(left.get(entry_key(entry, paths, ownership)), entry, ownership)]
    added = len(kept) < len(new)
    return kept, not added


def _sooner(old: Mapping[str, Any], new: Mapping[str, Any], ownership: Ownership) -> tuple[dict[str, Any], bool]:
    """The shorter of both: a later start, an earlier end. Bounds of different precision are not compared."""
    kept, sure = dict(old), not set(new) - {"start", "end"}
    for bound, closer in (("start", max), ("end", min)):
        before, after = old.get(bound), new.get(bound)
        if before == after:
            continue
        if after is None or (before is not None and len(_text(before, ownership)) != len(_text(after, ownership))):
            sure = False
        elif before is None or closer(_text(before, ownership), _text(after, ownership)) == _text(after, ownership):
            kept[bound] = after
        else:
            sure = False
    return kept, sure


def _denies(old: list[Any], new: list[Any], ownership: Ownership) -> tuple[list[Any], bool]:
    """A nested deny without exceptions of its own may be added; nothing nested may go or change."""
    stay = all(any(same(rule, other, ownership) for other in new) for rule in old)
    added = [rule for rule in new if not any(same(rule, other, ownership) for other in old)]
    denies = [rule for rule in added if rule.get("type", "deny") == "deny" and "provision" not in rule]
    return [*old, *denies], stay and len(denies) == len(added)


def _text(value: Any, ownership: Ownership) -> str:
    return str(normal(value, ownership))
