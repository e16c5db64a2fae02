"""The network as FHIR R4: Organization, HealthcareService, Practitioner, PractitionerRole, Endpoint; ids are the keys."""

from __future__ import annotations

from typing import Any

from adapter.names import SDOHCC, SDOHCC_CODES, US_CORE_CATEGORY, Systems
from adapter.network.hours import available_time
from adapter.network.model import EhrEntry, Identifier, Network, Organisation, Person, Unit

Resource = dict[str, Any]
ORGANISATION_TYPE = "http://terminology.hl7.org/CodeSystem/organization-type"
CONNECTION_TYPE = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
PAYLOAD_TYPE = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"

CAPACITY = f"{SDOHCC}/StructureDefinition/SDOHCC-ExtensionHealthcareServiceCapacityStatus"


def resources(network: Network, systems: Systems) -> list[Resource]:
    """The whole directory, what others refer to before what refers to it. Inactive entries have `active` false
    (an Endpoint: `status` off), so that old references still resolve."""
    return [
        *(_organization(organisation, systems) for organisation in network.organisations),
        *(_service(organisation, unit, systems) for organisation, unit in network.units()),
        *(_practitioner(person, systems) for person in network.people),
        *(_role(network, person, systems) for person in network.people),
        *(_endpoint(organisation, organisation.ehr, systems) for organisation in network.organisations if organisation.ehr),
    ]


def _identifiers(own: str, key: str, given: tuple[Identifier, ...]) -> list[Resource]:
    found: list[Resource] = [{"system": own, "value": key}]
    for identifier in given:
        entry: Resource = {"system": identifier.system, "value": identifier.value}
        if identifier.type:
            entry = {"type": _concept(identifier.type_system, identifier.type), **entry}
        found.append(entry)
    return found


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _telecom(phone: str = "", email: str = "") -> Resource:
    """`{"telecom": […]}`, or nothing at all: FHIR has no empty lists."""
    points = [{"system": system, "value": value, "use": "work"} for system, value in (("phone", phone), ("email", email)) if value]
    return {"telecom": points} if points else {}


def _organization(organisation: Organisation, systems: Systems) -> Resource:
    kinds = [_concept(systems.code("recipient-category"), organisation.category)]
    if organisation.kind == "clinic":
        kinds.insert(0, _concept(ORGANISATION_TYPE, "prov"))
    return {
        "resourceType": "Organization",
        "id": organisation.key,
        "identifier": _identifiers(systems.sid("organisation"), organisation.key, organisation.identifiers),
        "active": organisation.active,
        "type": kinds,
        "name": organisation.name,
        **_telecom(organisation.phone),
    }


def _service(organisation: Organisation, unit: Unit, systems: Systems) -> Resource:
    resource: Resource = {
        "resourceType": "HealthcareService",
        "id": unit.key,
        "identifier": _identifiers(systems.sid("unit"), unit.key, ()),
        "active": unit.active and organisation.active,
        "providedBy": {"reference": f"Organization/{organisation.key}"},
        "extension": [_capacity(unit)],
        "category": [_concept(US_CORE_CATEGORY, "sdoh")],
        "name": unit.name,
        **_telecom(unit.phone or organisation.phone),
    }
    if unit.service:
        resource["type"] = [_concept(systems.code("service"), unit.service)]
    if unit.hours:
        resource["availableTime"] = available_time(unit.hours)
    if unit.closures:
        resource["notAvailable"] = [
            {"description": closure.why or "Fermeture", "during": {"start": closure.start.isoformat(), "end": closure.end.isoformat()}}
            for closure in unit.closures
        ]
    resource["availabilityExceptions"] = "Ouvert les jours fériés" if unit.open_on_holidays else "Fermé les jours fériés"
    return resource


def _capacity(unit: Unit) -> Resource:
    """Whether the unit takes anybody at all, as it says itself (SDOHCC cap-1); when it is closed stands in notAvailable."""
    status = "no-capacity" if unit.capacity == 0 or not unit.active else "capacity"
    return {"url": CAPACITY, "extension": [{"url": "capacityStatus", "valueCodeableConcept": _concept(SDOHCC_CODES, status)}]}


def _practitioner(person: Person, systems: Systems) -> Resource:
    name: Resource = {"text": person.name}
    name |= {"family": person.family} if person.family else {}
    name |= {"given": list(person.given)} if person.given else {}
    name |= {"prefix": [person.prefix]} if person.prefix else {}
    return {
        "resourceType": "Practitioner",
        "id": person.key,
        "identifier": _identifiers(systems.sid("person"), person.key, person.identifiers),
        "active": person.active,
        "name": [name],
        **_telecom(person.phone, person.email),
    }


def _role(network: Network, person: Person, systems: Systems) -> Resource:
    organisation = network.organisation(network.organisation_of_person(person.key) or "")
    unit = network.unit(person.unit) if person.unit else None
    phone = person.phone or (unit.phone if unit else "") or (organisation.phone if organisation else "")
    resource: Resource = {
        "resourceType": "PractitionerRole",
        "id": person.key,
        "identifier": _identifiers(systems.sid("person"), person.key, ()),
        "active": person.active,
        "practitioner": {"reference": f"Practitioner/{person.key}"},
        "code": [_concept(systems.code("role"), person.role)],
        **_telecom(phone, person.email),
    }
    if organisation:
        resource["organization"] = {"reference": f"Organization/{organisation.key}"}
    if unit:
        resource["healthcareService"] = [{"reference": f"HealthcareService/{unit.key}"}]
    period = {"start": person.start.isoformat() if person.start else None, "end": person.end.isoformat() if person.end else None}
    if person.start or person.end:
        resource["period"] = {name: day for name, day in period.items() if day}
    return resource


def _endpoint(organisation: Organisation, ehr: EhrEntry, systems: Systems) -> Resource:
    return {
        "resourceType": "Endpoint",
        "id": ehr.name,
        "identifier": _identifiers(systems.sid("ehr"), ehr.name, ()),
        "status": "active" if ehr.active and organisation.active else "off",
        "connectionType": {"system": CONNECTION_TYPE, "code": "hl7-fhir-rest"},
        "managingOrganization": {"reference": f"Organization/{organisation.key}"},
        "payloadType": [_concept(PAYLOAD_TYPE, "any")],
        "payloadMimeType": ["application/fhir+json"],
        "address": ehr.url,
    }
