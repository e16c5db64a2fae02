"""Several processes with one SQLite file write in turn."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from pathlib import Path

import pytest

from adapter.store.turns import Turns


def connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)


def somebody_is_next(path: Path) -> bool:
    with path.with_name(f"{path.name}-turn").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_who_has_written_comes_behind_who_waits(tmp_path: Path) -> None:
    path, order = tmp_path / "a.db", list[str]()
    writing = connected(path)
    first = Turns(path, patience=30)
    first.begin(writing)

    def wait(name: str) -> None:
        connection, turns = connected(path), Turns(path, patience=30)
        turns.begin(connection)
        order.append(name)
        connection.execute("COMMIT")
        turns.close()

    waits = threading.Thread(target=wait, args=("waited",))
    waits.start()
    while not somebody_is_next(path):
        threading.Event().wait(0.001)
    writing.execute("COMMIT")
    first.begin(writing)
    order.append("wrote before")
    writing.execute("COMMIT")
    waits.join()
    first.close()
    assert order == ["waited", "wrote before"]


def test_file_that_stays_locked_is_told_after_a_while(tmp_path: Path) -> None:
    holder = connected(tmp_path / "a.db")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Turns(tmp_path / "a.db", patience=0.003).begin(connected(tmp_path / "a.db"))


def test_turns_are_a_courtesy_where_no_lock_can_be_had(tmp_path: Path) -> None:
    connection = connected(tmp_path / "a.db")
    Turns(tmp_path / "absent" / "a.db", patience=0.003).begin(connection)
    assert connection.in_transaction


def test_who_stands_still_while_it_is_next_stops_nobody(tmp_path: Path) -> None:
    connection, turns = connected(tmp_path / "a.db"), Turns(tmp_path / "a.db", patience=0.003)
    with (tmp_path / "a.db-turn").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        turns.begin(connection)
    assert connection.in_transaction
