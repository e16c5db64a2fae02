"""Erasure and the register that outlives it, on every engine: content goes in every form it was kept in, the chain verifies."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapter.audit import events, verify
from adapter.audit.erasures import ERASE, ranges
from adapter.audit.verifying import verified
from adapter.clock import FrozenClock
from adapter.ports import AuditRow, Clause, ConflictRow, IndexRow, Link, Principal, Query, Uow
from adapter.retaining import Purged, purge
from adapter.store import SqlStore
from tests.contract.stores import ALL, AT, STATUS, clock, empty_file, letter, opening, put, store, task, url  # noqa: F401 - fixtures

pytestmark = pytest.mark.parametrize("url", ALL, indirect=True)
WHO = Principal("liaison", "liaison", role="officer")
ZYX = b'{"name":"Zyxdurand"}'
NAMED = IndexRow("family", "string", "zyxdurand", identifying=True)


def seen(uow: Uow, patient: str) -> None:
    uow.audit(events.disclosed(WHO, ["Task/t1"], patient=patient, recipient="Organization/x", view="saad", view_version="1", at=uow.at))


def held(uow: Uow) -> None:
    """Two versions of one Task, its search rows, a link and a conflict."""
    put(uow, task(served=ZYX), STATUS, NAMED)
    put(uow, task(served=ZYX + b" "), STATUS, NAMED)
    uow.save_link(Link("ehr-a", "Task", "t1", "9", base=ZYX))
    for name in ("put/ehr-a/Task/t1", "put/ehr-a/Task/t10", "put/ehr-a/Consent/t1"):
        uow.keep(name, ZYX)
    uow.save_conflict(ConflictRow("ehr-a", "Task", "t1", "both-changed", ZYX, ZYX, ZYX, AT))


def test_erase_leaves_no_content_in_any_version_or_copy_U_14(store: SqlStore) -> None:
    store.write_now(held)
    assert store.read_now(lambda uow: uow.copies("Task", "t1")) == ["ehr-a"]
    assert store.write_now(lambda uow: uow.erase("Task", "t1")) == 2
    kept = store.read_now(lambda uow: [uow.current("Task", "t1"), *uow.history("Task", "t1")])
    assert all(version is not None and version.deleted and not version.served and not version.received for version in kept)
    assert [version.number for version in kept[1:]] == [2, 1]  # that there were two stays
    by_name = Query("Task", (Clause("family", "string", ("zyxdurand",), identifying=True),))
    assert store.read_now(lambda uow: (uow.count(by_name), uow.link("ehr-a", "Task", "t1"), uow.conflicts())) == (0, None, [])
    assert store.read_now(lambda uow: [uow.kept(f"put/ehr-a/{each}") for each in ("Task/t1", "Task/t10", "Consent/t1")]) == [None, ZYX, ZYX]


def test_erase_touches_nothing_else(store: SqlStore) -> None:
    store.write_now(lambda uow: (put(uow, task("t1", served=ZYX), STATUS), put(uow, task("t2", served=ZYX), STATUS)))
    store.write_now(lambda uow: uow.erase("Task", "t1"))
    other = store.read_now(lambda uow: uow.current("Task", "t2"))
    assert other is not None and other.served == ZYX


def test_letters_waiting_counts_what_an_ehr_has_not_got(store: SqlStore) -> None:
    store.write_now(lambda uow: uow.post(letter()))
    assert store.read_now(lambda uow: (uow.letters_waiting("Task", "t1"), uow.letters_waiting("Task", "t2"))) == (1, 0)
    taken = store.write_now(lambda uow: uow.take(holder="h", until=AT + timedelta(minutes=1)))
    assert taken is not None
    store.write_now(lambda uow: uow.settle(taken, state="done"))
    assert store.read_now(lambda uow: uow.letters_waiting("Task", "t1")) == 0


def test_register_is_kept_by_person_in_order_and_paged(store: SqlStore) -> None:
    def filed(uow: Uow) -> None:
        for seq, patient in ((3, "Patient/a"), (1, "Patient/a"), (2, "Patient/b")):
            uow.file(seq, patient, f"2026-03-0{seq}T00:00:00.000000Z", b"line %d" % seq)

    store.write_now(filed)
    assert store.read_now(lambda uow: uow.filed("Patient/a")) == [(1, b"line 1"), (3, b"line 3")]
    assert store.read_now(lambda uow: [seq for seq, _ in uow.filed()]) == [1, 2, 3]
    assert store.read_now(lambda uow: uow.filed("Patient/a", after=1)) == [(3, b"line 3")]
    assert store.read_now(lambda uow: uow.filed("Patient/c")) == []


def test_register_is_shredded_by_the_time_of_the_disclosure(store: SqlStore, clock: FrozenClock) -> None:
    store.write_now(lambda uow: (uow.file(1, "Patient/a", "2026-03-01T00:00:00.000000Z", b"old"), uow.file(2, "Patient/a", "2026-03-07T00:00:00.000000Z", b"new")))
    assert store.write_now(lambda uow: uow.shred(AT)) == 1
    assert store.read_now(lambda uow: uow.filed()) == [(2, b"new")]
    assert store.write_now(lambda uow: uow.shred(AT)) == 0


def links(store: SqlStore) -> list[AuditRow]:
    return store.read_now(lambda uow: uow.audit_rows())


def test_content_of_a_person_goes_and_the_chain_verifies_U_14(store: SqlStore) -> None:
    for patient in ("Patient/a", "Patient/b", "Patient/a"):
        store.write_now(lambda uow, patient=patient: seen(uow, patient))
    mine = [row.seq for row in store.read_now(lambda uow: uow.audit_of("Patient/a"))]
    assert mine == [1, 3]
    store.write_now(lambda uow: uow.audit(events.act(WHO, ERASE, at=uow.at, details=[("links", ranges(mine))]), erasing=mine))
    rows = links(store)
    assert [(row.event == b"", row.salt == b"", row.person, row.erased) for row in rows if row.seq in mine] == [(True, True, "", 4)] * 2
    assert b"Patient/b" in rows[1].event and store.read_now(lambda uow: uow.audit_of("Patient/a")) == []
    verdict = store.read_now(verified)
    assert (verdict.ok, verdict.count, verdict.erased) == (True, 4, 2)
    assert not verify(rows).ok  # without the acts of erasure nobody could tell it from tampering


def test_log_is_purged_by_age_and_the_register_kept_U_15(store: SqlStore, clock: FrozenClock) -> None:
    for patient in ("Patient/a", "Patient/b"):
        store.write_now(lambda uow, patient=patient: (seen(uow, patient), uow.audit(events.act(WHO, "look", at=uow.at))))
    old, _ = clock.now(), clock.tick(timedelta(days=1))
    store.write_now(lambda uow: seen(uow, "Patient/a"))
    until = old + timedelta(hours=1)
    done = store.write_now(lambda uow: purge(uow, WHO, before=until, sealed=lambda line: b"sealed " + line))
    assert done == Purged(events=4, lines=2)
    assert [row.event == b"" for row in links(store)] == [True] * 4 + [False] * 2 and [row.erased for row in links(store)] == [6] * 4 + [0, 0]
    assert {patient: [seq for seq, _ in store.read_now(lambda uow, patient=patient: uow.filed(patient))] for patient in ("Patient/a", "Patient/b")} == {
        "Patient/a": [1], "Patient/b": [3],
    }  # fmt: skip
    assert [row.seq for row in store.read_now(lambda uow: uow.audit_of("Patient/a"))] == [5]
    verdict = store.read_now(verified)
    assert (verdict.ok, verdict.count, verdict.erased) == (True, 6, 4)
    assert store.write_now(lambda uow: purge(uow, WHO, before=until, sealed=bytes)) == Purged()
    assert len(links(store)) == 6  # nothing due, nothing said


def test_verified_finds_a_row_filed_under_another_person(store: SqlStore) -> None:
    store.write_now(lambda uow: seen(uow, "Patient/a"))
    assert store.read_now(verified).ok
    store._database.writing.raw_connection().driver_connection.execute("UPDATE audit SET person = 'other'").close()
    verdict = store.read_now(verified)
    assert (verdict.ok, verdict.first_bad, verdict.reason) == (False, 1, "misfiled")
