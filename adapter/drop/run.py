"""A whole table, a batch of rows at a time, such that a kill -9 at any moment doubles no row, loses none, and leaves no gap in the outcome.

What became of a row stands in the commit that took it in (`note`). Once a batch is told in the files, and they are on the disk, one unit
of work keeps how far they go and forgets those notes. Who begins again cuts the files to what was kept, and tells the rows behind it from
their notes; a row without one was not taken.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from adapter.drop.files import Files
from adapter.drop.rows import House, Line, Rows, Sending
from adapter.errors import MappingError, SettingsError
from adapter.flows import Flows
from adapter.mapping import Fit
from adapter.ports import Uow
from adapter.tables import Row, Table, opened

BATCH = 256  # rows of one fsync: four of the writer's commits
FRESH: dict[str, Any] = {"row": 0, "counts": {}, "sizes": [0, 0]}


@dataclass
class Tally:
    """How many rows ended how; `row`: the last that is told."""

    row: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def count(self, lines: list[Line]) -> None:
        self.counts.update(line.outcome for line in lines)
        self.row = lines[-1].row


def fitted(table: Table, sending: Sending) -> Fit:
    """The column map on the table's header. Raises SettingsError naming the table."""
    try:
        return sending.columns.against(table.columns)
    except MappingError as error:
        raise SettingsError(f"{error.text} [{error.document}]", variable=table.path.name, fix="mend the header, or the column map") from None


class Run:
    """One table on its way. `id`: what it is known by when it goes on after a crash; `step()` until it says that nothing is left."""

    def __init__(self, house: House, table: Path, sending: Sending, *, id: str) -> None:
        """Raises SettingsError for a table or header that cannot be read, Busy where another process is at it."""
        self._house, self._name, self._notes = house, f"drop {id}", f"drop-row {id} "
        self._stack = ExitStack()
        try:
            self.table = self._stack.enter_context(opened(table))
            self._rows = Rows(house, sending, fitted(self.table, sending))
            self.files = Files(table, self.table.header)
            self._stack.callback(self.files.close)
            self.tally = self._begun()
        except BaseException:
            self._stack.close()
            raise
        self.left_out = self._rows.fit.left
        self._left: Iterator[Row] = (row for row in self.table if row.number > self.tally.row)
        self._first = True
        self.broken: SettingsError | None = None

    @classmethod
    def is_begun(cls, house: House, id: str) -> bool:
        return house.read_now(lambda _, uow: uow.kept(f"drop {id}")) is not None

    @classmethod
    def forget(cls, house: House, id: str) -> None:
        """Nothing of the run is kept in the store any more."""

        def forget(_: Flows, uow: Uow) -> None:
            for start in (f"drop {id}", f"drop-row {id} "):
                uow.discard(start)

        house.write_now(forget)

    def step(self) -> bool:
        """Takes the next batch in; False when nothing is left, and the files are whole. Raises Unavailable where the database is away: the
        run goes on with a new one of the same id."""
        batch = self._batch()
        if not batch:
            if self.broken:
                self.files.add([self.refused(self.broken)], [])
                self.tally.counts["refused"] += 1
            self.files.end()
            return False
        told = self._told(batch) if self._first else {}
        self._first = False
        lines = asyncio.run(self._taken(batch, told))
        sizes = self.files.add(lines, [(line, row.written) for line, row in zip(lines, batch, strict=True) if line.outcome == "refused"])
        self.tally.count(lines)
        self._keep(sizes)
        return True

    def close(self) -> None:
        self._stack.close()

    @staticmethod
    def refused(error: SettingsError) -> Line:
        """The line about a table, of no row of it."""
        return Line(0, "", "refused", said=(f"{error}; {error.fix}",))

    def _batch(self) -> list[Row]:
        rows: list[Row] = []
        try:
            for row in self._left:
                rows.append(row)
                if len(rows) == BATCH:
                    break
        except SettingsError as error:  # it cannot be read from here on
            self.broken = error
        return rows

    async def _taken(self, batch: list[Row], told: dict[int, Line]) -> list[Line]:
        """Handed over together, in the order of the table: the writer commits them together."""
        todo = [row for row in batch if row.number not in told]
        found = await asyncio.gather(*(self._rows.take(row, note=self._note(row)) for row in todo))
        lines = told | {line.row: line for line in found}
        return [lines[row.number] for row in batch]

    def _note(self, row: Row) -> str:
        return f"{self._notes}{row.number}"

    def _told(self, batch: list[Row]) -> dict[int, Line]:
        """Of these rows, what became of those that were taken before a crash."""
        names = {self._note(row): row.number for row in batch}
        found = self._house.read_now(lambda _, uow: uow.kept_many(*names))
        return {names[name]: Line.loads(kept) for name, kept in found.items()}

    def _begun(self) -> Tally:
        kept = self._house.read_now(lambda _, uow: uow.kept(self._name))
        found: dict[str, Any] = orjson.loads(kept) if kept else FRESH
        if not self.files.open((found["sizes"][0], found["sizes"][1])):
            found = FRESH  # the rows that are in are told as such
        if found is FRESH:
            self._house.write_now(lambda _, uow: uow.keep(self._name, orjson.dumps(FRESH)))
        return Tally(found["row"], Counter(found["counts"]))

    def _keep(self, sizes: tuple[int, int]) -> None:
        kept = orjson.dumps({"row": self.tally.row, "counts": self.tally.counts, "sizes": sizes})

        def keep(_: Flows, uow: Uow) -> None:
            uow.keep(self._name, kept)
            uow.discard(self._notes)

        self._house.write_now(keep)


def tried(house: House, table: Path, sending: Sending, *, tell: Callable[[Line, Table], None]) -> Tally:
    """Every row tried, nothing kept or written. Raises SettingsError as `Run` does."""
    tally = Tally()
    with opened(table) as found:
        rows = Rows(house, sending, fitted(found, sending))
        left = iter(found)

        async def attempted(batch: list[Row]) -> list[Line]:
            return await asyncio.gather(*map(rows.attempt, batch))

        while batch := list(islice(left, BATCH)):
            lines = asyncio.run(attempted(batch))
            tally.count(lines)
            for line in lines:
                tell(line, found)
    return tally
