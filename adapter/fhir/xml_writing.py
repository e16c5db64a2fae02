"""to_xml(): a resource as the XML of FHIR R4, led by the element table."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import zip_longest
from typing import Any

from adapter.errors import Malformed
from adapter.fhir.elements import SIBLING, Field, element
from adapter.ports import Resource

NAMESPACE = "http://hl7.org/fhir"

_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Readers of XML turn a raw line end or tab in an attribute into a space.
_ESCAPES = {ord(sign): escape for sign, escape in {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}.items()}
_ESCAPED = re.compile('[&<>"\t\n\r]')
_DECLARATION = re.compile(r"\ufeff?(?:<\?xml\s.*?\?>)?", re.DOTALL)


def to_xml(body: bytes) -> bytes:
    """The FHIR XML (UTF-8, with its declaration, not indented) of the resource in `body`, JSON that `parse` took.

    Elements stand in the order of R4 whatever that of the members; numbers keep their text; `_x` becomes attribute and extensions
    of x; the narrative is put in as it is. A character that XML cannot hold (U+FFFE, U+FFFF) becomes U+FFFD.
    Raises Malformed (400) for a member that R4 has not, rather than to leave it out.
    """
    resource: Resource = json.loads(body, parse_float=str, parse_int=str)
    out = ['<?xml version="1.0" encoding="UTF-8"?>']
    _resource(resource, out, f' xmlns="{NAMESPACE}"')
    return "".join(out).encode()


@cache
def attributes(type: str) -> frozenset[str]:
    """What an object of this type (a resource's, `SIBLING`'s) has as attributes in XML, and not as elements."""
    return frozenset() if element(type).resource else frozenset({"id", "url"}) if type == "Extension" else frozenset({"id"})


@cache
def _order(type: str) -> dict[str, int]:
    """What stands inside an object, resourceType apart, by its place in R4."""
    return {name: position for position, name in enumerate(element(type).fields) if name not in attributes(type)}


def _resource(resource: Resource, out: list[str], written: str = "") -> None:
    type = resource["resourceType"]
    _object(type, type, {name: value for name, value in resource.items() if name != "resourceType"}, out, written)


def _object(tag: str, type: str, value: Resource, out: list[str], written: str = "") -> None:
    """Appends the element `tag` of an object; `written` are attributes that are no members of it."""
    aside, order, fields = attributes(type), _order(type), element(type).fields
    for name in sorted(aside & value.keys()):
        written += f' {name}="{_escaped(value[name])}"'
    members = {name.removeprefix("_") for name in value if name not in aside}
    if not members:
        out.append(f"<{tag}{written}/>")
        return
    if not members <= order.keys():
        raise Malformed("expected no members but those of FHIR R4", expression=type)
    out.append(f"<{tag}{written}>")
    for name in sorted(members, key=order.__getitem__):
        one, beside = value.get(name), value.get(f"_{name}")
        for pair in zip_longest(one or (), beside or ()) if fields[name].many else ((one, beside),):
            _element(fields[name], *pair, out)
    out.append(f"</{tag}>")


def _element(field: Field, value: Any, sibling: Resource | None, out: list[str]) -> None:
    """One element of `field`, given its value and what its `_x` says of it."""
    name = field.name
    if field.type == "xhtml":
        out.append(_DECLARATION.sub("", value, count=1))  # well-formed: `parse` saw to it
    elif field.primitive:
        written = "" if value is None else f' value="{_escaped(value)}"'
        _object(name, SIBLING, sibling or {}, out, written)
    elif field.type == "Resource":
        out.append(f"<{name}>")
        _resource(value, out)
        out.append(f"</{name}>")
    else:
        _object(name, field.type, value, out)


def _escaped(value: Any) -> str:
    """A primitive (numbers are text here) as the text of an attribute."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = _UNWRITABLE.sub("\ufffd", str(value))
    return text.translate(_ESCAPES) if _ESCAPED.search(text) else text
