"""from_xml(): FHIR XML in, the JSON of the same resource out, led by the element table."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from typing import Any, NoReturn

import orjson

from adapter.errors import Issue, Malformed
from adapter.fhir import narrative, schema, xhtml
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
_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?(?>[ \t\r\n]+|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_ENCODING = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml\s[^>]*?encoding\s*=\s*[\"']([^\"']*)")


def xml_available() -> bool:
    """Is the library there that reads XML (the extra `xml`)? Without it `from_xml` raises ImportError."""
    return find_spec("lxml") is not None


def from_xml(body: bytes) -> bytes:
    """The compact JSON of the FHIR XML in `body`, for `parse` to check: values are taken as they are written, the text of numbers
    included (7.10 stays 7.10, and what is no number of JSON stays a string).

    Any prefix may stand for the namespace; comments, processing instructions and white space mean nothing. Elements are taken in any
    order: R4 has one, but no order changes the meaning, since repeated elements keep theirs.
    Raises Malformed (400) with the place of the first fault: no XML in UTF-8, a document type (so no entities), an element, attribute
    or text that R4 has not, an element twice that does not repeat, nesting that JSON may not have either.
    """
    return orjson.dumps(_resource(_parsed(body), ()))


def _parsed(body: bytes) -> Any:
    """The root element. A document type is refused before the library sees it."""
    from lxml import etree

    declared = _ENCODING.match(body)
    if declared and declared[1].lower() != b"utf-8":
        raise Malformed("expected XML in UTF-8, and declared as such or not at all")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"expected XML in UTF-8, not compressed; byte {error.start + 1} is not of UTF-8") from None
    prolog = _PROLOG.match(body)
    if prolog and body.startswith(b"<!DOCTYPE", prolog.end()):
        raise Malformed("expected XML without a document type: FHIR has no entities")
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, dtd_validation=False, attribute_defaults=False, no_network=True,
        huge_tree=False, collect_ids=False,
    )  # fmt: skip
    try:
        return etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:  # its text may hold values
        line, column = error.position
        raise Malformed(f"expected well-formed XML, nested less than 256 levels: see line {line}, column {column}") from None


@cache
def _elements(type: str) -> dict[str, Field]:
    """The elements of a type by their names as lxml gives them."""
    aside = attributes(type)
    namespaces = {True: narrative.NAMESPACE, False: NAMESPACE}
    return {f"{{{namespaces[field.type == 'xhtml']}}}{name}": field for name, field in element(type).fields.items() if name not in aside}


def _resource(node: Any, at: Place) -> Resource:
    """The resource in the element named after its type."""
    type = node.tag.removeprefix(f"{{{NAMESPACE}}}")
    if fault := ("structure", f"expected a resource in the namespace {NAMESPACE}") if type == node.tag else schema.unfit(type):
        _refuse(at, fault[1], code=fault[0])
    return {"resourceType": type, **_object(node, type, at or (type,))}


def _object(node: Any, type: str, at: Place) -> Resource:
    """The members of an object but for resourceType. A primitive is read as its `_x`, plus a member `value`."""
    if len(at) > DEEPEST:
        _refuse(at, f"expected at most {DEEPEST} levels of objects and arrays", code="too-long")
    found: Resource = dict(node.items())
    if not found.keys() <= {*attributes(type), *(("value",) if type == SIBLING else ())}:
        _refuse(at, "has an attribute that it has not in FHIR R4")
    listed: set[str] = set()  # arrays of primitives, in which null may stand
    for number, child in enumerate(_children(node, at), start=1):
        field = _elements(type).get(child.tag)
        if field is None:
            _refuse((*at, child.tag.rpartition("}")[2]), f"is no element of this type in FHIR R4, by name and namespace (number {number} of its parent)")
        name = field.name
        if field.many:
            values = found.setdefault(name, [])
            here = (*at, name, len(values))
        else:
            here = (*at, name)
            if name in found or f"_{name}" in found:
                _refuse(here, "stands twice, and does not repeat")
        if not field.primitive:
            value, sibling = _resource(_only(child, here), here) if field.type == "Resource" else _object(child, field.type, here), None
        else:
            value, sibling = _primitive(child, field, here)
        if field.many:
            values.append(value)
            if field.primitive:
                listed.add(name)
                found.setdefault(f"_{name}", []).append(sibling)
        else:
            found |= {key: one for key, one in ((name, value), (f"_{name}", sibling)) if one is not None}
    for name in listed:
        for key in (name, f"_{name}"):
            if not any(one is not None for one in found[key]):
                del found[key]
    return found


def _primitive(node: Any, field: Field, at: Place) -> tuple[Any, Resource | None]:
    """(value, its `_x`), None for what is not there."""
    if field.type == "xhtml":
        return _narrative(node, at), None
    beside = _object(node, SIBLING, at)
    text = beside.pop("value", None)
    if text is None and not beside:
        _refuse(at, "is empty: expected a value or an extension")
    return None if text is None else _value(field.type, text), beside or None


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


def _only(node: Any, at: Place) -> Any:
    """The one resource in `contained` and the like, which itself has no attributes."""
    children = _children(node, at)
    if len(children) != 1 or node.items():
        _refuse(at, "expected one resource, and no attribute")
    return children[0]


def _children(node: Any, at: Place) -> list[Any]:
    """The elements in `node`, in which no text may stand."""
    if (node.text or "").strip(_SPACE) or any((child.tail or "").strip(_SPACE) for child in node):
        _refuse(at, "expected no text between the elements")
    return [child for child in node if isinstance(child.tag, str)]


def _refuse(at: Place, text: str, *, code: str = "structure") -> NoReturn:
    refuse([Issue(code, text, expression(str(at[0]), at[1:]) if at else "")])
