"""A long outbox: who goes first, what it costs to find the next, how it is counted; and what was decided on is still so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from adapter.clock import FrozenClock
from adapter.ports import ConflictRow, Letter, Link, Pile, Uow
from adapter.store import SqlStore, open_store, upgrade
from adapter.store.outbox import _next
from tests.contract.stores import AT, FILES, KEY, Opening, clock, empty_file, letter, opening, put, refer, store, task, url  # noqa: F401 - fixtures

LEASE = timedelta(seconds=60)


def take(store: SqlStore) -> Letter:
    found = store.write_now(lambda uow: uow.take(holder="me", until=uow.at + LEASE, ehr="ehr-a"))
    assert found is not None
    return found


def consent(id: str, lane: str) -> Letter:
    return replace(letter(id, lane=lane), type="Consent")


def test_take_gives_the_newest_consent_first_and_before_it_what_stands_before_it_in_its_lane(store: SqlStore, clock: FrozenClock) -> None:
    store.write_now(lambda uow: [uow.post(letter(f"t{n}", lane=f"r{n}")) for n in range(5)])
    for id, lane in (("c1", "r1"), ("c2", "r4")):
        clock.tick(timedelta(seconds=1))
        store.write_now(lambda uow, id=id, lane=lane: uow.post(consent(id, lane)))  # type: ignore[misc]
    order = []
    for _ in range(7):
        one = take(store)
        order.append(one.id)
        store.write_now(lambda uow, one=one: uow.settle(one, state="done"))  # type: ignore[misc]
    assert order == ["t4", "c2", "t1", "c1", "t0", "t2", "t3"]


def test_consent_posted_again_overtakes_and_keeps_its_lane_in_order(store: SqlStore, clock: FrozenClock) -> None:
    store.write_now(lambda uow: [uow.post(consent("c1", "r1")), uow.post(letter("t1", lane="r1"))])
    clock.tick(timedelta(seconds=1))
    store.write_now(lambda uow: [uow.post(consent("c2", "r2")), uow.post(consent("c1", "r1"))])
    assert take(store).id == "c1"


def test_lane_that_goes_behind_another_waits_for_what_of_that_one_can_go(store: SqlStore) -> None:
    store.write_now(lambda uow: [uow.post(letter("p1", lane="provenance r1")), uow.post(letter("t1", lane="r1")), uow.post(letter("p2", lane="provenance r2"))])
    first, second = take(store), take(store)
    assert (first.id, second.id) == ("t1", "p2")
    assert store.write_now(lambda uow: uow.take(holder="me", until=uow.at + LEASE, ehr="ehr-a")) is None
    store.write_now(lambda uow: uow.settle(first, state="parked"))
    assert take(store).id == "p1", "what waits for a person keeps nothing else waiting"


def test_revision_goes_up_with_every_commit_that_saved_a_resource_and_no_other(store: SqlStore) -> None:
    def revision() -> int:
        return store.read_now(lambda uow: uow.revision())

    start = revision()
    store.write_now(lambda uow: uow.post(letter()))
    store.write_now(lambda uow: uow.keep("a", b"1"))
    assert revision() == start
    store.write_now(lambda uow: put(uow, task()))
    store.write_now(lambda uow: refer(uow, "t2"))
    assert revision() == start + 2
    store.write_now(lambda uow: uow.erase("Task", "t2"))
    assert revision() == start + 3


@pytest.mark.parametrize("url", FILES, indirect=True)
def test_revision_is_seen_by_other_processes_together_with_what_was_saved(opening: Opening) -> None:
    one, other = opening(), opening()
    start = one.read_now(lambda uow: uow.revision())
    other.write_now(lambda uow: put(uow, task()))
    assert one.read_now(lambda uow: (uow.revision(), uow.current("Task", "t1") is not None)) == (start + 1, True)


def test_carried_letter_is_settled_like_a_taken_one_and_looked_for_when_it_is_not(store: SqlStore, clock: FrozenClock) -> None:
    store.write_now(lambda uow: [uow.post(letter("t1")), uow.post(letter("t2"))])
    taken = take(store)
    (behind,) = [each for each in store.read_now(lambda uow: uow.letters(lane="r1")) if each.id == "t2"]
    carried = store.write_now(lambda uow: uow.carry(behind))
    assert carried is not None and carried.fence == 1
    assert store.write_now(lambda uow: uow.carry(behind)) is None, "it has changed since"
    assert store.write_now(lambda uow: [uow.settle(taken, state="done"), uow.settle(carried, state="unknown", due=clock.now())]) == [True, True]
    assert (found := take(store)).state == "unknown" and found.fence > 1


def test_piles_lanes_and_the_oldest_tell_what_is_open(store: SqlStore) -> None:
    store.write_now(lambda uow: [uow.post(letter(f"t{n}", lane=f"r{n % 2}", due=AT - timedelta(minutes=n))) for n in range(4)])
    store.write_now(lambda uow: uow.post(letter("t9", ehr="ehr-b")))
    one = take(store)
    store.write_now(lambda uow: uow.settle(one, state="parked", reason="rejected-422"))
    piles = store.read_now(lambda uow: uow.piles())
    assert piles == [
        Pile("ehr-a", "parked", "rejected-422", 1, one.due), Pile("ehr-a", "queued", "", 3, AT - timedelta(minutes=3)), Pile("ehr-b", "queued", "", 1, AT),
    ]  # fmt: skip
    assert store.read_now(lambda uow: uow.lanes()) == {"ehr-a": (2, 1), "ehr-b": (1, 0)}
    assert store.read_now(lambda uow: [uow.oldest("ehr-a"), uow.oldest("nobody")])[1] is None
    assert store.read_now(lambda uow: uow.oldest("ehr-a")).id == "t3"  # type: ignore[union-attr]
    assert store.read_now(lambda uow: [uow.any_due("ehr-b"), uow.any_due("nobody")]) == [True, False]


def test_counts_are_added_up_and_found_by_how_their_names_begin(store: SqlStore) -> None:
    store.write_now(lambda uow: [uow.add("letters/a/created", 2), uow.add("letters/a/created", 3), uow.add("letters/b/created", 1)])
    assert store.read_now(lambda uow: uow.added("letters/a/")) == {"letters/a/created": 5}


def test_letters_are_found_by_what_they_are_about_and_by_number(store: SqlStore) -> None:
    one, _ = store.write_now(lambda uow: [uow.post(letter("t1")), uow.post(letter("t2"))])
    assert store.read_now(lambda uow: uow.letters(about=("Task", "t1"))) == [one]
    assert store.read_now(lambda uow: uow.letters(key=one.key)) == [one]


# ── what the next letter costs ───────────────────────────────────────────────────────────────────
def plan(url: str, dialect: str) -> str:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    params = {"at": "2099", "ehr": "ehr-a"}
    with engine.connect() as connection:
        explain = "EXPLAIN QUERY PLAN " if dialect == "sqlite" else "EXPLAIN "
        cursor: Any = connection.connection.cursor()
        rows = cursor.execute(explain + _next(True).text(dialect), params).fetchall()
        found = "\n".join(str(row[-1]) for row in rows)
    engine.dispose()
    return found


@pytest.mark.parametrize("url", FILES, indirect=True)
def test_next_letter_of_a_backlog_is_found_by_the_index_without_sorting(opening: Opening, url: str) -> None:
    store = opening()
    store.write_now(lambda uow: [uow.post(letter(f"t{n}", lane=f"r{n}")) for n in range(2_000)])
    dialect = "sqlite" if url.startswith("sqlite") else "postgresql"
    if dialect == "postgresql":
        engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text("ANALYZE outbox"))
        engine.dispose()
    found = plan(url, dialect)
    assert "outbox_next" in found and "outbox_lane" in found, found
    assert "TEMP B-TREE" not in found and "Sort" not in found, found


# ── from the schema of before ────────────────────────────────────────────────────────────────────
def test_letters_of_before_are_there_after_the_upgrade_and_an_older_liaison_may_still_write_Y_44(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    url = f"sqlite:///{tmp_path / 'old.db'}"
    config = Config()
    config.set_main_option("script_location", "adapter/store/migrations")
    engine = sa.create_engine(url)
    old = (
        "INSERT INTO outbox (ehr, lane, type, id, number, state, open, due, attempts, reason, holder, lease_until, fence, request_id)"
        " VALUES ('ehr-a', 'r1', 'Task', :id, 1, 'queued', 1, '2026-03-06T00:00:00.000000Z', 0, '', '', '', 0, 'r')"
    )
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        connection.execute(sa.text(old), {"id": "t1"})
        connection.execute(sa.text("UPDATE audit_head SET seq = 7, digest = 'd'"))
    upgrade(url)
    with engine.begin() as connection:
        connection.execute(sa.text(old), {"id": "t2"})
        assert connection.execute(sa.text("SELECT seq, digest, saved FROM audit_head")).all() == [(7, "d", 0)]
        assert connection.execute(sa.text("SELECT id, rank FROM outbox ORDER BY key")).all() == [("t1", 0), ("t2", 0)]
    engine.dispose()
    store = open_store(url, clock=FrozenClock(AT), seal=lambda before, event: "0", key=KEY)
    assert [each.id for each in store.read_now(lambda uow: uow.letters())] == ["t1", "t2"]
    store.close()


def test_the_revision_is_unknown_behind_a_resource_that_is_not_committed(store: SqlStore) -> None:
    def look(uow: Uow) -> tuple[int, int]:
        before = uow.revision()
        put(uow, task("t9"))
        return before, uow.revision()

    before, after = store.write_now(look)
    assert after == -1 and store.read_now(lambda uow: uow.revision()) == before + 1


def test_what_is_kept_and_linked_is_read_once_in_a_unit_and_again_when_it_was_written(store: SqlStore) -> None:
    def write(uow: Uow) -> list[object]:
        seen: list[object] = [uow.kept("a"), uow.link("ehr-a", "Task", "t1")]
        uow.keep("a", b"1")
        uow.save_link(Link("ehr-a", "Task", "t1", "9"))
        found = uow.link("ehr-a", "Task", "t1")
        return [*seen, uow.kept("a"), found and found.remote_id]

    assert store.write_now(write) == [None, None, b"1", "9"]
    assert store.read_now(lambda uow: uow.kept("a")) == b"1"


def test_several_kept_values_are_read_at_once_and_known_from_then_on(store: SqlStore) -> None:
    store.write_now(lambda uow: [uow.keep("a", b"1"), uow.keep("b", b"2")])

    def read(uow: Uow) -> list[object]:
        several: list[object] = [uow.kept_many("a", "b", "c")]
        uow.keep("c", b"3")
        return [*several, uow.kept("a"), uow.kept("c"), uow.kept_many("c", "d")]

    assert store.write_now(read) == [{"a": b"1", "b": b"2"}, b"1", b"3", {"c": b"3"}]


def test_links_of_a_page_are_read_at_once_and_known_by_both_ids_until_they_are_written(store: SqlStore) -> None:
    store.write_now(lambda uow: [uow.save_link(Link("ehr-a", "Task", f"t{n}", f"r{n}", base=b"{}")) for n in range(250)])

    def read(uow: Uow) -> list[object]:
        found = uow.links_by_remote("ehr-a", "Task", [f"r{n}" for n in range(251)])
        uow.save_link(Link("ehr-a", "Task", "t7", "other"))
        return [
            {key: each.id for key, each in found.items()} == {f"r{n}": f"t{n}" for n in range(250)}, found["r3"].base,
            uow.link_by_remote("ehr-a", "Task", "r7"), uow.link_by_remote("ehr-a", "Task", "other") is not None,
            uow.link("ehr-a", "Task", "t8") == found["r8"], uow.links_by_remote("ehr-b", "Task", ["r1"]),
        ]  # fmt: skip

    assert store.write_now(read) == [True, b"{}", None, True, True, {}]


def test_what_weighs_goes_up_in_the_revision_and_what_was_read_before_it_is_read_anew(store: SqlStore) -> None:
    start = store.read_now(lambda uow: uow.revision())
    store.write_now(lambda uow: [uow.keep("pause", b"1"), uow.weigh()])

    def read(uow: Uow) -> tuple[int, object, int]:
        uow.memo["dossier"] = "of before"
        return uow.revision(), uow.memo.get("dossier"), uow.revision()

    assert store.write_now(read) == (start + 1, None, start + 1)
    store.write_now(lambda uow: uow.keep("cursor", b"1"))
    assert store.read_now(lambda uow: uow.revision()) == start + 1


def test_open_conflicts_are_counted_by_ehr_and_found_by_resource(store: SqlStore) -> None:
    def row(ehr: str, id: str) -> ConflictRow:
        return ConflictRow(ehr, "Task", id, "stale", b"{}", b"{}", b"{}", AT)

    store.write_now(lambda uow: [uow.save_conflict(row(*each)) for each in (("ehr-a", "t1"), ("ehr-a", "t2"), ("ehr-b", "t1"))])
    (one,) = store.read_now(lambda uow: uow.conflicts(about=("ehr-a", "Task", "t2")))
    assert (one.ehr, one.id) == ("ehr-a", "t2")
    store.write_now(lambda uow: uow.settle_conflict(one.key, choice="ours"))
    assert store.read_now(lambda uow: (uow.conflict_counts(), uow.conflicts(about=("ehr-a", "Task", "t2")))) == ({"ehr-a": 1, "ehr-b": 1}, [])
