"""Brings one resource up to date at one EHR: create, merge, adopt, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from adapter.clock import Clock
from adapter.dossier import content
from adapter.errors import EhrStale, EhrUnknown
from adapter.names import Systems
from adapter.ports import ConflictRow, EhrClient, Letter, Link, Remote, Resource, Store, Uow
from adapter.sync import links, proof, reading, retry
from adapter.sync.acts import Act, Leaving, Outcome, What, cited
from adapter.sync.canonical import content_hash, encode, same, without_server_parts
from adapter.sync.inbound import GONE, Arrival, Inbound
from adapter.sync.links import Known, Rewrite, Unlinked
from adapter.sync.merge import put_over
from adapter.sync.narrow import CLOSED
from adapter.sync.ownership import Ownership
from adapter.sync.patients import WITHHELD, Outgoing, Patients
from adapter.sync.reading import Readings


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is to be at the EHR: `ours` with our references, `sent` with the EHR's; `number` is our version;
    `put` what we sent there before, or tried to."""

    ours: Resource
    sent: Resource
    number: int
    known: Known | None
    put: Resource


class _GoneThere(Exception):
    """The linked copy is not at the EHR any more."""


class Delivery:
    """One letter's way to one EHR. Holds no state between letters."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        outgoing: Outgoing,
        leaving: Leaving,
        outward: Rewrite,
        patients: Patients,
        inbound: Inbound,
        ownership: Ownership,
        systems: Systems,
        proofs: proof.Proofs | None = None,
        readings: Readings | None = None,
    ) -> None:
        self._readings = readings
        self._store, self._clock, self._outgoing, self._leaving, self._outward = store, clock, outgoing, leaving, outward
        self._proofs = proofs
        self._patients, self._inbound, self._ownership, self._systems = patients, inbound, ownership, systems

    def deliver(self, client: EhrClient, letter: Letter, *, until: datetime) -> Outcome:
        """The outcome to settle `letter` with. Raises EhrError and its kinds. No round begins after `until`, when
        the lease ends. A letter that was taken before is looked for before anything is repeated."""
        if letter.lane.startswith(reading.LANE):
            return self._readings.deliver(client, letter) if self._readings else Outcome("dropped", "withheld", "withheld")
        if letter.type == proof.TYPE:
            return self._proofs.deliver(client, letter) if self._proofs else Outcome("dropped", "withheld", "withheld")
        try:
            return self._rounds(client, letter, until)
        except _GoneThere:
            if letter.type != "Consent":
                return Outcome("parked", "parked", GONE)
            self._inbound.lost(letter.ehr, letter.type, letter.id)
            return Outcome("dropped", "withheld", GONE)  # no copy is made anew, and what follows still goes its way

    def _rounds(self, client: EhrClient, letter: Letter, until: datetime) -> Outcome:
        look = letter.state == "unknown" or letter.attempts > 0 or letter.fence > 1
        theirs: Remote | None = None
        draft: _Draft | Outcome | Unlinked | None = None
        for _ in range(2 * retry.STALE_ROUNDS):
            if self._clock.now() >= until:
                return Outcome("queued", "retry", "lease-ended", due=self._clock.now())
            draft = self._store.read_now(lambda uow: self._draft(uow, letter))
            if isinstance(draft, Outcome):
                return draft
            if isinstance(draft, Unlinked):
                stuck = self._unlinked(client, letter, draft)
                if stuck is not None:
                    return stuck
                continue
            outcome, theirs = self._round(client, letter, draft, theirs, look=look)
            if outcome is not None:
                return outcome
            look = False
        return self._lost_race(letter, draft, theirs)

    def _round(
        self, client: EhrClient, letter: Letter, draft: _Draft, theirs: Remote | None, *, look: bool
    ) -> tuple[Outcome | None, Remote | None]:
        try:
            if draft.known is None:
                return self._create(client, letter, draft, look=look)
            if theirs is None and (look or not draft.known.link.remote_version):
                theirs = _current(client, draft.known.link)
            return self._update(client, letter, draft, draft.known, theirs)
        except EhrUnknown:
            self._store.write_now(lambda uow: links.tried(uow, letter.ehr, letter.type, letter.id, draft.sent, self._ownership))
            raise

    def _draft(self, uow: Uow, letter: Letter) -> _Draft | Outcome | Unlinked:
        """What may leave at this moment, or why nothing is to be sent."""
        known = links.load(uow, letter.ehr, letter.type, letter.id)
        current = uow.current(letter.type, letter.id)
        if current is None or current.deleted:
            return Outcome("dropped", "withheld", "gone")
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
            sent = without_server_parts(self._outward(uow, letter.ehr, links.told(uow, letter.ehr, ours, letter.id)), self._ownership)
        except Unlinked as missing:
            return missing
        return _Draft(ours, sent, current.number, known, links.put(uow, letter.ehr, letter.type, letter.id))

    def _create(self, client: EhrClient, letter: Letter, draft: _Draft, *, look: bool) -> tuple[Outcome | None, Remote | None]:
        """Creates it, or finds that it is there already: then what stands there is judged, and merged in the next round."""
        own = links.own_identifier(draft.sent, self._systems)
        if own is None:
            return Outcome("parked", "parked", "no-identifier"), None
        found = _find(client, letter.type, own) if look else []
        if len(found) > 1:
            return Outcome("parked", "parked", "doubled-there"), None
        if not found and not self._may_leave(letter):
            return Outcome("dropped", "withheld", "withheld"), None
        remote = found[0] if found else client.create(draft.sent, if_none_exist=own)
        if self._holds(draft.sent, remote, {}):
            return self._done(letter, draft, remote, "adopted" if found else "created"), None
        link = Link(letter.ehr, letter.type, letter.id, remote.id, base=encode(draft.sent))
        self._inbound.take_in(letter.ehr, [Arrival(remote, assumed=Known(link, draft.put or draft.sent))])
        return None, remote

    def _update(
        self, client: EhrClient, letter: Letter, draft: _Draft, known: Known, theirs: Remote | None
    ) -> tuple[Outcome | None, Remote | None]:
        """Puts our elements over what the EHR has. What it changed itself is judged first: nothing of it is overwritten unseen."""
        if theirs is not None and content_hash(theirs.resource, self._ownership) != known.link.content_hash:
            self._inbound.take_in(letter.ehr, [Arrival(theirs)])
            return None, theirs
        standing = theirs or Remote(known.base, known.link.remote_version)
        if self._holds(draft.sent, standing, draft.put):
            return self._done(letter, draft, standing, "adopted" if _unheard(letter) else "unchanged"), None
        if not self._may_leave(letter):
            return Outcome("dropped", "withheld", "withheld"), None
        merged = put_over(draft.put, draft.sent, standing.resource, self._ownership)
        try:
            return self._done(letter, draft, client.update(merged, if_match=standing.version), "updated"), None
        except EhrStale:
            return None, _current(client, known.link)

    def _may_leave(self, letter: Letter) -> bool:
        """Decided again at the moment of sending, and in the audit before a byte leaves."""
        return self._store.write_now(lambda uow: self._leaving(uow, letter))

    def _holds(self, sent: Resource, remote: Remote, put: Resource) -> bool:
        """Whether the EHR's copy says already what we would write."""
        return same(put_over(put, sent, remote.resource, self._ownership), remote.resource, self._ownership)

    def _done(self, letter: Letter, draft: _Draft, remote: Remote, what: What) -> Outcome:
        link = links.linked(letter.ehr, letter.type, letter.id, remote, self._ownership, sent=draft.number)
        act = Act(
            what, letter.ehr, letter.type, letter.id, number=draft.number, remote=cited(letter.type, remote.id, remote.version),
            resource=draft.ours if what in ("created", "updated", "adopted") else None,
        )  # fmt: skip

        def remember(uow: Uow) -> None:
            links.save(uow, Known(link, draft.sent))
            if self._proofs and act.resource is not None:  # it was written there, by this try or by one that nobody heard of
                self._proofs.post(uow, letter, remote, number=draft.number)

        return Outcome("done", what, act=act, remember=remember)

    def _unlinked(self, client: EhrClient, letter: Letter, missing: Unlinked) -> Outcome | None:
        """None when the gap is closed. Another lane's letter that will close it is waited for, anything else is a person's."""
        if missing.type == "Patient":
            reason = self._patients.link(client, letter, missing.id)
            if reason == WITHHELD:
                return Outcome("dropped", "withheld", WITHHELD)
            return Outcome("parked", "parked", reason) if reason else None
        lane = self._store.read_now(lambda uow: _underway(uow, letter, missing))
        if lane == letter.lane:  # queued before there was what it points to now, it goes behind that
            return Outcome("done", "retry", "waits", remember=lambda uow: _last(uow, letter))
        if lane:
            return Outcome("queued", "retry", "waits", due=retry.later(letter.attempts, self._clock))
        return Outcome("parked", "parked", f"unlinked-{missing.type}")

    def _lost_race(self, letter: Letter, draft: _Draft | Unlinked | Outcome | None, theirs: Remote | None) -> Outcome:
        """The EHR changed it under us every time."""
        if not isinstance(draft, _Draft) or theirs is None:
            return Outcome("parked", "parked", "unlinked")
        ours = draft.ours
        there = (draft.known.base if draft.known else {}, theirs.resource)

        def remember(uow: Uow) -> None:
            base, seen = (encode(self._inbound.in_our_references(uow, letter.ehr, each)) for each in there)
            uow.save_conflict(ConflictRow(letter.ehr, letter.type, letter.id, "stale", base, encode(ours), seen, uow.at))

        return Outcome("conflict", "conflict", "stale", remember=remember)


def _unheard(letter: Letter) -> bool:
    """Whether an earlier try may have arrived: its answer was lost, or it was taken and never settled."""
    return letter.state == "unknown" or letter.fence > 2 * letter.attempts + 1


def _current(client: EhrClient, link: Link) -> Remote:
    found = client.read(link.type, link.remote_id)
    if found is None:
        raise _GoneThere
    return found


def _find(client: EhrClient, type: str, own: tuple[str, str]) -> list[Remote]:
    pages = client.search(type, [("identifier", "|".join(own))])
    return [remote for page in pages for remote in page if remote.resource.get("resourceType") == type]


def _underway(uow: Uow, letter: Letter, missing: Unlinked) -> str:
    """The lane of a letter that will bring what is missing; its own where there is one; ""."""
    waiting = uow.letters(states=("queued", "unknown"), ehr=letter.ehr)
    lanes = {each.lane for each in waiting if (each.type, each.id) == (missing.type, missing.id)}
    return letter.lane if letter.lane in lanes else next(iter(lanes), "")


def _last(uow: Uow, letter: Letter) -> None:
    """The same letter again, the last of its lane."""
    uow.post(replace(letter, state="queued", due=uow.at, key=0, fence=0))
