"""Codes of our own tables in what a client sends: one that no table has would be shown to nobody, and nobody would be told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.errors import Issue
from adapter.mapping import Terms
from adapter.names import Systems
from adapter.ports import Resource

ELEMENTS = {"ServiceRequest": ("code", "reasonCode", "orderDetail"), "Consent": ("provision.code",)}
Place = tuple[str, str, str]  # where, system, code


def issues(resource: Resource, before: Resource | None, *, systems: Systems, terms: Terms) -> Iterator[Issue]:
    """Each coding of a system of ours whose code its table does not have, by its place; none that stood there `before`."""
    there = {(system, code) for _, system, code in _codings(before or {})}
    ours = systems.code("")
    for path, system, code in _codings(resource):
        if not system.startswith(ours) or (system, code) in there:
            continue
        name = system.removeprefix(ours)
        table = terms.get(name)
        if table is None:
            yield Issue("code-invalid", f"expected a code system of ours: {', '.join(sorted(terms.tables))}", f"{path}.system")
        elif code not in table:
            yield Issue("code-invalid", f"expected one of {', '.join(terms.choosable(name))}", f"{path}.code")


def _codings(resource: Resource) -> Iterator[Place]:
    type = resource.get("resourceType", "")
    for element in ELEMENTS.get(type, ()):
        found: Any = resource
        for name in element.split("."):
            found = found.get(name, {})
        many = isinstance(found, list)
        for number, concept in enumerate(found if many else [found]):
            at = f"{type}.{element}[{number}]" if many else f"{type}.{element}"
            for place, coding in enumerate(concept.get("coding", ())):
                yield f"{at}.coding[{place}]", str(coding.get("system", "")), str(coding.get("code", ""))
