"""One record of data·inclusion as FHIR (france.md 2.1)."""

from __future__ import annotations

from typing import Any

import pytest

from adapter import fhir
from adapter.directory import SERVICES, STRUCTURES, DirectorySystems, made
from adapter.directory.keeping import marks
from adapter.directory.naming import CELL, EVERYBODY, PUBLIC
from adapter.names import SIRENE, Systems

SYSTEMS = DirectorySystems(Systems())
STRUCTURE: dict[str, Any] = {
    "source": "dora", "id": "s1", "nom": "CCAS de l'Exemple", "date_maj": "2026-03-02", "siret": "82454114801871", "adresse": "1 rue de l'Exemple", "complement_adresse": "Bâtiment B",
    "code_postal": "76100", "commune": "Rouen", "code_insee": "76540", "latitude": 49.44, "longitude": 1.09, "telephone": "02 61 91 00 01", "courriel": "ccas@exemple.fr",
    "site_web": "https://exemple.fr", "description": "Un CCAS inventé.", "horaires_accueil": "Mo-Fr 09:00-12:00", "lien_source": "https://dora.exemple.fr/s1",
    "accessibilite_lieu": "https://acceslibre.exemple.fr/s1", "reseaux_porteurs": ["ccas-cias"],
}  # fmt: skip
SERVICE: dict[str, Any] = {
    "source": "dora", "id": "v1", "structure_id": "s1", "nom": "Aide alimentaire", "description": "Des colis, inventés.", "date_maj": "2026-03-02", "type": "aide-materielle",
    "thematiques": ["equipement-et-alimentation--alimentation"], "publics": ["familles", "seniors"], "publics_precisions": "Habitants.", "conditions_acces": "Sur évaluation.",
    "frais": "gratuit", "frais_precisions": "Rien à payer.", "zone_eligibilite": ["76540", "27"], "modes_accueil": ["en-presentiel"], "modes_mobilisation": ["telephoner", "se-presenter"],
    "mobilisable_par": ["professionnels"], "mobilisation_precisions": "Appeler le matin.", "lien_mobilisation": "https://exemple.fr/v1", "contact_nom_prenom": "Zyxnom Zyxprenom",
    "courriel": "aide@exemple.fr", "telephone": "02 61 91 00 02", "horaires_accueil": "sur rendez-vous", "volume_horaire_hebdomadaire": 2, "nombre_semaines": 4,
}  # fmt: skip


def codes(concepts: list[dict[str, Any]]) -> list[str]:
    return [coding["code"] for each in concepts for coding in each["coding"]]


def test_structure_is_an_organization_and_the_location_where_it_stands() -> None:
    found = made(STRUCTURES, STRUCTURE, SYSTEMS)
    organization, location = found.resources
    assert not found.notes and organization["id"] == location["id"] == found.id and found.id.startswith("di-") and len(found.id) <= 64
    assert {(each["system"], each["value"]) for each in organization["identifier"]} == {
        (SYSTEMS.record(STRUCTURES), "dora--s1"), (SIRENE, "82454114801871"), (SIRENE, "824541148"),
    }  # fmt: skip
    assert organization["active"] and organization["name"] == "CCAS de l'Exemple" and codes(organization["type"]) == ["ccas-cias"]
    assert [each["value"] for each in organization["telecom"]] == ["02 61 91 00 01", "ccas@exemple.fr", "https://exemple.fr", "https://dora.exemple.fr/s1"]
    assert organization["address"][0]["line"] == ["1 rue de l'Exemple", "Bâtiment B"] and organization["address"][0]["extension"][0]["valueCoding"]["code"] == "76540"
    assert location["position"] == {"longitude": 1.09, "latitude": 49.44} and location["managingOrganization"] == {"reference": f"Organization/{found.id}"}
    assert location["hoursOfOperation"] == [{"daysOfWeek": ["mon", "tue", "wed", "thu", "fri"], "openingTime": "09:00:00", "closingTime": "12:00:00"}]
    assert location["description"] == "Un CCAS inventé." and location["status"] == "active" and location["telecom"][0]["value"].startswith("https://acceslibre")


def test_service_is_a_healthcare_service_of_its_structure() -> None:
    found = made(SERVICES, SERVICE, SYSTEMS)
    (service,) = found.resources
    above = made(STRUCTURES, STRUCTURE, SYSTEMS)
    assert not found.notes and found.parent == above.id
    assert service["providedBy"] == {"reference": f"Organization/{above.id}"} and service["location"] == [{"reference": f"Location/{above.id}"}]
    assert codes(service["category"]) == SERVICE["thematiques"] and codes(service["type"]) == ["aide-materielle"]
    assert [each["code"]["coding"][0]["code"] for each in service["eligibility"]] == ["familles", "seniors"]
    assert service["eligibility"][0]["comment"] == "Habitants.\n\nSur évaluation." and "comment" not in service["eligibility"][1]
    assert [each["identifier"]["value"] for each in service["coverageArea"]] == ["76540", "27"]
    assert codes(service["referralMethod"]) == ["telephoner", "phone", "se-presenter"] and codes(service["serviceProvisionCode"]) == ["free"]
    assert codes(service["characteristic"]) == ["en-presentiel", "professionnels"]
    assert "availableTime" not in service and service["availabilityExceptions"] == "sur rendez-vous"
    assert "Fiche mise à jour le 2026-03-02" in service["extraDetails"] and "Appeler le matin." in service["extraDetails"] and "2 h" in service["extraDetails"]


def test_service_has_a_place_of_its_own_where_its_record_has_an_address() -> None:
    service, place = made(SERVICES, SERVICE | {"adresse": "2 rue d'Ailleurs", "latitude": 50.0, "longitude": 3.0}, SYSTEMS).resources
    assert service["location"] == [{"reference": f"Location/{place['id']}"}] and place["id"] == service["id"] and place["position"]["latitude"] == 50.0


def test_no_name_of_a_person_is_taken() -> None:
    assert "Zyx" not in str(made(SERVICES, SERVICE, SYSTEMS))


def test_zone_that_is_not_said_is_the_commune_of_the_record_and_says_so() -> None:
    (area,) = made(SERVICES, {**SERVICE, "zone_eligibilite": None, "code_insee": "76498"}, SYSTEMS).resources[0]["coverageArea"]
    assert area["identifier"]["value"] == "76498" and area["display"] == "zone non précisée"
    (whole,) = made(SERVICES, SERVICE | {"zone_eligibilite": ["99100", "france"]}, SYSTEMS).resources[0]["coverageArea"]
    assert whole["identifier"]["value"] == "france"


def test_codes_that_nobody_knows_are_kept_as_they_came() -> None:
    (service,) = made(SERVICES, SERVICE | {"thematiques": "ancien-theme--ancien", "publics": "autres"}, SYSTEMS).resources
    assert codes(service["category"]) == ["ancien-theme--ancien"] and service["eligibility"][0]["code"]["coding"][0]["code"] == "autres"


@pytest.mark.parametrize("field", ["id", "nom", "structure_id", "source"])
def test_record_without_what_it_cannot_be_without_is_refused_with_the_field(field: str) -> None:
    for lacking in ({key: value for key, value in SERVICE.items() if key != field}, SERVICE | {field: "  "}, SERVICE | {field: ["x"]}):
        found = made(SERVICES, lacking, SYSTEMS)
        assert found.refused and field in {note.field for note in found.notes if note.refused}


def test_field_that_does_not_fit_is_left_out_and_said() -> None:
    found = made(STRUCTURES, STRUCTURE | {"courriel": "Zyx pas une adresse", "code_postal": "750121", "latitude": 200}, SYSTEMS)
    assert [(note.field, note.refused) for note in found.notes] == [("code_postal", False), ("latitude", False), ("courriel", False)]
    assert "Zyx" not in str(found) and "position" not in found.resources[1] and "postalCode" not in found.resources[0]["address"][0]


def test_the_same_record_is_the_same_whoever_reads_it_and_another_source_is_another() -> None:
    assert made(STRUCTURES, dict(STRUCTURE), SYSTEMS) == made(STRUCTURES, dict(STRUCTURE), SYSTEMS)
    other = made(STRUCTURES, STRUCTURE | {"source": "soliguide"}, SYSTEMS)
    assert other.id != made(STRUCTURES, STRUCTURE, SYSTEMS).id and made(SERVICES, SERVICE | {"id": "s1"}, SYSTEMS).id != made(STRUCTURES, STRUCTURE, SYSTEMS).id
    assert made(STRUCTURES, {**STRUCTURE, "source": None}, SYSTEMS, source="dora").id == made(STRUCTURES, STRUCTURE, SYSTEMS).id


def test_everything_is_what_fhir_takes() -> None:
    for kind, record in ((STRUCTURES, STRUCTURE), (SERVICES, SERVICE), (SERVICES, SERVICE | {"adresse": "ici"})):
        for resource in made(kind, record, SYSTEMS).resources:
            fhir.parse(fhir.dumps(resource))


def test_search_rows_are_of_what_the_resource_holds() -> None:
    (service,), (_, place) = made(SERVICES, SERVICE, SYSTEMS).resources, made(STRUCTURES, STRUCTURE, SYSTEMS).resources
    assert {row.value for row in marks(service, "dora") if row.param == PUBLIC} == {"familles", "seniors"}
    assert {row.value for row in marks(place, "dora") if row.param == CELL} == {"494:10"}
    assert {row.value for row in marks(service | {"eligibility": [{"comment": "x"}]}, "dora") if row.param == PUBLIC} == {EVERYBODY}
