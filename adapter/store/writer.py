"""Group commit: one thread takes the units that wait, runs them in one transaction and commits once.

A unit that raises is rolled back alone. Nearly all of those had written nothing yet; where one had, nothing is kept and the
same units run again, each in a savepoint: to give every unit one takes a twentieth of the time of them all. An error of the
driver spoils the transaction too: then they run again one by one, each in a transaction of its own. So `fn` may be run more
than once.

Where many wait for the disk together, they soon come back together: a commit waits a moment for as many as came lately, since
one for sixteen costs each of them a third less than two for eight. Who comes alone waits for nobody.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from adapter.errors import Unavailable
from adapter.store.chain import count_saving, seal_events
from adapter.store.database import Database
from adapter.store.faults import again, lost
from adapter.store.session import Connection, Session
from adapter.store.tickets import Ticket
from adapter.store.unit import Happened
from adapter.store.uow import Making

MOST = 64  # units in one commit; PostgreSQL keeps 64 savepoints of a transaction at hand
MOMENT = 0.001  # seconds to wait for one more of those who are likely to come
ATTEMPTS = 4  # of one unit alone, when two writers meet


class Undone(Exception):
    """A unit raised after it had written, and was in no savepoint."""


class Writer:
    """The thread (or several, on PostgreSQL) that writes. `wakes` are called after each commit that wrote, those of `letters`
    after each that changed what is in the outbox."""

    def __init__(self, database: Database, making: Making, *, threads: int = 1) -> None:
        self._database, self._making = database, making
        self._waiting: SimpleQueue[Ticket | None] = SimpleQueue()
        self.wakes: list[Callable[[], None]] = []
        self.letters: list[Callable[[], None]] = []
        self._threads = [threading.Thread(target=self._work, name=f"store-writer-{i}", daemon=True) for i in range(threads)]
        for thread in self._threads:
            thread.start()

    def put(self, ticket: Ticket) -> None:
        self._waiting.put(ticket)

    def close(self) -> None:
        """Finishes the units that wait, then ends."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        lately = (0, 0)  # how many came the last two times
        while (batch := self._batch(max(lately))) is not None:
            lately = (lately[1], len(batch))
            if batch:
                self._commit(batch)
                Ticket.answer(batch)

    def _batch(self, likely: int) -> list[Ticket] | None:
        """The units that wait now, and those that still come where `likely` as many do; at least one unless its caller has gone;
        None at the end."""
        first = self._waiting.get()
        if first is None:
            return None
        batch = [first]
        with contextlib.suppress(Empty):
            while len(batch) < MOST:
                ticket = self._waiting.get(timeout=MOMENT) if len(batch) < likely else self._waiting.get_nowait()
                if ticket is None:
                    self._waiting.put(None)
                    break
                batch.append(ticket)
        return [ticket for ticket in batch if not ticket.future.cancelled()]

    def _commit(self, batch: list[Ticket]) -> None:
        waiting = list(batch)
        try:
            try:
                self._commonly(batch)
            except self._database.errors:
                while waiting:
                    self._alone(waiting[0])
                    waiting.pop(0)
        except BaseException as problem:  # no connection, or the seal failed
            for ticket in waiting:
                ticket.fail(problem)

    def _commonly(self, batch: list[Ticket]) -> None:
        """All of them in one transaction, in savepoints where one asks for it."""
        try:
            self._together(batch, apart=False)
        except Undone:
            self._together(batch, apart=True)

    def _alone(self, ticket: Ticket) -> None:
        """Runs one unit in a transaction of its own; the driver's errors become its answer."""
        for left in reversed(range(ATTEMPTS)):
            try:
                self._together([ticket], apart=True)
                break
            except self._database.errors as problem:
                if not left or not (again(problem) or lost(problem)):
                    ticket.fail(self._database.explain(problem))
                    break

    def _together(self, batch: list[Ticket], *, apart: bool) -> None:
        """Runs the units in one transaction, `apart`: each in a savepoint. Raises Undone and the driver's errors, with nothing
        kept, and Unavailable when there is no connection or it was lost while committing (then nobody knows)."""
        with self._database.session(writing=True) as (connection, session):
            committing, ended = False, None
            try:
                with self._database.pipeline(connection):
                    self._database.begin(connection)
                    events = [event for ticket in batch for event in self._unit(ticket, connection, session, apart=apart)]
                    if events:
                        seal_events(session, self._making.seal, self._making.clock.secret, events)
                    if session.saved:
                        count_saving(session)
                    committing = session.wrote
                    ended = self._database.commit(connection) if committing else connection.execute("ROLLBACK")
            except self._database.errors:
                if committing and (getattr(connection, "closed", False) or _committed(ended)):  # done, perhaps: never once more
                    raise Unavailable("The database was lost while committing: look whether it happened") from None
                raise
            if committing and self._database.dialect == "postgresql" and not _committed(ended):
                raise Unavailable("The database did not commit")
        for wake in [*(self.wakes if committing else ()), *(self.letters if committing and session.letters else ())]:
            with contextlib.suppress(Exception):  # the commit stands whatever becomes of the call
                wake()

    def _unit(self, ticket: Ticket, connection: Connection, session: Session, *, apart: bool) -> list[Happened]:
        """One unit; what it raised undoes it alone. Returns its audit events. Raises Undone where only a savepoint could."""
        before, saved, session.wrote = session.wrote, session.saved, False
        if apart:
            connection.execute("SAVEPOINT unit")
        uow = self._making.unit(session)
        done = ticket.run(uow)
        if session.fault:
            raise session.fault
        if apart:
            if not done:
                connection.execute("ROLLBACK TO SAVEPOINT unit")
            connection.execute("RELEASE SAVEPOINT unit")
        elif session.wrote and not done:
            raise Undone
        session.wrote = before or (done and session.wrote) or bool(done and uow.events)
        session.saved = saved or (done and session.saved)
        return uow.events if done else []


def _committed(ended: Any) -> bool:
    """Whether PostgreSQL said of a COMMIT that it is one."""
    return getattr(ended, "statusmessage", "") == "COMMIT"
