"""Consents that an EHR masters, narrows, loses or cannot show (C-E7, C-E8, C-E10 of consent.md 1.5; U-05 of security.md 4.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapter.ehr.fake import Fault
from adapter.errors import EhrError, Invalid
from adapter.fhir import query
from adapter.ports import Change
from tests.e2e.records import VIEW, card, only, stored
from tests.e2e.stage import CLINIC, COURSIER, GP, Stage, staged
from tests.e2e.test_enforcement import counted

READER = replace(COURSIER, scopes=frozenset({"system/*.rs"}))
HOUR = timedelta(hours=1)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


@pytest.fixture
def mastered(stage: Stage) -> Stage:
    """A clinic whose EHR masters its Consents; one referral, known there, read a moment ago."""
    network = stage.app.network
    there = tuple(replace(each, ehr=replace(each.ehr, consents="ehr")) if each.ehr else each for each in network.organisations)
    stage.app.apply_network(replace(network, organisations=there))
    stage.sent()
    stage.push()
    stage.pull()
    return stage


def refusals(stage: Stage) -> list[str]:
    """The reasons of decisions that denied."""
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    events = [json.loads(row.event) for row in rows]
    return [each["outcomeDesc"] for each in events if each["type"]["code"] == "110113" and each["outcome"] != "0"]


# ── C-E7 ─────────────────────────────────────────────────────────────────────────────────────────
FAULTS: dict[str, dict[str, Any]] = {
    "503": {"kind": "answer", "status": 503},
    "time-out": {"kind": "cut-before"},
    "half-an-answer": {"kind": "truncate"},
    "html": {"kind": "answer", "status": 200, "body": b"<html>maintenance</html>", "headers": {"Content-Type": "text/html"}},
    "total-4-and-nothing": {"kind": "answer", "status": 200, "body": {"resourceType": "Bundle", "type": "searchset", "total": 4}},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_consents_that_cannot_be_read_deny_as_indeterminate_C_E7(mastered: Stage, fault: str) -> None:
    shown = card(mastered)
    mastered.ehr.inject(Fault(on="GET Consent", times=None, **FAULTS[fault]))
    for _ in range(24):
        mastered.clock.tick(HOUR)
        with pytest.raises(EhrError):
            mastered.pull()
    assert mastered.see(COURSIER, VIEW, shown.id) is not None  # 24 hours are within the bound
    mastered.clock.tick(timedelta(seconds=1))
    assert mastered.see(COURSIER, VIEW, shown.id) is None and mastered.cards(COURSIER, VIEW) == []
    assert mastered.app.write_now(lambda story, uow: story.search(uow, READER, query("Task", []))[0]) == []
    assert set(refusals(mastered)) == {"indeterminate"}
    mastered.ehr.faults.clear()
    mastered.pull()
    assert mastered.see(COURSIER, VIEW, shown.id) is not None


def test_consents_never_read_are_indeterminate_from_the_start_C_E7(stage: Stage) -> None:
    network = stage.app.network
    there = tuple(replace(each, ehr=replace(each.ehr, consents="ehr")) if each.ehr else each for each in network.organisations)
    stage.app.apply_network(replace(network, organisations=there))
    stage.sent()
    assert stage.cards(COURSIER, VIEW) == []
    stage.push()  # the EHR that masters them is told nonetheless
    assert len(stage.ehr.all("Consent")) == 1
    stage.pull()
    assert len(stage.cards(COURSIER, VIEW)) == 1


def test_consents_mastered_here_are_fresh_whatever_the_ehr_does_C_E7(stage: Stage) -> None:
    stage.sent()
    stage.push()
    stage.ehr.inject(Fault("answer", times=None, status=503))
    stage.clock.tick(timedelta(days=20))
    with suppress(EhrError):
        stage.pull()
    assert len(stage.cards(COURSIER, VIEW)) == 1


# ── C-E8 ─────────────────────────────────────────────────────────────────────────────────────────
def conflicts(stage: Stage) -> list[tuple[str, str]]:
    return [(row.type, row.reason) for row in stage.app.read_now(lambda _, uow: uow.conflicts())]


def lost(stage: Stage) -> str:
    """A referral known there, whose Consent is then deleted there (410)."""
    stage.sent()
    stage.push()
    shown = card(stage)
    stage.ehr.delete("Consent", only(stage.ehr.all("Consent"))["id"])
    return shown.id


def test_consent_deleted_at_the_ehr_counts_as_absent_and_a_person_is_told_C_E8(stage: Stage) -> None:
    id = lost(stage)
    assert stage.app.wiring.presences[CLINIC].look() == 1
    assert stage.see(COURSIER, VIEW, id) is None and stage.cards(COURSIER, VIEW) == []
    assert only(stored(stage, "Consent"))["status"] == "inactive"
    assert conflicts(stage) == [("Consent", "gone-there")]
    assert stage.app.wiring.presences[CLINIC].look() == 0  # told once
    stage.push()
    assert stage.ehr.all("Consent") == []  # and never made anew there
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    assert sum(b"sync-gone" in row.event for row in rows) == 1
    key = only(stage.app.read_now(lambda _, uow: uow.conflicts())).key
    stage.app.write_now(lambda story, uow: story.resolve(uow, GP, key, "ours"))
    assert only(stored(stage, "Consent"))["status"] == "inactive"  # an agreement never returns: it is asked anew


def test_letter_that_finds_the_consent_gone_does_the_same_and_the_rest_still_arrives_C_E8(stage: Stage) -> None:
    id = lost(stage)
    stage.ehr.inject(Fault("answer", on="PUT Consent/*", status=412))
    stage.act(COURSIER, VIEW, card(stage), "confirm")
    stage.push()
    assert stage.see(COURSIER, VIEW, id) is None and conflicts(stage) == [("Consent", "gone-there")]
    mine = card(stage, GP, "prescripteur")
    stage.act(GP, "prescripteur", mine, "withdraw")
    stage.push()
    assert only(stage.ehr.all("Task"))["status"] == "cancelled"


def test_presence_looks_at_every_page_and_leaves_what_is_there_C_E8(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.sync.presence.PAGE", 2)
    for number in range(5):
        stage.sent(id=f"appel-{number}")
    stage.push()
    assert stage.app.wiring.presences[CLINIC].look() == 0
    for each in stage.ehr.all("Consent"):
        stage.ehr.delete("Consent", each["id"])
    assert stage.app.wiring.presences[CLINIC].look() == 5 and stage.cards(COURSIER, VIEW) == []


def test_ehr_that_is_away_loses_nobody_an_agreement_C_E8(stage: Stage) -> None:
    stage.sent()
    stage.push()
    for fault in (Fault("answer", on="GET Consent/*", status=503), Fault("answer", on="GET Consent/*", status=404, body=b"<html/>", headers={"Content-Type": "text/html"})):
        stage.ehr.inject(fault)
        with pytest.raises(EhrError):
            stage.app.wiring.presences[CLINIC].look()
    assert len(stage.cards(COURSIER, VIEW)) == 1


# ── narrowed there ───────────────────────────────────────────────────────────────────────────────
def remote(stage: Stage, **elements: Any) -> None:
    stage.ehr.edit("Consent", only(stage.ehr.all("Consent"))["id"], elements)
    stage.pull()


@pytest.mark.parametrize("status", ["inactive", "rejected", "entered-in-error", "draft"])
def test_agreement_ended_in_the_ehr_closes_the_view_at_the_poll(stage: Stage, status: str) -> None:
    stage.sent()
    stage.push()
    remote(stage, status=status)
    assert stage.cards(COURSIER, VIEW) == []
    remote(stage, status="active")
    assert stage.cards(COURSIER, VIEW) == []  # a status never returns on the same id


def test_earlier_end_in_the_ehr_acts_at_once_and_a_wider_actor_waits_for_a_person_with_evidence(stage: Stage) -> None:
    stage.sent()
    stage.push()
    there = only(stage.ehr.all("Consent"))["provision"]
    end = (stage.clock.now() + timedelta(days=1)).isoformat()
    wide = {**there, "period": {"end": end}, "actor": [*there["actor"], {**there["actor"][0], "reference": {"identifier": {"system": "urn:x", "value": "saad"}}}]}
    remote(stage, provision=wide)
    ours = only(stored(stage, "Consent"))["provision"]
    assert ours["period"] == {"end": end} and len(ours["actor"]) == 1
    assert conflicts(stage) == [("Consent", "consent-wider")]
    key = only(stage.app.read_now(lambda _, uow: uow.conflicts())).key
    with pytest.raises(Invalid, match="evidence"):
        stage.app.write_now(lambda story, uow: story.resolve(uow, GP, key, "theirs"))
    heard = {"heard_by": "dr-exemple", "how": "presence"}
    stage.app.write_now(lambda story, uow: story.resolve(uow, GP, key, "theirs", heard=heard))
    assert len(only(stored(stage, "Consent"))["provision"]["actor"]) == 2
    proof = [each for each in stored(stage, "Provenance") if each["activity"]["coding"][0]["code"] == "elargissement"]
    assert only(proof)["agent"][1]["who"] == {"reference": "PractitionerRole/dr-exemple"}


# ── C-E10 ────────────────────────────────────────────────────────────────────────────────────────
def test_what_nobody_labelled_is_withheld_where_the_agreement_asks_for_labels_C_E10(stage: Stage) -> None:
    stage.sent()
    stage.push()
    normal = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}
    there = only(stage.ehr.all("Consent"))["provision"]
    remote(stage, provision={**there, "securityLabel": [normal]})
    assert stage.cards(COURSIER, VIEW) == []
    for code, seen in (("R", 0), ("N", 1), ("unheard-of", 0)):
        request = only(stored(stage, "ServiceRequest"))
        request["meta"] = {**request.get("meta", {}), "security": [normal | {"code": code}]}
        stage.app.write_now(lambda story, uow, request=request: story.receive(uow, GP, [Change("update", "ServiceRequest", request["id"], request, origin="intake")]))
        assert len(stage.cards(COURSIER, VIEW)) == seen, code


# ── U-05 ─────────────────────────────────────────────────────────────────────────────────────────
def test_refusal_by_consent_takes_the_statements_of_an_absent_one_and_says_why_U_05(stage: Stage) -> None:
    stage.sent()
    shown = stage.act(COURSIER, VIEW, card(stage), "narrow", until=(stage.clock.now() + HOUR).isoformat())
    stage.clock.tick(2 * HOUR)
    taken, reads = [], []
    for id in (shown.id, "absent-" + shown.id[7:]):
        with counted() as seen:
            assert stage.see(COURSIER, VIEW, id) is None
        taken.append([statement for statement, _ in seen if "audit" not in statement])
        with counted() as seen:
            assert stage.app.write_now(lambda story, uow, id=id: story.read(uow, READER, "Task", id)) is None
        reads.append([statement for statement, _ in seen if "audit" not in statement])
    assert taken[0] == taken[1] and reads[0] == reads[1] and len(taken[0]) > 5
    consent = only(stored(stage, "Consent"))
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    refused = [each for each in (json.loads(row.event) for row in rows) if each["type"]["code"] == "110113" and each["outcome"] != "0"]
    assert refused and all(each["subtype"][0]["code"] == "AuthZ-Consent" and each["outcomeDesc"] == "no-permit" for each in refused)
    assert consent["status"] == "active"


def test_refusal_by_a_deny_cites_the_consent_and_its_version_U_05(stage: Stage) -> None:
    stage.sent()
    shown, consent = card(stage), only(stored(stage, "Consent"))
    deny = {name: value for name, value in consent.items() if name not in ("id", "meta", "identifier")}
    deny |= {"id": stage.clock.new_id(), "provision": {"type": "deny", "actor": consent["provision"]["actor"]}}
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("create", "Consent", deny["id"], deny, origin="intake")]))
    assert stage.see(COURSIER, VIEW, shown.id) is None
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    refused = [each for each in (json.loads(row.event) for row in rows) if each["type"]["code"] == "110113" and each["outcome"] != "0"]
    assert f"Consent/{deny['id']}/_history/1" in [entity["what"]["reference"] for entity in refused[-1]["entity"]]
