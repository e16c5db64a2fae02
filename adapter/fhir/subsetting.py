"""`_summary` and `_elements` (R4 search, 3.1.1.5.8 and 9): less of a resource, marked SUBSETTED."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson

from adapter.errors import Malformed, told
from adapter.fhir import facts
from adapter.fhir.elements import element
from adapter.fhir.writing import exact
from adapter.ports import Resource

SUMMARIES = ("true", "text", "data", "count", "false")
_ALWAYS = ("resourceType", "id", "meta", "implicitRules")
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


@dataclass(frozen=True, slots=True)
class Subsetting:
    """How much of each resource is wanted. `summary`: one of SUMMARIES ("" = all); `elements`: names at the top level."""

    summary: str = ""
    elements: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether a search shall give its total alone."""
        return self.summary == "count"

    def __bool__(self) -> bool:
        return self.summary not in ("", "false") or bool(self.elements)


def subsetting(type: str, *, summary: str = "", elements: str = "") -> Subsetting:
    """The Subsetting that the parameters `_summary` and `_elements` ask for ("" = not given). Raises Malformed (400) for another
    summary, for an element that `type` has not, and for both at once."""
    if summary and summary not in SUMMARIES:
        raise Malformed(f"expected one of {', '.join(SUMMARIES)}", expression="_summary", code="invalid")
    names = tuple(name.removeprefix(f"{type}.") for name in elements.split(",") if name)
    if summary not in ("", "false") and names:
        raise Malformed("expected _summary or _elements, not both", expression="_elements", code="invalid")
    known = element(type)
    offered = sorted({*known.choices, *known.fields})
    for name in names:
        if name not in offered:
            raise Malformed(f"expected elements of {type}, from: {', '.join(offered)}", expression=told(name, offered) and "_elements", code="invalid")
    return Subsetting(summary, names)


def subset(served: bytes, wanted: Subsetting) -> bytes:
    """`served` (JSON of a resource) as far as it is wanted: with the elements that R4 has always to be there, decimals as they came,
    and meta.tag SUBSETTED."""
    if not wanted:
        return served
    tree = exact(served)
    type = str(tree["resourceType"])
    less = _summarised(tree, type) if wanted.summary == "true" else {name: tree[name] for name in tree if _base(name) in _names(type, wanted)}
    meta = dict(less.get("meta", {}))
    if SUBSETTED not in meta.get("tag", ()):
        meta["tag"] = [*meta.get("tag", ()), SUBSETTED]
    return orjson.dumps({"resourceType": type, "id": tree.get("id")} | less | {"meta": meta})


def _base(name: str) -> str:
    """The element of a member: `_status` says more of `status`."""
    return name.removeprefix("_")


def _names(type: str, wanted: Subsetting) -> Collection[str]:
    """The members of the top level that stay."""
    known = element(type)
    required = {each.name for each in known.fields.values() if each.required} | _of_choices(type, {name for name, must in known.choices.items() if must})
    if wanted.elements:
        return {*_ALWAYS, *required, *wanted.elements, *_of_choices(type, set(wanted.elements))}
    if wanted.summary == "text":
        return {*_ALWAYS, *required, "text"}
    return {*_ALWAYS, *known.fields} - {"text"}


def _of_choices(type: str, choices: set[str]) -> set[str]:
    return {each.name for each in element(type).fields.values() if each.choice in choices}


def _summarised(node: Resource, owner: str) -> Resource:
    """The members that R4 marks as summary elements, at every level that the type itself defines; data types stay whole."""
    fields, marked = element(owner).fields, facts.summary(owner)
    kept: Resource = {}
    for name, value in node.items():
        field = fields.get(_base(name))
        if name in _ALWAYS or (field and (field.choice or field.name) in marked):
            below = bool(field and facts.summary(field.type)) and name[0] != "_"
            kept[name] = value if not below or field is None else _each(value, field.type)
    return kept


def _each(value: Any, owner: str) -> Any:
    return [_each(one, owner) for one in value] if isinstance(value, list) else _summarised(value, owner) if isinstance(value, dict) else value
