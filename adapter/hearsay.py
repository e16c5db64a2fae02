"""What a call-taker of another house said of a person: kept with the record, and all of the person that its referral shows
until the practice itself confirms it (workflow.md 3 and 6).

A record names whom it likes. Were it shown what the practice has stored, a made-up one would fetch an address.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapter.dossier import Dossier, split
from adapter.names import Systems
from adapter.network import Network
from adapter.ports import Resource

TAKEN_DOWN = "saisie"  # activity of the Provenance of a record
ID = "as-told"
CONFIRMING = frozenset({"confirmation", "info-remise"})  # the practice confirmed with the person, or handed the sheet over
_OWN = ("id", "meta", "identifier", "managingOrganization")


def kept(resources: list[Resource], patient: Resource, systems: Systems) -> list[Resource]:
    """The resources of a record, the person as it tells contained in the Provenance of each request."""
    own = systems.sid("patient")
    numbers = [each for each in patient.get("identifier", ()) if each.get("system") != own]
    told = {"resourceType": "Patient", "id": ID} | ({"identifier": numbers} if numbers else {})
    told |= {name: value for name, value in patient.items() if name not in (*_OWN, "resourceType")}
    entity = {"role": "source", "what": {"reference": f"#{ID}"}}
    return [
        each | {"contained": [told], "entity": [*each.get("entity", ()), entity]} if taken_down(each, systems) else each for each in resources
    ]


def taken_down(resource: Resource, systems: Systems) -> bool:
    """Whether it is the Provenance of a record that was taken down."""
    return resource["resourceType"] == "Provenance" and _activity(resource, systems) == TAKEN_DOWN


def told(dossier: Dossier, systems: Systems) -> Resource | None:
    """The person as the record told; None: the record came from the practice itself."""
    for proof in dossier.told:
        if taken_down(proof, systems):
            return next((each for each in proof.get("contained", ()) if each.get("id") == ID), None)
    return None


def limit(dossier: Dossier, network: Network, *, systems: Systems) -> Resource | None:
    """All of the Patient that the referral may show to anybody but its practice; None: no limit."""
    said = told(dossier, systems)
    if said is None or dossier.patient is None:
        return None
    clinic = network.organisation(dossier.clinic)
    if clinic and clinic.kind == "clinic" and any(_house(network, each) == clinic.key for each in _writers(dossier.told, systems)):
        return None
    return said | {"id": dossier.patient["id"]}


def _house(network: Network, reference: str) -> str | None:
    type, key = split(reference)
    return key if type == "Organization" else network.organisation_of_person(key)


def _writers(proofs: Iterable[Resource], systems: Systems) -> Iterable[str]:
    """Who wrote down each act that confirms: the caller, never whom the caller names as the one who heard it."""
    for proof in proofs:
        if _activity(proof, systems) in CONFIRMING:
            agents = {_type(agent): str(agent.get("who", {}).get("reference", "")) for agent in proof.get("agent", ())}
            yield agents.get("enterer") or agents.get("attester", "")


def _type(agent: Resource) -> str:
    return next((str(each.get("code", "")) for each in agent.get("type", {}).get("coding", ())), "")


def _activity(proof: Resource, systems: Systems) -> str:
    system = systems.code("activity")
    return next((str(each.get("code", "")) for each in proof.get("activity", {}).get("coding", ()) if each.get("system") == system), "")
