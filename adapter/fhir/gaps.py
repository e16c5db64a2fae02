"""What JSON can say and FHIR cannot, and the compiled validator does not see: null in arrays of primitives, empty
objects, elements of nothing but an id, control characters, endless nesting. Looked for in the serialised bytes
first; the tree is walked only on a hit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from adapter.errors import Issue
from adapter.fhir.paths import Place, expression

DEEPEST = 100  # levels of objects and arrays in a resource
_WRITABLE = 254  # levels that orjson writes: what is deeper could not be answered

_SIGNS = (b"\\", b"{}", b"null", b'{"id":')  # a control character is written with a backslash
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def suspected(compact: bytes) -> bool:
    """May there be a gap in a resource, given its compact JSON? False is certain."""
    return any(sign in compact for sign in _SIGNS)


def too_deep(resource: Any, compact: bytes) -> bool:
    """Is it nested more than DEEPEST levels? Counting brackets settles nearly all; else Rust counts the levels."""
    if compact.count(b"{") + compact.count(b"[") <= DEEPEST:
        return False
    for _ in range(_WRITABLE - DEEPEST):
        resource = [resource]
    try:
        orjson.dumps(resource)
    except TypeError:
        return True
    return False


def gaps(root: str, resource: dict[str, Any]) -> Iterator[Issue]:
    """One issue per gap, with its place."""
    yield from _object(root, resource, ())


def _object(root: str, value: dict[str, Any], place: Place) -> Iterator[Issue]:
    if not value or value.keys() == {"id"}:
        yield Issue("structure", "is empty: expected at least one member besides id", expression(root, place))
    for name, member in value.items():
        here = (*place, name)
        if isinstance(member, list):
            sibling = value.get(name[1:] if name.startswith("_") else f"_{name}")
            yield from _array(root, member, here, sibling if isinstance(sibling, list) else [])
        elif name.startswith("_") and isinstance(member, dict) and name[1:] in value:
            yield from _members(root, member, here)
        else:
            yield from _one(root, member, here)


def _members(root: str, sibling: dict[str, Any], place: Place) -> Iterator[Issue]:
    """`_birthDate` beside a birthDate: the id alone is enough for it."""
    if not sibling:
        yield Issue("structure", "is empty: leave it out", expression(root, place))
    elif sibling.keys() != {"id"}:
        yield from _object(root, sibling, place)


def _array(root: str, values: list[Any], place: Place, sibling: list[Any]) -> Iterator[Issue]:
    if not values:
        yield Issue("structure", "is an empty array: leave it out", expression(root, place))
    for index, value in enumerate(values):
        paired = index < len(sibling) and sibling[index] is not None
        if value is None and paired:
            continue
        if isinstance(value, dict) and paired:
            yield from _members(root, value, (*place, index))
        else:
            yield from _one(root, value, (*place, index))


def _one(root: str, value: Any, place: Place) -> Iterator[Issue]:
    if value is None:
        yield Issue("structure", "is null: leave it out, or pair it with an extension in its _ array", expression(root, place))
    elif isinstance(value, dict):
        yield from _object(root, value, place)
    elif isinstance(value, list):
        yield from _array(root, value, place, [])
    elif isinstance(value, str):
        if not value:
            yield Issue("structure", "is an empty string: leave it out", expression(root, place))
        elif _CONTROL.search(value):
            yield Issue("value", "holds control characters, which no FHIR string may", expression(root, place))
