"""What every database does with resources, links, conflicts and small kept things."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapter.clock import FrozenClock
from adapter.errors import Conflict, Stale
from adapter.ports import ConflictRow, IndexRow, Link, Query, Uow
from adapter.store import SqlStore
from tests.contract.stores import (  # noqa: F401 - fixtures
    AT,
    KEY,
    STATUS,
    Opening,
    Reversed,
    by_status,
    clock,
    empty_file,
    ids,
    opening,
    put,
    store,
    task,
    url,
)


# ── versions ─────────────────────────────────────────────────────────────────────────────────────
def test_save_numbers_versions_and_keeps_each_when_updated(store: SqlStore) -> None:
    first = store.write_now(lambda uow: put(uow, replace(task(served=b"one"), received=b"came"), expected=0))
    second = store.write_now(lambda uow: put(uow, task(served=b"two", at=AT + timedelta(microseconds=1)), expected=1))
    assert (first.number, second.number) == (1, 2)
    assert store.read_now(lambda uow: uow.current("Task", "t1")) == second
    assert store.read_now(lambda uow: uow.version("Task", "t1", 1)) == first
    assert store.read_now(lambda uow: uow.version("Task", "t1", 2)) == second
    assert store.read_now(lambda uow: uow.history("Task", "t1")) == [second, first]
    assert (first.served, first.received, first.updated) == (b"one", b"came", AT)


def test_reading_finds_nothing_when_there_is_nothing(store: SqlStore) -> None:
    store.write_now(lambda uow: put(uow, task()))
    assert store.read_now(lambda uow: uow.current("Task", "t2")) is None
    assert store.read_now(lambda uow: uow.current("Consent", "t1")) is None
    assert store.read_now(lambda uow: uow.version("Task", "t1", 2)) is None
    assert store.read_now(lambda uow: uow.history("Task", "t2")) == []


@pytest.mark.parametrize(("expected", "error"), [(0, Conflict), (2, Stale), (7, Stale)])
def test_save_refuses_when_another_version_stands(store: SqlStore, expected: int, error: type[Exception]) -> None:
    saved = store.write_now(lambda uow: put(uow, task(served=b"one")))
    with pytest.raises(error):
        store.write_now(lambda uow: put(uow, task(served=b"two"), expected=expected))
    assert store.read_now(lambda uow: uow.history("Task", "t1")) == [saved]


def test_save_refuses_an_update_when_nothing_stands(store: SqlStore) -> None:
    with pytest.raises(Stale):
        store.write_now(lambda uow: put(uow, task(), expected=1))


def test_refusal_can_be_caught_and_the_unit_goes_on(store: SqlStore) -> None:
    store.write_now(lambda uow: put(uow, task()))

    def once_more(uow):  # type: ignore[no-untyped-def]
        with pytest.raises(Conflict):
            put(uow, task(), expected=0)
        return put(uow, task("t2"), expected=0)

    store.write_now(once_more)
    assert store.read_now(lambda uow: uow.current("Task", "t2")) is not None


def test_tombstone_is_current_and_not_found_by_search_when_deleted(store: SqlStore) -> None:
    store.write_now(lambda uow: put(uow, task(), STATUS))
    gone = store.write_now(lambda uow: put(uow, task(deleted=True, served=b""), STATUS, expected=1))
    assert gone.deleted
    assert gone.number == 2
    assert store.read_now(lambda uow: uow.current("Task", "t1")) == gone
    assert store.read_now(lambda uow: uow.search(by_status("requested"))) == []
    assert store.read_now(lambda uow: uow.search(Query("Task"))) == []
    store.write_now(lambda uow: put(uow, task(), STATUS, expected=2))
    assert ids(store.read_now(lambda uow: uow.search(by_status("requested")))) == ["t1"]


def test_search_rows_follow_the_newest_version_when_updated(store: SqlStore) -> None:
    owner = IndexRow("owner", "reference", "HealthcareService/as")
    day = IndexRow("modified", "date", low="2026-03-06", high="2026-03-06")
    store.write_now(lambda uow: put(uow, task(), STATUS, owner, day))
    store.write_now(lambda uow: put(uow, task(), STATUS._replace(value="accepted"), owner, day._replace(high="2026-03-07")))
    found = store.read_now(lambda uow: [ids(uow.search(by_status(code))) for code in ("requested", "accepted")])
    assert found == [[], ["t1"]]


def test_save_takes_the_same_search_row_twice_and_many_rows(store: SqlStore) -> None:
    rows = [IndexRow("identifier", "token", f"n{i % 70}", "s") for i in range(140)]
    store.write_now(lambda uow: put(uow, task(), *rows))
    store.write_now(lambda uow: put(uow, task(), *rows[:3]))
    assert store.read_now(lambda uow: uow.count(Query("Task"))) == 1


def test_content_passes_the_codec_when_one_is_given(opening: Opening, url: str) -> None:
    coded = opening(codec=Reversed())
    link = Link("ehr", "Task", "t1", "9", base=b"base")
    row = ConflictRow("ehr", "Task", "t1", "both", b"b", b"ours", b"theirs", AT)

    def fill(uow):  # type: ignore[no-untyped-def]
        put(uow, replace(task(served=b"one"), received=b"came"))
        put(uow, task(served=b"two"))
        uow.save_link(link)
        uow.save_conflict(row)
        uow.remember("key", "digest", b"answer")

    coded.write_now(fill)
    assert [v.served for v in coded.read_now(lambda uow: uow.history("Task", "t1"))] == [b"two", b"one"]
    assert coded.read_now(lambda uow: uow.version("Task", "t1", 1)).received == b"came"  # type: ignore[union-attr]
    assert coded.read_now(lambda uow: uow.link("ehr", "Task", "t1")) == link
    assert coded.read_now(lambda uow: uow.conflicts())[0].theirs == b"theirs"
    assert coded.read_now(lambda uow: uow.remembered("key")) == ("digest", b"answer")
    if url != "sqlite://":
        plain = opening().read_now(lambda uow: uow.current("Task", "t1"))
        assert plain is not None
        assert plain.served == b"Task/t1\x00owt"


# ── links and conflicts ──────────────────────────────────────────────────────────────────────────
def test_links_of_one_type_at_one_ehr_come_by_our_id_page_by_page(store: SqlStore) -> None:
    made = [Link(ehr, type, id, f"{ehr}-{type}-{id}") for ehr in ("a", "b") for type in ("Task", "Consent") for id in ("3", "1", "2")]
    store.write_now(lambda uow: [uow.save_link(each) for each in made])

    def page(after: str) -> list[str]:
        return [each.remote_id for each in store.read_now(lambda uow: uow.links("a", "Task", after=after, limit=2))]

    assert [page(""), page("2"), page("3")] == [["a-Task-1", "a-Task-2"], ["a-Task-3"], []]


def test_link_is_found_from_both_sides_and_replaced_when_saved_again(store: SqlStore) -> None:
    link = Link("ehr-a", "Task", "t1", "77", "W/3", "abc", b"{}", 2)
    store.write_now(lambda uow: uow.save_link(link))
    store.write_now(lambda uow: uow.save_link(replace(link, remote_version="W/4", sent=3)))
    newer = store.read_now(lambda uow: uow.link("ehr-a", "Task", "t1"))
    assert newer == replace(link, remote_version="W/4", sent=3)
    assert store.read_now(lambda uow: uow.link_by_remote("ehr-a", "Task", "77")) == newer
    assert store.read_now(lambda uow: uow.link_by_remote("ehr-b", "Task", "77")) is None
    assert store.read_now(lambda uow: uow.link("ehr-a", "Task", "t2")) is None


def test_link_refuses_a_second_resource_for_the_same_remote_one(store: SqlStore) -> None:
    store.write_now(lambda uow: uow.save_link(Link("ehr-a", "Task", "t1", "77")))
    with pytest.raises(Conflict):
        store.write_now(lambda uow: uow.save_link(Link("ehr-a", "Task", "t2", "77")))
    assert store.read_now(lambda uow: uow.link("ehr-a", "Task", "t2")) is None


def test_conflict_is_listed_until_settled_and_not_doubled(store: SqlStore) -> None:
    row = ConflictRow("ehr-a", "Task", "t1", "both-changed", b"b", b"o", b"t", AT)
    kept = store.write_now(lambda uow: uow.save_conflict(row))
    again = store.write_now(lambda uow: uow.save_conflict(replace(row, theirs=b"newer")))
    other = store.write_now(lambda uow: uow.save_conflict(replace(row, id="t2")))
    assert kept.key == again.key != other.key
    assert store.read_now(lambda uow: uow.conflicts()) == [again, other]
    store.write_now(lambda uow: uow.settle_conflict(kept.key, choice="ours"))
    assert store.read_now(lambda uow: uow.conflicts()) == [other]
    assert store.read_now(lambda uow: uow.conflicts(state="resolved")) == [replace(again, state="resolved", choice="ours")]
    assert store.write_now(lambda uow: uow.save_conflict(row)).key not in (kept.key, other.key)


# ── small kept things ────────────────────────────────────────────────────────────────────────────
def test_remember_keeps_the_first_answer_and_refuses_another(store: SqlStore) -> None:
    assert store.read_now(lambda uow: uow.remembered("k")) is None
    store.write_now(lambda uow: uow.remember("k", "d1", b"answer"))
    with pytest.raises(Conflict):
        store.write_now(lambda uow: uow.remember("k", "d2", b"other"))
    assert store.read_now(lambda uow: uow.remembered("k")) == ("d1", b"answer")


def test_keep_replaces_the_value_of_a_name(store: SqlStore) -> None:
    assert store.read_now(lambda uow: uow.kept("cursor")) is None
    store.write_now(lambda uow: uow.keep("cursor", b"1"))
    store.write_now(lambda uow: uow.keep("cursor", b"\x00\xff"))
    assert store.read_now(lambda uow: uow.kept("cursor")) == b"\x00\xff"


def test_token_is_unknown_from_its_end_on(store: SqlStore, clock: FrozenClock) -> None:
    store.write_now(lambda uow: uow.save_token("digest", b"principal", AT + timedelta(seconds=300)))
    assert store.read_now(lambda uow: uow.token("digest")) == b"principal"
    assert store.read_now(lambda uow: uow.token("other")) is None
    clock.tick(timedelta(seconds=299, microseconds=999_999))
    assert store.read_now(lambda uow: uow.token("digest")) == b"principal"
    clock.tick(timedelta(microseconds=1))
    assert store.read_now(lambda uow: uow.token("digest")) is None


def test_token_that_was_ended_is_unknown(store: SqlStore) -> None:
    for name in ("one", "other"):
        store.write_now(lambda uow, name=name: uow.save_token(name, b"principal", AT + timedelta(seconds=300)))
    store.write_now(lambda uow: uow.end_token("one"))
    store.write_now(lambda uow: uow.end_token("none"))
    assert store.read_now(lambda uow: (uow.token("one"), uow.token("other"))) == (None, b"principal")


def test_name_counts_once_until_its_time_and_not_at_all_when_the_unit_fails(store: SqlStore, clock: FrozenClock) -> None:
    def once(name: str = "jti/1", seconds: float = 10) -> bool:
        return store.write_now(lambda uow: uow.once(name, uow.at + timedelta(seconds=seconds)))

    def failing(uow: Uow) -> None:
        assert uow.once("jti/1", uow.at + timedelta(seconds=10))
        raise Conflict("no")

    with pytest.raises(Conflict):
        store.write_now(failing)
    assert once() and not once() and once("jti/2") and not once(seconds=1000)
    assert store.write_now(lambda uow: [uow.once("jti/3", uow.at + timedelta(seconds=1)) for _ in range(3)]) == [True, False, False]
    clock.tick(timedelta(seconds=9, microseconds=999_999))
    assert not once()
    clock.tick(timedelta(microseconds=1))
    assert once() and not once()
    with pytest.raises(RuntimeError):
        store.read_now(lambda uow: uow.once("jti/4", uow.at))


def test_sweep_takes_what_is_past_its_time_and_nothing_else(store: SqlStore, clock: FrozenClock) -> None:
    def fill(uow: Uow) -> None:
        for seconds in (10, 20):
            uow.once(f"jti/{seconds}", uow.at + timedelta(seconds=seconds))
            uow.save_token(f"token-{seconds}", b"p", uow.at + timedelta(seconds=seconds))

    store.write_now(fill)
    assert store.write_now(lambda uow: uow.sweep()) == 0
    clock.tick(timedelta(seconds=10))
    assert store.write_now(lambda uow: uow.sweep()) == 2 and store.write_now(lambda uow: uow.sweep()) == 0
    assert store.read_now(lambda uow: uow.token("token-20")) == b"p"
    assert not store.write_now(lambda uow: uow.once("jti/20", uow.at + timedelta(seconds=1)))


def test_lease_is_one_holders_until_it_ends(store: SqlStore, clock: FrozenClock) -> None:
    def lease(holder: str, seconds: int = 10) -> bool:
        return store.write_now(lambda uow: uow.lease("jobs", holder=holder, until=uow.at + timedelta(seconds=seconds)))

    assert lease("a")
    assert not lease("b")
    assert lease("a")  # its own, prolonged
    clock.tick(timedelta(seconds=10))
    assert lease("b")
    assert not lease("a")
    assert lease("b", 0)  # given back
    assert lease("a")
    assert store.write_now(lambda uow: uow.lease("other", holder="b", until=AT))


@pytest.mark.parametrize("url", ["file"], indirect=True)
def test_identifying_values_are_not_in_the_database_when_indexed(opening: Opening, tmp_path: Path) -> None:
    secret = "PLANTED-IDENTIFIER"
    opening().write_now(lambda uow: put(uow, task(), IndexRow("identifier", "token", secret, "sys", identifying=True),
                                        IndexRow("name", "string", "Plantedname", identifying=True)))  # fmt: skip
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"sys" in stored
    assert secret.encode() not in stored
    assert b"plantedname" not in stored.lower()
    assert KEY not in stored
