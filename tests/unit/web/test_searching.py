"""Searches at the door of a clinic: includes, chains, totals, lenient handling, pages that keep how they look (R4 search)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.web.conftest import Door
from tests.unit.web.test_interactions import Clinic, issue, patient


@pytest.fixture
def clinic(door: Door) -> Clinic:
    return Clinic(door)


def modes(bundle: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["resource"]["resourceType"], each["search"]["mode"]) for each in bundle.get("entry", ())]


def test_include_brings_what_a_match_names_and_revinclude_what_names_it(clinic: Clinic) -> None:
    person, request, task = clinic.referral()
    found = clinic("GET", f"Task?_id={task['id']}&_include=Task:focus&_include=Task:patient").json()
    assert modes(found) == [("Task", "match"), ("ServiceRequest", "include"), ("Patient", "include")]
    assert [each["resource"]["id"] for each in found["entry"]] == [task["id"], request["id"], person["id"]]
    back = clinic("GET", f"ServiceRequest?_id={request['id']}&_revinclude=Task:focus").json()
    assert modes(back) == [("ServiceRequest", "match"), ("Task", "include")]
    assert clinic("GET", "Task?_include=Task:zyx").status_code == 400


def test_chain_asks_the_person_behind_a_request(clinic: Clinic) -> None:
    _, request, task = clinic.referral()
    for query in ("ServiceRequest?patient.identifier=urn:ipp|7", "ServiceRequest?subject:Patient.family=invente", "Task?patient.family=Invente"):
        assert [each["resource"]["id"] for each in clinic("GET", query).json().get("entry", ())] in ([request["id"]], [task["id"]]), query
    assert "entry" not in clinic("GET", "ServiceRequest?patient.identifier=urn:ipp|8").json()
    assert clinic("GET", "ServiceRequest?patient.zyx=1").status_code == 400


def test_total_is_told_when_asked_and_a_count_alone_has_no_entries(clinic: Clinic) -> None:
    for number in range(3):
        clinic.made(patient(str(number)))
    assert clinic("GET", "Patient?_count=2&_total=accurate").json()["total"] == 3
    assert "total" not in clinic("GET", "Patient?_count=2").json()
    alone = clinic("GET", "Patient?_summary=count").json()
    assert alone["total"] == 3 and "entry" not in alone


def test_lenient_handling_tells_what_it_left_out(clinic: Clinic) -> None:
    clinic.made(patient())
    strict, lenient = clinic("GET", "Patient?zyx=1"), clinic("GET", "Patient?zyx=1", prefer="handling=lenient")
    assert (strict.status_code, issue(strict)["code"], lenient.status_code) == (400, "not-supported", 200)
    assert modes(lenient.json()) == [("Patient", "match"), ("OperationOutcome", "outcome")]
    assert lenient.json()["entry"][1]["resource"]["issue"][0]["severity"] == "warning" and "zyx" not in lenient.text


def test_pages_keep_how_the_answer_looks(clinic: Clinic) -> None:
    for number in range(3):
        clinic.made(patient(str(number)))
    page = clinic("GET", "Patient?_count=2&_elements=identifier&_sort=-_lastUpdated").json()
    following = next(each["url"] for each in page["link"] if each["relation"] == "next").rpartition("/fhir/")[2]
    (last,) = clinic("GET", following).json()["entry"]
    assert set(last["resource"]) == {"resourceType", "id", "meta", "identifier"}


def test_decimals_of_what_a_search_finds_keep_their_text(clinic: Clinic) -> None:
    weight = b'{"url":"http://example.org/w","valueDecimal":7.10}'
    clinic("POST", "Patient", b'{"resourceType":"Patient","extension":[' + weight + b"]}")
    assert weight in clinic("GET", "Patient").content and weight in clinic("GET", "Patient/_history").content


def ids(clinic: Clinic, query: str) -> list[str]:
    return [each["resource"]["id"] for each in clinic("GET", query).json().get("entry", ())]


@pytest.mark.parametrize(("query", "meets"), [
    ("birthdate=1938", True), ("birthdate=1938-02", True), ("birthdate=1938-02-03", True), ("birthdate=1939", False), ("birthdate=1938-03", False),
    ("family:exact=de La Tour", True), ("family:exact=Tour", False), ("family:exact=de la tour", False), ("family=tour", True),
    ("family:exact=de La Tour|", False), ("gender=http://hl7.org/fhir/administrative-gender|female", True), ("gender=urn:x|female", False),
])  # fmt: skip
def test_search_means_what_fhir_says_where_only_digests_are_kept(clinic: Clinic, query: str, meets: bool) -> None:
    born = {"birthDate": "1938-02-03", "gender": "female", "name": [{"family": "de La Tour", "given": ["Anne"]}]}
    made = clinic.made(patient() | born)
    assert ids(clinic, f"Patient?{query}") == ([made["id"]] if meets else [])


def own(bundle: dict[str, Any]) -> str:
    return str(next(each["url"] for each in bundle["link"] if each["relation"] == "self").rpartition("/fhir/")[2])


def test_self_link_tells_what_was_used_and_nothing_of_a_person(clinic: Clinic) -> None:
    clinic.referral()
    assert own(clinic("GET", "Task?status=draft&_sort=-_lastUpdated&_count=5&_format=json").json()) == "Task?status=draft&_sort=-_lastUpdated&_count=5&_format=json"
    assert own(clinic("GET", "Patient?family:exact=Invente&gender=female").json()) == "Patient?gender=female"
    assert own(clinic("GET", "Task?patient.family=Invente&patient:identifier=urn:ipp|7&status:not=draft").json()) == "Task?status:not=draft"
    lenient = clinic("GET", "Patient?Invente=1&_Invente=2&_sort=zyx&active=true", prefer="handling=lenient").json()
    assert own(lenient) == "Patient?active=true"
    assert own(clinic("GET", "Patient").json()) == "Patient"


def test_parameter_of_another_type_is_named_and_any_other_word_is_not(clinic: Clinic) -> None:
    assert issue(clinic("GET", "Task?birthdate=1938-02-03"))["expression"] == ["birthdate"]
    assert issue(clinic("GET", "Task?Durand=1"))["expression"] == ["?"]
