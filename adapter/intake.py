"""From a record of another tool to the changes that make it a referral, and the receipt its sender gets."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import orjson

from adapter import acts, fhir, speaking
from adapter.clock import Clock, instant
from adapter.dossier import Dossier, content, split
from adapter.errors import Invalid, MappingError, NotFound
from adapter.mapping import MapContext, Mapped, UnitFacts
from adapter.mapping import Mapping as Document
from adapter.mapping.context import Remark
from adapter.names import RPPS, Systems
from adapter.network import Network
from adapter.ports import Change, Clause, Principal, Query, Resource, Uow
from adapter.referral import codes, due, spoken, verbs

ORDER = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Consent", "ServiceRequest", "Provenance", "Appointment", "Task")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender of a record is told. `status`: draft | requested | refused (the person said no: nothing is kept)."""

    record: str
    status: str
    referrals: tuple[dict[str, Any], ...] = ()
    warnings: tuple[dict[str, str], ...] = ()
    dropped: tuple[str, ...] = ()
    replayed: bool = False

    def shown(self) -> dict[str, Any]:
        return {
            "record": self.record,
            "status": self.status,
            "referrals": list(self.referrals),
            "warnings": list(self.warnings),
            "dropped": list(self.dropped),
        }

    def dumps(self) -> bytes:
        return orjson.dumps(self.shown())

    @classmethod
    def loads(cls, kept: bytes, *, replayed: bool = False) -> Receipt:
        found: dict[str, Any] = orjson.loads(kept)
        lists = {name: tuple(found[name]) for name in ("referrals", "warnings", "dropped")}
        return cls(found["record"], found["status"], **lists, replayed=replayed)


@dataclass(frozen=True, slots=True)
class Intake:
    """Runs the mapping documents with the facts of the network and the store."""

    documents: Mapping[str, Document]
    network: Network
    systems: Systems
    clock: Clock

    def document(self, name: str) -> Document:
        """Raises NotFound naming the mappings there are."""
        if name not in self.documents:
            raise NotFound(f"no mapping of that name; there are: {', '.join(sorted(self.documents))}", expression="mapping")
        return self.documents[name]

    def mapped(
        self, uow: Uow, who: Principal, name: str, record: Mapping[str, Any], parent: Dossier | None = None, *, replacing: bool = False
    ) -> Mapped:
        """The record as resources. A requester the network knows and a patient this clinic knows are used, not doubled;
        a further request (`parent`) is about the same patient, asked by the caller's organisation, one `replacing` it by
        the same requester."""
        document = self.document(name)
        if parent:
            here = self.context(uow, who, record, clinic=who.organisation)
            requester = parent.request["requester"]["reference"] if replacing else here.clinic
            context = replace(here, requester=requester, patient=parent.request["subject"]["reference"])
            return document.to_fhir(dict(record), context=context)
        own = who.organisation if self._is_clinic(who.organisation) else ""
        context = self.context(uow, who, record, clinic=own or who.organisation)
        first = document.to_fhir(dict(record), context=context)
        requester = self._known_requester(first.resources)
        clinic = own or (self.network.organisation_of_person(split(requester)[1]) if requester else None) or who.organisation
        patient = self._known_patient(uow, first.resources, clinic)
        if not requester and not patient:
            return first
        known = replace(context, clinic=f"Organization/{clinic}", requester=requester, patient=patient)
        return document.to_fhir(dict(record), context=known)

    def context(self, uow: Uow, who: Principal, record: Mapping[str, Any], *, clinic: str) -> MapContext:
        recipient = self.network.unit_organisation(str(record.get("destinataire", "")))
        recorder = f"PractitionerRole/{who.person}" if who.person else f"Organization/{who.organisation}"
        return MapContext(
            at=uow.at,
            new_id=self.clock.new_id,
            clinic=f"Organization/{clinic}",
            unit=self.unit,
            systems=self.systems,
            zone=ZoneInfo(self.network.zone),
            recorder=recorder,
            nir_authorised=bool(recipient and recipient.nir_authorised),
            due=self.due,
            name_of=self.name,
        )

    def name(self, reference: str) -> str | None:
        """A name of the directory."""
        type, key = split(reference)
        found = self.network.unit(key) if type == "HealthcareService" else self.network.organisation(key) or self.network.person(key)
        return found.name if found else None

    def unit(self, key: str) -> UnitFacts | None:
        unit, organisation = self.network.unit(key), self.network.unit_organisation(key)
        if unit is None or organisation is None or not unit.active or organisation.kind != "service":
            return None
        return UnitFacts(f"HealthcareService/{unit.key}", f"Organization/{organisation.key}", unit.service)

    def due(self, unit: str, asked: datetime, priority: str) -> datetime | None:
        return due.due(asked, priority, due.calendar(self.network, unit)) if self.network.unit(unit) else None

    def _is_clinic(self, key: str) -> bool:
        found = self.network.organisation(key)
        return found is not None and found.kind == "clinic"

    def _known_requester(self, resources: list[Resource]) -> str | None:
        """The network's person with the RPPS of a provisional Practitioner."""
        for resource in (each for each in resources if each["resourceType"] == "Practitioner"):
            numbers = {each.get("value") for each in resource.get("identifier", ()) if each.get("system") == RPPS}
            for person in self.network.people:
                if person.active and numbers & {each.value for each in person.identifiers if each.system == RPPS}:
                    return f"PractitionerRole/{person.key}"
        return None

    def _known_patient(self, uow: Uow, resources: list[Resource], clinic: str) -> str | None:
        """The clinic's Patient with one of these identifiers, else with the same birth date, family and first name."""
        patient = next((each for each in resources if each["resourceType"] == "Patient"), None)
        if patient is None:
            return None
        own = self.systems.sid("patient")
        wanted = [each for each in patient.get("identifier", ()) if each.get("system") != own]
        tries = [[("identifier", f"{each.get('system', '')}|{each['value']}")] for each in wanted if each.get("value")]
        if traits := list(_traits(patient)):
            tries.append(traits)
        for params in tries:
            query = replace(fhir.query("Patient", params), clinics=frozenset({clinic}))
            if len(found := uow.search(query)) == 1:
                return found[0].reference
        return None

    def changes(
        self, uow: Uow, mapped: Mapped, parent: Dossier | None = None, *, practice: bool = False, replacing: bool = False
    ) -> list[Change]:
        """One change per resource that is new, in an order in which references resolve; Tasks get their spoken reference,
        a further request says what it is based on (SDOHCC refer-1)."""
        found = [*mapped.resources, *self._practice(mapped.resources, parent)] if parent and practice else mapped.resources
        found = self._spoken_for(uow, mapped, found, parent)
        ordered = sorted(found, key=lambda resource: ORDER.index(resource["resourceType"]) if resource["resourceType"] in ORDER else 0)
        made = []
        for resource in ordered:
            type, id = resource["resourceType"], resource["id"]
            if type == "Patient" and uow.current(type, id):
                continue  # already known: the record does not overwrite the clinic's own copy
            if issues := [issue for issue in fhir.check(resource) if issue.severity in ("error", "fatal")]:
                raise MappingError("the mapping made a resource that FHIR refuses", path=issues[0].expression)
            if parent:
                resource = instead(resource, parent) if replacing else further(resource, parent)
            if type == "Task":
                resource = self.referenced(uow, resource)
            if type == "Patient":
                resource = {"managingOrganization": {"reference": mapped_clinic(mapped)}} | resource
            made.append(Change("create", type, id, resource, origin="intake"))
        return made

    def _spoken_for(self, uow: Uow, mapped: Mapped, found: list[Resource], parent: Dossier | None) -> list[Resource]:
        """Where somebody must agree in the person's place, the referral waits as a draft, and the sender is told."""
        patient = next((each for each in found if each["resourceType"] == "Patient"), (parent.patient if parent else None) or {})
        others = speaking.related(uow, f"Patient/{patient.get('id', '')}")
        held, lacking = speaking.held_back(found, patient, others, uow.at, systems=self.systems, zone=self.network.zone)
        if lacking:
            mapped.warnings.append(Remark("accord_patient", "", speaking.WHOSE[lacking]))
        return held

    def _practice(self, resources: list[Resource], parent: Dossier) -> list[Resource]:
        """The person agrees that the practice may know of a further request: a Consent of its own, naming the clinic, which
        each request names after the recipient's."""
        made = []
        for request in (each for each in resources if each["resourceType"] == "ServiceRequest"):
            own = request["supportingInfo"][0]["reference"]
            consent = next(each for each in resources if f"Consent/{each['id']}" == own)
            id, role = self.clock.new_id(), consent["provision"]["actor"][0]["role"]
            actor = {"role": role, "reference": {"reference": f"Organization/{parent.clinic}"}}
            request["supportingInfo"] = [*request["supportingInfo"], {"reference": f"Consent/{id}"}]
            identifier = [{"system": self.systems.sid("consent"), "value": id}]
            made.append(consent | {"id": id, "identifier": identifier, "provision": consent["provision"] | {"actor": [actor]}})
        return made

    def referenced(self, uow: Uow, task: Resource) -> Resource:
        """The Task with a spoken reference that no other has."""
        system, turn = self.systems.sid("spoken"), 0
        while True:
            value = spoken.spoken(task["id"], turn=turn)
            if not uow.count(Query("Task", (Clause("identifier", "token", (f"{system}|{value}",)),))):
                return task | {"identifier": [*task.get("identifier", ()), {"system": system, "value": value}]}
            turn += 1

    def agreed(
        self, uow: Uow, found: Dossier, scene: verbs.Scene, side: Literal["doctor", "patient"], heard: Mapping[str, Any],
        capacities: Collection[str] = (),
    ) -> list[Change]:  # fmt: skip
        """The changes of one agreement heard later, with its Provenance; a "no" gives the draft up. Who agrees in the
        person's place is said by `given_by`: {capacity, name?}."""
        referral = verbs.Referral(found.task, found.request, found.named)
        by, at, how = (str(heard.get(name) or "") for name in ("heard_by", "at", "how"))
        if by and self.network.person(by) is None:
            raise Invalid("expected the key of a person of the network", code="not-found", expression="heard_by")
        if at and not _instant(at):
            raise Invalid("expected an instant with its zone", code="value", expression="at")
        witness = f"PractitionerRole/{by}" if by else scene.by
        if not heard["agreed"]:
            return acts.changes(found, verbs.cancel(referral, scene, codes.CLOSED, actor="requester"), origin="intake")
        speaker = None
        if side == "patient":
            speaker, named = self._speaker(uow, found, scene, heard, capacities)
            referral = verbs.Referral(found.task, found.request, named)
        changed = verbs.agree(referral, scene, side, due=self.due(found.owner, scene.at, found.request.get("priority", "")))
        if side == "patient":
            said, name = due.said(scene.at.astimezone(ZoneInfo(self.network.zone))), self.name(witness) or witness
            changed = [attested(each, said, name, at or instant(scene.at)) for each in changed]
        targets = [found.request] if side == "doctor" else list(found.named)
        activity = "accord-medecin" if side == "doctor" else "accord-patient"
        proofs = [acts.heard(scene, activity, target, by=witness, at=at, how=how) for target in targets]
        spoken_by = [Change("create", "RelatedPerson", speaker["id"], speaker, origin="intake")] if speaker else []
        return [*spoken_by, *acts.changes(found, [*changed, *proofs], origin="intake")]

    def _speaker(
        self, uow: Uow, found: Dossier, scene: verbs.Scene, heard: Mapping[str, Any], capacities: Collection[str]
    ) -> tuple[Resource | None, tuple[Resource, ...]]:
        """Who speaks for the person (None: nobody else) and the Consents as agreed to by them."""
        said, patient = heard.get("given_by"), str(found.request["subject"]["reference"])
        if said is not None and not isinstance(said, Mapping):
            raise Invalid("expected given_by as {capacity, name}", code="structure", expression="given_by")
        speaker = speaking.proxy(uow, patient, said, scene, capacities) if said else None
        who = speaking.standing_of(found.patient or {}, found.request, uow.at, systems=self.systems, zone=self.network.zone)
        others = speaking.related(uow, patient)
        return speaker, tuple(speaking.agreed_by(found.named, speaker, others, who=who, systems=self.systems))

    def refreshed(self, uow: Uow, receipt: Receipt) -> Receipt:
        """The receipt as things stand now."""
        tasks = [content(found) for line in receipt.referrals if (found := uow.current("Task", line["task"]))]
        status = receipt.status if not tasks else "draft" if any(task["status"] == "draft" for task in tasks) else "requested"
        return replace(receipt, status=status, referrals=tuple(self.line(task) for task in tasks))

    def receipt(self, mapped: Mapped, tasks: list[Resource]) -> Receipt:
        warnings = tuple({"path": each.record_path, "mapping": each.document_place, "text": each.text} for each in mapped.warnings)
        dropped = tuple(mapped.dropped)
        if mapped.refused:
            return Receipt(mapped.record_id, "refused", (), warnings, dropped)
        status = "draft" if any(task["status"] == "draft" for task in tasks) else "requested"
        return Receipt(mapped.record_id, status, tuple(self.line(task) for task in tasks), warnings, dropped)

    def line(self, task: Resource) -> dict[str, Any]:
        """One referral as its sender sees it."""
        end = task.get("restriction", {}).get("period", {}).get("end")
        at = datetime.fromisoformat(end) if end else None
        return {
            "reference": spoken.of_task(task),
            "status": task["status"],
            "task": task["id"],
            "serviceRequest": split(task["focus"]["reference"])[1],
            "unit": split(task.get("owner", {}).get("reference", ""))[1],
            "due": end,
            "dueSaid": {lang: due.said(at.astimezone(ZoneInfo(self.network.zone)), lang) for lang in ("fr", "en")} if at else None,
        }


def mapped_clinic(mapped: Mapped) -> str:
    """The organisation that the Consents of a mapped record name: the patient is its patient."""
    consents = (each for each in mapped.resources if each["resourceType"] == "Consent")
    return next((str(each["organization"][0]["reference"]) for each in consents), "")


def _traits(patient: Resource) -> Iterator[tuple[str, str]]:
    names = [name for name in patient.get("name", ()) if name.get("family") and name.get("given")]
    if names and patient.get("birthDate"):
        yield "family", names[0]["family"]
        yield "given", names[0]["given"][0]
        yield "birthdate", patient["birthDate"]


def further(resource: Resource, parent: Dossier) -> Resource:
    """A resource of a further request: filler-order, based on and part of what it follows from."""
    if resource["resourceType"] == "ServiceRequest":
        return resource | {"intent": "filler-order", "basedOn": [{"reference": parent.request_version.reference}]}
    if resource["resourceType"] == "Task":
        return resource | {"partOf": [{"reference": parent.task_version.reference}]}
    return resource


def instead(resource: Resource, parent: Dossier) -> Resource:
    """A resource of a request made after a wrong orientation: it replaces the one that ended (workflow.md 2)."""
    if resource["resourceType"] == "ServiceRequest":
        return resource | {"replaces": [{"reference": parent.request_version.reference}]}
    return resource


def attested(resource: Resource, said: str, witness: str, at: str) -> Resource:
    """A Consent that was only proposed, now with the attestation of who heard the agreement and when."""
    source = resource.get("sourceAttachment")
    if resource["resourceType"] != "Consent" or not source:
        return resource
    proposal = base64.b64decode(source.get("data", "")).decode().partition("\n")[2]
    text = f"ATTESTATION D'ACCORD\nRecueillie le {said}, entendue par {witness}.\n{proposal}".encode()
    proof = {"data": base64.b64encode(text).decode(), "hash": base64.b64encode(hashlib.sha1(text, usedforsecurity=False).digest()).decode()}
    return resource | {"dateTime": at, "sourceAttachment": source | proof | {"title": "Attestation d'accord", "creation": at}}


def _instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
