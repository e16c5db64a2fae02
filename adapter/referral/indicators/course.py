"""What happened to one referral, as small frozen records: all that an indicator may know of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapter.referral.codes import MISDIRECTED
from adapter.referral.states import NEEDS_REASON, TAKEN, TERMINAL

UNSAID = "non-dit"  # no reason, no result was given
UNANSWERED = "sans-reponse"
_VOID = "entered-in-error"
RESULTS = ("satisfait", "partiel", "non-satisfait", "abandonne")  # table need-result


@dataclass(frozen=True, slots=True)
class Move:
    """The Task came to `status` at `at` (aware); `reason` is a code of `status-reason`, "" for none."""

    at: datetime
    status: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Meeting:
    """An Appointment: `status` as FHIR has it (booked, fulfilled, noshow, cancelled…)."""

    start: datetime
    status: str


@dataclass(frozen=True, slots=True)
class Course:
    """`asked`: ServiceRequest.authoredOn, in the network's zone; `person`: any token that is the same for the same person, never
    told; `unit`: Task.owner; `moves`: oldest first; `results`: codes of `need-result`, one for each need that has one; `told`: the
    outcome reached who asked; `withdrawn`: the agreement was taken back; `opened`: opening time of the unit until the first contact
    (None: no contact yet, or nobody knows its hours); `days_avoided`: hospital days avoided as the prescriber declared them.
    `area` and `age`: for the equity cuts, "" where nobody knows."""

    asked: datetime
    person: str
    unit: str
    moves: tuple[Move, ...]
    needs: tuple[str, ...] = ()
    meetings: tuple[Meeting, ...] = ()
    results: tuple[str, ...] = ()
    told: bool = False
    withdrawn: bool = False
    opened: timedelta | None = None
    days_avoided: int | None = None
    area: str = ""
    age: str = ""

    @property
    def now(self) -> Move:
        return self.moves[-1]

    @property
    def sent(self) -> bool:
        """Whether its recipient was ever asked: not a draft, one given up as a draft, or one made in error."""
        said = [each.status for each in self.moves if each.status != "draft"]
        return bool(said) and said[0] != "cancelled" and _VOID not in said

    def first(self, statuses: Collection[str]) -> datetime | None:
        """When the Task first came to one of these."""
        return next((each.at for each in self.moves if each.status in statuses), None)

    @property
    def contacted(self) -> datetime | None:
        return self.first(("in-progress",))

    @property
    def accepted(self) -> datetime | None:
        return self.first(TAKEN)

    @property
    def decided(self) -> datetime | None:
        return self.first(TAKEN | {"rejected"})

    @property
    def completed(self) -> datetime | None:
        return self.now.at if self.now.status == "completed" else None

    @property
    def met(self) -> datetime | None:
        """The first appointment that was kept."""
        return min((each.start for each in self.meetings if each.status == "fulfilled"), default=None)

    @property
    def stage(self) -> str:
        """Where it stands: waiting, running, completed, failed, rejected, cancelled-before or cancelled-after (acceptance)."""
        status = self.now.status
        if status == "cancelled":
            return "cancelled-after" if self.accepted else "cancelled-before"
        return status if status in TERMINAL else "running" if self.accepted else "waiting"

    @property
    def decision(self) -> str:
        return "accepted" if self.accepted else "rejected" if self.now.status == "rejected" else "undecided"

    @property
    def reason(self) -> str:
        """Why it ended so; "" where that needs no reason."""
        return (self.now.reason or UNSAID) if self.now.status in NEEDS_REASON & TERMINAL else ""

    @property
    def misdirected(self) -> bool:
        return self.reason == MISDIRECTED and self.now.status in ("rejected", "cancelled")

    @property
    def unanswered(self) -> bool:
        return self.reason == UNANSWERED and self.now.status == "cancelled"

    @property
    def result(self) -> str:
        """One code for the whole of a completed referral: that of all its needs where they agree; else partly met."""
        said = {each for each in self.results if each in RESULTS}
        return said.pop() if len(said) == 1 else "partiel" if said else UNSAID
