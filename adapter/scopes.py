"""SMART v2 scopes of backend services: `system/Type.cruds`, with `?status=` or `?owner=` where a grant holds for some only.

The acts stand in this order, `*` is every type. SMART v1 is declared as equal: `.read` is `.rs`, `.write` is `.cud`, `.*` is `.cruds`.
A constraint names values with commas between (any of them); two constraints hold together. Pure text: who has which scope, and
which types there are, others know. (security.md 3.1, A-14 to A-16)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

DOORS = ("intake", "views")  # scopes without a type
ACTS = "cruds"
V1 = {"read": "rs", "write": "cud", "*": ACTS}  # SMART v1's words for them
# What a constraint may be about; each is a search parameter of that type, and the element of the same name.
LIMITED: Mapping[str, frozenset[str]] = {
    "status": frozenset({"Appointment", "Communication", "Consent", "Procedure", "ServiceRequest", "Task"}),
    "owner": frozenset({"Task"}),
}
_FORM = re.compile(r"system/(?P<type>\*|[A-Z][A-Za-z]+)\.(?P<acts>read|write|\*|(?=.)c?r?u?d?s?)(?:\?(?P<limits>.+))?")
_VALUES = {"status": re.compile(r"[a-z]+(?:-[a-z]+)*"), "owner": re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")}

# (parameter, values): one of them each. () holds for everything.
Limits = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope with a type. `limits` are in the order of their names, values in theirs."""

    type: str
    acts: str
    limits: Limits = ()

    def __str__(self) -> str:
        said = "&".join(f"{name}={','.join(values)}" for name, values in self.limits)
        return f"system/{self.type}.{self.acts}" + (f"?{said}" if said else "")

    def covers(self, other: Scope) -> bool:
        """Whether all that `other` grants is granted by this one too."""
        theirs = dict(other.limits)
        within = all(name in theirs and set(theirs[name]) <= set(values) for name, values in self.limits)
        return self.type in ("*", other.type) and set(other.acts) <= set(self.acts) and within


@lru_cache(maxsize=4096)
def parse(written: str) -> Scope:
    """The scope of a text. Raises ValueError saying what was expected: another form or order, an unknown constraint, one that its
    type does not know, an empty or repeated value."""
    found = _FORM.fullmatch(written)
    if found is None:
        raise ValueError("expected system/Type.cruds: of c r u d s, in that order, what it may")
    return Scope(found["type"], V1.get(found["acts"], found["acts"]), _limits(found["type"], found["limits"]))


def _limits(type: str, written: str | None) -> Limits:
    limits: dict[str, tuple[str, ...]] = {}
    for part in written.split("&") if written else ():
        name, _, values = part.partition("=")
        if name not in LIMITED or type not in LIMITED[name] or name in limits:
            raise ValueError("expected after ? status= or owner=, once each and of a type that has it")
        given = values.split(",")
        if not all(_VALUES[name].fullmatch(each) for each in given):
            raise ValueError("expected status=code or owner=Type/id, several with commas between")
        limits[name] = tuple(sorted(set(given)))
    return tuple(sorted(limits.items()))


def _parsed(written: Iterable[str]) -> list[Scope]:
    """Those of them that are scopes with a type."""
    found = []
    for each in written:
        try:
            found.append(parse(each))
        except ValueError:
            continue
    return found


# ── what was asked for, of what may be had ───────────────────────────────────────────────────────
def granted(asked: Collection[str], registered: Collection[str], types: Collection[str] = ()) -> tuple[str, ...]:
    """What a client gets of what it asked for: no more than it is registered for, each part as it was written where it was
    granted whole. Texts that are no scopes, and types beyond `types` (none said: any), are left out."""
    known, found = _parsed(registered), list[str]()
    for each in dict.fromkeys(asked):
        if each in DOORS:
            found += [each] if each in registered else []
            continue
        for wish in _parsed([each]):
            if wish.type == "*" or not types or wish.type in types:
                found += [each] if any(one.covers(wish) for one in known) else map(str, _parts(wish, known))
    return tuple(dict.fromkeys(found))


def _parts(wish: Scope, registered: Iterable[Scope]) -> list[Scope]:
    parts = [part for one in registered if (part := _common(wish, one))]
    return [part for place, part in enumerate(parts) if not any(other.covers(part) and (other != part or at < place) for at, other in enumerate(parts))]


def _common(one: Scope, other: Scope) -> Scope | None:
    """What both grant; None where that is nothing."""
    if "*" not in (one.type, other.type) and one.type != other.type:
        return None
    acts = "".join(act for act in one.acts if act in other.acts)
    limits = dict(one.limits)
    for name, values in other.limits:
        limits[name] = tuple(value for value in limits.get(name, values) if value in values)
    if not acts or not all(limits.values()):
        return None
    return Scope(other.type if one.type == "*" else one.type, acts, tuple(sorted(limits.items())))


@lru_cache(maxsize=1024)
def held(granted_then: tuple[str, ...], registered_now: tuple[str, ...]) -> frozenset[str]:
    """What a token still grants: what it was given, as far as its client is registered for it now (A-27)."""
    return frozenset(granted(granted_then, registered_now))


# ── what scopes grant ────────────────────────────────────────────────────────────────────────────
@lru_cache(maxsize=4096)
def limits(scopes: frozenset[str], type: str, act: str) -> tuple[Limits, ...]:
    """The ways in which an act on a type is granted, each with its constraints. None: it is not; one without constraints stands
    alone."""
    found = [scope.limits for scope in _parsed(sorted(scopes)) if scope.type in (type, "*") and act in scope.acts]
    return ((),) if () in found else tuple(dict.fromkeys(found))


def meets(resource: Mapping[str, Any], ways: Iterable[Limits]) -> bool:
    """Whether a resource is within one of them."""
    owner = resource.get("owner")
    has = {"status": resource.get("status"), "owner": owner.get("reference") if isinstance(owner, dict) else None}
    return any(all(has[name] in values for name, values in way) for way in ways)


def common(ways: Collection[Limits]) -> Limits:
    """What all of them ask for together, for a search: what meets one of them meets this, and where there is one way it is that."""
    names = [name for name in LIMITED if ways and all(name in dict(way) for way in ways)]
    return tuple((name, tuple(sorted({value for way in ways for value in dict(way)[name]}))) for name in names)
