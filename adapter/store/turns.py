"""Whose turn it is to write an SQLite file, where several processes do.

SQLite lets who finds the file locked sleep, each time longer, and whoever has just written begins again before the sleeper looks: of two
busy processes one waits for seconds while the disk is idle. Here one at a time is next, by a lock on a file beside the database, and
looks again every third of a millisecond; who has written comes behind it. That lock is a courtesy: where it cannot be had, SQLite's own
holds all the same.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ModuleNotFoundError:  # Windows: then each waits as SQLite lets it
    fcntl = None  # type: ignore[assignment]

BEGIN = "BEGIN IMMEDIATE"
PAUSE = 0.0003  # seconds between two looks


class Turns:
    """`patience`: seconds that one waits for others' transactions."""

    def __init__(self, database: Path, *, patience: float) -> None:
        self._path = database.with_name(f"{database.name}-turn")
        self._looks = int(patience / PAUSE)
        self._file: int | None = None

    def begin(self, connection: Any) -> None:
        """Begins a transaction that writes, on a connection that does not wait by itself. Raises sqlite3.OperationalError where the file
        stays locked."""
        with self._next():
            for _ in range(self._looks):
                try:
                    connection.execute(BEGIN)
                    return
                except sqlite3.OperationalError as problem:
                    if problem.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                        raise
                self._pause()
            connection.execute(BEGIN)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextlib.contextmanager
    def _next(self) -> Iterator[None]:
        """While nobody else is next, as far as that can be had."""
        held = self._held()
        try:
            yield
        finally:
            if held and self._file is not None:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _held(self) -> bool:
        if fcntl is None:
            return False
        with contextlib.suppress(OSError):  # no such file may be made here, or no such locks are
            if self._file is None:
                self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            for _ in range(self._looks):
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                except BlockingIOError:
                    self._pause()
        return False

    @staticmethod
    def _pause() -> None:
        threading.Event().wait(PAUSE)
