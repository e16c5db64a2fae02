"""JSON Patch (RFC 6902) on a resource's bytes: what is not touched keeps its text, decimals with it."""

from __future__ import annotations

import copy
import json
import re
from decimal import Decimal
from typing import Any

import orjson

from adapter.errors import Invalid, Malformed
from adapter.fhir.reading import check_doubles

MOST = 1000  # operations in one patch
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_NEEDS = {"add": "value", "replace": "value", "test": "value", "move": "from", "copy": "from", "remove": ""}
_OPERATIONS = ", ".join(_NEEDS)


class _Number(str):
    """A number of JSON as it was written."""

    __slots__ = ()


def patch(body: bytes, operations: bytes) -> bytes:
    """`body` (JSON of a resource) after the patch `operations` (JSON of an array), as compact JSON; not yet validated.

    Raises Malformed (400) for what is no JSON Patch, Invalid (422) naming the operation by its place where a path is not there or
    a test fails. Texts never hold values.
    """
    tree: Any = _loaded(body)
    for number, operation in enumerate(_operations(operations)):
        place = f"Patch[{number}]"
        tree = _applied(tree, operation, place)
    return orjson.dumps(tree, default=_written, option=orjson.OPT_PASSTHROUGH_SUBCLASS)


def _loaded(body: bytes) -> Any:
    return json.loads(body, parse_float=_Number, parse_int=_Number)


def _written(value: Any) -> Any:
    """Only a number is left to orjson as something it does not know."""
    return orjson.Fragment(value.encode())


def _operations(body: bytes) -> list[dict[str, Any]]:
    try:
        orjson.loads(body)  # RFC 8259 and UTF-8, and not nested without end
        found = _loaded(body)
    except (ValueError, RecursionError):
        raise Malformed("expected a JSON array of operations (RFC 6902) in UTF-8") from None
    check_doubles(body)
    if not isinstance(found, list) or len(found) > MOST:
        raise Malformed(f"expected a JSON array of at most {MOST} operations (RFC 6902)")
    for number, each in enumerate(found):
        place = f"Patch[{number}]"
        if not isinstance(each, dict) or type(each.get("op")) is not str or each["op"] not in _NEEDS:
            raise Malformed(f"expected an operation: op is one of {_OPERATIONS}", expression=f"{place}.op")
        for name in ("path", "from") if _NEEDS[each["op"]] == "from" else ("path",):
            if type(each.get(name)) is not str or (each[name] and each[name][0] != "/"):
                raise Malformed("expected a JSON Pointer (RFC 6901), from / on", expression=f"{place}.{name}")
        if _NEEDS[each["op"]] == "value" and "value" not in each:
            raise Malformed("expected value", expression=f"{place}.value")
    return found


def _applied(tree: Any, operation: dict[str, Any], place: str) -> Any:
    op, path = operation["op"], _steps(operation["path"])
    if op == "test":
        if not _equal(_at(tree, path, place), operation["value"]):
            raise Invalid("the test of this operation fails", expression=place, code="conflict")
        return tree
    if op in ("add", "replace"):
        return _put(tree, path, operation["value"], place, new=op == "add")
    if op == "remove":
        return _taken(tree, path, place)
    source = _steps(operation["from"])
    if op == "move" and path[: len(source)] == source and path != source:
        raise Invalid("expected to move a value to a place outside itself", expression=f"{place}.path")
    value = copy.deepcopy(_at(tree, source, f"{place}.from"))
    return _put(_taken(tree, source, place) if op == "move" else tree, path, value, place, new=True)


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _missing(place: str) -> Invalid:
    where = place if place.endswith(".from") else f"{place}.path"
    return Invalid("expected a path that is there", expression=where, code="not-found")


def _at(node: Any, steps: list[str], place: str) -> Any:
    for step in steps:
        if isinstance(node, dict) and step in node:
            node = node[step]
        elif isinstance(node, list) and _INDEX.fullmatch(step) and int(step) < len(node):
            node = node[int(step)]
        else:
            raise _missing(place)
    return node


def _put(tree: Any, steps: list[str], value: Any, place: str, *, new: bool) -> Any:
    """`value` at `steps`: in a list it is put before what stands there, unless it takes the place of that (`new` False)."""
    if not steps:
        return value
    owner, last = _at(tree, steps[:-1], place), steps[-1]
    if isinstance(owner, dict) and (new or last in owner):
        owner[last] = value
    elif isinstance(owner, list) and new and (last == "-" or (_INDEX.fullmatch(last) and int(last) <= len(owner))):
        owner.insert(len(owner) if last == "-" else int(last), value)
    elif isinstance(owner, list) and not new and _INDEX.fullmatch(last) and int(last) < len(owner):
        owner[int(last)] = value
    else:
        raise _missing(place)
    return tree


def _taken(tree: Any, steps: list[str], place: str) -> Any:
    if not steps:
        return None
    owner, last = _at(tree, steps[:-1], place), steps[-1]
    if isinstance(owner, dict) and last in owner:
        del owner[last]
    elif isinstance(owner, list) and _INDEX.fullmatch(last) and int(last) < len(owner):
        del owner[int(last)]
    else:
        raise _missing(place)
    return tree


def _equal(one: Any, other: Any) -> bool:
    """RFC 6902, 4.6: numbers by value, everything else as it stands."""
    if isinstance(one, _Number) or isinstance(other, _Number):
        return isinstance(one, _Number) and isinstance(other, _Number) and Decimal(one) == Decimal(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return type(one) is type(other) and one == other
