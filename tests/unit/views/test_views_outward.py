"""What the view of another house may never say, asked of the rule itself (workflow.md 6)."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.views.matrix import STRUCTURE
from adapter.views.outward import HEAD, element, head
from adapter.views.view import Rule


def test_head_of_another_house_is_pairwise_subsetted_and_without_profile() -> None:
    whole: dict[str, Any] = {"profile": "drop", "subsetted": True, "ids": "pairwise", "title": "x"}
    assert list(head(whole)) == [] and whole == HEAD | {"title": "x"}
    assert [key for key, _ in head({})] == ["profile", "subsetted", "ids"]


@pytest.mark.parametrize(("key", "said"), [("subsetted", 1), ("subsetted", "true"), ("subsetted", False), ("ids", "local"), ("ids", None), ("profile", "keep"), ("profile", True)])
def test_setting_that_is_otherwise_is_told_alone_with_what_is_expected(key: str, said: object) -> None:
    expected = {"profile": "drop", "subsetted": "true", "ids": "pairwise"}[key]
    assert list(head({**HEAD, key: said})) == [(key, f"this view is another house's: expected {key}: {expected}")]


def why(kind: str, path: str, cls: str = "D1", *conditions: str) -> str:
    return element(kind, Rule(path, cls, frozenset({"open"}), frozenset(conditions), False, 1))


@pytest.mark.parametrize(
    ("kind", "path", "cls"),
    [("Task", "groupIdentifier", "D5"), ("ServiceRequest", "requisition.value", STRUCTURE), ("Task", "lastModified", "D5"), ("Task", "identifier.value", STRUCTURE)],
)  # fmt: skip
def test_element_that_is_the_same_for_all_is_the_houses(kind: str, path: str, cls: str) -> None:
    assert why(kind, path, cls) == f"{kind}.{path} is the clinic's and the same for all: no view of another house lists it"


@pytest.mark.parametrize(("kind", "path"), [("Patient", "address"), ("Patient", "telecom[phone]"), ("RelatedPerson", "address.city"), ("Patient", "contact.telecom")])
def test_contact_of_a_person_is_listed_where_it_is_safe_alone(kind: str, path: str) -> None:
    assert why(kind, path) == why(kind, path, "D1", "need", "mild") == f"{kind}.{path} may be where nobody should write or call: expected the condition safe"
    assert why(kind, path, "D1", "safe", "need") == ""


@pytest.mark.parametrize(
    ("kind", "path", "cls"),
    [("Patient", "identifier[nir].value", "D3"), ("Patient", "name.family", "D1"), ("Organization", "telecom", "D8"), ("PractitionerRole", "address", "D8"),
     ("Task", "owner.identifier", STRUCTURE), ("Task", "status", STRUCTURE), ("ServiceRequest", "performer.requisition", "D5")],
)  # fmt: skip
def test_all_else_may_be_listed(kind: str, path: str, cls: str) -> None:
    assert why(kind, path, cls) == ""
