"""Narrative.div: a limited XHTML, checked as text and never shown as it came (txt-1, txt-2)."""

from __future__ import annotations

from xml.parsers import expat

NAMESPACE = "http://www.w3.org/1999/xhtml"
# The formatting elements of chapters 7 to 11 and 15 of HTML 4.0, a with name or href, images.
ELEMENTS = frozenset({
    "a", "abbr", "acronym", "address", "b", "big", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd", "del",
    "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "ol", "p", "pre", "q",
    "samp", "small", "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u",
    "ul", "var", "font", "center", "bdo", "s",
})
ATTRIBUTES = frozenset({
    "abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellhalign", "cellpadding", "cellspacing", "cellvalign",
    "char", "charoff", "charset", "cite", "class", "color", "colspan", "compact", "coords", "dir", "face", "frame", "headers",
    "height", "href", "hreflang", "hspace", "id", "lang", "longdesc", "name", "nowrap", "rel", "rev", "rowspan", "rules", "scope",
    "shape", "size", "span", "src", "start", "style", "summary", "tabindex", "title", "type", "valign", "value", "vspace", "width",
    "xml:lang", "xml:space", "xmlns",
})
_ACTIVE = ("javascript:", "vbscript:", "data:text")


class _Unfit(Exception):
    pass


def fault(div: str) -> str:
    """What is wrong with a narrative, or "": it must be one XHTML <div> of plain formatting, without scripts,
    forms, frames, event handlers or a document type, and with some text or an image."""
    parser = expat.ParserCreate(namespace_separator=None)
    seen: list[str] = []
    content: list[bool] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if (not seen and name != "div") or attributes.get("xmlns", NAMESPACE if seen else "") != NAMESPACE:
            raise _Unfit("expected one <div> in the XHTML namespace")
        if name not in ELEMENTS:
            raise _Unfit("holds an element that a narrative may not have")
        for attribute, value in attributes.items():
            if attribute not in ATTRIBUTES or "".join(value.split()).lower().startswith(_ACTIVE):
                raise _Unfit("holds an attribute that a narrative may not have")
        seen.append(name)
        if name == "img":
            content.append(True)

    def characters(text: str) -> None:
        if text.strip():
            content.append(True)

    def doctype(*_: object) -> None:
        raise _Unfit("may not have a document type")

    parser.StartElementHandler = start
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(div, True)
    except _Unfit as unfit:
        return str(unfit)
    except (expat.ExpatError, UnicodeEncodeError):
        return "expected well-formed XHTML"
    return "" if content else "expected some text or an image"
