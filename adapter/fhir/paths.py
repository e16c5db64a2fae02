"""FHIRPath expressions for places in a resource, and the words of what Rust found there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic_core import ErrorDetails

from adapter.errors import Issue, numbered, told
from adapter.fhir import elements, facts, primitives

Place = tuple[str | int, ...]

_KINDS = {
    "dict_type": "an object",
    "list_type": "an array",
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
}
_REFERENCE = primitives.reference()
_LISTED = 400  # characters of a list of codes worth printing


def expression(root: str, place: Iterable[str | int]) -> str:
    """Task.input[0].valueReference; `_birthDate` is the element birthDate; a member that is called like no element is shown
    as `?`."""
    text, within = root, [root]
    for step in place:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step.removeprefix("_")
            text += "." + told(name, frozenset().union(*map(elements.names, within)))
            within = sorted(facts.served_types()) if name in ("contained", "resource") else within
    return text


def issue(root: str, found: ErrorDetails, resource: dict[str, Any]) -> Issue:
    """One error of the compiled validator as an issue; values never come into it."""
    at = expression(root, found["loc"])
    kind, context = found["type"], found.get("ctx", {})
    if kind == "missing":
        return Issue("required", "is required", at)
    if kind == "extra_forbidden":
        return Issue("structure", f"is no element of this type in FHIR R4 ({numbered(found['loc'][-1], owner(resource, found))})", at)
    if kind in _KINDS:
        return Issue("structure", f"expected {_KINDS[kind]}", at)
    if kind == "literal_error":
        expected = str(context["expected"])
        return Issue("code-invalid", f"expected {expected if len(expected) <= _LISTED else 'a code of its required value set'}", at)
    return _of_value(kind, context, at, found["msg"])


def owner(resource: Any, found: ErrorDetails) -> Any:
    """The object in which the validator found an error at a member."""
    for step in found["loc"][:-1]:
        resource = resource[step]
    return resource


def _of_value(kind: str, context: dict[str, Any], at: str, message: str) -> Issue:
    if kind == "string_pattern_mismatch":
        whole = context["pattern"]
        return Issue("value", f"expected {primitives.OF_REFERENCE if whole == _REFERENCE else primitives.EXPECTED[whole]}", at)
    if kind in {"too_short", "string_too_short"}:
        return Issue("structure", "is empty: leave it out", at)
    if kind == "string_too_long":
        return Issue("too-long", f"expected at most {context['max_length']} characters", at)
    if kind in {"greater_than_equal", "less_than_equal", "int_parsing_size"}:
        return Issue("value", "expected a whole number in the range of its type", at)
    if kind == "finite_number":
        return Issue("value", "expected a finite number", at)
    if kind == "string_unicode":
        return Issue("value", "expected Unicode text without lone surrogates", at)
    if kind == "recursion_loop":
        return Issue("too-long", "is nested too deeply", at)
    if kind in {"structure", "value", "not-supported", "invariant"}:  # our own PydanticCustomError: code and text
        return Issue(kind, message, at)
    return Issue("invalid", "is not as FHIR R4 has it", at)
