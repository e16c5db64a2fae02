"""One letter brings one resource up to date, once, whatever fails (sync.md 5.4)."""

from __future__ import annotations

import pytest

from adapter.errors import EhrUnknown, Unavailable
from adapter.ports import Letter, Remote, Uow
from tests.unit.sync.house import PATIENT, REQUEST, SYSTEMS, TASK, House, code, link
from tests.unit.sync.scripted import away

NOTE = {"text": "vu avec la famille", "time": "2026-03-03T09:00:00.120+01:00"}
ODD = {"url": "https://ehr.example/odd", "valueString": "x"}


# ── the plain way ────────────────────────────────────────────────────────────────────────────────
def test_push_sends_consent_request_and_task_in_order_with_the_ehrs_references() -> None:
    house = House().referral()

    assert house.push().drain() == 3

    assert [type for verb, type in house.ehr.calls if verb == "create"] == ["Consent", "ServiceRequest", "Task"]
    task, request = house.ehr.only("Task"), house.ehr.only("ServiceRequest")
    assert task["for"] == {"reference": "Patient/42"}
    assert task["focus"] == {"reference": f"ServiceRequest/{request['id']}"}
    assert request["supportingInfo"] == [{"reference": f"Consent/{house.ehr.only('Consent')['id']}"}]
    assert task["owner"] == TASK["owner"]
    assert [state for _, state, _ in house.states()] == ["done"] * 3
    assert house.done() == ["linked", "created", "created", "created"]


def test_push_remembers_what_the_ehr_holds_after_a_create() -> None:
    house = House().sent()

    found = link(house)

    assert (found.remote_id, found.remote_version, found.sent) == (house.ehr.only("Task")["id"], "1", 1)
    assert found.content_hash


def test_push_tells_the_audit_what_left_with_our_references() -> None:
    house = House().referral()
    house.push().drain()

    act = next(act for act in house.acts if act.type == "Task")

    assert act.resource is not None and act.resource["for"] == {"reference": "Patient/p1"}
    assert act.remote == f"Task/{house.ehr.only('Task')['id']}/_history/1"
    assert (act.lane, act.number) == ("s1", 1)


def test_push_sends_no_id_and_no_server_part_of_ours() -> None:
    house = House()
    meta = {"versionId": "7", "lastUpdated": "2026-01-01T00:00:00Z", "profile": ["https://a.example"]}
    house.referral(meta=meta, text={"status": "generated"})

    house.push().drain()

    task = house.ehr.only("Task")
    assert task["id"] != "t1"
    assert task["meta"]["versionId"] == "1" and task["meta"]["profile"] == ["https://a.example"]
    assert "text" not in task


def test_push_does_not_call_when_a_later_letter_carried_the_version_already() -> None:
    house = House().sent()
    house.post("Task/t1")

    assert house.push().step()

    assert house.ehr.calls == []
    assert house.done() == ["unchanged"]


def test_push_does_not_write_when_the_ehr_says_the_same_already() -> None:
    house = House().sent()
    house.set("Task", restriction={"period": {"end": "2026-03-04T17:00:00.000Z"}})  # the same instant

    house.push().step()

    assert house.ehr.calls == []
    assert link(house).sent == 2


def test_push_update_keeps_what_only_the_ehr_knows() -> None:
    house = House().sent()
    house.ehr.edit("Task", lambda task: task.update(note=[NOTE], extension=[ODD], _status={"extension": [ODD]}, unknownThing={"a": 1}))
    house.ehr.edit("Task", lambda task: task["identifier"].append({"system": "https://ehr.example", "value": "9"}))
    house.ehr.edit("Task", lambda task: task["restriction"].update(extension=[ODD]))
    house.set("Task", status="accepted", businessStatus={"text": "pris"})

    house.push().drain()

    task = house.ehr.only("Task")
    assert (task["status"], task["businessStatus"]) == ("accepted", {"text": "pris"})
    assert task["note"] == [NOTE], "not even the form of its date is touched"
    assert (task["extension"], task["_status"], task["unknownThing"]) == ([ODD], {"extension": [ODD]}, {"a": 1})
    assert {"system": "https://ehr.example", "value": "9"} in task["identifier"]
    assert task["restriction"]["extension"] == [ODD]

    house.set("Task", status="in-progress", identifier=TASK["identifier"])
    house.push().drain()
    assert {"system": "https://ehr.example", "value": "9"} in house.ehr.only("Task")["identifier"], "nor by the write after that"


def test_push_takes_out_what_we_sent_and_dropped() -> None:
    house = House().sent()
    house.set("ServiceRequest", reasonCode=[code("denutrition")])
    house.set("Task", businessStatus={"text": "rdv"})
    house.push().drain()
    house.set("Task", businessStatus=None)

    house.push().drain()

    assert house.ehr.only("ServiceRequest")["reasonCode"] == [code("denutrition")]
    assert "businessStatus" not in house.ehr.only("Task")


def test_push_restores_our_own_element_at_our_next_write_when_the_ehr_changed_it() -> None:
    house = House().sent()
    house.ehr.edit("Task", lambda task: task.update(owner={"reference": "Organization/other"}))
    house.set("Task", status="accepted")

    house.push().drain()

    assert house.ehr.only("Task")["owner"] == TASK["owner"]
    assert house.ours("Task")["owner"] == TASK["owner"]


def test_push_writes_once_more_and_no_further_when_the_ehr_drops_an_element() -> None:
    house = House()
    house.ehr.drops = frozenset({"restriction"})
    house.referral()

    house.push().drain()
    assert house.ehr.count("update") == 1
    house.post("Task/t1")
    house.push().drain()

    assert house.ehr.count("update") == 1
    assert house.conflicts() == []


# ── what may not leave ───────────────────────────────────────────────────────────────────────────
def test_push_drops_the_letter_when_nothing_may_leave_now() -> None:
    house = House().referral()
    house.withheld = {"Consent/c1", "ServiceRequest/s1", "Task/t1"}

    house.push().drain()

    assert house.states() == [(type, "dropped", "withheld") for type in ("Consent", "ServiceRequest", "Task")]
    assert house.ehr.calls == []
    assert house.done() == ["withheld"] * 3


def test_push_decides_again_at_the_second_try_when_the_permission_went_meanwhile_y_26() -> None:
    house = House().referral()
    house.ehr.script("create", away())
    house.push().step()
    house.withheld.add("Consent/c1")
    house.later(minutes=1)

    house.push().step()

    assert house.states()[0] == ("Consent", "dropped", "withheld")
    assert house.ehr.all("Consent") == []


def test_push_drops_a_letter_about_what_is_not_there() -> None:
    house = House()
    house.post("Task/none")

    house.push().step()

    assert house.states() == [("Task", "dropped", "gone")]


# ── patients ─────────────────────────────────────────────────────────────────────────────────────
def test_push_asks_no_ehr_for_a_patient_before_that_is_recorded_and_not_at_all_where_it_may_not() -> None:
    house = House().referral()
    house.found_out = False

    house.push().drain()

    assert house.sought and house.ehr.calls == [] and house.asked == 0
    assert {(state, reason) for _, state, reason in house.states()} == {("dropped", "withheld"), ("parked", "unlinked-ServiceRequest")}


def test_push_asks_for_a_patient_once_for_the_letters_of_a_referral() -> None:
    house = House().referral()

    house.push().drain()

    assert house.sought == ["Consent/c1"] and house.asked == 1


@pytest.mark.parametrize(("count", "reason"), [(0, "patient-none"), (2, "patient-several")])
def test_push_parks_the_letter_when_the_patient_is_not_certain(count: int, reason: str) -> None:
    house = House().referral()
    house.put({**PATIENT, "identifier": [{"system": SYSTEMS.sid("patient"), "value": "p1"}]})
    house.matches = [Remote({"resourceType": "Patient", "id": str(n)}, "1") for n in range(count)]

    house.push().drain()

    assert house.states()[0] == ("Consent", "parked", reason)
    assert [state for _, state, _ in house.states()[1:]] == ["queued", "queued"], "the rest of the lane waits"
    assert house.ehr.count("create") == 0


def test_push_parks_the_letter_when_that_patient_is_another_ones_of_ours() -> None:
    house = House().sent()
    house.put({**PATIENT, "id": "p2"}, {**REQUEST, "id": "s2", "subject": {"reference": "Patient/p2"}, "supportingInfo": []})
    house.post("ServiceRequest/s2", lane="s2")

    house.push().drain()

    assert house.states()[-1] == ("ServiceRequest", "parked", "patient-taken")


def test_push_creates_the_patient_only_where_the_network_file_says_so() -> None:
    house = House()
    own = {"system": SYSTEMS.sid("patient"), "value": "p1"}
    house.put({**PATIENT, "identifier": [own]}, REQUEST | {"supportingInfo": []})
    house.post("ServiceRequest/s1")
    house.creating = True

    house.push().drain()

    assert house.ehr.only("Patient")["identifier"] == [own]
    assert house.ehr.only("ServiceRequest")["subject"] == {"reference": f"Patient/{house.ehr.only('Patient')['id']}"}


def test_push_never_updates_a_patient() -> None:
    house = House().sent()
    house.set("Patient", birthDate="1950-01-01")

    house.push().drain()

    assert house.ehr.calls == []
    assert house.ehr.only("Patient")["birthDate"] == "1941-05-06"


# ── references to what is not there yet ──────────────────────────────────────────────────────────
def test_push_parks_the_letter_when_a_resource_it_names_will_not_come() -> None:
    house = House().referral()
    house.withheld.add("Consent/c1")

    house.push().drain()

    assert house.states()[:2] == [("Consent", "dropped", "withheld"), ("ServiceRequest", "parked", "unlinked-Consent")]


def test_push_waits_when_another_lane_will_bring_the_resource_it_names() -> None:
    house = House().referral()
    house.put({**REQUEST, "id": "s2", "identifier": [{"system": SYSTEMS.sid("request"), "value": "s2"}], "supportingInfo": [],
               "basedOn": [{"reference": "ServiceRequest/s1"}]})  # fmt: skip
    house.ehr.script("create", EhrUnknown("no answer"))
    house.post("ServiceRequest/s2", lane="s2")
    house.push().step()

    house.push().step()
    assert house.states()[-1] == ("ServiceRequest", "queued", "waits")
    house.later(minutes=1)
    house.push().drain()
    house.later(minutes=1)
    house.push().drain()

    assert {state for _, state, _ in house.states()} == {"done"}
    assert len(house.ehr.all("ServiceRequest")) == 2


def test_push_records_each_disclosure_before_it_happens_U_09() -> None:
    house = House().referral()
    house.push().drain()
    assert house.disclosed == ["Consent/c1", "ServiceRequest/s1", "Task/t1"]

    house.set("Task", status="accepted")
    house.leaving = lambda uow, letter: (_ for _ in ()).throw(Unavailable("the audit cannot be written"))  # type: ignore[method-assign]
    before = list(house.ehr.calls)
    with pytest.raises(Unavailable):
        house.push().drain()
    assert [call for call in house.ehr.calls[len(before):] if call[0] in ("create", "update", "patch")] == []
    assert [task["status"] for task in house.ehr.all("Task")] == ["requested"]


def test_push_sends_nothing_when_the_permission_goes_between_reading_and_sending_y_26() -> None:
    house = House().referral()

    def gone(uow: Uow, letter: Letter) -> bool:
        house.withheld |= {"Consent/c1", "ServiceRequest/s1", "Task/t1"}
        return False

    house.leaving = gone  # type: ignore[method-assign]
    house.push().drain()
    assert [call for call in house.ehr.calls if call[0] == "create"] == []
    assert {state for _, state, _ in house.states()} == {"dropped"}
