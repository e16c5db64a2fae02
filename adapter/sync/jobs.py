"""Runs push and pull in this process: a plain loop in a thread, and the timer.

Several processes may run it at once. Push needs no lease of its own: every letter is leased before it is sent, one of a
lane at a time. A pull wins its EHR's lease row first. Every turn reconciles what is due; none stands for one event.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TypeVar

from adapter.errors import EhrError, Unavailable
from adapter.ports import Store
from adapter.sync.pull import Pull, Report
from adapter.sync.push import Push
from adapter.sync.schedule import Schedule

T = TypeVar("T")
MANY = 1_000_000
BEAT = timedelta(seconds=1)
LOOK = timedelta(minutes=1)  # between looks at which pull is due
SPREAD = timedelta(seconds=20)  # by which they come earlier or later, so that many EHRs and houses are not asked at once


class Jobs:
    """`failed(code, error)` hears of what went wrong, by catalogued code and error; never of content; `pulled` of each run. `chores` are
    further callables of the composition root, each with how often the timer calls it; each is done once before the first
    letter, too. `beat`: between looks at the outbox when nobody wakes us."""

    def __init__(
        self,
        store: Store,
        push: Push,
        pulls: Mapping[str, Pull],
        *,
        schedule: Schedule | None = None,
        chores: Mapping[str, tuple[Callable[[], object], timedelta]] | None = None,
        failed: Callable[[str, Exception], None] = lambda code, error: None,
        pulled: Callable[[Report], None] = lambda report: None,
        beat: timedelta = BEAT,
    ) -> None:
        self._push, self._pulls, self._failed, self._pulled = push, pulls, failed, pulled
        self._schedule, self._chores, self._beat = schedule, dict(chores or {}), beat.total_seconds()
        self._wakes = {ehr: threading.Event() for ehr in push.ehrs}
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        store.on_commit(self._wake, letters=True)

    def start(self) -> None:
        """Starts the loop's thread and the timer. Once."""
        if self._thread is not None:
            raise RuntimeError("the jobs run already")
        self._thread = threading.Thread(target=self._run, name="liaison-push", daemon=True)
        self._thread.start()
        if self._schedule is not None:
            for ehr in self._pulls:
                self._schedule.every(f"pull-{ehr}", LOOK, partial(self.pull, ehr), spread=SPREAD)
            for name, (chore, length) in self._chores.items():
                self._schedule.every(name, length, partial(self._guarded, name, chore))
            self._schedule.start()

    def stop(self) -> None:
        """Ends both and waits for the letter in hand to be settled. Harmless when nothing runs."""
        self._ending.set()
        self._wake()
        if self._schedule is not None:
            self._schedule.stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def tick(self) -> int:
        """Sends what is due now; returns how many letters were taken. Never raises."""
        sent = self._guarded("push", lambda: self._push.drain(MANY, stop=self._ending.is_set)) or 0
        self._guarded("push", self._push.count)
        return sent

    def pull(self, ehr: str, *, now: bool = False) -> None:
        """Runs the pull of one EHR as far as it is due. Never raises."""
        if not self._ending.is_set():
            report = self._guarded(f"pull-{ehr}", lambda: self._pulls[ehr].run(now=now))
            if report is not None and report.outcomes:
                self._pulled(report)

    def _run(self) -> None:
        for name, (chore, _) in self._chores.items():
            if not self._ending.is_set():
                self._guarded(name, chore)
        loops = [threading.Thread(target=self._loop, args=(ehr,), name=f"liaison-push-{ehr}", daemon=True) for ehr in self._wakes]
        for loop in loops:
            loop.start()
        for loop in loops:
            loop.join()

    def _wake(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    def _loop(self, ehr: str) -> None:
        """One EHR's letters, so that a slow one keeps no other waiting."""
        wake = self._wakes[ehr]
        while not self._ending.is_set():
            wake.wait(self._push.pause(ehr, self._beat))
            wake.clear()
            self._guarded("push", lambda: self._push.drain_one(ehr, MANY, stop=self._ending.is_set))
            self._guarded("push", self._push.count)

    def _guarded(self, code: str, act: Callable[[], T]) -> T | None:
        try:
            return act()
        except EhrError as error:
            self._failed(f"{code}-ehr", error)
        except Unavailable as error:
            self._failed(f"{code}-store", error)
        except Exception as error:  # a job must outlive any fault of its own
            self._failed(f"{code}-fault", error)
        return None
