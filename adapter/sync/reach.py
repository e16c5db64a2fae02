"""For how long a recipient could not be reached by us, so that the clock of its answer stands still (workflow.md 2).

A unit has its list and its view here: it is reached as long as we run. Three things stand in the way, each read from what is stored:
the Task did not get, as it now is, to the EHR in which the unit works (or that EHR was not heard of for a business day: an answer given
there would not be known); the EHR that masters the clinic's Consents was not heard of, so that its files are shown to nobody (S14); an
EHR says that the patient is another person, so that this file is not shown. A Subscription that fails is none of them: it only tells
that there is something to read.

What was seen is kept by EHR, of the Tasks that still wait for an answer, and forgotten with them: since when it cannot be reached, and
how long that was before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from adapter.clock import instant
from adapter.dossier import content, patient_of
from adapter.ports import Clause, Query, Resource, Store, Uow, Version
from adapter.sync.canonical import moment
from adapter.sync.halts import halts

PAGE = 200
Rows = dict[str, list[object]]  # id of a Task -> what is kept of it, as `_told` has it
NOTHING: list[object] = ["", 0.0]
Since = Callable[[Uow, str], datetime | None]


@dataclass(frozen=True, slots=True)
class Reach:
    """`away`: since when an EHR was not heard of for too long; `closed`: since when nothing of the clinic's patients is shown for that;
    `works_here(uow, ehr, task)`: the unit works in that EHR; `sent`: since when a Task waits for its answer."""

    store: Store
    away: Since
    closed: Since
    works_here: Callable[[Uow, str, Resource], bool]
    sent: Callable[[Uow, str], datetime | None]

    def observe(self, ehr: str) -> None:
        """Brings what is kept of an EHR's clinic up to date. Run by one at a time."""
        before = self.store.read_now(lambda uow: _kept(uow, ehr))
        after = {task: row for page in self._waiting(ehr, before) for task, row in page.items()}
        if after != before:
            self.store.write_now(lambda uow: uow.keep(_name(ehr), orjson.dumps(after)))

    def _waiting(self, ehr: str, before: Rows) -> Iterator[Rows]:
        after: tuple[str, str] | None = None
        while True:
            page, after = self.store.read_now(lambda uow, after=after: self._page(uow, ehr, before, after))  # type: ignore[misc]
            yield page
            if after is None:
                return

    def _page(self, uow: Uow, ehr: str, before: Rows, after: tuple[str, str] | None) -> tuple[Rows, tuple[str, str] | None]:
        waiting = (Clause("status", "token", ("requested",)),)
        found = uow.search(Query("Task", waiting, clinics=frozenset({ehr}), count=PAGE, after=after))
        shut, away, halted = self.closed(uow, ehr), self.away(uow, ehr), {each.patient: each.at for each in halts(uow, ehr) if each.patient}
        rows: Rows = {}
        for version in found:
            task = content(version)
            since = [shut, halted.get(patient_of(task)), *(self._there(uow, ehr, version, away) if self.works_here(uow, ehr, task) else ())]
            known, began = before.get(version.id), min(filter(None, since), default=None)
            if began and not (known and known[0]):
                began = max(began, self.sent(uow, version.id) or began)
            row = _told(known, began, uow.at)
            rows |= {version.id: row} if row else {}
        return rows, (found[-1].key, found[-1].id) if len(found) == PAGE else None

    def _there(self, uow: Uow, ehr: str, version: Version, away: datetime | None) -> list[datetime | None]:
        """Since when the Task is not there as it now is, and since when nothing was heard from there."""
        link = uow.link(ehr, "Task", version.id)
        lacking = self.sent(uow, version.id) if link is None else version.updated if link.sent < version.number else None
        return [lacking, away]


def stood(uow: Uow, ehr: str, task: str) -> timedelta:
    """How long the clock of a Task has stood still until now."""
    if ("unreached", ehr) not in uow.memo:
        uow.memo["unreached", ehr] = _kept(uow, ehr)
    rows: Rows = uow.memo["unreached", ehr]
    since, before = _read(rows.get(task) or NOTHING)
    return before + (uow.at - since if since else timedelta(0))


def _told(row: list[object] | None, since: datetime | None, at: datetime) -> list[object] | None:
    """What is kept of a Task from now on: [since when it cannot be reached ("": it can), seconds before that]; None: nothing."""
    began, before = _read(row or NOTHING)
    if began and since is None:
        before, began = before + (at - began), None
    elif since and not began:
        began = since
    return [instant(began) if began else "", before.total_seconds()] if began or before else None


def _read(row: list[object]) -> tuple[datetime | None, timedelta]:
    return moment(str(row[0])), timedelta(seconds=float(str(row[1])))


def _kept(uow: Uow, ehr: str) -> Rows:
    found: Rows = orjson.loads(uow.kept(_name(ehr)) or b"{}")
    return found


def _name(ehr: str) -> str:
    return f"unreached/{ehr}"
