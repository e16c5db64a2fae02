"""kill -9 at every place where a table that is taken in writes: before each statement that changes the database, before and after each
commit, each text, each way to the disk, each rename. Who comes after doubles no row, loses none, and the outcome has no gap."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapter import network
from adapter.clock import FrozenClock
from adapter.store import upgrade
from tests.e2e.dying import Lives
from tests.e2e.stage import FRIDAY, ROOT
from tests.property.chaos import process
from tests.unit.drop.sheets import DECLINED, REFUSED, call, told, written

NIGHTLY = os.environ.get("LIAISON_TEST_PROFILE") == "nightly"
FEW = 2  # places of each kind


@pytest.fixture
def lives() -> Iterator[Lives]:
    with Lives() as found:
        yield found


def test_kill_at_any_write_of_a_table_doubles_no_row_and_loses_none(tmp_path: Path, lives: Lives) -> None:
    kept, used, table = tmp_path / "kept.db", tmp_path / "used.db", tmp_path / "appels.csv"
    upgrade(f"sqlite:///{kept}")
    app = process(f"sqlite:///{kept}", FrozenClock(FRIDAY))
    app.apply_network(network.load(ROOT / "mappings" / "demo" / "network.yaml"))
    app.close()
    written(table, [call("A-1"), call("A-2", **REFUSED), call("A-3", **DECLINED), call("A-1"), call("A-5", **REFUSED), call("A-6")])
    url, job = f"sqlite:///{used}", f"drop {table}"

    def again() -> None:
        for each in [*tmp_path.glob("used.db*"), *tmp_path.glob("appels.*.csv*")]:
            each.unlink()
        shutil.copy(kept, used)

    again()
    status, places = lives.live(url, job)
    wanted = afterwards(tmp_path)
    assert status == 0 and [outcome for _, _, outcome in wanted[0]] == ["taken", "refused", "declined", "already", "refused", "taken"] and wanted[2:] == (2, 0)
    assert {"after COMMIT", "before text", "after fsync", "before rename"} <= set(places)
    tried = chosen(places)
    for at in tried:
        again()
        assert lives.live(url, job, at=at)[0] == -9
        assert lives.live(url, job)[0] == 0
        assert afterwards(tmp_path) == wanted, f"killed {places[at]}, place {at} of {len(places)}"
    print(f"killed at {len(tried)} of {len(places)} places")


def chosen(places: list[str]) -> list[int]:
    """Where to kill: everywhere by night; else at a few places of each kind, spread evenly."""
    if NIGHTLY:
        return list(range(len(places)))
    found = set[int]()
    for kind in set(places):
        of_it = [at for at, place in enumerate(places) if place == kind]
        found |= {of_it[n * (len(of_it) - 1) // max(1, FEW - 1)] for n in range(FEW)}
    return sorted(found)


def afterwards(folder: Path) -> tuple[Any, ...]:
    """The outcome, the rejected rows, how many referrals there are, how much the store keeps of the run."""
    with closing(sqlite3.connect(folder / "used.db")) as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0] for what in ("current WHERE type = 'Task'", "kept WHERE name LIKE 'drop%'")]
    assert not list(folder.glob("*.part"))
    lines = [(line["row"], line["record"], line["outcome"]) for line in told(folder / "appels.outcome.csv")]
    return lines, [row["N° d'appel"] for row in told(folder / "appels.rejected.csv")], *counts
