"""The store: units of work on SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar, cast

import rfc8785

from adapter.clock import Clock
from adapter.errors import Unavailable
from adapter.ports import Uow
from adapter.store import schema
from adapter.store.chain import Canonical, Seal
from adapter.store.codec import Codec, identity
from adapter.store.database import Database
from adapter.store.readers import Readers
from adapter.store.terms import Blind
from adapter.store.tickets import Ticket
from adapter.store.uow import Making, SqlUow
from adapter.store.writer import Writer

T = TypeVar("T")
READERS = 4


def open_store(
    url: str, *, clock: Clock, seal: Seal, key: bytes, codec: Codec = identity, canonical: Canonical = rfc8785.dumps,
    check_schema: bool = True, writers: int = 1,
) -> SqlStore:
    """Opens the database at `url` (sqlite:///path.db, sqlite:// in memory, postgresql://…). `seal(previous, event)` gives
    the digest of a link of the audit chain, `canonical(event)` its bytes; `key` (32 bytes or more) blinds identifying search
    values; `writers` are writing threads, more than one only on PostgreSQL. A database in memory gets its tables here.
    Raises SettingsError for a wrong URL, path, driver or schema, Unavailable when the server cannot be reached."""
    database = Database(url, readers=READERS, writers=writers)
    try:
        if database.memory:
            schema.create(database)
        elif check_schema:
            schema.require(database)
    except BaseException:
        database.close()
        raise
    making = Making(clock, Blind(key), codec, seal, canonical)
    return SqlStore(database, making, writers=writers if database.dialect == "postgresql" else 1)


class SqlStore:
    """`ports.Store`. `fn` may be run more than once (see `writer`): it must not act beyond its unit."""

    def __init__(self, database: Database, making: Making, *, writers: int = 1) -> None:
        self._database = database
        self._writer = Writer(database, making, threads=writers)
        self._readers = Readers(database, making, threads=1 if database.memory else READERS)
        self._inside = threading.local()
        self._closed = False

    async def read(self, fn: Callable[[Uow], T]) -> T:
        ticket = Ticket(self._guarded(fn), asyncio.get_running_loop())
        self._readers.put(ticket)
        return cast(T, await ticket.future)

    async def write(self, fn: Callable[[Uow], T]) -> T:
        ticket = Ticket(self._guarded(fn), asyncio.get_running_loop())
        self._writer.put(ticket)
        return cast(T, await ticket.future)

    def read_now(self, fn: Callable[[Uow], T]) -> T:
        ticket = Ticket(self._guarded(fn))
        self._readers.run(ticket)
        ticket.settle()
        return cast(T, ticket.future.result())

    def write_now(self, fn: Callable[[Uow], T]) -> T:
        ticket = Ticket(self._guarded(fn))
        self._writer.put(ticket)
        return cast(T, ticket.future.result())

    def _guarded(self, fn: Callable[[Uow], T]) -> Callable[[SqlUow], T]:
        """`fn`, refused when the store is closed or when a unit opens another (it would wait for itself)."""
        if self._closed:
            raise Unavailable("The store is closed")
        if getattr(self._inside, "unit", False):
            raise RuntimeError("a unit of work must not open another")

        def guarded(uow: SqlUow) -> T:
            self._inside.unit = True
            try:
                return fn(uow)
            finally:
                self._inside.unit = False

        return guarded

    def on_commit(self, wake: Callable[[], None], *, letters: bool = False) -> None:
        (self._writer.letters if letters else self._writer.wakes).append(wake)

    def close(self) -> None:
        """Answers the units that wait, then ends. Closing twice is once."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._readers.close()
        self._database.close()
