"""Batch and transaction on `/fhir`: references between entries, conditions, all or nothing (R4 http, 3.1.0.11)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from adapter.ports import Query
from tests.bench.specimens import specimen
from tests.e2e.stage import Stage
from tests.unit.web.conftest import Door
from tests.unit.web.test_interactions import Clinic, issue, patient

PERSON, AGREED, ASKED, DONE = (f"urn:uuid:00000000-0000-4000-8000-00000000000{number}" for number in range(4))


@pytest.fixture
def clinic(door: Door) -> Clinic:
    return Clinic(door)


def entry(resource: dict[str, Any] | None, method: str = "POST", url: str = "", named: str = "", **more: str) -> dict[str, Any]:
    found: dict[str, Any] = {"fullUrl": named} if named else {}
    if resource is not None:
        found["resource"] = resource
    return found | {"request": {"method": method, "url": url or (resource or {})["resourceType"], **more}}


def bundle(*entries: dict[str, Any], type: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


def referral(status: str = "requested") -> list[dict[str, Any]]:
    """A whole referral, the Task first: what it points to comes behind it."""
    consent = specimen("Consent") | {"patient": {"reference": PERSON}}
    request = specimen("ServiceRequest") | {"subject": {"reference": PERSON}, "supportingInfo": [{"reference": AGREED}]}
    task = specimen("Task") | {"for": {"reference": PERSON}, "focus": {"reference": ASKED}, "status": status}
    return [entry(task, named=DONE), entry(request, named=ASKED), entry(consent, named=AGREED), entry(patient(), named=PERSON)]


def statuses(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["response"]["status"] for each in answer.json()["entry"]]


def counts(stage: Stage) -> int:
    return sum(len(stage.app.read_now(lambda _, uow, type=type: uow.search(Query(type)))) for type in ("Patient", "Consent", "ServiceRequest", "Task"))


def test_whole_referral_comes_in_one_transaction_whatever_the_order_of_its_entries(clinic: Clinic, stage: Stage) -> None:
    answer = clinic("POST", "", bundle(*referral()))
    assert statuses(answer) == ["201 Created"] * 4 and answer.json()["type"] == "transaction-response"
    places = [each["response"]["location"].rpartition("/fhir/")[2].partition("/_history")[0] for each in answer.json()["entry"]]
    task, request, consent, _ = (clinic("GET", place).json() for place in places)
    assert task["status"] == "requested"
    assert (task["focus"]["reference"], task["for"]["reference"]) == (places[1], places[3])
    assert (request["supportingInfo"][0]["reference"], consent["patient"]["reference"]) == (places[2], places[3])
    assert {letter.type for letter in stage.app.read_now(lambda _, uow: uow.letters())} == {"Consent", "ServiceRequest", "Task"}


def test_transaction_writes_nothing_when_one_entry_fails(clinic: Clinic, stage: Stage) -> None:
    for broken, place in (
        (entry(specimen("Task") | {"status": "completed"}), "Bundle.entry[4].resource.Task.status"),
        (entry({"resourceType": "Patient", "gender": "zyx"}), "Bundle.entry[4].resource.gender"),
        (entry(None, "GET", "Patient/none"), "Bundle.entry[4]"),
        (entry(patient() | {"id": "p"}, "PUT", "Patient/p", ifMatch='W/"3"'), "Bundle.entry[4].Patient.meta.versionId"),
    ):
        answer = clinic("POST", "", bundle(*referral(), broken))
        assert answer.status_code in (400, 404, 412, 422) and counts(stage) == 0, answer.text
        assert issue(answer).get("expression", [""])[0].startswith("Bundle.entry[4]"), (answer.text, place)


def test_transaction_without_consent_is_refused_as_a_single_request_is(clinic: Clinic, stage: Stage) -> None:
    task, request, _, person = referral()
    del request["resource"]["supportingInfo"]
    answer = clinic("POST", "", bundle(task, request, person))
    assert answer.status_code == 422 and "agreement" in issue(answer)["diagnostics"] and counts(stage) == 0


def test_conditions_find_what_is_there(clinic: Clinic) -> None:
    known = clinic.made(patient())
    draft = referral("draft")[:2]
    for each in draft:
        each["resource"] = {name: part for name, part in each["resource"].items() if name != "supportingInfo"}
        each["resource"]["for" if each["resource"]["resourceType"] == "Task" else "subject"] = {"reference": "Patient?identifier=urn:ipp|7"}
    again = entry(patient(), named=PERSON, ifNoneExist="identifier=urn:ipp|7")
    answer = clinic("POST", "", bundle(*draft, again))
    assert statuses(answer) == ["201 Created", "201 Created", "200 OK"]
    task = clinic("GET", answer.json()["entry"][0]["response"]["location"].rpartition("/fhir/")[2]).json()
    assert task["for"]["reference"] == f"Patient/{known['id']}"
    lost = clinic("POST", "", bundle(entry(patient(managingOrganization={"reference": "Organization?identifier=urn:x|none"}))))
    assert lost.status_code == 422 and issue(lost)["expression"] == ["Bundle.entry[0]"]
    clinic.made(patient())
    several = clinic("POST", "", bundle(entry(specimen("Consent") | {"patient": {"reference": "Patient?identifier=urn:ipp|7"}})))
    assert several.status_code == 412


def test_updates_patches_deletes_and_reads_go_together(clinic: Clinic) -> None:
    one, two, three = (clinic.made(patient(str(number))) for number in range(3))
    operations = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "W3sib3AiOiJhZGQiLCJwYXRoIjoiL2FjdGl2ZSIsInZhbHVlIjp0cnVlfV0="}
    answer = clinic("POST", "", bundle(
        entry(None, "GET", f"Patient/{two['id']}"), entry(one | {"active": False}, "PUT", f"Patient/{one['id']}", ifMatch='W/"1"'),
        entry(operations, "PATCH", f"Patient/{two['id']}"), entry(None, "DELETE", f"Patient/{three['id']}"), entry(None, "GET", "Patient?_count=10"),
    ))  # fmt: skip
    assert statuses(answer) == ["200 OK", "200 OK", "200 OK", "204 No Content", "200 OK"]
    read, _, _, _, found = answer.json()["entry"]
    assert read["resource"]["active"] is True and len(found["resource"]["entry"]) == 2
    assert clinic("GET", f"Patient/{three['id']}").status_code == 410


def test_resource_stands_in_one_entry_only(clinic: Clinic) -> None:
    made = clinic.made(patient())
    twice = entry(made | {"active": True}, "PUT", f"Patient/{made['id']}")
    assert clinic("POST", "", bundle(twice, twice)).status_code == 400


def test_batch_does_each_entry_for_itself(clinic: Clinic, stage: Stage) -> None:
    forbidden = entry({"resourceType": "HealthcareService", "name": "x"})
    answer = clinic("POST", "", bundle(
        entry(patient("1")), entry({"resourceType": "Patient", "gender": "zyx"}), forbidden, entry(None, "GET", "Patient/none"), entry(None, "GET", "zyx"),
        entry(patient("2")), type="batch",
    ))  # fmt: skip
    assert [each[:3] for each in statuses(answer)] == ["201", "400", "403", "404", "400", "201"]
    assert answer.json()["entry"][1]["response"]["outcome"]["issue"][0]["expression"] == ["resource.gender"]
    assert counts(stage) == 2 and "zyx" not in answer.text


def test_transaction_with_one_forbidden_entry_is_forbidden_A_17(clinic: Clinic, stage: Stage) -> None:
    answer = clinic("POST", "", bundle(entry(patient("1")), entry({"resourceType": "HealthcareService", "name": "x"})))
    assert answer.status_code == 403 and counts(stage) == 0


def test_answer_shows_resources_only_when_asked(clinic: Clinic) -> None:
    plain, whole, told = (clinic("POST", "", bundle(entry(patient())), **({"prefer": how} if how else {}))
                          for how in ("", "return=representation", "return=OperationOutcome"))  # fmt: skip
    assert "resource" not in plain.json()["entry"][0] and plain.json()["entry"][0]["response"]["etag"] == 'W/"1"'
    assert whole.json()["entry"][0]["resource"]["resourceType"] == "Patient"
    assert told.json()["entry"][0]["response"]["outcome"]["resourceType"] == "OperationOutcome"


def test_bundle_that_is_none_is_refused(clinic: Clinic, stage: Stage) -> None:
    assert clinic("POST", "", {"resourceType": "Bundle", "type": "collection"}).status_code == 400
    assert clinic("POST", "", patient()).status_code == 400
    assert clinic("POST", "", b"{").status_code == 400
    assert clinic("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": patient()}]}).status_code in (400, 422)
    assert clinic("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": {"x": 1}}).status_code == 400
    many = bundle(*[entry(None, "GET", "Patient")] * 501, type="batch")
    assert clinic("POST", "", many).status_code == 413
    assert clinic("POST", "", {"resourceType": "Bundle", "type": "batch"}).json() == {"resourceType": "Bundle", "type": "batch-response"}
    assert counts(stage) == 0


def test_entry_with_an_address_that_does_not_go_with_its_method_is_refused(clinic: Clinic) -> None:
    for wrong in (entry(patient(), "POST", "Patient/7"), entry(None, "DELETE", "Patient?name=x"), entry(patient(), "PUT", "Patient"),
                  entry(None, "HEAD", "Patient"), entry(None, "GET", "http://elsewhere.example/Patient/1"), entry(patient(), "POST", "Task"),
                  entry(patient(), "PATCH", "Patient/7")):  # fmt: skip
        assert clinic("POST", "", bundle(wrong)).status_code in (400, 404, 422), wrong["request"]


def test_base_may_end_with_a_slash_and_nobody_is_sent_elsewhere(clinic: Clinic, door: Door) -> None:
    answer = door("POST", "/fhir/", json=bundle(entry(patient())), headers=door.token("saint-eloi"))
    assert statuses(answer) == ["201 Created"]
    for method, path in (("GET", "/fhir/Patient/"), ("POST", "/intake/appel-coursier/"), ("GET", "/health/")):
        elsewhere = door(method, path, headers=door.token("saint-eloi"))
        assert elsewhere.status_code == 404 and "location" not in elsewhere.headers


def test_links_of_a_narrative_lead_to_the_resources_that_were_made(clinic: Clinic) -> None:
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><p><a href="{PERSON}">she</a> <a href="urn:uuid:of-none">none</a> {PERSON}</p></div>'
    request = specimen("ServiceRequest") | {"subject": {"reference": PERSON}, "text": {"status": "generated", "div": div}}
    request.pop("supportingInfo", None)
    answer = clinic("POST", "", bundle(entry(request, named=ASKED), entry(patient(), named=PERSON)))
    request_at, person_at = (each["response"]["location"].rpartition("/fhir/")[2].partition("/_history")[0] for each in answer.json()["entry"])
    written = clinic("GET", request_at).json()["text"]["div"]
    assert f'href="{person_at}"' in written and 'href="urn:uuid:of-none"' in written and f" {PERSON}</p>" in written


def test_what_is_not_kept_of_an_entry_is_told_in_its_outcome(clinic: Clinic) -> None:
    whole = referral()
    whole[0]["resource"] |= {"description": "Zyxmots"}
    first, *others = clinic("POST", "", bundle(*whole)).json()["entry"]
    assert first["response"]["outcome"]["issue"][0]["expression"] == ["Task.description"]
    assert not any("outcome" in each["response"] for each in others)
