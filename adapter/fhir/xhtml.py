"""The XHTML of a narrative as the text that JSON holds it in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.fhir.narrative import ATTRIBUTES, NAMESPACE

_HTML, _XML = f"{{{NAMESPACE}}}", "{http://www.w3.org/XML/1998/namespace}"
_IN_TEXT = {ord(sign): escape for sign, escape in {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}.items()}
_IN_ATTRIBUTE = {**_IN_TEXT, ord('"'): "&quot;", ord("\t"): "&#9;", ord("\n"): "&#10;"}


def text(div: Any) -> str | None:
    """An element of lxml as XHTML without prefixes, the namespace declared once, what is empty as `<p/>`; None where anything in it
    is of another namespace, or has more attributes than XHTML knows. White space, comments and processing instructions stay."""
    try:
        return "".join(_pieces(div))
    except ValueError:
        return None


def _pieces(div: Any) -> Iterator[str]:
    """Without recursion: the depth is the sender's choice."""
    from lxml import etree

    for event, node in etree.iterwalk(div, events=("start", "end", "comment", "pi")):
        if event == "start":
            opening = f"<{_name(node.tag)}" + (f' xmlns="{NAMESPACE}"' if node is div else "") + "".join(_attributes(node))
            yield f"{opening}/>" if _bare(node) else f"{opening}>{(node.text or '').translate(_IN_TEXT)}"
            continue
        if event == "comment":
            yield f"<!--{node.text}-->"
        elif event == "pi":
            yield f"<?{node.target} {node.text or ''}?>"
        elif not _bare(node):
            yield f"</{_name(node.tag)}>"
        if node is not div:
            yield (node.tail or "").translate(_IN_TEXT)


def _bare(node: Any) -> bool:
    return not len(node) and not node.text


def _name(tag: str) -> str:
    if not tag.startswith(_HTML):
        raise ValueError
    return tag.removeprefix(_HTML)


def _attributes(node: Any) -> Iterator[str]:
    if len(node.keys()) > len(ATTRIBUTES):  # which they may be is for the validator to say, but `items` takes the square of their number
        raise ValueError
    for name, value in node.items():
        if name.startswith("{") and not name.startswith(_XML):
            raise ValueError
        yield f' {name.replace(_XML, "xml:")}="{value.translate(_IN_ATTRIBUTE)}"'
