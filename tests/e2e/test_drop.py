"""`liaison intake` and the watched folder as an operator has them: a real process, its exit codes, and kill -9."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.e2e import forking
from tests.e2e.serving import Folder, settled, until
from tests.unit.drop.sheets import DECLINED, REFUSED, call, told, written

COMMAND = ("intake", "appels.csv", "--columns", "appels-tableur", "--as", "coursiers")
EARLIER = {"Date": "06/03/2025"}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return settled(tmp_path)


def referrals(folder: Folder) -> int:
    with closing(sqlite3.connect(folder.database)) as connection:
        return int(connection.execute("SELECT count(*) FROM current WHERE type = 'Task'").fetchone()[0])


def kept(folder: Folder) -> list[str]:
    """What the store keeps of runs."""
    with closing(sqlite3.connect(folder.database)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM kept WHERE name LIKE 'drop%'")]


def test_intake_says_by_its_exit_code_whether_every_row_went_in(folder: Folder) -> None:
    written(folder.path / "appels.csv", [call("A-1", **EARLIER), call("A-2", **EARLIER, **REFUSED)])
    dry = folder.run(*COMMAND, "--dry-run")
    assert (dry.returncode, referrals(folder)) == (1, 0) and "row 3: Code postal" in dry.stdout and not (folder.path / "appels.outcome.csv").exists()
    done = folder.run(*COMMAND, "--json")
    assert done.returncode == 1 and json.loads(done.stdout) == {
        "rows": 2, "taken": 1, "refused": 1, "outcome": "appels.outcome.csv", "rejected": "appels.rejected.csv",
    }  # fmt: skip
    for each in (dry, done):
        assert "yx" not in each.stdout + each.stderr and "\x1b" not in each.stdout + each.stderr
    again = folder.run(*COMMAND)
    assert again.returncode == 2 and "an outcome of an earlier run is there" in again.stderr
    (folder.path / "appels.rejected.csv").rename(folder.path / "mended.csv")
    text = (folder.path / "mended.csv").read_text("utf-8").replace("Zyx7610A", "76100")
    (folder.path / "mended.csv").write_text(text, "utf-8")
    assert folder.did("intake", "mended.csv", *COMMAND[2:]).startswith("1 taken\n")


@pytest.mark.parametrize(("words", "says"), [
    (("intake", "none.csv", *COMMAND[2:]), "none.csv: No such file"), (("intake", "appels.csv", "--columns", "x", "--as", "coursiers"), "there are: appels-tableur"),
    (("intake", "appels.csv", "--columns", "appels-tableur", "--as", "nobody"), "name a client: "), ((*COMMAND, "--resume"), "no broken-off run"),
    (("intake", "appels.csv", "--columns", "appels-tableur", "--as", "saad"), "scope intake"),
])  # fmt: skip
def test_intake_that_cannot_begin_ends_with_2_and_says_how_to_mend_it(folder: Folder, words: tuple[str, ...], says: str) -> None:
    written(folder.path / "appels.csv", [call("A-1", **EARLIER)])
    done = folder.run(*words)
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr and referrals(folder) == 0


def test_intake_that_is_killed_is_gone_on_with_and_no_row_is_doubled_or_lost(folder: Folder) -> None:
    """kill -9 of a real process once in each third of its rows. Most rows are a refusal of the person's, of which little is kept: quicker."""
    rows = [call(f"A-{i}", **EARLIER, **({} if i % 25 == 0 else REFUSED if i % 25 == 1 else DECLINED)) for i in range(1000)]
    written(folder.path / "appels.csv", rows)
    part = folder.path / "appels.outcome.csv.part"
    deaths = 0
    for least in (1, 400):
        with (folder.path / "intake.log").open("a") as errors:
            words = [*COMMAND, *(["--resume"] if deaths else [])]
            process = forking.begun(words, cwd=folder.path, environment=folder.environment({}), stderr=errors, stdout=errors)
            until(partial(_told, process, part, least), "some rows are told")
            process.send_signal(signal.SIGKILL)
            deaths += process.wait(forking.PATIENCE) == -signal.SIGKILL
    assert deaths == 2, "it was killed before its end"
    begun = folder.run(*COMMAND)
    assert begun.returncode == 2 and "say --resume" in begun.stderr
    done = folder.run(*COMMAND, "--resume")
    assert done.returncode == 1 and done.stdout.startswith("40 taken, 920 declined, 40 refused\n")
    lines = told(folder.path / "appels.outcome.csv")
    assert [line["row"] for line in lines] == [str(at) for at in range(2, 1002)]
    assert Counter(line["outcome"] for line in lines) == {"taken": 40, "declined": 920, "refused": 40}
    assert [row["N° d'appel"] for row in told(folder.path / "appels.rejected.csv")] == [row["N° d'appel"] for row in rows[1::25]]
    assert referrals(folder) == 40 and kept(folder) == [] and "all in order" in folder.did("db", "check")


def _told(process: forking.Begun, part: Path, least: int) -> bool:
    return process.poll() is not None or (part.exists() and part.read_bytes().count(b"\r\n") > least)


def test_a_dropped_table_is_taken_in_by_a_server_that_is_killed_meanwhile_and_started_again(folder: Folder) -> None:
    place = folder.path / "drop" / "coursiers" / "appels-tableur"
    place.mkdir(parents=True)
    written(place / "appels.csv", [call(f"A-{i}", **EARLIER, **({} if i % 50 == 0 else REFUSED if i % 50 == 1 else DECLINED)) for i in range(600)])
    with folder.serving(drop_dir="drop") as liaison:
        until(lambda: [each for each in place.glob("taking/*/appels.outcome.csv.part") if each.stat().st_size > 1000], "some rows are told")
        liaison.kill()
    with folder.serving(drop_dir="drop"):
        until(lambda: list(place.glob("taken/*/appels.outcome.csv")), "the table is brought away")
    (outcome,) = place.glob("taken/*/appels.outcome.csv")
    assert Counter(line["outcome"] for line in told(outcome)) == {"taken": 12, "declined": 576, "refused": 12}
    assert referrals(folder) == 12 and len(told(outcome.with_name("appels.rejected.csv"))) == 12
    log = (folder.path / "serve.log").read_text()
    assert "yx" not in log and '"drop-done"' in log and '"drop-refused"' in log and "appels" not in log
    assert sorted(os.listdir(place)) == ["taken", "taking"] and kept(folder) == []
