"""A table taken in row by row: what is told of each row, what is given back, and what a run that was broken off leaves."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import date, time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from adapter.drop import Busy, Line, Run, client_of, sending, tried
from adapter.errors import SettingsError, Unauthorized, Unavailable
from adapter.flows import Flows
from adapter.ports import Query
from tests.e2e.stage import Stage, staged
from tests.unit.drop.sheets import DECLINED, REFUSED, call, run, told, what, written


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "appels.csv"


def tasks(stage: Stage) -> int:
    return stage.app.read_now(lambda _, uow: uow.count(Query("Task")))


def kept(stage: Stage) -> bool:
    """Whether the store keeps anything of a run."""
    return stage.app.read_now(lambda _, uow: bool(uow.kept_many("drop run-1", *(f"drop-row run-1 {row}" for row in range(20)))))


MIXED = [call("A-1"), call("A-2", **REFUSED), call("A-3", **DECLINED), call("A-1"), call("Zyx id"), call("A-1", Remarques="autre")]


def test_outcome_has_a_line_for_each_row_and_nothing_of_a_person(stage: Stage, file: Path) -> None:
    found = run(stage.app, written(file, MIXED))
    assert [(line["row"], line["record"], line["outcome"], line["status"]) for line in found] == [
        ("2", "A-1", "taken", "requested"), ("3", "A-2", "refused", ""), ("4", "A-3", "declined", "refused"), ("5", "A-1", "already", "requested"),
        ("6", "", "refused", ""), ("7", "A-1", "refused", ""),
    ]  # fmt: skip
    assert found[0]["reference"] == found[3]["reference"] != "" and tasks(stage) == 1
    assert found[1]["said"] == "Code postal (personne.adresse.code_postal): expected a post code of 5 digits"
    assert "N° d'appel (id): expected an identifier" in found[4]["said"] and "received before with other content" in found[5]["said"]
    assert "yx" not in (file.parent / "appels.outcome.csv").read_text("utf-8") and not kept(stage)


def test_files_are_for_their_owner_alone_and_no_part_is_left(stage: Stage, file: Path) -> None:
    run(stage.app, written(file, MIXED))
    assert sorted(each.name for each in file.parent.iterdir()) == ["appels.csv", "appels.outcome.csv", "appels.rejected.csv"]
    assert all(stat.S_IMODE(file.with_name(f"appels.{kind}.csv").stat().st_mode) == 0o600 for kind in ("outcome", "rejected"))


def test_refused_rows_come_back_as_they_came_with_the_reason_and_go_in_when_they_are_mended(stage: Stage, file: Path) -> None:
    run(stage.app, written(file, MIXED))
    rejected = told(file.with_name("appels.rejected.csv"))
    assert [{name: text for name, text in row.items() if name != "liaison.reason"} for row in rejected] == [MIXED[1], MIXED[4], MIXED[5]]
    assert rejected[0]["liaison.reason"].startswith("Code postal")
    mended = file.with_name("appels.rejected.csv").read_text("utf-8").replace("Zyx7610A", "76100").replace("Zyx id", "A-5").replace("A-1;", "A-6;")
    file.with_name("mended.csv").write_text(mended, "utf-8")
    assert [(line["row"], line["outcome"]) for line in run(stage.app, file.with_name("mended.csv"), id="run-2")] == [("2", "taken"), ("3", "taken"), ("4", "taken")]
    assert tasks(stage) == 4 and not file.with_name("mended.rejected.csv").exists()


def test_rows_that_are_in_are_not_taken_again(stage: Stage, file: Path) -> None:
    run(stage.app, written(file, [call("A-1"), call("A-2")]))
    file.with_name("appels.outcome.csv").unlink()
    assert {line["outcome"] for line in run(stage.app, file, id="run-2")} == {"already"} and tasks(stage) == 2


@pytest.mark.parametrize("moment", ["after the commit", "after the files", "before the first row", "after the files of the second batch"])
def test_a_run_that_is_broken_off_goes_on_where_it_ended_and_tells_each_row_once(stage: Stage, file: Path, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.drop.run.BATCH", 3)
    written(file, [call("A-1"), call("A-2", **REFUSED), call("A-3"), call("A-4", **DECLINED), call("A-5"), call("A-1"), call("A-7", **REFUSED)])
    broken = Run(stage.app, file, what(stage.app), id="run-1")
    if moment == "after the commit":
        with mock.patch.object(broken.files, "add", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            broken.step()
    elif moment != "before the first row":
        if "second" in moment:
            broken.step()
        with mock.patch.object(broken, "_keep", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            broken.step()
    broken.close()
    assert Run.is_begun(stage.app, "run-1")
    found = run(stage.app, file)
    assert [(line["row"], line["outcome"]) for line in found] == [
        ("2", "taken"), ("3", "refused"), ("4", "taken"), ("5", "declined"), ("6", "taken"), ("7", "already"), ("8", "refused"),
    ]  # fmt: skip
    assert [row["N° d'appel"] for row in told(file.with_name("appels.rejected.csv"))] == ["A-2", "A-7"] and tasks(stage) == 3 and not kept(stage)


def test_the_store_keeps_of_rows_that_are_told_how_far_they_go_alone(stage: Stage, file: Path) -> None:
    begun = Run(stage.app, written(file, [call("A-1"), call("A-2")]), what(stage.app), id="run-1")
    begun.step()
    begun.close()
    names = stage.app.read_now(lambda _, uow: list(uow.kept_many("drop run-1", "drop-row run-1 2", "drop-row run-1 3")))
    assert names == ["drop run-1"]


def test_an_outcome_that_somebody_took_away_begins_anew_and_tells_every_row(stage: Stage, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.drop.run.BATCH", 1)
    broken = Run(stage.app, written(file, [call("A-1"), call("A-2")]), what(stage.app), id="run-1")
    broken.step()
    broken.close()
    broken.files._parts[0].unlink()
    assert [(line["row"], line["outcome"]) for line in run(stage.app, file)] == [("2", "already"), ("3", "taken")]


def test_files_that_were_being_made_whole_are_made_whole(stage: Stage, file: Path) -> None:
    written(file, MIXED)
    broken = Run(stage.app, file, what(stage.app), id="run-1")
    assert broken.step()
    broken.files._parts[1].rename(broken.files.rejected)  # killed between the two renames
    broken.close()
    assert len(run(stage.app, file)) == 6 and len(told(file.with_name("appels.rejected.csv"))) == 3


def test_a_second_process_is_kept_from_a_table_that_one_is_at(stage: Stage, file: Path) -> None:
    first = Run(stage.app, written(file, [call("A-1")]), what(stage.app), id="run-1")
    with pytest.raises(Busy):
        Run(stage.app, file, what(stage.app), id="run-1")
    assert first.step() and not first.step()
    first.close()


def test_an_error_nobody_foresaw_is_that_rows_alone_and_its_words_are_not_told(stage: Stage, file: Path) -> None:
    real = Flows.refer

    def refer(story: Flows, uow: Any, who: Any, mapping: str, record: Any, **more: Any) -> Any:
        if record["id"] == "A-2":
            raise KeyError("Zyxdurand")
        return real(story, uow, who, mapping, record, **more)

    with mock.patch.object(Flows, "refer", refer):
        found = run(stage.app, written(file, [call("A-1"), call("A-2"), call("A-3")]))
    assert [line["outcome"] for line in found] == ["taken", "refused", "taken"]
    assert "an error nobody foresaw (KeyError at " in found[1]["said"] and "yx" not in found[1]["said"]


def test_a_database_that_is_away_ends_the_run_which_goes_on_later(stage: Stage, file: Path) -> None:
    broken = Run(stage.app, written(file, [call("A-1"), call("A-2")]), what(stage.app), id="run-1")
    with mock.patch.object(type(stage.app), "write", side_effect=Unavailable("away")), pytest.raises(Unavailable):
        broken.step()
    broken.close()
    assert [line["outcome"] for line in run(stage.app, file)] == ["taken", "taken"]


def test_a_table_that_cannot_be_read_to_its_end_says_where_and_keeps_what_came_before(stage: Stage, file: Path) -> None:
    begun = Run(stage.app, written(file, [call("A-1")]), what(stage.app), id="run-1")

    def cut() -> Iterator[Any]:
        yield from [next(whole)]
        raise SettingsError("row 3: not readable as a sheet", variable="appels.csv", fix="save it again")

    whole = begun._left
    begun._left = cut()
    while begun.step():
        pass
    begun.close()
    assert [(line["row"], line["outcome"]) for line in told(begun.files.outcome)] == [("2", "taken"), ("", "refused")] and begun.broken


def test_a_workbook_goes_in_with_its_numbers_and_days_as_a_spreadsheet_keeps_them(stage: Stage, file: Path) -> None:
    book = pytest.importorskip("openpyxl").Workbook()
    row: dict[str, Any] = call("A-1") | {"RPPS": 10000000009.0, "Date": date(2026, 3, 6), "Heure": time(18, 50), "Né(e) le": date(1938, 2, 3), "Code postal": 1000.0}
    book.active.append(list(row))
    book.active.append(list(row.values()))
    book.active.append([*list(row.values())[:-1], "=1+1"])
    book.save(file.with_suffix(".xlsx"))
    found = run(stage.app, file.with_suffix(".xlsx"))
    assert [line["outcome"] for line in found] == ["taken", "refused"] and found[1]["said"].startswith("RPPS: a formula that was never worked out")
    (patient,) = stage.app.read_now(lambda _, uow: [json.loads(each.served) for each in uow.search(Query("Patient"))])
    assert patient["address"][0]["postalCode"] == "01000" and patient["birthDate"] == "1938-02-03"


def test_a_header_that_does_not_fit_refuses_the_table(stage: Stage, file: Path) -> None:
    file.write_text("Nom;Zyx\nZyxdurand;1\n", "utf-8")
    with pytest.raises(SettingsError, match="no column N° d'appel") as refused:
        Run(stage.app, file, what(stage.app), id="run-1")
    assert "yx" not in str(refused.value) and [each.name for each in file.parent.iterdir()] == ["appels.csv"]


def test_trying_tells_what_would_become_of_each_row_and_keeps_nothing(stage: Stage, file: Path) -> None:
    lines: list[Line] = []
    before = stage.app.read_now(lambda _, uow: uow.audit_head())
    tally = tried(stage.app, written(file, MIXED), what(stage.app), tell=lambda line, _: lines.append(line))
    assert [line.outcome for line in lines] == ["fits", "refused", "declined", "fits", "refused", "fits"]
    assert tally.counts == {"fits": 3, "refused": 2, "declined": 1} and tasks(stage) == 0
    assert before == stage.app.read_now(lambda _, uow: uow.audit_head()) and [each.name for each in file.parent.iterdir()] == ["appels.csv"]


def test_rows_are_taken_with_the_rights_of_the_client_and_stand_in_the_trail_as_its(stage: Stage, file: Path) -> None:
    run(stage.app, written(file, [call("A-1")]))
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=1000))
    assert any(b'"coursiers"' in row.event and b"ServiceRequest/" in row.event for row in rows)


@pytest.mark.parametrize(("name", "client"), [("coursiers", "coursiers"), ("asso-coursiers", "coursiers"), ("msp-saint-eloi", "saint-eloi")])
def test_sender_is_a_client_or_an_organisation_with_one_that_may_send(stage: Stage, name: str, client: str) -> None:
    assert client_of(stage.app.network, name) == client


@pytest.mark.parametrize("name", ["nobody", "saad-seine"])
def test_sender_that_may_not_send_is_refused_naming_those_that_may(stage: Stage, name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        client_of(stage.app.network, name)
    assert "coursiers" in refused.value.fix


def test_client_without_the_scope_and_one_whose_person_has_left_may_not_send(stage: Stage) -> None:
    with pytest.raises(Exception, match="scope intake"):
        stage.app.read_now(lambda story, uow: sending(story, uow, "saad"))
    with mock.patch("adapter.network.model.Network.serving", return_value=None), pytest.raises(Unauthorized, match="not in service"):
        stage.app.read_now(lambda story, uow: sending(story, uow, "saint-eloi"))
