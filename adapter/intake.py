"""From a record of another tool to the changes that make it a referral, and the receipt its sender gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from adapter import acts, fhir, hearsay, identity, onward, speaking, traces, witness
from adapter.clock import Clock
from adapter.consent import proof
from adapter.dossier import Dossier, split
from adapter.errors import MappingError, NotFound
from adapter.mapping import MapContext, Mapped, UnitFacts, report, try_
from adapter.mapping import Mapping as Document
from adapter.mapping.context import Remark
from adapter.names import RPPS, Systems
from adapter.network import Network
from adapter.ports import Change, Clause, Principal, Query, Resource, Uow
from adapter.referral import codes, due, spoken, verbs
from adapter.sync import pairs
from adapter.witness import Case, witnessed

ORDER = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Consent", "ServiceRequest", "Provenance", "Appointment", "Task")
UNKNOWN_DOCTOR = "the doctor is not known here: no practice sees this referral in its list"


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
        """The record as resources. A requester the network knows and a patient this clinic knows are used, not doubled (a
        clinic's record knows its own people alone: nothing crosses clinics);
        a further request (`parent`) is about the same patient, asked by the caller's organisation, one `replacing` it by
        the same requester. A service is warned of a doctor whom nobody knows. Raises Invalid where it names a witness of a
        third house."""
        document = self.document(name)
        if parent:
            here = self.context(uow, who, record, clinic=who.organisation)
            requester = parent.request["requester"]["reference"] if replacing else here.clinic
            patient, about = parent.request["subject"]["reference"], f"ServiceRequest/{parent.request['id']}"
            context = replace(here, requester=requester, patient=patient, request=about)
            return self._vouched(uow, who, parent.clinic, record, document.to_fhir(dict(record), context=context))
        own = who.organisation if self._is_clinic(who.organisation) else ""
        context = self.context(uow, who, record, clinic=own or who.organisation)
        first = document.to_fhir(dict(record), context=context)
        requester = self._known_requester(uow, first.resources, own)
        clinic = own or (self.network.organisation_of_person(split(requester)[1]) if requester else None) or who.organisation
        self._vouched(uow, who, clinic, record, first)
        patient = self._known_patient(uow, first.resources, clinic)
        known = replace(context, clinic=f"Organization/{clinic}", requester=requester, patient=patient)
        mapped = document.to_fhir(dict(record), context=known) if requester or patient else first
        if not own and not requester and any(each["resourceType"] == "Practitioner" for each in mapped.resources):
            mapped.warnings.append(Remark(next((name for name in ("appelant", "prescriber") if name in record), "demandeur"), "", UNKNOWN_DOCTOR))
        return mapped

    def tried(self, uow: Uow, who: Principal, name: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """What the mapping makes of the record, as `liaison map try` tells it (`report`): by the network file alone, nothing that is stored is
        looked at. Raises NotFound for an unknown mapping."""
        document = self.document(name)
        return report(try_(document, dict(record), context=self.context(uow, who, record, clinic=who.organisation)))

    def _vouched(self, uow: Uow, who: Principal, clinic: str, record: Mapping[str, Any], mapped: Mapped) -> Mapped:
        """The same, when whoever is said to have heard an agreement or taken the record down is in service then, and of the
        caller's house or of the clinic."""
        for resource in (each for each in mapped.resources if each["resourceType"] == "Provenance"):
            at = self._told_at(uow, resource)
            for agent in resource["agent"]:
                kind, key = split(str(agent["who"].get("reference", "")))
                if kind == "PractitionerRole" and {each["code"] for each in agent["type"]["coding"]} & {"attester", "enterer"} and key != who.person:
                    witness.witness(self.network, who, clinic, key, at=at, place=place_of(record, key))
        return mapped

    def _told_at(self, uow: Uow, proof: Resource) -> datetime:
        """When it happened, by the record: not later than now, and now where it says no day."""
        try:
            found = datetime.fromisoformat(proof.get("occurredDateTime", ""))
        except ValueError:
            return uow.at
        return min(uow.at, found if found.tzinfo else found.replace(tzinfo=ZoneInfo(self.network.zone)))

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

    def _known_requester(self, uow: Uow, resources: list[Resource], own: str) -> str | None:
        """The network's person in service with the RPPS of a provisional Practitioner; for a clinic (`own`) of its own people
        alone."""
        people = [each for each in self.network.people if not own or self.network.organisation_of_person(each.key) == own]
        for resource in (each for each in resources if each["resourceType"] == "Practitioner"):
            numbers = {each.get("value") for each in resource.get("identifier", ()) if identity.canonical(each.get("system", "")) == RPPS}
            for person in people:
                if numbers & {each.value for each in person.identifiers if each.system == RPPS} and self.network.serving(person.key, uow.at):
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
            found = {f"Patient/{pairs.standing(uow, each.id)}" for each in uow.search(query)}  # one that was set aside takes nothing new
            if len(found) == 1:
                return found.pop()
        return None

    def changes(
        self, uow: Uow, who: Principal, mapped: Mapped, parent: Dossier | None = None, *, practice: bool = False, replacing: bool = False,
        unsafe: bool = False,
    ) -> list[Change]:  # fmt: skip
        """One change per resource that is new, in an order in which references resolve; Tasks get their spoken reference,
        a further request is tied to what it follows from (`unsafe`: `onward.tied`), attestations are sealed, and what somebody
        outside the clinic told of the person is kept with the record."""
        found = [*mapped.resources, *self._practice(mapped.resources, parent)] if parent and practice else mapped.resources
        found = self._spoken_for(uow, mapped, found, parent)
        found = [proof.sealed(each, salt=self.clock.secret()) if each["resourceType"] == "Consent" else each for each in found]
        found = self._as_told(self._with_all(found), who, parent)
        ordered = sorted(found, key=lambda resource: ORDER.index(resource["resourceType"]) if resource["resourceType"] in ORDER else 0)
        made = []
        for resource in ordered:
            type, id = resource["resourceType"], resource["id"]
            if type == "Patient" and uow.current(type, id):
                continue  # already known: the record does not overwrite the clinic's own copy
            if issues := [issue for issue in fhir.check(resource) if issue.severity in ("error", "fatal")]:
                raise MappingError("the mapping made a resource that FHIR refuses", path=issues[0].expression)
            if parent:
                resource = onward.tied(resource, parent, replacing=replacing, unsafe=unsafe)
            if type == "Task":
                resource = self.referenced(uow, resource)
            if type == "Patient":
                resource = {"managingOrganization": {"reference": mapped_clinic(mapped)}} | resource
            made.append(Change("create", type, id, resource, origin="intake"))
        return made

    def _as_told(self, found: list[Resource], who: Principal, parent: Dossier | None) -> list[Resource]:
        """With the person as the caller tells, unless the caller is a clinic; a further request shows what the first may."""
        if self._is_clinic(who.organisation):
            return found
        if parent:
            said = hearsay.limit(parent, self.network, systems=self.systems)
        else:
            said = next((each for each in found if each["resourceType"] == "Patient"), None)
        return hearsay.kept(found, said, self.systems) if said else found

    def _with_all(self, found: list[Resource]) -> list[Resource]:
        """The Provenance of a record points to what else was made of it, so that an erasure finds that too."""
        others = [{"reference": f"{each['resourceType']}/{each['id']}"} for each in found if each["resourceType"] not in traces.LED_TO]
        return [each | {"target": [*each["target"], *others]} if hearsay.taken_down(each, self.systems) else each for each in found]

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

    def agreed(self, case: Case, side: Literal["doctor", "patient"], heard: Mapping[str, Any]) -> list[Change]:
        """The changes of one agreement heard later, with its Provenance; a "no" gives the draft up. Who agrees in the
        person's place is said by `given_by`: {capacity, name?}."""
        found, scene, told = case.dossier, case.hand.scene, witness.heard(case, heard)
        if not heard["agreed"]:
            return acts.changes(found, verbs.cancel(case.hand.referral, scene, codes.CLOSED, actor="requester"), origin="intake")
        speaker, named = self._speaker(case, heard) if side == "patient" else (None, found.named)
        referral = verbs.Referral(found.task, found.request, named)
        changed = verbs.agree(referral, scene, side, due=due.promised(self.due, found.task, found.request.get("priority", ""), scene.at))
        if side == "patient":
            local = told.at.astimezone(ZoneInfo(self.network.zone))
            words = f"Recueillie le {due.said(local)}, entendue par {self.name(told.by) or told.by}."
            changed = [attested(each, words, at=told.at, salt=self.clock.secret()) for each in changed]
            done = witnessed(case, "accord-patient", found.named, told)
        else:
            done = witnessed(case, "accord-medecin", [found.request], told, author=str(found.request["requester"]["reference"]))
        spoken_by = [Change("create", "RelatedPerson", speaker["id"], speaker, origin="intake")] if speaker else []
        return [*spoken_by, *acts.changes(found, [*changed, done], origin="intake")]

    def _speaker(self, case: Case, heard: Mapping[str, Any]) -> tuple[Resource | None, tuple[Resource, ...]]:
        """Who speaks for the person (None: nobody else) and the Consents as agreed to by them."""
        said, found = heard.get("given_by"), case.dossier
        speaker = speaking.proxy(case.uow, case.patient, said, case.hand.scene, tuple(case.terms["capacity"].terms)) if said is not None else None
        who = speaking.standing_of(found.patient or {}, found.request, case.uow.at, systems=self.systems, zone=self.network.zone)
        others = speaking.related(case.uow, case.patient)
        return speaker, tuple(speaking.agreed_by(found.named, speaker, others, who=who, systems=self.systems))


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


def attested(consent: Resource, heard: str, *, at: datetime, salt: str) -> Resource:
    """A Consent that was only proposed, now with the attestation of who heard the agreement and when (`heard`)."""
    proposal = proof.said(consent) if consent["resourceType"] == "Consent" else None
    if proposal is None:
        return consent
    text = "\n".join(["ATTESTATION D'ACCORD", heard, *proposal.splitlines()[1:]])
    return proof.attested(consent, text, at=at, salt=salt, language=consent["sourceAttachment"].get("language", "fr"))


def place_of(record: Mapping[str, Any], value: str) -> str:
    """Where in a record a value stands, as a path; "" where it does not."""
    for name, found in record.items():
        if found == value:
            return str(name)
        if isinstance(found, Mapping) and (below := place_of(found, value)):
            return f"{name}.{below}"
    return ""
