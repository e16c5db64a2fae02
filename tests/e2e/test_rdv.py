"""The column RDV of france.md 2.9: what RDV Service Public tells of an appointment, and what the referral becomes of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter import traces
from adapter.fhir import query
from tests.e2e.booking import ANOTHER, NUMBERS, UNIT, USER, VIEW, Tool, appointments, booked, parked, refer, reference, state, task, versions
from tests.e2e.records import stored
from tests.e2e.stage import CALL, CARSAT, GP, SAAD, Stage


@pytest.fixture
def house() -> Iterator[tuple[Stage, Tool]]:
    with booked() as found:
        yield found


# ── the table ────────────────────────────────────────────────────────────────────────────────────
def test_rdv_unknown_is_booked_and_the_appointment_of_an_accepted_referral_is_fixed(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    answer = tool.tell("unknown", event="created")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (state(stage), appointments(stage)) == (("accepted", "rdv-fixe"), ["booked"])
    card = stage.cards(CARSAT, VIEW)[0].card
    assert card["appointments"] == [{"state": "booked", "start": "2026-03-10T09:30:00+01:00", "end": "2026-03-10T10:15:00+01:00"}]
    assert stage.cards(GP, "prescripteur")[0].card["appointments"] == card["appointments"]


def test_rdv_seen_is_the_first_contact(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("unknown"), tool.tell("seen")
    assert (state(stage), appointments(stage)) == (("in-progress", ""), ["fulfilled"])
    tool.tell("unknown", rdv="rdv-2")
    assert state(stage) == ("in-progress", "rdv-fixe")
    tool.tell("seen", rdv="rdv-2")
    assert (state(stage), appointments(stage)) == (("in-progress", ""), ["fulfilled"] * 2)


def test_rdv_noshow_is_counted_and_ends_nothing_F14(house: tuple[Stage, Tool]) -> None:
    """After three it is the unit that ends it (workflow.md 2)."""
    stage, tool = house
    for number, said in enumerate(("absent-1", "absent-2", "absent-3", "absent-3")):
        tool.tell("unknown", rdv=f"rdv-{number}")
        assert state(stage) == ("accepted", "rdv-fixe")
        tool.tell("noshow", rdv=f"rdv-{number}")
        assert state(stage) == ("accepted", said)
    assert appointments(stage) == ["noshow"] * 4


@pytest.mark.parametrize("status", ["excused", "revoked"])
def test_rdv_that_was_called_off_leaves_the_task_as_it_was(house: tuple[Stage, Tool], status: str) -> None:
    stage, tool = house
    tool.tell("unknown")
    before = task(stage)
    tool.tell(status)
    (found,) = stored(stage, "Appointment")
    assert (found["status"], found["cancelationReason"]["coding"][0]["code"]) == ("cancelled", status)
    assert task(stage) == before


def test_rdv_that_was_deleted_was_an_error_unless_it_took_place(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("unknown"), tool.tell("unknown", event="destroyed")
    assert appointments(stage) == ["entered-in-error"]
    tool.tell("noshow", rdv="rdv-2"), tool.tell("noshow", rdv="rdv-2", event="destroyed")
    assert (appointments(stage), state(stage)) == (["entered-in-error", "noshow"], ("accepted", "absent-1"))


def test_no_show_that_was_none_is_not_counted_any_more(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("noshow"), tool.tell("noshow", rdv="rdv-2")
    assert state(stage) == ("accepted", "absent-2")
    tool.tell("excused", rdv="rdv-2")
    assert state(stage) == ("accepted", "absent-1")
    tool.tell("excused")
    assert state(stage) == ("accepted", "")


def test_appointment_that_the_unit_fixed_accepts_what_was_requested() -> None:
    with booked(accepted=False) as (stage, tool):
        tool.tell("unknown", case_number=f" {reference(stage).lower()} ")
        assert state(stage) == ("accepted", "rdv-fixe")
    with booked(accepted=False) as (stage, tool):
        tool.tell("seen", case_number=reference(stage))
        assert state(stage) == ("in-progress", "")


@pytest.mark.parametrize("by", [{"created_by_type": "Prescripteur"}, {"created_by_type": "User"}, {"created_by_agent_prescripteur": True}])
def test_appointment_that_somebody_else_booked_leaves_the_decision_to_the_unit(by: dict[str, Any]) -> None:
    with booked(accepted=False) as (stage, tool):
        record = tool.rdv("unknown", case_number=reference(stage))
        record["data"]["participations"][0] |= {"created_by_type": "Agent"} | by
        tool.send(record)
        assert (state(stage), appointments(stage)) == (("requested", "rdv-fixe"), ["booked"])
        held = tool.rdv("seen")
        held["data"]["participations"][0] |= {"created_by_type": "Agent"} | by
        tool.send(held)
        assert (state(stage), appointments(stage)) == (("requested", "rdv-fixe"), ["fulfilled"])


def test_everyone_who_takes_part_has_a_status_of_their_own(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    refer(stage, id="appel-2", personne=ANOTHER)
    other = next(each for each in stage.cards(CARSAT, VIEW) if each.card["state"] == "requested")
    stage.act(CARSAT, VIEW, other, "accept")
    record = tool.rdv("seen")
    second = {"status": "noshow", "user": {"id": 69, "first_name": "Paulzyx", "last_name": "Zyxautre", "birth_date": "1951-05-06"}}
    stranger = {"status": "seen", "user": {"id": 70, "first_name": "Zyxinconnu", "last_name": "Personne", "birth_date": "1960-01-01"}}
    record["data"]["participations"] += [second, stranger]
    tool.send(record)
    assert sorted(each["status"] for each in stored(stage, "Task")) == ["accepted", "in-progress"]
    assert appointments(stage) == ["fulfilled", "noshow"]
    assert [(each["user"], each["why"]) for each in parked(stage)] == [("70", "none")]


def test_who_takes_part_no_more_has_no_appointment_any_more(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("unknown")
    tool.tell("unknown", id=99, first_name="Zyxautre", birth_date="1960-01-01")
    assert (appointments(stage), [each["user"] for each in parked(stage)]) == (["cancelled"], ["99"])


# ── once, and never back in time ─────────────────────────────────────────────────────────────────
def test_what_was_told_before_or_is_older_changes_nothing(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    first, second, third = (tool.rdv(status) for status in ("unknown", "unknown", "noshow"))
    tool.send(second), tool.send(third)
    before = versions(stage)
    for late in (first, second, third, third):
        assert tool.send(late).status_code == 204
    assert (versions(stage), state(stage)) == (before, ("accepted", "absent-1"))


def test_what_was_parked_does_not_go_back_in_time_either(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    created, destroyed = (tool.rdv("unknown", birth_date="1960-01-01", event=event) for event in ("created", "destroyed"))
    tool.send(destroyed), tool.send(created)
    assert (parked(stage), appointments(stage)) == ([], [])
    tool.tell("unknown")  # now of somebody who is known
    assert appointments(stage) == ["booked"]


# ── what is left at the door, and what leaves ────────────────────────────────────────────────────
def test_nothing_of_the_tool_is_kept_but_what_the_appointment_needs() -> None:
    with booked() as (stage, tool):
        tool.tell("unknown"), tool.tell("unknown", rdv="rdv-2", first_name="Zyxsomebody", case_number="Zyxdossier")
        proofs = [each for each in stored(stage, "Provenance") if each["activity"]["coding"][0]["code"] == "rendez-vous"]
        kept = json.dumps([stored(stage, "Appointment"), proofs, parked(stage)])
        kept += str(stage.app.read_now(lambda _, uow: (uow.kept(f"rdv-parked/{UNIT}"), [row.event for row in uow.audit_rows(limit=10_000)])))
        for word in ("Zyxnotes", "Zyxtool", "0639980099", "Zyxallocataire", "Zyxcontexte", "Zyxlieu", "Zyxmotif", "Zyxsomebody", "Zyxdossier", "ZYXDURAND", "1938-02-03"):
            assert word not in kept


def test_each_call_is_an_event_of_codes(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("unknown"), tool.tell("seen"), tool.tell("unknown", rdv="rdv-2", first_name="Jeanne"), tool.send(tool.rdv("unknown", at=tool.at.replace(year=2025)))
    events = [json.loads(row.event) for row in stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))]
    mine = [each for each in events if each["subtype"][0]["code"] == "appointment-told"]
    assert [{d["type"]: d["valueString"] for e in each["entity"] for d in e.get("detail", ()) if d["type"] in ("outcome", "status", "why")} for each in mine] == [
        {"outcome": "new", "status": "booked"}, {"outcome": "changed", "status": "fulfilled"}, {"outcome": "parked", "why": "none"}, {"outcome": "known"},
    ]  # fmt: skip


def test_erasure_of_the_person_finds_appointment_and_its_proof(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("unknown"), tool.tell("noshow")
    patient = task(stage)["for"]["reference"]
    found = [each.type for each in stage.app.read_now(lambda _, uow: list(traces.of_person(uow, patient)))]
    proofs = [each for each in stored(stage, "Provenance") if each["activity"]["coding"][0]["code"] == "rendez-vous"]
    assert found.count("Appointment") == 1 and len(proofs) == 2
    assert found.count("Provenance") == len(stored(stage, "Provenance"))


def test_task_is_told_to_the_clinics_ehr_and_the_appointment_stays(house: tuple[Stage, Tool]) -> None:
    """`dossier-clinique` names no Appointment: that one is fixed is what the practice's record says."""
    stage, tool = house
    tool.tell("unknown")
    stage.push()
    there = [each for each in stage.ehr.all("Task")]
    assert [each["businessStatus"]["coding"][0]["code"] for each in there] == ["rdv-fixe"]
    assert stage.ehr.all("Appointment") == []


@pytest.mark.shared
def test_example_of_the_openapi_goes_through(shared: Path) -> None:
    with booked(personne=CALL["personne"] | {"nom": "Moreau", "nom_naissance": "Moreau", "prenom": "Marc", "naissance": "1985-07-20"}) as (stage, tool):
        rdv = example(shared)
        assert rdv["organisation"]["id"] == NUMBERS[UNIT]
        assert tool.send({"data": rdv, "meta": {"model": "Rdv", "event": "created", "timestamp": "2026-03-06T18:00:00.000+01:00"}}).status_code == 204
        (found,) = stored(stage, "Appointment")
        assert (found["status"], found["start"], found["minutesDuration"], state(stage)) == ("booked", "2022-01-01T08:00:00+01:00", 45, ("accepted", "rdv-fixe"))
        assert "Super note" not in json.dumps(found)


@pytest.mark.shared
def test_statuses_of_the_openapi_are_those_of_the_table(shared: Path) -> None:
    schemas = json.loads((shared / "data/fr/samples/rdv-service-public-openapi-v1.json").read_text())["components"]["schemas"]
    with booked() as (stage, _):
        assert set(schemas["participation"]["properties"]["status"]["enum"]) == set(stage.app.terms["rdv-status"].terms)


def example(shared: Path) -> dict[str, Any]:
    document = json.loads((shared / "data/fr/samples/rdv-service-public-openapi-v1.json").read_text())
    answers = next(path for name, path in document["paths"].items() if name.endswith("/rdvs"))["get"]["responses"]["200"]
    found: dict[str, Any] = copy.deepcopy(answers["content"]["application/json"]["examples"]["example"]["value"]["rdvs"][0])
    return found


def test_user_of_the_tests_is_the_person_of_the_call() -> None:
    assert (USER["birth_date"], str(USER["last_name"]).title()) == (CALL["personne"]["naissance"], CALL["personne"]["nom"])


def test_units_own_software_reads_of_it_what_the_view_lists(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("noshow")
    who = replace(CARSAT, scopes=frozenset({"system/*.rs"}))
    found = stage.app.write_now(lambda story, uow: story.found(uow, who, query("Appointment", [])))
    (seen,) = [json.loads(each.served) for each in found.matches]
    assert (seen.keys() - {"meta"}, seen["status"]) == ({"resourceType", "id", "status", "basedOn", "start", "end"}, "noshow")
    (kept,) = stored(stage, "Appointment")
    assert kept["id"] not in json.dumps(seen) and kept["basedOn"][0]["reference"] not in json.dumps(seen)
    nobody = stage.app.write_now(lambda story, uow: story.found(uow, replace(SAAD, scopes=who.scopes), query("Appointment", [])))
    assert nobody.matches == ()
