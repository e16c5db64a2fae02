"""One row of a table through the intake: the record by its column map, the story by the rights of a client, what is told of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

import orjson

from adapter.acting import of_client, refusing, standing
from adapter.errors import LiaisonError, MappingError, Refused, SettingsError, StoreFault, Unavailable
from adapter.flows import Flows
from adapter.logs import failure
from adapter.mapping import Columns, Filled, Fit, RecordRefused, Told
from adapter.network import Network
from adapter.ports import Principal, Uow
from adapter.receipt import Receipt
from adapter.tables import Row

T = TypeVar("T")
SCOPE = "intake"
MEND = "mend the row in the rejected rows and send them again"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}", re.ASCII)
_DECLINED = {"refused": "the person said no: nothing is kept", "not-sent": "an opposition stands: nothing was taken in"}
_AWAY = (Unavailable, StoreFault, SettingsError, MemoryError)  # of no row's making: the run stops, and goes on later


class House(Protocol):
    """What of the App is needed."""

    async def read(self, fn: Callable[[Flows, Uow], T]) -> T: ...
    async def write(self, fn: Callable[[Flows, Uow], T]) -> T: ...
    def read_now(self, fn: Callable[[Flows, Uow], T]) -> T: ...
    def write_now(self, fn: Callable[[Flows, Uow], T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Sending:
    """Whose rows they are (`client` of the network file), and by which column map they are read."""

    client: str
    columns: Columns


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one row. `outcome`: taken | already | declined | refused (`fits` where it was only tried); `status` and `references`
    as its receipt has them; `said`: warnings, or why it was refused. `record`: its own id, "" where it has none that could be one."""

    row: int
    record: str
    outcome: str
    status: str = ""
    references: tuple[str, ...] = ()
    said: tuple[str, ...] = ()

    def dumps(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def loads(cls, kept: bytes) -> Line:
        found: dict[str, Any] = orjson.loads(kept)
        return cls(**found | {name: tuple(found[name]) for name in ("references", "said")})


def client_of(network: Network, name: str) -> str:
    """The client of that id, or the one client with the right to send records that the organisation of that key has. Raises SettingsError."""
    if network.client(name):
        return name
    found = [each.id for each in network.clients if each.active and each.organisation == name and SCOPE in each.scopes]
    if len(found) != 1:
        some = ", ".join(found or [each.id for each in network.clients if each.active and SCOPE in each.scopes]) or "none: liaison client add"
        nobody = "no client of that id, and no organisation of that key that may send records"
        text = "several clients of this organisation may send records" if found else nobody
        raise SettingsError(text, variable="client", fix=f"name a client: {some}")
    return found[0]


def sending(story: Flows, uow: Uow, client: str) -> Principal:
    """The client as it may send records now, by the network file in force. Raises Unauthorized, Forbidden."""
    entry = story.network.client(client)
    if entry is None:
        raise SettingsError("no such client in force", variable=client, fix="`liaison client list` names them")
    who = of_client(story, entry, scopes=frozenset(entry.scopes))
    with refusing(who, "token", verb="scope", request_id=""):
        standing(story, who, at=uow.at, scope=SCOPE)
    return who


@dataclass(frozen=True)
class Rows:
    """The rows of one table on their way. `fit`: the column map on its header."""

    house: House
    sending: Sending
    fit: Fit

    async def take(self, row: Row, *, note: str) -> Line:
        """The row taken in, or why not. What was taken stands under the name `note` in the same commit. Raises what is of no row's making:
        the database is away, the settings are wrong."""
        filled = self._filled(row)
        if filled.problems:
            return self._refused(row, filled.problems)
        warned = [said(each) for each in filled.warnings]

        def refer(story: Flows, uow: Uow) -> Line:
            who = sending(story, uow, self.sending.client)
            with refusing(who, "intake", verb="create", request_id=""):
                receipt = story.refer(uow, who, self.sending.columns.mapping.name, filled.record)
            line = self._line(row, receipt, warned)
            uow.keep(note, line.dumps())
            return line

        try:
            return await self.house.write(refer)
        except _AWAY:
            raise
        except Exception as error:
            return self._refused(row, self._why(error))

    async def attempt(self, row: Row) -> Line:
        """What would become of the row, by the network file alone; nothing is kept."""
        filled = self._filled(row)
        if filled.problems:
            return self._refused(row, filled.problems)

        def attempt(story: Flows, uow: Uow) -> Line:
            report = story.intake.tried(uow, sending(story, uow, self.sending.client), self.sending.columns.mapping.name, filled.record)
            if problems := [self._told(each["path"], each["text"]) for each in report["problems"]]:
                return self._refused(row, problems)
            warned = [*filled.warnings, *(self._told(each["path"], each["text"]) for each in report["warnings"])]
            outcome = "declined" if report["refused"] else "fits"
            return Line(row.number, self._record(row), outcome, said=tuple(map(said, warned)))

        try:
            return await self.house.read(attempt)
        except _AWAY:
            raise
        except Exception as error:
            return self._refused(row, self._why(error))

    def _filled(self, row: Row) -> Filled:
        filled = self.fit.record(row.cells)
        used = [fault for fault in row.faults if fault.column in self.fit.back or fault.column not in row.cells]
        return Filled(filled.record, filled.warnings, [*(Told(self.fit.back.get(each.column, each.column), "", each.text) for each in used), *filled.problems])

    def _line(self, row: Row, receipt: Receipt, warned: Iterable[str]) -> Line:
        outcome = "already" if receipt.replayed else "declined" if receipt.status in _DECLINED else "taken"
        told = [*warned, *(said(self._told(each["path"], each["text"])) for each in receipt.warnings)]
        told += [_DECLINED[receipt.status]] if receipt.status in _DECLINED else []
        return Line(row.number, receipt.record, outcome, receipt.status, tuple(each["reference"] for each in receipt.referrals), tuple(told))

    def _refused(self, row: Row, why: Iterable[Told]) -> Line:
        return Line(row.number, self._record(row), "refused", said=tuple(map(said, why)))

    def _record(self, row: Row) -> str:
        """The row's own id, as far as it could be one: what else stands there is not repeated."""
        feed = next(each for each in self.fit.columns.feeds if each.path == self.fit.columns.mapping.id_field)
        parts = [row.cells.get(self.fit.names.get(name, ""), "").strip() for name in feed.columns]
        found = feed.cell.read(feed.join.join(filter(None, parts))).text
        return found if _ID.fullmatch(found) else ""

    def _told(self, path: str, text: str) -> Told:
        return Told(self.fit.columns.column_of(path), path, text)

    def _why(self, error: Exception) -> list[Told]:
        """Every reason of a refusal, at its column. Of an error that nobody foresaw its class and our line: its words may hold values."""
        if isinstance(error, RecordRefused):
            return [self._told(each.path, each.text) for each in error.problems]
        if isinstance(error, Refused):
            return [self._told(each.expression, each.text) for each in error.issues]
        if isinstance(error, MappingError):
            return [Told("", error.path, error.text)]
        if isinstance(error, LiaisonError):
            return [Told("", "", str(error))]
        found = failure(error)
        return [Told("", "", f"an error nobody foresaw ({found['error']} at {found.get('where', '?')}): please report it; {MEND}")]


def said(told: Told) -> str:
    """`Column (path): text`."""
    place = f"{told.column} ({told.path})" if told.column and told.path else told.column or told.path
    return f"{place}: {told.text}" if place else told.text
