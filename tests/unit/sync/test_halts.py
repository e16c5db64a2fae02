"""Halts: what stands still, for whom, and how a person lets it go on; patients whose record became another's (Y-23)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter.errors import NotFound
from adapter.ports import Letter, Link, Principal, Remote, Resource
from adapter.sync import halts
from adapter.sync.canonical import encode
from adapter.sync.people import _wrong
from tests.unit.sync.house import PATIENT, House

OPERATOR = Principal("operator", "clinic", role="operator")


def halt(house: House, reason: str = "restored", patient: str = "", **more: Any) -> bool:
    return house.store.write_now(lambda uow: halts.halt(uow, "clinic", reason, patient, **more))


def halted(house: House, patient: str = "", ehr: str = "clinic") -> str:
    found = house.store.read_now(lambda uow: halts.halted(uow, ehr, patient))
    return found.reason if found else ""


def audited(house: House) -> list[tuple[str, str]]:
    rows = house.store.read_now(lambda uow: uow.audit_rows(limit=1000))
    events = [json.loads(row.event) for row in rows]
    return [
        (event["subtype"][0]["code"], next(part["valueString"] for entity in event["entity"] for part in entity.get("detail", ()) if part["type"] == "reason"))
        for event in events if event["subtype"][0]["code"].startswith("sync-")
    ]  # fmt: skip


def moved(house: House) -> None:
    house.ehr.plant({**PATIENT, "id": "43", "identifier": []})
    house.ehr.edit("Task", lambda task: task.update(status="cancelled") or task["for"].update(reference="Patient/43"))


# ── what stands ──────────────────────────────────────────────────────────────────────────────────
def test_a_halt_stands_until_a_person_ends_it_and_both_are_in_the_audit() -> None:
    house = House()
    assert halt(house) and not halt(house, "vanished"), "the first reason stays"
    assert (halted(house), halted(house, "Patient/p1"), halted(house, ehr="other")) == ("restored", "restored", "")

    ended = house.store.write_now(lambda uow: halts.resume(uow, "clinic", who=OPERATOR))

    assert (ended.reason, halted(house)) == ("restored", "")
    assert audited(house) == [("sync-halted", "restored"), ("sync-resumed", "restored")]
    with pytest.raises(NotFound):
        house.store.write_now(lambda uow: halts.resume(uow, "clinic", who=OPERATOR))


def test_a_halt_of_a_patient_stops_the_letters_of_that_patient_only() -> None:
    house = House().referral()
    halt(house, "patient-merged", "Patient/p1")
    other = {**PATIENT, "id": "p2"}
    house.put(other)

    def held(type: str, id: str) -> str:
        found = house.store.read_now(lambda uow: halts.held(uow, Letter("clinic", "s1" if id != "p2" else "s2", type, id, due=uow.at)))
        return found.reason if found else ""

    assert [held("Task", "t1"), held("Consent", "c1"), held("Patient", "p1")] == ["patient-merged"] * 3
    assert held("Patient", "p2") == ""
    assert held("Provenance", "x") == "patient-merged", "by its lane, where it is not kept itself"
    assert [each.patient for each in house.store.read_now(lambda uow: halts.halts(uow, "clinic"))] == ["Patient/p1"]


def test_nothing_is_sent_to_an_ehr_that_is_halted_and_all_of_it_once_a_person_lets_it() -> None:
    house = House().referral()
    halt(house)

    house.push().drain()
    assert house.ehr.calls == [] and house.disclosed == [] and house.sought == []
    assert house.states()[0][1:] == ("queued", "halted-restored")
    house.store.write_now(lambda uow: halts.resume(uow, "clinic", who=OPERATOR))
    house.later(minutes=20)
    house.push().drain()

    assert {state for _, state, _ in house.states()} == {"done"} and house.ehr.count("create") == 3


def test_the_letters_of_another_patient_go_on() -> None:
    house = House().sent()
    halt(house, "patient-merged", "Patient/p1")
    house.set("Task", status="accepted")
    house.ehr.plant({**PATIENT, "id": "43"})
    house.store.write_now(lambda uow: uow.save_link(Link("clinic", "Patient", "p2", "43")))
    house.put({**PATIENT, "id": "p2"}, {**house.ours("Consent"), "id": "c2", "identifier": [{"system": "urn:x", "value": "c2"}], "patient": {"reference": "Patient/p2"}})
    house.post("Consent/c2", lane="s2")

    house.push().drain()

    assert ("Task", "queued", "halted-patient-merged") in house.states() and house.ehr.only("Task")["status"] == "requested"
    assert house.states()[-1] == ("Consent", "parked", "no-identifier"), "looked at: it is another one's"


def test_every_reason_says_what_it_means() -> None:
    assert all(halts.WHY[reason] for reason in ("restored", "id-reused", "vanished", "patient-merged", "patient-moved", "patient-changed", "patient-gone"))


# ── a patient moved ──────────────────────────────────────────────────────────────────────────────
def test_Y_23_a_referral_moved_to_another_patients_record_is_frozen_and_not_taken_in() -> None:
    house = House().sent()
    moved(house)

    assert house.pull().run(now=True).outcomes["Task"] == {"frozen": 1}
    assert house.pull().run(now=True).outcomes["Task"] == {"frozen": 1}

    assert (halted(house), halted(house, "Patient/p1"), house.pulled, house.ours("Task")["status"]) == ("", "patient-moved", [], "requested")
    assert audited(house) == [("sync-halted", "patient-moved")]


def test_Y_23_a_consent_of_the_patient_is_not_taken_in_either_while_it_lasts() -> None:
    house = House().sent()
    moved(house)
    house.pull().run(now=True)
    house.ehr.edit("Consent", lambda consent: consent["provision"]["period"].update(end="2026-06-01T00:00:00Z"))

    assert house.pull().run(now=True).outcomes["Consent"] == {"frozen": 1}

    house.store.write_now(lambda uow: halts.resume(uow, "clinic", patient="Patient/p1", who=OPERATOR))
    house.pull().run(now=True)
    assert house.ours("Consent")["provision"]["period"]["end"] == "2026-06-01T00:00:00Z", "nothing was lost by it"


def test_Y_23_a_persons_word_holds_until_the_record_is_another_again() -> None:
    house = House().sent()
    moved(house)
    house.pull().run(now=True)
    house.store.write_now(lambda uow: halts.resume(uow, "clinic", patient="Patient/p1", who=OPERATOR))

    assert house.pull().run(now=True).outcomes["Task"] == {"applied": 1}
    assert house.ours("Task")["for"] == {"reference": "Patient/p1"}, "the patient never changes by pull"

    house.ehr.plant({**PATIENT, "id": "44", "identifier": []})
    house.ehr.edit("Task", lambda task: task["for"].update(reference="Patient/44"))
    assert house.pull().run(now=True).outcomes["Task"] == {"frozen": 1}


def test_Y_23_a_patient_linked_anew_by_a_person_is_no_other() -> None:
    house = House().sent()
    moved(house)

    def chosen(uow: Any) -> None:
        remote = next(each for each in house.ehr.all("Patient") if each["id"] == "43")
        link = uow.link("clinic", "Patient", "p1")
        uow.save_link(Link("clinic", "Patient", "p1", "43", "1", "", encode(remote), link.sent))

    house.store.write_now(chosen)

    assert house.pull().run(now=True).outcomes["Task"] == {"applied": 1}
    assert halted(house, "Patient/p1") == ""


# ── a patient's record ───────────────────────────────────────────────────────────────────────────
NUMBER = {"system": "https://clinic.example/ipp", "value": "42"}
BASE: Resource = {"resourceType": "Patient", "id": "42", "identifier": [NUMBER], "birthDate": "1941-05-06", "active": True}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        ({"name": [{"family": "Autre"}], "telecom": [{"value": "1"}]}, ""),
        ({"active": False}, ""),
        ({"identifier": [NUMBER, {"system": "urn:other", "value": "7"}]}, ""),
        ({"link": [{"type": "seealso", "other": {"reference": "Patient/1"}}]}, ""),
        ({"link": [{"type": "replaced-by", "other": {"reference": "Patient/43"}}]}, "patient-merged"),
        ({"identifier": []}, "patient-changed"),
        ({"identifier": [{**NUMBER, "value": "43"}]}, "patient-changed"),
        ({"identifier": [{**NUMBER, "use": "old"}]}, "patient-changed"),
        ({"identifier": [{**NUMBER, "use": "old"}, {"system": "urn:other", "value": "7"}]}, "patient-changed"),
        ({"identifier": [{**NUMBER, "use": "old"}, {**NUMBER, "value": "43"}]}, ""),
        ({"birthDate": "1950-01-01"}, "patient-changed"),
    ],
)
def test_Y_23_a_record_is_the_same_persons_or_says_why_not(changed: Resource, reason: str) -> None:
    link = Link("clinic", "Patient", "p1", "42", base=encode(BASE))
    assert _wrong(link, Remote({**BASE, **changed}, "2")) == reason


def test_Y_23_a_record_that_is_gone_says_so_and_one_never_seen_is_believed() -> None:
    link = Link("clinic", "Patient", "p1", "42", base=encode(BASE))
    assert _wrong(link, None) == "patient-gone"
    assert _wrong(Link("clinic", "Patient", "p1", "42"), Remote({**BASE, "birthDate": "1950"}, "1")) == ""
