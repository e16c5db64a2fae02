"""A service of a structure: a HealthcareService, and a Location where it has an address of its own."""

from __future__ import annotations

from adapter.directory import values
from adapter.directory.naming import INSEE_COMMUNE
from adapter.directory.taken import Taken, filled
from adapter.network.hours import available_time
from adapter.ports import Resource

_PROVISION = "http://terminology.hl7.org/CodeSystem/service-provision-conditions"
_REFERRAL = "http://terminology.hl7.org/CodeSystem/service-referral-method"
_FEES = {"gratuit": "free", "payant": "cost"}
_METHODS = {"telephoner": "phone"}
WHOLE = frozenset({"france", "99100"})  # codes for all of France


def resources(taken: Taken, head: Resource, name: str, parent: str) -> list[Resource]:
    address, position = taken.address(), taken.position()
    openings, words = taken.hours()
    fees = taken.get("frais", values.code)
    made = {
        "resourceType": "HealthcareService", **head, "active": True, "providedBy": {"reference": f"Organization/{parent}"},
        "category": taken.concepts("thematiques", "thematique"), "type": taken.concepts("type", "type"),
        "location": [{"reference": f"Location/{head['id'] if address or position else parent}"}],
        "name": name, "comment": taken.get("description", values.text), "extraDetails": _details(taken, fees),
        "telecom": taken.telecom("lien_mobilisation", "lien_source"), "coverageArea": coverage(taken),
        "serviceProvisionCode": [{"coding": [{"system": _PROVISION, "code": _FEES[fees]}]}] if fees in _FEES else [],
        "eligibility": _eligibility(taken),
        "characteristic": [*taken.concepts("modes_accueil", "mode-accueil"), *taken.concepts("mobilisable_par", "mobilisable-par")],
        "referralMethod": [_method(each) for each in taken.concepts("modes_mobilisation", "mode-mobilisation")],
        "availableTime": available_time(openings), "availabilityExceptions": words,
    }  # fmt: skip
    there = [_place(taken, head, name, parent, address, position)] if address or position else []
    return [filled(made), *there]


def _place(taken: Taken, head: Resource, name: str, parent: str, address: Resource, position: Resource) -> Resource:
    return filled({
        "resourceType": "Location", **head, "status": "active", "name": name, "mode": "instance", "address": address, "position": position,
        "managingOrganization": {"reference": f"Organization/{parent}"},
    })  # fmt: skip


def coverage(taken: Taken) -> list[Resource]:
    """Whom it serves, by places: its zone; where it names none, the commune where it is, as far as the record says that."""
    system = taken.systems.zone
    found = taken.get("zone_eligibilite", values.zones)
    if not found:
        commune = taken.get("code_insee", values.insee)
        return [{"type": "Location", "identifier": {"system": INSEE_COMMUNE, "value": commune}, "display": "zone non précisée"}] if commune else []
    kept = dict.fromkeys("france" if each in WHOLE else each for each in found)
    return [{"type": "Location", "identifier": {"system": system, "value": each}} for each in kept]


def _eligibility(taken: Taken) -> list[Resource]:
    """For whom, and on which conditions: those hold for all of them and are said once, with the first."""
    publics = taken.concepts("publics", "public")
    said = "\n\n".join(filter(None, (taken.get(name, values.text) for name in ("publics_precisions", "conditions_acces"))))
    entries: list[Resource] = [{"code": each} for each in publics]
    if said:
        entries = [{**(entries[0] if entries else {}), "comment": said}, *entries[1:]]
    return entries


def _method(concept: Resource) -> Resource:
    standard = _METHODS.get(concept["coding"][0]["code"])
    return {"coding": [*concept["coding"], {"system": _REFERRAL, "code": standard}]} if standard else concept


def _details(taken: Taken, fees: str | None) -> str:
    """What FHIR has no element for, in words."""
    hours, weeks = taken.get("volume_horaire_hebdomadaire", values.number(0, 168)), taken.get("nombre_semaines", values.number(1, 520))
    updated = taken.get("date_maj", values.day)
    parts = (
        taken.get("mobilisation_precisions", values.text),
        taken.get("frais_precisions", values.text),
        f"Frais : {fees}" if fees and fees not in _FEES else None,
        f"Volume horaire hebdomadaire : {hours:g} h" if hours is not None else None,
        f"Nombre de semaines : {weeks:g}" if weeks is not None else None,
        f"Fiche mise à jour le {updated.isoformat()}" if updated else None,
    )
    return "\n\n".join(filter(None, parts))
