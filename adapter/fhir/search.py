"""A FHIR search as the caller wrote it, read into a Query."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any, NoReturn

from adapter.errors import Malformed, told
from adapter.fhir import facts, joins
from adapter.fhir.parameters import CORE_TYPES, Parameter, parameters
from adapter.identity import spellings, spelt
from adapter.ports import Clause, Include, Query

DEFAULT_COUNT, MOST = 100, 1000
_ALL_TYPES = ("_id", "_lastUpdated")
RESULT = ("_count", "_include", "_revinclude", "_sort", "_summary", "_total")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_COMMA = re.compile(r"(?<!\\)((?:\\\\)*),")
_ESCAPED = re.compile(r"\\([\\,$|])")
_MODIFIERS = {"token": {"not"}, "reference": {"identifier"}, "date": set(), "string": {"exact", "contains"}}
_PREFIX = re.compile(r"[a-zA-Z]{2}")
_PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")


class _NotOffered(Malformed):
    """A parameter, join or order that we do not have: lenient handling leaves it out."""


def query(type: str, params: Iterable[tuple[str, str]], *, lenient: bool = False) -> Query:
    """The search over one core type that `params` (decoded name and value, in order) ask for.

    A comma means or, a repeated parameter and. References: `Type/id`, `name:Type=id`, an id alone where the parameter
    allows few types, `name:identifier=system|value`. Modifiers :missing, :not, :exact, :contains. Dates: eq, ne, gt, lt, ge,
    le, sa, eb. `_sort`: _id, _lastUpdated or a date with one value at most; `_summary=count` and `_count=0`: only the number.
    Joins: those of `joins`. Raises Malformed (400, code not-supported) for what is not offered, naming what is; `lenient`:
    an unknown parameter, join or order is left out and told of in `Query.ignored` instead. Texts never hold values.
    """
    if type not in CORE_TYPES:
        raise Malformed(f"expected one of {', '.join(CORE_TYPES)}", code="not-supported")
    clauses: list[Clause] = []
    included: list[Include] = []
    options: dict[str, Any] = {}
    ignored: list[str] = []
    for name, value in params:
        try:
            if name in ("_include", "_revinclude"):
                included.append(_include(type, value, reverse=name == "_revinclude"))
            elif name in RESULT:
                options |= _option(type, name, value)
            else:
                clauses.append(_clause(type, name, value))
        except _NotOffered as problem:
            if not lenient:
                raise
            ignored += [f"{issue.expression}: {issue.text}" for issue in problem.issues]
    options = {"count": DEFAULT_COUNT, **options}
    if not options["count"]:
        options["total"] = "accurate"
    return Query(type, tuple(clauses), includes=tuple(dict.fromkeys(included)), ignored=tuple(dict.fromkeys(ignored)), **options)


def count_of(value: str) -> int:
    """The `_count` of a search or history, as far as a page goes. Raises Malformed."""
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise Malformed("expected a whole number", expression="_count", code="invalid")
    return min(int(value), MOST)


def sorts(type: str) -> list[str]:
    """What `_sort` may name, each also with "-" before it."""
    return ["_id", "_lastUpdated", *(parameter.name for parameter in parameters(type).values() if parameter.sorts)]


def _option(type: str, name: str, value: str) -> dict[str, Any]:
    if name == "_count":
        return {"count": count_of(value)}
    if name == "_sort":
        return {"sort": _sort(type, value)}
    if name == "_summary":
        if value not in ("count", "false"):
            raise _NotOffered("offered are count, false", expression="_summary", code="not-supported")
        return {"count": 0} if value == "count" else {}
    if value not in ("none", "estimate", "accurate"):
        raise Malformed("expected none, estimate or accurate", expression="_total", code="invalid")
    return {"total": value}


def _sort(type: str, value: str) -> str:
    """One key; the id, by which equal ones are ordered, may be said after it."""
    key, _, rest = value.partition(",")
    name = key.removeprefix("-")
    if name not in sorts(type) or rest not in ("", "-_id" if key.startswith("-") else "_id"):
        offered = ", ".join(sorts(type))
        raise _NotOffered(f"offered is one of {offered}, - before it for the latest first", expression="_sort", code="not-supported")
    return key if name != "_id" else key.removesuffix("_id") and "-_id"


def _include(type: str, value: str, *, reverse: bool) -> Include:
    name = "_revinclude" if reverse else "_include"
    found = joins.include(type, value, reverse=reverse)
    if found is None:
        offered = ", ".join(joins.revincludes(type) if reverse else joins.includes(type)) or "none"
        raise _NotOffered(f"offered here are {offered}", expression=name, code="not-supported")
    return found


def _clause(type: str, text: str, value: str) -> Clause:
    if text in (chains := joins.chains(type)):
        return _chained(chains[text], text, value)
    name, _, modifier = text.partition(":")
    offered = sorted([*_ALL_TYPES, *RESULT, *parameters(type)])
    parameter = parameters(type).get(name)
    if parameter is None and name not in _ALL_TYPES:
        known = ", ".join([*offered, *sorted(chains)])
        raise _NotOffered(f"is no search parameter of {type} here; offered are {known}", expression=told(name, _named()), code="not-supported")
    if not value.strip(","):
        raise Malformed("expected a value", expression=name, code="invalid")
    if parameter is None:
        return _of_all_types(name, modifier, _alternatives(value))
    if modifier == "missing":
        if value not in ("true", "false"):
            raise Malformed("expected true or false", expression=f"{name}:missing", code="invalid")
        return Clause(name, parameter.kind, (value,), "missing", parameter.identifying)
    values = _alternatives(value)
    if parameter.kind == "reference":
        return _reference(parameter, modifier, values)
    if modifier and (modifier not in _MODIFIERS[parameter.kind] or (parameter.identifying and modifier == "contains")):
        _no_modifier(parameter)
    if parameter.kind == "date":
        _dates(name, values, of_person=parameter.identifying)
    if parameter.identifying and modifier == "exact":
        return Clause(f"{name}:exact", "token", tuple(f"|{value}" for value in values), "", True)
    if parameter.kind == "token":
        values = tuple(each for value in values for each in _spellings(_implied(parameter, value), phone=name in ("phone", "telecom")))
    return Clause(name, parameter.kind, values, modifier, parameter.identifying)


def _implied(parameter: Parameter, value: str) -> str:
    """The value of an element of type code, whose system is the one that it is bound to and is not written."""
    system, bar, code = value.partition("|")
    return code if bar and code and system in parameter.implied else value


def _spellings(value: str, *, phone: bool = False) -> tuple[str, ...]:
    """The same under every name of its system, so that what is kept under another is found too (france.md 1.2); a telephone number as it is
    written and as E.164."""
    system, bar, code = value.partition("|")
    if phone:
        return tuple(f"{system}|{each}" for each in spelt(code)) if bar else spelt(value)
    return tuple(f"{each}|{code}" for each in spellings(system)) if bar and system else (value,)


@cache
def _named() -> frozenset[str]:
    """Every parameter of any type: what an error may repeat."""
    return frozenset({*_ALL_TYPES, *RESULT, *(name for type in CORE_TYPES for name in parameters(type))})


def _chained(chain: tuple[str, str], text: str, value: str) -> Clause:
    """A condition on what the reference names."""
    asked = text.partition(".")[2]
    return replace(_clause(chain[1], asked, value), param=text, chain=chain)


def _dates(name: str, values: Iterable[str], *, of_person: bool = False) -> None:
    for value in values:
        if (prefix := _PREFIX.match(value)) and (prefix[0] not in _PREFIXES or (of_person and prefix[0] != "eq")):
            offered = "eq" if of_person else ", ".join(_PREFIXES)
            raise Malformed(f"offered prefixes are {offered}", expression=name, code="not-supported")


def _of_all_types(name: str, modifier: str, values: tuple[str, ...]) -> Clause:
    if modifier and (name, modifier) != ("_id", "not"):
        raise Malformed("takes no such modifier", expression=name, code="not-supported")
    if name == "_lastUpdated":
        _dates(name, values)
    return Clause(name, "id" if name == "_id" else "updated", values, modifier)


def _reference(parameter: Parameter, modifier: str, values: tuple[str, ...]) -> Clause:
    if modifier == "identifier":
        return Clause(f"{parameter.name}:identifier", "token", tuple(each for value in values for each in _spellings(value)), "", parameter.of_person)
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
