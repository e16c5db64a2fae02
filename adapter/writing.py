"""How a wish becomes a stored version: who may, which move, what is indexed, what the EHR must be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from adapter import asking, fhir, identity, removing
from adapter.addresses import Doorstep, asks, may_wait, waits
from adapter.attachments import check_attachments
from adapter.audit import events
from adapter.clock import Clock
from adapter.consent import may_become, urgencies, wider
from adapter.dossier import Dossier, content, follow, lanes, of_request, patient_of, pointing, split
from adapter.errors import Forbidden, Invalid, NotFound, Refused, Stale
from adapter.names import ABOUT, Systems
from adapter.network import Network
from adapter.ports import Act, Change, IndexRow, Letter, Principal, Resource, Uow, Version
from adapter.references import check_numbers, check_references, listed
from adapter.referral import codes, states, verbs
from adapter.referral.states import TERMINAL
from adapter.sync import subscribers
from adapter.sync.reading import LANE as READING
from adapter.views import pairwise

BY_ACT = frozenset({"AuditEvent", "CareTeam", "Provenance"})  # what permits or proves: written by acts of people, never from outside
DIRECTORY = frozenset({"Organization", "HealthcareService", "Practitioner", "PractitionerRole", "Location", "Endpoint"})
KEEPER = "liaison"  # who writes the directory: author of all that the network file says
LISTED = "annuaire"  # author of what the public directory says: nothing of it takes part (adapter.directory)
AUTHOR = "_author"  # search row: key of the organisation that wrote it
HOLDER = "_holder"  # search row of a Task: "unit or organisation|the id under which it knows the Task"
HIDDEN = "_hidden"  # the same where its recipient is to find nothing: a draft, a referral withdrawn
_UNSENT = frozenset({"draft", "cancelled", "entered-in-error"})  # all that a Task was which was never sent


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes changes by the rules of the house. One per Flows."""

    network: Network
    systems: Systems
    clock: Clock
    key: bytes  # of pairwise ids
    base: str = ""  # address of our /fhir
    production: bool = True  # else a server for tests (LIAISON_ENVIRONMENT)

    def take(self, uow: Uow, who: Principal, changes: Sequence[Change], *, request_id: str = "") -> list[Version]:
        """Writes them in order and posts what the EHR must be told; the versions that now stand."""
        coming = frozenset(f"{change.type}/{change.id}" for change in changes if change.verb != "delete") if len(changes) > 1 else frozenset()
        saved = []
        for number, change in enumerate(changes):
            try:
                saved.append(self.write(uow, who, change, coming=coming, request_id=request_id))
                self._ask(uow, who, change, saved[-1], request_id)
            except Refused as refusal:
                refusal.number = number
                raise
        told = (each for each in saved if not each.deleted and (each.type != "ServiceRequest" or each.number > 1))  # a new one has no Task yet
        self.post(uow, [content(version) for version in told], request_id=request_id)
        return saved

    def write(
        self, uow: Uow, who: Principal, change: Change, *, coming: frozenset[str] = frozenset(), request_id: str = ""
    ) -> Version:
        """The version that now stands. `coming`: what is written with it, and may be pointed to already. Raises NotFound, Forbidden,
        Stale, Invalid (illegal move, frozen element), Conflict (still pointed to)."""
        if change.verb == "delete":
            return self._delete(uow, who, change, request_id)
        if change.origin == "fhir":
            change = Doorstep(self.network, self.systems, self.base).brought_in(uow, who.organisation, change)
            if change.received is None or identity.marked(change.received):  # as `_server_kept` has it in what is served
                change = replace(change, resource=identity.canonised(change.resource))
        resource = change.resource
        if resource is None:
            raise Invalid("expected a resource", code="required")
        current = uow.current(change.type, change.id) if change.id else None
        old = content(current) if current and not current.deleted else None
        if current is not None and (old is None or change.origin == "fhir") and not uow.marked(change.type, current.id, AUTHOR, who.organisation):
            self.allowed(who, change.type, "u")
            raise NotFound("not found")  # another's, whatever the new words say; or a person's who was erased: it does not come back
        author = self.author(uow, resource, who)
        self._may(who, change, old, author)
        if change.origin == "fhir":
            if change.if_match is not None and change.if_match != (current.number if current else 0):
                raise Stale("the resource has another version now", expression=f"{change.type}.meta.versionId")
            if waiting := may_wait(resource, self.network.ehr_of(who.organisation)):
                uow.alone()  # of two that point to one request there, the second finds the first
            check_references(uow, self.network, who.organisation, resource, coming=coming, waiting=waiting)
            check_numbers(self.network, who.organisation, resource)
            check_attachments(resource)
            if change.type == "ServiceRequest" and old is not None:
                tasks = [content(each)["status"] for each in pointing(uow, "Task", "focus", f"ServiceRequest/{change.id}")]
                if any(each != "draft" for each in tasks):
                    states.check_request(old, resource, running=any(each not in TERMINAL for each in tasks))
        if change.type == "Task":
            actors = self.actors(who, old or resource, author) | _on_behalf(change)
            if change.origin == "fhir" and old is not None:
                states.check_answer(old, resource, actors=actors)
            resource = self._settled(uow, actors, old, resource, named=change.origin == "fhir")
        if change.type == "Consent" and old is not None:
            self._closes_only(change, old, resource)
        if current is not None and old is not None and states.same(old, resource):
            return current  # a no-change write is a no-op (sdohcc.md c)
        return self._save(uow, who, change, resource, current, author, request_id)

    def _closes_only(self, change: Change, old: Resource, new: Resource) -> None:
        """A Consent never returns to active on the same id, and from outside it only narrows (workflow.md 4)."""
        if not may_become(str(old.get("status")), str(new.get("status"))):
            raise Invalid("an agreement that ended does not return: make a new Consent", expression="Consent.status", detail="agreement")
        if change.origin == "fhir" and (paths := wider(old, new, zone=self.network.zone)):
            raise Invalid("a Consent in force only narrows: what is wider needs a new agreement", expression=f"Consent.{paths[0]}", detail="agreement")

    def _save(
        self, uow: Uow, who: Principal, change: Change, resource: Resource, current: Version | None, author: str, request_id: str
    ) -> Version:
        id = change.id or self.clock.new_id()
        number = current.number + 1 if current else 1
        if change.if_match is not None and change.if_match != number - 1:
            raise Stale("the resource has another version now", expression=f"{change.type}.meta.versionId")
        wanted = resource | {"id": id}
        edit = _server_kept(wanted, identity.marked(change.received)) if change.received else None
        served = fhir.stamp(change.received or wanted, id=id, version=number, updated=uow.at, edit=edit)
        clinic = current.clinic if current else self._clinic(uow, resource, author)
        version = Version(change.type, id, number, uow.at, clinic, served, change.received or fhir.dumps(wanted))
        rows = [*fhir.rows(wanted), IndexRow(AUTHOR, "token", value=author), *self._held(uow, wanted, author)]
        if change.type == "Binary":  # no search of R4 finds whose it is, an erasure has to
            rows.append(IndexRow(ABOUT, "reference", value=patient_of(wanted)))
        saved = uow.save(version, expected=number - 1, index=rows)
        uow.audit(events.written(who, saved, created=number == 1, patient=patient_of(wanted), at=uow.at, request_id=request_id))
        return saved

    def _delete(self, uow: Uow, who: Principal, change: Change, request_id: str) -> Version:
        """What was sent or agreed does not go, nor what is still pointed to (`removing`). What is gone already is gone."""
        current = uow.current(change.type, change.id or "")
        old = content(current) if current and not current.deleted else None
        wrote = current is not None and uow.marked(change.type, current.id, AUTHOR, who.organisation)
        self._may(who, change, old or {"resourceType": change.type}, who.organisation if wrote else "")
        if current is None or old is None:
            if current is None:
                raise NotFound("not found")
            return current  # gone as it should be (R4 http, 3.1.0.7)
        if change.if_match is not None and change.if_match != current.number:
            raise Stale("the resource has another version now", expression=f"{change.type}.meta.versionId")
        removing.check(uow, current)
        gone = replace(current, number=current.number + 1, updated=uow.at, served=b"", received=b"", deleted=True)
        saved = uow.save(gone, expected=current.number, index=[IndexRow(AUTHOR, "token", value=who.organisation)])
        uow.audit(events.written(who, saved, created=False, patient=patient_of(old), at=uow.at, request_id=request_id))
        return saved

    def _held(self, uow: Uow, task: Resource, author: str) -> list[IndexRow]:
        """Under which id the requester and the owning unit know a Task (workflow.md 6, pairwise ids)."""
        if task["resourceType"] != "Task":
            return []
        owner = split(task.get("owner", {}).get("reference", ""))[1]
        known = {author: HOLDER} | ({owner: HIDDEN if self._hidden(uow, task) else HOLDER} if owner else {})
        return [
            IndexRow(index, "token", system=holder, value=pairwise(self.key, holder, "Task", task["id"]))
            for holder, index in sorted(known.items())
        ]

    def _hidden(self, uow: Uow, task: Resource) -> bool:
        """A draft, one that was given up as a draft, one that the person took back. What proves it is written before the Task."""
        if task["status"] == "draft":
            return True
        if task["status"] not in _UNSENT:
            return False
        if all(content(each)["status"] in _UNSENT for each in uow.history("Task", task["id"]) if not each.deleted):
            return True
        told = pointing(uow, "Provenance", "target", task.get("focus", {}).get("reference", ""))
        return withdrawn(map(content, told))

    def author(self, uow: Uow, resource: Resource, who: Principal) -> str:
        """Key of the organisation whose word the resource is: the requester's, or that of the referral it follows."""
        if resource["resourceType"] in ("ServiceRequest", "Task"):
            known = self.organisation_of(resource.get("requester", {}).get("reference", ""))
            return known or self._keeper(uow, resource) or who.organisation
        for target in resource.get("basedOn", ()):
            if found := follow(uow, target.get("reference", "")):
                return self.author(uow, content(found), who)
        for target in listed(resource.get("managingOrganization")):  # one of a Patient, several of a CareTeam
            return split(target.get("reference", ""))[1] or who.organisation
        for target in resource.get("organization", ()) if resource["resourceType"] == "Consent" else ():
            return split(target.get("reference", ""))[1] or who.organisation
        return who.organisation

    def _keeper(self, uow: Uow, resource: Resource) -> str:
        """Whose a request stays that a doctor nobody knows yet made: of those who took it down, whoever writes later."""
        stored = uow.current(resource["resourceType"], resource.get("id", ""))
        return stored.clinic if stored else ""

    def organisation_of(self, reference: str) -> str:
        """Key of the organisation behind an Organization, HealthcareService or PractitionerRole reference; "" if unknown."""
        type, id = split(reference)
        if type == "HealthcareService":
            return self.network.organisation_of_unit(id) or ""
        if type == "PractitionerRole":
            person = self.network.person(id)
            return self.network.organisation_of_person(id) or "" if person else ""
        return id if type == "Organization" else ""

    def _clinic(self, uow: Uow, resource: Resource, author: str) -> str:
        """The clinic whose patient it is about; the author's where no patient is known yet."""
        patient = follow(uow, patient_of(resource))
        return patient.clinic if patient else author

    def _may(self, who: Principal, change: Change, old: Resource | None, author: str) -> None:
        if change.origin != "fhir":
            return  # our own verbs checked it
        act: Act = {"create": "c", "delete": "d"}.get(change.verb, "u")  # type: ignore[assignment]
        self.allowed(who, change.type, act)
        if old is None:
            self.allowed(who, change.type, "c")
        if author != who.organisation:
            raise (
                Forbidden("written in another organisation's name", expression=f"{change.type}.requester")
                if old is None
                else NotFound("not found")
            )
        if old is not None and not who.reaches(old, act):
            raise NotFound("not found")
        if old is not None and change.type == "Procedure" and (by := self._answered(old)) and by != who.organisation:
            raise Forbidden("what came of a referral is the recipient's word: ask for another", expression="Procedure.performer")
        if change.resource is not None and not who.reaches(change.resource, act):
            raise Forbidden("the token's scope grants this for others only: see its constraints", expression=change.type)

    def _answered(self, procedure: Resource) -> str:
        """The organisation that says so; "" where nobody of the directory does."""
        actors = (str(each.get("actor", {}).get("reference", "")) for each in procedure.get("performer", ()))
        return next(filter(None, map(self.organisation_of, actors)), "")

    def allowed(self, who: Principal, type: str, act: Act) -> None:
        """Passes for who may do this on some resource of the type from outside, whatever its id. Raises NotFound, Forbidden."""
        if who.role != "clinic" and not (who.role == "service" and type == "Subscription"):
            raise NotFound("not found")
        if type in DIRECTORY:
            raise Forbidden("the directory is kept by the network file", expression=type)
        if type in BY_ACT:
            raise Forbidden("written by the acts that it tells of, not from outside", expression=type)
        if not who.may(type, act):
            raise Forbidden(f"the token has no scope for this; expected system/{type}.{act}", expression=type, detail="scope")

    def actors(self, who: Principal, task: Resource, author: str) -> frozenset[str]:
        """The sides of the state table that `who` stands on."""
        owner = self.organisation_of(task.get("owner", {}).get("reference", ""))
        sides = {"requester"} if who.organisation == author else set()
        return frozenset(sides | ({"target"} if who.organisation == owner else set()))

    def _settled(self, uow: Uow, actors: frozenset[str], old: Resource | None, task: Resource, *, named: bool) -> Resource:
        settled = states.settle(old, task, actors=actors, at=uow.at)
        if settled["status"] != "draft" and (old is None or old["status"] == "draft") and settled["status"] != "cancelled":
            self._agreed(uow, settled, named=named)
        return settled

    def _agreed(self, uow: Uow, task: Resource, *, named: bool) -> None:
        """Nothing leaves draft while either agreement is missing (workflow.md 2), but for an act of urgency (4). `named`: the person's
        has to name the recipient, or nobody would ever see what was sent."""
        request = follow(uow, task.get("focus", {}).get("reference", ""))
        wanted = [entry.get("reference", "") for entry in content(request).get("supportingInfo", ())] if request else []
        consents = [content(found) for reference in wanted if (found := follow(uow, reference)) and found.type == "Consent"]
        doctor, patient = verbs.agreements(content(request), consents) if request else (False, False)
        urgent = request is not None and not patient and self._urgent(uow, request.reference, task)
        if request is None or not doctor or not (patient or urgent):
            raise Invalid("a referral needs the doctor's and the patient's agreement before it is sent", expression="Task.status", detail="agreement")
        if named and patient and not any(each.get("status") == "active" and self._names(each, task) for each in consents):
            text = "expected a Consent in force whose provision.actor is the organisation of the owner: nobody would see this referral"
            raise Invalid(text, expression="Task.owner", detail="agreement")
        if against := list(asking.issues(uow, self.network, task, content(request))):
            raise Invalid(against[0].text, issues=against)

    def _names(self, consent: Resource, task: Resource) -> bool:
        """Whether somebody whom the Consent names is the Task's owner or its organisation, by reference or identifier; a group may be."""
        owner = str(task.get("owner", {}).get("reference", ""))
        key = self.organisation_of(owner)
        house = self.network.organisation(key)
        numbers = {(each.system, each.value) for each in (house.identifiers if house else ())}
        actors = [each.get("reference", {}) for each in _actors(consent.get("provision", {}))]
        literal = {str(each["reference"]) for each in actors if each.get("reference")}
        return (
            not actors or bool(literal & {f"Organization/{key}", owner}) or any(split(each)[0] in ("Group", "CareTeam") for each in literal)
            or any((identity.canonical(each.get("identifier", {}).get("system", "")), each.get("identifier", {}).get("value")) in numbers for each in actors)
        )  # fmt: skip

    def _urgent(self, uow: Uow, request: str, task: Resource) -> bool:
        """Whether an act of urgency on this request holds for the organisation of its owner now."""
        owner = self.organisation_of(task.get("owner", {}).get("reference", ""))
        acts = (content(found) for found in pointing(uow, "Provenance", "target", request))
        return bool(urgencies(acts, request, (f"Organization/{owner}",), uow.at, systems=self.systems))

    def _ask(self, uow: Uow, who: Principal, change: Change, saved: Version, request_id: str) -> None:
        """Queues the reading of what a Task points to at the EHR, once the clinic's own software asks for it. Asked again, it is read
        again."""
        ehr = self.network.ehr_of(who.organisation)
        if change.origin == "fhir" and change.resource and asks(change.resource) and ehr and waits(content(saved), ehr):
            uow.post(Letter(ehr.name, f"{READING}{saved.id}", "Task", saved.id, due=uow.at, number=saved.number, request_id=request_id))

    def may_leave(self, dossier: Dossier, *, known: bool = False) -> bool:
        """Whether both agreements stand, so that a letter about it may be sent at all. `known`: the EHR has the resource, and
        is told its end whatever ended it."""
        if known and dossier.task["status"] in TERMINAL:
            return True
        recipient = self.network.organisation_of_unit(dossier.owner)
        return verbs.may_leave(dossier.request, dossier.task, dossier.named, recipient=f"Organization/{recipient}" if recipient else "")

    def post(self, uow: Uow, resources: Iterable[Resource], *, request_id: str = "") -> list[Letter]:
        """Queues a letter for every resource of these referrals that the clinic's EHR does not have as it stands."""
        posted, resources = [], list(resources)
        drafts = {split(each.get("focus", {}).get("reference", ""))[1] for each in resources if each["resourceType"] == "Task" and each["status"] == "draft"}
        for lane in lanes(uow, resources):
            if lane in drafts and not subscribers.any_at_all(uow):
                continue  # a draft is told to nobody else
            dossier = of_request(uow, lane)
            if dossier is not None:
                self._tell(uow, dossier, request_id)
            ehr = self.network.ehr_of(dossier.clinic) if dossier else None
            if dossier is None or ehr is None or ehr.level != "task":
                continue
            for version in told(uow, dossier) if dossier.task["status"] != "draft" else ():
                link = uow.link(ehr.name, version.type, version.id)
                if (link is None or link.sent < version.number) and self.may_leave(dossier, known=link is not None):
                    letter = Letter(ehr.name, lane, version.type, version.id, due=uow.at, number=version.number)
                    posted.append(uow.post(replace(letter, request_id=request_id)))
        return posted


    def _tell(self, uow: Uow, dossier: Dossier, request_id: str) -> None:
        """Queues a look for every subscriber of the two sides, whatever changed: who sees what of it is decided when it goes."""
        sides = (dossier.clinic, self.organisation_of(dossier.request.get("requester", {}).get("reference", "")))
        parties = frozenset(filter(None, (*sides, self.network.organisation_of_unit(dossier.owner))))
        changed = {each.type: (each.id, each.number) for each in (dossier.task_version, dossier.request_version)}
        subscribers.post(uow, parties=parties, lane=dossier.lane, changed=changed, request_id=request_id)


def _on_behalf(change: Change) -> frozenset[str]:
    """Who takes a record down, or writes what a person said, acts for the requester (workflow.md 2 and 3)."""
    return frozenset({"requester"} if change.origin in ("intake", "device") else ())


def _actors(provision: Resource) -> list[Resource]:
    return [*provision.get("actor", ()), *(each for below in provision.get("provision", ()) for each in _actors(below))]


def _server_kept(resource: Resource, named: bool) -> Callable[[Resource], None]:
    """What a server keeps of what came as bytes: the normalised status of a Task and its lastModified; where there may be some (`named`), the
    systems of identifiers under one name each."""

    def edit(tree: Resource) -> None:
        for element in ("status", "lastModified"):
            if resource["resourceType"] == "Task" and element in resource:
                tree[element] = resource[element]
        if named:
            tree |= identity.canonised(tree)

    return edit


def withdrawn(told: Iterable[Resource]) -> bool:
    """Whether a referral ended because the person took the agreement back: for its recipient it never existed (workflow.md 4).
    `told`: the Provenances of its request; the reason of its Task is neutral and does not tell."""
    said = (coding.get("code") for proof in told for coding in proof.get("activity", {}).get("coding", ()))
    return not codes.TAKEN_BACK.isdisjoint(said)


def told(uow: Uow, dossier: Dossier) -> list[Version]:
    """The versions an EHR is told of, in the order in which they refer to each other."""
    named = [found for consent in dossier.named if (found := uow.current("Consent", consent["id"]))]
    done = [found for procedure in dossier.of("Procedure") if (found := uow.current("Procedure", procedure["id"]))]
    return [*named, dossier.request_version, *done, dossier.task_version]
