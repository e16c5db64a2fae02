"""What time brings, end to end (workflow.md 2 to 4; france.md F13 and F14): nobody answers, a deadline comes near, the person does not come."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter import audit, elapsed
from adapter.errors import Invalid
from adapter.network import Person
from adapter.ports import Change, Principal, Resource
from adapter.settings import load_settings
from tests.e2e import stage as staging
from tests.e2e.france import call, form
from tests.e2e.places import settle
from tests.e2e.records import BY_PHONE, DOCTOR, VIEW, card, only, stored
from tests.e2e.stage import CARSAT, COURSIER, GP, SAAD, Stage, staged
from tests.unit.sync.test_serving import housed

NIGHTLY = os.environ.get("LIAISON_TEST_PROFILE") == "nightly"
DAY = timedelta(days=1)
FRIDAY = staging.FRIDAY.astimezone(UTC)  # days are of 24 hours, whatever summer does
NAMES = ("Zyx", "39980001", "1938")
CALM = {"urgence": "normale"}  # not escalated


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        settle(found)
        yield found


def run(stage: Stage) -> dict[str, int]:
    report = stage.app.wiring.due.run()
    assert (report.failed, report.skipped, report.more) == (0, False, False)
    return dict(report.done)


def after(stage: Stage, length: timedelta) -> dict[str, int]:
    """What a run does so long after the call."""
    stage.clock.set(FRIDAY + length)
    return run(stage)


def events(stage: Stage, *kinds: str) -> list[Resource]:
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    assert audit.verify(rows).ok
    return [each for each in (json.loads(row.event) for row in rows) if each["subtype"][0]["code"] in kinds]


def owed(stage: Stage, who: Principal = COURSIER, view: str = VIEW) -> list[dict[str, Any]]:
    """The list of work, but for the information sheet."""
    found = stage.app.write_now(lambda story, uow: story.lists.owed(uow, who, view, request_id=""))
    return [each for each in found or [] if each["what"] != "information"]


def whats(stage: Stage, who: Principal = COURSIER, view: str = VIEW) -> list[str]:
    return [each["what"] for each in owed(stage, who, view)]


def said(stage: Stage) -> list[tuple[str, tuple[str, ...]]]:
    """What was said, and to whom."""
    return [(each.what, each.to) for each in stage.app.read_now(lambda story, uow: elapsed.notices(story, uow, since=FRIDAY))]


def numbers(stage: Stage) -> dict[str, str]:
    return {f"{type}/{each['id']}": each["meta"]["versionId"] for type in ("Task", "ServiceRequest", "Consent", "Communication") for each in stored(stage, type)}


# ── F13: thirty days without an answer ───────────────────────────────────────────────────────────
def test_F13_reminder_at_10_days_is_said_once_to_the_unit_and_the_prescriber(stage: Stage) -> None:
    call(stage, **CALM)
    stage.push()
    before = numbers(stage)
    assert after(stage, 10 * DAY - timedelta(seconds=1)) == {} and whats(stage) == []
    assert after(stage, 10 * DAY) == {"attente": 1}
    (reference,) = {each["reference"] for each in owed(stage)}
    assert reference == card(stage).card["reference"] and owed(stage)[0]["id"] == card(stage).id
    assert whats(stage) == ["answer"] == whats(stage, GP, DOCTOR) and set(owed(stage)[0]) == {"id", "reference", "what", "since"}
    assert said(stage) == [("attente", ("HealthcareService/coursier-rouen", "PractitionerRole/dr-exemple"))]
    changed = numbers(stage)
    assert {name: changed[name] for name in before} == before and stage.push() == 0  # the EHR has nothing to learn of it
    for who, view in ((COURSIER, VIEW), (GP, DOCTOR)):
        (message,) = only(stage.cards(who, view)).card["messages"]
        assert (message["kind"], message["about"]) == ("Rappel", "Sans réponse à ce jour")
    (event,) = events(stage, "referral-reminded")
    assert "liaison" in json.dumps(event["agent"][0]) and not any(name in json.dumps(event) for name in NAMES)
    assert run(stage) == {} and after(stage, 20 * DAY) == {} and len(said(stage)) == 1
    stage.act(COURSIER, VIEW, card(stage), "accept")
    assert whats(stage) == [] and after(stage, 90 * DAY) == {}


def test_F13_request_is_closed_at_30_days_and_the_prescriber_told(stage: Stage) -> None:
    call(stage, **CALM)
    stage.push()
    assert after(stage, 11 * DAY) == {"attente": 1}
    assert after(stage, 30 * DAY - timedelta(seconds=1)) == {} and only(stored(stage, "Task"))["status"] == "requested"
    assert after(stage, 30 * DAY) == {"sans-reponse": 1}
    task, request, consent = (only(stored(stage, type)) for type in ("Task", "ServiceRequest", "Consent"))
    assert (task["status"], request["status"], consent["status"]) == ("cancelled", "revoked", "inactive")
    assert task["statusReason"]["coding"][0]["code"] == "sans-reponse" and task["statusReason"]["text"] == "Sans réponse dans le délai"
    mine = only(stage.cards(GP, DOCTOR)).card
    assert (mine["state"], mine["reason"]) == ("cancelled", "Sans réponse dans le délai")
    assert mine["messages"][-1]["about"] == "Demande close : sans réponse dans le délai"
    assert said(stage)[-1] == ("sans-reponse", ("PractitionerRole/dr-exemple",))
    assert whats(stage) == [] == whats(stage, GP, DOCTOR)
    assert stage.push() == 3
    assert [only(stage.ehr.all(type))["status"] for type in ("Task", "ServiceRequest", "Consent")] == ["cancelled", "revoked", "inactive"]
    (event,) = events(stage, "referral-expired")
    who = json.dumps([each["agent"] for each in events(stage, "update")[-3:]])
    assert "liaison" in json.dumps(event["agent"]) and who.count("liaison") >= 3
    assert "PatientZ" not in card_of_the_unit(stage) and not any(name in card_of_the_unit(stage) for name in NAMES)
    assert run(stage) == {} and after(stage, 300 * DAY) == {}


def card_of_the_unit(stage: Stage) -> str:
    """What is left to the unit: reference, dates, outcome."""
    return json.dumps([each.card for each in stage.cards(COURSIER, VIEW)], ensure_ascii=False)


@pytest.mark.parametrize("act", ["accept", "decline"])
def test_F13_an_answer_ends_the_waiting(stage: Stage, act: str) -> None:
    call(stage, **CALM)
    stage.clock.set(FRIDAY + 9 * DAY)
    stage.act(COURSIER, VIEW, card(stage), act, **({"reason": "session-complete"} if act == "decline" else {}))
    assert after(stage, 10 * DAY) == {} and after(stage, 40 * DAY) == {} and said(stage) == []


def test_F13_a_question_shows_the_clock_and_does_not_stop_it(stage: Stage) -> None:
    call(stage, **CALM)
    stage.clock.set(FRIDAY + 9 * DAY)
    stage.act(COURSIER, VIEW, card(stage), "ask", question="coordonnees")
    assert after(stage, 10 * DAY) == {"attente": 1} and after(stage, 30 * DAY) == {"sans-reponse": 1}


def test_F13_days_run_from_the_sending_and_not_from_the_call(stage: Stage) -> None:
    stage.call(**CALM)
    stage.agree("doctor")
    assert after(stage, 20 * DAY) == {}, "a draft waits for nobody"
    stage.agree("patient")
    assert after(stage, 29 * DAY) == {} and after(stage, 30 * DAY) == {"attente": 1}
    assert after(stage, 49 * DAY) == {} and after(stage, 50 * DAY) == {"sans-reponse": 1}


def test_F13_late_by_months_closes_at_once_and_says_no_more_than_that(stage: Stage) -> None:
    call(stage, **CALM)
    assert after(stage, 200 * DAY) == {"sans-reponse": 1}
    assert [what for what, _ in said(stage)] == ["sans-reponse"] and run(stage) == {}


def test_F13_an_offer_to_a_pool_is_on_its_list_without_a_word_of_the_person(stage: Stage) -> None:
    call(stage, destinataire="saad-portage", besoins=["denutrition"], **CALM)
    assert after(stage, 10 * DAY) == {"attente": 1}
    (one,) = owed(stage, SAAD, "saad")
    assert one["what"] == "answer" and "messages" not in only(stage.cards(SAAD, "saad")).card
    assert after(stage, 30 * DAY) == {"sans-reponse": 1} and whats(stage, SAAD, "saad") == []


def test_F13_withdrawn_meanwhile_is_neither_reminded_nor_listed(stage: Stage) -> None:
    call(stage, **CALM)
    after(stage, 10 * DAY)
    stage.act(COURSIER, VIEW, card(stage), "withdraw", **BY_PHONE)
    assert whats(stage) == [] and after(stage, 40 * DAY) == {}
    assert only(stored(stage, "Task"))["statusReason"]["coding"][0]["code"] == "demande-close"


def test_F13_days_are_settings() -> None:
    with staged(LIAISON_REMIND_AFTER="2d", LIAISON_EXPIRE_AFTER="4d") as stage:
        call(stage, **CALM)
        assert after(stage, 2 * DAY) == {"attente": 1} and after(stage, 4 * DAY) == {"sans-reponse": 1}
    found = load_settings({})
    assert (found.remind_after, found.expire_after) == (10 * DAY, 30 * DAY)


def test_F13_subscriber_of_the_unit_is_told_of_the_end_and_not_of_the_reminder(tmp_path: Path) -> None:
    with housed(tmp_path / "secret", "sqlite://") as house:
        house.subscribe()
        call(house.stage, **CALM)
        assert len(house.turn()) == 1
        assert after(house.stage, 10 * DAY) == {"attente": 1} and house.turn() == []
        assert after(house.stage, 30 * DAY) == {"sans-reponse": 1} and len(house.turn()) == 1


# ── pressing files ───────────────────────────────────────────────────────────────────────────────
# Friday 18:50 → Tuesday 18:00 are 95 h 10 min: half is Sunday 18:25, three quarters Monday 18:12:30.
HALF, SECOND, END = (datetime.fromisoformat(each) for each in ("2026-03-08T18:25:00+01:00", "2026-03-09T18:12:30+01:00", "2026-03-10T18:00:00+01:00"))
TICK = timedelta(seconds=1)


def at(stage: Stage, moment: datetime) -> dict[str, int]:
    stage.clock.set(moment)
    return run(stage)


def test_48_h_file_goes_to_the_unit_at_half_time_to_a_second_person_then_the_phone_is_on_the_list(stage: Stage) -> None:
    now = stage.app.network
    people = (Person(key="coursier-stage", name="X", role="trainee", unit="coursier-rouen"), Person(key="coursier-max", name="Y", role="coursier", unit="coursier-rouen"))
    stage.app.apply_network(replace(now, people=(*now.people, *people)))
    call(stage)
    assert at(stage, HALF - TICK) == {} and whats(stage) == []
    assert at(stage, HALF) == {"mi-delai": 1} and whats(stage) == ["half-time"]
    assert at(stage, SECOND - TICK) == {} and at(stage, SECOND) == {"trois-quarts": 1} and whats(stage) == ["second-person"]
    assert at(stage, END - TICK) == {} and at(stage, END) == {"echeance": 1} and at(stage, END + DAY) == {}
    unit, doctor = "HealthcareService/coursier-rouen", "PractitionerRole/dr-exemple"
    assert said(stage) == [("mi-delai", (unit,)), ("trois-quarts", (unit, "PractitionerRole/coursier-max")), ("echeance", (unit, doctor))]
    disclosed = len(events(stage, "disclose"))
    (mine,), (theirs,) = owed(stage), owed(stage, GP, DOCTOR)
    told = [detail["valueString"] for each in events(stage, "disclose")[disclosed:] for entity in each["entity"] for detail in entity.get("detail", ()) if detail["type"] == "classes"]
    assert (mine["what"], mine["phone"]) == ("deadline", card(stage).card["prescriber"]["phone"]) and mine["phone"] == "02 61 91 00 12"
    assert (theirs["what"], theirs["phone"]) == ("deadline", "06 39 98 00 21")
    assert told == ["D10,D11", "D10,D11"], "the parties alone"


def test_48_h_file_late_says_only_how_far_it_has_come(stage: Stage) -> None:
    call(stage)
    assert at(stage, END + DAY) == {"echeance": 1} and run(stage) == {}
    assert [what for what, _ in said(stage)] == ["echeance"]


@pytest.mark.parametrize(("verb", "arguments", "ends"), [
    ("accept", {}, False), ("start", {}, True), ("progress", {"progress": "contact-tente"}, False), ("progress", {"progress": "rdv-fixe"}, True),
    ("ask", {"question": "coordonnees"}, False),
])  # fmt: skip
def test_48_h_file_presses_until_somebody_met_the_person_or_a_day_is_fixed(stage: Stage, verb: str, arguments: dict[str, Any], ends: bool) -> None:
    call(stage)
    at(stage, HALF)
    shown = stage.act(COURSIER, VIEW, card(stage), "accept")
    if verb != "accept":
        stage.act(COURSIER, VIEW, shown, verb, **arguments)
    assert whats(stage) == ([] if ends else ["half-time"])
    assert at(stage, END) == ({} if ends else {"echeance": 1})


def test_pool_is_told_no_phone_before_it_accepted(stage: Stage) -> None:
    call(stage, destinataire="saad-portage", besoins=["denutrition"])
    at(stage, END + DAY)
    assert [set(each) for each in owed(stage, SAAD, "saad")] == [{"id", "reference", "what", "since"}]


def test_file_that_does_not_press_is_not_escalated(stage: Stage) -> None:
    call(stage, **CALM)
    assert at(stage, END + 5 * DAY) == {}


# ── F14: three no-shows ──────────────────────────────────────────────────────────────────────────
def followed(stage: Stage) -> Any:
    call(stage, destinataire="permanence-saint-eloi", besoins=["acces-droits"])
    shown = only(stage.cards(CARSAT, "as-carsat"))
    shown = stage.act(CARSAT, "as-carsat", shown, "accept")
    return stage.act(CARSAT, "as-carsat", shown, "progress", progress="rdv-fixe")


def test_F14_three_no_shows_then_the_unit_cancels(stage: Stage) -> None:
    shown = followed(stage)
    for number in (1, 2, 3):
        assert whats(stage, CARSAT, "as-carsat") == []
        with pytest.raises(Invalid, match="three no-shows"):
            stage.act(CARSAT, "as-carsat", shown, "cancel", reason="beneficiaire-absent")
        shown = stage.act(CARSAT, "as-carsat", shown, "progress", progress=f"absent-{number}")
        task = only(stored(stage, "Task"))
        assert (task["status"], task["businessStatus"]["coding"][0]["code"]) == ("accepted", f"absent-{number}")
    assert whats(stage, CARSAT, "as-carsat") == ["no-shows"] and whats(stage, GP, DOCTOR) == []
    assert only(stage.cards(GP, DOCTOR)).card["progress"] == "Troisième absence"
    assert after(stage, 200 * DAY) == {}, "to cancel is the unit's to decide"
    ended = stage.act(CARSAT, "as-carsat", shown, "cancel", reason="beneficiaire-absent")
    assert (ended.card["state"], ended.card["reason"]) == ("cancelled", "Personne absente aux rendez-vous")
    assert [only(stored(stage, type))["status"] for type in ("Task", "ServiceRequest", "Consent")] == ["cancelled", "revoked", "inactive"]
    assert whats(stage, CARSAT, "as-carsat") == []
    stage.push()
    assert only(stage.ehr.all("Task"))["statusReason"]["coding"][0]["code"] == "beneficiaire-absent"


def test_F14_no_show_marks_the_appointment_that_had_begun_and_no_other(stage: Stage) -> None:
    form(stage, motifs=["acces-droits"], date_rdv="2026-03-10T09:30:00+01:00")
    shown = stage.act(CARSAT, "as-carsat", only(stage.cards(CARSAT, "as-carsat")), "accept")
    booked = only(stored(stage, "Appointment"))
    later = {**booked, "id": "later", "start": "2026-03-17T09:30:00+01:00", "end": "2026-03-17T10:15:00+01:00"}
    other = {**booked, "id": "other", "basedOn": [{"reference": "ServiceRequest/another"}]}
    for each in (later, other):
        each.pop("identifier", None)
        stage.app.write_now(lambda story, uow, each=each: story.receive(uow, GP, [Change("create", "Appointment", each["id"], each, origin="intake")]))
    stage.clock.set(datetime.fromisoformat("2026-03-10T09:29:00+01:00"))
    shown = stage.act(CARSAT, "as-carsat", stage.see(CARSAT, "as-carsat", shown.id), "progress", progress="absent-1")
    assert Counter(each["status"] for each in stored(stage, "Appointment")) == {"booked": 3}, "it had not begun"
    stage.clock.set(datetime.fromisoformat("2026-03-10T10:00:00+01:00"))
    shown = stage.act(CARSAT, "as-carsat", shown, "progress", progress="rdv-fixe")
    stage.act(CARSAT, "as-carsat", shown, "progress", progress="absent-2")
    assert {each["id"]: each["status"] for each in stored(stage, "Appointment")} == {booked["id"]: "noshow", "later": "booked", "other": "booked"}


def test_F14_only_the_unit_says_so_and_only_what_the_table_has(stage: Stage) -> None:
    shown = followed(stage)
    with pytest.raises(Invalid, match="business-status"):
        stage.act(CARSAT, "as-carsat", shown, "progress", progress="absent-4")
    with pytest.raises(Invalid, match="expected one of"):
        stage.act(CARSAT, "as-carsat", shown, "progress", progress="non-lu")
    with pytest.raises(Exception, match="this view offers"):
        stage.act(GP, DOCTOR, only(stage.cards(GP, DOCTOR)), "progress", progress="absent-1")
    assert stage.act(CARSAT, "as-carsat", shown, "cancel", reason="refus-patient").card["state"] == "cancelled"
