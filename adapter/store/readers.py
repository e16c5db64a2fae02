"""The threads that read: few, each unit in a snapshot of its own, so that what it sees does not change under it."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from adapter.store.database import Database
from adapter.store.faults import lost
from adapter.store.tickets import Ticket
from adapter.store.uow import Making

_BEGIN = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}


class Readers:
    def __init__(self, database: Database, making: Making, *, threads: int) -> None:
        self._database, self._making = database, making
        self._waiting: SimpleQueue[Ticket | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"store-reader-{i}", daemon=True) for i in range(threads)]
        for thread in self._threads:
            thread.start()

    def put(self, ticket: Ticket) -> None:
        self._waiting.put(ticket)

    def close(self) -> None:
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (ticket := self._waiting.get()) is not None:
            if not ticket.future.cancelled():
                self.run(ticket)
                Ticket.answer([ticket])

    def run(self, ticket: Ticket) -> None:
        """Runs the unit here and now; its outcome is in the ticket. Connections that a restart of the server ended are
        replaced, once."""
        try:
            try:
                self._unit(ticket)
            except self._database.errors as problem:
                if not lost(problem):
                    raise
                self._database.reading.dispose()
                self._unit(ticket)
        except self._database.errors as problem:
            ticket.fail(self._database.explain(problem))
        except BaseException as problem:
            ticket.fail(problem)

    def _unit(self, ticket: Ticket) -> None:
        with self._database.session(writing=False) as (connection, session), self._database.pipeline(connection):
            connection.execute(_BEGIN[self._database.dialect])
            ticket.run(self._making.unit(session))
            if session.fault:
                raise session.fault
            connection.execute("ROLLBACK")
