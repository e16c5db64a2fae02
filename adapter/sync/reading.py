"""Reads at an EHR what a Task of its clinic points to (SDOHCC Direct): the request, its patient, who asks, the Consents it names.

It is a letter of its own in a lane of its own: an EHR that is away is asked again like for any other, a "no" waits for a person.
Only what stands right under the address of that EHR is read, a bounded number of things; an address elsewhere is never followed.
What was read is taken in by one unit of work, all of it or nothing (`adapter/direct.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from adapter.clock import Clock
from adapter.errors import Invalid, Refused, Stale
from adapter.fhir.details import code_of, kind
from adapter.ports import EhrClient, Letter, Remote, Resource, Store, Uow
from adapter.sync.acts import Act, Outcome, cited
from adapter.sync.inbound import Arrival, Inbound

LANE = "direct "  # before the id of the Task
GONE = "gone"  # the code of what is not asked any more: then the Task ends, all else can be mended
MOST = 5  # of each kind
ENDED = frozenset({"revoked", "entered-in-error", "completed"})
Place = tuple[str, str]
"""(type, id) at the EHR."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A Task that waits, in our version `number`. `request`: the id of its focus at the EHR."""

    task: Resource
    number: int
    request: str


@dataclass(frozen=True, slots=True)
class Read:
    """What the EHR has, in its own references. `parties`: who is named in it and was read; `tasks`: the EHR's own of that request."""

    asked: Asked
    request: Remote
    patient: Remote
    consents: tuple[Remote, ...]
    parties: Mapping[Place, Resource]
    tasks: tuple[Remote, ...]


class Told(Protocol):
    """What the story answers, each inside a unit of work."""

    def asked(self, uow: Uow, letter: Letter) -> Asked | None:
        """None: nothing waits any more."""
        ...

    def place(self, uow: Uow, letter: Letter, reference: object) -> Place:
        """Where a reference of that EHR's leads within it; ("", ""): it does not."""
        ...

    def take(self, uow: Uow, letter: Letter, read: Read) -> None:
        """Makes it ours, unless somebody has. Raises Refused."""
        ...

    def left(self, uow: Uow, letter: Letter, asked: Asked, code: str) -> None:
        """Writes on the Task why it was not taken."""
        ...


class Readings:
    """Delivers the letters that ask to read."""

    def __init__(self, store: Store, clock: Clock, *, told: Told, inbound: Inbound) -> None:
        self._store, self._clock, self._told, self._inbound = store, clock, told, inbound

    def deliver(self, client: EhrClient, letter: Letter) -> Outcome:
        """The outcome to settle such a letter with. Raises EhrError and its kinds."""
        asked = self._store.read_now(lambda uow: self._told.asked(uow, letter))
        if asked is None:
            return Outcome("done", "unchanged")
        try:
            read = self._read(client, letter, asked)
            self._inbound.take_in(letter.ehr, [Arrival(each) for each in read.consents])  # one that is here already is narrowed first
            self._store.write_now(lambda uow: self._told.take(uow, letter, read))
        except Stale:  # it was written again meanwhile, or another worker takes it
            return Outcome("queued", "retry", "stale", due=self._clock.now())
        except Refused as refusal:
            issue = refusal.issues[0]
            code = code_of(kind(type(refusal).__mro__), issue.code, issue.detail, issue.severity)
            return Outcome("dropped", "quarantined", f"direct-{code}", remember=lambda uow: self._told.left(uow, letter, asked, code))
        remote = cited("ServiceRequest", read.request.id, read.request.version)
        return Outcome("done", "applied", act=Act("applied", letter.ehr, "Task", letter.id, number=asked.number + 1, remote=remote))

    def _read(self, client: EhrClient, letter: Letter, asked: Asked) -> Read:
        request = client.read("ServiceRequest", asked.request)
        if request is None or request.resource.get("status") in ENDED:
            raise Invalid("expected a request that is asked for at the EHR", expression="Task.focus", detail=GONE)
        content = request.resource
        (subject,) = self._places(letter, [content.get("subject")]) or [("", "")]
        patient = client.read(*subject) if subject[0] == "Patient" else None
        if patient is None:
            raise Invalid("expected the request of a Patient who is at the EHR", expression="Task.for", detail="reference")
        named = [each for each in self._places(letter, content.get("supportingInfo")) if each[0] == "Consent"]
        if len(named) > MOST:
            raise Invalid(f"expected at most {MOST} Consents of one request", expression="ServiceRequest.supportingInfo", code="too-costly")
        consents = [found for each in named if (found := client.read(*each))]
        who = [content.get("requester"), asked.task.get("requester")]
        who += [each.get("reference") for consent in consents for each in _listed(_listed_in(consent.resource, "provision").get("actor"))]
        parties = self._parties(client, letter, self._places(letter, who))
        tasks = [found for page in client.search("Task", [("focus", f"ServiceRequest/{request.id}")]) for found in page]
        return Read(asked, request, patient, tuple(consents), parties, tuple(tasks))

    def _parties(self, client: EhrClient, letter: Letter, places: Iterable[Place]) -> dict[Place, Resource]:
        """Those of these who are people or organisations; with a role the person in it."""
        found: dict[Place, Resource] = {}
        for place in places:
            if place[0] in ("PractitionerRole", "Practitioner", "Organization") and len(found) < 2 * MOST and (read := client.read(*place)):
                found[place] = read.resource
                for person in self._places(letter, [read.resource.get("practitioner")]):
                    if person not in found and (one := client.read(*person)):
                        found[person] = one.resource
        return found

    def _places(self, letter: Letter, references: object) -> list[Place]:
        """Each once, in order; what does not lead into this EHR is left out."""
        def known(uow: Uow) -> list[Place]:
            return list(dict.fromkeys(place for each in _listed(references) if (place := self._told.place(uow, letter, each))[0]))

        return self._store.read_now(known)


def _listed(value: object) -> Iterator[dict[str, object]]:
    """The objects of a list that another server made."""
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())


def _listed_in(resource: Resource, name: str) -> Resource:
    value = resource.get(name)
    return value if isinstance(value, dict) else {}
