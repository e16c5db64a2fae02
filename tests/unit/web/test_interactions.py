"""The RESTful API of `/fhir` for a clinic's own software: each interaction with its tags, preferences and refusals (R4 http)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from adapter.sync.subscribing import TOPICS
from tests.bench.specimens import specimen
from tests.e2e.stage import Stage
from tests.unit.web.conftest import Door

CLINIC = {"reference": "Organization/msp-saint-eloi"}
SUBSETTED = "SUBSETTED"


def patient(value: str = "7", **more: Any) -> dict[str, Any]:
    named = {"identifier": [{"system": "urn:ipp", "value": value}], "name": [{"family": "Invente", "given": ["Anne"]}]}
    return {"resourceType": "Patient", **named, "managingOrganization": CLINIC} | more


class Clinic:
    """The clinic's own software."""

    def __init__(self, door: Door) -> None:
        self.door, self.headers = door, door.token("saint-eloi")

    def __call__(self, method: str, path: str, body: Any = None, media: str = "application/fhir+json", **headers: str) -> httpx.Response:
        sent = {"Content-Type": media} if body is not None else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) or body is None else json.dumps(body)
        return self.door(method, f"/fhir/{path}".rstrip("/"), content=content, headers=self.headers | sent | named)

    def made(self, resource: dict[str, Any]) -> dict[str, Any]:
        answer = self("POST", resource["resourceType"], resource)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def referral(self, **task: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """A draft of a request with its Patient and Task, and no Consent yet."""
        person = self.made(patient())
        subject = {"reference": f"Patient/{person['id']}"}
        request = {name: part for name, part in specimen("ServiceRequest").items() if name != "supportingInfo"} | {"subject": subject}
        request = self.made(request)
        draft = specimen("Task") | {"for": subject, "focus": {"reference": f"ServiceRequest/{request['id']}"}, "status": "draft"}
        return person, request, self.made(draft | task)


@pytest.fixture
def clinic(door: Door) -> Clinic:
    return Clinic(door)


def issue(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/fhir+json" and answer.json()["resourceType"] == "OperationOutcome"
    return dict(answer.json()["issue"][0])


# ── read, vread, history ─────────────────────────────────────────────────────────────────────────
def test_read_answers_304_to_the_tag_and_the_time_that_the_client_has(clinic: Clinic) -> None:
    made = clinic("POST", "Patient", patient())
    place = f"Patient/{made.json()['id']}"
    assert made.headers["location"].endswith(f"/fhir/{place}/_history/1")
    same, other = (clinic("GET", place, if_none_match=tag) for tag in ('W/"1"', 'W/"2"'))
    assert (same.status_code, same.content, same.headers["etag"], other.status_code) == (304, b"", 'W/"1"', 200)
    assert clinic("GET", place, if_modified_since=made.headers["last-modified"]).status_code == 304
    assert clinic("GET", place, if_modified_since="Fri, 06 Mar 2020 10:00:00 GMT").status_code == 200
    assert clinic("GET", place, if_modified_since="yesterday").status_code == 200


def test_head_is_answered_as_get_without_the_body(clinic: Clinic) -> None:
    place = f"Patient/{clinic.made(patient())['id']}"
    told, asked = clinic("GET", place), clinic("HEAD", place)
    of_its_own = {"x-request-id"}
    assert (asked.status_code, asked.content) == (200, b"") and told.content
    assert {name: value for name, value in asked.headers.items() if name not in of_its_own} == {
        name: value for name, value in told.headers.items() if name not in of_its_own
    }
    assert clinic("HEAD", "Patient/none").status_code == 404
    assert "HEAD" in clinic("POST", place, patient()).headers["allow"]


def test_versions_are_read_one_by_one_and_as_a_history_newest_first(clinic: Clinic) -> None:
    made = clinic.made(patient())
    place = f"Patient/{made['id']}"
    assert clinic("PUT", place, made | {"active": True}).status_code == 200
    assert [clinic("GET", f"{place}/_history/{number}").json().get("active") for number in (1, 2)] == [None, True]
    assert [clinic("GET", f"{place}/_history/{number}").status_code for number in ("3", "0", "x", "1e1")] == [404] * 4
    bundle = clinic("GET", f"{place}/_history").json()
    assert bundle["type"] == "history"
    told = [(each["request"]["method"], each["response"]["status"], each["resource"]["meta"]["versionId"]) for each in bundle["entry"]]
    assert told == [("PUT", "200", "2"), ("POST", "201", "1")]


def test_history_of_a_type_comes_in_pages_and_only_from_a_time_on(clinic: Clinic, stage: Stage) -> None:
    made = [clinic.made(patient(str(number))) for number in range(3)]
    stage.clock.tick(timedelta(minutes=1))
    later = stage.clock.now().isoformat()
    clinic("PUT", f"Patient/{made[1]['id']}", made[1] | {"active": True})
    first = clinic("GET", "Patient/_history?_count=3").json()
    assert len(first["entry"]) == 3 and first["entry"][0]["resource"]["active"] is True
    following = next(each["url"] for each in first["link"] if each["relation"] == "next").rpartition("/fhir/")[2]
    second = clinic("GET", following).json()
    seen = [(each["resource"]["id"], each["resource"]["meta"]["versionId"]) for each in first["entry"] + second["entry"]]
    assert len(seen) == len(set(seen)) == 4 and not any(each["relation"] == "next" for each in second["link"])
    assert len(clinic("GET", f"Patient/_history?_since={later.replace('+', '%2B')}").json()["entry"]) == 1
    assert clinic("GET", "Patient/_history?_since=yesterday").status_code == clinic("GET", "Patient/_history?name=x").status_code == 400


# ── update ───────────────────────────────────────────────────────────────────────────────────────
def test_update_wants_the_version_that_is_there_when_it_names_one(clinic: Clinic) -> None:
    made = clinic.made(patient())
    place = f"Patient/{made['id']}"
    assert clinic("PUT", place, made | {"active": True}, if_match='W/"1"').headers["etag"] == 'W/"2"'
    for tag in ('W/"1"', 'W/"9"', 'W/"x"'):
        assert clinic("PUT", place, made | {"active": False}, if_match=tag).status_code == 412
    assert clinic("PUT", place, made, if_match="2").status_code == 400
    assert clinic("GET", place).json()["active"] is True


def test_update_that_changes_nothing_is_no_version(clinic: Clinic) -> None:
    made = clinic.made(patient())
    again = clinic("PUT", f"Patient/{made['id']}", made)
    assert (again.status_code, again.headers["etag"]) == (200, 'W/"1"')


def test_update_tells_which_version_it_made_even_without_a_body(clinic: Clinic) -> None:
    made = clinic.made(patient())
    done = clinic("PUT", f"Patient/{made['id']}", made | {"active": True}, prefer="return=minimal")
    assert (done.status_code, done.content) == (200, b"")
    assert done.headers["content-location"].endswith(f"/fhir/Patient/{made['id']}/_history/2") and "location" not in done.headers


def test_update_creates_under_the_id_that_the_client_chose(clinic: Clinic) -> None:
    made = clinic("PUT", "Patient/anne-7", patient() | {"id": "anne-7"})
    assert made.status_code == 201 and made.headers["location"].endswith("/Patient/anne-7/_history/1")
    assert clinic("PUT", "Patient/anne-8", patient() | {"id": "anne-7"}).status_code == 400
    assert clinic("PUT", "Patient/anne-8", patient()).status_code == 400
    assert clinic("PUT", "Patient/anne-8", patient() | {"id": "anne-8"}, if_match='W/"1"').status_code == 412


def test_conditional_update_finds_creates_or_refuses(clinic: Clinic) -> None:
    condition = "Patient?identifier=urn:ipp%7C7"
    first = clinic("PUT", condition, patient())
    second = clinic("PUT", condition, patient(active=True))
    assert (first.status_code, second.status_code) == (201, 200) and first.json()["id"] == second.json()["id"]
    assert clinic("PUT", condition, patient() | {"id": "other"}).status_code == 400
    clinic.made(patient())
    several = clinic("PUT", condition, patient(active=False))
    assert several.status_code == 412 and issue(several)["code"] == "multiple-matches"
    assert clinic("PUT", "Patient", patient()).status_code == 400
    assert clinic("PUT", "Patient?zyx=1", patient()).status_code == 400


def test_illegal_move_of_a_task_names_the_legal_ones(clinic: Clinic) -> None:
    _, _, task = clinic.referral()
    refused = clinic("PUT", f"Task/{task['id']}", task | {"status": "completed"})
    assert refused.status_code == 422 and issue(refused)["code"] == "business-rule"
    assert issue(refused)["expression"] == ["Task.status"] and "requested" in issue(refused)["diagnostics"]


def test_what_was_sent_stays_between_the_same_parties(clinic: Clinic, stage: Stage) -> None:
    stage.sent()
    task, request = (clinic("GET", type).json()["entry"][0]["resource"] for type in ("Task", "ServiceRequest"))
    other = clinic.made(patient())
    for resource, element in ((task, "for"), (request, "subject")):
        moved = resource | {element: {"reference": f"Patient/{other['id']}"}}
        refused = clinic("PUT", f"{resource['resourceType']}/{resource['id']}", moved)
        assert refused.status_code == 422 and issue(refused)["expression"] == [f"{resource['resourceType']}.{element}"]


def test_part_of_a_resource_is_not_taken_for_the_whole(clinic: Clinic) -> None:
    made = clinic.made(patient())
    part = clinic("GET", f"Patient/{made['id']}?_elements=identifier").json()
    assert part["meta"]["tag"][0]["code"] == SUBSETTED and "name" not in part
    assert clinic("PUT", f"Patient/{made['id']}", part).status_code == 422


# ── patch ────────────────────────────────────────────────────────────────────────────────────────
def test_patch_changes_what_it_names_and_nothing_else(clinic: Clinic) -> None:
    weight = b'{"url":"http://example.org/w","valueDecimal":7.10}'
    made = clinic("POST", "Patient", json.dumps(patient()).encode()[:-1] + b',"extension":[' + weight + b"]}").json()
    place = f"Patient/{made['id']}"
    media = "application/json-patch+json"
    done = clinic("PATCH", place, b'[{"op":"add","path":"/active","value":true}]', media, if_match='W/"1"')
    assert done.status_code == 200 and done.json()["active"] is True and weight in done.content
    assert clinic("PATCH", place, b'[{"op":"add","path":"/active","value":false}]', media, if_match='W/"1"').status_code == 412
    assert clinic("PATCH", place, b'[{"op":"test","path":"/active","value":false}]', media).status_code == 422
    assert clinic("PATCH", place, b'[{"op":"replace","path":"/id","value":"x"}]', media).status_code == 422
    assert clinic("PATCH", place, b'[{"op":"add","path":"/zyx","value":1}]', media).status_code == 400
    assert clinic("PATCH", place, b"{}", media).status_code == 400
    assert clinic("PATCH", place, b"[]", "application/fhir+json").status_code == 415
    assert clinic("PATCH", "Patient/none", b"[]", media).status_code == 404


# ── delete ───────────────────────────────────────────────────────────────────────────────────────
def test_deleted_resource_answers_410_and_its_history_tells(clinic: Clinic) -> None:
    made = clinic.made(patient())
    place = f"Patient/{made['id']}"
    assert clinic("DELETE", place, if_match='W/"2"').status_code == 412
    gone = clinic("DELETE", place)
    assert (gone.status_code, gone.content) == (204, b"")
    assert clinic("GET", place).status_code == clinic("GET", f"{place}/_history/2").status_code == 410
    assert clinic("DELETE", place).status_code == 204 and clinic("DELETE", "Patient/absent").status_code == 404
    assert clinic("GET", f"{place}/_history/1").json()["name"] == made["name"]
    assert [each["request"]["method"] for each in clinic("GET", f"{place}/_history").json()["entry"]] == ["DELETE", "POST"]
    assert "entry" not in clinic("GET", "Patient?identifier=urn:ipp%7C7").json()
    back = clinic("PUT", place, made)
    assert (back.status_code, back.headers["etag"]) == (201, 'W/"3"')


def test_what_is_pointed_to_is_not_deleted(clinic: Clinic) -> None:
    person, request, task = clinic.referral()
    for place in (f"Patient/{person['id']}", f"ServiceRequest/{request['id']}"):
        refused = clinic("DELETE", place)
        assert refused.status_code == 409 and "Task" in issue(refused)["diagnostics"]
    for place in (f"Task/{task['id']}", f"ServiceRequest/{request['id']}", f"Patient/{person['id']}"):
        assert clinic("DELETE", place).status_code == 204


def test_shared_task_and_consent_are_not_deleted(clinic: Clinic, stage: Stage) -> None:
    stage.sent()
    for type in ("Task", "Consent"):
        id = clinic("GET", type).json()["entry"][0]["resource"]["id"]
        refused = clinic("DELETE", f"{type}/{id}")
        assert refused.status_code == 422 and "entered-in-error" in issue(refused)["diagnostics"]
        assert clinic("GET", f"{type}/{id}").status_code == 200


def test_another_organisation_finds_nothing_to_change(clinic: Clinic, door: Door) -> None:
    made = clinic.made(patient())
    place, unit = f"/fhir/Patient/{made['id']}", door.token("coursiers") | {"Content-Type": "application/fhir+json"}
    answers = [
        door("PUT", place, content=json.dumps(made), headers=unit), door("DELETE", place, headers=unit), door("GET", f"{place}/_history", headers=unit),
        door("GET", f"{place}/_history/1", headers=unit), door("PUT", "/fhir/Patient?identifier=urn:ipp%7C7", content=json.dumps(patient()), headers=unit),
    ]  # fmt: skip
    assert [each.status_code for each in answers] == [404] * 5
    absent = door("GET", "/fhir/Patient/none/_history", headers=unit)
    assert absent.content == answers[2].content


# ── preferences ──────────────────────────────────────────────────────────────────────────────────
def test_prefer_says_what_a_write_gives_back(clinic: Clinic) -> None:
    bodies = {how: clinic("POST", "Patient", patient(how), prefer=f"return={how}") for how in ("minimal", "representation", "OperationOutcome", "zyx")}
    assert [each.status_code for each in bodies.values()] == [201] * 4
    assert bodies["minimal"].content == b"" and bodies["minimal"].headers["etag"] == 'W/"1"'
    assert [bodies[how].json()["resourceType"] for how in ("representation", "OperationOutcome", "zyx")] == ["Patient", "OperationOutcome", "Patient"]


def test_summary_and_elements_give_less_and_say_so(clinic: Clinic) -> None:
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
    made = clinic.made(patient(text=text, contact=[{"name": {"family": "Proche"}}]))
    place = f"Patient/{made['id']}"
    summary, data, only = (clinic("GET", f"{place}?{how}").json() for how in ("_summary=true", "_summary=data", "_summary=text"))
    assert "name" in summary and "contact" not in summary and "text" not in summary
    assert "contact" in data and "text" not in data
    assert set(only) == {"resourceType", "id", "meta", "text"}
    assert all(each["meta"]["tag"][0]["code"] == SUBSETTED for each in (summary, data, only))
    assert "tag" not in clinic("GET", f"{place}?_summary=false").json()["meta"]
    listed = clinic("GET", "Patient?_elements=gender").json()["entry"][0]["resource"]
    assert set(listed) == {"resourceType", "id", "meta"}
    for wrong in ("_summary=zyx", "_elements=zyx", "_summary=true&_elements=name"):
        refused = clinic("GET", f"{place}?{wrong}")
        assert refused.status_code == 400 and "zyx" not in refused.text


# ── $validate ────────────────────────────────────────────────────────────────────────────────────
def test_validate_tells_what_is_wrong_and_stores_nothing(clinic: Clinic) -> None:
    well = clinic("POST", "Patient/$validate", patient())
    ill = clinic("POST", "Patient/$validate", patient(gender="zyx"))
    inside = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": patient(gender="zyx")}, {"name": "mode", "valueCode": "create"}]}
    assert (well.status_code, issue(well)["severity"]) == (200, "information")
    for answer in (ill, clinic("POST", "Patient/$validate", inside)):
        assert (answer.status_code, issue(answer)["severity"], issue(answer)["expression"]) == (200, "error", ["Patient.gender"])
    assert clinic("POST", "Patient/$validate", {"resourceType": "Parameters"}).status_code == 400
    assert clinic("POST", "Patient/$validate", b"{").status_code == 400
    assert issue(clinic("POST", "Task/$validate", patient()))["severity"] == "error"
    assert "entry" not in clinic("GET", "Patient").json()


def test_directory_is_read_and_not_written(clinic: Clinic) -> None:
    found = clinic("GET", "HealthcareService/coursier-rouen")
    assert found.status_code == 200 and clinic("GET", "HealthcareService/coursier-rouen/_history").json()["entry"]
    assert clinic("PUT", "HealthcareService/coursier-rouen", found.json()).status_code == 403
    assert clinic("DELETE", "HealthcareService/coursier-rouen").status_code == 403


def test_capability_lists_what_the_routes_do(door: Door) -> None:
    rest = door("GET", "/fhir/metadata").json()["rest"][0]
    offered = {each["type"]: {one["code"] for one in each["interaction"]} for each in rest["resource"]}
    assert offered["Task"] == {"read", "vread", "history-instance", "history-type", "search-type", "create", "update", "patch", "delete"}
    assert "update" not in offered["HealthcareService"] and "create" not in offered["Provenance"]
    assert {each["code"] for each in rest["interaction"]} == {"transaction", "batch"}
    (hooks,) = [each for each in rest["resource"] if each["type"] == "Subscription"]
    assert {each["valueCanonical"] for each in hooks["extension"]} == set(TOPICS.values())
    scopes = door("GET", "/fhir/.well-known/smart-configuration").json()["scopes_supported"]
    assert {"system/Task.cruds", "system/HealthcareService.rs", "system/Provenance.rs"} <= set(scopes)


def test_subscription_is_not_taken_for_active_where_nobody_would_be_told(clinic: Clinic) -> None:
    wanted = {"resourceType": "Subscription", "reason": "x", "criteria": "Task?status=accepted", "channel": {"type": "rest-hook", "endpoint": "https://ehr.example/told"}}
    refused = clinic("POST", "Subscription", wanted | {"status": "active"})
    assert refused.status_code == 422 and issue(refused)["expression"] == ["Subscription.status"]
    assert clinic("POST", "Subscription", wanted | {"status": "off"}).status_code == 201


def test_write_without_its_scope_is_forbidden_whatever_there_is_A_15(clinic: Clinic, door: Door, stage: Stage) -> None:
    made = clinic.made(patient())
    network = stage.app.network
    clients = tuple(replace(each, scopes=("system/Patient.rs",)) if each.id == "saint-eloi" else each for each in network.clients)
    stage.app.apply_network(replace(network, clients=clients))
    for id in (made["id"], "none"):
        answers = [
            clinic("PUT", f"Patient/{id}", made | {"id": id}), clinic("PATCH", f"Patient/{id}", b"[]", "application/json-patch+json"),
            clinic("DELETE", f"Patient/{id}"), clinic("PUT", "Patient?identifier=urn:ipp%7C7", patient()), clinic("POST", "Patient", patient()),
        ]  # fmt: skip
        assert [each.status_code for each in answers] == [403] * 5
        assert {each.json()["issue"][0]["details"]["coding"][0]["code"] for each in answers} == {"scope"}


def test_constraint_of_a_scope_holds_for_versions_and_writes_A_15(clinic: Clinic, stage: Stage) -> None:
    _, _, task = clinic.referral()
    network = stage.app.network
    clients = tuple(replace(each, scopes=("system/Task.cruds?status=requested",)) if each.id == "saint-eloi" else each for each in network.clients)
    stage.app.apply_network(replace(network, clients=clients))
    place = f"Task/{task['id']}"
    hidden = [clinic("GET", place), clinic("GET", f"{place}/_history/1"), clinic("PUT", place, task | {"priority": "stat"}), clinic("DELETE", place),
              clinic("PATCH", place, b"[]", "application/json-patch+json")]  # fmt: skip
    assert [each.status_code for each in hidden] == [404] * 5
    assert "entry" not in clinic("GET", f"{place}/_history").json() and "entry" not in clinic("GET", "Task/_history").json()


def test_put_with_if_none_match_any_makes_and_never_changes(clinic: Clinic) -> None:
    whole = patient(id="mine")
    assert clinic("PUT", "Patient/mine", whole, If_None_Match="*").status_code == 201
    answer = clinic("PUT", "Patient/mine", whole | {"active": True}, If_None_Match="*")
    assert answer.status_code == 412 and "active" not in clinic("GET", "Patient/mine").json()


def test_empty_condition_of_a_create_is_refused(clinic: Clinic) -> None:
    answer = clinic("POST", "Patient", patient(), If_None_Exist="")
    assert answer.status_code == 400 and issue(answer)["expression"] == ["If-None-Exist"]


def test_addresses_of_this_server_are_found_like_the_references_that_they_are(clinic: Clinic, stage: Stage) -> None:
    person, request, task = clinic.referral()
    base = stage.app.fhir_base
    for query in (f"focus={base}/ServiceRequest/{request['id']}", f"patient=Patient/nobody,{base}/Patient/{person['id']}", f"focus=ServiceRequest/{request['id']}"):
        assert [each["resource"]["id"] for each in clinic("GET", f"Task?{query}").json()["entry"]] == [task["id"]], query
    assert "entry" not in clinic("GET", f"Task?focus=https://elsewhere.example/fhir/ServiceRequest/{request['id']}").json()
    again = clinic("POST", "Task", {name: part for name, part in task.items() if name != "id"}, If_None_Exist=f"focus={base}/ServiceRequest/{request['id']}")
    assert (again.status_code, again.json()["id"]) == (200, task["id"])
