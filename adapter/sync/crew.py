"""Threads that send what there is for one EHR: as many as there are letters, up to a bound."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Taken = TypeVar("Taken")
Sent = TypeVar("Sent")
TURN = 0.0005  # seconds that a thread with an answer waits for one that computes: Python's own 5 ms would hold up each of its steps


def quick_turns() -> None:
    """From now on, in this process."""
    sys.setswitchinterval(min(TURN, sys.getswitchinterval()))


class Crew(Generic[Taken, Sent]):
    """`send` deals with a letter; `turn(sent, more)` settles what came of it (None: of nothing, yet) and gives the next letter if `more`
    is wanted and there is one. Each thread does one after the other. Ends when there is none, `limit` were taken, or `stop()` says so,
    with what is in hand settled. What they raise ends it too."""

    def __init__(
        self, turn: Callable[[Sent | None, bool], Taken | None], send: Callable[[Taken], Sent], *, most: int, limit: int, stop: Callable[[], bool],
        name: str,
    ) -> None:  # fmt: skip
        self._turn, self._send, self._most, self._limit, self._stop, self._name = turn, send, most, limit, stop, name
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._working = self.taken = 0
        self._problem: BaseException | None = None
        quick_turns()

    def run(self) -> int:
        """How many were taken. The first of the threads is the caller's."""
        self._hire(here=True)
        while thread := self._next():
            thread.join()
        if self._problem is not None:
            raise self._problem
        return self.taken

    @classmethod
    def together(cls, crews: Sequence[Crew[Taken, Sent]]) -> int:
        """Runs several at once; how many all of them took."""
        threads = [threading.Thread(target=crew._guarded, args=(crew.run,), name=crew._name, daemon=True) for crew in crews]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for crew in crews:
            if crew._problem is not None:
                raise crew._problem
        return sum(crew.taken for crew in crews)

    def _next(self) -> threading.Thread | None:
        with self._lock:
            return self._threads.pop() if self._threads else None

    def _hire(self, *, here: bool = False) -> None:
        """One more thread, when there is room and a letter for it."""
        with self._lock:
            if self._working >= self._most:
                return
            self._working += 1
        letter = self._next_letter(None)
        if letter is None:
            with self._lock:
                self._working -= 1
        elif here:
            self._guarded(lambda: self._work(letter))
        else:
            thread = threading.Thread(target=self._guarded, args=(lambda: self._work(letter),), name=self._name, daemon=True)
            thread.start()
            with self._lock:
                self._threads.append(thread)

    def _work(self, first: Taken) -> None:
        letter: Taken | None = first
        try:
            while letter is not None:
                self._hire()
                letter = self._next_letter(self._send(letter))
        finally:
            with self._lock:
                self._working -= 1

    def _next_letter(self, sent: Sent | None) -> Taken | None:
        with self._lock:
            more = self.taken < self._limit and self._problem is None and not self._stop()
            self.taken += more
        if not more and sent is None:
            return None
        letter = None
        try:
            letter = self._turn(sent, more)
        finally:
            if more and letter is None:
                with self._lock:
                    self.taken -= 1
        return letter

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as problem:  # a thread has nobody to tell but the one who waits for it
            with self._lock:
                self._problem = self._problem or problem
