"""The check of codes against those seen elsewhere: what it lets through, what it refuses, what a waiver covers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.profiles.seen import SDOHCC, Codes

pytestmark = pytest.mark.shared
SNOMED = "http://snomed.info/sct"


def request(domain: str, *codes: str, type: str = "ServiceRequest") -> dict[str, Any]:
    category = {"coding": [{"system": SDOHCC, "code": domain}]}
    return {"resourceType": type, "category": [category] if type == "ServiceRequest" else category, "code": {"coding": [{"system": SNOMED, "code": code} for code in codes]}}


def test_codes_pass_when_one_of_them_was_seen_for_the_domain() -> None:
    assert Codes().against(request("food-insecurity", "1", "713109004")) == []
    assert Codes().against(request("food-insecurity", "710925007", type="Procedure")) == []


def test_codes_pass_when_seen_for_one_of_several_domains() -> None:
    both = request("housing-instability", "713109004")
    both["category"] += request("food-insecurity")["category"]
    assert Codes().against(both) == []


@pytest.mark.parametrize(("type", "rule"), [("ServiceRequest", "serv-1"), ("Procedure", "proc-1")])
def test_codes_are_refused_when_none_was_seen_and_no_waiver_covers_the_domain(type: str, rule: str) -> None:
    (said,) = Codes(waivers=[]).against(request("food-insecurity", "1", type=type))
    assert said.startswith(rule) and "food-insecurity" in said


def test_codes_are_waived_and_counted_when_the_domain_is_closed() -> None:
    codes = Codes()
    assert codes.against(request("financial-insecurity", "308440001")) == []
    assert codes.used == {"closed-domains": 1}


def test_codes_are_refused_when_the_waiver_is_of_the_other_rule() -> None:
    codes = Codes(waivers=[{"name": "other", "rule": "proc-1", "domain": ".*", "why": ""}])
    assert len(codes.against(request("financial-insecurity", "308440001"))) == 1
