"""Units of work and group commit: what a unit may count on, alone and among others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest

from adapter.audit import seal, verify
from adapter.errors import Conflict, LiaisonError, Unavailable
from adapter.ports import Link, Query, Uow
from adapter.store import SqlStore
from adapter.store.chain import seal_events
from adapter.store.database import Database
from tests.contract.stores import (  # noqa: F401 - fixtures
    ALL,
    Opening,
    by_status,
    clock,
    empty_file,
    event,
    ids,
    letter,
    opening,
    put,
    refer,
    store,
    task,
    url,
)

Fn = Callable[[Uow], Any]


def together(store: SqlStore, *units: Fn) -> list[Any]:
    """Hands the units to the writer while it is busy, so that they are one group. Gives results or errors, in order."""
    started, go = threading.Event(), threading.Event()

    def busy(_uow: Uow) -> None:
        started.set()
        assert go.wait(20)

    with ThreadPoolExecutor(len(units) + 1) as pool:
        first = pool.submit(store.write_now, busy)
        assert started.wait(20)
        waiting: list[Future[Any]] = []
        for number, unit in enumerate(units, 1):
            waiting.append(pool.submit(store.write_now, unit))
            while store._writer._waiting.qsize() < number:  # so that they stand in this order
                pass
        go.set()
        first.result()
        return [future.exception() or future.result() for future in waiting]


def fails(uow: Uow) -> None:
    refer(uow, "never")
    raise ValueError("changed its mind")


# ── one unit ─────────────────────────────────────────────────────────────────────────────────────
def test_unit_that_raises_leaves_nothing_and_the_caller_gets_its_error(store: SqlStore) -> None:
    with pytest.raises(ValueError, match="changed its mind"):
        store.write_now(fails)
    assert store.read_now(lambda uow: (uow.current("Task", "never"), uow.letters(), uow.audit_rows())) == (None, [], [])


def test_unit_sees_what_it_wrote_itself(store: SqlStore) -> None:
    def write(uow: Uow) -> tuple[list[str], int]:
        refer(uow, "t1")
        return ids(uow.search(by_status("requested"))), len(uow.letters())

    assert store.write_now(write) == (["t1"], 1)


def test_unit_has_the_time_of_the_clock(store: SqlStore, clock: Any) -> None:
    assert store.write_now(lambda uow: uow.at) == store.read_now(lambda uow: uow.at) == clock.now()


@pytest.mark.parametrize("act", [lambda uow: put(uow, task()), lambda uow: uow.keep("a", b""), lambda uow: uow.audit(event())])
def test_unit_given_to_read_cannot_write_nor_audit(store: SqlStore, act: Fn) -> None:
    with pytest.raises(RuntimeError, match="must not"):
        store.read_now(act)
    assert store.read_now(lambda uow: (uow.count(Query("Task")), uow.kept("a"), uow.audit_rows())) == (0, None, [])


def test_unit_that_opens_another_is_refused_instead_of_waiting_for_itself(store: SqlStore) -> None:
    for outer in (store.write_now, store.read_now):
        for inner in (store.write_now, store.read_now):
            with pytest.raises(RuntimeError, match="must not open another"):
                outer(lambda _uow, inner=inner: inner(lambda uow: uow.at))


def test_unit_may_be_opened_again_after_one_that_raised(store: SqlStore) -> None:
    with pytest.raises(ValueError, match="mind"):
        store.write_now(fails)
    assert store.write_now(lambda uow: put(uow, task())).number == 1


# ── a group ──────────────────────────────────────────────────────────────────────────────────────
def test_group_is_one_commit_and_each_gets_its_own_answer(store: SqlStore) -> None:
    wakes: list[int] = []
    store.on_commit(lambda: wakes.append(1))
    answers = together(store, *[lambda uow, i=i: refer(uow, f"t{i}").id for i in range(10)])
    assert answers == [f"t{i}" for i in range(10)]
    assert len(wakes) == 1
    assert verify(store.read_now(lambda uow: uow.audit_rows())).count == 10


def test_head_of_the_audit_chain_is_taken_once_for_a_group(store: SqlStore) -> None:
    with mock.patch("adapter.store.writer.seal_events", wraps=seal_events) as sealed:
        together(store, *[lambda uow, i=i: refer(uow, f"t{i}") for i in range(10)])
    assert sealed.call_count == 1 and len(list(sealed.call_args.args[3])) == 10


def test_group_goes_on_when_one_unit_raises(store: SqlStore) -> None:
    answers = together(store, lambda uow: refer(uow, "a").id, fails, lambda uow: refer(uow, "b").id)
    assert answers[0::2] == ["a", "b"]
    assert isinstance(answers[1], ValueError)
    assert store.read_now(lambda uow: [each.id for each in uow.letters()]) == ["a", "b"]
    assert store.read_now(lambda uow: len(uow.audit_rows())) == 2
    assert store.read_now(lambda uow: uow.current("Task", "never")) is None


def test_group_goes_on_when_the_database_refuses_one_unit(store: SqlStore) -> None:
    def linked(id: str) -> Fn:
        return lambda uow: (refer(uow, id), uow.save_link(Link("ehr", "Task", id, "77")))[0].id

    answers = together(store, lambda uow: refer(uow, "a").id, linked("b"), linked("c"), lambda uow: refer(uow, "d").id)
    assert [answers[0], answers[1], answers[3]] == ["a", "b", "d"]
    assert isinstance(answers[2], Conflict)
    assert store.read_now(lambda uow: [each.id for each in uow.letters()]) == ["a", "b", "d"]
    assert store.read_now(lambda uow: verify(uow.audit_rows()).count) == 3


def test_group_gives_each_unit_the_state_that_the_one_before_left(store: SqlStore) -> None:
    answers = together(store, *[lambda uow: put(uow, task(), expected=0).number] * 3, lambda uow: put(uow, task(), expected=1).number)
    assert answers[0] == 1
    assert [type(answer) for answer in answers[1:3]] == [Conflict, Conflict]
    assert answers[3] == 2


def test_error_of_the_database_counts_even_when_the_unit_swallowed_it(store: SqlStore) -> None:
    def swallows(uow: Uow) -> str:
        refer(uow, "a")
        uow.save_link(Link("ehr", "Task", "a", "77"))
        try:
            uow.save_link(Link("ehr", "Task", "b", "77"))
            uow.kept("what the database answers comes now at the latest")
        except Exception:
            return "as if nothing had happened"
        return "not even seen"

    with pytest.raises(Conflict):
        store.write_now(swallows)
    assert store.read_now(lambda uow: (uow.current("Task", "a"), uow.link("ehr", "Task", "a"))) == (None, None)


def test_nothing_is_kept_when_the_audit_cannot_be_sealed_U_08(opening: Opening) -> None:
    broken = threading.Event()

    def sealing(previous: str, sealed: bytes) -> str:
        if broken.is_set():
            raise Unavailable("no audit now")
        return seal(previous, sealed)

    store = opening(seal=sealing)
    store.write_now(lambda uow: refer(uow, "a"))
    broken.set()
    for answer in together(store, lambda uow: refer(uow, "b"), lambda uow: refer(uow, "c")):
        assert isinstance(answer, Unavailable)
    broken.clear()
    store.write_now(lambda uow: refer(uow, "d"))
    assert store.read_now(lambda uow: ids(uow.search(by_status("requested")))) == ["a", "d"]
    assert store.read_now(lambda uow: verify(uow.audit_rows()).count) == 2


def test_units_of_a_group_run_again_apart_only_when_one_raised_after_it_had_written(store: SqlStore) -> None:
    ran: list[str] = []

    def unit(name: str, then: Fn) -> Fn:
        return lambda uow: (ran.append(name), then(uow))[1]

    def refuses(_uow: Uow) -> None:
        raise ValueError("nothing was written")

    together(store, unit("a", lambda uow: refer(uow, "a")), unit("refuses", refuses), unit("b", lambda uow: refer(uow, "b")))
    assert ran == ["a", "refuses", "b"]
    ran.clear()
    together(store, unit("c", lambda uow: refer(uow, "c")), unit("fails", fails), unit("d", lambda uow: refer(uow, "d")))
    assert ran == ["c", "fails", "c", "fails", "d"]
    assert store.read_now(lambda uow: [each.id for each in uow.letters()]) == ["a", "b", "c", "d"]


def test_commit_waits_a_moment_for_as_many_as_came_lately_and_for_nobody_when_one_came_alone(store: SqlStore) -> None:
    wakes: list[int] = []
    together(store, lambda uow: refer(uow, "a"), lambda uow: refer(uow, "b"))
    with mock.patch("adapter.store.writer.MOMENT", 20), ThreadPoolExecutor(1) as pool:
        store.on_commit(lambda: wakes.append(1))
        first = pool.submit(store.write_now, lambda uow: refer(uow, "c"))
        store.write_now(lambda uow: refer(uow, "d"))
        first.result()
        assert wakes == [1]
    with mock.patch("adapter.store.writer.MOMENT", 0.001):
        for id in "efg":
            store.write_now(lambda uow, id=id: refer(uow, id))
    with mock.patch("adapter.store.writer.MOMENT", 10**6):
        store.write_now(lambda uow: refer(uow, "h"))
    assert wakes == [1] * 5


def test_what_a_unit_wrote_or_erased_is_what_it_reads(store: SqlStore) -> None:
    def unit(uow: Uow) -> list[Any]:
        seen: list[Any] = [uow.current("Task", "t1")]
        put(uow, task(served=b"one"), expected=0)
        seen.append(found.served if (found := uow.current("Task", "t1")) else None)
        put(uow, task(served=b"two"), expected=1)
        seen.append(found.served if (found := uow.current("Task", "t1")) else None)
        uow.erase("Task", "t1")
        return [*seen, found.served if (found := uow.current("Task", "t1")) else None]

    assert store.write_now(unit) == [None, b"one", b"two", b""]


# ── wakes, closing, the event loop ───────────────────────────────────────────────────────────────
def test_wake_comes_after_commits_that_wrote_and_only_then(store: SqlStore) -> None:
    seen: list[int] = []
    store.on_commit(lambda: 1 // 0)  # one that breaks harms nobody
    store.on_commit(lambda: seen.append(1))
    store.write_now(lambda uow: uow.kept("x"))
    with pytest.raises(ValueError, match="mind"):
        store.write_now(fails)
    assert seen == []
    store.write_now(lambda uow: uow.keep("x", b"1"))
    store.write_now(lambda uow: uow.audit(event()))
    assert seen == [1, 1]


def test_wake_of_letters_comes_only_where_the_outbox_changed(store: SqlStore) -> None:
    seen: list[int] = []
    store.on_commit(lambda: seen.append(1), letters=True)
    store.write_now(lambda uow: put(uow, task(), expected=0))
    assert seen == []
    kept = store.write_now(lambda uow: uow.post(letter()))
    assert seen == [1]
    taken = store.write_now(lambda uow: uow.take(holder="h", until=uow.at))
    assert taken is not None and taken.key == kept.key and seen == [1]
    store.write_now(lambda uow: uow.settle(taken, state="queued"))
    assert seen == [1, 1]


def test_answer_comes_after_the_commit(opening: Opening, url: str) -> None:
    """What is answered can be read at once by another process (another store on the same database)."""
    store = opening()
    other = store if url == "sqlite://" else opening()
    for i in range(20):
        store.write_now(lambda uow, i=i: refer(uow, f"t{i}"))
        assert other.read_now(lambda uow, i=i: uow.current("Task", f"t{i}")) is not None


def test_read_does_not_see_a_unit_that_has_not_committed(opening: Opening, url: str) -> None:
    if url == "sqlite://":
        return  # one connection: readers wait their turn, tested by what they see after
    store = opening()
    written, go = threading.Event(), threading.Event()

    def slow(uow: Uow) -> None:
        refer(uow, "t1")
        uow.current("Task", "t1")
        written.set()
        assert go.wait(20)

    with ThreadPoolExecutor(1) as pool:
        unit = pool.submit(store.write_now, slow)
        assert written.wait(20)
        before = store.read_now(lambda uow: uow.current("Task", "t1"))
        go.set()
        unit.result()
    assert before is None
    assert store.read_now(lambda uow: uow.current("Task", "t1")) is not None


@pytest.mark.parametrize("url", [param for param in ALL if param.values != ("memory",)], indirect=True)
def test_read_sees_one_state_throughout_when_others_write(store: SqlStore) -> None:
    def looking(uow: Uow) -> tuple[int, int]:
        before = uow.count(Query("Task"))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(store.write_now, lambda inner: put(inner, task())).result()
        return before, uow.count(Query("Task"))

    assert store.read_now(looking) == (0, 0)
    assert store.read_now(lambda uow: uow.count(Query("Task"))) == 1


def test_async_units_are_answered_on_their_loop(store: SqlStore) -> None:
    async def many() -> tuple[list[str], list[Any]]:
        written = await asyncio.gather(*(store.write(lambda uow, i=i: refer(uow, f"t{i}").id) for i in range(150)))
        with pytest.raises(ValueError, match="mind"):
            await store.write(fails)
        read = await asyncio.gather(*(store.read(lambda uow, id=id: uow.current("Task", id)) for id in written))
        return written, read

    written, read = asyncio.run(many())
    assert written == [f"t{i}" for i in range(150)] == [version.id for version in read]


def test_unit_whose_caller_went_away_before_it_began_is_not_run(store: SqlStore) -> None:
    started, go, ran = threading.Event(), threading.Event(), []

    def busy(_uow: Uow) -> None:
        started.set()
        assert go.wait(20)

    async def leave() -> None:
        first = asyncio.ensure_future(store.write(busy))
        await asyncio.get_running_loop().run_in_executor(None, started.wait, 20)
        second = asyncio.ensure_future(store.write(lambda _uow: ran.append(1)))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        go.set()
        await first
        await store.write(lambda _uow: None)

    asyncio.run(leave())
    assert ran == []


def test_close_answers_what_waits_and_refuses_what_comes_later(opening: Opening) -> None:
    store = opening()
    started, go = threading.Event(), threading.Event()

    def busy(uow: Uow) -> str:
        started.set()
        assert go.wait(20)
        return refer(uow, "t1").id

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(store.write_now, busy)
        assert started.wait(20)
        closing = pool.submit(store.close)
        go.set()
        assert first.result() == "t1"
        closing.result()
    store.close()
    for verb in (store.write_now, store.read_now):
        with pytest.raises(Unavailable):
            verb(lambda uow: uow.at)


def test_programming_errors_of_the_database_tell_no_values(store: SqlStore) -> None:
    with pytest.raises(LiaisonError) as caught:
        store.write_now(lambda uow: uow.keep("name", object()))  # type: ignore[arg-type]
    assert "object" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert store.write_now(lambda uow: uow.post(letter())).key


@pytest.mark.parametrize("url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_commit_that_happened_is_not_done_again_when_what_comes_behind_it_fails(store: SqlStore) -> None:
    """The word that waits for the disk: nobody knows then, and nothing is written twice."""

    def commit(_: Database, connection: Any) -> Any:
        ended = connection.execute("COMMIT")
        connection.execute("SELECT no_such_function()")
        return ended

    ran: list[int] = []
    with mock.patch.object(Database, "commit", commit), pytest.raises(Unavailable, match="look whether it happened"):
        store.write_now(lambda uow: (ran.append(1), uow.post(letter())))
    assert ran == [1] and len(store.read_now(lambda uow: uow.letters())) == 1
    assert store.write_now(lambda uow: uow.post(letter("t2"))).key
