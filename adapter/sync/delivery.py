"""Brings one resource up to date at one EHR: create, merge, adopt, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from adapter.clock import Clock
from adapter.errors import EhrRejected, EhrStale, EhrUnknown, Unavailable
from adapter.names import Systems
from adapter.ports import ConflictRow, EhrClient, Letter, Link, Remote, Resource, Store, Uow
from adapter.sync import links, proof, reading, retry
from adapter.sync.acts import Act, Outcome, What, cited, tried_before
from adapter.sync.canonical import content_hash, encode
from adapter.sync.doubles import REASON, CannotLook, Doubles
from adapter.sync.drafts import Draft, Drafts, Going, Leave, Round, halted
from adapter.sync.inbound import GONE, Arrival, Inbound
from adapter.sync.line import turn
from adapter.sync.links import Known, Unlinked
from adapter.sync.merge import put_over
from adapter.sync.ownership import Ownership
from adapter.sync.patients import WITHHELD, Patients
from adapter.sync.reading import Readings

if TYPE_CHECKING:
    from adapter.sync.together import Together

ABSENT = "absent"  # reason of a letter whose resource a person has looked for at the EHR in vain


class _GoneThere(Exception):
    """The linked copy is not at the EHR any more."""


class Delivery:
    """One letter's way to one EHR. Holds no state between letters."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        drafts: Drafts,
        patients: Patients,
        inbound: Inbound,
        ownership: Ownership,
        systems: Systems,
        doubles: Doubles,
        proofs: proof.Proofs | None = None,
        readings: Readings | None = None,
        together: Together | None = None,
    ) -> None:
        self._store, self._clock, self.drafts, self._patients, self._inbound = store, clock, drafts, patients, inbound
        self._doubles, self._proofs, self._readings, self._together = doubles, proofs, readings, together
        self._ownership, self._systems = ownership, systems

    def begin(self, uow: Uow, letter: Letter) -> Round | None:
        """The letter's first round, decided in the unit that takes it: one commit for both. None: it decides by itself."""
        if letter.lane.startswith(reading.LANE) or letter.type == proof.TYPE or _looked_for(letter):
            return None
        try:
            return self._next(uow, letter, together=True)
        except Unavailable:
            raise
        except Exception as problem:  # told when the letter is sent, so that it is tried so often and no more
            return Round(problem=problem)

    def deliver(self, client: EhrClient, letter: Letter, *, until: datetime, begun: Round | None = None) -> Outcome:
        """The outcome to settle `letter` with; `begun`: what `begin` gave. Raises EhrError and its kinds. No round begins after
        `until`, when the lease ends. A letter that was taken before is looked for before anything is repeated."""
        other = letter.lane.startswith(reading.LANE) or letter.type == proof.TYPE  # all else asks in its draft
        if other and (stopped := self._store.read_now(lambda uow: halted(uow, letter))):
            return stopped
        if letter.lane.startswith(reading.LANE):
            return self._readings.deliver(client, letter) if self._readings else Outcome("dropped", "withheld", "withheld")
        if letter.type == proof.TYPE:
            return self._proofs.deliver(client, letter) if self._proofs else Outcome("dropped", "withheld", "withheld")
        try:
            return self._rounds(client, letter, until, begun)
        except CannotLook:
            return Outcome("parked", "parked", "cannot-look")
        except _GoneThere:
            if letter.type != "Consent":
                return Outcome("parked", "parked", GONE)
            self._inbound.lost(letter.ehr, letter.type, letter.id)
            return Outcome("dropped", "withheld", GONE)  # no copy is made anew, and what follows still goes its way

    def would(self, uow: Uow, letter: Letter) -> tuple[str, str]:
        """What the letter would do if it went now (create | look | update | read | nothing), and why or what it waits for, as a code: for a
        person who asks before anything is sent."""
        if letter.lane.startswith(reading.LANE):
            return "read", ""
        if letter.type == proof.TYPE:
            return "create", ""
        draft = self.drafts.draft(uow, letter)
        if isinstance(draft, Outcome):
            return "nothing", draft.reason or draft.what
        if isinstance(draft, Unlinked):
            return "create", f"after-{draft.type}"
        if draft.known is None:
            return ("look", letter.reason) if letter.attempts or letter.fence else ("create", "")
        return ("nothing", "unchanged") if self.drafts.holds(draft.sent, Remote(draft.known.base), draft.put) else ("update", "")

    def _rounds(self, client: EhrClient, letter: Letter, until: datetime, begun: Round | None) -> Outcome:
        look, together = _looked_for(letter), True
        theirs: Remote | None = None
        draft: Draft | Outcome | Unlinked | None = None
        for _ in range(2 * retry.STALE_ROUNDS):
            if self._clock.now() >= until:
                return Outcome("queued", "retry", "lease-ended", due=self._clock.now())
            sending = not look and theirs is None  # else it is first read what is there
            decide = partial(self._next, letter=letter, together=together) if sending else partial(self._looked, letter=letter)
            now = begun or (self._store.write_now(decide) if sending else self._store.read_now(decide))
            draft, begun = now.draft, None
            if now.problem:
                raise now.problem
            if isinstance(draft, Outcome):
                return draft
            if isinstance(draft, Unlinked):
                found = self._patient(client, letter, draft.id, now.sought, decide) if draft.type == "Patient" else self.unlinked(letter, draft)
                if isinstance(found, Outcome):
                    return found
                begun = found
                continue
            assert draft is not None
            if now.parts and self._together:
                if outcome := self._together.send(self, client, now.parts, until):
                    return outcome
                together = False
                continue
            outcome, theirs = self._round(client, letter, draft, now.leave, theirs, until, look=look)
            if outcome is not None:
                return outcome
            look = False
        return self._lost_race(letter, draft, theirs)

    def _next(self, uow: Uow, letter: Letter, *, together: bool) -> Round:
        """`Drafts.next`, and for a patient who is not linked yet, that the EHR is asked who it is."""
        now = self.drafts.next(uow, letter, together=together)
        if isinstance(now.draft, Unlinked) and now.draft.type == "Patient":
            return replace(now, sought=self._patients.seek(uow, letter, now.draft.id))
        return now

    def _looked(self, uow: Uow, letter: Letter) -> Round:
        return Round(self.drafts.draft(uow, letter))

    def _round(
        self, client: EhrClient, letter: Letter, draft: Draft, leave: Leave | None, theirs: Remote | None, until: datetime, *, look: bool
    ) -> tuple[Outcome | None, Remote | None]:
        try:
            if draft.known is None:
                return self._create(client, letter, draft, leave, until, look=look)
            if theirs is None and (look or not draft.known.link.remote_version):
                theirs = _current(client, draft.known.link)
            return self._update(client, letter, draft, draft.known, leave, theirs, until)
        except EhrUnknown:
            self._store.write_now(lambda uow: links.tried(uow, letter.ehr, letter.type, letter.id, draft.sent, self._ownership))
            raise

    def _create(
        self, client: EhrClient, letter: Letter, draft: Draft, leave: Leave | None, until: datetime, *, look: bool
    ) -> tuple[Outcome | None, Remote | None]:
        """Creates it, or finds that it is there already: then what stands there is judged, and merged in the next round. After a
        create that was not alone on its way the EHR may have it twice: then it is looked for once more (Y-04)."""
        own = links.own_identifier(draft.sent, self._systems)
        if own is None:
            return Outcome("parked", "parked", "no-identifier"), None
        if look and not _unheard(letter) and not self._doubles.searchable(letter.ehr):
            look = False  # the tries before certainly did nothing
        found = self._doubles.find(client, letter, own) if look else []
        created = None
        if not found:
            leave = leave or self.drafts.may_leave(letter)
            if leave is None:
                return Outcome("dropped", "withheld", "withheld"), None
            with turn(client):
                if not self.drafts.still([Going(letter, draft, leave)], until):
                    return None, None
                try:
                    created = client.create(draft.sent, if_none_exist=own)
                except EhrRejected as error:
                    if error.status_code != 412:
                        raise  # 412: several match (Y-05)
            if created is None or look or self._clock.now() >= until:
                found = self._again(client, letter, own, created)
        if len(found) > 1:
            return self._mended(client, letter, draft, found)
        remote = found[0] if found else created
        if remote is None:
            return Outcome("parked", "parked", REASON), None
        if self.drafts.holds(draft.sent, remote, {}):
            return self.done(letter, draft, remote, "created" if created and created.id == remote.id else "adopted"), None
        link = Link(letter.ehr, letter.type, letter.id, remote.id, base=encode(draft.sent))
        self._inbound.take_in(letter.ehr, [Arrival(remote, assumed=Known(link, draft.put or draft.sent))])
        return None, remote

    def _update(
        self, client: EhrClient, letter: Letter, draft: Draft, known: Known, leave: Leave | None, theirs: Remote | None, until: datetime
    ) -> tuple[Outcome | None, Remote | None]:
        """Puts our elements over what the EHR has. What it changed itself is judged first: nothing of it is overwritten unseen."""
        if theirs is not None and content_hash(theirs.resource, self._ownership) != known.link.content_hash:
            self._inbound.take_in(letter.ehr, [Arrival(theirs)], again=client.read)
            return None, theirs
        there = theirs or Remote(known.base, known.link.remote_version)
        if self.drafts.holds(draft.sent, there, draft.put):
            return self.done(letter, draft, there, "adopted" if _unheard(letter) else "unchanged"), None
        leave = leave or self.drafts.may_leave(letter)
        if leave is None:
            return Outcome("dropped", "withheld", "withheld"), None
        merged = put_over(draft.put, draft.sent, there.resource, self._ownership)
        try:
            with turn(client):
                if not self.drafts.still([Going(letter, draft, leave)], until):
                    return None, theirs
                return self.done(letter, draft, client.update(merged, if_match=there.version), "updated"), None
        except EhrStale:
            return None, _current(client, known.link)

    def _again(self, client: EhrClient, letter: Letter, own: tuple[str, str], created: Remote | None) -> list[Remote]:
        """The copies there after a create; where nobody can look, the one that it made."""
        made = [created] if created else []
        try:
            found = self._doubles.find(client, letter, own)
        except CannotLook:
            return made
        return found + [each for each in made if each.id not in {there.id for there in found}]  # its index may be late

    def _mended(self, client: EhrClient, letter: Letter, draft: Draft, found: list[Remote]) -> tuple[Outcome | None, Remote | None]:
        try:
            return None, self._doubles.mend(client, letter, found, sent=draft.put or draft.sent)
        except EhrRejected:
            return Outcome("parked", "parked", REASON), None

    def done(self, letter: Letter, draft: Draft, remote: Remote, what: What) -> Outcome:
        link = links.linked(letter.ehr, letter.type, letter.id, remote, self._ownership, sent=draft.number)
        act = Act(
            what, letter.ehr, letter.type, letter.id, number=draft.number, remote=cited(letter.type, remote.id, remote.version),
            resource=draft.ours if what in ("created", "updated", "adopted") else None,
        )  # fmt: skip

        def remember(uow: Uow) -> None:
            links.save_new(uow, Known(link, draft.sent), letter)
            if self._proofs and act.resource is not None:  # it was written there, by this try or by one that nobody heard of
                self._proofs.post(uow, letter, remote, number=draft.number)

        return Outcome("done", what, act=act, remember=remember)

    def _patient(self, client: EhrClient, letter: Letter, id: str, sought: Resource | str | None, then: Callable[[Uow], Round]) -> Outcome | Round:
        """The patient linked, and the round after it decided with that: `then`."""
        asked = sought or self._store.write_now(lambda uow: self._patients.seek(uow, letter, id))
        found = asked if isinstance(asked, str) else self._patients.link(client, letter, id, asked, then)
        if isinstance(found, Round):
            return found
        return Outcome("dropped", "withheld", WITHHELD) if found == WITHHELD else Outcome("parked", "parked", found)

    def unlinked(self, letter: Letter, missing: Unlinked) -> Outcome | None:
        """None when the gap is closed. Another lane's letter that will close it is waited for, anything else is a person's."""
        linked, lane = self._store.read_now(lambda uow: (uow.link(letter.ehr, missing.type, missing.id), _underway(uow, letter, missing)))
        if linked:  # by another lane's letter, since this one looked
            return None
        if lane == letter.lane:  # queued before there was what it points to now, it goes behind that
            return Outcome("done", "retry", "waits", remember=lambda uow: _last(uow, letter))
        if lane:
            return Outcome("queued", "retry", "waits", due=retry.later(letter.attempts, self._clock))
        request = replace(letter, type=missing.type, id=missing.id, attempts=0, fence=0)
        if missing.type == "ServiceRequest" and self._store.read_now(lambda uow: self.drafts.withheld(uow, request)):
            return Outcome("dropped", "withheld", WITHHELD)  # the request may not leave, so neither does what belongs to it
        return Outcome("parked", "parked", f"unlinked-{missing.type}")

    def _lost_race(self, letter: Letter, draft: Draft | Unlinked | Outcome | None, theirs: Remote | None) -> Outcome:
        """The EHR changed it under us every time."""
        if not isinstance(draft, Draft):
            return Outcome("parked", "parked", "unlinked")
        if theirs is None:  # ours changed under us every time
            return Outcome("queued", "retry", "changing", due=retry.later(letter.attempts, self._clock))
        ours = draft.ours
        there = (draft.known.base if draft.known else {}, theirs.resource)

        def remember(uow: Uow) -> None:
            base, seen = (encode(self._inbound.in_our_references(uow, letter.ehr, each)) for each in there)
            uow.save_conflict(ConflictRow(letter.ehr, letter.type, letter.id, "stale", base, encode(ours), seen, uow.at))

        return Outcome("conflict", "conflict", "stale", remember=remember)


def _looked_for(letter: Letter) -> bool:
    """Whether it is looked for before it is sent: it may be there already, and nobody has looked in vain."""
    return letter.reason != ABSENT and tried_before(letter)


def _unheard(letter: Letter) -> bool:
    """Whether an earlier try may have arrived: its answer was lost, or it was taken and never settled."""
    return letter.state == "unknown" or letter.fence > 2 * letter.attempts + 1


def _current(client: EhrClient, link: Link) -> Remote:
    found = client.read(link.type, link.remote_id)
    if found is None:
        raise _GoneThere
    return found


def _underway(uow: Uow, letter: Letter, missing: Unlinked) -> str:
    """The lane of a letter that will bring what is missing; its own where there is one; ""."""
    waiting = uow.letters(states=("queued", "unknown"), ehr=letter.ehr, about=(missing.type, missing.id))
    lanes = {each.lane for each in waiting}
    return letter.lane if letter.lane in lanes else next(iter(lanes), "")


def _last(uow: Uow, letter: Letter) -> None:
    """The same letter again, the last of its lane."""
    uow.post(replace(letter, state="queued", due=uow.at, key=0, fence=0))
