"""What a rule about one object is, and the few words rules are written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """`holds` is asked of an object of right shape; `text` says what was expected; `at` is the member at fault,
    "" for the object itself; `code` is a FHIR issue code."""

    key: str
    holds: Callable[[Object], bool]
    text: str
    at: str = ""
    code: str = "invariant"


def has(value: Object, name: str) -> bool:
    """FHIRPath exists() of a member: the value or its `_` sibling is there."""
    return name in value or f"_{name}" in value


def has_choice(value: Object, name: str) -> bool:
    """exists() of value[x]."""
    return any(key.startswith((name, f"_{name}")) for key in value)


def needs(key: str, name: str, *others: str) -> Rule:
    """Where `name` is, one of `others` must be."""
    return Rule(key, lambda v: not has(v, name) or any(has(v, o) for o in others), f"{name} needs {' or '.join(others)}", name)


def one_at_least(key: str, *names: str) -> Rule:
    return Rule(key, lambda v: any(has(v, n) for n in names), f"expected {' or '.join(names)}")


def not_both(key: str, one: str, other: str) -> Rule:
    return Rule(key, lambda v: not (has(v, one) and has(v, other)), f"{one} and {other} exclude each other")


def has_coding(value: Object, name: str, system: str, codes: set[str]) -> bool:
    """Does the CodeableConcept `name` hold one of these codes of this system?"""
    codings = value.get(name, {}).get("coding", ())
    return any(c.get("system") == system and c.get("code") in codes for c in codings)


def distinct(values: list[Any]) -> bool:
    return len(values) == len(set(values))
