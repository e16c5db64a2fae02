"""The faults of sync.md 5.4 that meet a push, by their numbers. The oracle: both sides converge, each resource is there once, no
acknowledged change is lost, nothing left that must not, and every step was told to the audit."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from adapter.errors import EhrRejected, EhrStale, EhrUnavailable, EhrUnknown
from adapter.net import retry_after
from adapter.ports import Letter, Resource
from adapter.sync import standing
from adapter.sync.line import Line
from adapter.sync.push import requeue
from tests.unit.sync.house import CONSENT, PATIENT, START, SYSTEMS, House
from tests.unit.sync.scripted import ScriptedEhr, away

LOST = ScriptedEhr.LOST
WAIT = 20.0  # seconds that a thread may take before the test gives up
TYPES = ("Consent", "ServiceRequest", "Task")


def converged(house: House) -> None:
    assert {state for _, state, _ in house.states()} <= {"done"}
    assert [len(alive(house, type)) for type in TYPES] == [1, 1, 1]
    assert house.conflicts() == []


def alive(house: House, type: str) -> list[Resource]:
    return [each for each in house.ehr.all(type) if each.get("status") != "entered-in-error"]


def drained(house: House, *, turns: int = 20) -> None:
    """Pushes until nothing is open any more, however long it takes on the clock."""
    for _ in range(turns):
        house.push().drain()
        house.later(minutes=20)


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


def converged_all(house: House, requests: int) -> None:
    assert {state for _, state, _ in house.states()} == {"done"}
    assert len(house.ehr.all("ServiceRequest")) == requests


# ── order, rates, absence ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("120", 120, 122), ("Mon, 02 Mar 2026 18:10:00 GMT", 600, 602), (None, 1, 2), ("-5", 1, 3), ("31536000", 3600, 3602)],
    ids=["seconds", "date", "absent", "negative", "a year"],
)
def test_Y_11_an_ehr_that_asks_for_time_gets_it_and_nobody_else_waits(header: str | None, least: int, most: int) -> None:
    house = House().referral()
    house.clients["other"] = other = ScriptedEhr("other", house.clock)
    other.plant({**PATIENT, "id": "42"})
    house.more(2, ehr="other")
    at = retry_after({"Retry-After": header}, house.clock.now()) if header else None
    house.ehr.script("create", away(status_code=429, retry_at=at))

    house.push().drain()

    assert len(other.all("ServiceRequest")) == 2
    until = house.store.read_now(lambda uow: standing.rest(uow, "clinic")).until
    assert until is not None and timedelta(seconds=least) <= until - START <= timedelta(seconds=most)
    assert house.push("another process").drain() == 0, "all processes know"
    house.clock.set(until)
    house.push("another process").drain()
    converged(house)


def test_Y_30_an_ehr_whose_answers_do_not_come_rests_after_three() -> None:
    house = House()
    house.put(PATIENT)
    house.ehr.plant({**PATIENT, "id": "42"})
    house.more(9)
    house.ehr.script("create", *[EhrUnknown("timed out")] * 9)
    house.push().drain()
    assert house.ehr.count("create") == 3


def test_Y_30_one_letter_tries_an_ehr_that_was_away_and_the_others_wait_for_it() -> None:
    house = House()
    house.put(PATIENT)
    house.ehr.plant({**PATIENT, "id": "42"})
    house.more(5)
    house.ehr.script("create", away())
    house.push().drain()
    house.later(minutes=1)
    one, other = house.push("one"), house.push("other")
    house.ehr.before["create"] = lambda: tried.append(other.step())
    tried: list[bool] = []
    one.step()
    assert tried == [False]
    assert other.step(), "it answered: the others go on"


def test_letters_of_several_lanes_are_under_way_at_once_and_those_of_one_lane_one_after_the_other() -> None:
    house = House().referral()
    house.more(4)
    together, lock, lanes = threading.Barrier(3), threading.Lock(), Counter[str]()

    class Slow(ScriptedEhr):
        def create(self, resource: Resource, *, if_none_exist: tuple[str, str] | None = None) -> Any:
            with lock:
                lanes["now"] += 1
                lanes["most"] = max(lanes["most"], lanes["now"])
            if lanes["met"] < 3:
                lanes["met"] += 1
                together.wait(WAIT)
            with lock:
                lanes["now"] -= 1
                return super().create(resource, if_none_exist=if_none_exist)

    slow = Slow("clinic", house.clock)
    slow.plant({**PATIENT, "id": "42"})
    house.ehr = slow
    house.clients["clinic"] = Line(slow, parallel=3)
    assert house.push().drain() == 7
    assert lanes["most"] == 3
    created = [type for verb, type in slow.calls if verb == "create"]
    assert [type for type in created if type in ("Consent", "Task")] == ["Consent", "Task"]
    converged_all(house, 5)


def test_an_ehr_that_does_not_answer_keeps_no_other_waiting() -> None:
    house = House()
    house.put(PATIENT)
    held, go = threading.Event(), threading.Event()

    class Deaf(ScriptedEhr):
        def create(self, resource: Resource, *, if_none_exist: tuple[str, str] | None = None) -> Any:
            held.set()
            assert go.wait(WAIT)
            raise EhrUnavailable("timed out")

    deaf, other = Deaf("clinic", house.clock), ScriptedEhr("other", house.clock)
    house.clients = {"clinic": Line(deaf, parallel=2), "other": Line(other, parallel=2)}
    for ehr in (deaf, other):
        ehr.plant({**PATIENT, "id": "42"})
    house.more(3)
    house.more(3, ehr="other")
    arrived: list[int] = []
    house.matches = None
    house.ehr = other
    pushing = threading.Thread(target=lambda: arrived.append(house.push().drain()))
    pushing.start()
    assert held.wait(WAIT)
    for _ in range(2000):
        if len(other.all("ServiceRequest")) == 3:
            break
        threading.Event().wait(0.01)
    there = len(other.all("ServiceRequest"))
    go.set()
    pushing.join(WAIT)
    assert there == 3


def test_Y_33_a_letter_committed_after_a_later_one_was_taken_is_sent() -> None:
    house = House().sent()
    house.more(1)
    house.push().drain()
    early = Letter("clinic", "s9", "Task", "t1", due=house.clock.now() - timedelta(hours=1))
    house.store.write_now(lambda uow: uow.post(early))
    assert house.push().drain() == 1


def test_Y_34_a_poison_letter_holds_up_its_lane_and_no_other() -> None:
    house = House().referral()
    house.more(3)
    house.ehr.script("create", EhrRejected("no", status_code=422))
    house.push().drain()
    assert [state for _, state, _ in house.states()] == ["parked", "queued", "queued", "done", "done", "done"]


def test_Y_40_the_newest_consent_goes_first_with_what_stands_before_it_in_its_lane() -> None:
    house = House()
    house.ehr.plant({**PATIENT, "id": "42"})
    house.put(PATIENT, CONSENT)
    house.more(20)
    for n, lane in ((1, "x3"), (2, "x9")):
        house.later(seconds=1)
        own = [{"system": SYSTEMS.sid("consent"), "value": f"w{n}"}]
        house.put({**CONSENT, "id": f"w{n}", "identifier": own, "status": "inactive"})
        house.post(f"Consent/w{n}", lane=lane)
    house.push().drain(4)
    made = [each["identifier"][0]["value"] for type in ("ServiceRequest", "Consent") for each in house.ehr.all(type)]
    assert sorted(made) == ["w1", "w2", "x3", "x9"]
    assert [type for verb, type in house.ehr.calls if verb == "create"] == ["ServiceRequest", "Consent"] * 2
    first = house.ehr.all("ServiceRequest")[0]["identifier"][0]["value"]
    assert first == "x9", "the newest of them first"


def test_Y_40_a_backlog_drains_in_the_time_its_rate_allows() -> None:
    house = House()
    house.put(PATIENT)
    house.ehr.plant({**PATIENT, "id": "42"})
    house.more(300)
    house.clients["clinic"] = Line(house.ehr, rate=5)
    push, seconds = house.push(), 0
    while house.letters(states=("queued",), limit=1):
        push.drain()
        assert push.pause("clinic", 60) <= 1 or not house.letters(states=("queued",), limit=1)
        house.later(seconds=1)
        seconds += 1
    assert 60 <= seconds <= 62, "300 requests, 5 a second, and one search for the patient"
    assert len(house.ehr.all("ServiceRequest")) == 300


# ── transactions ─────────────────────────────────────────────────────────────────────────────────
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
