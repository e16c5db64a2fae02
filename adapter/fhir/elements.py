"""The element table: what the R4B classes of fhir.resources say about each element, walked once.

fhir.resources is imported only when the first type is asked for (it costs a third of a second).
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from adapter.fhir import facts

# R4B has two data types that R4 has not, and leaves out one choice that R4 has.
NOT_IN_R4 = frozenset({"CodeableReference", "RatioRange"})
ONLY_IN_R4 = {"Extension": {"valueMeta": "Meta"}}


@dataclass(frozen=True, slots=True)
class Field:
    """One JSON member. `type` is a primitive ("dateTime"), a class of the table ("TaskInput") or "Resource";
    `sibling`: may `_name` stand beside it (not so for id, Extension.url, div); `choice` is "value" for value[x];
    `codes` is a value set, `targets` the types a reference may have (empty: any)."""

    name: str
    type: str
    many: bool
    primitive: bool
    sibling: bool
    required: bool
    choice: str
    codes: str
    targets: frozenset[str]


@dataclass(frozen=True, slots=True)
class Element:
    """One object type: its members by JSON name, in the order that R4 gives their elements in XML, and its choices: name -> is one
    of them required."""

    name: str
    fields: dict[str, Field]
    choices: dict[str, bool]
    resource: bool


@cache
def element(name: str) -> Element:
    """The element of an R4B class met while walking, or of a served resource type. Raises KeyError otherwise."""
    from fhir.resources.R4B import get_fhir_model_class

    if name not in _MET:
        if name not in facts.served_types():
            raise KeyError(name)
        _MET[name] = get_fhir_model_class(name)
    return _read(name, _MET[name])


_MET: dict[str, Any] = {}  # classes by name; back-bone classes have no public look-up


def reachable(name: str) -> Iterator[Element]:
    """`name` and every element below it, each once; stops at "Resource" (contained, entries)."""
    waiting, seen = [name], {name}
    while waiting:
        found = element(waiting.pop())
        yield found
        below = {f.type for f in found.fields.values() if not f.primitive and f.type != "Resource"}
        below |= {SIBLING for f in found.fields.values() if f.sibling}
        waiting.extend(sorted(below - seen))
        seen |= below


SIBLING = "FHIRPrimitiveExtension"  # the type of `_birthDate`


@cache
def names(root: str) -> frozenset[str]:
    """What members and choices are called in a resource of a served type; what is contained in it has names of its own."""
    every = [*reachable(root)]
    return frozenset({"resourceType", *(name for found in every for name in (*found.fields, *found.choices))})


def _read(name: str, cls: Any) -> Element:
    fields: dict[str, Field] = {}
    choices: dict[str, bool] = {}
    aliases = {info.alias for info in cls.model_fields.values()}
    for python_name, info in cls.model_fields.items():
        extra: dict[str, Any] = info.json_schema_extra or {}
        json_name = info.alias or python_name
        if not extra.get("element_property") and json_name.startswith(("_", "fhir_comments")):
            continue
        kind, many, primitive = _type(info.annotation)
        if kind in NOT_IN_R4:
            continue
        choice = str(extra.get("one_of_many", ""))
        if choice:
            choices[choice] = bool(extra.get("one_of_many_required"))
        key = f"{name}.{choice or json_name}"
        fields[json_name] = Field(
            json_name,
            kind,
            many,
            primitive,
            # The classes forgot `_valueCode` of an extension, and give the narrative what xhtml has not in R4.
            (f"_{json_name}" in aliases and kind != "xhtml") or (primitive and key == "Extension.value"),
            required=not choice and bool(info.is_required() or extra.get("element_required")),
            choice=choice,
            codes=facts.bound(key) if kind == "code" else "",
            targets=facts.targets(key) if kind == "Reference" else frozenset(),
        )
    for json_name, kind in ONLY_IN_R4.get(name, {}).items():
        fields[json_name] = Field(json_name, kind, False, False, False, False, "value", "", frozenset())
        _meet(kind)
    _meet(SIBLING)
    order = {json_name: position for position, json_name in enumerate(cls.elements_sequence())}  # the classes list their members by the alphabet
    in_order = sorted(fields, key=lambda json_name: order.get(json_name, len(order)))
    return Element(name, {json_name: fields[json_name] for json_name in in_order}, choices, resource="implicitRules" in fields)


def _type(annotation: Any) -> tuple[str, bool, bool]:
    """(type name, repeats, is primitive) of a field's annotation."""
    from fhir_core.types import FhirBase

    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        (inner,) = [a for a in typing.get_args(annotation) if a is not type(None)]
        return _type(inner)
    if origin is list:
        inner = typing.get_args(annotation)[0]
        kind, _, primitive = _type(inner)
        return kind, True, primitive
    if isinstance(annotation, type) and issubclass(annotation, FhirBase):
        cls: Any = annotation.get_model_klass()
        _MET[cls.__name__] = cls
        return cls.__name__, False, False
    if annotation is bool:
        return "boolean", False, True
    names = [getattr(m, "__visit_name__", "") for m in getattr(annotation, "__metadata__", ())]
    return next(filter(None, names), "uuid"), False, True


def _meet(name: str) -> None:
    from fhir.resources.R4B import get_fhir_model_class
    from fhir.resources.R4B.fhirprimitiveextension import FHIRPrimitiveExtension

    _MET.setdefault(name, FHIRPrimitiveExtension if name == SIBLING else get_fhir_model_class(name))
