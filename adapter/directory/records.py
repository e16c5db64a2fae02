"""The records of a file, one after the other: JSON (one list), JSON-lines, CSV or XLSX; nothing kept of those before."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from adapter import tables
from adapter.directory.taken import Note
from adapter.errors import SettingsError

CHUNK = 1 << 18
LONGEST = 4 << 20  # bytes of one record
IGNORED = "__ignore__"  # data·inclusion's own column: rows that explain, or that are not to be published
_SPACE = " \t\r\n"
_MEND = "a file is a list of records as JSON, one record a line, or a table with a column for each field"


class Record(NamedTuple):
    """`number`: of its row in a spreadsheet, of its line, or in the list, from 1. `fields` is None where it cannot be read."""

    number: int
    fields: Any
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Rows:
    """Iterating gives the records, once. `size` and `done()`: bytes in all, and read so far."""

    lines: Iterator[Record]
    size: int
    done: Callable[[], int]

    def __iter__(self) -> Iterator[Record]:
        return self.lines


@contextmanager
def records(path: Path, *, sheet: str = "") -> Iterator[Rows]:
    """The records of a file; what it is its first bytes say. `sheet`: of a workbook (the first that is shown). Raises SettingsError naming
    the file, and the record where there is one."""
    try:
        with path.open("rb") as file:
            start = file.read(4096).removeprefix(codecs.BOM_UTF8).lstrip()[:1]
        if start in (b"[", b"{"):
            with path.open("rb") as file:
                read = _listed if start == b"[" else _lines
                yield Rows(read(path, file), path.stat().st_size, file.tell)
            return
    except OSError as error:
        raise SettingsError(f"cannot be read ({error.strerror})", variable=path.name, fix="name a file that you may read") from None
    with tables.opened(path, sheet=sheet, doubled=True) as table:
        yield Rows(_rows(table), table.size, table.done)


def _rows(table: tables.Table) -> Iterator[Record]:
    for row in table:
        fields = {name: value for name, value in row.cells.items() if value.strip()}
        if fields.pop(IGNORED, "").strip().casefold() not in ("true", "vrai", "1", "oui", "x"):
            yield Record(row.number, fields, tuple(Note(fault.column, fault.text) for fault in row.faults))


def _lines(path: Path, file: BinaryIO) -> Iterator[Record]:
    number = 0
    while written := file.readline(LONGEST + 1):
        number += 1
        if len(written) > LONGEST:
            raise _wrong(path, number, f"a record of more than {LONGEST >> 20} MB")
        if written.strip():
            try:
                yield Record(number, json.loads(written.decode("utf-8-sig" if number == 1 else "utf-8")))
            except (ValueError, RecursionError):
                yield Record(number, None, (Note("", "expected JSON in UTF-8", True),))


def _listed(path: Path, file: BinaryIO) -> Iterator[Record]:
    """The entries of a JSON list, read as they come."""
    decode, scan = codecs.getincrementaldecoder("utf-8-sig")(), json.JSONDecoder().raw_decode
    held, number, ended = "", 0, False

    def more() -> bool:
        nonlocal held, ended
        if ended:
            return False
        chunk = file.read(CHUNK)
        ended = not chunk
        try:
            held += decode.decode(chunk, final=ended)
        except UnicodeDecodeError:
            raise _wrong(path, number + 1, "not UTF-8") from None
        return True

    def after(at: int) -> str:
        """What comes next but blanks; `held` begins with it."""
        nonlocal held
        held = held[at:].lstrip(_SPACE)
        while not held and more():
            held = held.lstrip(_SPACE)
        return held[:1]

    next_ = after(0)  # the bracket
    next_ = after(1)
    if next_ == "]":
        return
    while True:
        number += 1
        while True:
            try:
                found, end = scan(held)
                if end == len(held) and not isinstance(found, dict | list) and more():
                    continue  # a number may go on
                break
            except (ValueError, RecursionError):
                if len(held) > LONGEST or not more():
                    raise _wrong(path, number, "not readable as JSON") from None
        yield Record(number, found)
        next_ = after(end)
        if next_ == "]":
            return
        if next_ != ",":
            raise _wrong(path, number, "expected a comma or the end of the list after it")
        after(1)


def _wrong(path: Path, number: int, text: str) -> SettingsError:
    return SettingsError(f"record {number}: {text}", variable=path.name, fix=_MEND)
