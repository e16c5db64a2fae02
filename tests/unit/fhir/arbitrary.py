"""Resources of the shape that the element table has, and of no sense: for what must hold of every resource, valid or not."""

from __future__ import annotations

from functools import cache
from typing import Any
from xml.sax.saxutils import escape

import orjson
from hypothesis import strategies as st

from adapter.fhir import facts
from adapter.fhir.elements import SIBLING, Field, element
from adapter.fhir.narrative import NAMESPACE

CONTROLS = "".join(map(chr, range(32))).translate(dict.fromkeys(map(ord, "\t\n\r"))) + "\ufffe\uffff"
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=CONTROLS), min_size=1, max_size=12) | st.sampled_from(
    ["7.10", "true", "]]>", "&amp;", "<b/>", "\"'", " \t\r\n", "é\u00a0\U0001f600", "{}", "\x7f\x85\u2028"]
)
numbers = st.sampled_from(["0", "-1", "7.10", "1e3", "0.0100", "-0.0", "123456789012345678901234567890.5", "1E-22"]).map(orjson.Fragment)


def _div(text: str) -> str:
    inside = escape(text, {"\r": "&#13;"})
    title = escape(text, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;", '"': "&quot;"})
    return f'<div xmlns="{NAMESPACE}" xml:lang="fr"><p title="{title}">{inside}</p><br/><!-- c -->{inside}</div>'


def _values(type: str) -> st.SearchStrategy[Any]:
    if type == "boolean":
        return st.booleans()
    if type == "xhtml":
        return texts.map(_div)
    return numbers if type in ("decimal", "integer", "positiveInt", "unsignedInt") else texts


@cache
def _objects(type: str, levels: int) -> st.SearchStrategy[dict[str, Any]]:
    return _members(type, levels)


@st.composite
def _members(draw: st.DrawFn, type: str, levels: int) -> dict[str, Any]:
    fields = [field for field in element(type).fields.values() if levels or field.primitive]
    found: dict[str, Any] = {}
    for field in draw(st.lists(st.sampled_from(fields), min_size=1, max_size=3, unique_by=lambda field: field.name)):
        found |= draw(_member(field, levels))
    return found


@st.composite
def _member(draw: st.DrawFn, field: Field, levels: int) -> dict[str, Any]:
    name, beside = field.name, f"_{field.name}"
    if not field.primitive:
        inner = resources(levels=levels - 1) if field.type == "Resource" else _objects(field.type, levels - 1)
        return {name: draw(st.lists(inner, min_size=1, max_size=2) if field.many else inner)}
    value = _values(field.type)
    if not field.sibling:
        return {name: draw(st.lists(value, min_size=1, max_size=2) if field.many else value)}
    sibling = _objects(SIBLING, max(levels - 1, 0))
    pairs = st.tuples(value, st.none()) | st.tuples(value, sibling) | st.tuples(st.none(), sibling)
    if not field.many:
        return {key: one for key, one in zip((name, beside), draw(pairs), strict=True) if one is not None}
    arrays = zip(*draw(st.lists(pairs, min_size=1, max_size=2)), strict=True)
    return {key: list(one) for key, one in zip((name, beside), arrays, strict=True) if any(each is not None for each in one)}


@st.composite
def resources(draw: st.DrawFn, *, levels: int = 2) -> dict[str, Any]:
    """A resource at most so many levels of objects deep, with numbers as fragments (`orjson.dumps` writes their text)."""
    type = draw(st.sampled_from(sorted(facts.served_types())))
    return {"resourceType": type, **draw(_objects(type, levels))}
