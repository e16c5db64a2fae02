"""The facts of FHIR R4 in `tables/`: required codes, reference targets, names of types."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _table(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((files(__package__) / "tables" / f"{name}.json").read_text("utf-8"))
    return content


def codes(value_set: str) -> tuple[str, ...]:
    """The codes of a value set by its short name (`task-status`), sorted."""
    return tuple(_table("codes")[value_set])


def bound(element: str) -> str:
    """The value set that `element` ("Task.status") is bound to by a required binding; "" where there is none
    or its codes cannot be listed (MIME types, currencies)."""
    return str(_table("bindings").get(element, ""))


def targets(element: str) -> frozenset[str]:
    """The types a reference in `element` may point to; empty where every type is allowed."""
    return frozenset(_table("targets").get(element, ()))


@cache
def summary(owner: str) -> frozenset[str]:
    """The summary elements of a type or of an object below it ("Task", "TaskRestriction"); empty for a data type."""
    return frozenset(_table("summary").get(owner, ()))


@cache
def resource_types() -> frozenset[str]:
    """The names of all resource types of R4."""
    return frozenset(codes("resource-types"))


@cache
def served_types() -> frozenset[str]:
    """The resource types Liaison reads and writes; the others of R4 are refused as not supported."""
    return frozenset(codes("served-types"))
