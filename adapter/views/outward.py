"""What the view of another house may never say, whatever the matrix gives: which element is the same one somewhere else, by whom
and when it was touched, where to reach somebody who may not be reached (workflow.md 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapter.views.elements import steps_of
from adapter.views.matrix import STRUCTURE
from adapter.views.view import Rule

HEAD: Mapping[str, str | bool] = {"profile": "drop", "subsetted": True, "ids": "pairwise"}
HOUSE = ("groupIdentifier", "requisition", "lastModified")  # and an identifier that is structure; meta no view may list
CONTACT = ("address", "telecom")
REACHED = ("Patient", "RelatedPerson")


def head(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, what is expected) of each setting that the view of another house must have, and this one has not."""
    for key, value in HEAD.items():
        if type(document.get(key)) is not type(value) or document[key] != value:
            yield key, f"this view is another house's: expected {key}: {str(value).lower()}"


def element(kind: str, rule: Rule) -> str:
    """Why the view of another house may not list this line; "" when it may."""
    names = [step.name for step in steps_of(rule.path)]
    if names[0] in HOUSE or (names[0] == "identifier" and rule.cls == STRUCTURE):
        return f"{kind}.{rule.path} is the clinic's and the same for all: no view of another house lists it"
    if kind in REACHED and not {*CONTACT}.isdisjoint(names) and "safe" not in rule.conditions:
        return f"{kind}.{rule.path} may be where nobody should write or call: expected the condition safe"
    return ""
