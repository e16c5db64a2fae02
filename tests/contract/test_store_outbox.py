"""The outbox: lanes in order, one letter of a lane in flight, fences, coalescing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.clock import FrozenClock
from adapter.ports import Letter, LetterState
from adapter.store import SqlStore
from tests.contract.stores import (  # noqa: F401 - fixtures
    AT,
    FILES,
    Opening,
    clock,
    empty_file,
    letter,
    opening,
    store,
    url,
)

LEASE = timedelta(seconds=60)


def post(store: SqlStore, *letters: Letter) -> list[Letter]:
    return store.write_now(lambda uow: [uow.post(each) for each in letters])


def take(store: SqlStore, holder: str = "me", ehr: str | None = None) -> Letter | None:
    return store.write_now(lambda uow: uow.take(holder=holder, until=uow.at + LEASE, ehr=ehr))


def must_take(store: SqlStore, holder: str = "me") -> Letter:
    taken = take(store, holder)
    assert taken is not None
    return taken


def settle(store: SqlStore, letter: Letter, state: LetterState = "done", **more: object) -> bool:
    return store.write_now(lambda uow: uow.settle(letter, state=state, **more))  # type: ignore[arg-type]


def names(letters: list[Letter]) -> list[str]:
    return [each.id for each in letters]


# ── posting ──────────────────────────────────────────────────────────────────────────────────────
def test_post_gives_the_letter_a_key_and_keeps_all_of_it(store: SqlStore) -> None:
    wanted = letter(number=3, request_id="req-7", due=AT + timedelta(microseconds=5))
    (posted,) = post(store, wanted)
    assert posted == replace(wanted, key=posted.key)
    assert posted.key > 0
    assert store.read_now(lambda uow: uow.letters()) == [posted]


def test_post_does_not_double_a_letter_that_nobody_took(store: SqlStore) -> None:
    first, again = post(store, letter(number=1, request_id="r1"), letter(number=2, request_id="r2"))
    assert (again.key, again.number, again.request_id) == (first.key, 2, "r2")
    assert post(store, letter(number=1))[0].number == 2
    others = post(store, letter("t2"), letter(lane="r2"), letter(ehr="ehr-b"), replace(letter(), type="Consent"))
    assert len({first.key, *(each.key for each in others)}) == 5


def test_post_brings_a_coalesced_letter_forward_but_not_one_that_waits_for_another_try(store: SqlStore) -> None:
    post(store, letter(due=AT + LEASE))
    assert post(store, letter(due=AT))[0].due == AT
    taken = must_take(store)
    assert settle(store, taken, "queued", due=AT + LEASE, reason="unavailable")
    waiting = post(store, letter(number=9))[0]
    assert (waiting.key, waiting.due, waiting.number, waiting.attempts) == (taken.key, AT + LEASE, 9, 1)


def test_post_doubles_a_letter_in_flight_because_it_may_have_left_already(store: SqlStore) -> None:
    post(store, letter(number=1))
    taken = must_take(store)
    (second,) = post(store, letter(number=2))
    assert second.key != taken.key
    assert take(store) is None  # the lane is busy
    assert settle(store, taken)
    assert must_take(store).key == second.key


@pytest.mark.parametrize("state", ["unknown", "parked", "conflict"])
def test_post_doubles_a_letter_that_is_not_queued(store: SqlStore, state: LetterState) -> None:
    post(store, letter())
    settle(store, must_take(store), state, due=AT)
    post(store, letter())
    assert [each.state for each in store.read_now(lambda uow: uow.letters())] == [state, "queued"]


def test_letter_back_in_the_queue_takes_in_what_was_queued_meanwhile(store: SqlStore) -> None:
    post(store, letter(number=1))
    taken = must_take(store)
    post(store, letter(number=2))
    assert settle(store, taken, "queued", due=AT, reason="unavailable")
    first, second = store.read_now(lambda uow: uow.letters())
    assert (first.key, first.state, first.number) == (taken.key, "queued", 2)
    assert (second.state, second.reason) == ("dropped", "coalesced")
    assert must_take(store).number == 2


# ── taking ───────────────────────────────────────────────────────────────────────────────────────
def test_take_follows_the_order_of_a_lane_and_serves_lanes_side_by_side(store: SqlStore) -> None:
    post(store, letter("a1", lane="a"), letter("a2", lane="a"), letter("b1", lane="b"), letter("a3", lane="a", ehr="ehr-b"))
    taken = [must_take(store) for _ in range(3)]
    assert names(taken) == ["a1", "b1", "a3"]
    assert take(store) is None
    assert settle(store, taken[0])
    assert must_take(store).id == "a2"


def test_take_serves_only_the_ehr_asked_for(store: SqlStore) -> None:
    post(store, letter("x"), letter("y", ehr="ehr-b"))
    assert take(store, ehr="ehr-c") is None
    taken = take(store, ehr="ehr-b")
    assert taken is not None
    assert taken.id == "y"
    assert take(store, ehr="ehr-b") is None


def test_take_waits_until_a_letter_is_due_and_keeps_the_lane_behind_it(store: SqlStore, clock: FrozenClock) -> None:
    post(store, letter("first", due=AT + LEASE), letter("second"))
    assert take(store) is None
    clock.tick(LEASE)
    assert must_take(store).id == "first"


@pytest.mark.parametrize("state", ["parked", "conflict"])
def test_letter_for_a_person_blocks_its_lane_and_no_other(store: SqlStore, clock: FrozenClock, state: LetterState) -> None:
    post(store, letter("a1", lane="a"), letter("a2", lane="a"), letter("b1", lane="b"), letter("a1", lane="a", ehr="ehr-b"))
    assert settle(store, must_take(store), state, reason="no-patient")
    assert sorted([must_take(store).lane, must_take(store).lane]) == ["a", "b"]
    clock.tick(timedelta(days=30))
    (blocked,) = store.read_now(lambda uow: uow.letters(states=[state]))
    assert (blocked.reason, blocked.attempts) == ("no-patient", 1)
    assert settle(store, blocked, "dropped")  # the person's word
    assert "a2" in {must_take(store).id for _ in range(3)}


def test_unknown_letter_comes_back_as_unknown_when_due(store: SqlStore, clock: FrozenClock) -> None:
    post(store, letter("a1"), letter("a2"))
    assert settle(store, must_take(store), "unknown", due=AT + LEASE, reason="cut-off")
    assert take(store) is None
    clock.tick(LEASE)
    taken = must_take(store)
    assert (taken.id, taken.state, taken.attempts, taken.reason) == ("a1", "unknown", 1, "cut-off")


def test_parked_letter_goes_on_when_a_person_queues_it_again(store: SqlStore) -> None:
    post(store, letter())
    settle(store, must_take(store), "parked", reason="rejected")
    (parked,) = store.read_now(lambda uow: uow.letters(states=["parked"]))
    assert settle(store, parked, "queued", due=AT)
    assert must_take(store).attempts == 2


# ── leases and fences ────────────────────────────────────────────────────────────────────────────
def test_settle_does_nothing_with_an_old_fence(store: SqlStore, clock: FrozenClock) -> None:
    post(store, letter())
    slow = must_take(store, "slow")
    clock.tick(LEASE - timedelta(microseconds=1))
    assert take(store) is None
    clock.tick(timedelta(microseconds=1))
    quick = must_take(store, "quick")
    assert quick.key == slow.key
    assert quick.fence > slow.fence
    assert not settle(store, slow)
    assert settle(store, quick, "parked", reason="rejected")
    assert not settle(store, quick)  # once only
    assert [each.state for each in store.read_now(lambda uow: uow.letters())] == ["parked"]


def test_settle_holds_when_the_lease_ended_and_nobody_took_over(store: SqlStore, clock: FrozenClock) -> None:
    post(store, letter())
    slow = must_take(store)
    clock.tick(timedelta(hours=1))
    assert settle(store, slow)
    assert take(store) is None


def test_settle_of_a_letter_that_is_not_there_is_refused(store: SqlStore) -> None:
    assert not settle(store, letter(key=99))


def test_letter_whose_taker_died_comes_before_the_others_of_its_lane(store: SqlStore, clock: FrozenClock) -> None:
    post(store, letter("a1"), letter("a2"))
    must_take(store)
    clock.tick(LEASE)
    assert must_take(store).id == "a1"


def test_letter_queued_again_waits_for_a_later_one_in_flight(store: SqlStore, clock: FrozenClock) -> None:
    post(store, letter("a1"), letter("a2"))
    assert settle(store, must_take(store))
    flying = must_take(store)
    assert flying.id == "a2"
    done = store.read_now(lambda uow: uow.letters(states=["done"]))[0]
    assert settle(store, done, "queued", due=AT)  # a person wants it sent once more
    assert take(store) is None
    clock.tick(LEASE)
    assert must_take(store).id == "a2"  # its taker died: first the one that may have left


def test_taking_leaves_the_letter_when_the_unit_fails(store: SqlStore) -> None:
    post(store, letter())

    def falls(uow):  # type: ignore[no-untyped-def]
        assert uow.take(holder="me", until=uow.at + LEASE)
        raise ValueError("after taking")

    with pytest.raises(ValueError, match="after taking"):
        store.write_now(falls)
    assert must_take(store).fence == 1


# ── listing ──────────────────────────────────────────────────────────────────────────────────────
def test_letters_are_listed_by_state_ehr_and_lane_in_order(store: SqlStore) -> None:
    post(store, letter("a", lane="1"), letter("b", lane="2"), letter("c", lane="1", ehr="ehr-b"), letter("d", lane="1"))
    settle(store, must_take(store), "parked")
    listed: Callable[..., list[str]] = lambda **by: names(store.read_now(lambda uow: uow.letters(**by)))  # noqa: E731
    assert listed() == ["a", "b", "c", "d"]
    assert listed(states=["parked"]) == ["a"]
    assert listed(states=["parked", "queued"], lane="1") == ["a", "c", "d"]
    assert listed(ehr="ehr-b") == ["c"]
    assert listed(limit=2) == ["a", "b"]


# ── several takers ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("url", FILES, indirect=True)
def test_each_letter_is_carried_once_and_in_order_by_several_takers(opening: Opening, url: str) -> None:
    """Four stores stand for four processes: each has its own writer and connections."""
    stores = [opening() for _ in range(4)]
    post(stores[0], *(letter(f"{lane}-{n}", lane=f"l{lane}") for n in range(10) for lane in range(8)))
    carried: dict[str, list[str]] = defaultdict(list)
    flying: set[str] = set()
    lock = Lock()

    def work(number: int) -> None:
        mine = stores[number]
        while len(sum(carried.values(), [])) < 80:
            taken = take(mine, f"taker {number}")
            if taken is None:
                continue
            with lock:
                assert taken.lane not in flying
                flying.add(taken.lane)
                carried[taken.lane].append(taken.id)
            mine.read_now(lambda uow: uow.letters(limit=1))  # it is under way for a while
            with lock:
                flying.remove(taken.lane)
            assert settle(mine, taken)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, number) for number in range(4)]:
            done.result()
    assert {lane: names for lane, names in carried.items()} == {f"l{lane}": [f"{lane}-{n}" for n in range(10)] for lane in range(8)}
    assert {each.state for each in stores[0].read_now(lambda uow: uow.letters())} == {"done"}


@pytest.mark.parametrize("url", FILES, indirect=True)
def test_no_letter_is_lost_when_posts_meet_takes(opening: Opening) -> None:
    """Whoever posts version n and gets its answer must see a letter of n or later carried after that."""
    posting, taking = opening(), opening()
    carried: list[int] = []

    def carry() -> None:
        while not carried or carried[-1] < 100:
            if taken := take(taking):
                carried.append(taken.number)
                settle(taking, taken)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(carry)
        for number in range(1, 101):
            post(posting, letter(number=number))
        done.result()
    assert carried == sorted(carried)
    assert take(taking) is None


# ── any course of events, against a model of one lane rule ───────────────────────────────────────
STEPS = st.lists(
    st.tuples(st.just("post"), st.sampled_from("ab"), st.sampled_from("xyz"))
    | st.tuples(st.just("take"), st.just(""), st.just(""))
    | st.tuples(st.just("settle"), st.sampled_from(["done", "queued", "unknown", "parked", "conflict", "dropped"]), st.just(""))
    | st.tuples(st.just("tick"), st.just(""), st.just("")),
    max_size=25,
)


@pytest.mark.parametrize("url", ["memory"], indirect=True)
@given(steps=STEPS)
def test_lane_rule_holds_whatever_the_course_of_events(opening: Opening, clock: FrozenClock, steps: list[tuple[str, str, str]]) -> None:
    store = opening()
    held: list[Letter] = []
    for verb, one, two in steps:
        before = [each for each in store.read_now(lambda uow: uow.letters()) if each.state not in ("done", "dropped")]
        if verb == "post":
            posted = post(store, letter(two, lane=one, due=clock.now()))[0]
            waiting = [each for each in before if (each.lane, each.id, each.state) == (one, two, "queued") and each.key not in _keys(held)]
            assert (posted.key in {each.key for each in before}) == bool(waiting)
        elif verb == "take" and (taken := take(store)):
            lane = [each for each in before if each.lane == taken.lane]
            assert taken.key == lane[0].key  # the first open one
            assert lane[0].state in ("queued", "unknown")
            assert all(each.lane != taken.lane for each in held if each.key != taken.key)
            held = [each for each in held if each.key != taken.key] + [taken]
        elif verb == "settle" and held:
            assert settle(store, held.pop(0), one, due=clock.now())  # type: ignore[arg-type]
        elif verb == "tick":
            clock.tick(LEASE / 2)
    store.close()


def _keys(letters: list[Letter]) -> set[int]:
    return {each.key for each in letters}
