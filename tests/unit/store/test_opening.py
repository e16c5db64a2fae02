"""Opening, checking and upgrading a database; every way it can go wrong has a clear answer."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from adapter.audit import seal
from adapter.clock import SystemClock
from adapter.errors import LiaisonError, SettingsError, Unavailable
from adapter.store import SchemaState, SqlStore, check, open_store, upgrade
from adapter.store.database import _log_ahead
from adapter.store.tables import SCHEMA, metadata

FRESH, READY = SchemaState("", SCHEMA), SchemaState(SCHEMA, SCHEMA)


def opened(url: str, **more: Any) -> SqlStore:
    return open_store(url, clock=SystemClock(), seal=seal, key=b"k" * 32, **more)


def refused(act: Callable[[], Any], kind: type[LiaisonError] = SettingsError) -> LiaisonError:
    with pytest.raises(kind) as caught:
        act()
    assert "Traceback" not in str(caught.value)
    assert "secret" not in str(caught.value)
    return caught.value


def file(path: Path) -> str:
    return f"sqlite:///{path}"


# ── schema ───────────────────────────────────────────────────────────────────────────────────────
def test_upgrade_makes_the_tables_and_check_tells(tmp_path: Path) -> None:
    url = file(tmp_path / "a.db")
    assert check(url) == FRESH
    assert not (tmp_path / "a.db").exists()  # asking makes nothing
    assert upgrade(url) == READY
    assert check(url) == READY
    assert upgrade(url) == READY  # again is nothing
    opened(url).close()


def test_upgrade_makes_a_file_for_its_owner_only(tmp_path: Path) -> None:
    upgrade(file(tmp_path / "a.db"))
    assert stat.S_IMODE((tmp_path / "a.db").stat().st_mode) == 0o600


def test_open_refuses_a_database_without_tables(tmp_path: Path) -> None:
    url = file(tmp_path / "a.db")
    problem = refused(lambda: opened(url))
    assert isinstance(problem, SettingsError)
    assert (problem.fix, problem.variable) == ("liaison db upgrade", "LIAISON_DATABASE_URL")
    assert not (tmp_path / "a.db").exists()


@pytest.mark.parametrize(("revision", "word"), [("0000", "expected"), ("9999", "newer")])
def test_open_refuses_another_schema_and_says_what_to_do(tmp_path: Path, revision: str, word: str) -> None:
    url = file(tmp_path / "a.db")
    upgrade(url)
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()
    problem = refused(lambda: opened(url))
    assert word in str(problem)
    assert isinstance(problem, SettingsError)
    assert ("upgrade" in problem.fix) == (word == "expected")
    assert check(url) == SchemaState(revision, SCHEMA)
    opened(url, check_schema=False).close()


def test_upgrade_leaves_nothing_half_done_when_it_fails(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("CREATE TABLE audit_head (x)")  # the last table that the first revision makes
    connection.close()
    refused(lambda: upgrade(file(tmp_path / "a.db")), LiaisonError)
    connection = sqlite3.connect(tmp_path / "a.db")
    assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("audit_head",)]
    connection.close()


def shape(connection: sa.Connection) -> dict[str, Any]:
    """All tables with columns, keys and indexes, as the database tells them."""
    inspector = sa.inspect(connection)
    tables = [name for name in inspector.get_table_names() if name != "alembic_version"]
    return {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(name)],
            inspector.get_pk_constraint(name)["constrained_columns"],
            sorted((index["name"] or "", index["column_names"], bool(index["unique"]),
                    sorted((name, str(value)) for name, value in index.get("dialect_options", {}).items()))
                   for index in inspector.get_indexes(name)),
            sorted(str(unique["column_names"]) for unique in inspector.get_unique_constraints(name)),
        )
        for name in tables
    }  # fmt: skip


def compared(migrated: sa.Engine, created: sa.Engine) -> None:
    with created.begin() as connection:
        metadata.create_all(connection)
    with migrated.connect() as one, created.connect() as other:
        assert shape(one) == shape(other)
        assert len(shape(one)) == len(metadata.tables)
    migrated.dispose()
    created.dispose()


def test_migrations_make_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    upgrade(file(tmp_path / "a.db"))
    compared(sa.create_engine(file(tmp_path / "a.db")), sa.create_engine(file(tmp_path / "b.db")))


def test_migrations_make_the_same_sqlite_tables_to_the_letter(tmp_path: Path) -> None:
    upgrade(file(tmp_path / "a.db"))
    created = sa.create_engine(file(tmp_path / "b.db"))
    metadata.create_all(created)
    created.dispose()
    texts = []
    for name in ("a.db", "b.db"):
        connection = sqlite3.connect(tmp_path / name)
        texts.append(dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE name <> 'alembic_version' AND sql IS NOT NULL")))
        connection.close()
    assert texts[0] == texts[1]


@pytest.mark.postgres
def test_migrations_make_the_tables_that_the_code_knows_on_postgresql(postgres: Callable[[], str]) -> None:
    url = postgres()
    assert check(url) == FRESH
    assert upgrade(url) == READY
    migrated, created = (sa.create_engine(each.replace("postgresql:", "postgresql+psycopg:")) for each in (url, postgres()))
    compared(migrated, created)


def test_newest_migration_is_the_schema_wanted() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "adapter/store/migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA]


def test_two_upgrades_at_once_make_one_schema(tmp_path: Path) -> None:
    url = file(tmp_path / "a.db")
    program = f"from adapter.store import upgrade; print(upgrade({url!r}).current)"
    both = [subprocess.Popen([sys.executable, "-W", "error", "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == [SCHEMA, SCHEMA]
    assert check(url) == READY


def test_switching_to_the_log_waits_for_who_has_the_new_file_open(tmp_path: Path) -> None:
    """Two processes that open a new file at once: SQLite says "locked" to the second without waiting."""
    one, two = (sqlite3.connect(tmp_path / "a.db", timeout=10, isolation_level=None, check_same_thread=False) for _ in range(2))
    waits = threading.Event()
    two.set_trace_callback(lambda statement: waits.set() if statement == "BEGIN IMMEDIATE" else None)
    one.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        two.execute("PRAGMA journal_mode = WAL")
    switching = threading.Thread(target=_log_ahead, args=(two,))
    switching.start()
    assert waits.wait(10)
    one.execute("COMMIT")
    switching.join(10)
    assert two.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    for connection in (one, two):
        connection.close()


# ── settings that cannot work ────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("url", ["", "nonsense", "mysql://root:secret@localhost/x", "sqlite+aiosqlite:///x.db", "postgresql+asyncpg://x/y"])
@pytest.mark.parametrize("act", [check, upgrade, opened])
def test_url_of_another_kind_is_refused(url: str, act: Callable[[str], Any]) -> None:
    refused(lambda: act(url))


@pytest.mark.parametrize("act", [check, upgrade, opened])
def test_path_that_cannot_be_a_database_is_refused(tmp_path: Path, act: Callable[[str], Any]) -> None:
    assert "is a folder" in str(refused(lambda: act(file(tmp_path))))
    assert "does not exist" in str(refused(lambda: act(file(tmp_path / "no" / "a.db"))))
    (tmp_path / "text.db").write_text("no database, " * 100)
    assert "not an SQLite database" in str(refused(lambda: act(file(tmp_path / "text.db"))))


@pytest.mark.parametrize("act", [check, upgrade, opened])
def test_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[str], Any]) -> None:
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path and real(path, mode))  # root may write anywhere
    assert "cannot be written" in str(refused(lambda: act(file(tmp_path / "a.db"))))


def test_database_in_memory_is_ready_at_once_and_not_upgraded() -> None:
    for url in ("sqlite://", "sqlite:///:memory:"):
        store = opened(url)
        assert store.write_now(lambda uow: uow.at)
        store.close()
        assert check(url) == FRESH
        refused(lambda url=url: upgrade(url))  # type: ignore[misc]


def test_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    problem = refused(lambda: opened("postgresql://user:secret@localhost/x"))
    assert isinstance(problem, SettingsError)
    assert "liaison-fhir[postgres]" in problem.fix


# ── a server that is away ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("act", [check, upgrade, opened])
def test_server_that_cannot_be_reached_is_unavailable(tmp_path: Path, act: Callable[[str], Any]) -> None:
    problem = refused(lambda: act(f"postgresql://user:secret@/x?host={tmp_path}"), Unavailable)
    assert "cannot be reached" in str(problem)


@pytest.mark.postgres
def test_database_that_does_not_exist_is_unavailable(postgres: Callable[[], str]) -> None:
    url = postgres().replace("/liaison_", "/nothing_")
    refused(lambda: opened(url), Unavailable)


@pytest.mark.postgres
def test_store_finds_the_server_again_when_all_its_connections_were_ended(postgres: Callable[[], str]) -> None:
    url = postgres()
    upgrade(url)
    store = opened(url)
    store.write_now(lambda uow: uow.keep("x", b"1"))
    for _ in range(2):
        met = threading.Barrier(3)  # three readers at once: three connections
        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(store.read_now, lambda uow, met=met: (met.wait(20), uow.kept("x"))[1]) for _ in range(3)]
            assert [reader.result() for reader in readers] == [b"1"] * 3
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'liaison'")
        assert store.read_now(lambda uow: uow.kept("x")) == b"1"
        store.write_now(lambda uow: uow.keep("y", b"2"))
    store.close()


@pytest.mark.postgres
def test_unit_is_not_run_again_when_the_connection_is_lost_while_committing(postgres: Callable[[], str]) -> None:
    """Whether it happened is not known then: running it again could do it twice."""
    url = postgres()
    upgrade(url)
    with psycopg.connect(url) as connection:  # a constraint that ends the connection at the very commit
        connection.execute("CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS "
                           "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$")  # fmt: skip
        connection.execute("CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON kept DEFERRABLE INITIALLY DEFERRED "
                           "FOR EACH ROW WHEN (NEW.name = 'cut') EXECUTE FUNCTION cut()")  # fmt: skip
    store = opened(url)
    runs = []
    with pytest.raises(Unavailable, match="look whether"):
        store.write_now(lambda uow: (runs.append(1), uow.keep("cut", b"")))
    assert runs == [1]
    store.write_now(lambda uow: uow.keep("x", b"1"))
    assert store.read_now(lambda uow: uow.kept("cut")) is None
    store.close()


def test_writer_that_waits_too_long_for_another_process_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.store.database.BUSY_SECONDS", 0.05)
    url = file(tmp_path / "a.db")
    upgrade(url)
    store = opened(url)
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    problem = refused(lambda: store.write_now(lambda uow: uow.keep("x", b"1")), Unavailable)
    assert "held by another process" in str(problem)
    assert store.read_now(lambda uow: uow.kept("x")) is None  # readers are not held up
    other.execute("ROLLBACK")
    other.close()
    store.write_now(lambda uow: uow.keep("x", b"1"))
    store.close()


def test_disk_without_room_is_unavailable_and_keeps_what_was_there(tmp_path: Path) -> None:
    url = file(tmp_path / "a.db")
    upgrade(url)
    store = opened(url)
    store.write_now(lambda uow: uow.keep("x", b"1"))
    with store._database.session(writing=True) as (connection, _):
        pages = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages[0]}")  # type: ignore[index]
    problem = refused(lambda: store.write_now(lambda uow: uow.keep("big", b"x" * 100_000)), Unavailable)
    assert "no room" in str(problem)
    assert store.read_now(lambda uow: (uow.kept("x"), uow.kept("big"))) == (b"1", None)
    store.close()


def test_full_durability_is_asked_of_sqlite(tmp_path: Path) -> None:
    upgrade(file(tmp_path / "a.db"))
    store = opened(file(tmp_path / "a.db"))
    with store._database.session(writing=True) as (connection, _):
        asked = [connection.execute(f"PRAGMA {name}").fetchone() for name in ("journal_mode", "synchronous", "query_only")]
    with store._database.session(writing=False) as (connection, _):
        asked.append(connection.execute("PRAGMA query_only").fetchone())
    assert asked == [("wal",), (2,), (0,), (1,)]
    store.close()
