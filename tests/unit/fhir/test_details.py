"""The stable codes of OperationOutcome.issue.details: each refusal has one, each one is in the list that people read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapter import errors, fhir
from adapter.errors import Issue, Refused
from adapter.fhir import details

ADAPTER = Path(__file__).resolve().parents[3] / "adapter"
CLASSES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Refused) and each is not Refused]


def code(outcome: fhir.outcome) -> str:  # type: ignore[valid-type]
    (coding,) = outcome["issue"][0]["details"]["coding"]  # type: ignore[index]
    assert coding["system"] == details.SYSTEM
    return str(coding["code"])


@pytest.mark.parametrize("refused", CLASSES)
def test_each_kind_of_refusal_has_a_code_that_is_listed(refused: type[Refused]) -> None:
    assert details.kind(refused.__mro__) in details.CODES
    assert code(fhir.outcome(refused("no"))) in details.CODES


def test_codes_that_the_source_names_are_listed() -> None:
    named = {found for file in ADAPTER.rglob("*.py") for found in re.findall(r'detail="([\w-]+)"', file.read_text("utf-8"))}
    assert {"illegal-move", "frozen", "reference", "scope"} <= named <= details.CODES.keys()


def test_issue_says_more_than_its_kind_where_it_can() -> None:
    assert code(fhir.outcome(errors.Invalid("no", detail="illegal-move"))) == "illegal-move"
    assert code(fhir.outcome(errors.Malformed("no", code="not-supported"))) == "not-offered"
    assert code(fhir.outcome(errors.Invalid("no"))) == "invalid"
    assert code(fhir.outcome([Issue("login", "no")])) == "unauthorized"
    assert code(fhir.outcome([Issue("zyx", "no")])) == "fault"
    assert code(fhir.outcome([])) == "well" and code(fhir.outcome([Issue("business-rule", "x", severity="warning")])) == "warning"
    assert code(fhir.outcome(errors.Unavailable("x"))) == "unavailable" and code(fhir.outcome(errors.StoreFault("x"))) == "fault"
