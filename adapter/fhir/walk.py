"""The slow way through a resource that the compiled validator refused: every broken rule, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.errors import Issue
from adapter.fhir import facts, rules
from adapter.fhir.containment import contained_faults
from adapter.fhir.elements import SIBLING, Element, Field, element
from adapter.fhir.paths import Place, expression
from adapter.fhir.rule import Rule


def broken_rules(type: str, resource: dict[str, Any]) -> Iterator[Issue]:
    """Issues of every rule that a resource of a served type breaks, whatever its shape."""
    yield from _resource(type, resource, (), contained=False)


def _resource(root: str, value: Any, place: Place, *, contained: bool) -> Iterator[Issue]:
    type = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(type, str) or type not in facts.served_types():
        return  # the validator has said so
    if not contained:
        yield from contained_faults(root, value, place)
    yield from _object(root, value, element(type), place)


def _object(root: str, value: Any, kind: Element, place: Place) -> Iterator[Issue]:
    if not isinstance(value, dict):
        return
    for rule in rules.of(kind):
        yield from _ask(rule, root, value, place)
    for name, member in value.items():
        field = kind.fields.get(name.removeprefix("_"))
        if field is None or (field.primitive and not name.startswith("_")):
            continue
        for index, part in enumerate(member) if isinstance(member, list) else ((None, member),):
            here = (*place, name) if index is None else (*place, name, index)
            yield from _member(root, part, field, here)


def _member(root: str, value: Any, field: Field, place: Place) -> Iterator[Issue]:
    if field.primitive:  # the `_x` sibling of a primitive
        yield from _object(root, value, element(SIBLING), place)
        return
    if field.type == "Resource":
        yield from _resource(root, value, place, contained=field.name == "contained")
        return
    if field.targets and isinstance(value, dict):
        yield from _ask(rules.targeting(field.targets), root, value, place)
    yield from _object(root, value, element(field.type), place)


def _ask(rule: Rule, root: str, value: dict[str, Any], place: Place) -> Iterator[Issue]:
    try:
        holds = rule.holds(value)
    except (TypeError, AttributeError, ValueError):
        return  # the object is not even of the right shape, which is an issue already
    if not holds:
        named = rule.key in {"choice", "target", "binding"}
        at = expression(root, (*place, rule.at) if rule.at else place)
        yield Issue(rule.code, rule.text if named else f"{rule.key}: {rule.text}", at)
