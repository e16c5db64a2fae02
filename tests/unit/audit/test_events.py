"""AuditEvents against the table of security.md 4.1 and the model library's R4 rules."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from adapter.audit import events
from adapter.ports import Decision, Principal, Version

AT = datetime(2026, 3, 6, 18, 50, 0, 123456, tzinfo=UTC)
NURSE = Principal("clic-app", "clinique-st-eloi", "accueil", "clinic", "dr-faure", frozenset({"TREAT"}), frozenset({"system/Task.crs"}))
MACHINE = Principal("dora", "ccas-montreuil")
TASK = Version("Task", "t1", 3, AT, "clinique-st-eloi", b"{}")
PERMIT = Decision(True, "permitted by the person", "S1", ("Consent/c1/_history/2", "Consent/c2/_history/1"))
DENY = Decision(False, "no consent names this recipient", "S13", ("Consent/c1/_history/2",))

Event = dict[str, Any]


def everything(who: Principal) -> dict[str, Event]:
    """One event of each kind."""
    seen = {"patient": "Patient/p1", "at": AT, "request_id": "req-7"}
    return {
        "access": events.access(who, TASK.cited, **seen),
        "vread": events.access(who, TASK.cited, vread=True, **seen),
        "create": events.written(who, TASK, created=True, **seen),
        "update": events.written(who, TASK, created=False, **seen),
        "delete": events.written(who, Version("Task", "t1", 4, AT, "c", b"", deleted=True), created=False, **seen),
        "search": events.searched(who, "Task", found=[TASK.cited], query="patient=9f3a", **seen),
        "disclosed": events.disclosed(
            who, [TASK.cited], recipient="Organization/ccas-montreuil", view="as-carsat", view_version="1.2",
            consents=PERMIT.versions, rule="S1", custodian="clinique-st-eloi", **seen,
        ),
        "permit": events.decided(who, PERMIT, what=TASK.reference, view="as-carsat", **seen),
        "deny": events.decided(who, DENY, what=TASK.reference, view="as-carsat", **seen),
        "denied": events.denied(who, TASK.reference, reason="view-not-assigned", view="saad", **seen),
        "act": events.act(who, "resolve", what="Task/t1", details=[("choice", "theirs")], **seen),
    }


KINDS = sorted(everything(NURSE))


def agents(event: Event) -> dict[str, Event]:
    return {agent["type"]["coding"][0]["code"]: agent for agent in event["agent"]}


def entities(event: Event, kind: str) -> list[Event]:
    return [entity for entity in event["entity"] if entity["type"]["code"] == kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("who", [NURSE, MACHINE], ids=["person", "machine"])
def test_event_is_valid_r4_whatever_happened(kind: str, who: Principal) -> None:
    event = everything(who)[kind]
    AuditEvent.model_validate_json(json.dumps(event))
    assert event["recorded"] == "2026-03-06T18:50:00.123456Z"
    assert event["source"]["observer"]["identifier"]["value"] == "liaison"
    assert [agent["requestor"] for agent in event["agent"]].count(True) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_event_names_one_patient_at_most(kind: str) -> None:
    event = everything(NURSE)[kind]
    assert [entity["what"]["reference"] for entity in entities(event, "1")] == ["Patient/p1"]


@pytest.mark.parametrize("kind", KINDS)
def test_event_carries_the_request_id_in_every_kind_U_16(kind: str) -> None:
    event = everything(NURSE)[kind]
    in_detail = [pair["valueString"] for entity in event["entity"] for pair in entity.get("detail", ()) if pair["type"] == "X-Request-Id"]
    as_entity = [entity["what"]["identifier"]["value"] for entity in entities(event, "XrequestId")]
    assert in_detail + as_entity == ["req-7"]


def test_event_has_no_patient_and_request_when_there_is_none() -> None:
    event = events.written(MACHINE, Version("Organization", "o", 1, AT, "o", b"{}"), created=True, at=AT)
    assert [entity["what"]["reference"] for entity in event["entity"]] == ["Organization/o/_history/1"]
    assert "entity" not in events.act(MACHINE, "db-upgrade", at=AT)


@pytest.mark.parametrize(
    ("kind", "subtype", "action", "client", "server"),
    [
        ("access", "read", "R", "110152", "110153"), ("vread", "vread", "R", "110152", "110153"),
        ("create", "create", "C", "110153", "110152"), ("update", "update", "U", "110153", "110152"),
        ("delete", "delete", "D", "110150", "custodian"), ("search", "search-type", "E", "110153", "110152"),
    ],
)
def test_rest_event_has_the_codes_of_its_profile_U_03(kind: str, subtype: str, action: str, client: str, server: str) -> None:
    event = everything(NURSE)[kind]
    assert (event["type"]["code"], event["subtype"][0]["code"], event["action"], event["outcome"]) == ("rest", subtype, action, "0")
    assert agents(event)[client]["who"]["identifier"]["value"] == "clic-app"
    assert agents(event)[server]["who"] == event["source"]["observer"]
    assert "network" in agents(event)[client]
    assert "network" in agents(event)[server]
    assert "network" not in agents(event)["IRCP"]


def test_write_names_the_version_written_when_the_resource_had_others() -> None:
    assert entities(everything(NURSE)["update"], "2")[0]["what"]["reference"] == "Task/t1/_history/3"


def test_user_is_the_person_with_role_unit_and_purpose_when_known() -> None:
    user = agents(everything(NURSE)["access"])["IRCP"]
    assert user["who"]["reference"] == "PractitionerRole/dr-faure"
    assert user["purposeOfUse"][0]["coding"][0]["code"] == "TREAT"
    assert [role.get("text") or role["coding"][0]["code"] for role in user["role"]] == ["clinic", "HealthcareService/accueil"]
    assert agents(everything(MACHINE)["access"])["IRCP"]["who"]["reference"] == "Organization/ccas-montreuil"


def test_client_address_is_kept_when_known_and_said_unknown_otherwise() -> None:
    known = events.access(NURSE, TASK.cited, at=AT, address="192.0.2.7")
    assert agents(known)["110152"]["network"] == {"address": "192.0.2.7", "type": "2"}
    unknown = agents(everything(NURSE)["access"])["110152"]["network"]
    assert unknown["_address"]["extension"][0]["valueCode"] == "unknown"


def test_search_keeps_the_query_encoded_and_what_was_given_out_when_answered_U_04() -> None:
    event = everything(NURSE)["search"]
    query = next(entity for entity in event["entity"] if "query" in entity)
    assert base64.b64decode(query["query"]).decode() == query["description"] == "Task?patient=9f3a"
    assert query["role"]["code"] == "24"
    assert not {"what", "detail", "name"} & query.keys()
    assert "Task/t1/_history/3" in [entity.get("what", {}).get("reference") for entity in event["entity"]]


def test_disclosure_lists_recipient_purpose_view_and_consents_U_06() -> None:
    event = everything(NURSE)["disclosed"]
    assert (event["type"]["code"], event["subtype"][0]["code"], event["action"]) == ("110106", "disclose", "R")
    roles = agents(event)
    assert roles["110153"]["who"] == event["source"]["observer"]
    assert roles["110152"]["who"]["reference"] == "Organization/ccas-montreuil"
    assert roles["159541003"]["who"]["reference"] == "Organization/clinique-st-eloi"
    assert roles["429577009"]["who"]["reference"] == "Patient/p1"
    assert event["purposeOfEvent"][0]["coding"][0] == {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}
    assert [entity["what"]["reference"] for entity in entities(event, "Consent")] == list(PERMIT.versions)
    assert "as-carsat|1.2" in [entity["what"].get("identifier", {}).get("value") for entity in event["entity"]]


def test_disclosure_to_an_ehr_names_it_and_no_authorizer_when_no_consent_decided() -> None:
    event = events.disclosed(
        NURSE, [TASK.cited], patient="Patient/p1", recipient="ehr-st-eloi", view="dossier-clinique", view_version="1",
        rule="basis:author", at=AT,
    )  # fmt: skip
    assert agents(event)["110152"]["who"] == {"identifier": {"value": "ehr-st-eloi"}}
    assert "429577009" not in agents(event)
    assert entities(event, "1")[0]["detail"] == [{"type": "rule", "valueString": "basis:author"}]


@pytest.mark.parametrize(("kind", "outcome", "consents"), [("permit", "0", 2), ("deny", "8", 1)])
def test_decision_has_exactly_the_agents_and_entities_of_its_profile_U_05(kind: str, outcome: str, consents: int) -> None:
    event = everything(NURSE)[kind]
    assert (event["type"]["code"], event["subtype"][0]["code"], event["action"]) == ("110113", "AuthZ-Consent", "E")
    assert (event["outcome"], bool(event["outcomeDesc"])) == (outcome, True)
    assert sorted(agents(event)) == ["110150", "IRCP", "PROV", "authserver"]
    assert agents(event)["authserver"]["who"] == event["source"]["observer"]
    assert [entity["type"]["code"] for entity in event["entity"]] == ["1"] + ["Consent"] * consents
    details = {pair["type"]: pair["valueString"] for pair in event["entity"][0]["detail"]}
    assert (details["what"], details["view"], details["rule"]) == ("Task/t1", "as-carsat", "S1" if kind == "permit" else "S13")


def test_decision_is_by_role_when_another_basis_than_consent_decided() -> None:
    event = events.decided(NURSE, Decision(True, "own request", "basis:author"), patient="Patient/p1", at=AT)
    assert event["subtype"][0]["code"] == "AuthZ-Role"


@pytest.mark.parametrize(("verb", "action"), [("read", "R"), ("update", "U"), ("accept", "E")])
def test_denied_says_why_and_of_what_when_the_caller_saw_nothing_A_19(verb: str, action: str) -> None:
    event = events.denied(MACHINE, "Task/t9", reason="not-the-owner", verb=verb, at=AT)
    assert (event["outcome"], event["outcomeDesc"], event["action"], event["subtype"][0]["code"]) == ("8", "not-the-owner", action, verb)
    assert event["entity"][0]["what"]["reference"] == "Task/t9"
    assert ("system" in event["subtype"][0]) == (verb != "accept")


def test_denied_names_the_view_when_no_patient_is_known() -> None:
    (about,) = events.denied(MACHINE, "Task", reason="absent", view="saad", at=AT)["entity"]
    assert about["detail"] == [{"type": "view", "valueString": "saad"}]
    assert "detail" not in events.denied(MACHINE, "Task", reason="absent", at=AT)["entity"][0]


def test_act_keeps_its_details_when_it_is_about_no_resource() -> None:
    (about,) = events.act(MACHINE, "network-apply", at=AT, details=[("digest", "ab12"), ("empty", "")])["entity"]
    assert (about["name"], about["detail"]) == ("network-apply", [{"type": "digest", "valueString": "ab12"}])


def test_act_names_what_is_no_resource_by_an_identifier() -> None:
    (about,) = events.act(MACHINE, "network-apply", at=AT, what="network")["entity"]
    assert about["what"] == {"identifier": {"value": "network"}}
