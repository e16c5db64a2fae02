"""A worker that ends itself by SIGKILL at the n-th place where it writes: before each statement that changes the database, before and
after each commit, before and after each request to the EHR. Where these are, the driver and the HTTP session tell; nobody lists them.

    python -m tests.e2e.dying       one life for each line of JSON on stdin: {"url", "jobs", "at", "seconds"}; answers {"status", "points"}

What every life needs is loaded once, before any of them; each is a process of its own, forked while there is one thread, and opens the
database by itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest import mock

from adapter import directory
from adapter.app import App
from adapter.clock import FrozenClock
from adapter.directory import importing
from adapter.drop import Run, Sending, files
from adapter.net import GuardedSession
from adapter.store.database import Database
from tests import compiled
from tests.e2e.stage import CLINIC, FRIDAY
from tests.property.chaos import process

ROOT = Path(__file__).resolve().parents[2]
CHANGES = ("INSERT", "UPDATE", "DELETE")


class Count:
    """Reaches places; at the `at`-th (None: never) the process is gone. `places`: what each was."""

    def __init__(self, at: int | None) -> None:
        self.at, self.places = at, list[str]()
        self._lock = threading.Lock()

    def reach(self, place: str) -> None:
        with self._lock:
            self.places.append(place)
            if self.at is not None and len(self.places) > self.at:
                os.kill(os.getpid(), signal.SIGKILL)


class Counted:
    """A connection of either driver."""

    def __init__(self, connection: Any, count: Count) -> None:
        self._connection, self._count = connection, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *given: Any) -> Any:
        first = sql.split(None, 1)[0].upper()
        if first in CHANGES or first == "COMMIT":
            self._count.reach(f"before {first}")
        found = self._connection.execute(sql, *given)
        if first == "COMMIT":
            self._count.reach("after COMMIT")
        return found

    def executemany(self, sql: str, rows: Any) -> Any:
        self._count.reach(f"before {sql.split(None, 1)[0].upper()}")
        return self._connection.executemany(sql, rows)


@contextmanager
def instrumented(count: Count) -> Iterator[None]:
    """While it lasts, every connection and every request of this process is counted."""
    lent, piped, sent = Database.session, Database.pipeline, GuardedSession.send

    @contextmanager
    def session(database: Database, *, writing: bool) -> Iterator[tuple[Any, Any]]:
        with lent(database, writing=writing) as (connection, one):
            counted = Counted(connection, count)
            one._connection = counted
            yield counted, one

    @contextmanager
    def pipeline(database: Database, connection: Any) -> Iterator[None]:
        with piped(database, connection):
            yield
        if database.dialect == "postgresql":
            count.reach("after the pipeline")  # what it holds is only now with the server

    def send(session: GuardedSession, method: str, *given: Any, **named: Any) -> Any:
        count.reach(f"before {method}")
        found = sent(session, method, *given, **named)
        count.reach(f"after {method}")
        return found

    with mock.patch.object(Database, "session", session), mock.patch.object(Database, "pipeline", pipeline), mock.patch.object(GuardedSession, "send", send):
        yield


@contextmanager
def at_files(count: Count) -> Iterator[None]:
    """The same of what a table being taken in writes beside it: its text, its way to the disk, its last name."""
    def reached(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*given: Any) -> Any:
            count.reach(f"before {name}")
            found = real(*given)
            count.reach(f"after {name}")
            return found

        return act

    with mock.patch.object(files, "_all", reached("text", files._all)), mock.patch.object(os, "fsync", reached("fsync", os.fsync)), mock.patch.object(
        Path, "rename", reached("rename", Path.rename)
    ):
        yield


def taken(app: App, table: Path) -> None:
    """A table taken in to its end, two rows at a time, or what is left of one that somebody began."""
    if files.Files(table).whole:
        Run.forget(app, "run-1")
        return
    with mock.patch("adapter.drop.run.BATCH", 2):
        begun = Run(app, table, Sending("coursiers", app.columns["appels-tableur"]), id="run-1")
        while begun.step():
            pass
        begun.close()
    Run.forget(app, "run-1")


def live(url: str, jobs: list[str], at: int | None, seconds: float) -> list[str]:
    """One life: the jobs of a worker, in turn (`drop FILE`: a table), `seconds` after Friday evening. The places it came by."""
    app = process(url, FrozenClock(FRIDAY + timedelta(seconds=seconds)))
    each: dict[str, Callable[[], object]] = {"push": app.jobs.tick, "pull": lambda: app.jobs.pull(CLINIC, now=True), "due": app.wiring.due.run}
    count = Count(at)
    with instrumented(count), at_files(count):
        for job in jobs:
            if job.startswith("drop "):
                taken(app, Path(job[5:]))
            elif job.startswith("directory "):
                imported(app, Path(job.removeprefix("directory ")))
            else:
                each[job]()
    app.close()
    return count.places


def imported(app: App, file: Path) -> None:
    """Takes in the structures of a file, three in a commit."""
    run = directory.Import(lambda fn: app.write_now(lambda story, uow: fn(story.network, uow)), directory.DirectorySystems(app.systems), directory.STRUCTURES, "file")
    with mock.patch.object(importing, "BATCH", 3), directory.records(file) as rows:
        run.run(rows)


class Lives:
    """`with Lives() as lives:` the process that forks them."""

    def __enter__(self) -> Lives:
        self._process = subprocess.Popen([sys.executable, "-m", "tests.e2e.dying"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def live(self, url: str, *jobs: str, at: int | None = None, seconds: float = 0) -> tuple[int, list[str]]:
        """(how it ended: 0, or minus the signal; the places it came by, of one that came to its end)."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"url": url, "jobs": jobs, "at": at, "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["status"], answer["places"]


def main() -> None:
    process("sqlite://", FrozenClock(FRIDAY)).close()
    for line in sys.stdin:
        asked = json.loads(line)
        assert threading.active_count() == 1
        out, into = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.close(out)
                with os.fdopen(into, "w") as told:
                    told.write(json.dumps(live(**asked)))
                os._exit(0)
            finally:
                os._exit(70)
        os.close(into)
        with os.fdopen(out) as heard:
            places = heard.read()
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "places": json.loads(places or "[]")}), flush=True)


if __name__ == "__main__":
    compiled.keep()
    main()
