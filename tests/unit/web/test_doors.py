"""The doors over ASGI: tokens, FHIR, intake, views, health. No network."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.e2e.stage import CALL, Stage
from tests.unit.web.conftest import SECRET, Door, door, stage  # noqa: F401 - others take the fixtures from here


def agreed() -> dict[str, Any]:
    yes = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}
    return CALL | {"accord_medecin": yes, "accord_patient": yes}


def test_token_is_refused_for_a_wrong_secret_and_an_unknown_client_alike(door: Door) -> None:
    answers = [door("POST", "/oauth/token", data={"grant_type": "client_credentials"}, auth=pair) for pair in (("coursiers", "no"), ("nobody", "no"))]
    assert [each.status_code for each in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()


def test_token_needs_the_right_grant_type_A_13(door: Door) -> None:
    assert door("POST", "/oauth/token", data={"grant_type": "password"}).status_code == 400
    assert door("GET", "/oauth/token").status_code == 405


@pytest.mark.parametrize("path", ["/fhir/Task/1", "/fhir/Task", "/views/saad/referrals"])
def test_doors_answer_401_without_a_good_token_A_18(door: Door, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer nothing"}):
        answer = door("GET", path, headers=headers)
        assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_intake_is_idempotent_and_refuses_another_body(door: Door) -> None:
    who = door.token("coursiers")
    first = door("POST", "/intake/appel-coursier", json=agreed(), headers=who)
    again = door("POST", "/intake/appel-coursier", json=agreed(), headers=who)
    other = door("POST", "/intake/appel-coursier", json=agreed() | {"besoins": ["isolement"]}, headers=who)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
    assert first.json() == again.json() and again.headers["idempotency-replayed"] == "true"
    assert first.json()["status"] == "requested"


def test_card_is_accepted_with_its_etag_only(door: Door) -> None:
    who = door.token("coursiers")
    door("POST", "/intake/appel-coursier", json=agreed(), headers=who)
    card = door("GET", "/views/coursier-dac-asso/referrals", headers=who).json()["referrals"][0]
    path = f"/views/coursier-dac-asso/referrals/{card['id']}"
    read = door("GET", path, headers=who)
    assert read.headers["etag"] == f'W/"{card["etag"]}"' and read.headers["cache-control"] == "no-store"
    assert door("POST", f"{path}/accept", headers=who).status_code == 428
    assert door("POST", f"{path}/accept", headers=who | {"If-Match": 'W/"old"'}).status_code == 412
    assert door("POST", f"{path}/accept", headers=who | {"If-Match": read.headers["etag"]}).json()["state"] == "accepted"
    again = door("POST", f"{path}/accept", headers=who | {"If-Match": door("GET", path, headers=who).headers["etag"]})
    assert again.status_code == 422 and "business-rule" in again.text


def test_card_read_in_english_is_accepted_when_the_act_is_in_french(door: Door) -> None:
    who = door.token("coursiers")
    door("POST", "/intake/appel-coursier", json=agreed(), headers=who)
    path = f"/views/coursier-dac-asso/referrals/{door('GET', '/views/coursier-dac-asso/referrals', headers=who).json()['referrals'][0]['id']}"
    french, english = (door("GET", path, headers=who | {"Accept-Language": lang}) for lang in ("fr", "en"))
    assert french.json() != english.json() and french.headers["etag"] == english.headers["etag"]
    assert door("POST", f"{path}/accept", headers=who | {"If-Match": english.headers["etag"]}).status_code == 200


def test_social_service_gets_404_on_fhir_for_our_id_as_for_an_absent_id(door: Door) -> None:
    who = door.token("coursiers")
    task = door("POST", "/intake/appel-coursier", json=agreed(), headers=who).json()["referrals"][0]["task"]
    hidden, absent = (door("GET", f"/fhir/Task/{id}", headers=who) for id in (task, "absent"))
    assert hidden.status_code == absent.status_code == 404 and hidden.content == absent.content
    assert door("GET", f"/fhir/Task/{task}", headers=door.token("saint-eloi")).status_code == 200
    shown = [each["resource"] for each in door("GET", "/fhir/Task", headers=who).json()["entry"]]
    assert len(shown) == 1 and shown[0]["id"] != task and shown[0]["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_clinic_searches_its_own_tasks(door: Door) -> None:
    door("POST", "/intake/appel-coursier", json=agreed(), headers=door.token("coursiers"))
    who = door.token("saint-eloi")
    found = door("GET", "/fhir/Task?status=requested&owner=HealthcareService/coursier-rouen", headers=who).json()
    assert [each["resource"]["status"] for each in found["entry"]] == ["requested"]
    assert door("GET", "/fhir/Task?colour=red", headers=who).status_code == 400


def test_create_keeps_what_was_sent_and_finds_it_again(door: Door) -> None:
    who = door.token("saint-eloi")
    sent = {"resourceType": "Patient", "identifier": [{"system": "urn:ipp", "value": "7"}], "name": [{"family": "Invente"}], "managingOrganization": {"reference": "Organization/msp-saint-eloi"}}
    condition = who | {"If-None-Exist": "identifier=urn:ipp|7", "Content-Type": "application/fhir+json"}
    first = door("POST", "/fhir/Patient", content=json.dumps(sent), headers=condition)
    again = door("POST", "/fhir/Patient", content=json.dumps(sent), headers=condition)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert first.headers["location"] == again.headers["content-location"] and "location" not in again.headers
    address = condition | {"If-None-Exist": "http://liaison.example/fhir/Patient?_format=json&identifier=urn%3Aipp%7C7"}
    assert door("POST", "/fhir/Patient", content=json.dumps(sent), headers=address).headers["content-location"] == first.headers["location"]
    only = door("POST", "/fhir/Patient", content=json.dumps(sent), headers=condition | {"If-None-Exist": "Patient?_format=json"})
    assert only.status_code == 400
    kept = {name: value for name, value in first.json().items() if name not in ("id", "meta")}
    assert kept == sent


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"\xff\xfe", 400), (b"[]", 400), (b'{"resourceType":"Task"}', 400), (b'{"resourceType":"Patient"}', 400), (b"x" * 6_000_000, 413)],
)
def test_create_refuses_bad_bodies_with_an_outcome(door: Door, body: bytes, status: int) -> None:
    answer = door("POST", "/fhir/Task", content=body, headers=door.token("saint-eloi"))
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome" and answer.json()["issue"][0]["diagnostics" if "diagnostics" in answer.text else "details"]


def test_broken_records_are_refused_with_their_paths(door: Door) -> None:
    who = door.token("coursiers")
    answer = door("POST", "/intake/appel-coursier", json=agreed() | {"besoins": ["denutritoin"], "colour": 1}, headers=who)
    said = answer.text
    assert answer.status_code == 422 and "besoins" in said and "denutrition" in said
    assert door("POST", "/intake/fax", json={}, headers=who).status_code == 404
    assert door("POST", "/intake/appel-coursier", content=b"\xff", headers=who).status_code == 400


@pytest.mark.parametrize("said", ["text/plain", "application/xhtml+xml", "multipart/form-data; boundary=x", "application/json; charset=latin-1", "application/x-www-form-urlencoded"])
def test_doors_answer_415_with_what_they_read_when_the_body_says_it_is_no_json(door: Door, said: str) -> None:
    for path, client, wanted in (("/intake/appel-coursier", "coursiers", "application/json"), ("/fhir/Patient", "saint-eloi", "application/fhir+json")):
        answer = door("POST", path, content=b"{}", headers=door.token(client) | {"Content-Type": said})
        assert answer.status_code == 415 and answer.json()["issue"][0]["code"] == "not-supported" and wanted in answer.text


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "identity, gzip"])
def test_doors_answer_415_to_a_compressed_body_and_say_so(door: Door, encoding: str) -> None:
    body = gzip.compress(json.dumps(agreed()).encode())
    for path, client in (("/intake/appel-coursier", "coursiers"), ("/fhir/Patient", "saint-eloi")):
        answer = door("POST", path, content=body, headers=door.token(client) | {"Content-Type": "application/json", "Content-Encoding": encoding})
        assert answer.status_code == 415 and "without Content-Encoding" in answer.text
    plain = door("POST", "/intake/appel-coursier", content=json.dumps(agreed()), headers=door.token("coursiers") | {"Content-Encoding": "identity"})
    assert plain.status_code == 201


@pytest.mark.parametrize("body", [gzip.compress(b"{}", mtime=0), "{}".encode("utf-16"), b'{\n"a": "\xe9"}'], ids=["gzip", "utf-16", "latin-1"])
def test_doors_say_which_byte_is_not_of_utf8(door: Door, body: bytes) -> None:
    answer = door("POST", "/intake/appel-coursier", content=body, headers=door.token("coursiers"))
    place = "byte 9 (line 2)" if body.startswith(b"{") else "byte 2 (line 1)" if body.startswith(b"\x1f") else "byte 1 (line 1)"
    assert answer.status_code == 400 and place in answer.text and "UTF-8" in answer.text and "surrogates" not in answer.text


@pytest.mark.parametrize("said", ["application/json", "application/fhir+json", "APPLICATION/JSON; charset=UTF-8", 'application/json;charset="utf-8"', "application/fhir+json; fhirVersion=4.0", "text/json"])
def test_doors_take_json_by_its_other_names(door: Door, said: str) -> None:
    assert door("POST", "/intake/appel-coursier", content=json.dumps(agreed()), headers=door.token("coursiers") | {"Content-Type": said}).status_code == 201


def test_a_member_given_twice_is_refused_by_its_place_at_every_door(door: Door, stage: Stage) -> None:
    who = door.token("coursiers")
    twice = json.dumps(agreed())[:-1] + ', "besoins": ["isolement"]}'
    answer = door("POST", "/intake/appel-coursier", content=twice, headers=who)
    assert answer.status_code == 400 and f"numbers {list(agreed()).index('besoins') + 1} and {len(agreed()) + 1} of one" in answer.text
    assert door("GET", "/views/coursier-dac-asso/referrals", headers=who).json() == {"referrals": []}
    one = door("POST", "/intake/appel-coursier", json=agreed(), headers=who).json()["referrals"][0]
    for path in ("/intake/appel-coursier/appel-1/agreements", f"/views/coursier-dac-asso/referrals/{one['task']}/ask"):
        assert door("POST", path, content=b'{"who": "patient", "who": "doctor"}', headers=who).status_code == 400


@pytest.mark.parametrize("key", ["Zyxname", "zyxname", "Mme Zyx"])
def test_no_door_repeats_a_key_that_it_does_not_know(door: Door, key: str) -> None:
    """A key may be somebody's name: it is told by its place (DECISIONS, 2026-11-27)."""
    unit, clinic = door.token("coursiers"), door.token("saint-eloi")
    assert door("POST", "/intake/appel-coursier", json=agreed(), headers=unit).status_code == 201
    (card,) = door("GET", "/views/coursier-dac-asso/referrals", headers=unit).json()["referrals"]
    act = {"headers": {**unit, "If-Match": f'W/"{card["etag"]}"'}, "json": {"needs": {key: key}}}
    twice = b'{"%(key)s": 1, "%(key)s": 2}' % {b"key": key.encode()}
    for method, path, given, place in (
        ("POST", f"/views/coursier-dac-asso/referrals/{card['id']}/complete", act, "needs.?"),
        ("POST", "/intake/appel-coursier", {"headers": unit, "json": agreed() | {"id": "a-2", key: key}}, "?"),
        ("POST", "/intake/appel-coursier", {"headers": unit, "json": agreed() | {"id": "a-2", "personne": {**agreed()["personne"], key: 1}}}, "personne.?"),
        ("POST", "/fhir/Patient", {"headers": clinic, "json": {"resourceType": "Patient", key: key}}, "Patient.?"),
        ("GET", f"/fhir/Patient?{key}=1", {"headers": clinic}, "?"),
        ("POST", "/fhir/Patient", {"headers": {**clinic, "content-type": "application/json"}, "content": twice}, None),
    ):  # fmt: skip
        answer = door(method, path, **given)
        assert answer.status_code in (400, 422) and "zyx" not in answer.text.lower(), answer.text
        assert answer.json()["issue"][0].get("expression", [None]) == [place], answer.text


def test_health_metadata_docs_and_metrics_are_there_without_a_token(door: Door) -> None:
    assert door("GET", "/health/live").json() == {"status": "ok"}
    assert door("GET", "/health/ready").status_code == 200
    assert door("GET", "/fhir/metadata").json()["fhirVersion"] == "4.0.1"
    assert door("GET", "/docs").status_code == 200
    assert door("GET", "/metrics").status_code == 200  # the caller is on this machine


@pytest.mark.parametrize(("query", "accept", "status"), [
    ("", "*/*", 200), ("?_format=json", "*/*", 200), ("?_format=turtle", "*/*", 406), ("", "text/turtle", 406), ("", "application/fhir+json", 200),
])  # fmt: skip
def test_metadata_is_told_in_json_alone_like_every_read(door: Door, query: str, accept: str, status: int) -> None:
    answer = door("GET", f"/fhir/metadata{query}", headers={"Accept": accept})
    assert answer.status_code == status
    assert answer.json()["resourceType"] == ("CapabilityStatement" if status == 200 else "OperationOutcome")


def test_unknown_paths_and_methods_are_outcomes(door: Door) -> None:
    assert door("GET", "/nothing").json()["resourceType"] == "OperationOutcome"
    wrong = door("DELETE", "/fhir/Task")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, POST, PUT")
    assert door("POST", "/fhir/Task/7").headers["allow"] == "DELETE, GET, HEAD, PATCH, PUT"


def test_request_id_comes_back_and_a_forged_one_is_replaced_U_16(door: Door) -> None:
    assert door("GET", "/health/live", headers={"X-Request-Id": "abcdefgh-1"}).headers["x-request-id"] == "abcdefgh-1"
    assert door("GET", "/health/live", headers={"X-Request-Id": "a b"}).headers["x-request-id"] != "a b"


