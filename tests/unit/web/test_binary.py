"""Documents on `/fhir`: as a resource and as their bytes, of known kinds, and gone with the person they are about."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from adapter.attachments import check_attachments
from adapter.errors import Invalid
from adapter.traces import of_person
from tests.e2e.stage import Stage
from tests.unit.web.conftest import Door
from tests.unit.web.test_interactions import Clinic, issue, patient

PDF = b"%PDF-1.7 invented"


@pytest.fixture
def clinic(door: Door) -> Clinic:
    return Clinic(door)


def document(person: str, data: bytes = PDF, kind: str = "application/pdf") -> dict[str, Any]:
    return {"resourceType": "Binary", "contentType": kind, "securityContext": {"reference": person}, "data": base64.b64encode(data).decode()}


def test_document_is_given_as_bytes_or_as_a_resource_as_the_client_likes(clinic: Clinic) -> None:
    person = f"Patient/{clinic.made(patient())['id']}"
    sent = clinic("POST", "Binary", PDF, "application/pdf", x_security_context=person)
    assert sent.status_code == 201, sent.text
    place = sent.headers["location"].rpartition("/fhir/")[2].partition("/_history")[0]
    for accept in ("application/pdf", "*/*", "image/png"):
        found = clinic("GET", place, accept=accept)
        assert (found.content, found.headers["content-type"], found.headers["content-disposition"]) == (PDF, "application/pdf", "attachment")
    assert "sandbox" in found.headers["content-security-policy"] and found.headers["etag"] == 'W/"1"'
    resource = clinic("GET", place, accept="application/fhir+json").json()
    assert resource["securityContext"] == {"reference": person} and base64.b64decode(resource["data"]) == PDF
    assert clinic("GET", f"{place}?_format=json").json() == resource
    same = clinic.made(document(person))
    assert clinic("GET", f"Binary/{same['id']}/_history/1", accept="application/pdf").content == PDF


@pytest.mark.parametrize(("kind", "data"), [
    ("application/pdf", b"<html>"), ("image/png", PDF), ("text/html", b"<html>"), ("application/x-msdownload", b"MZ"), ("text/plain", b"\xff\xfe"),
    ("text/plain", b"a\x00b"), ("", PDF),
])  # fmt: skip
def test_document_of_another_kind_than_it_says_is_refused(clinic: Clinic, kind: str, data: bytes) -> None:
    person = f"Patient/{clinic.made(patient())['id']}"
    answer = clinic("POST", "Binary", document(person, data, kind))
    assert answer.status_code in (400, 422) and "entry" not in clinic("GET", "Binary").json()
    reference = {"resourceType": "DocumentReference", "status": "current", "subject": {"reference": person},
                 "content": [{"attachment": {"contentType": kind or "text/html", "data": base64.b64encode(data).decode()}}]}  # fmt: skip
    assert clinic("POST", "DocumentReference", reference).status_code in (400, 422)


def test_raw_document_of_another_kind_is_415_and_one_of_nobody_422(clinic: Clinic) -> None:
    assert clinic("POST", "Binary", b"<html>", "text/html").status_code == 415
    refused = clinic("POST", "Binary", PDF, "application/pdf")
    assert refused.status_code == 422 and issue(refused)["expression"] == ["Binary.securityContext"]
    assert clinic("POST", "Binary", PDF, "application/pdf", x_security_context="Patient/none").status_code == 422


def test_document_is_found_when_its_person_is_erased(clinic: Clinic, stage: Stage) -> None:
    person = f"Patient/{clinic.made(patient())['id']}"
    made = clinic.made(document(person))
    seen = clinic.made({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": person}})
    found = {version.reference for version in stage.app.read_now(lambda _, uow: list(of_person(uow, person)))}
    assert found == {person, f"Binary/{made['id']}", f"Observation/{seen['id']}"}


def test_document_of_another_clinic_is_absent(clinic: Clinic, door: Door) -> None:
    made = clinic.made(document(f"Patient/{clinic.made(patient())['id']}"))
    for accept in ("application/pdf", "application/fhir+json"):
        assert door("GET", f"/fhir/Binary/{made['id']}", headers=door.token("coursiers") | {"Accept": accept}).status_code == 404


def test_text_without_a_document_is_none_of_our_business() -> None:
    check_attachments({"resourceType": "DocumentReference", "content": [{"attachment": {"url": "Binary/1"}}]})
    with pytest.raises(Invalid):
        check_attachments({"resourceType": "Binary", "contentType": "application/pdf", "data": "%%%", "securityContext": {"reference": "Patient/1"}})
