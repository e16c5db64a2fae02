"""Paths of a view file, checked against R4 and opened up to the primitive elements that are copied.

A path is dotted element names; a name may carry a selector in brackets: `telecom[phone]`, `identifier[nir]`,
`orderDetail[constraint]`, `extension[https://…]`. Choice elements are written with their type: `valueReference`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from adapter.views.r4 import RESOURCES, TABLE

# What naming a datatype gives. Never display, text, assigner, extensions: those must be named themselves.
OPENED = {
    "CodeableConcept": ("coding.system", "coding.code"),
    "Coding": ("system", "code"),
    "Reference": ("reference",),
    "Identifier": ("system", "value"),
    "Period": ("start", "end"),
    "ContactPoint": ("system", "value", "use"),
    "HumanName": ("use", "prefix", "given", "family"),
    "Address": ("use", "line", "postalCode", "city"),
}
_STEP = re.compile(r"([A-Za-z][A-Za-z0-9]*)(?:\[([^\[\]*]+)\])?(?:\.|$)")
_SELECTABLE = frozenset({"CodeableConcept", "Coding", "Identifier", "ContactPoint", "HumanName"})
_ANY = (*OPENED, "Attachment", "Quantity", "string", "boolean", "code", "date", "dateTime", "instant", "integer", "decimal", "uri")


class Step(NamedTuple):
    """One name of a path and its selector ("" when it has none)."""

    name: str
    selector: str = ""


class Leaf(NamedTuple):
    """A primitive element to copy: the way to it, and for each step the datatype found there."""

    steps: tuple[Step, ...]
    types: tuple[str, ...]


def _types(owner: str, names: str) -> dict[str, str]:
    """name -> type for one line of the table, choice elements spelt out (content[x] -> contentString…)."""
    found = {}
    for word in names.split():
        path, _, types = word.partition(":")
        for kind in _ANY if types == "*" else types.split("|"):
            concrete = path.removesuffix("[x]") + kind[0].upper() + kind[1:] if path.endswith("[x]") else path
            found[concrete] = kind
    return found


ELEMENTS = {owner: _types(owner, names) for owner, names in TABLE.items()}


def steps_of(path: str) -> tuple[Step, ...]:
    """The steps of a path. Raises ValueError saying what is wrong with it."""
    if "*" in path:
        raise ValueError(f"{path}: a view lists elements one by one, without wildcard")
    if "[x]" in path:
        raise ValueError(f"{path}: name the type of a choice element, as in valueReference")
    found, at = [], 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (match.end() == len(path) and path.endswith(".")):
            raise ValueError(f"{path}: expected dotted element names")
        found.append(Step(match[1], match[2] or ""))
        at = match.end()
    if not found:
        raise ValueError("expected the path of an element")
    return tuple(found)


def leaves(resource_type: str, path: str) -> list[Leaf]:
    """The primitive elements that `path` stands for. Raises ValueError when R4 has no such element, or when the
    element is too wide to be listed whole."""
    steps = steps_of(path)
    if resource_type not in RESOURCES:
        raise ValueError(f"{resource_type}: expected one of {', '.join(sorted(RESOURCES))}")
    if path == "id":
        return [Leaf(steps, ("id",))]
    types = _walk(resource_type, path, steps)
    last = types[-1]
    if last[0].islower() or last == "Extension":
        return [Leaf(steps, types)]
    if last not in OPENED:
        raise ValueError(f"{resource_type}.{path} is a {last or 'nested rule'}: list the elements inside that are needed")
    return [leaf for inner in OPENED[last] for leaf in leaves(resource_type, f"{path}.{inner}")]


def _walk(resource_type: str, path: str, steps: tuple[Step, ...]) -> tuple[str, ...]:
    types: list[str] = []
    owner, prefix = resource_type, ""
    for place, step in enumerate(steps):
        if step.name in ("extension", "modifierExtension"):
            if not step.selector or place < len(steps) - 1:
                raise ValueError(f"{resource_type}.{path}: an extension is listed last and by its url, extension[https://…]")
            return (*types, "Extension")
        name = f"{prefix}.{step.name}" if prefix else step.name
        kind = ELEMENTS.get(owner, {}).get(name)
        if kind is None:
            raise ValueError(f"{resource_type}.{path}: R4 has no {owner}.{name}")
        if step.selector and kind not in _SELECTABLE:
            raise ValueError(f"{resource_type}.{path}: a {kind} cannot be selected by [{step.selector}]")
        types.append(kind)
        owner, prefix = (owner, name) if kind == "BackboneElement" else (kind, "")
    return tuple(types)
