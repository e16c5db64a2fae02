"""A FHIR search as the caller wrote it, read into a Query."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NoReturn

from adapter.errors import Malformed, told
from adapter.fhir import facts
from adapter.fhir.parameters import CORE_TYPES, Parameter, parameters
from adapter.ports import Clause, Query

DEFAULT_COUNT, MOST = 100, 1000
_ALL_TYPES = ("_id", "_lastUpdated")
_RESULT = ("_count", "_sort")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_COMMA = re.compile(r"(?<!\\)((?:\\\\)*),")
_ESCAPED = re.compile(r"\\([\\,$|])")
_MODIFIERS = {"token": {"not"}, "reference": {"identifier"}, "date": set(), "string": {"exact", "contains"}}


def query(type: str, params: Iterable[tuple[str, str]]) -> Query:
    """The search over one core type that `params` (decoded name and value, in order) ask for.

    A comma means or, a repeated parameter and. References: `Type/id`, `name:Type=id`, an id alone where the parameter
    allows few types, `name:identifier=system|value`. Modifiers :missing, :not, :exact, :contains. Raises Malformed
    (400, code not-supported) for a parameter or modifier not offered, naming those that are; texts never hold values.
    """
    if type not in CORE_TYPES:
        raise Malformed(f"expected one of {', '.join(CORE_TYPES)}", code="not-supported")
    clauses: list[Clause] = []
    options: dict[str, Any] = {}
    for name, value in params:
        if name == "_count":
            options["count"] = count_of(value)
        elif name == "_sort":
            options["sort"] = _sort(value)
        else:
            clauses.append(_clause(type, name, value))
    return Query(type, tuple(clauses), **{"count": DEFAULT_COUNT, **options})


def count_of(value: str) -> int:
    """The `_count` of a search or history, as far as a page goes. Raises Malformed."""
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise Malformed("expected a whole number", expression="_count", code="invalid")
    return min(int(value), MOST)


def _sort(value: str) -> str:
    if value in ("_lastUpdated", "-_lastUpdated"):
        return value
    if value == "_id":
        return ""
    raise Malformed("expected _id, _lastUpdated or -_lastUpdated", expression="_sort", code="not-supported")


def _clause(type: str, text: str, value: str) -> Clause:
    name, _, modifier = text.partition(":")
    offered = sorted([*_ALL_TYPES, *_RESULT, *parameters(type)])
    if not value.strip(","):
        raise Malformed("expected a value", expression=told(name, offered), code="invalid")
    if name in _ALL_TYPES:
        return _of_all_types(name, modifier, _alternatives(value))
    parameter = parameters(type).get(name)
    if parameter is None:
        known = ", ".join(offered)
        raise Malformed(f"is no search parameter of {type} here; offered are {known}", expression=told(name, offered), code="not-supported")
    if modifier == "missing":
        if value not in ("true", "false"):
            raise Malformed("expected true or false", expression=f"{name}:missing", code="invalid")
        return Clause(name, parameter.kind, (value,), "missing", parameter.identifying)
    values = _alternatives(value)
    if parameter.kind == "reference":
        return _reference(parameter, modifier, values)
    if modifier and (modifier not in _MODIFIERS[parameter.kind] or (parameter.identifying and modifier == "contains")):
        _no_modifier(parameter)
    return Clause(name, parameter.kind, values, "" if parameter.identifying and modifier == "exact" else modifier, parameter.identifying)


def _of_all_types(name: str, modifier: str, values: tuple[str, ...]) -> Clause:
    if modifier and (name, modifier) != ("_id", "not"):
        raise Malformed("takes no such modifier", expression=name, code="not-supported")
    return Clause(name, "id" if name == "_id" else "updated", values, modifier)


def _reference(parameter: Parameter, modifier: str, values: tuple[str, ...]) -> Clause:
    if modifier == "identifier":
        return Clause(f"{parameter.name}:identifier", "token", values, "", parameter.of_person)
    if modifier and modifier not in (parameter.targets or facts.resource_types()):
        _no_modifier(parameter)
    targets = frozenset({modifier}) if modifier else parameter.targets
    literal = tuple(one for value in values for one in _literals(parameter.name, value, targets))
    return Clause(parameter.name, "reference", literal)


def _literals(name: str, value: str, targets: frozenset[str]) -> Iterable[str]:
    """Type/id for every type the value may mean."""
    if "/" in value or ":" in value:
        type = value.partition("/")[0]
        if targets and type in facts.resource_types() and type not in targets:
            raise Malformed(f"expected a reference to {', '.join(sorted(targets))}", expression=name, code="invalid")
        return (value.partition("/_history/")[0],)
    if not targets or not _ID.fullmatch(value):
        raise Malformed("expected Type/id", expression=name, code="invalid")
    return (f"{type}/{value}" for type in sorted(targets))


def _no_modifier(parameter: Parameter) -> NoReturn:
    offered = {"missing", *_MODIFIERS[parameter.kind], *(parameter.targets if parameter.kind == "reference" else ())}
    if parameter.identifying:
        offered -= {"contains"}
    raise Malformed(f"offered modifiers are {', '.join(sorted(offered))}", expression=parameter.name, code="not-supported")


def _alternatives(value: str) -> tuple[str, ...]:
    """The values that commas part; an escaped comma, bar, dollar or backslash is itself."""
    parts = _COMMA.sub("\\1\x00", value).split("\x00") if "," in value else [value]
    return tuple(_ESCAPED.sub(r"\1", part) for part in parts if part)
