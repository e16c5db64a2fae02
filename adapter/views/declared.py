"""Recipients that no door serves by a view of their own: a letter on paper, numbers, a trainee of a unit (workflow.md 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from adapter.views.document import Mapped, fault
from adapter.views.matrix import Matrix

Way = Literal["paper", "counts", "unit"]
_HEAD = ("view", "version", "recipient", "title")
# What a declaration says, what it may list by data class, and the one cell of the matrix which that needs.
WAYS: Mapping[str, tuple[Way, object, str | None, str | None]] = {
    "electronic": ("paper", "none", "letter", "P"),
    "aggregate": ("counts", True, "counts", "agg"),
    "as_unit": ("unit", True, None, None),
}


@dataclass(frozen=True, slots=True)
class Declared:
    """`way`: paper (a letter handed to the person, who gives it or not), counts (numbers only), unit (the view of one's unit,
    on the files assigned to one; no `recipient` of its own). `classes`: what the letter may hold, or what may be counted."""

    name: str
    version: int
    recipient: str
    title: Mapping[str, str]
    way: Way
    classes: tuple[str, ...]


def declares(document: Mapped) -> str:
    """The key by which a document declares that there is no view; "" when it is a view."""
    return next((key for key in WAYS if key in document), "")


def declared(document: Mapped, name: str, matrix: Matrix) -> Declared:
    """Raises SettingsError(variable="name.yaml:LINE"): a key too many, elements listed, a class the matrix does not give."""
    key = declares(document)
    way, expected, listing, cell = WAYS[key]
    known = [each for each in (*_HEAD, key, listing) if each and (each != "recipient" or way != "unit")]
    for each in document:
        if each not in known:
            raise fault(name, document.lines[each], f"{key} shows nothing by itself: expected {', '.join(known)}, but found {each}")
    if document[key] != expected or isinstance(document[key], bool) != isinstance(expected, bool):
        raise fault(name, document.lines[key], f"expected {key}: {str(expected).lower()}")
    recipient = document.get("recipient", "")
    if way != "unit" and recipient not in matrix.rows:
        raise fault(name, document.lines.get("recipient", 1), f"the matrix has no recipient {recipient}")
    classes = document.get(listing, []) if listing else []
    for each in classes if isinstance(classes, list) else [classes]:
        if matrix.rows[recipient].get(str(each)) != cell or classes.count(each) > 1:
            raise fault(name, document.lines[str(listing)], f"{listing}: expected each once of the classes that the matrix gives as {cell}, but found {each}")
    if not isinstance(document.get("view"), str) or not isinstance(document.get("version"), int):
        raise fault(name, 1, "expected view and version")
    title = titled(document.get("title"), name, document.lines.get("title", 1))
    return Declared(document["view"], document["version"], recipient, title, way, tuple(map(str, classes)))


def titled(title: Any, name: str, line: int) -> dict[str, str]:
    """The title of a file in French and English. Raises SettingsError."""
    if not isinstance(title, dict) or set(title) != {"fr", "en"} or not all(isinstance(text, str) and text for text in title.values()):
        raise fault(name, line, "expected a title in fr and in en; quote a text that has a comma")
    return dict(title)
