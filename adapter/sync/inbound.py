"""Takes in what an EHR has: the one way by which a change made there reaches us, for pull and for push alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from adapter.dossier import content
from adapter.errors import MappingError, Refused
from adapter.ports import ConflictRow, Link, Remote, Resource, Store, Uow
from adapter.sync import links
from adapter.sync.acts import Act, Audited, cited
from adapter.sync.canonical import content_hash, encode, moment
from adapter.sync.judge import Judgement, judge
from adapter.sync.links import Known, Rewrite, conflict_of
from adapter.sync.ownership import Ownership

Outcome = Literal["echo", "touched", "older", "unlinked", "seen", "applied", "conflict"]
"""echo: our own write, or the same again; touched: a new version that says the same; seen: nothing in it for us."""
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


@dataclass(frozen=True, slots=True)
class Arrival:
    """A resource as the EHR has it now. `assumed`: what to compare it with when no link is stored yet."""

    remote: Remote
    assumed: Known | None = None


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

    def take_in(self, ehr: str, arrivals: Sequence[Arrival]) -> Counter[Outcome]:
        """Takes in a page, in one write unit: all of it or nothing. What `apply` refuses becomes a conflict row
        in a second run. Returns how many had which outcome. Nothing is written for echoes."""
        outcomes = self._store.read_now(lambda uow: [self._known(uow, ehr, each)[1] for each in arrivals])
        tally: Counter[Outcome] = Counter(outcome for outcome in outcomes if outcome not in NEWS)
        fresh = [each for each, outcome in zip(arrivals, outcomes, strict=True) if outcome in NEWS]
        refused: set[int] = set()
        while fresh:
            try:
                written = self._store.write_now(lambda uow: self._page(uow, ehr, fresh, frozenset(refused)))
            except _Refusal as refusal:
                refused.add(refusal.at)
                continue
            return tally + Counter(written)
        return tally

    def _page(self, uow: Uow, ehr: str, arrivals: Sequence[Arrival], refused: frozenset[int]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for at, arrival in enumerate(arrivals):
            known, outcome = self._known(uow, ehr, arrival)
            if known is not None and outcome == "seen":
                try:
                    outcome = self._one(uow, known, arrival.remote, refused=at in refused)
                except (Refused, MappingError) as error:
                    raise _Refusal(at) from error
            elif known is not None and outcome == "touched":
                links.save(uow, replace(known, link=self._as_seen(known, arrival.remote)))
            outcomes.append(outcome)
        return outcomes

    def _known(self, uow: Uow, ehr: str, arrival: Arrival) -> tuple[Known | None, Outcome]:
        """What we know of it, and whether it is news."""
        remote, type = arrival.remote, arrival.remote.resource.get("resourceType", "")
        link = uow.link_by_remote(ehr, type, remote.id)
        known = links.load(uow, ehr, type, link.id) if link else arrival.assumed
        if known is None:
            return None, "unlinked"
        if link is None:
            return known, "seen"
        if _older(remote, known):
            return known, "older"
        if content_hash(remote.resource, self._ownership) == link.content_hash:
            return known, "echo" if remote.version == link.remote_version else "touched"
        return known, "seen"

    def _as_seen(self, known: Known, remote: Remote) -> Link:
        link = known.link
        return links.linked(link.ehr, link.type, link.id, remote, self._ownership, sent=link.sent)

    def _one(self, uow: Uow, known: Known, remote: Remote, *, refused: bool) -> Outcome:
        link = known.link
        current = uow.current(link.type, link.id)
        links.save(uow, replace(known, link=self._as_seen(known, remote)))
        told = Act("seen", link.ehr, link.type, link.id, remote=cited(link.type, remote.id, remote.version))
        if current is None or current.deleted:
            self._audited(uow, told)
            return "seen"
        unseen = [content(version) for version in uow.history(link.type, link.id) if version.number >= link.sent and not version.deleted]
        base, theirs = (self._inward(uow, link.ehr, each) for each in (known.base, remote.resource))
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


def _older(remote: Remote, known: Known) -> bool:
    """Whether the EHR's copy is of before the one we know: by version where both are numbers, else by its time."""
    version = known.link.remote_version
    if remote.version.isdecimal() and version.isdecimal():
        return int(remote.version) < int(version)
    times = [each.get("meta", {}).get("lastUpdated", "") for each in (remote.resource, known.base)]
    now, before = (moment(time) for time in times)
    return now is not None and before is not None and now < before
