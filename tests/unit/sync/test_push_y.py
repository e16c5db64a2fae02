"""The faults of sync.md 5.4 that meet a push, by their numbers. The oracle: both sides converge, each resource is there once, no
acknowledged change is lost, nothing left that must not, and every step was told to the audit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from adapter.errors import EhrRejected, EhrStale, EhrUnknown
from adapter.sync import standing
from adapter.sync.line import Line
from adapter.sync.push import requeue
from tests.unit.sync.house import CONSENT, PATIENT, SYSTEMS, House
from tests.unit.sync.oracle import alive, converged, converged_all, drained
from tests.unit.sync.scripted import ScriptedEhr, away

LOST = ScriptedEhr.LOST


# ── each referral exists once ────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("verb", ["create", "update"])
@pytest.mark.parametrize("fault", [LOST, EhrUnknown("cut before it arrived"), EhrUnknown("500", status_code=500)], ids=["lost", "cut", "500"])
def test_Y_02_Y_03_what_nobody_heard_of_is_found_and_not_repeated(verb: str, fault: Any) -> None:
    house = House().referral()
    if verb == "update":
        house.push().drain()
        house.set("Task", status="accepted")
    house.ehr.script(verb, fault)
    drained(house)
    converged(house)
    assert "unknown" in house.done()


def test_Y_04_two_workers_and_an_ehr_that_makes_both_one_is_kept_and_the_other_ended() -> None:
    house = House().referral()
    house.ehr.lenient = True
    slow, quick = house.push("slow"), house.push("quick")

    def overtaken() -> None:
        house.later(seconds=61)  # the slow one's lease ends while it is on the wire
        assert quick.step()

    house.ehr.before["create"] = overtaken
    slow.step()
    drained(house)

    assert len(house.ehr.all("Consent")) == 2
    converged(house)
    (kept,) = alive(house, "Consent")
    assert house.store.read_now(lambda uow: uow.link("clinic", "Consent", "c1")).remote_id == kept["id"]  # type: ignore[union-attr]
    assert house.ehr.only("ServiceRequest")["supportingInfo"] == [{"reference": f"Consent/{kept['id']}"}]
    (told,) = [act for act in house.acts if act.what == "mended"]
    assert told.reason == "doubled-there" and told.remote.startswith("Consent/") and kept["id"] not in told.remote
    (row,) = house.store.read_now(lambda uow: uow.conflicts(state="double"))
    assert (row.type, row.reason) == ("Consent", "doubled-there")


def test_Y_04_the_copy_with_the_lowest_id_is_kept_whoever_finds_them() -> None:
    for ids in (("r10", "r9"), ("r9", "r10")):
        house = House().referral()
        house.ehr.script("create", EhrUnknown("no answer"))
        house.push().step()
        for id in ids:
            house.ehr.plant({**CONSENT, "id": id, "patient": {"reference": "Patient/42"}})
        drained(house)
        assert [each["id"] for each in alive(house, "Consent")] == ["r9"]
        converged(house)


def test_Y_04_what_cannot_be_ended_waits_for_a_person() -> None:
    house = House().referral()
    house.ehr.script("create", EhrUnknown("no answer"))
    house.push().step()
    for id in ("r9", "r10"):
        house.ehr.plant({**CONSENT, "id": id, "patient": {"reference": "Patient/42"}})
    house.ehr.script("update", EhrRejected("no", status_code=403))
    house.later(minutes=1)
    house.push().step()
    assert house.states()[0] == ("Consent", "parked", "doubled-there")


def test_Y_05_a_create_that_several_match_is_mended_and_not_retried_for_ever() -> None:
    house = House().referral()
    for id in ("a1", "a2"):
        house.ehr.plant({**CONSENT, "id": id, "patient": {"reference": "Patient/42"}})
    drained(house)
    converged(house)
    assert house.ehr.count("create") == 3, "one of them was answered 412"
    assert [each["id"] for each in alive(house, "Consent")] == ["a1"]


def test_Y_39_what_the_ehr_made_at_the_same_moment_is_linked_by_its_identifier() -> None:
    house = House().referral()
    house.ehr.plant({**CONSENT, "id": "own", "patient": {"reference": "Patient/42"}})
    drained(house)
    converged(house)
    assert house.ehr.only("Consent")["id"] == "own"


def test_Y_36_evidence_that_comes_late_overrules() -> None:
    house = House().referral()
    house.ehr.script("create", LOST)
    house.ehr.script("search", away(), away())
    push = house.push()
    for _ in range(6):
        push.step()
        house.later(minutes=20)
    drained(house)
    converged(house)
    assert house.ehr.count("create") == 3


# ── an EHR that cannot be searched ───────────────────────────────────────────────────────────────
@pytest.mark.parametrize("how", ["refuses", "ignores"])
def test_unknown_outcome_is_parked_and_never_repeated_where_nobody_can_look(how: str) -> None:
    house = House().referral()
    house.ehr.script("create", LOST)
    house.ehr.plant({**CONSENT, "id": "other", "identifier": [{"system": SYSTEMS.sid("consent"), "value": "another"}]})
    house.ehr.deaf = how == "ignores"
    if how == "refuses":
        house.ehr.script("search", EhrRejected("no such parameter", status_code=400))
    drained(house)
    assert house.states()[0] == ("Consent", "parked", "cannot-look")
    assert house.ehr.count("create") == 1
    assert [each["status"] for each in house.ehr.all("Consent")] == ["active", "active"], "what is not ours is not touched"
    assert not house.store.read_now(lambda uow: standing.searchable(uow, "clinic"))


def test_where_nobody_can_look_what_certainly_did_nothing_is_sent_again() -> None:
    house = House().referral()
    house.store.write_now(lambda uow: standing.unsearchable(uow, "clinic"))
    house.ehr.script("create", away())
    drained(house)
    converged(house)
    assert house.ehr.searched == []


def test_where_the_network_file_says_that_nobody_can_look_an_unknown_outcome_waits_for_a_person() -> None:
    house = House().referral()
    house.searches = False
    house.ehr.script("create", LOST)
    drained(house)
    assert house.states()[0] == ("Consent", "parked", "cannot-look")
    assert (house.ehr.count("create"), house.ehr.searched) == (1, []), "never repeated, and not asked in vain"


def test_a_person_who_looked_in_vain_lets_it_go_again_once() -> None:
    house = House().referral()
    house.store.write_now(lambda uow: standing.unsearchable(uow, "clinic"))
    house.ehr.script("create", EhrUnknown("cut before it arrived"))
    drained(house)
    (parked,) = house.letters(states=("parked",))
    house.store.write_now(lambda uow: requeue(uow, parked, at=uow.at, reason="absent"))
    drained(house)
    converged(house)


# ── nothing leaves that must not ─────────────────────────────────────────────────────────────────
def test_Y_26_a_withdrawal_between_preparing_and_sending_stops_the_letter() -> None:
    house = House().referral()

    def withdraw() -> None:
        house.withheld |= {"Consent/c1", "ServiceRequest/s1", "Task/t1"}
        house.put({**CONSENT, "status": "inactive"})

    line = Held(house.ehr, withdraw)
    house.clients["clinic"] = line
    house.push().drain()
    assert line.turns and house.disclosed == ["Consent/c1"], "it was decided and recorded, and then the turn came"
    assert house.ehr.count("create") == 0
    assert {state for _, state, _ in house.states()} <= {"dropped", "parked"}


def test_a_change_of_something_else_between_preparing_and_sending_stops_nothing() -> None:
    house = House().referral()
    house.clients["clinic"] = Held(house.ehr, lambda: house.put({**PATIENT, "id": "somebody"}))
    house.push().drain()
    converged(house)


def test_a_decision_that_waited_too_long_is_made_again() -> None:
    house = House().referral()

    def expire() -> None:  # nothing is written: only time passes
        house.later(seconds=2)
        house.withheld.add("Consent/c1")

    house.clients["clinic"] = Held(house.ehr, expire)
    house.push().step()
    assert house.ehr.count("create") == 0 and house.states()[0][1] == "dropped"


class Held(Line):
    """A line on which something happens while the first letter waits for its turn."""

    def __init__(self, client: ScriptedEhr, meanwhile: Any) -> None:
        super().__init__(client)
        self.turns, self._meanwhile = 0, meanwhile

    def turn(self) -> Any:
        if self.turns == 0 and not getattr(self._mine, "held", False):
            house_call = self._meanwhile
            self.turns += 1
            house_call()
        return super().turn()


def test_Y_35_pause_really_stops_and_holds_what_was_prepared() -> None:
    house = House().referral()
    house.more(3)

    def pause() -> None:
        house.store.write_now(lambda uow: standing.pause(uow, "clinic", "incident"))

    house.ehr.before["create"] = pause
    house.push().drain()
    assert house.ehr.count("create") == 1, "what was on its way arrived, and nothing after it"
    assert house.push("another process").drain() == 0
    assert house.store.write_now(lambda uow: standing.resume(uow, "clinic"))
    drained(house)
    converged_all(house, 4)


def test_Y_35_pause_of_every_ehr_holds_each_and_resume_of_one_does_not_undo_it() -> None:
    house = House().referral()
    house.store.write_now(lambda uow: standing.pause(uow, standing.EVERY, "migration"))
    assert house.push().drain() == 0
    assert not house.store.write_now(lambda uow: standing.resume(uow, "clinic"))
    assert house.push().drain() == 0
    assert house.store.write_now(lambda uow: standing.resume(uow, standing.EVERY))
    assert house.push().drain() == 3


# ── our own backup ───────────────────────────────────────────────────────────────────────────────
def test_Y_25_a_letter_that_was_sent_after_our_backup_was_made_is_looked_for_and_adopted() -> None:
    """What was restored says `queued` of letters that had left: nothing in it tells that they did."""
    house = House().sent()
    copies = {key: list(versions) for key, versions in house.ehr.rows.items()}
    restored = House().referral()
    restored.ehr.rows = copies
    restored.ehr._count = 100
    drained(restored)
    converged(restored)
    assert {each["id"] for each in restored.ehr.all("Task")} == {each["id"] for each in house.ehr.all("Task")}


# ── what is counted ──────────────────────────────────────────────────────────────────────────────
def test_outcomes_are_counted_for_all_processes() -> None:
    house = House().referral()
    house.ehr.script("create", EhrUnknown("timed out"))
    for holder in ("one", "other"):
        push = house.push(holder)
        push.drain()
        push.count()
        house.later(minutes=1)
    assert house.store.read_now(lambda uow: standing.outcomes(uow, "clinic")) == {"created": 3, "unknown": 1}




# ── merges ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("status", [412, 409])
def test_Y_06_a_note_of_theirs_and_a_status_of_ours_are_both_kept(status: int) -> None:
    house = House().sent()
    house.set("Task", status="accepted")
    note = [{"text": "vu avec la famille"}]

    def changed() -> None:
        house.ehr.edit("Task", lambda task: task.update(note=note))
        house.ehr.script("update", EhrStale("changed under us", status_code=status))

    house.ehr.before["update"] = changed
    drained(house)
    assert (house.ehr.only("Task")["status"], house.ehr.only("Task")["note"]) == ("accepted", note)
    converged(house)


def test_Y_07_two_statuses_that_cannot_both_be_wait_for_a_person_and_nothing_is_overwritten() -> None:
    house = House().sent()
    house.set("Task", status="accepted")
    house.ehr.before["update"] = lambda: house.ehr.edit("Task", lambda task: task.update(status="rejected"))
    drained(house)
    assert (house.ehr.only("Task")["status"], house.ours("Task")["status"]) == ("rejected", "accepted")
    assert house.conflicts() == [("Task", "illegal-move")] and house.states()[-1][1] == "conflict"


def test_Y_09_no_update_goes_without_the_version_it_is_made_on() -> None:
    house = House().referral()
    house.ehr.lenient = True
    matched: list[str] = []
    update = house.ehr.update
    house.ehr.update = lambda resource, *, if_match: (matched.append(if_match), update(resource, if_match=if_match))[1]  # type: ignore[method-assign, func-returns-value]
    house.ehr.script("create", EhrUnknown("no answer"))
    house.push().step()
    for id in ("r9", "r10"):
        house.ehr.plant({**CONSENT, "id": id, "patient": {"reference": "Patient/42"}})
    drained(house)
    house.set("Task", status="accepted")
    drained(house)
    assert matched and all(matched), "not even the one that ends a second copy"


def test_Y_35_a_letter_that_is_sent_again_twice_and_through_a_restart_arrives_once() -> None:
    house = House().referral()
    house.ehr.script("create", EhrRejected("no", status_code=422))
    house.push().drain()
    (parked,) = house.letters(states=("parked",))
    assert [house.store.write_now(lambda uow: requeue(uow, parked, at=uow.at)) for _ in range(2)] == [True, False]
    dying = house.push("dying", lease=timedelta(seconds=30))
    dying._settle = lambda *_: (_ for _ in ()).throw(SystemExit(9))  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        dying.step()
    house.later(seconds=31)
    drained(house)
    converged(house)
