"""A unit of work on its way: who waits for it, and how the answer reaches them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from adapter.store.uow import SqlUow


class Ticket:
    """`fn` and the future of the one who waits: of an event loop (`loop` is given) or of a thread."""

    __slots__ = ("_error", "_loop", "_value", "fn", "future")

    def __init__(self, fn: Callable[[SqlUow], Any], loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.fn, self._loop = fn, loop
        self.future: Any = loop.create_future() if loop else Future()
        self._value: Any = None
        self._error: BaseException | None = None

    def run(self, uow: SqlUow) -> bool:
        """Runs the unit and keeps its outcome. False when it raised."""
        self._value, self._error = None, None
        try:
            self._value = self.fn(uow)
        except BaseException as problem:  # it belongs to the one who waits, whatever it is
            self._error = problem
        return self._error is None

    def fail(self, problem: BaseException) -> None:
        self._value, self._error = None, problem

    def settle(self) -> None:
        if self.future.done():  # the one who waited has gone
            return
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._value)

    @classmethod
    def answer(cls, tickets: Iterable[Ticket]) -> None:
        """Tells everyone; each event loop is woken once for all of its own."""
        groups: dict[asyncio.AbstractEventLoop, list[Ticket]] = {}
        for ticket in tickets:
            if ticket._loop is None:
                ticket.settle()
            else:
                groups.setdefault(ticket._loop, []).append(ticket)
        for loop, group in groups.items():
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits there
                loop.call_soon_threadsafe(_settle, group)


def _settle(tickets: list[Ticket]) -> None:
    for ticket in tickets:
        ticket.settle()
