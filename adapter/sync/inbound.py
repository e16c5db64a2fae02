"""Takes in what an EHR has: the one way by which a change made there reaches us, for pull and for push alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NoReturn

from adapter.dossier import content, subject_of
from adapter.errors import MappingError, Refused
from adapter.ports import ConflictRow, Link, Remote, Resource, Store, Uow
from adapter.sync import halts, links
from adapter.sync.acts import Act, Audited, cited
from adapter.sync.canonical import content_hash, encode, moment
from adapter.sync.judge import Judgement, judge
from adapter.sync.light import left_there
from adapter.sync.links import Known, Rewrite, conflict_of
from adapter.sync.ownership import Ownership

Outcome = Literal["echo", "touched", "older", "unlinked", "seen", "applied", "conflict", "frozen"]
"""echo: our own write, or the same again; touched: a new version that says the same; seen: nothing in it for us; frozen:
about a patient for whom the engine stands still."""
NEWS = ("seen", "touched")
GONE = "gone-there"


@dataclass(frozen=True, slots=True)
class Pulled:
    """A change of the EHR that may be taken in. `next` is our resource with it; `base`, `theirs`, `ours` are the
    EHR's content before and now and ours, all with our references. `actor`: "requester" or "target"."""

    ehr: str
    type: str
    id: str
    number: int  # our version that `next` is built on
    next: Resource
    base: Resource
    theirs: Resource
    ours: Resource
    actor: str
    remote: str  # "Task/7/_history/3" at the EHR
    gone: bool = False  # the copy is not there any more: nobody said anything
    done: tuple[Remote, ...] = ()  # what came of the work of a unit that works there, as the EHR has it


@dataclass(frozen=True, slots=True)
class Arrival:
    """A resource as the EHR showed it. `assumed`: what to compare it with when no link is stored yet. `now`: it was read by
    itself, so whatever its time says it is what stands there; only a lower version number is of before. `done`: the Procedures that a Task points to.
    `digest`: its content hash, once it was made."""

    remote: Remote
    assumed: Known | None = None
    now: bool = False
    done: tuple[Remote, ...] = ()
    digest: str = ""


Again = Callable[[str, str], Remote | None]
"""(type, the EHR's id) -> what stands there now: `EhrClient.read`."""


class _Refusal(Exception):
    def __init__(self, at: int) -> None:
        super().__init__("a pulled change was refused")
        self.at = at


class Inbound:
    """`apply(uow, pulled)` makes the change ours (it may raise Refused: then a person decides);
    `inward` rewrites references to ours; `works_here(uow, ehr, task)`: the owning unit works in that EHR."""

    def __init__(
        self,
        store: Store,
        *,
        apply: Callable[[Uow, Pulled], None],
        inward: Rewrite,
        ownership: Ownership,
        audited: Audited,
        works_here: Callable[[Uow, str, Resource], bool] = lambda uow, ehr, task: False,
    ) -> None:
        self._store, self._apply, self._inward = store, apply, inward
        self._ownership, self._audited, self._works_here = ownership, audited, works_here

    def in_our_references(self, uow: Uow, ehr: str, resource: Resource) -> Resource:
        """What a conflict row keeps of the EHR's."""
        return self._inward(uow, ehr, resource)

    def lost(self, ehr: str, type: str, id: str) -> None:
        """The EHR has its copy no more (404 or 410). A Consent counts as absent from this moment on, and a person is told
        (C-E8), who ends the referral or asks anew: a deletion is not the person's word. What nothing depends on is only put
        before a person."""
        self._store.write_now(lambda uow: self._lost(uow, ehr, type, id))

    def _lost(self, uow: Uow, ehr: str, type: str, id: str) -> None:
        known, current = links.load(uow, ehr, type, id), uow.current(type, id)
        standing = conflict_of(uow, ehr, type, id)
        if known is None or current is None or current.deleted or (standing and standing.reason == GONE):
            return
        ours, remote = content(current), cited(type, known.link.remote_id, known.link.remote_version)
        number = current.number
        links.lose(uow, ehr, type, id)
        if type == "Consent" and ours.get("status") == "active":
            absent = {**ours, "status": "inactive"}
            self._apply(uow, Pulled(ehr, type, id, number, absent, base=known.base, theirs={}, ours=ours, actor="requester", remote=remote, gone=True))
            number += 1
        links.save(uow, replace(known, link=replace(known.link, sent=number)))  # nothing more is sent to a copy that is not there
        uow.save_conflict(ConflictRow(ehr, type, id, GONE, encode(known.base), encode(ours), encode({}), uow.at))
        self._audited(uow, Act("gone", ehr, type, id, number=number, remote=remote, reason=GONE))

    def look(self, ehr: str, arrivals: Sequence[Arrival], *, again: Again | None = None) -> Counter[Outcome]:
        """What `take_in` would make of a page, as far as it shows without doing it or reading `again`: "seen" is news."""
        return Counter(outcome for _, outcome in self._store.read_now(lambda uow: self._all_known(uow, ehr, arrivals)))

    def take_in(self, ehr: str, arrivals: Sequence[Arrival], *, again: Again | None = None) -> Counter[Outcome]:
        """Takes in a page, in one write unit: all of it or nothing. What `apply` refuses becomes a conflict row
        in a second run. Returns how many had which outcome. Nothing is written for echoes. What is older than known is
        read `again`: a search may show what was (Y-21). Raises Halted where the EHR is, or is from now on."""
        arrivals = [replace(each, digest=self._digest(each)) for each in arrivals]
        found = self._store.read_now(lambda uow: self._all_known(uow, ehr, arrivals))
        if again is not None and any(outcome == "older" for _, outcome in found):
            arrivals = [self._current(ehr, each, again) if outcome == "older" else each for each, (_, outcome) in zip(arrivals, found, strict=True)]
            found = self._store.read_now(lambda uow: self._all_known(uow, ehr, arrivals))
        tally: Counter[Outcome] = Counter(outcome for _, outcome in found if outcome not in NEWS)
        fresh = [each for each, (_, outcome) in zip(arrivals, found, strict=True) if outcome in NEWS]
        if any(outcome == "seen" and _reused(known, each) for each, (known, outcome) in zip(arrivals, found, strict=True)):
            self.stop(ehr, "id-reused")
        fresh = [self._with_its_work(ehr, each, again) for each in fresh] if again else fresh
        refused: set[int] = set()
        while fresh:
            try:
                written = self._store.write_now(lambda uow: self._page(uow, ehr, fresh, frozenset(refused)))
            except _Refusal as refusal:
                refused.add(refusal.at)
                continue
            return tally + Counter(written)
        return tally

    def stop(self, ehr: str, reason: str) -> NoReturn:
        """Halts the EHR. Raises Halted."""
        self._store.write_now(lambda uow: halts.halt(uow, ehr, reason))
        raise halts.Halted(reason)

    def _current(self, ehr: str, arrival: Arrival, again: Again) -> Arrival:
        """What stands there now in place of something older. A version lower than one known before it was read cannot be: the EHR
        was restored (Y-24)."""
        type, id = arrival.remote.resource.get("resourceType", ""), arrival.remote.id
        before = self._store.read_now(lambda uow: uow.link_by_remote(ehr, type, id))
        found = again(type, id)
        if found is None:
            return arrival  # gone meanwhile: found where the whole is looked through
        if before and _lower(found.version, before.remote_version):
            self.stop(ehr, "restored")
        return Arrival(found, now=True)

    def _with_its_work(self, ehr: str, arrival: Arrival, again: Again) -> Arrival:
        """A Task completed by a unit that works there comes with the Procedures it points to (SDOHCC Direct Light)."""
        theirs = arrival.remote.resource
        left = left_there(theirs) if (theirs.get("resourceType"), theirs.get("status")) == ("Task", "completed") else []
        if not left or not self._store.read_now(lambda uow: self._worked(uow, ehr, arrival)):
            return arrival
        found = (again("Procedure", each.partition("/")[2]) for each in left)
        return replace(arrival, done=tuple(each for each in found if each))

    def _worked(self, uow: Uow, ehr: str, arrival: Arrival) -> bool:
        known, _ = self._known(uow, ehr, arrival)
        current = uow.current("Task", known.link.id) if known else None
        return current is not None and not current.deleted and self._works_here(uow, ehr, content(current))

    def _all_known(self, uow: Uow, ehr: str, arrivals: Sequence[Arrival]) -> list[tuple[Known | None, Outcome]]:
        if stopped := halts.halted(uow, ehr):
            raise halts.Halted(stopped.reason)
        _foreseen(uow, ehr, arrivals)
        return [self._known(uow, ehr, each) for each in arrivals]

    def _page(self, uow: Uow, ehr: str, arrivals: Sequence[Arrival], refused: frozenset[int]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        _foreseen(uow, ehr, arrivals)
        for at, arrival in enumerate(arrivals):
            known, outcome = self._known(uow, ehr, arrival)
            if known is not None and outcome == "seen":
                try:
                    outcome = self._one(uow, known, arrival, refused=at in refused)
                except (Refused, MappingError) as error:
                    raise _Refusal(at) from error
            elif known is not None and outcome == "touched":
                uow.save_link(self._as_seen(known, arrival))
            outcomes.append(outcome)
        return outcomes

    def _known(self, uow: Uow, ehr: str, arrival: Arrival) -> tuple[Known | None, Outcome]:
        """What we know of it, and whether it is news."""
        remote, type = arrival.remote, arrival.remote.resource.get("resourceType", "")
        link = uow.link_by_remote(ehr, type, remote.id)
        known = Known(link, {}) if link else arrival.assumed  # what was put there is only asked for where there is news
        if known is None:
            return None, "unlinked"
        if link is None:
            return known, "seen"
        if _lower(remote.version, known.link.remote_version) or (not arrival.now and _earlier(remote, known)):
            return known, "older"
        if self._digest(arrival) == link.content_hash:
            return known, "echo" if remote.version == link.remote_version else "touched"
        return Known(link, links.put(uow, ehr, type, link.id)), "seen"

    def _of_another(self, uow: Uow, ehr: str, ours: Resource, base: Resource, theirs: Resource) -> bool:
        """Whether nothing of it is taken in because the engine stands still for its patient, or does from now on: the EHR has moved
        it to another patient's record. No agreement of the one is ever applied to the other (Y-23)."""
        patient, before, now = (subject_of(each) if each else "" for each in (ours, base, theirs))
        if patient and halts.halted(uow, ehr, patient):
            return True
        return bool(patient and "Patient/" in now and now not in (patient, before)) and halts.halt(uow, ehr, "patient-moved", patient, seen=now)

    def _digest(self, arrival: Arrival) -> str:
        return arrival.digest or content_hash(arrival.remote.resource, self._ownership)

    def _as_seen(self, known: Known, arrival: Arrival) -> Link:
        remote = arrival.remote
        return replace(known.link, remote_id=remote.id, remote_version=remote.version, content_hash=self._digest(arrival), base=encode(remote.resource))

    def _one(self, uow: Uow, known: Known, arrival: Arrival, *, refused: bool) -> Outcome:
        link, remote = known.link, arrival.remote
        current = uow.current(link.type, link.id)
        told = Act("seen", link.ehr, link.type, link.id, remote=cited(link.type, remote.id, remote.version))
        if current is None or current.deleted:
            links.save(uow, replace(known, link=self._as_seen(known, arrival)))
            self._audited(uow, told)
            return "seen"
        base, theirs = (self._inward(uow, link.ehr, each) for each in (known.base, remote.resource))
        if self._of_another(uow, link.ehr, content(current), base, theirs):
            return "frozen"
        links.save(uow, replace(known, link=self._as_seen(known, arrival)))
        unseen = [content(version) for version in uow.history(link.type, link.id) if version.number >= link.sent and not version.deleted]
        verdict = judge(
            base, theirs, unseen, ownership=self._ownership,
            works_here=link.type == "Task" and self._works_here(uow, link.ehr, unseen[0]),
        )  # fmt: skip
        if refused:
            verdict = Judgement(refusals=(*verdict.refusals, "refused"))
        if verdict.next is not None:
            change = Pulled(
                link.ehr, link.type, link.id, current.number, verdict.next,
                base=base, theirs=theirs, ours=unseen[0], actor=verdict.actor, remote=told.remote,
                done=arrival.done if verdict.actor == "target" else (),
            )  # fmt: skip
            self._apply(uow, change)
            self._audited(uow, replace(told, what="applied", number=current.number + 1))
        if verdict.refusals:
            reason = ",".join(verdict.refusals)
            standing = conflict_of(uow, link.ehr, link.type, link.id)
            since = standing.base if standing else encode(base)
            uow.save_conflict(ConflictRow(link.ehr, link.type, link.id, reason, since, encode(unseen[0]), encode(theirs), uow.at))
            self._audited(uow, replace(told, what="quarantined", reason=reason))
            return "conflict"
        if verdict.next is None:
            self._audited(uow, told)
            return "seen"
        return "applied"


def _foreseen(uow: Uow, ehr: str, arrivals: Sequence[Arrival]) -> None:
    """What is known of a whole page is read at once."""
    ids: dict[str, list[str]] = {}
    for each in arrivals:
        ids.setdefault(each.remote.resource.get("resourceType", ""), []).append(each.remote.id)
    for type, there in ids.items():
        uow.links_by_remote(ehr, type, there)


def _reused(known: Known | None, arrival: Arrival) -> bool:
    """Whether the copy lost an identifier that we gave it and has another of the same kind: another resource's (Y-24)."""
    if known is None or arrival.assumed is not None:
        return False
    before, now = (_identifiers(each) for each in (known.put, arrival.remote.resource))
    return not before <= now and any(system == own for own, _ in before - now for system, _ in now - before)


def _lower(version: str, than: str) -> bool:
    """Whether it is of before; only numbers tell."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


def _earlier(remote: Remote, known: Known) -> bool:
    """The same by the EHR's times, where versions are no numbers: numbers win (Y-19)."""
    if remote.version.isdecimal() and known.link.remote_version.isdecimal():
        return False
    times = [each.get("meta", {}).get("lastUpdated", "") for each in (remote.resource, known.base)]
    now, before = (moment(time) for time in times)
    return now is not None and before is not None and now < before


def _identifiers(resource: Resource) -> set[tuple[str, str]]:
    found = resource.get("identifier", ())
    each = found if isinstance(found, list) else [found]
    return {(str(one.get("system")), str(one.get("value"))) for one in each if isinstance(one, dict) and one.get("system")}
