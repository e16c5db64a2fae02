"""What the audit holds of what happens at the doors (U-01 to U-08 and U-16 of security.md 4.4, on a whole Liaison)."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from adapter.ehr.fake import Fault
from adapter.errors import Unavailable
from adapter.ports import Query, Resource
from adapter.store.uow import SqlUow
from tests.e2e.stage import CALL, Stage
from tests.unit.web.test_doors import Door, agreed, door, stage  # noqa: F401 - fixtures

VIEW = "/views/coursier-dac-asso/referrals"
REST, DECISION, DISCLOSURE, ACT = "rest", "110113", "110106", "110100"


class Watch:
    """The events of the audit, and those since the last look."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.seen = stage, 0
        self.new()

    def new(self) -> list[Resource]:
        rows = self.stage.app.read_now(lambda _, uow: uow.audit_rows(after=self.seen, limit=100_000))
        self.seen = rows[-1].seq if rows else self.seen
        return [json.loads(row.event) for row in rows]


def kind(event: Resource) -> str:
    """The profile of an event: create, update, read, search, decision, disclosure; refused; the name of an act."""
    what = event["type"]["code"]
    if what == DECISION:
        return "decision"
    if what == DISCLOSURE:
        return "disclosure"
    name = str(event["subtype"][0]["code"])
    return f"refused-{event['outcomeDesc']}" if event["outcome"] != "0" else name


@pytest.fixture
def sent(stage: Stage, door: Door) -> dict[str, Any]:
    """One referral that the unit may see: its card and tokens."""
    unit, clinic = door.token("coursiers"), door.token("saint-eloi")
    assert door("POST", "/intake/appel-coursier", json=agreed(), headers=unit).status_code == 201
    (card,) = door("GET", VIEW, headers=unit).json()["referrals"]
    return {"card": card, "unit": unit, "clinic": clinic, "other": door.token("saad")}


def ids(stage: Stage, type: str) -> list[str]:
    return [each.id for each in stage.app.read_now(lambda _, uow: uow.search(Query(type)))]


Ask = tuple[str, str, str, dict[str, Any], int, dict[str, int]]
NONE = {"rdv": "x", "user": "1"}
CREATED = {"create": 4}  # the patient, the Consent proposed, the request, the Task
ROUTES: dict[str, Ask] = {  # client, method, path, more, status, events
    "list": ("unit", "GET", VIEW, {}, 200, {"decision": 1, "disclosure": 1}),
    "list of another": ("other", "GET", VIEW, {}, 404, {"refused-view-not-assigned": 1}),
    "one": ("unit", "GET", f"{VIEW}/ID", {}, 200, {"decision": 1, "disclosure": 1}),
    "one absent": ("unit", "GET", f"{VIEW}/absent", {}, 404, {"refused-absent": 1}),
    "act": ("unit", "POST", f"{VIEW}/ID/accept", {"match": True}, 200, {"decision": 2, "disclosure": 2, "update": 1}),
    "act without match": ("unit", "POST", f"{VIEW}/ID/accept", {}, 428, {"refused-needsmatch": 1}),
    "act on what moved": ("unit", "POST", f"{VIEW}/ID/accept", {"match": "old"}, 412, {"refused-stale": 1}),
    "act illegal": ("unit", "POST", f"{VIEW}/ID/start", {"match": True}, 422, {"refused-invalid": 1}),
    "act unheard of": ("unit", "POST", f"{VIEW}/ID/Zyxverb", {"match": True}, 404, {"refused-notfound": 1}),
    "act on nothing": ("unit", "POST", f"{VIEW}/absent/accept", {"match": True}, 404, {"refused-absent": 1}),
    "notices": ("unit", "GET", "/views/coursier-dac-asso/notices", {}, 200, {"closing-notices": 1}),
    "owed": ("unit", "GET", "/views/coursier-dac-asso/owed", {}, 200, {"information-owed": 1}),
    "appointments": ("unit", "GET", "/views/coursier-dac-asso/appointments", {}, 200, {"appointments-parked": 1}),
    "appointments of another": ("other", "GET", "/views/coursier-dac-asso/appointments", {}, 404, {"refused-view-not-assigned": 1}),
    "appointment that is none": ("unit", "POST", "/views/coursier-dac-asso/appointments", {"body": NONE | {"referral": "ID"}, "match": True}, 404,
                                 {"decision": 1, "disclosure": 1, "refused-absent": 1}),
    "appointment for nobody": ("unit", "POST", "/views/coursier-dac-asso/appointments", {"body": NONE | {"referral": "absent"}, "match": True}, 404,
                               {"refused-absent": 1}),
    "appointment without match": ("unit", "POST", "/views/coursier-dac-asso/appointments", {"body": NONE | {"referral": "ID"}}, 428, {"refused-needsmatch": 1}),
    "appointment in words of another": ("unit", "POST", "/views/coursier-dac-asso/appointments", {"body": {"Zyx": "x"}, "match": True}, 422, {"refused-invalid": 1}),
    "appointment of a tool that is not this unit's": ("unit", "POST", "/hooks/rdv/coursier-rouen", {"body": {}}, 401, {"refused-forged": 1}),
    "notice absent": ("unit", "POST", "/views/coursier-dac-asso/notices/AA-00A/acknowledge", {}, 404, {"refused-absent": 1}),
    "notices of another": ("other", "GET", "/views/coursier-dac-asso/notices", {}, 404, {"refused-view-not-assigned": 1}),
    "owed to another": ("other", "GET", "/views/Zyxview/owed", {}, 404, {"refused-view-not-assigned": 1}),
    "one of another": ("other", "GET", f"{VIEW}/ID", {}, 404, {"refused-absent": 1}),
    "act with a body that is none": ("unit", "POST", f"{VIEW}/ID/accept", {"raw": b"{Zyx", "match": True}, 400, {"refused-malformed": 1}),
    "act with a body of another kind": ("unit", "POST", f"{VIEW}/ID/accept", {"raw": b"Zyx", "type": "text/plain", "match": True}, 415, {"refused-wrongtype": 1}),
    "intake": ("unit", "POST", "/intake/appel-coursier", {"body": CALL | {"id": "appel-9"}}, 201, CREATED),
    "intake in a form that is none": ("unit", "POST", "/intake/Zyxform", {"body": {"id": "x"}}, 404, {"refused-notfound": 1}),
    "intake of what is no record": ("unit", "POST", "/intake/appel-coursier", {"raw": b"[Zyx"}, 400, {"refused-malformed": 1}),
    "intake without scope": ("other", "POST", "/intake/appel-coursier", {"body": {}}, 403, {"refused-forbidden": 1}),
    "intake of nothing": ("unit", "POST", "/intake/appel-coursier", {"body": {}}, 422, {"refused-recordrefused": 1}),
    "agreement to nothing": ("unit", "POST", "/intake/appel-coursier/absent/agreements", {"body": {"who": "doctor", "agreed": True}}, 404, {"refused-notfound": 1}),
    "fhir status of no Subscription": ("clinic", "GET", "/fhir/Subscription/absent/$status", {}, 404, {"refused-absent-or-not-theirs": 1}),
    "fhir search of the clinic": ("clinic", "GET", "/fhir/Task", {}, 200, {"search-type": 1}),
    "fhir read of the clinic": ("clinic", "GET", "/fhir/Task/TASK", {}, 200, {"read": 1}),
    "fhir search of a unit": ("unit", "GET", "/fhir/Task", {}, 200, {"decision": 1, "disclosure": 1, "search-type": 1}),
    "fhir search not offered": ("unit", "GET", "/fhir/Task?owner=HealthcareService/x", {}, 400, {"refused-malformed": 1}),
    "fhir create by a unit": ("unit", "POST", "/fhir/Patient", {"body": {"resourceType": "Patient"}}, 404, {"refused-notfound": 1}),
    "fhir create by the clinic": ("clinic", "POST", "/fhir/Patient", {"body": {"resourceType": "Patient"}}, 201, {"create": 1}),
    "fhir read of another's": ("other", "GET", "/fhir/Task/TASK", {}, 404, {"refused-absent-or-not-theirs": 1}),
    "fhir read of a unit": ("unit", "GET", "/fhir/Task/ID", {}, 200, {"decision": 1, "disclosure": 1, "read": 1}),
    "fhir search of what is hidden": ("other", "GET", "/fhir/Task", {}, 200, {"search-type": 1}),
    "fhir read of a type not offered": ("clinic", "GET", "/fhir/Zyxtype/1", {}, 404, {"refused-notfound": 1}),
    "fhir search of a type not offered": ("clinic", "GET", "/fhir/Zyxtype", {}, 404, {"refused-notfound": 1}),
    "fhir search by what is no parameter": ("clinic", "GET", "/fhir/Task?zyx=1", {}, 400, {"refused-malformed": 1}),
    "fhir search in a form that is none": ("clinic", "POST", "/fhir/Task/_search", {"raw": b"_id=x", "type": "text/plain"}, 415, {"refused-status-415": 1}),
    "fhir read in what is not spoken": ("clinic", "GET", "/fhir/Task/TASK?_format=turtle", {}, 406, {"refused-status-406": 1}),
    "fhir create of what is none": ("clinic", "POST", "/fhir/Patient", {"body": {"resourceType": "Patient", "Zyx": 1}}, 400, {"refused-malformed": 1}),
    "fhir read of the trail": ("clinic", "GET", "/fhir/AuditEvent", {}, 200, {"search-type": 1}),
    "fhir write into the trail": ("clinic", "POST", "/fhir/AuditEvent", {"body": {"resourceType": "AuditEvent"}}, 404, {"refused-notfound": 1}),
    "fhir version of the clinic": ("clinic", "GET", "/fhir/Task/TASK/_history/1", {}, 200, {"vread": 1}),
    "fhir version that is not there": ("clinic", "GET", "/fhir/Task/TASK/_history/99", {}, 404, {"refused-absent-or-not-theirs": 1}),
    "fhir history of the clinic": ("clinic", "GET", "/fhir/Task/TASK/_history", {}, 200, {"history-instance": 1}),
    "fhir history of a type": ("clinic", "GET", "/fhir/Task/_history", {}, 200, {"history-type": 1}),
    "fhir history of another's": ("other", "GET", "/fhir/Task/TASK/_history", {}, 404, {"refused-absent-or-not-theirs": 1}),
    "fhir version for a unit": ("unit", "GET", "/fhir/Task/ID/_history/1", {}, 404, {"decision": 1, "disclosure": 1, "read": 1}),
    "fhir update by a unit": ("unit", "PUT", "/fhir/Patient/x", {"body": {"resourceType": "Patient", "id": "x"}}, 404, {"refused-notfound": 1}),
    "fhir update by the clinic": ("clinic", "PUT", "/fhir/Patient/x", {"body": {"resourceType": "Patient", "id": "x"}}, 201, {"create": 1}),
    "fhir patch by a unit": ("unit", "PATCH", "/fhir/Task/TASK", {"raw": b"[]", "type": "application/json-patch+json"}, 403, {"refused-forbidden": 1}),
    "fhir patch of what is none": ("clinic", "PATCH", "/fhir/Task/TASK", {"raw": b"[Zyx", "type": "application/json-patch+json"}, 400, {"refused-malformed": 1}),
    "fhir delete by a unit": ("unit", "DELETE", "/fhir/Task/TASK", {}, 404, {"refused-notfound": 1}),
    "fhir delete of what was sent": ("clinic", "DELETE", "/fhir/Task/TASK", {}, 422, {"refused-invalid": 1}),
    "fhir validate": ("clinic", "POST", "/fhir/Patient/$validate", {"body": {"resourceType": "Patient", "gender": "Zyx"}}, 200, {"validate": 1}),
    "fhir batch": ("clinic", "POST", "/fhir", {"body": {"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Task/TASK"}}, {"request": {"method": "GET", "url": "Patient/none"}},
        {"request": {"method": "DELETE", "url": "Task/none"}}]}}, 200, {"refused-absent-or-not-theirs": 2, "refused-notfound": 1}),
    "fhir transaction": ("clinic", "POST", "/fhir", {"body": {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}]}}, 200, {"create": 1}),
    "fhir transaction refused": ("clinic", "POST", "/fhir", {"body": {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"request": {"method": "GET", "url": "Patient/none"}}]}}, 404, {"refused-notfound": 1}),
    "fhir bundle that is none": ("clinic", "POST", "/fhir", {"body": {"resourceType": "Bundle", "type": "collection"}}, 400, {"refused-malformed": 1}),
    "fhir create of a proof": ("clinic", "POST", "/fhir/CareTeam", {"body": {"resourceType": "CareTeam"}}, 403, {"refused-forbidden": 1}),
}  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_each_route_and_outcome_leaves_the_events_of_its_profiles_U_01(route: str, stage: Stage, door: Door, sent: dict[str, Any]) -> None:
    client, method, path, more, status, expected = ROUTES[route]
    path = path.replace("ID", sent["card"]["id"]).replace("TASK", ids(stage, "Task")[0])
    headers = dict(sent[client])
    if match := more.get("match"):
        headers["If-Match"] = f'W/"{sent["card"]["etag"] if match is True else match}"'
    if more.get("body", {}).get("referral") == "ID":
        more = more | {"body": more["body"] | {"referral": sent["card"]["id"]}}
    watch = Watch(stage)
    headers |= {"Content-Type": more.get("type", "application/json")} if "raw" in more else {}
    answer = door(method, path, headers=headers, **({"json": more["body"]} if "body" in more else {"content": more["raw"]} if "raw" in more else {}))
    assert answer.status_code == status
    events = watch.new()
    assert dict(Counter(map(kind, events))) == expected
    for event in events:
        patients = [entity for entity in event.get("entity", ()) if entity.get("role", {}).get("code") == "1"]
        assert len(patients) <= 1
    assert "Zyx" not in json.dumps(events)


def test_client_that_hangs_up_leaves_the_events_of_what_was_done_U_01(stage: Stage, sent: dict[str, Any]) -> None:
    """The answer cannot be given any more: what was decided and written stands, and so do its events."""
    watch, asgi = Watch(stage), Door(stage).asgi
    headers = {**sent["unit"], "if-match": f'W/"{sent["card"]["etag"]}"'}
    path = f"{VIEW}/{sent['card']['id']}/accept"

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        raise OSError("the client went away")

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http", "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "server": ("liaison.example", 80), "client": ("127.0.0.1", 1),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    asyncio.run(asgi(scope, receive, send))
    assert Counter(map(kind, watch.new())) == {"decision": 2, "disclosure": 2, "update": 1}


@pytest.mark.parametrize("path", ["/fhir/Task", f"{VIEW}/x", "/intake/appel-coursier"])
def test_who_is_nobody_leaves_no_event_and_sees_nothing_U_01(path: str, stage: Stage, door: Door, sent: dict[str, Any]) -> None:
    """There is nobody to name, and whoever can reach the server could fill the log (DECISIONS)."""
    watch = Watch(stage)
    for headers in ({}, {"Authorization": "Bearer Zyxnobody"}):
        answer = door("POST" if path.startswith("/intake") else "GET", path, headers=headers)
        assert answer.status_code in (400, 401) and "Zyx" not in answer.text
    assert watch.new() == []


def test_wrong_secret_of_a_known_client_is_an_event_U_01(stage: Stage, door: Door) -> None:
    watch = Watch(stage)
    for client in ("coursiers", "Zyxnobody"):
        answer = door("POST", "/oauth/token", data={"grant_type": "client_credentials"}, auth=(client, "Zyxwrong"))
        assert answer.status_code == 401
    (event,) = watch.new()
    assert kind(event) == "refused-invalid-client" and event["agent"][0]["who"]["identifier"]["value"] == "coursiers" and "Zyx" not in json.dumps(event)


def test_error_that_nobody_foresaw_shows_nothing_and_leaves_no_half_of_an_event_U_01(stage: Stage, door: Door, sent: dict[str, Any]) -> None:
    """What was decided and disclosed in that unit never happened: its events went with it."""
    watch = Watch(stage)
    with mock.patch("adapter.showing.card", side_effect=RuntimeError("Zyxdurand")):
        for path in (VIEW, f"{VIEW}/{sent['card']['id']}"):
            answer = door("GET", path, headers=sent["unit"])
            assert answer.status_code == 500 and "Zyx" not in answer.text
    assert watch.new() == []


@pytest.mark.parametrize("fault", ["cut-after", "cut-before", "answer"])
def test_ehr_that_does_not_answer_leaves_what_was_sent_and_what_came_of_it_U_01(fault: str, stage: Stage, door: Door) -> None:
    """A time-out: the disclosure stands before a byte leaves, then that nobody knows; each try is told."""
    assert door("POST", "/intake/appel-coursier", json=agreed(), headers=door.token("coursiers")).status_code == 201
    watch = Watch(stage)
    stage.ehr.inject(Fault(fault, on="POST Consent", **({"status": 503} if fault == "answer" else {})))
    stage.push()
    assert [kind(event) for event in watch.new()][-2:] == ["disclosure", "sync-unknown"]
    stage.clock.tick(timedelta(minutes=10))
    stage.push()
    names = [kind(event) for event in watch.new()]
    assert names.count("sync-adopted" if fault == "cut-after" else "sync-created") >= 1 and "sync-unknown" not in names


# ── U-02, U-03: the profiles ─────────────────────────────────────────────────────────────────────
def agent_types(event: Resource) -> list[str]:
    return [each["type"]["coding"][0]["code"] for each in event["agent"]]


def faults(event: Resource) -> list[str]:
    """What an event lacks of its profile (security.md 4.1)."""
    name, types = kind(event), agent_types(event)
    users = [each for each in event["agent"] if each["requestor"]]
    patients = [entity for entity in event.get("entity", ()) if entity.get("role", {}).get("code") == "1"]
    data = [entity for entity in event.get("entity", ()) if entity.get("role", {}).get("code") == "4"]
    consents = [entity for entity in event.get("entity", ()) if entity.get("type", {}).get("code") == "Consent"]
    requests = [entity for entity in event.get("entity", ()) if entity.get("type", {}).get("code") == "XrequestId"]
    wanted: dict[str, Callable[[], bool]] = {
        "recorded": lambda: event["recorded"].endswith("Z"),
        "observer": lambda: bool(event["source"]["observer"]),
        "one user at most, without network": lambda: len(users) <= 1 and not any("network" in each for each in users),
        "one patient at most": lambda: len(patients) <= 1 and all(each["what"]["reference"].startswith("Patient/") for each in patients),
        "one request id at most": lambda: len(requests) <= 1,
    }
    ends = {"create": ["110153", "110152"], "update": ["110153", "110152"], "search-type": ["110153", "110152"], "read": ["110152", "110153"]}
    if name in ends:
        wanted["client, then server"] = lambda: types[:2] == ends[name] and all("network" in each for each in event["agent"][:2])
        wanted["action"] = lambda: event["action"] == {"create": "C", "update": "U", "search-type": "E", "read": "R"}[name]
    if name in ("create", "update", "read"):
        wanted["data"] = lambda: len(data) == 1 and "/_history/" in data[0]["what"]["reference"]
    if name == "search-type":
        query = next(entity for entity in event["entity"] if entity.get("role", {}).get("code") == "24")
        wanted["query"] = lambda: bool(base64.b64decode(query["query"])) and not {"what", "detail"} & query.keys()
    if name == "decision":
        wanted["agents"] = lambda: {"110150", "IRCP", "PROV", "authserver"} == set(types)
        wanted["patient and, by consent, consents"] = lambda: len(patients) == 1 and (
            event["outcome"] != "0" or event["subtype"][0]["code"] == "AuthZ-Role" or bool(consents)
        )
        wanted["why not"] = lambda: event["outcome"] == "0" or bool(event["outcomeDesc"])
    if name == "disclosure":
        wanted["source and recipient on the network"] = lambda: types[:2] == ["110153", "110152"] and all("network" in each for each in event["agent"][:2])
        wanted["patient, data, purpose"] = lambda: len(patients) == 1 and bool(data) and bool(event["purposeOfEvent"])
        wanted["action"] = lambda: event["action"] == "R"
    return [what for what, holds in wanted.items() if not holds()]


def test_every_event_of_a_whole_story_keeps_to_its_profile_U_02_U_03(stage: Stage, door: Door, sent: dict[str, Any]) -> None:
    unit, clinic, card = sent["unit"], sent["clinic"], sent["card"]
    for verb, body in (("accept", {}), ("inform", {}), ("narrow", {"needs": ["isolement"]}), ("start", {}), ("withdraw", {})):
        answer = door("POST", f"{VIEW}/{card['id']}/{verb}", headers={**unit, "If-Match": f'W/"{card["etag"]}"'}, json=body)
        assert answer.status_code in (200, 204), verb
        card["etag"] = door("GET", f"{VIEW}/{card['id']}", headers=unit).headers.get("etag", "").removeprefix("W/").strip('"')
    stage.push()
    for path in ("/fhir/Task", f"/fhir/Task/{ids(stage, 'Task')[0]}", "/fhir/Patient?family=Zyxdurand"):
        door("GET", path, headers=clinic)
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    events = [json.loads(row.event) for row in rows]
    assert {"create", "update", "read", "search-type", "decision", "disclosure"} <= set(map(kind, events))
    assert [(kind(event), found) for event in events if (found := faults(event))] == []


# ── U-04, U-07: what stands in an event ──────────────────────────────────────────────────────────
@pytest.mark.parametrize("value", ["Zyxdurand", "Zyx%0aoutcome%3a0", "Zyx%22%7d%5d", "Zyx%00"])
def test_searched_values_are_digests_and_inject_nothing_U_04(value: str, stage: Stage, door: Door, sent: dict[str, Any]) -> None:
    watch = Watch(stage)
    door("GET", f"/fhir/Patient?family={value}", headers=sent["clinic"])
    events = watch.new()
    asked = [base64.b64decode(entity["query"]).decode() for event in events for entity in event["entity"] if "query" in entity]
    assert "Zyx" not in json.dumps(events) and not any("Zyx" in each or "\n" in each for each in asked)


def test_search_of_two_patients_leaves_an_event_each_U_04(stage: Stage, door: Door, sent: dict[str, Any]) -> None:
    other = agreed() | {"id": "appel-2", "personne": agreed()["personne"] | {"nom": "Zyxautre", "nom_naissance": "Zyxautre"}}
    assert door("POST", "/intake/appel-coursier", json=other, headers=sent["unit"]).status_code == 201
    both = ids(stage, "Patient")
    watch = Watch(stage)
    found = door("GET", f"/fhir/Task?patient={both[0]},{both[1]}", headers=sent["clinic"]).json()
    assert len(found["entry"]) == 2
    patients = [entity["what"]["reference"] for event in watch.new() for entity in event["entity"] if entity.get("role", {}).get("code") == "1"]
    assert sorted(patients) == sorted(f"Patient/{each}" for each in both)


def test_no_bearer_stands_in_the_audit_U_07(stage: Stage, door: Door, sent: dict[str, Any]) -> None:
    tokens = [sent[name]["Authorization"].removeprefix("Bearer ") for name in ("unit", "clinic", "other")]
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    text = b"".join(row.event for row in rows).decode()
    assert not any(token in text for token in tokens) and "Bearer" not in text and "earer " not in text


# ── U-06: a disclosure ───────────────────────────────────────────────────────────────────────────
def test_disclosure_says_to_whom_for_what_by_which_view_and_consent_U_06(stage: Stage, door: Door, sent: dict[str, Any]) -> None:
    watch = Watch(stage)
    door("GET", f"{VIEW}/{sent['card']['id']}", headers=sent["unit"])
    (event,) = (each for each in watch.new() if kind(each) == "disclosure")
    text = json.dumps(event)
    assert event["agent"][1]["who"]["reference"] == "Organization/asso-coursiers"
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    assert "coursier-dac-asso|1" in text and f"Consent/{ids(stage, 'Consent')[0]}/_history/1" in text


# ── U-08: no audit, no disclosure ────────────────────────────────────────────────────────────────
def test_nothing_is_shown_when_the_audit_cannot_be_written_U_08(stage: Stage, door: Door, sent: dict[str, Any]) -> None:
    told = stage.app.read_now(lambda _, uow: uow.audit_head())

    def fails(self: Any, event: Any, **_: Any) -> None:
        raise Unavailable("the audit cannot be written")

    with mock.patch.object(SqlUow, "audit", fails):
        for method, path, headers in (
            ("GET", VIEW, {}), ("GET", f"{VIEW}/{sent['card']['id']}", {}), ("GET", "/fhir/Task", {}),
            ("POST", f"{VIEW}/{sent['card']['id']}/accept", {"If-Match": f'W/"{sent["card"]["etag"]}"'}),
        ):  # fmt: skip
            answer = door(method, path, headers={**sent["unit"], **headers})
            assert answer.status_code == 503 and "Zyx" not in answer.text, path
        with pytest.raises(Unavailable):
            stage.push()
    assert stage.ehr.all("Task") == [] and stage.app.read_now(lambda _, uow: uow.audit_head()) == told


# ── U-16: one id from the partner to the EHR ─────────────────────────────────────────────────────
def test_request_id_goes_from_the_partner_to_the_ehr_call_and_its_events_U_16(stage: Stage, door: Door) -> None:
    given = "partner-request-0001"
    watch = Watch(stage)
    assert door("POST", "/intake/appel-coursier", json=agreed(), headers={**door.token("coursiers"), "X-Request-Id": given}).status_code == 201
    stage.push()
    writes = [each for each in stage.ehr.requests if each.method in ("POST", "PUT") and "_search" not in each.path]
    assert writes and all(each.headers.get("x-request-id") == given for each in writes)
    disclosed = [each for each in watch.new() if kind(each) == "disclosure"]
    assert disclosed and all(given in json.dumps(each) for each in disclosed)


@pytest.mark.parametrize("route", ROUTES)
def test_every_event_of_a_call_carries_its_request_id_U_16(route: str, stage: Stage, door: Door, sent: dict[str, Any]) -> None:
    client, method, path, more, _, _ = ROUTES[route]
    path = path.replace("ID", sent["card"]["id"]).replace("TASK", ids(stage, "Task")[0])
    headers = {**sent[client], "X-Request-Id": "partner-request-0002", "Content-Type": more.get("type", "application/json")}
    if match := more.get("match"):
        headers["If-Match"] = f'W/"{sent["card"]["etag"] if match is True else match}"'
    watch = Watch(stage)
    door(method, path, headers=headers, content=more["raw"] if "raw" in more else json.dumps(more["body"]) if "body" in more else b"")
    assert [kind(each) for each in watch.new() if "partner-request-0002" not in json.dumps(each)] == []


@pytest.mark.parametrize("forged", ["a b", "short", "x" * 65, "Zyx\u00e9Zyx\u00e9Zyx", 'Zyx","x":"', "Zyx%0d%0aZyx"])
def test_forged_or_oversized_request_id_is_replaced_in_every_event_and_call_U_16(forged: str, stage: Stage, door: Door) -> None:
    watch = Watch(stage)
    headers = {**door.token("coursiers"), "X-Request-Id": forged.encode()}  # type: ignore[dict-item]
    answer = door("POST", "/intake/appel-coursier", json=agreed(), headers=headers)
    given = answer.headers["x-request-id"]
    assert answer.status_code == 201 and given != forged and len(given) == 36
    stage.push()
    events = watch.new()
    assert all(given in json.dumps(each) for each in events) and forged not in json.dumps(events)
    writes = [each for each in stage.ehr.requests if each.method == "POST" and "_search" not in each.path]
    assert writes and all(each.headers.get("x-request-id") == given for each in writes)
