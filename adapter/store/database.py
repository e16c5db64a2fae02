"""Where the database is and how to reach it: one of two engines by URL."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, exc, make_url
from sqlalchemy.pool import QueuePool, StaticPool

from adapter.errors import LiaisonError, SettingsError, Unavailable
from adapter.store.faults import translated
from adapter.store.session import Connection, Session
from adapter.store.turns import BEGIN, Turns

VARIABLE = "LIAISON_DATABASE_URL"
BUSY_SECONDS = 10  # how long one process waits for another's transaction
_CHECKPOINT = 4000  # pages (16 MB) of SQLite's log; at 1,000, its default, a fifth fewer creates a second
_SWITCHES = 50  # tries to switch a new file to its log while others open it too
_SHAPES = "Expected sqlite:///path.db or postgresql://user@host/name"


class Database:
    """The engine named by a URL. `dialect` is "sqlite" or "postgresql". An SQLite database in memory has one connection
    that everybody shares, in turn. Raises SettingsError for a URL, a path or a driver that cannot work."""

    def __init__(self, url: str, *, readers: int = 4, writers: int = 1) -> None:
        self.url = _normalised(url)
        self.dialect = "sqlite" if self.url.drivername == "sqlite" else "postgresql"
        self.memory = self.dialect == "sqlite" and self.url.database in (None, "", ":memory:")
        self._turn = threading.Lock() if self.memory else contextlib.nullcontext()
        self._turns: Turns | None = None
        if self.dialect == "sqlite" and not self.memory:
            _check_path(Path(str(self.url.database)))
            self._turns = Turns(Path(str(self.url.database)), patience=BUSY_SECONDS)
        self.writing = self._engine(writers, readonly=False)
        self.reading = self.writing if self.memory else self._engine(readers, readonly=True)
        self.errors: type[Exception] = self.writing.dialect.loaded_dbapi.Error

    @property
    def missing(self) -> bool:
        """Is this an SQLite file that does not exist (connecting would make an empty one)?"""
        return self.dialect == "sqlite" and not self.memory and not Path(str(self.url.database)).exists()

    def begin(self, connection: Any) -> None:
        """Begins a transaction that writes; of several processes with one SQLite file in turn. Raises what the driver raises."""
        if self._turns:
            self._turns.begin(connection)
        else:
            connection.execute(BEGIN if self.dialect == "sqlite" else "BEGIN")

    def _engine(self, size: int, *, readonly: bool) -> Engine:
        pool: dict[str, Any] = {"poolclass": QueuePool, "pool_size": size, "max_overflow": 0, "pool_timeout": BUSY_SECONDS}
        if self.memory:
            pool = {"poolclass": StaticPool}
        connect: dict[str, Any] = {"connect_timeout": BUSY_SECONDS, "application_name": "liaison"}
        if self.dialect == "sqlite":
            connect = {"timeout": BUSY_SECONDS, "check_same_thread": False, "cached_statements": 512}
        try:
            engine = create_engine(self.url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, connect_args=connect, **pool)
        except ModuleNotFoundError:
            raise SettingsError("PostgreSQL needs its driver", variable=VARIABLE, fix="pip install 'liaison-fhir[postgres]'") from None
        event.listen(engine, "connect", _prepare_sqlite(readonly) if self.dialect == "sqlite" else _prepare_postgres)
        return engine

    @contextlib.contextmanager
    def session(self, *, writing: bool) -> Iterator[tuple[Connection, Session]]:
        """A connection of one's own for a while. What the driver raises comes out as it is (`errors`), what keeps us
        from connecting as Unavailable."""
        with self._turn:
            try:
                lent = (self.writing if writing else self.reading).raw_connection()
            except exc.TimeoutError:
                raise Unavailable("The database is busy: no free connection") from None
            except exc.DBAPIError as problem:
                raise self.explain(problem.orig) from None
            except self.errors as problem:
                raise self.explain(problem) from None
            connection: Any = lent.driver_connection
            try:
                yield connection, Session(connection, dialect=self.dialect, errors=self.errors, writing=writing)
            except BaseException as problem:
                with contextlib.suppress(self.errors):  # no transaction, or no connection any more: nothing to undo
                    connection.execute("ROLLBACK")
                if self.dialect == "postgresql" and isinstance(problem, self.errors):
                    lent.invalidate()  # its pipeline skipped statements that the driver now believes prepared
                raise
            finally:
                lent.close()

    def pipeline(self, connection: Any) -> contextlib.AbstractContextManager[Any]:
        """PostgreSQL: statements are sent without waiting for each answer."""
        if self.dialect == "sqlite":
            return contextlib.nullcontext()
        pipeline: contextlib.AbstractContextManager[Any] = connection.pipeline()
        return pipeline

    def commit(self, connection: Any) -> Any:
        """Commits what the connection wrote; the disk has it when the pipeline has ended. PostgreSQL gives the locks free before it waits
        for the disk, so that whoever waits for one of them (the head of the audit chain) waits no longer than the work takes, and the
        disk writes for all who commit meanwhile at once: a word in the log, committed by itself, comes back only when all before it is there.
        """
        if self.dialect == "sqlite":
            return connection.execute("COMMIT")
        connection.execute("SET LOCAL synchronous_commit = off")
        ended = connection.execute("COMMIT")
        connection.execute("SELECT pg_logical_emit_message(true, 'liaison', '')")
        return ended

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turns what the database library raises inside into our errors."""
        try:
            yield
        except exc.DBAPIError as problem:
            raise self.explain(problem.orig) from None
        except self.errors as problem:
            raise self.explain(problem) from None

    def explain(self, problem: BaseException | None) -> LiaisonError:
        """The driver's error in our words; its own text may quote values and is never passed on."""
        return translated(problem, place=self._place)

    @property
    def _place(self) -> str:
        if self.dialect == "sqlite":
            return "in memory" if self.memory else Path(str(self.url.database)).name
        return f"{self.url.host or self.url.query.get('host', 'local')}:{self.url.port or 5432}/{self.url.database or ''}"

    def close(self) -> None:
        self.reading.dispose()
        self.writing.dispose()
        if self._turns:
            self._turns.close()


def _normalised(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise SettingsError("not a database URL", variable=VARIABLE, fix=_SHAPES) from None
    name = parsed.drivername
    if name in ("sqlite", "sqlite+pysqlite"):
        if sqlite3.sqlite_version_info < (3, 35):
            raise SettingsError("SQLite 3.35 or newer is needed", variable=VARIABLE, fix="Use a newer Python, or PostgreSQL")
        return parsed.set(drivername="sqlite")
    if name in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    raise SettingsError(f"this kind of database is not known: {name}", variable=VARIABLE, fix=_SHAPES)


def _check_path(path: Path) -> None:
    fix = "Name a file in a folder that Liaison may write to, e.g. sqlite:////var/lib/liaison/liaison.db"
    if path.is_dir():
        raise SettingsError(f"{path} is a folder; expected a file", variable=VARIABLE, fix=fix)
    if not path.parent.is_dir():
        raise SettingsError(f"the folder {path.parent} does not exist", variable=VARIABLE, fix=fix)
    if not os.access(path.parent, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
        raise SettingsError(f"{path} cannot be written", variable=VARIABLE, fix=fix)


def _prepare_sqlite(readonly: bool) -> Any:
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        _log_ahead(connection)
        # temp_store: the pages that a savepoint may have to put back go to memory; else each batch writes a file of them
        for pragma in ("synchronous = FULL", "cache_size = -32000", "temp_store = MEMORY", f"query_only = {int(readonly)}"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
        if not readonly:
            connection.execute("PRAGMA busy_timeout = 0")  # `Turns` waits

    return prepare


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switches to the write-ahead log, once for the file. That alone does not wait for others who have the file open at that moment
    (it answers "locked" at once), so their transactions are waited for, and it is tried again."""
    for _ in range(_SWITCHES):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    connection.execute("PRAGMA journal_mode = WAL")


def _prepare_postgres(connection: Any, _record: object) -> None:
    connection.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
