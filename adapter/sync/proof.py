"""The Provenance of what was written to an EHR that keeps them (workflow.md 6, security.md U-18): which version of which resource
came from which clinic by Liaison, on which referral and Consents.

It is a letter of its own, posted with what settles the letter it proves, in a lane of its own: an EHR that refuses it holds up no
referral. Like every letter it carries no content; whether it may leave is decided when it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from adapter.clock import instant
from adapter.dossier import split
from adapter.names import PROVENANCE_AGENT, Systems
from adapter.ports import BEHIND, EhrClient, Letter, Remote, Resource, Store, Uow
from adapter.sync.acts import Act, Outcome, cited
from adapter.sync.links import Unlinked

TYPE = "Provenance"
LANE = BEHIND  # before the id of the referral
DEVICE = "liaison"
_OF = "/of/"  # between what a letter cites and the EHR's id of a second copy


@dataclass(frozen=True, slots=True)
class Sources:
    """What a Provenance says besides its target, in our references: the clinic, the referral, when our version was made; `policies`
    are addresses of the Consents."""

    clinic: str
    referral: str
    made: datetime
    policies: tuple[str, ...] = ()


class Told(Protocol):
    """What the story answers, each inside the engine's unit of work."""

    def keeps_provenance(self, uow: Uow, ehr: str) -> bool:
        """Whether the network file says so of that EHR."""
        ...

    def sources(self, uow: Uow, letter: Letter) -> Sources | None:
        """Of the letter about the resource itself; None: it may not leave now."""
        ...

    def proving(self, uow: Uow, letter: Letter) -> bool:
        """The same question, asked in the unit that records the answer before a byte leaves."""
        ...

    def outward(self, uow: Uow, ehr: str, resource: Resource) -> Resource: ...


def proved(letter: Letter) -> Letter:
    """The letter about the resource itself of a letter about its Provenance."""
    type, id = split(letter.id.partition(_OF)[0].partition("/_history/")[0])
    return replace(letter, type=type, id=id, lane=letter.lane.removeprefix(LANE))


def provenance(target: str, sources: Sources, *, at: datetime, systems: Systems) -> Resource:
    """The Provenance of `target` (the EHR's "Task/7/_history/3"), with our references: agents are the clinic and Liaison's Device,
    which acts for it; the source is the referral; the policies are the Consents."""
    clinic = {"reference": sources.clinic}
    device = {"type": "Device", "identifier": {"system": systems.sid("device"), "value": DEVICE}, "display": "Liaison"}
    made: Resource = {
        "resourceType": TYPE, "target": [{"reference": target}], "occurredDateTime": instant(sources.made), "recorded": instant(at),
        "agent": [{"type": _agent("author"), "who": clinic}, {"type": _agent("assembler"), "who": device, "onBehalfOf": clinic}],
        "entity": [{"role": "source", "what": {"reference": sources.referral}}],
    }  # fmt: skip
    return made | ({"policy": list(sources.policies)} if sources.policies else {})


class Proofs:
    """Posts and delivers the letters about Provenances."""

    def __init__(self, store: Store, *, told: Told, systems: Systems) -> None:
        self._store, self._told, self._systems = store, told, systems

    def post(self, uow: Uow, letter: Letter, remote: Remote, *, number: int, other: bool = False) -> None:
        """Asks for the Provenance of what `letter` has just brought to its EHR: our version `number`, the EHR's `remote`. `other`:
        it is not the copy that we know, but a second one."""
        if self._told.keeps_provenance(uow, letter.ehr):
            id = cited(letter.type, letter.id, remote.version) + (f"{_OF}{remote.id}" if other else "")
            uow.post(Letter(letter.ehr, LANE + letter.lane, TYPE, id, due=uow.at, number=number, request_id=letter.request_id))

    def deliver(self, client: EhrClient, letter: Letter) -> Outcome:
        """The outcome to settle a letter about a Provenance with. Raises EhrError and its kinds. One that was taken before is
        looked for first: a Provenance has no identifier to create it by."""
        about = proved(letter)
        act = Act("created", letter.ehr, about.type, about.id, number=letter.number)
        try:
            draft = self._store.read_now(lambda uow: self._draft(uow, letter, about))
        except Unlinked as missing:
            if self._comes(letter.ehr, missing.type, missing.id):
                return Outcome("parked", "parked", f"unlinked-{missing.type}")
            draft = None
        if draft is None:
            return Outcome("dropped", "withheld", "withheld", act=replace(act, what="withheld"))
        found = self._there(client, draft) if letter.state == "unknown" or letter.attempts > 0 or letter.fence > 1 else None
        if found is None:
            if not self._store.write_now(lambda uow: self._told.proving(uow, about)):
                return Outcome("dropped", "withheld", "withheld", act=replace(act, what="withheld"))
            what, found = "created", client.create(draft)
        else:
            what = "adopted"
        told = replace(act, what=what, remote=cited(TYPE, found.id, found.version))  # type: ignore[arg-type]
        return Outcome("done", told.what, act=told)

    def _comes(self, ehr: str, type: str, id: str) -> bool:
        """Whether a letter will still bring it there, perhaps once a person has seen to it; else it may not leave."""
        return bool(self._store.read_now(lambda uow: uow.letters(states=("queued", "unknown", "parked", "conflict"), ehr=ehr, about=(type, id), limit=1)))

    def _draft(self, uow: Uow, letter: Letter, about: Letter) -> Resource | None:
        """The Provenance with the EHR's references; None when the copy is not there any more or nothing may leave."""
        link = uow.link(letter.ehr, about.type, about.id)
        sources = self._told.sources(uow, about) if link and self._told.keeps_provenance(uow, letter.ehr) else None
        if link is None or sources is None:
            return None
        cites, _, second = letter.id.partition(_OF)
        _, _, version = cites.partition("/_history/")
        made = self._told.outward(uow, letter.ehr, provenance("", sources, at=uow.at, systems=self._systems))
        return made | {"target": [{"reference": cited(about.type, second or link.remote_id, version)}]}

    def _there(self, client: EhrClient, draft: Resource) -> Remote | None:
        """Ours of that target and moment, if a try that nobody heard of put it there. Some EHRs drop the version of a target."""
        target = _unversioned(draft)[0]
        pages = client.search(TYPE, [("target", target)])
        return next((each for page in pages for each in page if _ours(each.resource) and _same(each.resource, draft)), None)


def _agent(code: str) -> Resource:
    return {"coding": [{"system": PROVENANCE_AGENT, "code": code}]}


def _unversioned(resource: Resource) -> list[str]:
    return [str(each.get("reference", "")).partition("/_history/")[0] for each in resource.get("target", ())]


def _ours(resource: Resource) -> bool:
    return any(each.get("who", {}).get("identifier", {}).get("value") == DEVICE for each in resource.get("agent", ()))


def _same(one: Resource, other: Resource) -> bool:
    return _unversioned(one) == _unversioned(other) and _moment(one) == _moment(other) is not None


def _moment(resource: Resource) -> datetime | None:
    try:
        return datetime.fromisoformat(str(resource.get("occurredDateTime", "")))
    except ValueError:
        return None
