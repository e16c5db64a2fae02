"""What is written beside a table: the outcome row by row, and the refused rows as they came, to be mended. For their owner's eyes alone."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from adapter.drop.rows import Line
from adapter.errors import SettingsError
from adapter.mapping import OURS

try:
    import fcntl
except ModuleNotFoundError:  # Windows: then nobody is kept from a second process at the same table
    fcntl = None  # type: ignore[assignment]

TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm")
PART = ".part"  # what a file is called that is not whole yet
MARK = "\ufeff"  # by which spreadsheets know UTF-8
HEAD = ("row", "record", "outcome", "status", "reference", "said")
REASON = f"{OURS}reason"


class Busy(SettingsError):
    """Another process is at the table."""


class Files:
    """The outcome (`NAME.outcome.csv`) and the rejected rows (`NAME.rejected.csv`) of one table, growing. A file is whole when it has
    lost its `.part`."""

    def __init__(self, table: Path, header: Sequence[str] = ()) -> None:
        stem = table.stem if table.suffix.lower() in TABLES else table.name
        self.outcome, self.rejected = (table.with_name(f"{stem}.{kind}.csv") for kind in ("outcome", "rejected"))
        self._parts = tuple(each.with_name(each.name + PART) for each in (self.outcome, self.rejected))
        self._own = frozenset(place for place, name in enumerate(header) if name.strip().startswith(OURS))  # of rows that were rejected before
        self._header = self._bare(header)
        self._open: list[int] = []

    @property
    def begun(self) -> bool:
        """Whether something of an earlier run is there."""
        return any(each.exists() for each in (self.outcome, self.rejected, self._parts[0]))

    @property
    def whole(self) -> bool:
        return self.outcome.exists()

    def open(self, sizes: tuple[int, int]) -> bool:
        """Goes on where both had these sizes (0: from the start). False where they are shorter, for somebody took them away: then both
        begin anew. Raises Busy."""
        if sizes[1] and not self._parts[1].exists() and self.rejected.exists():
            self.rejected.rename(self._parts[1])  # it had been made whole, and the outcome not yet
        self._open = [os.open(each, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for each in self._parts]
        if fcntl:
            try:
                fcntl.flock(self._open[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self.close()
                raise Busy("another process is at this table", variable=self.outcome.name, fix="let it end, or end it and say --resume") from None
        there = all(os.fstat(file).st_size >= size for file, size in zip(self._open, sizes, strict=True))
        for file, size, head in zip(self._open, sizes if there else (0, 0), self._heads(), strict=True):
            os.ftruncate(file, size)
            os.lseek(file, size, os.SEEK_SET)
            if not size:
                _all(file, head)
        return there

    def add(self, lines: Sequence[Line], rejected: Iterable[tuple[Line, tuple[str, ...]]]) -> tuple[int, int]:
        """Writes the lines, and the rejected rows as they came; on the disk when it returns. The sizes now."""
        _all(self._open[0], _written(_cells(line) for line in lines))
        _all(self._open[1], _written((" | ".join(line.said), *self._bare(cells)) for line, cells in rejected))
        for file in self._open:
            os.fsync(file)
        return os.lseek(self._open[0], 0, os.SEEK_CUR), os.lseek(self._open[1], 0, os.SEEK_CUR)

    def end(self) -> None:
        """Both are whole; without a rejected row there is no such file."""
        if os.fstat(self._open[1]).st_size > len(self._heads()[1].encode()):
            self._parts[1].rename(self.rejected)
        else:
            self._parts[1].unlink(missing_ok=True)
        self._parts[0].rename(self.outcome)
        kept(self.outcome.parent)
        self.close()

    def close(self) -> None:
        for file in self._open:
            os.close(file)
        self._open = []

    def _heads(self) -> tuple[str, str]:
        return MARK + _written([HEAD]), MARK + _written([(REASON, *self._header)])

    def _bare(self, cells: Sequence[str]) -> tuple[str, ...]:
        return tuple(text for place, text in enumerate(cells) if place not in self._own)


def kept(folder: Path) -> None:
    """What a folder holds is on the disk."""
    if os.name == "posix":
        found = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(found)
        finally:
            os.close(found)


def _cells(line: Line) -> tuple[str, ...]:
    return (str(line.row) if line.row else "", line.record, line.outcome, line.status, " ".join(line.references), " | ".join(line.said))


def _written(rows: Iterable[Sequence[str]]) -> str:
    text = StringIO(newline="")
    csv.writer(text, delimiter=";", lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _all(file: int, text: str) -> None:
    left = memoryview(text.encode("utf-8", "surrogatepass"))
    while left:
        left = left[os.write(file, left) :]
