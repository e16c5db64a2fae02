"""Reads what changed at one EHR, by cursor (sync.md 5.3, Y-16 to Y-19).

The cursor is the newest `meta.lastUpdated` that the EHR itself gave, moved only after the whole chain of pages was
committed. Each poll reads again what lies within the overlap: late commits, equal times and a clock set back fall into
it; what was seen before is recognised by content and costs nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapter.clock import Clock, instant
from adapter.errors import EhrError
from adapter.names import Systems
from adapter.ports import EhrClient, Remote, Store, Uow
from adapter.sync.canonical import moment
from adapter.sync.inbound import Arrival, Inbound, Outcome
from adapter.sync.links import own_system

OVERLAP = timedelta(minutes=5)
CONSENTS = timedelta(minutes=15)  # day and night (workflow.md 4)
REFERRALS = timedelta(hours=1)  # SDOHCC task-11; task-12 sets the floor of 15 minutes
PAGE = 50
RUN = timedelta(minutes=10)  # the lease of one run; a page still out after that is taken in by whoever comes next


@dataclass(frozen=True, slots=True)
class Search:
    """What to ask for one type. `every`: how often."""

    type: str
    params: tuple[tuple[str, str], ...]
    every: timedelta


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a search has come: `watermark` in the EHR's time, `ran` in ours."""

    watermark: datetime | None = None
    ran: datetime | None = None

    def encode(self) -> bytes:
        return json.dumps({"watermark": self.watermark and instant(self.watermark), "ran": self.ran and instant(self.ran)}).encode()

    @classmethod
    def decode(cls, value: bytes | None) -> Cursor:
        stored = json.loads(value) if value else {}
        return cls(moment(stored.get("watermark") or ""), moment(stored.get("ran") or ""))


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did: outcomes by type; `skipped`: another process had the lease."""

    ehr: str
    outcomes: dict[str, Counter[Outcome]] = field(default_factory=dict)
    skipped: bool = False

    @property
    def total(self) -> Counter[Outcome]:
        return sum(self.outcomes.values(), Counter[Outcome]())


def own_searches(systems: Systems, *, consents: timedelta = CONSENTS, referrals: timedelta = REFERRALS) -> tuple[Search, ...]:
    """The default: everything that carries an identifier of ours, Consents first, Tasks before the requests that end with
    them. It finds exactly what we sent,
    whoever the requester is, and needs no knowledge of the EHR's own ids. Where an EHR cannot search by `system|`,
    give searches by requester or patient instead."""
    kinds = (("Consent", consents), ("Task", referrals), ("ServiceRequest", referrals))
    return tuple(Search(type, (("identifier", f"{own_system(type, systems)}|"),), every) for type, every in kinds)


def cursor_name(ehr: str, type: str) -> str:
    """Under which name a cursor is kept."""
    return f"pull/{ehr}/{type}"


@dataclass(frozen=True, slots=True)
class Tried:
    """The last run at one EHR: when it ended, and with which error ("" for none)."""

    at: datetime | None = None
    error: str = ""

    def encode(self) -> bytes:
        return json.dumps({"at": self.at and instant(self.at), "error": self.error}).encode()

    @classmethod
    def decode(cls, value: bytes | None) -> Tried:
        stored = json.loads(value) if value else {}
        return cls(moment(stored.get("at") or ""), str(stored.get("error", "")))


def tried_name(ehr: str) -> str:
    """Under which name the last run is kept."""
    return f"pull-tried/{ehr}"


class Pull:
    """The pull of one EHR. `holder` names this process in leases."""

    def __init__(
        self,
        store: Store,
        client: EhrClient,
        inbound: Inbound,
        clock: Clock,
        *,
        searches: Sequence[Search],
        holder: str,
        overlap: timedelta = OVERLAP,
    ) -> None:
        self._store, self._client, self._inbound, self._clock = store, client, inbound, clock
        self._searches, self._holder, self._overlap = tuple(searches), holder, overlap

    @property
    def ehr(self) -> str:
        return self._client.name

    def run(self, *, now: bool = False) -> Report:
        """Runs the searches that are due, or all of them `now`. Raises EhrError; what was committed before it stays,
        and the next run begins again at the old watermark."""
        due = self._due(now=now)
        if not due:
            return Report(self.ehr)
        if not self._lease(RUN):
            return Report(self.ehr, skipped=True)
        try:
            report = Report(self.ehr, {search.type: self._search(search) for search in due})
            self._tried("")
            return report
        except EhrError as error:
            self._tried(type(error).__name__)
            raise
        finally:
            self._lease(timedelta(0))

    def _tried(self, error: str) -> None:
        tried = Tried(self._clock.now(), error)
        self._store.write_now(lambda uow: uow.keep(tried_name(self.ehr), tried.encode()))

    def _due(self, *, now: bool) -> list[Search]:
        at = self._clock.now()
        cursors = self._store.read_now(lambda uow: [self._cursor(uow, search) for search in self._searches])
        pairs = zip(self._searches, cursors, strict=True)
        return [search for search, cursor in pairs if now or cursor.ran is None or cursor.ran + search.every <= at]

    def _search(self, search: Search) -> Counter[Outcome]:
        started = self._clock.now()
        cursor = self._store.read_now(lambda uow: self._cursor(uow, search))
        tally: Counter[Outcome] = Counter()
        newest = cursor.watermark
        for page in self._client.search(search.type, self._params(search, cursor)):
            found = [remote for remote in page if remote.resource.get("resourceType") == search.type]
            tally += self._inbound.take_in(self.ehr, [Arrival(remote) for remote in found])
            newest = max((time for time in (newest, *map(_updated, found)) if time), default=None)
        moved = Cursor(newest, started)
        self._store.write_now(lambda uow: uow.keep(cursor_name(self.ehr, search.type), moved.encode()))
        return tally

    def _params(self, search: Search, cursor: Cursor) -> list[tuple[str, str]]:
        since = [("_lastUpdated", f"ge{instant(cursor.watermark - self._overlap)}")] if cursor.watermark else []
        return [*search.params, *since, ("_sort", "_lastUpdated"), ("_count", str(PAGE))]

    def _cursor(self, uow: Uow, search: Search) -> Cursor:
        return Cursor.decode(uow.kept(cursor_name(self.ehr, search.type)))

    def _lease(self, length: timedelta) -> bool:
        until = self._clock.now() + length
        return self._store.write_now(lambda uow: uow.lease(f"pull/{self.ehr}", holder=self._holder, until=until))


def _updated(remote: Remote) -> datetime | None:
    return moment(str(remote.resource.get("meta", {}).get("lastUpdated", "")))
