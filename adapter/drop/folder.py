"""The watched folder: `ROOT/CLIENT/COLUMN-MAP/table.csv`, taken in by the timer. CLIENT: a client of the network file, or an organisation
with one client that may send records.

A table is taken once it is as it was at the look before (a name that ends in `.part`, or begins with `.` or `~`, is left alone): by one
rename into a folder of its own under `taking/`. There its outcome grows; when it is whole, one rename brings that folder to `taken/`,
where it stays as long as a setting says. A process that was killed leaves it in `taking/`, and the next look goes on with it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapter.clock import Clock
from adapter.drop.files import PART, TABLES, Busy, Files, kept
from adapter.drop.rows import House, Sending, client_of, sending
from adapter.drop.run import Run
from adapter.errors import Refused, SettingsError
from adapter.mapping import Columns

TAKING, TAKEN = "taking", "taken"
BATCHES = 8  # of one look: who stops the process does not wait for a hundred thousand rows
_STAMP = re.compile(r"(\d{8}T\d{6})Z-[0-9a-f]{12}", re.ASCII)
Tell = Callable[[str, int], None]


class Folder:
    """The folder of one process. `look()` is called by the timer; `tell(code, count)` hears what the log should have: no name of a file."""

    def __init__(self, root: Path, house: House, clock: Clock, *, columns: Mapping[str, Columns], keep: timedelta, tell: Tell) -> None:
        """Raises SettingsError where the folder is not there, or may not be written in."""
        if not root.is_dir() or not os.access(root, os.R_OK | os.W_OK | os.X_OK):
            fix = "make the folder, with one for each client and in it one for each column map, or unset LIAISON_DROP_DIR"
            raise SettingsError(f"no folder {root} that may be written in", variable="LIAISON_DROP_DIR", fix=fix)
        self._root, self._house, self._clock, self._columns, self._keep, self._tell = root, house, clock, columns, keep, tell
        self._seen: dict[Path, tuple[int, int]] | None = None
        self._run: Run | None = None
        self._place: Path | None = None
        self._waiting = 0

    def look(self) -> None:
        """Takes what is whole, goes on with what was taken, forgets what is old. The first look only looks. Raises LiaisonError: what was
        being taken in goes on at the next look."""
        before, self._seen = self._seen, {}
        waiting = 0
        for place, owner, name in list(self._places()):
            found = list(self._dropped(place))
            client = self._client(owner)
            if client is None or name not in self._columns:
                waiting += len(found)
                continue
            for table, size in found:
                if table.suffix.lower() not in TABLES:
                    waiting += 1
                elif before is not None and before.get(table) == size:
                    self._take(table)
                else:
                    self._seen[table] = size
            self._forget(place / TAKEN)
        if waiting and waiting != self._waiting:
            self._tell("drop-waits", waiting)
        self._waiting = waiting
        if before is not None:
            self._go_on()

    def close(self) -> None:
        if self._run:
            self._run.close()
        self._run = self._place = None

    def _places(self) -> Iterator[tuple[Path, str, str]]:
        """(folder, client, column map)."""
        for owner in sorted(self._root.iterdir()):
            if owner.is_dir() and not owner.is_symlink():
                for place in sorted(owner.iterdir()):
                    if place.is_dir() and not place.is_symlink():
                        yield place, owner.name, place.name

    def _dropped(self, place: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
        for each in sorted(place.iterdir()):
            with contextlib.suppress(OSError):  # it has gone meanwhile
                found = each.lstat()
                if stat.S_ISREG(found.st_mode) and each.suffix != PART and each.name[0] not in ".~":
                    yield each, (found.st_size, found.st_mtime_ns)

    def _client(self, owner: str) -> str | None:
        """The client whose folder it is, if it may send records now."""
        try:
            client = self._house.read_now(lambda story, _: client_of(story.network, owner))
            self._house.read_now(lambda story, uow: sending(story, uow, client))
        except (Refused, SettingsError):
            return None
        return client

    def _take(self, table: Path) -> None:
        stamp = self._clock.now().astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        place = table.parent / TAKING / f"{stamp}-{self._clock.new_id().replace('-', '')[-12:]}"
        place.mkdir(mode=0o700, parents=True)
        with contextlib.suppress(OSError):  # another's file: the folder keeps others out
            table.chmod(0o600)
        table.rename(place / table.name)
        kept(place)

    def _go_on(self) -> None:
        for _ in range(BATCHES):
            if self._run is None and not self._begin():
                return
            assert self._run is not None and self._place is not None
            try:
                left = self._run.step()
            except BaseException:
                self.close()  # the next look begins it again, from what the store has
                raise
            if not left:
                counts, place = self._run.tally.counts, self._place
                self.close()
                self._done(place, counts["refused"])
                self._tell("drop-done", counts.total())

    def _begin(self) -> bool:
        """The next table in `taking/` that no other process is at; False where there is none."""
        for place, owner, name in self._places():
            client = self._client(owner)
            if client is None or name not in self._columns or not (place / TAKING).is_dir():
                continue
            for each in sorted((place / TAKING).iterdir()):
                tables = [found for found in each.iterdir() if found.suffix != PART] if each.is_dir() else []
                if not tables:
                    with contextlib.suppress(OSError):
                        each.rmdir()  # killed before the table was in it
                    continue
                table = min(tables, key=lambda found: len(found.name))  # its outcome has a longer name
                if self._started(table, Sending(client, self._columns[name])):
                    return True
        return False

    def _started(self, table: Path, what: Sending) -> bool:
        if Files(table).whole:  # killed before it was brought away
            self._done(table.parent, 0)
            return False
        try:
            self._run, self._place = Run(self._house, table, what, id=table.parent.name), table.parent
        except Busy:
            return False
        except SettingsError as error:  # of the table: no row of it was taken
            files = Files(table)
            files.open((0, 0))
            files.add([Run.refused(error)], [])
            files.end()
            self._done(table.parent, 1)
            return False
        return True

    def _done(self, place: Path, refused: int) -> None:
        Run.forget(self._house, place.name)
        taken = place.parent.parent / TAKEN
        taken.mkdir(mode=0o700, exist_ok=True)
        place.rename(taken / place.name)
        kept(taken)
        if refused:
            self._tell("drop-refused", refused)

    def _forget(self, taken: Path) -> None:
        """What was taken longer ago than the setting says goes: the tables and the rejected rows hold personal data."""
        oldest = self._clock.now() - self._keep
        for each in taken.iterdir() if taken.is_dir() else ():
            found = _STAMP.fullmatch(each.name)
            if found and datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) < oldest:
                shutil.rmtree(each)


