"""from_xml(): FHIR XML in, the JSON of the same resource out, led by the element table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NoReturn

import orjson

from adapter.errors import Issue
from adapter.fhir import narrative, schema, xhtml, xml_document
from adapter.fhir.elements import SIBLING, Field, element
from adapter.fhir.gaps import DEEPEST
from adapter.fhir.paths import expression
from adapter.fhir.reading import refuse
from adapter.fhir.xml_writing import NAMESPACE, attributes
from adapter.ports import Resource

Place = tuple[str | int, ...]  # the type of the root, then the steps below it; as long as the JSON is deep

_NUMBERS = frozenset({"decimal", "integer", "positiveInt", "unsignedInt"})
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")  # RFC 8259
_SPACE = " \t\r\n"


def from_xml(body: bytes) -> bytes:
    """The compact JSON of the FHIR XML in `body`, for `parse` to check: values are taken as they are written, the text of numbers
    included (7.10 stays 7.10, and what is no number of JSON stays a string).

    Any prefix may stand for the namespace; comments, processing instructions, white space and `xsi:schemaLocation` mean nothing. Elements are taken in any
    order: R4 has one, but no order changes the meaning, since repeated elements keep theirs.
    Raises Malformed (400) with the place of the first fault: no XML in UTF-8, a document type (so no entities), an element, attribute
    or text that R4 has not, an element twice that does not repeat, nesting that JSON may not have either.
    """
    return orjson.dumps(_resource(xml_document.root(body), ()))


@cache
def _elements(type: str) -> dict[str, Field]:
    """What stands inside an object of this type, by its name as lxml gives it."""
    namespaces = {True: narrative.NAMESPACE, False: NAMESPACE}
    fields = {name: field for name, field in element(type).fields.items() if name not in attributes(type)}
    return {f"{{{namespaces[field.type == 'xhtml']}}}{name}": field for name, field in fields.items()}


@cache
def _attributes(type: str) -> frozenset[str]:
    """A primitive is read as its `_x`, which then has a member `value`."""
    return attributes(type) | {"value"} if type == SIBLING else attributes(type)


@cache
def _padded(type: str) -> frozenset[str]:
    """The arrays in which null may stand: of primitives, and their `_x`."""
    names = [name for name, field in element(type).fields.items() if field.many and field.primitive]
    return frozenset({*names, *(f"_{name}" for name in names)})


def _resource(node: Any, at: Place) -> Resource:
    """The resource in the element named after its type."""
    type = node.tag.removeprefix(f"{{{NAMESPACE}}}")
    if fault := ("structure", f"expected a resource in the namespace {NAMESPACE}") if type == node.tag else schema.unfit(type):
        _refuse(at, fault[1], code=fault[0])
    return {"resourceType": type, **_object(node, type, at or (type,))}


def _object(node: Any, type: str, at: Place) -> Resource:
    """The members of an object, resourceType apart."""
    if len(at) > DEEPEST:
        _refuse(at, f"expected at most {DEEPEST} levels of objects and arrays", code="too-long")
    if not _attributes(type).issuperset(node.keys()):  # before `items`, which takes the square of their number
        _refuse(at, "has an attribute that it has not in FHIR R4")
    found: Resource = dict(node.items())
    elements = _elements(type)
    for number, child in enumerate(_children(node, at), start=1):
        field = elements.get(child.tag)
        if field is None:
            _refuse((*at, child.tag.rpartition("}")[2]), f"is no element of this type in FHIR R4, by name and namespace (number {number} of its parent)")
        _add(found, field, child, at)
    for name in _padded(type) & found.keys():
        if all(one is None for one in found[name]):
            del found[name]
    return found


def _add(found: Resource, field: Field, node: Any, owner: Place) -> None:
    """Adds one element to the members of its owner."""
    name, beside = field.name, f"_{field.name}"
    at = (*owner, name, len(found.get(name, ()))) if field.many else (*owner, name)
    if not field.many and (name in found or beside in found):
        _refuse(at, "stands twice, and does not repeat")
    value, sibling = _primitive(node, field.type, at) if field.primitive else (_complex(node, field.type, at), None)
    if not field.many:
        found |= {key: one for key, one in ((name, value), (beside, sibling)) if one is not None}
        return
    found.setdefault(name, []).append(value)
    if field.primitive:
        found.setdefault(beside, []).append(sibling)


def _complex(node: Any, type: str, at: Place) -> Resource:
    if type != "Resource":
        return _object(node, type, at)
    children = list(_children(node, at))
    if len(children) != 1 or node.keys():
        _refuse(at, "expected one resource, and no attribute")
    return _resource(children[0], at)


def _primitive(node: Any, type: str, at: Place) -> tuple[Any, Resource | None]:
    """(value, its `_x`), None for what is not there."""
    if type == "xhtml":
        return _narrative(node, at), None
    if node.keys() == ["value"] and not len(node) and not node.text:  # as nearly all are
        return _value(type, node.get("value")), None
    beside = _object(node, SIBLING, at)
    text = beside.pop("value", None)
    if text is None and not beside:
        _refuse(at, "is empty: expected a value or an extension")
    return None if text is None else _value(type, text), beside or None


def _value(type: str, text: str) -> Any:
    if type == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if type in _NUMBERS and _NUMBER.fullmatch(text):
        return orjson.Fragment(text)
    return text


def _narrative(div: Any, at: Place) -> str:
    text = xhtml.text(div)
    if text is None:
        _refuse(at, "expected XHTML alone")
    return text


def _children(node: Any, at: Place) -> Iterator[Any]:
    """The elements in `node`, in which no text may stand."""
    _blank(node.text, at)
    for child in node:
        _blank(child.tail, at)
        if isinstance(child.tag, str):  # not so for comments and processing instructions
            yield child


def _blank(text: str | None, at: Place) -> None:
    if text and text.strip(_SPACE):
        _refuse(at, "expected no text between the elements")


def _refuse(at: Place, text: str, *, code: str = "structure") -> NoReturn:
    refuse([Issue(code, text, expression(str(at[0]), at[1:]) if at else "")])
