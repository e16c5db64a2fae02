"""The records of a file: JSON, JSON-lines, CSV and XLSX, one after the other."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from adapter.directory import records
from adapter.directory.records import Record
from adapter.errors import SettingsError


def read(file: Path, written: str | bytes, **more: Any) -> list[Record]:
    file.write_bytes(written.encode() if isinstance(written, str) else written)
    with records(file, **more) as rows:
        return list(rows)


def fields(found: list[Record]) -> list[Any]:
    return [each.fields for each in found]


@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 18])
def test_json_list_is_read_entry_by_entry_however_it_is_cut(tmp_path: Path, chunk: int) -> None:
    wanted = [{"id": "a", "nom": "é\n]}", "zone": ["1", {"x": 2}]}, {"siret": 82454114801871.0}, 12, "x", None, True, {}]
    with mock.patch("adapter.directory.records.CHUNK", chunk):
        for written in (json.dumps(wanted), json.dumps(wanted, indent=1, ensure_ascii=False), "\ufeff \n" + json.dumps(wanted) + "\n "):
            found = read(tmp_path / "a.json", written)
            assert fields(found) == wanted and [each.number for each in found] == list(range(1, 8))
        assert read(tmp_path / "a.json", " [ ] ") == []


@pytest.mark.parametrize("written", ["[", "[1", "[1,", "[1 2]", '[{"a": ]', "[nope]", b'["\xff"]', "[" * 100_000])
def test_json_list_that_breaks_off_is_refused_with_its_record(tmp_path: Path, written: str | bytes) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path / "a.json", written)
    assert "record" in str(refused.value) and refused.value.fix


def test_json_lines_go_on_behind_a_line_that_cannot_be_read(tmp_path: Path) -> None:
    found = read(tmp_path / "a.jsonl", '\ufeff{"id": "a"}\n\n{"id": \n{"id": "b"}')
    assert [(each.number, each.fields) for each in found] == [(1, {"id": "a"}), (3, None), (4, {"id": "b"})] and found[1].notes[0].refused


def test_csv_has_marks_semicolons_and_rows_that_are_not_to_be_taken(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", "\ufeff__ignore__;id;nom;nom\r\ntrue;x;une explication;\r\n;s1;CCAS;encore\r\n".encode())
    assert found == [Record(3, {"id": "s1", "nom": "CCAS", "nom (D)": "encore"})]


def test_workbook_has_its_sheets_by_name(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "Structures"
    book.active.append(["id", "siret", "code_postal"])
    book.active.append(["s1", 82454114801871.0, 59260.0])
    book.create_sheet("Services").append(["id", "structure_id"])
    book["Services"].append(["v1", "s1"])
    book.save(tmp_path / "a.xlsx")
    for sheet, expected in (("", {"id": "s1", "siret": "82454114801871", "code_postal": "59260"}), ("services", {"id": "v1", "structure_id": "s1"})):
        with records(tmp_path / "a.xlsx", sheet=sheet) as rows:
            assert fields(list(rows)) == [expected]
    with pytest.raises(SettingsError, match="no sheet of this name"), records(tmp_path / "a.xlsx", sheet="x"):
        pass


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"), records(tmp_path / "none.json"):
        pass
    assert os.listdir(tmp_path) == []
