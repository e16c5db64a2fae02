"""XLSX, by openpyxl (the extra `xlsx`): values, never formulas; numbers as their digits, days as ISO dates."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

from adapter.errors import SettingsError
from adapter.tables.table import MOST_COLUMNS, Line, Table, headed, refused

if TYPE_CHECKING:
    from io import BufferedIOBase

MOST_PARTS = 2000
LARGEST = 2 << 30  # bytes of a sheet, unpacked: it is read as it comes
LARGEST_WORDS, LARGEST_PART = 256 << 20, 32 << 20  # bytes of the texts that cells share, and of all else: openpyxl keeps them
TIGHTEST = 300  # times that a part may grow when it is unpacked; sheets grow tenfold
DIGITS = 15  # that a spreadsheet keeps of a number
WIDEST = 2 * MOST_COLUMNS  # what stands further to the right is told as if it stood there
_SAVE = "open it in the spreadsheet program and save it again as .xlsx or .csv"
_ERRORS = frozenset({"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA"})


@contextmanager
def workbook(path: Path, *, sheet: str = "", doubled: bool = False) -> Iterator[Table]:
    """The first sheet that is shown, or the one of that name (case aside). Raises SettingsError as `tables.opened` tells, and where the extra is not there."""
    if find_spec("openpyxl") is None:
        raise SettingsError("a workbook needs its library", variable=path.name, fix="pip install 'liaison-fhir[xlsx]', or save the table as CSV")
    from openpyxl import load_workbook

    _bounded(path)
    try:
        with catch_warnings():
            simplefilter("ignore")  # of styles and extensions that are not read here
            book: Any = load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except Exception:  # openpyxl raises what the part of it raised that did not understand
        raise refused(path, "not readable as a workbook", fix=_SAVE) from None
    try:
        shown = [each for each in book.worksheets if each.sheet_state == "visible"]
        found = next((each for each in shown if not sheet or each.title.casefold() == sheet.casefold()), None)
        if found is None:
            raise refused(path, f"no sheet {'of this name' if sheet else 'with cells'} is shown", fix=_SAVE)
        with found._get_source() as source:
            yield headed(path, _lines(path, book, found, source), size=_size(path, found), done=source.tell, doubled=doubled)
    finally:
        book.close()


def _bounded(path: Path) -> None:
    """Raises SettingsError for a damaged archive, one that unpacks to too much, and parts that define names of their own (XML entities)."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if "[Content_Types].xml" not in archive.namelist():
                raise refused(path, "an archive, but no workbook", fix=_SAVE)
            for part in parts:
                most = LARGEST if "/worksheets/" in part.filename else LARGEST_WORDS if "sharedStrings" in part.filename else LARGEST_PART
                if len(parts) > MOST_PARTS or part.file_size > most or part.file_size > TIGHTEST * max(part.compress_size, 4096):
                    raise refused(path, "it unpacks to more than a table has", fix="leave out pictures and empty formatted rows, or save the table as CSV")
                if part.filename.endswith((".xml", ".rels")):
                    with archive.open(part) as opened:
                        if b"<!DOCTYPE" in opened.read(4096):
                            raise refused(path, "not readable as a workbook: a part has a document type", fix=_SAVE)
            if archive.testzip():
                raise refused(path, "damaged", fix=_SAVE)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError):
        raise refused(path, "damaged, or not readable as a workbook", fix=_SAVE) from None


def _size(path: Path, sheet: Any) -> int:
    with zipfile.ZipFile(path) as archive:
        return archive.getinfo(sheet._worksheet_path).file_size


def _lines(path: Path, book: Any, sheet: Any, source: BufferedIOBase) -> Iterator[Line]:
    """Every row that the sheet has. openpyxl's own way over the rows of a sheet fills gaps, and keeps an object for each row that it
    was over; this one keeps none, and sees a formula that was never worked out."""
    from openpyxl.worksheet._reader import DATA_TAG, FORMULA_TAG, ROW_TAG, WorkSheetParser, iterparse

    parser = WorkSheetParser(
        source, sheet._shared_strings, data_only=True, epoch=book.epoch, date_formats=book._date_formats, timedelta_formats=book._timedelta_formats
    )
    above, number = None, 0
    try:
        for event, element in iterparse(source, events=("start", "end")):
            if event == "start":
                above = element if element.tag == DATA_TAG else above
            elif element.tag == ROW_TAG and above is not None:
                with catch_warnings():
                    simplefilter("ignore")
                    number, found = parser.parse_row(element)
                yield _line(number, found, [made.find(FORMULA_TAG) is not None for made in element])
                parser.row_dimensions.clear()
                above.clear()
            elif element.tag == DATA_TAG:
                return
    except SettingsError:
        raise
    except Exception:  # a row that openpyxl does not understand
        raise refused(path, "not readable as a sheet", row=number + 1, fix=_SAVE) from None


def _line(number: int, cells: list[dict[str, Any]], formulas: list[bool]) -> Line:
    said: dict[int, str] = {}
    faults: dict[int, str] = {}
    for cell, formula in zip(cells, formulas, strict=True):
        place = min(cell["column"] - 1, WIDEST)
        if cell["value"] is not None:
            said[place] = _text(cell["value"], cell["data_type"], faults, place)
        elif formula:
            faults[place] = "a formula that was never worked out: open the workbook, save it, or write the value"
    return Line(number, tuple(said.get(place, "") for place in range(max(said, default=-1) + 1)), faults)


def _text(value: object, kind: str, faults: dict[int, str], at: int) -> str:
    """What a cell says, as text: 12345678900011.0 is 12345678900011, a day 2026-03-06."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if not abs(value) < 10**DIGITS:
            faults[at] = f"a number of more than {DIGITS} digits, which a spreadsheet rounds: write it as text"
            return ""
        return str(int(value)) if value == int(value) else f"{value:.{DIGITS}g}"
    if isinstance(value, datetime):
        value = (value + timedelta(microseconds=500_000)).replace(microsecond=0, tzinfo=None)
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, date | time):
        return str(value.replace(microsecond=0) if isinstance(value, time) else value)
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
    text = str(value)
    if text in _ERRORS and kind in ("e", "s", "str"):
        faults[at] = "an error in place of a value"
        return ""
    return text
