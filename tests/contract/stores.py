"""The three databases of the store's contract: an SQLite file, SQLite in memory, a real PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapter.audit import canonical, seal
from adapter.clock import FrozenClock
from adapter.ports import Clause, IndexRow, Letter, Query, Resource, Uow, Version
from adapter.store import SqlStore, open_store, upgrade

KEY = b"a key for tests, 32 bytes or more"
AT = datetime(2026, 3, 6, 18, 50, tzinfo=UTC)
FILES = [pytest.param("file"), pytest.param("postgres", marks=pytest.mark.postgres)]  # what several processes can share
ALL = [pytest.param("memory"), *FILES]

_TABLES = "current, version, search_value, search_date, search_recent, link, outbox, lease, kept, token, once, tally, remembered, conflict, audit, register"
_made: dict[Any, str] = {}  # one PostgreSQL database for all tests, emptied before each


class Reversed:
    """A codec that changes what is stored, to see that content passes it."""

    def encode(self, plain: bytes, place: str) -> bytes:
        return place.encode() + b"\x00" + plain[::-1]

    def decode(self, stored: bytes, place: str) -> bytes:
        before, _, turned = stored.partition(b"\x00")
        assert before == place.encode()
        return turned[::-1]


def _postgres_url(database: Callable[[], str]) -> str:
    if database not in _made:
        _made[database] = database()
        upgrade(_made[database])
    with psycopg.connect(_made[database]) as connection:
        connection.execute(f"TRUNCATE {_TABLES} RESTART IDENTITY")
        connection.execute("UPDATE audit_head SET seq = 0, digest = ''")
    return _made[database]


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "empty.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=ALL)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database with its tables, one of each kind (or of the kinds a test names)."""
    if request.param == "memory":
        return "sqlite://"
    if request.param == "postgres":
        return _postgres_url(request.getfixturevalue("postgres"))
    path = tmp_path / "store.db"
    shutil.copy(request.getfixturevalue("empty_file"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(AT)


Opening = Callable[..., SqlStore]


@pytest.fixture
def opening(url: str, clock: FrozenClock) -> Iterator[Opening]:
    """Opens one more store on the same database."""
    opened = []

    def open_one(**more: Any) -> SqlStore:
        opened.append(open_store(url, **({"clock": clock, "seal": seal, "canonical": canonical, "key": KEY} | more)))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(opening: Opening) -> SqlStore:
    return opening()


# ── what tests write ─────────────────────────────────────────────────────────────────────────────
def task(id: str = "t1", *, served: bytes = b"{}", at: datetime = AT, clinic: str = "clinique", deleted: bool = False) -> Version:
    return Version("Task", id, 0, at, clinic, served, served, deleted)


def letter(id: str = "t1", *, lane: str = "r1", ehr: str = "ehr-a", due: datetime = AT, **more: Any) -> Letter:
    return Letter(ehr, lane, "Task", id, due, **more)


STATUS = IndexRow("status", "token", "requested", "http://hl7.org/fhir/task-status")


def event(number: object = 1) -> Resource:
    return {"resourceType": "AuditEvent", "outcomeDesc": str(number)}


def put(uow: Uow, version: Version, *index: IndexRow, expected: int | None = None) -> Version:
    return uow.save(version, expected=expected, index=index)


def refer(uow: Uow, id: str) -> Version:
    """State, letter and audit event in one unit, as every write of the house."""
    saved = uow.save(task(id, at=uow.at), expected=0, index=[STATUS])
    uow.post(letter(id, lane=id, due=uow.at, number=saved.number))
    uow.audit(event(id))
    return saved


def ids(versions: list[Version]) -> list[str]:
    return [version.id for version in versions]


def by_status(code: str) -> Query:
    return Query("Task", (Clause("status", "token", (code,)),))
