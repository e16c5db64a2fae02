"""The watched folder: what is taken when, where it goes, and what a process that was killed leaves in it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest

from adapter.drop import Folder, Run
from adapter.errors import SettingsError, Unavailable
from adapter.ports import Query
from tests.e2e.stage import Stage, staged
from tests.unit.drop.sheets import REFUSED, call, told, written

KEPT = timedelta(days=7)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "drop" / "coursiers" / "appels-tableur"
    found.mkdir(parents=True)
    return found


class Watch:
    """A process that looks."""

    def __init__(self, stage: Stage, root: Path) -> None:
        self.heard: list[tuple[str, int]] = []
        self.folder = Folder(root, stage.app, stage.clock, columns=stage.app.columns, keep=KEPT, tell=lambda code, count: self.heard.append((code, count)))

    def looks(self, times: int) -> None:
        for _ in range(times):
            self.folder.look()


@pytest.fixture
def watch(stage: Stage, place: Path) -> Iterator[Watch]:
    found = Watch(stage, place.parents[1])
    yield found
    found.folder.close()


def runs(place: Path, name: str = "taken") -> list[Path]:
    return sorted((place / name).iterdir()) if (place / name).is_dir() else []


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_table_is_taken_at_the_second_look_and_goes_to_taken_with_its_outcome(stage: Stage, place: Path, watch: Watch) -> None:
    written(place / "a.csv", [call("A-1"), call("A-2", **REFUSED)])
    watch.looks(1)
    assert names(place) == ["a.csv"]
    watch.looks(1)
    (run,) = runs(place)
    assert names(run) == ["a.csv", "a.outcome.csv", "a.rejected.csv"] and names(place) == ["taken", "taking"] and not runs(place, "taking")
    assert [line["outcome"] for line in told(run / "a.outcome.csv")] == ["taken", "refused"]
    assert watch.heard == [("drop-refused", 1), ("drop-done", 2)]
    assert {stat.S_IMODE((run / each).stat().st_mode) for each in names(run)} == {0o600} and stat.S_IMODE(run.stat().st_mode) == 0o700
    assert not stage.app.read_now(lambda _, uow: uow.kept(f"drop {run.name}"))


def test_a_table_that_is_still_being_written_waits_until_it_is_as_it_was(place: Path, watch: Watch) -> None:
    file = written(place / "a.csv", [call("A-1")])
    watch.looks(1)
    with file.open("a", encoding="utf-8") as text:
        text.write("\r\n")
    watch.looks(1)
    assert names(place) == ["a.csv"]
    os.utime(file, (1, 1))  # as long, but written again
    watch.looks(1)
    assert names(place) == ["a.csv"]
    watch.looks(1)
    assert runs(place)


@pytest.mark.parametrize("name", ["a.csv.part", ".a.csv", "~$a.xlsx", "a.ods", "a"])
def test_what_is_not_whole_or_no_table_is_left_alone(place: Path, watch: Watch, name: str) -> None:
    written(place / name, [call("A-1")])
    watch.looks(3)
    assert names(place) == [name]
    assert watch.heard == ([("drop-waits", 1)] if name in ("a.ods", "a") else [])


def test_links_and_folders_are_not_followed(tmp_path: Path, place: Path, watch: Watch) -> None:
    (place / "a.csv").symlink_to(written(tmp_path / "outside.csv", [call("A-1")]))
    os.mkfifo(place / "b.csv")
    (place / "c.csv").mkdir()
    (place.parent / "linked").symlink_to(tmp_path)
    watch.looks(3)
    assert names(place) == ["a.csv", "b.csv", "c.csv"] and (tmp_path / "outside.csv").exists()


def test_a_mended_table_of_the_same_name_is_taken_beside_the_first(stage: Stage, place: Path, watch: Watch) -> None:
    written(place / "a.csv", [call("A-1"), call("A-2", **REFUSED)])
    watch.looks(2)
    shutil.copy(runs(place)[0] / "a.rejected.csv", place / "a.rejected.csv")
    text = (place / "a.rejected.csv").read_text("utf-8").replace("Zyx7610A", "76100")
    (place / "a.rejected.csv").write_text(text, "utf-8")
    stage.clock.tick(timedelta(seconds=5))
    watch.looks(2)
    second = runs(place)[1]
    assert names(second) == ["a.rejected.csv", "a.rejected.outcome.csv"] and [line["outcome"] for line in told(second / "a.rejected.outcome.csv")] == ["taken"]


def test_a_file_that_is_no_table_is_brought_away_with_the_reason(place: Path, watch: Watch) -> None:
    (place / "a.csv").write_text("Nom;Nom\n", "utf-8")
    (place / "b.xlsx").write_bytes(b"PK\x03\x04nothing")
    watch.looks(2)
    outcomes = [told(run / each)[0] for run in runs(place) for each in names(run) if each.endswith(".outcome.csv")]
    assert len(outcomes) == 2 and {line["outcome"] for line in outcomes} == {"refused"} and {line["row"] for line in outcomes} == {""}
    assert any("the same column name" in line["said"] for line in outcomes) and any("damaged" in line["said"] for line in outcomes)


@pytest.mark.parametrize("folder", ["nobody/appels-tableur", "coursiers/nothing", "saad/appels-tableur"])
def test_what_nobody_may_send_waits_and_is_said_once(tmp_path: Path, watch: Watch, folder: str) -> None:
    there = tmp_path / "drop" / folder
    there.mkdir(parents=True)
    written(there / "a.csv", [call("A-1")])
    watch.looks(3)
    assert names(there) == ["a.csv"] and watch.heard == [("drop-waits", 1)]


def test_a_folder_is_an_organisation_too(tmp_path: Path, watch: Watch) -> None:
    there = tmp_path / "drop" / "asso-coursiers" / "appels-tableur"
    there.mkdir(parents=True)
    written(there / "a.csv", [call("A-1")])
    watch.looks(2)
    assert runs(there)


@pytest.mark.parametrize("moment", ["the folder is made", "the first row", "a batch", "the files are whole", "the store forgot"])
def test_a_process_that_was_killed_leaves_what_the_next_one_brings_to_its_end(stage: Stage, place: Path, watch: Watch, moment: str) -> None:
    written(place / "a.csv", [call("A-1"), call("A-2", **REFUSED), call("A-3")])
    watch.looks(1)
    killed = {
        "the folder is made": mock.patch.object(Path, "chmod", side_effect=KeyboardInterrupt), "the first row": mock.patch.object(Run, "step", side_effect=KeyboardInterrupt),
        "a batch": mock.patch.object(Run, "_keep", side_effect=KeyboardInterrupt), "the files are whole": mock.patch.object(Run, "forget", side_effect=KeyboardInterrupt),
        "the store forgot": mock.patch("adapter.drop.folder.kept", side_effect=[None, KeyboardInterrupt]),
    }[moment]  # fmt: skip
    with killed, pytest.raises(KeyboardInterrupt):
        watch.looks(1)
    watch.folder.close()
    Watch(stage, place.parents[1]).looks(3)
    (run,) = runs(place)
    assert [line["outcome"] for line in told(run / "a.outcome.csv")] == ["taken", "refused", "taken"] and names(run) == ["a.csv", "a.outcome.csv", "a.rejected.csv"]
    assert stage.app.read_now(lambda _, uow: uow.count(Query("Task"))) == 2 and not runs(place, "taking")


def test_a_database_that_is_away_lets_the_table_wait(stage: Stage, place: Path, watch: Watch) -> None:
    written(place / "a.csv", [call("A-1")])
    watch.looks(1)
    with mock.patch.object(type(stage.app), "write", side_effect=Unavailable("away")), pytest.raises(Unavailable):
        watch.looks(1)
    watch.looks(1)
    assert [line["outcome"] for line in told(runs(place)[0] / "a.outcome.csv")] == ["taken"]


def test_a_look_takes_so_many_batches_and_the_next_ones_the_rest(place: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.drop.run.BATCH", 1)
    monkeypatch.setattr("adapter.drop.folder.BATCHES", 2)
    written(place / "a.csv", [call(f"A-{i}") for i in range(5)])
    watch.looks(2)
    assert not runs(place) and len(runs(place, "taking")) == 1
    watch.looks(2)
    assert [line["outcome"] for line in told(runs(place)[0] / "a.outcome.csv")] == ["taken"] * 5


def test_another_process_leaves_a_table_to_the_one_that_is_at_it(stage: Stage, place: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.drop.run.BATCH", 1)
    monkeypatch.setattr("adapter.drop.folder.BATCHES", 1)
    written(place / "a.csv", [call(f"A-{i}") for i in range(3)])
    watch.looks(2)
    other = Watch(stage, place.parents[1])
    other.looks(3)
    assert other.heard == [] and not runs(place)
    watch.looks(3)
    assert len(told(runs(place)[0] / "a.outcome.csv")) == 3


def test_what_was_taken_goes_after_the_time_that_is_set(stage: Stage, place: Path, watch: Watch) -> None:
    written(place / "a.csv", [call("A-1")])
    watch.looks(2)
    (place / "taken" / "theirs").mkdir()
    stage.clock.tick(KEPT)
    watch.looks(1)
    assert len(runs(place)) == 2
    stage.clock.tick(timedelta(seconds=1))
    watch.looks(1)
    assert names(place / "taken") == ["theirs"]


def test_a_folder_that_is_not_there_is_refused(stage: Stage, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        Watch(stage, tmp_path / "none")
    assert refused.value.variable == "LIAISON_DROP_DIR"


def test_the_jobs_look_where_the_setting_says_and_nowhere_without_it(tmp_path: Path, place: Path) -> None:
    with staged(LIAISON_DROP_DIR=str(place.parents[1])) as found:
        written(place / "a.csv", [call("A-1")])
        chore = found.app.jobs._chores["drop"][0]
        for _ in range(2):
            chore()
            found.clock.tick(timedelta(seconds=5))
        assert runs(place)
    with staged() as found:
        assert "drop" not in found.app.jobs._chores
