"""CSV: encoding and separator are found, the whole is looked through once before the first row is given."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from adapter.tables.table import Line, Table, headed, refused

SEPARATORS = ";,\t"  # the first of them where the header does not tell
CHUNK = 1 << 16
LONGEST = 1 << 20  # characters of one line
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_MEND = "save it as CSV in UTF-8, from the program it comes from"


@contextmanager
def delimited(path: Path, *, doubled: bool = False) -> Iterator[Table]:
    """Raises SettingsError as `tables.opened` tells, before the first row for all that is wrong with the file itself."""
    encoding = _encoding(path)
    with path.open("rb") as file, TextIOWrapper(file, encoding=encoding, newline="") as text:
        separator = _separator(path, text)
    with path.open("rb") as file, TextIOWrapper(file, encoding=encoding, newline="") as text:
        for _ in headed(path, _lines(path, text, separator), size=0, done=file.tell, doubled=doubled):
            pass
    with path.open("rb") as file, TextIOWrapper(file, encoding=encoding, newline="") as text:
        yield headed(path, _lines(path, text, separator), size=path.stat().st_size, done=file.tell, doubled=doubled)


def _encoding(path: Path) -> str:
    """By the mark at its start; else UTF-8 if the whole of it is, else Windows-1252."""
    with path.open("rb") as file:
        start = file.read(4096)
        for mark, name in _MARKS:
            if start.startswith(mark):
                return name if _decodes(path, file, name) else _unreadable(path)
        if b"\0" in start:
            raise refused(path, "neither a table of text nor a workbook", fix=_MEND)
        return next((name for name in ("utf-8", "cp1252") if _decodes(path, file, name)), None) or _unreadable(path)


def _unreadable(path: Path) -> str:
    raise refused(path, "neither UTF-8 nor Windows-1252", fix=_MEND)


def _decodes(path: Path, file: BinaryIO, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)()
    file.seek(0)
    try:
        while chunk := file.read(CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _separator(path: Path, text: TextIOWrapper) -> str:
    """The one that parts the header into most columns; or what a first line `sep=;` says."""
    first = next((line for line in _bounded(path, text) if line.strip()), "")
    if said := _hint(first):
        return said
    rest = list(islice(_bounded(path, text), 50))  # a name in quotes may go over several lines

    def columns(separator: str) -> int:
        try:
            return len(next(csv.reader(chain([first], rest), delimiter=separator)))
        except (csv.Error, StopIteration):
            return 0

    return max(SEPARATORS, key=columns)


def _hint(line: str) -> str:
    word = line.strip("\r\n\ufeff \"")
    return word[4:] if word.lower().startswith("sep=") and word[4:] in tuple(SEPARATORS) else ""


def _bounded(path: Path, text: TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise refused(path, "a line longer than a million characters", fix=_MEND)
        yield line


def _lines(path: Path, text: TextIOWrapper, separator: str) -> Iterator[Line]:
    """Every record, empty ones too, numbered as a spreadsheet does."""
    reader, number = csv.reader(_bounded(path, text), delimiter=separator, strict=True), 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fix = "a quote begins and ends a cell, and is doubled within; save the table again from the program it comes from"
            raise refused(path, "not readable: is a quote opened that does not close?", row=number, fix=fix) from None
        if number == 1 and _hint(separator.join(cells)):
            continue
        yield Line(number, tuple(cells), {})
