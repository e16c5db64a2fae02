"""Bytes to the tree of an XML document, with nothing in it that could reach further than the bytes."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

from adapter.errors import Malformed

_SCHEMA = tuple(f"{{http://www.w3.org/2001/XMLSchema-instance}}{name}" for name in ("schemaLocation", "noNamespaceSchemaLocation"))
_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?(?>[ \t\r\n]+|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_ENCODING = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml\s[^>]*?encoding\s*=\s*[\"']([^\"']*)")


def xml_available() -> bool:
    """Is the library there that reads XML (the extra `xml`)? Without it, reading raises ImportError."""
    return find_spec("lxml") is not None


def root(body: bytes) -> Any:
    """The root element (lxml) of an XML document in UTF-8. Nothing is loaded, no entity is known but the five of XML.

    Raises Malformed (400): another encoding, or another declared; a document type, before the library sees it; no well-formed XML;
    256 levels, or a text longer than the 10 million bytes that libxml2 takes.
    """
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
        found = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:  # its text may hold values
        line, column = error.position
        raise Malformed(f"expected well-formed XML, nested less than 256 levels: see line {line}, column {column}") from None
    for name in _SCHEMA:  # where a schema might be found: many tools write it, and it says nothing of the resource
        found.attrib.pop(name, None)
    return found
