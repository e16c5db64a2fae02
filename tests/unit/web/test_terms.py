"""The code tables at their doors: open to all, JSON and XML, GET and POST."""

from __future__ import annotations

from typing import Any

import pytest

from adapter import fhir
from adapter.web.examples import code
from tests.unit.web.conftest import Door


def result(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return next(each["valueBoolean"] for each in answer.json()["parameter"] if each["name"] == "result")


@pytest.mark.parametrize(("type", "operation"), [("CodeSystem", "validate-code"), ("ValueSet", "validate-code"), ("ConceptMap", "translate")])
def test_tables_are_read_searched_and_asked_without_a_token(door: Door, type: str, operation: str) -> None:
    bundle = door("GET", f"/fhir/{type}").json()
    assert bundle["type"] == "searchset" and bundle["total"] == len(bundle["entry"]) > 1
    first = bundle["entry"][0]["resource"]
    assert door("GET", f"/fhir/{type}/{first['id']}").json() == first
    assert door("GET", f"/fhir/{type}", params={"url": first["url"]}).json()["entry"][0]["resource"] == first
    asked = {each["name"]: each.get("valueUri") or each["valueCode"] for each in code(type)["parameter"]}
    assert result(door("GET", f"/fhir/{type}/${operation}", params=asked)) is True
    assert result(door("POST", f"/fhir/{type}/${operation}", json=code(type))) is True
    assert result(door("GET", f"/fhir/{type}/${operation}", params=asked | {"code": "zyx"})) is False


def test_tables_speak_xml(door: Door) -> None:
    answer = door("GET", "/fhir/CodeSystem/need", headers={"Accept": "application/fhir+xml"})
    assert answer.headers["content-type"].startswith("application/fhir+xml")
    assert fhir.load(fhir.from_xml(answer.content)) == door("GET", "/fhir/CodeSystem/need").json()
    asked = door("POST", "/fhir/CodeSystem/$validate-code", content=fhir.to_xml(fhir.dumps(code("CodeSystem"))), headers={"Content-Type": "application/fhir+xml"})
    assert result(asked) is True


def test_a_coding_stands_for_its_system_and_code(door: Door) -> None:
    coding = {"system": "https://liaison.example/CodeSystem/need", "code": "isolement"}
    sent = {"resourceType": "Parameters", "parameter": [{"name": "url", "valueUri": "https://liaison.example/ValueSet/need"}, {"name": "coding", "valueCoding": coding}]}
    assert result(door("POST", "/fhir/ValueSet/$validate-code", json=sent)) is True


@pytest.mark.parametrize(("method", "path", "more", "status"), [
    ("GET", "/fhir/CodeSystem/zyx", {}, 404), ("GET", "/fhir/CodeSystem?zyx=1", {}, 400), ("GET", "/fhir/ValueSet/$validate-code", {}, 400),
    ("POST", "/fhir/ValueSet/$validate-code", {"json": {"resourceType": "Patient"}}, 400), ("POST", "/fhir/ValueSet/$validate-code", {"content": b"{"}, 400),
    ("POST", "/fhir/ConceptMap/$translate", {"json": {"resourceType": "Parameters", "parameter": [{"name": "code", "part": [{"name": "x", "valueCode": "x"}]}]}}, 400),
    ("GET", "/fhir/CodeSystem", {"headers": {"Accept": "text/turtle"}}, 406), ("DELETE", "/fhir/CodeSystem/need", {}, 401),
])  # fmt: skip
def test_what_is_not_offered_is_an_outcome(door: Door, method: str, path: str, more: dict[str, Any], status: int) -> None:
    answer = door(method, path, **more)
    assert answer.status_code == status and answer.json()["resourceType"] == "OperationOutcome"


def test_capability_tells_of_the_tables(door: Door) -> None:
    offered = {each["type"]: each for each in door("GET", "/fhir/metadata").json()["rest"][0]["resource"]}
    assert [each["name"] for each in offered["ConceptMap"]["operation"]] == ["translate"]
    assert {each["code"] for each in offered["ValueSet"]["interaction"]} == {"read", "search-type"}
    assert fhir.parse(door("GET", "/fhir/metadata").content, type="CapabilityStatement")
