"""What time brings, done by Liaison's Device on behalf of the requester's organisation (workflow.md 2 and 3): a unit that does not answer
is reminded, a request that nobody answered is closed, a pressing file is escalated.

One job, which reconciles what is due: each act is decided anew, in the unit of work that does it, from what is stored by then. So it may
run twice, late, on two workers, and die anywhere: nothing is done twice. What was overtaken meanwhile is not done at all.
Consents end with their Task, views fade and information is owed without it (`Agreements.received`, `Window`, `Lists.owed`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from adapter.clock import Clock, instant, instant_of
from adapter.dossier import Dossier, content, load
from adapter.errors import Refused
from adapter.ports import Clause, Query, Resource, Store, Uow, Version
from adapter.referral import codes
from adapter.referral.due import PRESSING, Patience, escalated, unanswered
from adapter.referral.spoken import of_task
from adapter.sync.reach import Reach, stood

PAGE = 200  # Tasks that are read at once
DAY = timedelta(days=1)
MOST = 1000  # acts of one run: the rest is the next one's
LEASE, HELD = "due", timedelta(minutes=10)
COUNTED = "due/"  # counts of what was done begin so
_OPEN = Clause("status", "token", ("requested", "accepted"))
_PRESSING = Clause("priority", "token", tuple(sorted(PRESSING)))


Come = Callable[[Uow, Version, Resource, datetime], str]
"""(unit, Task, its content, when it was sent) -> what time has brought it to, a code of the table `reminder` or ""."""


class House(Protocol):
    """What the job asks of the house, each inside its unit of work."""

    def ehr_of(self, uow: Uow, clinic: str) -> str:
        """Name of the EHR of a clinic; "" where it has none."""
        ...

    def business(self, uow: Uow) -> str:
        """System of our business statuses."""
        ...

    def reminded(self, uow: Uow, task: str, what: str) -> bool:
        """Whether this was said of a Task before."""
        ...

    def remind(self, uow: Uow, referral: Dossier, what: str) -> None: ...
    def expire(self, uow: Uow, referral: Dossier) -> None: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """An act that is due: `what` is a code of the table `reminder`, `reference` the referral's, as it is spoken."""

    what: str
    reference: str
    task: str
    come: Come


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did, by code. `failed`: acts that were refused; `more`: others are due; `skipped`: another process was at it."""

    done: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    more: bool = False
    skipped: bool = False


@dataclass(frozen=True)
class Due:
    """The job. `ehrs`: names of the EHRs that there are; `failed(code, error)` hears of each act that was refused."""

    store: Store
    clock: Clock
    house: House
    reach: Reach
    patience: Patience
    ehrs: Callable[[], Sequence[str]]
    holder: str
    failed: Callable[[str, Exception], None] = lambda code, error: None

    def run(self) -> Report:
        """Does what is due, an act a unit of work."""
        until = self.clock.now() + HELD
        if not self.store.write_now(lambda uow: uow.lease(LEASE, holder=self.holder, until=until)):
            return Report(skipped=True)
        try:
            for ehr in self.ehrs():
                self.reach.observe(ehr)
            return self._run()
        finally:
            self.store.write_now(lambda uow: uow.lease(LEASE, holder=self.holder, until=uow.at))

    def look(self) -> list[Wanted]:
        """What a run would do now, as far as one goes; nothing is written."""
        return [wanted for _, wanted in zip(range(MOST), self._due(), strict=False)]

    def _run(self) -> Report:
        done, failed = Counter[str](), 0
        for wanted in self._due():
            if done.total() + failed == MOST:
                return Report(done, failed, more=True)
            try:
                done.update([what] if (what := self.store.write_now(lambda uow, wanted=wanted: self._act(uow, wanted))) else [])  # type: ignore[misc]
            except Refused as error:  # one referral that is not as it should be keeps no other waiting
                failed += 1
                self.failed("due-fault", error)
        return Report(done, failed)

    # ── what is due ──────────────────────────────────────────────────────────────────────────────
    def _due(self) -> Iterator[Wanted]:
        before = instant(self.clock.now() - self.patience.remind + DAY)  # what bears a date alone is of all that day
        yield from self._found(self._unanswered, Clause("status", "token", ("requested",)), Clause("authored-on", "date", (f"le{before}",)))
        yield from self._found(self._escalated, _OPEN, _PRESSING)

    def _found(self, come: Come, *clauses: Clause) -> Iterator[Wanted]:
        after: tuple[str, str] | None = None
        while True:
            query = Query("Task", clauses, count=PAGE, after=after)
            found, after = self.store.read_now(lambda uow, query=query: self._page(uow, query, come))  # type: ignore[misc]
            yield from found
            if after is None:
                return

    def _page(self, uow: Uow, query: Query, come: Come) -> tuple[list[Wanted], tuple[str, str] | None]:
        read = uow.search(query)
        wanted = [Wanted(what, of_task(content(each)), each.id, come) for each in read if (what := self._wanted(uow, each, come))]
        return wanted, (read[-1].key, read[-1].id) if len(read) == query.count else None

    def _wanted(self, uow: Uow, version: Version, come: Come) -> str:
        """What is due on a Task and was not done; "": nothing."""
        task = content(version)
        began = authored(task)
        if not come(uow, version, task, began):  # it was sent after it was written: nothing comes earlier than this
            return ""
        sent = sent_at(uow, version.id)
        what = come(uow, version, task, max(sent, began)) if sent else ""
        return "" if not what or self.house.reminded(uow, version.id, what) else what

    def _unanswered(self, uow: Uow, version: Version, task: Resource, sent: datetime) -> str:
        still = stood(uow, self.house.ehr_of(uow, version.clinic), version.id)
        return unanswered(task, sent, uow.at, stood=still, patience=self.patience)

    def _escalated(self, uow: Uow, version: Version, task: Resource, sent: datetime) -> str:
        return escalated(task, sent, uow.at, self.house.business(uow))

    def _act(self, uow: Uow, wanted: Wanted) -> str:
        """Does what is due on a Task now; "" where that was done, or overtaken, since it was looked for."""
        uow.alone()
        referral = load(uow, wanted.task)
        what = self._wanted(uow, referral.task_version, wanted.come) if referral else ""
        if referral is None or not what:
            return ""
        if what == codes.EXPIRED:
            self.house.expire(uow, referral)
        else:
            self.house.remind(uow, referral, what)
        uow.add(f"{COUNTED}{what}", 1)
        return what


def authored(task: Resource) -> datetime:
    """When a Task was written, as it says itself."""
    return instant_of(str(task.get("authoredOn", "")), UTC) or datetime(1970, 1, 1, tzinfo=UTC)


def sent_at(uow: Uow, task: str) -> datetime | None:
    """Since when a Task waits for an answer: when it first stood as requested. None: it never did."""
    stood_so = (each.updated for each in uow.history("Task", task) if not each.deleted and content(each).get("status") == "requested")
    return min(stood_so, default=None)
