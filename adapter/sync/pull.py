"""Reads what changed at one EHR, by cursor (sync.md 5.3, Y-16 to Y-24).

The cursor is the newest `meta.lastUpdated` that the EHR itself gave, moved only after the whole chain of pages was
committed, and never beyond our own time: a clock that jumps ahead there hides nothing. Each poll reads again what lies within
the overlap: late commits, equal times and a clock set back fall into it; what was seen before is recognised by content and costs
nothing. Once a day, and always where the EHR does not search by time, everything is read: so deletions are found, and whatever
else was missed.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from adapter.clock import Clock
from adapter.dossier import split
from adapter.errors import EhrError, EhrRejected, EhrUnavailable
from adapter.ports import EhrClient, Link, Store, Uow
from adapter.sync import halts, heard, retry
from adapter.sync.cursors import Cursor, Tried, cursor_name, tried_name
from adapter.sync.inbound import Arrival, Inbound, Outcome
from adapter.sync.probe import Mode, learned, mode_of
from adapter.sync.reads import read_many
from adapter.sync.searches import CONSENTS, FLOOR, REFERRALS, Hours, Search, own_searches
from adapter.sync.sweep import unseen
from adapter.sync.walk import PAGE, Walk, Walked

OVERLAP = timedelta(minutes=5)
SWEEP = timedelta(days=1)  # between two looks at everything
RUN = timedelta(minutes=10)  # the lease of one run; a page still out after that is taken in by whoever comes next
Searches = Callable[[Uow], Sequence[Search]]

__all__ = ["CONSENTS", "OVERLAP", "PAGE", "REFERRALS", "Cursor", "Pull", "Report", "Search", "Tried", "cursor_name", "own_searches", "tried_name"]


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did: outcomes by type; `skipped`: another process had the lease; `gone`: copies that are not there any more."""

    ehr: str
    outcomes: dict[str, Counter[Outcome]] = field(default_factory=dict)
    skipped: bool = False
    gone: int = 0

    @property
    def total(self) -> Counter[Outcome]:
        return sum(self.outcomes.values(), Counter[Outcome]())


def _always(searches: Sequence[Search], uow: Uow) -> Sequence[Search]:
    return searches


class Pull:
    """The pull of one EHR. `holder` names this process in leases. `searches`: what to ask for, or how to find out; `hours`: whether it
    may be asked now for what can wait; `people(batch)`: looks at the patients' records there, after the rest."""

    def __init__(
        self,
        store: Store,
        client: EhrClient,
        inbound: Inbound,
        clock: Clock,
        *,
        searches: Sequence[Search] | Searches,
        holder: str,
        overlap: timedelta = OVERLAP,
        hours: Hours = lambda: True,
        people: Callable[[bool], object] = lambda batch: None,
    ) -> None:
        self._store, self._client, self._inbound, self._clock = store, client, inbound, clock
        self._searches: Searches = searches if callable(searches) else partial(_always, searches)
        self._holder, self._overlap, self._hours, self._people = holder, overlap, hours, people
        self._running = threading.Lock()  # the lease is this process's: of its threads one at a time

    @property
    def ehr(self) -> str:
        return self._client.name

    def run(self, *, now: bool = False) -> Report:
        """Runs the searches that are due, or all of them `now`. Raises EhrError; what was committed before it stays,
        and the next run begins again at the old watermark. Raises Halted while the engine stands still for the EHR."""
        due = self._due(now=now)
        if not due:
            return Report(self.ehr)
        if not self._running.acquire(blocking=False):
            return Report(self.ehr, skipped=True)
        try:
            return self._leased(due) if self._lease(RUN) else Report(self.ehr, skipped=True)
        finally:
            self._running.release()

    def _leased(self, due: Sequence[Search]) -> Report:
        types = frozenset(search.type for search in due)
        try:
            told = self._store.write_now(lambda uow: heard.take(uow, self.ehr, types)) if self._heard() else {}
            report = self._read(due, told)
            if told:
                self._store.write_now(lambda uow: heard.done(uow, self.ehr, types))
            self._tried(None)
            return report
        except EhrError as error:
            self._tried(error)
            raise
        finally:
            self._lease(timedelta(0))

    def look(self) -> Report:
        """What a run would find now, without taking anything in or moving a cursor. Raises EhrError."""
        outcomes: dict[str, Counter[Outcome]] = {}
        for search in self._store.read_now(lambda uow: list(self._searches(uow))):
            outcomes.setdefault(search.type, Counter()).update(self._walk(search, self._inbound.look).tally)
        return Report(self.ehr, outcomes)

    def _heard(self) -> dict[str, list[str]]:
        return self._store.read_now(lambda uow: heard.heard(uow, self.ehr))

    def _read(self, due: Sequence[Search], told: Mapping[str, Sequence[str]] = {}) -> Report:
        if stopped := self._store.read_now(lambda uow: halts.halted(uow, self.ehr)):
            raise halts.Halted(stopped.reason)
        outcomes: dict[str, Counter[Outcome]] = {}
        missing: list[Link] = []
        whole, refusals = True, list[EhrRejected]()
        for search in due:
            try:
                walked, gone = self._search(search)
            except EhrRejected as error:  # this search, and no other for that
                refusals.append(error)
                whole = False
                continue
            outcomes.setdefault(search.type, Counter()).update(walked.tally)
            missing += gone
            whole = whole and walked.whole
        for type, ids in told.items():
            outcomes.setdefault(type, Counter()).update(self._named(type, ids))
        lost = self._missing(missing)
        if any(not search.always for search in due):
            self._people(self._mode().batch)
            if whole:
                self._store.write_now(lambda uow: halts.settled(uow, self.ehr))
        if refusals:
            raise refusals[0]
        return Report(self.ehr, outcomes, gone=lost)

    def _search(self, search: Search) -> tuple[Walked, list[Link]]:
        """What it gave, and which of ours it did not show although it showed everything."""
        started, cursor = self._clock.now(), self._cursor(search)
        walked = self._walk(search, self._inbound.take_in)
        missing: list[Link] = []
        if walked.whole and not search.by:
            missing, vanished = unseen(self._store, self.ehr, search.type, walked.seen)
            if vanished and not self._store.read_now(lambda uow: halts.accepted(uow, self.ehr)):
                self._inbound.stop(self.ehr, "vanished")
        newest = max((time for time in (cursor.watermark, walked.newest) if time), default=None)
        moved = Cursor(min(newest, started) if newest else None, started, started if walked.whole else cursor.swept)
        self._store.write_now(lambda uow: self._moved(uow, search, moved, walked))
        return walked, missing

    def _walk(self, search: Search, take_in: Callable[..., Counter[Outcome]]) -> Walked:
        cursor, mode = self._cursor(search), self._mode()
        afresh = self._store.read_now(lambda uow: halts.afresh(uow, self.ehr))
        swept = cursor.swept is not None and cursor.swept + SWEEP > self._clock.now() and not afresh
        since = cursor.watermark - self._overlap if cursor.watermark and swept else None
        leased = self._clock.now()

        def taken(arrivals: Sequence[Arrival]) -> Counter[Outcome]:
            nonlocal leased
            if self._clock.now() - leased > RUN / 2:
                leased = self._clock.now()
                self._lease(RUN)
            tally = take_in(self.ehr, arrivals, again=self._client.read)
            if search.by and tally.keys() & {"applied", "seen", "conflict"}:
                self._refresh(arrivals, take_in)
            return tally

        return Walk(self._client, search.type, search.params, take_in=taken, since=since, timed=mode.last_updated, certain=not search.by).through()

    def _refresh(self, arrivals: Sequence[Arrival], take_in: Callable[..., Counter[Outcome]]) -> None:
        """What changed Tasks point to may have changed with them, and no search of ours shows it (refer-4)."""
        pointed = [str(each.remote.resource.get("focus", {}).get("reference", "")) for each in arrivals]
        known = self._store.read_now(lambda uow: [each for each in dict.fromkeys(pointed) if uow.link_by_remote(self.ehr, *split(each))])
        found = [remote for _, remote in read_many(self._client, known, batch=self._mode().batch) if remote]
        take_in(self.ehr, [Arrival(each, now=True) for each in found], again=self._client.read)

    def _named(self, type: str, ids: Sequence[str]) -> Counter[Outcome]:
        """Reads those that the EHR named and that we have a copy of, for its searches may be behind (Y-21). What is not there is left to
        the searches: nobody's notification makes anything absent."""
        linked = self._store.read_now(lambda uow: [f"{type}/{id}" for id in ids if uow.link_by_remote(self.ehr, type, id)])
        tally = Counter[Outcome]()
        try:
            for _, found in read_many(self._client, linked, batch=self._mode().batch):
                if found is not None:
                    tally += self._inbound.take_in(self.ehr, [Arrival(found, now=True)], again=self._client.read)
        except EhrRejected:  # one that may not be read: the searches say so where it matters
            return tally
        return tally

    def _missing(self, missing: Sequence[Link]) -> int:
        """Looks for each where it should be: what is gone is lost, what is there was only not shown."""
        links = {f"{link.type}/{link.remote_id}": link for link in missing}
        lost = 0
        for reference, found in read_many(self._client, list(links), batch=self._mode().batch):
            if found is None:
                self._inbound.lost(self.ehr, links[reference].type, links[reference].id)
                lost += 1
            else:
                self._inbound.take_in(self.ehr, [Arrival(found, now=True)], again=self._client.read)
        return lost

    def _moved(self, uow: Uow, search: Search, cursor: Cursor, walked: Walked) -> None:
        uow.keep(cursor_name(self.ehr, search.type, search.by), cursor.encode())
        if not walked.timed:
            learned(uow, self.ehr, last_updated=False)

    def _tried(self, error: EhrError | None) -> None:
        """Remembers how it went. An EHR that is away is left alone for longer each time, or for as long as it asked."""
        before = self._store.read_now(lambda uow: Tried.decode(uow.kept(tried_name(self.ehr))))
        at, misses = self._clock.now(), before.misses + 1 if error else 0
        asked = error.retry_at if isinstance(error, EhrUnavailable) else None
        rests = max(filter(None, (asked, retry.later(misses, self._clock)))) if error else None
        tried = Tried(at, type(error).__name__ if error else "", misses, rests)
        self._store.write_now(lambda uow: uow.keep(tried_name(self.ehr), tried.encode()))

    def _due(self, *, now: bool) -> list[Search]:
        at, open, told = self._clock.now(), self._hours(), self._heard()
        soonest = heard.SOONEST if not told or self._mode().last_updated else FLOOR  # where each search reads everything, no oftener than a poll may

        def waiting(uow: Uow, search: Search) -> bool:
            ran = Cursor.decode(uow.kept(cursor_name(self.ehr, search.type, search.by))).ran
            every = min(search.every, soonest) if search.type in told else search.every
            return (search.always or open) and (ran is None or ran + every <= at)

        def due(uow: Uow) -> list[Search]:
            rests = Tried.decode(uow.kept(tried_name(self.ehr))).rests
            if now:
                return list(self._searches(uow))
            return [] if rests and at < rests else [search for search in self._searches(uow) if waiting(uow, search)]

        return self._store.read_now(due)

    def _cursor(self, search: Search) -> Cursor:
        return self._store.read_now(lambda uow: Cursor.decode(uow.kept(cursor_name(self.ehr, search.type, search.by))))

    def _mode(self) -> Mode:
        return self._store.read_now(lambda uow: mode_of(uow, self.ehr))

    def _lease(self, length: timedelta) -> bool:
        until = self._clock.now() + length
        return self._store.write_now(lambda uow: uow.lease(f"pull/{self.ehr}", holder=self._holder, until=until))

