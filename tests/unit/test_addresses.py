"""Addresses of other servers in what a client writes."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.addresses import asks, focus_there, may_wait, waits, within
from adapter.ehr import inward
from adapter.network import EhrEntry

BASE = "https://ehr.example/fhir"
EHR = EhrEntry("clinic", BASE)


@pytest.mark.parametrize("root", [BASE, f"{BASE}/"])
def test_place_right_under_the_base_is_known(root: str) -> None:
    assert within(f"{BASE}/Task/7", root) == within(f"{BASE}/Task/7/_history/3", root) == ("Task", "7")


@pytest.mark.parametrize("text", [
    "Task/7", "https://ehr.example/Task/7", f"{BASE}.evil.example/Task/7", f"{BASE}x/Task/7", f"{BASE}/../Task/7", f"{BASE}/Task/..", f"{BASE}/Task/.",
    f"{BASE}/Task/7?x=1", f"{BASE}/Task/7#x", f"{BASE}/Task", f"{BASE}/Task/7/8", f"{BASE}/other/Task/7", f"{BASE}//Task/7", f"{BASE}/Task/7\n", f"{BASE}/task/7",
    f"{BASE}/Task/%2e%2e", "https://user@ehr.example/fhir/Task/7", "urn:uuid:7", "#7", "", "HTTPS://ehr.example/fhir/Task/7", f"{BASE}/Task/{'7' * 65}",
])  # fmt: skip
def test_anything_else_is_not(text: str) -> None:
    assert within(text, BASE) == ("", "")
    assert within(text, "") == ("", "")


def task(focus: str, person: str = f"{BASE}/Patient/3", status: str = "draft") -> dict[str, Any]:
    return {"resourceType": "Task", "status": status, "focus": {"reference": focus}, "for": {"reference": person}}


def test_task_waits_for_a_request_of_the_clinics_own_ehr_only() -> None:
    there = task(f"{BASE}/ServiceRequest/9")
    assert focus_there(there, EHR) == "9" and waits(there, EHR)
    assert may_wait(there, EHR) == {f"{BASE}/ServiceRequest/9", f"{BASE}/Patient/3"}
    assert not waits(there | {"status": "requested"}, EHR) and not waits(there, None) and not waits(there, EhrEntry("clinic", BASE, level="none"))
    for focus in ("ServiceRequest/9", f"{BASE}/Task/9", "https://other.example/fhir/ServiceRequest/9"):
        assert not waits(task(focus), EHR) and may_wait(task(focus), EHR) == frozenset()
    for person in (f"{BASE}/ServiceRequest/9", f"{BASE}/RelatedPerson/3", "https://other.example/fhir/Patient/3"):
        assert person not in may_wait(task(f"{BASE}/ServiceRequest/9", person), EHR)


@pytest.mark.parametrize(("status", "wanted"), [("requested", True), ("received", True), ("draft", False), ("cancelled", False), (None, False)])
def test_task_asks_once_its_author_wants_it_sent(status: Any, wanted: bool) -> None:
    assert asks(task(f"{BASE}/ServiceRequest/9", status=status)) is wanted
    assert not asks({"resourceType": "Consent", "status": "requested"})


def test_address_of_our_own_leads_here_and_no_other_does() -> None:
    found, unknown = inward(
        {"resourceType": "Basic", "subject": {"reference": "https://we.example/fhir/Organization/x/_history/2"}, "author": {"reference": "https://we.example/fhirs/Task/1"}},
        lambda type, id: None, base_url=BASE, home="https://we.example/fhir",
    )  # fmt: skip
    assert found["subject"] == {"reference": "Organization/x"} and found["author"] == {"reference": "https://we.example/fhirs/Task/1"}
    assert [each.path for each in unknown] == ["Basic.author"]
