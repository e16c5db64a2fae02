"""JSON and XML at the doors: what is negotiated, what is read and written, refusals too (R4 http, 3.1.0.1.11)."""

from __future__ import annotations

import json

import httpx
import pytest
from lxml import etree

from adapter import fhir
from tests.unit.web.conftest import Door
from tests.unit.web.test_interactions import Clinic, patient

XML = "application/fhir+xml"
F = "{http://hl7.org/fhir}"


@pytest.fixture
def clinic(door: Door) -> Clinic:
    return Clinic(door)


def tree(answer: httpx.Response) -> etree._Element:
    assert answer.headers["content-type"] == XML, answer.text
    return etree.fromstring(answer.content)


@pytest.mark.parametrize(("accept", "media"), [
    ("application/fhir+xml", XML), ("application/xml", XML), ("text/xml", XML), ("application/fhir+json", "application/fhir+json"), ("*/*", "application/fhir+json"),
    ("application/fhir+xml;q=0.5, application/fhir+json;q=0.9", "application/fhir+json"), ("application/fhir+json;q=0.4,application/fhir+xml;fhirVersion=4.0", XML),
    ("application/fhir+xml, application/fhir+json", "application/fhir+json"), ("text/html,application/xhtml+xml,*/*;q=0.8", "application/fhir+json"),
])  # fmt: skip
def test_answer_comes_in_what_the_client_likes_best(clinic: Clinic, accept: str, media: str) -> None:
    assert clinic("GET", "metadata", accept=accept).headers["content-type"] == media


@pytest.mark.parametrize(("format", "media"), [("xml", XML), ("json", "application/fhir+json"), ("application/fhir%2Bxml", XML), ("application/fhir+xml", XML)])
def test_format_in_the_address_stands_above_accept(clinic: Clinic, format: str, media: str) -> None:
    assert clinic("GET", f"metadata?_format={format}", accept="application/fhir+json").headers["content-type"] == media
    assert clinic("GET", f"metadata?_format={format}", accept="application/fhir+xml").headers["content-type"] == media


@pytest.mark.parametrize("headers", [{"accept": "text/turtle"}, {"accept": "application/fhir+json;q=0"}, {"accept": "image/png"}])
def test_client_that_takes_neither_gets_406(clinic: Clinic, headers: dict[str, str]) -> None:
    assert clinic("GET", "Patient", **headers).status_code == 406
    assert clinic("GET", "Patient?_format=turtle").status_code == 406


def test_what_is_sent_in_xml_comes_back_in_both(clinic: Clinic) -> None:
    body = json.dumps(patient(extension=[{"url": "http://example.org/w", "valueDecimal": 7.5}])).replace("7.5", "7.50").encode()
    made = clinic("POST", "Patient", fhir.to_xml(body), XML, accept=XML)
    assert made.status_code == 201 and tree(made).tag == f"{F}Patient"
    place = f"Patient/{tree(made).find(f'{F}id').get('value')}"  # type: ignore[union-attr]
    assert b'"valueDecimal":7.50' in clinic("GET", place).content
    assert tree(clinic("GET", place, accept=XML)).find(f"{F}extension/{F}valueDecimal").get("value") == "7.50"  # type: ignore[union-attr]
    found = tree(clinic("GET", "Patient", accept=XML))
    assert found.tag == f"{F}Bundle" and found.find(f"{F}entry/{F}resource/{F}Patient") is not None
    assert tree(clinic("GET", f"{place}/_history", accept=XML)).find(f"{F}type").get("value") == "history"  # type: ignore[union-attr]


def test_transaction_and_validate_speak_xml(clinic: Clinic) -> None:
    asked = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": patient(), "request": {"method": "POST", "url": "Patient"}}]}
    done = clinic("POST", "", fhir.to_xml(json.dumps(asked).encode()), XML, accept=XML)
    assert tree(done).find(f"{F}entry/{F}response/{F}status").get("value") == "201 Created"  # type: ignore[union-attr]
    told = clinic("POST", "Patient/$validate", fhir.to_xml(json.dumps(patient()).encode()), XML, accept=XML)
    assert tree(told).find(f"{F}issue/{F}severity").get("value") == "information"  # type: ignore[union-attr]


@pytest.mark.parametrize("body", [
    b"<Patient", b"", b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"><id value="&e;"/></Patient>',
    b'<Patient xmlns="urn:other"/>', b'<Patient xmlns="http://hl7.org/fhir"><Zyx value="1"/></Patient>', b"<x>" * 5000,
    b'<Patient xmlns="http://hl7.org/fhir"><gender value="Zyx"/></Patient>',
])  # fmt: skip
def test_bad_xml_is_refused_with_an_outcome_in_xml(clinic: Clinic, body: bytes) -> None:
    answer = clinic("POST", "Patient", body, XML, accept=XML)
    assert answer.status_code == 400 and tree(answer).tag == f"{F}OperationOutcome"
    assert "Zyx" not in answer.text and "passwd" not in answer.text


def test_schema_location_means_nothing(clinic: Clinic) -> None:
    named = b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir patient.xsd"'
    body = fhir.to_xml(json.dumps(patient()).encode()).replace(b"<Patient ", b"<Patient " + named + b" ")
    assert named in body and clinic("POST", "Patient", body, XML).status_code == 201


def test_refusals_without_a_unit_are_in_xml_too(clinic: Clinic, door: Door) -> None:
    assert tree(clinic("GET", "Zyx/1", accept=XML)).tag == f"{F}OperationOutcome"
    assert tree(door("GET", "/fhir/Task", headers={"Accept": XML})).tag == f"{F}OperationOutcome"
    assert clinic("POST", "Patient", b"<x/>", "application/fhir+xml; charset=latin-1").status_code == 415
    assert clinic("POST", "Patient", b"<x/>", XML, content_encoding="gzip").status_code == 415


def test_another_release_of_fhir_is_not_spoken(clinic: Clinic) -> None:
    other = "application/fhir+json; fhirVersion=3.0"
    assert clinic("GET", "metadata", accept=other).status_code == 406
    assert clinic("GET", "metadata", accept=f"{other}, application/fhir+xml;fhirVersion=4.0").headers["content-type"] == XML
    assert clinic("POST", "Patient", patient(), other).status_code == 415
    assert clinic("POST", "Patient", patient(), "application/fhir+json; fhirVersion=4.0; charset=utf-8").status_code == 201
