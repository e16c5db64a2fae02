"""SDOHCC Direct, the part after the door: what a job read at the clinic's EHR for a Task that waits becomes a referral like any other.

It is the clinic's own word, so it is written as if its software had posted it in one transaction: by the same checks, all of it or
nothing. Nothing of a person is kept while an agreement lacks. Why a Task was not taken stands on the Task, as codes: mended
there, the Task is written again, and read again. What is not asked any more ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapter import asking, fhir, identity
from adapter.addresses import focus_there, waits, within
from adapter.dossier import content, split
from adapter.ehr import matching_patients
from adapter.errors import Invalid, Stale
from adapter.fhir.details import SYSTEM as ERRORS
from adapter.flows import Flows
from adapter.names import RPPS
from adapter.network import EhrEntry
from adapter.ports import Change, Letter, Link, Principal, Remote, Resource, Uow
from adapter.referral import codes, due, verbs
from adapter.sync import doubts, links
from adapter.sync.reading import GONE, Asked, Place, Read

Inward = Callable[[Resource, Mapping[Place, str]], Resource]
"""(a resource of the EHR's, place there -> our id of what comes with it) -> the same in our references."""
WORDS = frozenset({"system/*.cru"})  # what the clinic's own software may write
PERSON = ("identifier", "active", "name", "telecom", "gender", "birthDate", "address", "communication")  # of a Patient, what a view may need
_KEPT_THERE = ("id", "text")  # the narrative says all of it again, in words


@dataclass(frozen=True, slots=True)
class Direct:
    """One reading, inside one unit of work. `inward` rewrites references."""

    story: Flows
    uow: Uow
    letter: Letter
    inward: Inward

    @property
    def ehr(self) -> EhrEntry | None:
        return next((each for each in self.story.network.ehrs() if each.name == self.letter.ehr), None)

    def asked(self) -> Asked | None:
        """The Task, while it waits."""
        version = self.uow.current("Task", self.letter.id)
        task = content(version) if version and not version.deleted else None
        if version is None or task is None or not waits(task, self.ehr):
            return None
        return Asked(task, version.number, focus_there(task, self.ehr))

    def place(self, reference: object) -> Place:
        """Where a reference of the EHR's leads within it."""
        text = str(reference.get("reference", "")) if isinstance(reference, dict) else ""
        base = self.ehr.url if self.ehr else ""
        return within(text, base) if "://" in text else within(f"{base.rstrip('/')}/{text}", base)

    # ── taken ────────────────────────────────────────────────────────────────────────────────────
    def take(self, read: Read) -> None:
        """Writes it, links each thing to its copy at the EHR, and sends the referral. Nothing where it does not wait any more. Raises
        Refused: Stale where the Task has another version now, Invalid for what does not hold."""
        now, ehr = self.asked(), self.letter.ehr
        if now is None:
            return
        if now.number != read.asked.number:
            raise Stale("the Task has another version now", expression="Task.meta.versionId")
        if self.uow.link_by_remote(ehr, "ServiceRequest", read.request.id):
            raise Invalid("expected a request that has no Task yet: one request, one Task", expression="Task.focus", code="duplicate")
        who = Principal(f"ehr-{ehr}", ehr, role="clinic", scopes=WORDS)
        known = self._parties(read)
        patient, person = self._patient(read.patient)
        known["Patient", read.patient.id] = patient
        consents = list(self._consents(read.consents, known))
        request = self._request(read, known, [f"Consent/{each['id']}" for each in consents])
        task = self._task(now.task, request, known)
        self._checked([*([person] if person else []), *consents, request])
        recipient = f"Organization/{self.story.network.organisation_of_unit(split(task['owner']['reference'])[1])}"
        if not all(verbs.agreements(request, consents, recipient=recipient)):
            raise Invalid("expected both agreements, the person's for this recipient by name", expression="ServiceRequest.supportingInfo", detail="agreement")
        new = [each for each in consents if self.uow.current("Consent", each["id"]) is None]
        made = [Change("create", each["resourceType"], each["id"], each) for each in (*([person] if person else []), *new, request)]
        sent = self._sent(who, task, request, consents)
        self.story.receive(self.uow, who, [*made, Change("update", "Task", self.letter.id, sent, if_match=now.number)], request_id=self.letter.request_id)
        self._linked(read, known, request, task)

    def _parties(self, read: Read) -> dict[Place, str]:
        """Our keys of who is named at the EHR, by their numbers in the network file; each is linked from now on."""
        found: dict[Place, str] = {}
        for (type, remote), resource in read.parties.items():
            if self._ours(type, remote):
                continue
            both = [*_objects(resource.get("identifier")), *_objects(self._behind(read, resource).get("identifier"))]
            wanted = {(identity.canonical(str(each.get("system"))), str(each.get("value"))) for each in both}
            key = self._organisation(wanted) if type == "Organization" else self._person(wanted)
            if key and self.uow.link(self.letter.ehr, type, key) is None:
                self.uow.save_link(Link(self.letter.ehr, type, key, remote))
            found |= {(type, remote): key} if key else {}
        return found

    def _behind(self, read: Read, resource: Resource) -> Resource:
        return read.parties.get(self.place(resource.get("practitioner")), {})

    def _organisation(self, wanted: set[tuple[str, str]]) -> str:
        own = self.story.writer.systems.sid("organisation")
        every = (each for each in self.story.network.organisations if each.active)
        return next((each.key for each in every if wanted & {(own, each.key), *((one.system, one.value) for one in each.identifiers)}), "")

    def _person(self, wanted: set[tuple[str, str]]) -> str:
        """Of the clinic's own people, in service now."""
        own, network = self.story.writer.systems.sid("person"), self.story.network
        mine = (each for each in network.people if network.organisation_of_person(each.key) == self.letter.ehr and network.serving(each.key, self.uow.at))
        return next((each.key for each in mine if wanted & {(own, each.key), *((RPPS, one.value) for one in each.identifiers if one.system == RPPS)}), "")

    def _ours(self, type: str, remote: str) -> str:
        """ "Type/key" behind a place of the EHR's that the network file or a link names; ""."""
        probe = self.inward({"resourceType": "Basic", "subject": {"reference": f"{type}/{remote}"}}, {})
        reference = str(probe["subject"]["reference"])
        return reference if split(reference)[0] else ""

    def _patient(self, remote: Remote) -> tuple[str, Resource | None]:
        """(our id, the Patient where it is new): the one that is linked, else the one that it must be by hospital number or by traits."""
        if link := self.uow.link_by_remote(self.letter.ehr, "Patient", remote.id):
            return link.id, None
        network, systems = self.story.network, self.story.writer.systems
        clinic = network.organisation(self.letter.ehr)
        person: Resource = {"resourceType": "Patient"} | {name: remote.resource[name] for name in PERSON if name in remote.resource}
        if (numbers := self._numbers(remote.resource, bool(clinic and clinic.nir_authorised))) != person.get("identifier"):
            person["identifier"] = numbers
        found = matching_patients(_Shelf(self.uow, self.letter.ehr), person)
        if len(found) > 1:
            raise Invalid("the person may be several of those who are known here", expression="Task.for", detail="several")
        if found and identity.differing(person, found[0].resource):
            raise Invalid("the person has the number of somebody else who is known here", expression="Task.for", detail="several")
        if found and self.uow.link(self.letter.ehr, "Patient", found[0].id):
            raise Invalid("the person is known here as another Patient of the EHR", expression="Task.for", detail="duplicate")
        if found:
            return found[0].id, None
        id = self.story.writer.clock.new_id()
        own = {"system": systems.sid("patient"), "value": id}
        managing = {"managingOrganization": {"reference": f"Organization/{self.letter.ehr}"}}
        return id, person | managing | {"id": id, "identifier": [*person.get("identifier", ()), own]}

    def _numbers(self, patient: Resource, authorised: bool) -> list[Resource]:
        """The identifiers that may be kept: without a basis no number of the social security, which stays where it is (workflow.md 8); no
        INS of an identity that is not qualified, no INS-C, on a server in production none of tests."""
        production = self.story.writer.production
        given = _objects(patient.get("identifier"))
        dropped = identity.entered({"resourceType": "Patient", **patient, "identifier": given}, production=production, sandbox=False).dropped
        unfit = identity.NUMBERS if not authorised else identity.TRIALS if production else frozenset()
        kept = (each for number, each in enumerate(given) if number not in dropped and identity.kind_of(each) not in unfit)
        return [identity.canonised(each) for each in kept]

    def _consents(self, remotes: Iterable[Remote], known: dict[Place, str]) -> Iterator[Resource]:
        """Those in force, ours where it is here already."""
        for remote in remotes:
            link = self.uow.link_by_remote(self.letter.ehr, "Consent", remote.id)
            stored = self.uow.current("Consent", link.id) if link else None
            if stored is not None and not stored.deleted:
                yield content(stored)
            elif remote.resource.get("status") == "active":
                yield self._taken(remote, known, "consent")

    def _taken(self, remote: Remote, known: dict[Place, str], kind: str) -> Resource:
        """A resource of the EHR's with an id and an identifier of ours."""
        type, id = str(remote.resource["resourceType"]), self.story.writer.clock.new_id()
        known[type, remote.id] = id
        profile = {name: value for name, value in remote.resource.get("meta", {}).items() if name == "profile"}
        taken = self.inward({name: value for name, value in remote.resource.items() if name not in (*_KEPT_THERE, "meta")}, known)
        own = {"system": self.story.writer.systems.sid(kind), "value": id}
        return taken | {"id": id, "identifier": [*_objects(taken.get("identifier")), own]} | ({"meta": profile} if profile else {})

    def _request(self, read: Read, known: dict[Place, str], consents: Sequence[str]) -> Resource:
        """The clinic's words, for one unit, with the Consents of this referral. What else its `supportingInfo` names stays there."""
        request = self._taken(read.request, known, "request")
        own = [each["reference"] for each in request.get("supportingInfo", ()) if split(str(each.get("reference", "")))[0] == "Consent"]
        named = dict.fromkeys([*consents, *own])
        by = {"requester": self._requester(request, request.get("requester") or read.asked.task.get("requester"), known)}
        performer = [{"reference": read.asked.task["owner"]["reference"]}]
        request.pop("supportingInfo", None)
        return request | by | {"performer": performer} | ({"supportingInfo": [{"reference": each} for each in named]} if named else {})

    def _requester(self, request: Resource, reference: object, known: Mapping[Place, str]) -> Resource:
        """The clinic's own person behind a reference of its EHR's, or of ours; else the clinic. Where the patient asks, it stays so."""
        if isinstance(reference, dict) and asking.kind(request, reference) in asking.ASKING:
            return reference
        text = str(reference.get("reference", "")) if isinstance(reference, dict) else ""
        type, key = split(text)
        if "://" in text:
            place = self.place(reference)
            type, key = (place[0], known[place]) if place in known else split(self._ours(*place))
        mine = type in ("PractitionerRole", "Practitioner") and self.story.network.organisation_of_person(key) == self.letter.ehr
        return {"reference": f"PractitionerRole/{key}" if mine else f"Organization/{self.letter.ehr}"}

    def _task(self, waiting: Resource, request: Resource, known: Mapping[Place, str]) -> Resource:
        """The Task with what it points to here, still a draft. Raises Invalid where it is about somebody else than its request."""
        person, place = str(waiting.get("for", {}).get("reference", "")), self.place(waiting.get("for"))
        if (f"Patient/{known[place]}" if "://" in person and place in known else person) != request["subject"]["reference"]:
            raise Invalid("expected the Task to be for the subject of its request", expression="Task.for", detail="reference")
        kept = {name: value for name, value in waiting.items() if name not in ("statusReason", "businessStatus", "meta")}
        own = {"system": self.story.writer.systems.sid("task"), "value": waiting["id"]}
        others = [each for each in waiting.get("identifier", ()) if each != own]
        pointing = {"focus": {"reference": f"ServiceRequest/{request['id']}"}, "for": request["subject"], "requester": request["requester"]}
        profile = {name: value for name, value in waiting.get("meta", {}).items() if name == "profile"}
        return self.story.intake.referenced(self.uow, kept | pointing | {"identifier": [*others, own]} | ({"meta": profile} if profile else {}))

    def _checked(self, resources: Iterable[Resource]) -> None:
        """Valid R4, as a body that is posted has to be."""
        issues = [issue for each in resources for issue in fhir.check(each)]
        if issues:
            fhir.refuse(issues)

    def _sent(self, who: Principal, task: Resource, request: Resource, consents: Sequence[Resource]) -> Resource:
        scene = self.story.agreements.scene(self.uow, who)
        until = due.promised(self.story.intake.due, task, str(request.get("priority", "")), scene.at)
        return verbs.sent(verbs.Referral(task, request, tuple(consents)), scene, due=until)[0]

    def _linked(self, read: Read, known: Mapping[Place, str], request: Resource, task: Resource) -> None:
        """From now on push and pull know the copies there, which were first: none is created a second time."""
        own = self._there(read.tasks, task)
        remotes = [(read.request, request["id"]), *((each, known["Consent", each.id]) for each in read.consents if ("Consent", each.id) in known)]
        remotes += [(own, self.letter.id)] if own else []
        for remote, id in remotes:
            type = remote.resource["resourceType"]
            links.save(self.uow, links.Known(links.linked(self.letter.ehr, type, id, remote, self.story.ownership, sent=0), {}))
            links.adopt(self.uow, self.letter.ehr, type, id)
        if self.uow.link_by_remote(self.letter.ehr, "Patient", read.patient.id) is None:
            link = links.linked(self.letter.ehr, "Patient", known["Patient", read.patient.id], read.patient, self.story.ownership, sent=0)
            links.save(self.uow, links.Known(link, {}))
            doubts.heard(self.uow, self.letter.ehr, f"Patient/{link.id}", read.patient.resource)

    def _there(self, tasks: Sequence[Remote], task: Resource) -> Remote | None:
        """The EHR's own Task of this referral: it has an identifier of it, or is the only one. Raises Invalid where any may be."""
        mine = {(each.get("system"), each.get("value")) for each in task["identifier"] if each.get("value")}
        named = [each for each in tasks if mine & {(one.get("system"), one.get("value")) for one in _objects(each.resource.get("identifier"))}]
        found = named or list(tasks)
        if len(found) > 1:
            raise Invalid("the EHR has several Tasks of this request, none with an identifier of this one", expression="Task.identifier", detail="several")
        return found[0] if found else None

    # ── not taken ────────────────────────────────────────────────────────────────────────────────
    def left(self, asked: Asked, code: str) -> None:
        """The Task says why, in codes; what is not asked any more is cancelled (workflow.md 2). Nothing where it was written again."""
        now = self.asked()
        if now is None or now.number != asked.number:
            return
        device = Principal("liaison", self.letter.ehr, role="device")
        scene = self.story.agreements.scene(self.uow, device)
        reason: dict[str, Any] = scene.reason(codes.CLOSED if code == GONE else codes.OTHER)
        told = now.task | {"statusReason": reason | {"coding": [*reason["coding"], {"system": ERRORS, "code": code}]}}
        change = Change("update", "Task", self.letter.id, told | ({"status": "cancelled"} if code == GONE else {}), if_match=now.number, origin="device")
        self.story.writer.take(self.uow, device, [change], request_id=self.letter.request_id)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The Patients of a clinic that are here, searched as those of an EHR are."""

    uow: Uow
    clinic: str

    def search(self, type: str, params: Sequence[tuple[str, str]]) -> Iterator[list[Remote]]:
        query = replace(fhir.query(type, params), clinics=frozenset({self.clinic}), count=100)
        yield [Remote(content(each)) for each in self.uow.search(query)]


def _objects(value: object) -> list[Resource]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
