"""The letters of a referral in one transaction: all of it arrives or nothing, and each is settled by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapter.errors import EhrRejected
from adapter.ports import Resource
from adapter.sync.probe import learned
from tests.unit.sync.house import House
from tests.unit.sync.oracle import TYPES, alive, converged, drained
from tests.unit.sync.scripted import ScriptedEhr

LOST = ScriptedEhr.LOST


def test_a_new_referral_goes_in_one_transaction_that_points_into_itself() -> None:
    house = House().referral()
    house.transacts["clinic"] = True
    assert house.push().drain() == 1
    assert [verb for verb, _ in house.ehr.calls] == ["transaction"]
    converged(house)
    task, request = house.ehr.only("Task"), house.ehr.only("ServiceRequest")
    assert task["focus"] == {"reference": f"ServiceRequest/{request['id']}"} and task["for"] == {"reference": "Patient/42"}
    assert request["supportingInfo"] == [{"reference": f"Consent/{house.ehr.only('Consent')['id']}"}]
    assert house.disclosed == ["Consent/c1", "ServiceRequest/s1", "Task/t1"]
    assert house.done() == ["linked", "created", "created", "created"]
    assert set(house.pull().run(now=True).total) <= {"echo"}, "and what comes back is our own"


def test_updates_go_together_too_each_on_its_version() -> None:
    house = House().sent()
    house.transacts["clinic"] = True
    house.set("ServiceRequest", authoredOn="2026-03-03")
    house.set("Task", status="accepted")
    house.push().drain()
    assert [verb for verb, _ in house.ehr.calls] == ["transaction"]
    assert (house.ehr.only("ServiceRequest")["authoredOn"], house.ehr.only("Task")["status"]) == ("2026-03-03", "accepted")
    converged(house)


@pytest.mark.parametrize("fault", [EhrRejected("no", status_code=422), EhrRejected("too large", status_code=413)])
def test_a_refused_transaction_is_split_and_each_letter_goes_alone(fault: Exception) -> None:
    house = House().referral()
    house.transacts["clinic"] = True
    house.ehr.script("transaction", fault)
    drained(house)
    converged(house)


def test_a_stale_update_in_a_transaction_is_split_and_merged() -> None:
    house = House().sent()
    house.transacts["clinic"] = True
    house.ehr.edit("Task", lambda task: task.update(note=[{"text": "vu"}]))
    house.set("ServiceRequest", authoredOn="2026-03-03")
    house.set("Task", status="accepted")
    drained(house)
    converged(house)
    assert (house.ehr.only("Task")["status"], house.ehr.only("Task")["note"]) == ("accepted", [{"text": "vu"}])


def test_a_lost_answer_of_a_transaction_is_an_unknown_outcome_of_each_of_its_letters() -> None:
    house = House().referral()
    house.transacts["clinic"] = True
    house.ehr.script("transaction", LOST)
    house.push().step()
    assert [state for _, state, _ in house.states()] == ["unknown"] * 3
    drained(house)
    converged(house)
    assert house.ehr.count("create") == 0, "all three were found"


@pytest.mark.parametrize("how", ["other order", "without resources", "one missing", "one refused"])
def test_Y_28_each_entry_is_settled_on_its_own_outcome(how: str) -> None:
    house = House().referral()
    house.transacts["clinic"] = True

    def spoil(entries: list[Resource]) -> list[Resource]:
        if how == "other order":
            return entries[::-1]
        if how == "without resources":
            return [
                {"response": {"status": "201", "location": f"{each['resource']['resourceType']}/{each['resource']['id']}/_history/1"}} for each in entries
            ]
        gone = entries[1]["resource"]
        house.ehr.rows.pop((gone["resourceType"], gone["id"]), None) if how == "one refused" else None
        return [entries[0], {"response": {"status": "422"}} if how == "one refused" else {}, entries[2]]

    house.ehr.answers = spoil
    house.push().step()
    states = [state for _, state, _ in house.states()]
    # what points at a resource of which nobody knows is looked at again too
    assert states == {"one missing": ["done", "unknown", "unknown"], "one refused": ["done", "queued", "unknown"]}.get(how, ["done"] * 3)
    house.transacts["clinic"] = False
    drained(house)
    assert {state for _, state, _ in house.states()} == {"done"}
    assert [len(alive(house, type)) for type in TYPES] == [1, 1, 1]


def test_nothing_goes_along_that_may_not_leave() -> None:
    house = House().referral()
    house.transacts["clinic"] = True
    house.withheld.add("Task/t1")
    house.push().drain()
    assert house.ehr.all("Task") == [] and len(house.ehr.all("ServiceRequest")) == 1
    assert house.states()[-1] == ("Task", "dropped", "withheld")


def test_Y_01_letters_of_a_transaction_whose_sender_died_are_looked_for() -> None:
    house = House().referral()
    house.transacts["clinic"] = True
    house.ehr.lenient = True  # so that a repeated create would be seen
    dying = house.push("dying", lease=timedelta(seconds=30))
    dying._settle = lambda *_: (_ for _ in ()).throw(SystemExit(9))  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        dying.step()
    house.later(seconds=31)
    drained(house)
    converged(house)
    assert [len(house.ehr.all(type)) for type in TYPES] == [1, 1, 1]




@pytest.mark.parametrize("told", [None, False, True])
def test_what_goes_together_is_for_the_network_file_to_say_whatever_the_probe_found(told: bool | None) -> None:
    house = House().referral()
    house.transacts["clinic"] = told
    house.store.write_now(lambda uow: learned(uow, "clinic", transactions=True))
    drained(house)
    converged(house)
    assert house.ehr.count("transaction") == (told is True)
