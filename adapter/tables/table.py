"""What both kinds of table give: a header, rows, and what is wrong with a row."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from adapter.errors import SettingsError

MOST_COLUMNS = 500
MOST_HEAD = 200  # characters of a column's name
SEARCHED = 100  # rows in which the header must come


class Fault(NamedTuple):
    """What is wrong with one cell. `column`: its name in the header, or its letter where it has none."""

    column: str
    text: str


class Row(NamedTuple):
    """`number`: as a spreadsheet shows it. `cells`: column → text, "" where there is nothing. `written`: the cells as they came, under
    the header's places and beyond."""

    number: int
    cells: dict[str, str]
    written: tuple[str, ...]
    faults: tuple[Fault, ...] = ()


class Line(NamedTuple):
    """A row before the header is known. `faults`: place from 0 → text."""

    number: int
    written: tuple[str, ...]
    faults: Mapping[int, str]


@dataclass(frozen=True)
class Table:
    """An open table. Iterating gives its rows, once. `header`: as written; `size` and `done()`: bytes in all, and read so far."""

    path: Path
    header: tuple[str, ...]
    columns: tuple[str, ...]  # the names by which `Row.cells` has them; "" for a place without a name
    lines: Iterator[Line]
    size: int
    done: Callable[[], int]

    def __iter__(self) -> Iterator[Row]:
        named = [(place, name) for place, name in enumerate(self.columns) if name]
        width = len(self.columns)
        for line in self.lines:
            written = line.written
            if not line.faults and not any(map(str.strip, written)):
                continue
            beyond = len(written) > width or len(named) < width
            faults = self._faults(line, named) if line.faults or beyond else ()
            cells = {name: written[place] if place < len(written) else "" for place, name in named}
            yield Row(line.number, cells, written, faults)

    def _faults(self, line: Line, named: Sequence[tuple[int, str]]) -> tuple[Fault, ...]:
        names = dict(named)
        found = [Fault(names.get(place) or column_letter(place), text) for place, text in line.faults.items()]
        lost = next((place for place, text in enumerate(line.written) if place not in names and text.strip()), None)
        if lost is not None:
            found.append(Fault(column_letter(lost), "a value under no column name; are there more cells than columns?"))
        return tuple(found)


def headed(path: Path, lines: Iterable[Line], *, size: int, done: Callable[[], int], doubled: bool = False) -> Table:
    """The table whose header is the first row with anything in it. `doubled`: a column that is there twice is the first of them, the other is
    called after its place as well. Raises SettingsError: no header, a column twice, too many."""
    left = iter(lines)
    for count, line in enumerate(left):
        if any(map(str.strip, line.written)):
            return Table(path, line.written, _columns(path, line, doubled=doubled), left, size, done)
        if count >= SEARCHED:
            break
    raise refused(path, "no header", fix="the first row that is not empty names the columns")


def _columns(path: Path, line: Line, *, doubled: bool) -> tuple[str, ...]:
    names = [named(each) for each in line.written]
    while names and not names[-1]:
        names.pop()  # many tools end each line with a separator
    if len(names) > MOST_COLUMNS:
        raise refused(path, f"expected at most {MOST_COLUMNS} columns", row=line.number, fix="leave out what is not needed")
    seen: dict[str, int] = {}
    for place, name in enumerate(names):
        if len(name) > MOST_HEAD:
            text = f"expected a column name of at most {MOST_HEAD} characters"
            raise refused(path, text, row=line.number, column=column_letter(place), fix="the first row that is not empty names the columns")
        if name and name in seen and doubled:
            name = names[place] = f"{name} ({column_letter(place)})"
        if name and name in seen:
            text = f"the same column name as in {column_letter(seen[name])}"
            raise refused(path, text, row=line.number, column=column_letter(place), fix="give each column a name of its own")
        seen[name] = place
    return tuple(names)


def named(head: str) -> str:
    """A column name: composed, blanks joined, invisible characters away."""
    return " ".join("".join(each if each.isprintable() else " " for each in unicodedata.normalize("NFC", head.replace("\ufeff", ""))).split())


def column_letter(place: int) -> str:
    """A, B, … Z, AA, … of a place from 0."""
    letters, left = "", place + 1
    while left:
        left, digit = divmod(left - 1, 26)
        letters = chr(65 + digit) + letters
    return letters


def refused(path: Path, text: str, *, row: int = 0, column: str = "", fix: str) -> SettingsError:
    """The error about a table: the file's name, row and column, never a cell's content."""
    place = ", ".join(([f"row {row}"] if row else []) + ([f"column {column}"] if column else []))
    return SettingsError(f"{place}: {text}" if place else text, variable=path.name, fix=fix)
