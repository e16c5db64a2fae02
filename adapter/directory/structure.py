"""A structure: an Organization, and a Location where it stands."""

from __future__ import annotations

from adapter.directory import values
from adapter.directory.taken import Taken, filled, siret_of
from adapter.network.hours import available_time
from adapter.ports import Resource


def resources(taken: Taken, head: Resource, name: str) -> list[Resource]:
    address, position = taken.address(), taken.position()
    organization = {
        "resourceType": "Organization", **head, "identifier": [*head["identifier"], *siret_of(taken)], "active": True,
        "type": taken.concepts("reseaux_porteurs", "reseau"), "name": name, "telecom": taken.telecom("site_web", "lien_source"),
        "address": [address] if address else [],
    }  # fmt: skip
    return [filled(organization), location(taken, head, name, f"Organization/{head['id']}", address, position)]


def location(taken: Taken, head: Resource, name: str, keeper: str, address: Resource, position: Resource) -> Resource:
    """Where a structure, or a service with an address of its own, stands; with what only a Location has room for. Its openings are those
    of the whole house."""
    openings, words = taken.hours()
    described = taken.get("description", values.text) if keeper else None
    access = taken.get("accessibilite_lieu", values.url)
    return filled({
        "resourceType": "Location", **head, "status": "active", "name": name, "description": described, "mode": "instance",
        "telecom": [{"system": "url", "value": access}] if access else [], "address": address, "position": position,
        "managingOrganization": {"reference": keeper} if keeper else {},
        "hoursOfOperation": [_operation(entry) for entry in available_time(openings)], "availabilityExceptions": words,
    })  # fmt: skip


def _operation(entry: Resource) -> Resource:
    """A HealthcareService's availableTime as a Location says it."""
    other = {"availableStartTime": "openingTime", "availableEndTime": "closingTime"}
    return {other.get(name, name): value for name, value in entry.items()}
