"""parse(): bytes in, validated resource out."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import orjson

from adapter.errors import Invalid, Issue, Malformed
from adapter.fhir import checking
from adapter.ports import Resource

RULES_ONLY = frozenset({"invariant", "value-set", "business-rule"})


def parse(body: bytes, *, type: str | None = None) -> Resource:
    """The resource in `body` as a plain dict, checked as FHIR R4 (`check`); `type` is the type it has to be.

    Decimals are floats in the dict: their precision (7.10) lives in the bytes, which `stamp` and `exact` keep.
    Raises Malformed (400) for what is no JSON or not of the shape R4 has, Invalid (422) where only invariants
    are broken; both carry every issue.
    """
    resource, compact = _loaded(body)
    issues = checking.issues(resource, compact, type)
    if issues:
        refuse(issues)
    return resource


def refuse(issues: list[Issue]) -> NoReturn:
    """Raises the one of Malformed and Invalid that the issues ask for."""
    only_rules = all(issue.code == "invariant" for issue in issues)
    first = issues[0]
    text = f"{first.expression}: {first.text}" if first.expression else first.text
    more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
    raise (Invalid if only_rules else Malformed)(text + more, issues=issues)


def load(body: bytes) -> dict[str, Any]:
    """The one JSON object in `body`, whatever it is about. Raises Malformed (400) with the place: no JSON in UTF-8, no object,
    a member twice, nested too deeply."""
    return _loaded(body)[0]


def _loaded(body: bytes) -> tuple[dict[str, Any], bytes]:
    """(object, its compact JSON). A body that already is compact has no member twice: nothing was lost."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        _refuse_other_text(body)
        raise Malformed(f"expected JSON as RFC 8259 has it, in UTF-8: {error.msg} at line {error.lineno}, column {error.colno}") from None
    if not isinstance(value, dict):
        raise Malformed("expected one JSON object, from { to }")
    try:
        compact = orjson.dumps(value)
    except TypeError:  # more than 254 levels
        raise Malformed("expected JSON that is not nested so deeply") from None
    if compact != body:
        check_doubles(body)
    return value, compact


def _refuse_other_text(body: bytes) -> None:
    """Raises Malformed where the bytes are no UTF-8: compressed, or in another encoding."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        text = f"expected JSON in UTF-8, neither compressed nor in another encoding; byte {error.start + 1} (line {line}) is not of UTF-8"
        raise Malformed(text) from None


def check_doubles(body: bytes) -> None:
    """Raises Malformed (400) where an object of `body` (which is JSON) has a member twice: JSON permits it, FHIR does not, and readers
    disagree on which one counts."""
    doubled: list[tuple[int, int]] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            first: dict[str, int] = {}  # where each name stood first
            second, name = next((at, name) for at, (name, _) in enumerate(pairs, 1) if first.setdefault(name, at) != at)
            doubled.append((first[name], second))
        return found

    json.loads(body, object_pairs_hook=members, parse_int=str, parse_float=str)
    if doubled:
        raise Malformed("expected each member once in an object, but numbers {} and {} of one have the same name".format(*doubled[0]))
