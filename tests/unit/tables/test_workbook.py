"""XLSX: what a spreadsheet makes of numbers, days and formulas; archives that are none."""

from __future__ import annotations

import gc
import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import SettingsError
from adapter.tables import opened, rows, sheets

openpyxl = pytest.importorskip("openpyxl")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "t.xlsx"


def saved(file: Path, *lines: list[Any], book: Any = None) -> Path:
    book = book or openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    book.save(file)
    return file


def repacked(file: Path, change: Callable[[str, bytes], bytes | None], *more: tuple[str, bytes]) -> Path:
    """The workbook with parts changed (None: left out) or added."""
    into = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            if (body := change(part.filename, old.read(part))) is not None:
                new.writestr(part.filename, body)
        for name, body in more:
            new.writestr(name, body)
    file.write_bytes(into.getvalue())
    return file


@pytest.mark.parametrize(("value", "text"), [
    (12345678900011.0, "12345678900011"), (59260.0, "59260"), (1000, "1000"), (0, "0"), (-3.0, "-3"), (48.85, "48.85"), (188017618012345.0, "188017618012345"),
    ("01000", "01000"), ("  bord ", "  bord "), (True, "true"), (date(1938, 2, 3), "1938-02-03"), (datetime(2026, 3, 6, 18, 50), "2026-03-06T18:50:00"),
    (datetime(2026, 3, 6), "2026-03-06"), (time(18, 50), "18:50:00"), (timedelta(hours=26, minutes=5), "26:05:00"), ("Zoé\nZoé", "Zoé\nZoé"),
])  # fmt: skip
def test_a_cell_is_its_digits_its_iso_day_or_its_text(file: Path, value: Any, text: str) -> None:
    assert list(rows(saved(file, ["a", "b"], [value, "x"]))) == [(2, {"a": text, "b": "x"})]


def test_a_formula_is_its_value_and_one_that_was_never_worked_out_a_fault(file: Path) -> None:
    saved(file, ["a", "b"], ["x", "=1+1"], ["y", "=2+2"])

    def worked(name: str, body: bytes) -> bytes:
        return body.replace(b"<f>1+1</f><v></v>", b"<f>1+1</f><v>2</v>").replace(b"<f>1+1</f><v/>", b"<f>1+1</f><v>2</v>")

    with opened(repacked(file, worked)) as table:
        first, second = table
    assert first.cells == {"a": "x", "b": "2"} and not first.faults
    assert [fault.column for fault in second.faults] == ["b"] and "never worked out" in second.faults[0].text


@pytest.mark.parametrize(("value", "says"), [(10.0**15, "more than 15 digits"), ("#N/A", "an error in place"), ("#REF!", "an error in place")])
def test_what_a_spreadsheet_rounded_or_could_not_tell_is_a_fault_of_its_row(file: Path, value: Any, says: str) -> None:
    with opened(saved(file, ["a", "b"], [value, "x"], ["ok", "y"])) as table:
        first, second = table
    assert says in first.faults[0].text and first.cells["a"] == "" and not second.faults


def test_a_million_empty_rows_and_a_sheet_said_to_be_as_wide_as_can_be_are_passed_over(file: Path) -> None:
    book = openpyxl.Workbook()
    book.active["A1"], book.active["A1048576"], book.active["B3"] = "a", "end", "lost"
    saved(file, book=book)
    repacked(file, lambda name, body: body.replace(b'ref="A1:B1048576"', b'ref="A1:XFD1048576"'))
    with opened(file) as table:
        assert [(row.number, row.cells, [fault.column for fault in row.faults]) for row in table] == [(3, {"a": ""}, ["B"]), (1_048_576, {"a": "end"}, [])]


def test_texts_that_cells_share_are_looked_up(file: Path) -> None:
    main = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    words = b"<sst " + main + b"><si><t>nom</t></si><si><r><t>Jean</t></r><r><t>ne</t></r></si></sst>"
    sheet = b"<worksheet " + main + b'><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2" t="s"><v>1</v></c></row></sheetData></worksheet>'
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"

    def shared(name: str, body: bytes) -> bytes | None:
        if name == "[Content_Types].xml" and kind not in body:
            return body.replace(b"</Types>", b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + kind + b'"/></Types>')
        return None if name == "xl/sharedStrings.xml" else sheet if name.endswith("sheet1.xml") else body

    assert list(rows(repacked(saved(file, ["x"]), shared, ("xl/sharedStrings.xml", words)))) == [(2, {"nom": "Jeanne"})]


def test_the_first_sheet_that_is_shown_is_read(file: Path) -> None:
    book = openpyxl.Workbook()
    book.active.sheet_state = "hidden"
    shown = book.create_sheet("lue")
    shown.append(["a"])
    shown.append(["x"])
    assert list(rows(saved(file, book=book))) == [(2, {"a": "x"})]


def test_dates_count_from_1904_where_the_workbook_says_so(file: Path) -> None:
    from openpyxl.utils.datetime import CALENDAR_MAC_1904

    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    assert list(rows(saved(file, ["a"], [date(1938, 2, 3)], book=book))) == [(2, {"a": "1938-02-03"})]


@pytest.mark.parametrize(("change", "more", "says"), [
    (lambda name, body: body, [("xl/worksheets/sheet9.xml", b"0" * (50 << 20))], "unpacks to more"),
    (lambda name, body: b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + body if name.endswith("sheet1.xml") else body, [], "document type"),
    (lambda name, body: None if name == "[Content_Types].xml" else body, [], "no workbook"),
    (lambda name, body: b"<not" if name == "xl/workbook.xml" else body, [], "not readable as a workbook"),
    (lambda name, body: body[: body.rindex(b"<row")] if name.endswith("sheet1.xml") else body, [], "row 2: not readable as a sheet"),
    (lambda name, body: body, [(f"x{i}", b"") for i in range(2001)], "unpacks to more"),
])  # fmt: skip
def test_an_archive_that_is_no_plain_workbook_is_refused(file: Path, change: Any, more: list[tuple[str, bytes]], says: str) -> None:
    repacked(saved(file, ["a"], ["x"]), change, *more)
    with pytest.raises(SettingsError) as refused:
        list(rows(file))
    assert says in str(refused.value) and str(refused.value).startswith("t.xlsx: ") and refused.value.fix


def test_a_damaged_archive_is_refused(file: Path) -> None:
    body = bytearray(saved(file, ["a"], ["x" * 5000]).read_bytes())
    body[len(body) // 2] ^= 0xFF
    file.write_bytes(body)
    with pytest.raises(SettingsError, match=r"damaged|not readable"):
        list(rows(file))
    file.write_bytes(body[:100])
    with pytest.raises(SettingsError, match="damaged"):
        list(rows(file))


def test_a_workbook_without_its_library_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(file, ["a"])
    monkeypatch.setattr(sheets, "find_spec", lambda name: None)
    with pytest.raises(SettingsError) as refused, opened(file):
        pass
    assert "liaison-fhir[xlsx]" in refused.value.fix


def test_no_object_is_kept_for_a_row_that_is_past(file: Path) -> None:
    """openpyxl's own way keeps an element for each row of the sheet."""
    saved(file, ["a"], *([i] for i in range(2000)))
    held = []
    with opened(file) as table:
        for row in table:
            if row.number in (20, 2000):
                held.append(len(gc.get_objects()))
    assert held[1] < held[0] + 500
