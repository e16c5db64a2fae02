"""The timer: the only importer of APScheduler. It is given callables and knows nothing of what they do.

Jobs live in memory: what is due is read from the database by the job itself, so a missed turn loses nothing. Turns that
piled up are one turn, and a busy moment skips none (stack.md, sync.md 5.2).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler


class Schedule:
    """Calls functions at intervals in a small pool of threads."""

    def __init__(self, *, threads: int = 4) -> None:
        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(threads)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )

    def every(self, name: str, length: timedelta, call: Callable[[], object], *, spread: timedelta = timedelta(0)) -> None:
        """Calls `call` every `length`, up to `spread` earlier or later. A name is taken once; a second one replaces it."""
        jitter = int(spread.total_seconds()) or None
        self._scheduler.add_job(call, "interval", seconds=length.total_seconds(), jitter=jitter, id=name, replace_existing=True)

    @property
    def names(self) -> tuple[str, ...]:
        """What is scheduled."""
        return tuple(job.id for job in self._scheduler.get_jobs())

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        """Ends it after the calls in hand. Harmless when it never started."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
