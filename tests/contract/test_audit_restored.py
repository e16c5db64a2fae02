"""The chain outlives what happens to a database (U-12 of security.md 4.4): a dump and its restore, another time zone, a newer
library, a newer schema. Restored, migrated or moved it verifies, goes on, and still tells what was tampered with."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import rfc8785
from alembic import command
from alembic.config import Config

from adapter import store as adapter_store
from adapter.audit import canonical, events, seal, verify
from adapter.audit.chain import Verdict
from adapter.audit.erasures import ERASE, ranges
from adapter.audit.verifying import verified
from adapter.clock import FrozenClock, SystemClock
from adapter.ports import AuditRow, Principal, Uow
from adapter.store import SqlStore, open_store, upgrade
from adapter.store.database import Database
from tests.contract.stores import AT, FILES, KEY, Opening, clock, empty_file, opening, store, url  # noqa: F401 - fixtures
from tests.e2e import forking
from tests.postgres import programs

ROOT = Path(__file__).resolve().parents[2]
WHO = Principal("liaison", "liaison", role="officer")
GOLDEN = ROOT / "tests" / "vectors" / "audit" / "chain-of-an-older-library.ndjson"
GOLDEN_HEAD = "695e92c388c042baf0be96e7ed906cd5ee5b19ad007ddda0ea75e41873ebc42c"  # a kept chain must stay good: never edit it
TAMPER = "UPDATE audit SET sealed = 'x' WHERE seq = 3"


def lived(store: SqlStore) -> Verdict:
    """A chain that has all that a chain may have: disclosures, searches, words beyond ASCII, an erasure."""
    def one(uow: Uow, number: int) -> None:
        patient = f"Patient/p{number % 3}"
        uow.audit(events.disclosed(WHO, ["Task/t1"], patient=patient, recipient="Organization/x", view="saad", view_version="1", at=uow.at))
        uow.audit(events.searched(WHO, "Task", query="status=91aa", at=uow.at))
        uow.audit(events.act(WHO, "look", at=uow.at, details=[("said", "été €  \u2028 \U0001f600")]))

    for number in range(6):
        store.write_now(lambda uow, number=number: one(uow, number))
    gone = [row.seq for row in store.read_now(lambda uow: uow.audit_of("Patient/p1"))]
    store.write_now(lambda uow: uow.audit(events.act(WHO, ERASE, at=uow.at, details=[("links", ranges(gone))]), erasing=gone))
    verdict = store.read_now(verified)
    assert (verdict.ok, verdict.count, verdict.erased) == (True, 19, 2)
    return verdict


def opened(url: str, at: datetime = AT) -> SqlStore:
    return open_store(url, clock=FrozenClock(at), seal=seal, canonical=canonical, key=KEY)


def run(url: str, *statements: str) -> None:
    """Statements on the database itself, as somebody beside Liaison would run them."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        return
    with psycopg.connect(url, autocommit=True) as server:
        for statement in statements:
            server.execute(statement)


def goes_on(url: str, before: Verdict) -> None:
    """It verifies as it did, takes new links, verifies again, and names a row that is tampered with."""
    store = opened(url, AT + timedelta(days=1))
    assert store.read_now(verified) == before
    store.write_now(lambda uow: uow.audit(events.act(WHO, "after", at=uow.at)))
    after = store.read_now(verified)
    assert (after.ok, after.count, after.erased) == (True, before.count + 1, before.erased)
    run(url, TAMPER)
    bad = store.read_now(verified)
    assert (bad.ok, bad.first_bad, bad.reason) == (False, 3, "changed")
    store.close()


# ── dump and restore ─────────────────────────────────────────────────────────────────────────────
def test_chain_verifies_after_sqlites_backup_U_12(tmp_path: Path, empty_file: Path) -> None:
    """The `.backup` of the sqlite3 shell: pages, while the database is open and its last writes stand in the log."""
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    first.write_bytes(empty_file.read_bytes())
    store = opened(f"sqlite:///{first}")
    before = lived(store)
    with closing(sqlite3.connect(first)) as source, closing(sqlite3.connect(second)) as target:
        source.backup(target)
    store.close()
    goes_on(f"sqlite:///{second}", before)


def test_chain_verifies_after_sqlites_dump_as_text_U_12(tmp_path: Path, empty_file: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    first.write_bytes(empty_file.read_bytes())
    store = opened(f"sqlite:///{first}")
    before = lived(store)
    store.close()
    with closing(sqlite3.connect(first)) as source, closing(sqlite3.connect(second)) as target:
        target.executescript("\n".join(source.iterdump()))
    goes_on(f"sqlite:///{second}", before)


def programme(name: str, *arguments: str, given: bytes = b"") -> bytes:
    folder = programs()
    assert folder is not None
    return subprocess.run([str(folder / name), *arguments], input=given, capture_output=True, check=True).stdout


@pytest.mark.postgres
@pytest.mark.parametrize("form", ["plain", "custom"])
def test_chain_verifies_after_pg_dump_and_restore_U_12(form: str, postgres: Callable[[], str]) -> None:
    first, second = postgres(), postgres()
    upgrade(first)
    store = opened(first)
    before = lived(store)
    store.close()
    dumped = programme("pg_dump", f"--format={form}", f"--dbname={first}")
    if form == "plain":
        programme("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={second}", given=dumped)
    else:
        programme("pg_restore", "--exit-on-error", f"--dbname={second}", given=dumped)
    goes_on(second, before)


# ── time zones ───────────────────────────────────────────────────────────────────────────────────
def elsewhere(url: str, zone: str, *words: str) -> Any:
    """What a `liaison` says that runs in another zone."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("LIAISON_")}
    more = {"TZ": zone, "PGTZ": zone, "LIAISON_DATABASE_URL": url, "LIAISON_SECRET_KEY": KEY.decode()}
    done = forking.run(words, cwd=ROOT, environment=environment | more, timeout=forking.PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout


@pytest.mark.parametrize("url", FILES, indirect=True)
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns", "UTC"])
def test_chain_verifies_and_goes_on_in_another_time_zone_U_12(url: str, opening: Opening, zone: str) -> None:
    store = opening()
    before = lived(store)
    if url.startswith("postgresql"):
        name = url.partition("@/")[2].partition("?")[0]
        run(url, f"ALTER DATABASE {name} SET timezone TO '{zone}'")
    assert elsewhere(url, zone, "audit", "verify", "--json") | {"checkpoints": 0} == {
        "ok": True, "count": before.count, "head": before.head, "erased": 2, "first_bad": 0, "reason": "", "checkpoints": 0, "bad_checkpoint": 0,
    }  # fmt: skip
    elsewhere(url, zone, "audit", "search", "--json", "--limit", "1")  # which is an event, written there
    verdict = store.read_now(verified)
    assert (verdict.ok, verdict.count) == (True, before.count + 1)
    last = store.read_now(lambda uow: uow.audit_rows(after=before.count))[-1]
    when = datetime.fromisoformat(json.loads(last.event)["recorded"])
    assert when.utcoffset() == timedelta(0) and abs(when - SystemClock().now()) < timedelta(hours=1)  # not the time of day there


# ── an older library, an older schema ────────────────────────────────────────────────────────────
def golden() -> list[AuditRow]:
    """The committed chain: made by hand with SHA-256 and text, not by this code, in the form of `audit export`."""
    rows = []
    for line in GOLDEN.read_bytes().splitlines():
        place, _, event = line.partition(b',"event":')
        found = orjson.loads(place + b"}")
        event = b"" if event == b"null}" else event[:-1]
        rows.append(AuditRow(found["seq"], event, found["digest"], found["salt"].encode(), found["sealed"], "?", found["erased"]))
    return rows


def test_chain_of_an_older_library_verifies_U_12() -> None:
    rows = golden()
    verdict = verify(rows, acts=lambda seq: rows[seq - 1])
    assert (verdict.ok, verdict.count, verdict.erased, verdict.head) == (True, 9, 3, GOLDEN_HEAD)


@pytest.mark.parametrize("row", [row for row in golden() if row.event], ids=lambda row: f"link-{row.seq}")
def test_libraries_of_today_write_the_bytes_that_an_older_one_sealed_U_12(row: AuditRow) -> None:
    """RFC 8785 has one form of every number and name: an event taken out of an export and sealed again is the same."""
    event = orjson.loads(row.event)
    assert canonical(event) == rfc8785.dumps(event) == row.event


@pytest.mark.parametrize("url", FILES, indirect=True)
def test_chain_of_an_older_library_goes_on_in_a_store_of_today_U_12(url: str, store: SqlStore) -> None:
    for row in golden():
        run(url, f"INSERT INTO audit (seq, event, digest, salt, sealed, person, erased) VALUES ({row.seq}, {_bytes(url, row.event)}, '{row.digest}', "
                 f"{_bytes(url, row.salt)}, '{row.sealed}', '{_filed(store, row)}', {row.erased})")  # fmt: skip
    run(url, f"UPDATE audit_head SET seq = 9, digest = '{GOLDEN_HEAD}'")
    before = store.read_now(verified)
    assert (before.ok, before.count, before.head) == (True, 9, GOLDEN_HEAD)
    goes_on(url, before)


def _bytes(url: str, value: bytes) -> str:
    return f"x'{value.hex()}'" if url.startswith("sqlite") else f"'\\x{value.hex()}'::bytea"


def _filed(store: SqlStore, row: AuditRow) -> str:
    return store.read_now(lambda uow: uow.audit_person("Patient/p-1")) if row.sealed and b"Patient/p-1" in row.event else ""


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_chain_verifies_after_an_upgrade_of_the_schema_U_12(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Rows of schema 0001 had no salt: their links cover the events themselves, and do so still."""
    url = f"sqlite:///{tmp_path / 'old.db'}" if kind == "sqlite" else request.getfixturevalue("postgres")()
    config = Config()
    config.set_main_option("script_location", str(Path(adapter_store.__file__).parent / "migrations"))
    database = Database(url)
    with database.writing.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    database.close()
    head = ""
    for seq in range(1, 6):
        event = b'{"n":"%d"}' % seq
        head = seal(head, event)
        run(url, f"INSERT INTO audit (seq, event, digest) VALUES ({seq}, {_bytes(url, event)}, '{head}')")
    run(url, f"UPDATE audit_head SET seq = 5, digest = '{head}'")
    upgrade(url)
    store = opened(url)
    before = store.read_now(verified)
    store.close()
    assert (before.ok, before.count, before.head) == (True, 5, head)
    after = opened(url)
    after.write_now(lambda uow: uow.audit(events.act(WHO, "after", at=uow.at)))
    assert (after.read_now(verified).ok, after.read_now(verified).count) == (True, 6)
    run(url, f"UPDATE audit SET event = {_bytes(url, b'{}')} WHERE seq = 3")
    bad = after.read_now(verified)
    assert (bad.first_bad, bad.reason) == (3, "changed")
    after.close()
