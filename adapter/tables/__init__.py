"""Tables that people keep: CSV as the tools of France write it, XLSX by the extra `xlsx`. Rows one after the other, nothing kept of those before.

`rows(path)` for who wants the cells alone; `opened(path)` for who also tells of what is wrong with a row and goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapter.tables.delimited import delimited
from adapter.tables.sheets import workbook
from adapter.tables.table import Fault, Row, Table, column_letter, refused

__all__ = ["Fault", "Row", "Table", "column_letter", "opened", "refused", "rows"]

_OLD = b"\xd0\xcf\x11\xe0"  # what .xls begins with, and a workbook under a password


@contextmanager
def opened(path: Path, *, sheet: str = "", doubled: bool = False) -> Iterator[Table]:
    """The table in a file: `columns`, and the rows when iterated. What it is its first bytes say, not its name: a workbook (its first
    sheet that is shown, or the `sheet` of that name), else CSV (UTF-8 with or without mark, UTF-16, else Windows-1252; `;`, `,` or tab, found from the header).

    Raises SettingsError naming the file, and row and column where there is one: no header, a column twice, quotes that do not
    close, a text or workbook that cannot be read, one that unpacks to too much.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start == _OLD:
            raise refused(path, "an old .xls, or a workbook under a password", fix="save it as .xlsx or .csv, without a password")
        with workbook(path, sheet=sheet, doubled=doubled) if start == b"PK\x03\x04" else delimited(path, doubled=doubled) as table:
            yield table
    except OSError as error:
        raise refused(path, f"cannot be read ({error.strerror or type(error).__name__})", fix="name a file that you may read") from None


def rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(row number as a spreadsheet shows it, column → text) of every row that is not empty; a cell that is not there is "". Raises
    SettingsError as `opened` does, and at the first row with a fault, naming row and column."""
    with opened(path) as table:
        for row in table:
            if row.faults:
                fault = row.faults[0]
                raise refused(path, fault.text, row=row.number, column=fault.column, fix="mend that cell, and begin again")
            yield row.number, row.cells
