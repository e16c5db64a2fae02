"""Whatever fails on the way, each resource is there once, and nothing of the EHR's is overwritten unseen (sync.md 5.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from adapter.errors import EhrUnknown, Unavailable
from adapter.sync.push import release
from tests.unit.sync.house import PATIENT, REQUEST, House, code, link
from tests.unit.sync.scripted import ScriptedEhr, away

LOST = ScriptedEhr.LOST
NOTE = {"text": "vu avec la famille", "time": "2026-03-03T09:00:00.120+01:00"}


def test_push_finds_what_it_created_when_the_answer_was_lost_y_02_y_03() -> None:
    house = House().referral()
    house.ehr.script("create", LOST)

    house.push().step()
    assert house.states()[0] == ("Consent", "unknown", "unknown-outcome")
    house.later(minutes=1)
    house.push().drain()

    assert len(house.ehr.all("Consent")) == 1
    assert house.ehr.count("create") == 3
    assert house.ehr.calls.index(("search", "Consent")) == 1, "it looked before it repeated"
    assert {state for _, state, _ in house.states()} == {"done"}
    assert "adopted" in house.done()


def test_push_repeats_a_create_that_never_arrived() -> None:
    house = House().referral()
    house.ehr.script("create", LOST)
    house.push().step()
    house.ehr.rows.pop(next(key for key in house.ehr.rows if key[0] == "Consent"))
    house.later(minutes=1)

    house.push().drain()

    assert len(house.ehr.all("Consent")) == 1
    assert {state for _, state, _ in house.states()} == {"done"}


def test_push_stays_unknown_when_it_cannot_even_look() -> None:
    house = House().referral()
    house.ehr.script("create", LOST)
    house.ehr.script("search", away())
    push = house.push()
    push.step()
    house.later(minutes=1)

    push.step()

    assert house.states()[0] == ("Consent", "unknown", "unavailable")


def test_push_adopts_its_update_when_the_answer_was_lost() -> None:
    house = House().sent()
    house.set("Task", status="accepted")
    house.ehr.script("update", LOST)
    house.push().step()
    house.set("Task", status="in-progress")
    house.later(minutes=1)

    house.push().drain()

    assert house.ehr.only("Task")["status"] == "in-progress"
    assert house.conflicts() == [], "its own lost move is not taken for the EHR's"
    assert {state for _, state, _ in house.states()} == {"done"}


def test_push_takes_out_what_a_lost_write_brought_and_we_dropped_since() -> None:
    house = House().sent()
    house.set("ServiceRequest", reasonCode=[code("isolement"), code("denutrition")])
    house.ehr.script("update", LOST)
    house.push().step()
    assert len(house.ehr.only("ServiceRequest")["reasonCode"]) == 2
    house.set("ServiceRequest", reasonCode=[code("isolement")])
    house.later(minutes=1)

    house.push().drain()

    assert house.ehr.only("ServiceRequest")["reasonCode"] == [code("isolement")]


def test_push_takes_out_what_it_dropped_when_the_write_that_said_so_never_arrived() -> None:
    house = House().sent()
    house.set("ServiceRequest", reasonCode=[code("denutrition")])
    house.ehr.script("update", EhrUnknown("cut before it arrived"))
    house.push().step()
    house.later(minutes=1)

    house.push().drain()

    assert house.ehr.only("ServiceRequest")["reasonCode"] == [code("denutrition")]


@pytest.mark.parametrize("verb", ["create", "update"])
def test_push_sends_once_when_the_process_dies_between_call_and_settle_y_01(verb: str) -> None:
    house = House().referral()
    if verb == "update":
        house.push().drain()
        house.set("Task", status="accepted")
    dying = house.push("dying", lease=timedelta(seconds=30))
    dying._settle = _die  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        dying.step()
    assert not house.push("other").step(), "the lane is leased"
    house.later(seconds=31)

    assert house.push("other").drain()

    assert {state for _, state, _ in house.states()} == {"done"}
    assert [len(house.ehr.all(type)) for type in ("Consent", "ServiceRequest", "Task")] == [1, 1, 1]
    assert house.conflicts() == []


def _die(*_: Any) -> None:
    raise SystemExit(9)


def test_push_sends_once_when_two_workers_race_y_04() -> None:
    house = House().referral()
    slow, quick = house.push("slow"), house.push("quick")

    def overtaken() -> None:
        house.later(seconds=61)  # the slow one's lease ends while it is on the wire
        assert quick.step()

    house.ehr.before["create"] = overtaken
    slow.step()

    assert len(house.ehr.all("Consent")) == 1
    assert [act.what for act in house.acts if act.type == "Consent"] == ["created"], "only the holder of the lease settles"
    assert link(house, "Consent", "c1").sent == 1


@pytest.mark.parametrize("version_seen", [True, False])
def test_push_merges_when_the_ehr_changed_meanwhile_y_06(version_seen: bool) -> None:
    house = House().sent()
    house.ehr.edit("ServiceRequest", lambda request: request.update(status="on-hold", note=[NOTE]))
    if version_seen:
        house.pull().run(now=True)
    house.set("ServiceRequest", authoredOn="2026-03-03")

    house.push().drain()

    request = house.ehr.only("ServiceRequest")
    assert (request["status"], request["authoredOn"], request["note"]) == ("on-hold", "2026-03-03", [NOTE])
    assert house.ours("ServiceRequest")["status"] == "on-hold", "and their change reached us"


def test_push_never_overwrites_the_ehrs_move_in_silence_y_07() -> None:
    house = House().sent(status="requested")
    house.set("Task", status="accepted")
    house.ehr.edit("Task", lambda task: task.update(status="rejected"))

    house.push().drain()

    assert house.ehr.only("Task")["status"] == "rejected"
    assert house.ours("Task")["status"] == "accepted"
    assert house.conflicts() == [("Task", "illegal-move")]
    assert house.states()[-1] == ("Task", "conflict", "open-conflict")


def test_push_writes_our_side_once_a_person_chose_it() -> None:
    house = House().sent()
    house.set("Task", status="accepted")
    house.ehr.edit("Task", lambda task: task.update(status="rejected"))
    house.push().drain()

    def settle(uow: Any) -> None:
        (row,) = uow.conflicts()
        uow.settle_conflict(row.key, choice="ours")
        assert release(uow, "clinic", "Task", "t1") == 1
        assert release(uow, "clinic", "Consent", "c1") == 0

    house.store.write_now(settle)
    house.push().drain()

    assert house.ehr.only("Task")["status"] == "accepted"


def test_push_gives_a_person_the_letter_when_the_ehr_changes_it_under_us_every_time() -> None:
    house = House().sent()
    house.set("Task", status="accepted")

    def restless() -> None:
        house.ehr.edit("Task", lambda task: task.update(description=str(len(house.ehr.calls))))
        house.ehr.before["update"] = restless

    house.ehr.before["update"] = restless
    house.push().drain()

    assert house.states()[-1] == ("Task", "conflict", "stale")
    assert house.conflicts() == [("Task", "stale")]


def test_push_sends_a_closing_consent_even_while_a_conflict_is_open() -> None:
    house = House().sent()
    house.ehr.edit("Consent", lambda consent: consent["provision"].pop("period"))
    house.pull().run(now=True)
    assert house.conflicts() == [("Consent", "consent-wider")]
    house.set("Consent", status="inactive")

    house.push().drain()

    assert house.ehr.only("Consent")["status"] == "inactive"


def test_push_parks_when_the_copy_is_gone_there() -> None:
    house = House().sent()
    house.set("Task", status="accepted")
    house.ehr.edit("Task", lambda task: task.update(description="x"))
    house.ehr.before["update"] = lambda: None
    house.ehr.script("read", None)
    key = next(key for key in house.ehr.rows if key[0] == "Task")
    house.ehr.before["read"] = lambda: house.ehr.rows.pop(key)

    house.push().drain()

    assert house.states()[-1] == ("Task", "parked", "gone-there")


def test_push_sends_when_the_ehr_is_back() -> None:
    house = House().referral()
    house.ehr.script("create", away(), away())
    push = house.push()
    for _ in range(4):
        push.drain()
        house.later(minutes=1)

    assert {state for _, state, _ in house.states()} == {"done"}
    assert [act.what for act in house.acts].count("retry") == 2


def test_push_parks_a_letter_after_five_faults_of_our_own() -> None:
    house = House().referral()
    house.ehr.script("create", *[ZeroDivisionError()] * 9)
    push = house.push()
    for _ in range(6):
        push.step()
        house.later(hours=1)

    assert house.states()[0] == ("Consent", "parked", "fault")
    assert house.faults == ["sync-fault:ZeroDivisionError"] * 6


def test_push_parks_what_has_no_identifier_of_its_own() -> None:
    house = House()
    house.put({**REQUEST, "identifier": [], "supportingInfo": []}, PATIENT)
    house.ehr.plant({**PATIENT, "id": "42"})
    house.post("ServiceRequest/s1")

    house.push().drain()

    assert house.states() == [("ServiceRequest", "parked", "no-identifier")]


def test_push_leaves_the_letter_leased_when_our_own_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House().referral()
    push = house.push()
    monkeypatch.setattr(push._delivery, "deliver", lambda *_, **__: (_ for _ in ()).throw(Unavailable("away")))

    with pytest.raises(Unavailable):
        push.step()

    assert house.letters()[0].attempts == 0


def test_push_asks_nothing_more_of_the_ehr_when_its_lease_has_ended() -> None:
    house = House().sent()
    house.set("Task", status="accepted")
    house.ehr.edit("Task", lambda task: task.update(description="x"))
    house.ehr.before["update"] = lambda: house.later(minutes=2)

    house.push().step()

    assert house.ehr.count("update") == 1
    assert house.states()[-1] == ("Task", "queued", "lease-ended")
