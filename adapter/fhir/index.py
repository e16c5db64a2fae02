"""The search rows of a resource."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from adapter.fhir.dates import span
from adapter.fhir.parameters import CORE_TYPES, Parameter, Path, parameters
from adapter.identity import spelt
from adapter.ports import IndexRow, Resource

_VERSION = re.compile(r"/_history/[^/]*$")
_PARTS = (4, 7, 10)  # year, month, day of a date: whoever knows a part of it may search by that
_LONGEST_DATE = 35  # a dateTime with nanoseconds and zone
Extract = Callable[[Any, list[IndexRow]], None]


def rows(resource: Resource) -> list[IndexRow]:
    """The search rows of a valid resource of a core type; other types have none.

    token: system and value; reference: "Type/id" as it stands, a logical one as token `name:identifier`; date: FHIR
    dates, open ends empty; string: as sent. Where only a digest is kept, a date also stands as its month and year, a string
    word by word, and to the letter as token `name:exact`. The store normalises.
    """
    type = resource["resourceType"]
    if type not in CORE_TYPES:
        return []
    found: list[IndexRow] = []
    for member, extract in _extractors(type):
        if member in resource:
            extract(resource[member], found)
    return found


@cache
def _extractors(type: str) -> tuple[tuple[str, Extract], ...]:
    """(first member, extraction from its value) for each path of each parameter."""
    return tuple((path.steps[0], _extractor(p, path)) for p in parameters(type).values() for path in p.paths)


def _extractor(parameter: Parameter, path: Path) -> Extract:
    one = {"token": _token, "reference": _reference, "date": _date, "string": _string}[parameter.kind](parameter, path)
    deeper = path.steps[1:]

    def extract(value: Any, found: list[IndexRow]) -> None:
        for each in _at(value, deeper) if deeper or isinstance(value, list) else (value,):
            one(each, found)

    return extract


def _at(value: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    """The values at the end of `steps`, through arrays; nulls of padded arrays are left out."""
    if isinstance(value, list):
        for part in value:
            yield from _at(part, steps)
    elif value is not None and not steps:
        yield value
    elif value is not None and steps[0] in value:
        yield from _at(value[steps[0]], steps[1:])


def _token(parameter: Parameter, path: Path) -> Extract:
    name, identifying = parameter.name, parameter.identifying

    def add(value: Any, found: list[IndexRow]) -> None:
        if isinstance(value, bool):
            found.append(IndexRow(name, "token", "true" if value else "false", identifying=identifying))
        elif isinstance(value, str):
            found.append(IndexRow(name, "token", value, identifying=identifying))
        elif "coding" in value:
            for coding in value["coding"]:
                add(coding, found)
        elif path.system:
            if value.get("system") == path.system and "value" in value:
                every = spelt(value["value"]) if path.system == "phone" else (value["value"],)
                found.extend(IndexRow(name, "token", each, identifying=identifying) for each in every)
        elif code := value.get("code") or value.get("value"):  # Coding; Identifier or ContactPoint
            system = value.get("system", "")
            found.extend(IndexRow(name, "token", each, system, identifying=identifying) for each in (spelt(code) if system == "phone" else (code,)))

    return add


def _reference(parameter: Parameter, path: Path) -> Extract:
    name, only, logical = parameter.name, path.only and f"{path.only}/", f"{parameter.name}:identifier"

    def add(value: Any, found: list[IndexRow]) -> None:
        if isinstance(value, str):  # canonical: with its version and without
            found.extend(IndexRow(name, "reference", each) for each in dict.fromkeys((value, value.partition("|")[0])))
            return
        literal = value.get("reference", "")
        if literal and literal[0] != "#" and (not only or only in literal):
            found.append(IndexRow(name, "reference", _VERSION.sub("", literal) if "/_history/" in literal else literal))
        elif not only:
            found.append(IndexRow(name, "reference"))  # there, but without an address: for :missing
        if (identifier := value.get("identifier")) and "value" in identifier and (not only or value.get("type", path.only) == path.only):
            found.append(IndexRow(logical, "token", identifier["value"], identifier.get("system", ""), identifying=parameter.of_person))

    return add


def _date(parameter: Parameter, path: Path) -> Extract:
    name, identifying = parameter.name, parameter.identifying

    def add(value: Any, found: list[IndexRow]) -> None:
        low, high = (value, value) if isinstance(value, str) else (value.get("start", ""), value.get("end", ""))
        if identifying:
            found.extend(IndexRow(name, "date", low=low[:length], high=low[:length], identifying=True) for length in _PARTS if len(low) >= length)
        elif low or high:
            found.append(IndexRow(name, "date", low=_kept(low, 0), high=_kept(high, 1)))

    return add


def _kept(date: str, end: int) -> str:
    """A date as the store takes it: at the rims of the calendar and beyond nanoseconds, its span instead."""
    return span(date)[end] if date[:4] in ("0001", "9999") or len(date) > _LONGEST_DATE else date


def _string(parameter: Parameter, path: Path) -> Extract:
    name, identifying = parameter.name, parameter.identifying

    def add(value: Any, found: list[IndexRow]) -> None:
        found.append(IndexRow(name, "string", value, identifying=identifying))
        if identifying:
            found.append(IndexRow(f"{name}:exact", "token", value, identifying=True))
        if identifying and len(words := value.replace("-", " ").replace("'", " ").split()) > 1:
            found.extend(IndexRow(name, "string", word, identifying=True) for word in words)

    return add
