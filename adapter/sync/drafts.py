"""What may leave for an EHR at this moment, decided in a unit of work; the EHR itself is not asked here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from adapter.clock import Clock
from adapter.dossier import content
from adapter.names import Systems
from adapter.ports import Letter, Remote, Resource, Store, Uow
from adapter.sync import halts, links, standing
from adapter.sync.acts import Leaving, Outcome
from adapter.sync.canonical import same, without_server_parts
from adapter.sync.doubts import DOUBTFUL
from adapter.sync.links import Known, Rewrite, Unlinked, moved
from adapter.sync.merge import put_over
from adapter.sync.narrow import CLOSED
from adapter.sync.ownership import Ownership
from adapter.sync.patients import Outgoing

if TYPE_CHECKING:
    from adapter.sync.together import Together

NOWHERE: Mapping[str, str] = {}
FRESH = timedelta(seconds=1)  # how long a decision holds when nothing it is made of has changed: time itself ends some


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be at the EHR: `ours` with our references, `sent` with the EHR's; `number` is our version;
    `put` what we sent there before, or tried to."""

    ours: Resource
    sent: Resource
    number: int
    known: Known | None
    put: Resource


@dataclass(frozen=True, slots=True)
class Leave:
    """The record that something leaves: `revision` of what was decided on, and when."""

    revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Going:
    """One letter on its way. `place`: where its resource will be, as others of its transaction point at it ("" for one there is, or
    that goes alone)."""

    letter: Letter
    draft: Draft
    leave: Leave
    place: str = ""

    @property
    def reference(self) -> str:
        return f"{self.letter.type}/{self.letter.id}"


@dataclass(frozen=True, slots=True)
class Round:
    """What is to be done next for a letter, as decided in one unit: `draft`, or why there is none. `leave`: that it leaves stands
    in the audit already; `parts`: the letters that go along, each with its own; `sought`: what `Patients.seek` gave of the patient
    who is not linked yet; `problem`: a fault of our own."""

    draft: Draft | Outcome | Unlinked | None = None
    leave: Leave | None = None
    parts: tuple[Going, ...] = ()
    sought: Resource | str | None = None
    problem: Exception | None = None


class Drafts:
    """`doubted`: whether a person has to check first who the letter is about."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        outgoing: Outgoing,
        leaving: Leaving,
        outward: Rewrite,
        ownership: Ownership,
        systems: Systems,
        together: Together | None = None,
        doubted: Callable[[Uow, Letter], bool] = lambda uow, letter: False,
    ) -> None:
        self._doubted = doubted
        self._store, self._clock, self._outgoing, self._leaving, self._outward = store, clock, outgoing, leaving, outward
        self._ownership, self._systems, self._together = ownership, systems, together

    def draft(self, uow: Uow, letter: Letter, places: Mapping[str, str] = NOWHERE) -> Draft | Outcome | Unlinked:
        """What may leave at this moment, or why nothing is to be sent. `places`: our reference -> where that resource will be in
        what is sent together."""
        if standing.paused(uow, letter.ehr):
            return Outcome("queued", "retry", "paused", due=uow.at)
        if stopped := halted(uow, letter):
            return stopped
        known = links.load(uow, letter.ehr, letter.type, letter.id)
        current = uow.current(letter.type, letter.id)
        if current is None or current.deleted:
            return Outcome("dropped", "withheld", "gone")
        if (known is None or (letter.type != "Patient" and known.link.sent < current.number)) and self._doubted(uow, letter):
            return Outcome("parked", "parked", DOUBTFUL)
        if letter.type == "Patient":  # linked, never updated
            return Outcome("done", "unchanged") if known else Unlinked("Patient", letter.id)
        if known is not None and known.link.sent >= current.number:
            return Outcome("done", "unchanged")
        closing = letter.type == "Consent" and content(current).get("status") in CLOSED  # the stricter side acts at once
        if not closing and links.conflict_of(uow, letter.ehr, letter.type, letter.id):
            return Outcome("conflict", "conflict", "open-conflict")
        ours = self._outgoing(uow, letter)
        if ours is None:
            return Outcome("dropped", "withheld", "withheld")
        try:
            told = links.told(uow, letter.ehr, moved(ours, places), letter.id)
            links.foreseen(uow, letter.ehr, told)
            sent = without_server_parts(self._outward(uow, letter.ehr, told), self._ownership)
        except Unlinked as missing:
            return missing
        return Draft(ours, sent, current.number, known, links.put(uow, letter.ehr, letter.type, letter.id))

    def withheld(self, uow: Uow, letter: Letter) -> bool:
        """Whether what this letter is about is there, and may not leave."""
        current = uow.current(letter.type, letter.id)
        return current is not None and not current.deleted and self._outgoing(uow, letter) is None

    def next(self, uow: Uow, letter: Letter, *, together: bool) -> Round:
        """What is sent next, with the record that it leaves; where something must be read first, the draft alone. `together`: with
        what goes along, where the EHR does transactions. In a unit that writes."""
        revision, draft = uow.revision(), self.draft(uow, letter)
        if not isinstance(draft, Draft):
            return Round(draft)
        known = draft.known
        if known is None:
            goes = links.own_identifier(draft.sent, self._systems) is not None
        else:
            goes = bool(known.link.remote_version) and not self.holds(draft.sent, Remote(known.base), draft.put)
        if not goes:
            return Round(draft)
        parts = self._together.begin(uow, self, letter, draft, revision) if together and self._together else []
        leave = parts[0].leave if parts else self.leave(uow, letter, revision)
        return Round(draft, leave, tuple(parts) if len(parts) > 1 else ())

    def may_leave(self, letter: Letter) -> Leave | None:
        """Decided again before it is sent, and in the audit before a byte leaves."""
        return self._store.write_now(lambda uow: self.leave(uow, letter, uow.revision()))

    def leave(self, uow: Uow, letter: Letter, revision: int) -> Leave | None:
        """The same, in a unit that writes; `revision`: asked before all else in it."""
        return Leave(revision, uow.at) if self._leaving(uow, letter) else None

    def still(self, going: Sequence[Going], until: datetime) -> bool:
        """Whether what was decided of all of them holds at this moment, when the bytes leave: nothing has changed since, or what
        would be sent now is the same. Else another round begins."""
        places = {each.reference: each.place for each in going if each.place}
        return self._clock.now() < until and self._store.read_now(lambda uow: self._same(uow, going, places))

    def _same(self, uow: Uow, going: Sequence[Going], places: Mapping[str, str]) -> bool:
        revision = uow.revision()  # it tells of a pause and a halt, too
        for each in going:
            if revision == each.leave.revision and uow.at - each.leave.at < FRESH:
                continue
            now = self.draft(uow, each.letter, places)
            if not isinstance(now, Draft) or (now.number, now.sent) != (each.draft.number, each.draft.sent):
                return False
        return True

    def holds(self, sent: Resource, remote: Remote, put: Resource) -> bool:
        """Whether the EHR's copy says already what we would write."""
        return same(put_over(put, sent, remote.resource, self._ownership), remote.resource, self._ownership)


def halted(uow: Uow, letter: Letter) -> Outcome | None:
    """What becomes of a letter to an EHR, or about a patient, for whom the engine stands still."""
    found = halts.held(uow, letter)
    return Outcome("queued", "retry", f"halted-{found.reason}", due=uow.at + halts.AGAIN) if found else None
