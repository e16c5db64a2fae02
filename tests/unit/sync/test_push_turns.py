"""Whose turn it is: lanes, absent EHRs, letters that wait for a person (sync.md 5.4)."""

from __future__ import annotations

from datetime import timedelta

from adapter.errors import EhrRejected, EhrUnavailable
from adapter.ports import Letter
from adapter.sync.push import requeue
from tests.unit.sync.house import CONSENT, PATIENT, REQUEST, SYSTEMS, House
from tests.unit.sync.scripted import ScriptedEhr, away


def test_push_takes_one_letter_of_a_lane_at_a_time() -> None:
    house = House().referral()
    one, other = house.push("one"), house.push("other")
    answers: list[bool] = []
    house.ehr.before["create"] = lambda: answers.append(other.step())

    one.step()

    assert answers == [False]


def test_push_lets_an_absent_ehr_rest_and_serves_the_others() -> None:
    house = House().referral()
    other = ScriptedEhr("other", house.clock)
    house.clients["other"] = other
    house.put({**REQUEST, "id": "s2", "identifier": [{"system": SYSTEMS.sid("request"), "value": "s2"}], "supportingInfo": []})
    other.plant({**PATIENT, "id": "42"})
    house.ehr.script("create", *[away(retry_at=house.clock.now() + timedelta(minutes=5))] * 9)
    for n in range(4):
        house.put({**REQUEST, "id": f"x{n}", "identifier": [{"system": SYSTEMS.sid("request"), "value": f"x{n}"}], "supportingInfo": []})
        house.post(f"ServiceRequest/x{n}", lane=f"x{n}")
    house.post("ServiceRequest/s2", lane="s2", ehr="other")

    house.push().drain()

    assert house.ehr.count("create") == 1, "one letter felt its absence, the others did not have to"
    assert len(other.all("ServiceRequest")) == 1


def test_push_parks_a_poison_letter_and_goes_on_with_other_lanes_y_34() -> None:
    house = House().referral()
    house.put({**REQUEST, "id": "s2", "identifier": [{"system": SYSTEMS.sid("request"), "value": "s2"}], "supportingInfo": []})
    house.post("ServiceRequest/s2", lane="s2")
    house.ehr.script("create", EhrRejected("no", status_code=422))

    house.push().drain()

    assert house.states() == [
        ("Consent", "parked", "rejected-422"), ("ServiceRequest", "queued", ""), ("Task", "queued", ""), ("ServiceRequest", "done", ""),
    ]  # fmt: skip


def test_push_resumes_the_lane_when_a_person_requeues_the_parked_letter() -> None:
    house = House().referral()
    house.ehr.script("create", EhrRejected("no", status_code=422))
    house.push().drain()
    (parked,) = house.letters(states=("parked",))

    assert house.store.write_now(lambda uow: requeue(uow, parked, at=uow.at))
    house.push().drain()

    assert {state for _, state, _ in house.states()} == {"done"}


def test_push_sends_a_letter_that_was_committed_after_a_later_one_was_sent_y_33() -> None:
    house = House().sent()
    house.set("Task", status="accepted")
    house.push().drain()
    early = Letter("clinic", "s9", "Task", "t1", due=house.clock.now() - timedelta(hours=1))
    house.store.write_now(lambda uow: uow.post(early))

    assert house.push().drain() == 1


def test_push_keeps_retrying_an_absent_ehr_for_three_days() -> None:
    house = House().referral()
    house.ehr.script("create", *[EhrUnavailable("away")] * 300)
    push = house.push()
    while house.ehr.count("create") < 300:
        push.step()
        house.later(minutes=15, seconds=1)

    push.drain()

    assert house.ours("Task")["status"] == "requested"
    assert {state for _, state, _ in house.states()} == {"done"}


def test_push_puts_a_letter_behind_the_one_of_its_lane_that_brings_what_it_points_to() -> None:
    house = House()
    house.ehr.plant({**PATIENT, "id": "42"})
    house.put(PATIENT, CONSENT, REQUEST)
    house.post("ServiceRequest/s1", "Consent/c1")  # as when the second was made later, while the EHR was away

    house.push().drain()

    assert house.states() == [("ServiceRequest", "done", "waits"), ("Consent", "done", ""), ("ServiceRequest", "done", "")]


def test_push_serves_the_ehrs_in_turn() -> None:
    house = House()
    house.clients["other"] = other = ScriptedEhr("other", house.clock)
    own = [{**CONSENT, "id": f"c{n}", "identifier": [{"system": SYSTEMS.sid("consent"), "value": f"c{n}"}]} for n in range(4)]
    house.put(PATIENT, *own)
    for ehr in (house.ehr, other):
        ehr.plant({**PATIENT, "id": "42"})
    for n in range(4):
        house.post(f"Consent/c{n}", lane=str(n), ehr="clinic" if n < 2 else "other")
    push = house.push()

    counts = []
    for _ in range(4):
        push.step()
        counts.append((house.ehr.count("create"), other.count("create")))

    assert counts == [(1, 0), (1, 1), (2, 1), (2, 2)]


def test_push_lets_an_ehr_rest_longer_each_time_it_is_still_away() -> None:
    house = House()
    house.clock.jitter = lambda: 1.0  # type: ignore[method-assign]
    house.ehr.plant({**PATIENT, "id": "42"})
    house.put(PATIENT, CONSENT)
    for n in range(12):
        house.post("Consent/c1", lane=str(n))
    house.ehr.script("create", *[away()] * 50)
    push = house.push()

    tries = []
    for second in range(200):
        before = house.ehr.count("create")
        push.drain()
        tries += [second] * (house.ehr.count("create") - before)
        house.later(seconds=1)

    assert tries == [0, 2, 6, 14, 30, 62, 126], "twelve letters, and none of them asks sooner"
