"""The network as FHIR R4: valid by the model library, found by the identifiers that the field uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from adapter.names import FINESS, SIRENE, Systems
from adapter.network import Network, available_time, hours_from, load, merged, parse, resources
from tests.unit.network.network import TEXT, changed

SYSTEMS = Systems("https://own.example")
DEMO = Path(__file__).resolve().parents[3] / "mappings" / "demo" / "network.yaml"


def by_reference(network: Network) -> dict[str, dict[str, Any]]:
    return {f"{resource['resourceType']}/{resource['id']}": resource for resource in resources(network, SYSTEMS)}


@pytest.mark.parametrize(
    "network", [parse(TEXT), load(DEMO), Network(), merged(load(DEMO), parse(TEXT))], ids=["small", "demo", "empty", "merged"]
)
def test_resources_are_valid_r4_and_refer_to_each_other_only(network: Network) -> None:
    found = by_reference(network)
    assert len(found) == len(resources(network, SYSTEMS))  # ids are unique by type
    for resource in found.values():
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        text = json.dumps(resource)
        assert '""' not in text and "[]" not in text and "{}" not in text and "null" not in text
    named = {
        part
        for resource in found.values()
        for part in json.dumps(resource).split('"')
        if part.startswith(("Organization/", "Healthcare", "Practi"))
    }
    assert {name for name in named if "/" in name} <= found.keys()


@pytest.mark.shared
def test_resources_use_only_elements_of_r4_when_compared_with_the_element_table(shared: Path) -> None:
    elements = json.loads((shared / "data" / "r4" / "elements.json").read_text())
    for resource in resources(load(DEMO), SYSTEMS):
        for name in resource.keys() - {"resourceType"}:
            assert f"{resource['resourceType']}.{name}" in elements, name


def test_resources_give_the_clinic_its_own_and_the_national_identifiers() -> None:
    clinic = by_reference(parse(TEXT))["Organization/clinic"]
    assert clinic["identifier"][0] == {"system": "https://own.example/sid/organisation", "value": "clinic"}
    types = {(entry["system"], entry["type"]["coding"][0]["code"]): entry["value"] for entry in clinic["identifier"][1:]}
    assert types == {(SIRENE, "SIRET"): "00000000000010", (FINESS, "FINEG"): "760000010"}
    assert clinic["active"] is True and clinic["type"][0]["coding"][0]["code"] == "prov"


def test_resources_give_units_hours_closures_and_who_provides_them() -> None:
    pool = by_reference(parse(TEXT))["HealthcareService/pool"]
    assert pool["providedBy"] == {"reference": "Organization/asso"}
    assert pool["availableTime"][0] == {
        "daysOfWeek": ["mon", "tue", "wed", "thu", "fri"], "availableStartTime": "08:30:00", "availableEndTime": "12:30:00",
    }  # fmt: skip
    assert pool["notAvailable"] == [{"description": "Congés", "during": {"start": "2026-08-03", "end": "2026-08-21"}}]
    assert "telecom" not in pool  # neither it nor its organisation has a number


def test_resources_tie_a_role_to_person_organisation_and_unit_when_she_works_in_one() -> None:
    role = by_reference(parse(TEXT))["PractitionerRole/lea"]
    assert role["practitioner"] == {"reference": "Practitioner/lea"}
    assert role["organization"] == {"reference": "Organization/asso"}
    assert role["healthcareService"] == [{"reference": "HealthcareService/coursier"}]
    assert role["period"] == {"start": "2026-01-01"}


def test_resources_name_a_doctor_in_parts() -> None:
    doctor = by_reference(parse(TEXT))["Practitioner/gp"]
    assert doctor["name"] == [{"text": "Dr Anne de la Tour", "family": "de la Tour", "given": ["Anne"], "prefix": ["Dr"]}]
    assert doctor["identifier"][1]["value"] == "00000000101"


def test_resources_hold_no_secret_nor_where_it_lies() -> None:
    assert "secrets/" not in json.dumps(resources(parse(TEXT), SYSTEMS))


def test_resources_are_inactive_when_the_file_has_them_no_more() -> None:
    gone = by_reference(merged(load(DEMO), parse(TEXT)))
    assert gone["Organization/msp-saint-eloi"]["active"] is False
    assert gone["HealthcareService/coursier-rouen"]["active"] is False
    assert gone["Practitioner/dr-exemple"]["active"] is False and gone["PractitionerRole/dr-exemple"]["active"] is False
    assert gone["Endpoint/msp-saint-eloi"]["status"] == "off" and gone["Endpoint/clinic"]["status"] == "active"


def test_resources_are_inactive_alone_when_only_the_unit_or_the_ehr_is_gone() -> None:
    start, end = TEXT.index("    ehr:\n"), TEXT.index("  - key: asso")
    text = (TEXT[:start] + TEXT[end:]).replace("      - key: pool\n        name: Portage", "      - key: new\n        name: Neuve")
    found = by_reference(merged(parse(TEXT), parse(text)))
    assert found["HealthcareService/pool"]["active"] is False and found["HealthcareService/coursier"]["active"] is True
    assert found["Endpoint/clinic"]["status"] == "off" and found["Organization/clinic"]["active"] is True


def test_hours_become_all_day_and_midnight_when_they_are() -> None:
    text = changed(('hours: {mon-fri: "09:00-18:00"}', 'hours: {sat-sun: "00:00-24:00", mon: "20:00-24:00"}'))
    unit = parse(text).unit("coursier")
    assert unit is not None
    entries = available_time(unit.hours)
    assert entries == [
        {"daysOfWeek": ["sat", "sun"], "allDay": True},
        {"daysOfWeek": ["mon"], "availableStartTime": "20:00:00", "availableEndTime": "23:59:59"},
    ]
    assert hours_from(entries) == unit.hours


def test_hours_from_takes_every_day_and_the_whole_day_when_nothing_is_said() -> None:
    assert len(hours_from([{"availableStartTime": "08:00:00", "availableEndTime": "09:00:00"}])) == 7
    assert [(o.opens, o.closes) for o in hours_from([{"daysOfWeek": ["mon"]}])] == [(0, 1440)]
    assert hours_from([{"daysOfWeek": ["mon"], "availableStartTime": "18:00:00", "availableEndTime": "09:00:00"}]) == ()


@pytest.mark.parametrize(("places", "status"), [(6, "capacity"), (0, "no-capacity")])
def test_resources_say_whether_a_unit_takes_anybody_cap_1(places: int, status: str) -> None:
    network = parse(DEMO.read_text("utf-8").replace("capacity: 6", f"capacity: {places}"))
    found = [each["extension"][0] for each in resources(network, SYSTEMS) if each["resourceType"] == "HealthcareService"]
    assert all(each["url"].endswith("SDOHCC-ExtensionHealthcareServiceCapacityStatus") for each in found)
    said = {each["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] for each in found}
    assert said == {"capacity", status}
