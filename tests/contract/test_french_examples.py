"""The 91 examples of France, and each oddity of france.md 1.6 by its number."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from adapter import fhir, identity, views
from adapter.identity import canonised, entered, fits, kind_of, postal_and_city
from adapter.identity.traits import plain, traits
from adapter.names import NIR
from adapter.network.hours import Opening
from adapter.ports import Version
from adapter.referral.due import Calendar, due
from adapter.views.glass import selected
from tests.conftest import ROOT, SHARED
from tests.contract.test_fhir_examples import EXCEPTIONS
from tests.e2e.stage import staged
from tests.unit.identity.numbers import keyed

FOLDER = SHARED / "data" / "fr" / "examples"
NAMES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.json"))
shared_material = pytest.mark.shared


def bodies() -> Iterator[tuple[str, bytes]]:
    return ((name, (FOLDER / name).read_bytes()) for name in NAMES)


def resources() -> Iterator[dict[str, Any]]:
    """Each example, and each resource in a Bundle."""
    for _, body in bodies():
        resource = json.loads(body)
        yield resource
        yield from (each["resource"] for each in resource.get("entry", ()) if "resource" in each)


def identifiers(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for each in node:
            yield from identifiers(each)
    elif isinstance(node, dict):
        if kind_of(node) and "value" in node and "resourceType" not in node:
            yield node
        for each in node.values():
            yield from identifiers(each)


def parsed(body: bytes) -> Any:
    tree = json.loads(body, parse_float=str, parse_int=str)
    return {name: value for name, value in tree.items() if name not in ("id", "meta")}


@shared_material
def test_there_are_91_examples() -> None:
    assert len(NAMES) == 91


@shared_material
def test_the_examples_are_parsed_stored_and_read_back_with_the_same_values() -> None:
    refused = {name.removeprefix("fr/examples/") for name in EXCEPTIONS if name.startswith("fr/examples/")}
    with staged() as stage:
        for number, (name, body) in enumerate(bodies()):
            if name in refused:
                continue
            resource = fhir.parse(body)
            id = f"example-{number}"

            def kept(uow: Any, resource: Any = resource, id: str = id, body: bytes = body) -> Version:
                served = fhir.stamp(body, id=id, version=1, updated=uow.at, edit=lambda tree: tree.update(canonised(tree)))
                version = Version(resource["resourceType"], id, 1, uow.at, "msp-saint-eloi", served, body)
                uow.save(version, expected=0, index=fhir.rows(canonised(resource)))
                found = uow.current(resource["resourceType"], id)
                assert found is not None
                return found

            found = stage.app.store.write_now(kept)
            assert found.received == body, "kept as it came, to the byte"
            assert parsed(found.served) == parsed(body) == canonised(parsed(body)), name


# ── the oddities, by number ──────────────────────────────────────────────────────────────────────
@shared_material
def test_1_6_1_values_are_compared_and_never_text() -> None:
    differs = [name for name, body in bodies() if json.dumps(json.loads(body), ensure_ascii=False).encode() != body.strip()]
    assert len(differs) > 30
    body = b'{"resourceType":"Patient","meta":{"lastUpdated":"2024-01-01T00:00:00.000+01:00"},"_birthDate":{"extension":[{"url":"u:x","valueString":"y"}]}}'
    assert parsed(fhir.stamp(body, id="x", version=1, updated=_at("2026-03-02T00:00:00+00:00"))) == parsed(body)
    assert fhir.parse(body)["_birthDate"]


@shared_material
def test_1_6_2_numbers_that_do_not_fit_are_errors_in_production_and_warnings_in_a_sandbox() -> None:
    wrong = Counter(kind_of(each) for resource in resources() for each in identifiers(resource) if not fits(kind_of(each), each["value"]))
    assert wrong["INS-NIR"] >= 5 and wrong["RPPS"] >= 7 and wrong["FINESS"] >= 1
    assert not fits("INS-NIR", "123456789012244") and keyed("1234567890122")[-2:] == "12"
    for resource in resources():
        assert entered(resource, production=False, sandbox=True).errors == ()
    patients = [each for each in resources() if each["resourceType"] == "Patient" and any(kind_of(one) == "INS-NIR" for one in each.get("identifier", ()))]
    assert patients and all(entered(each, production=True, sandbox=False).errors for each in patients)


@shared_material
def test_1_6_3_no_view_shows_a_narrative_what_is_contained_or_an_extension_nobody_named() -> None:
    found = views.load_views(ROOT / "mappings" / "views")
    named = {name for view in found.values() for name in view.trees.get("Patient", {})}
    assert named and not {"text", "contained"} & named
    example = json.loads((FOLDER / "ans-cds" / "Patient-cds-patient-example.json").read_bytes())
    assert "123456789012244" in json.dumps(example) and "NIR" in example["text"]["div"]


@shared_material
def test_1_6_4_towns_phones_prefixes_and_accents_as_they_are_written() -> None:
    assert postal_and_city("92140 CLAMART") == ("92140", "CLAMART")
    cities = [each.get("city") for resource in resources() for each in _every(resource, "address")]
    assert any(postal_and_city(city)[0] for city in cities)
    assert plain("VALIDÉE") == plain("Valide\u0301e") == "validee" and plain("MME") == "mme"
    extension = [{"url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability",
                  "extension": [{"url": "identityStatus", "valueCoding": {"code": "VALIDE\u0301E"}}]}]  # fmt: skip
    assert identity.status({"extension": extension}) == "VALI"


def test_1_6_5_a_number_that_a_spreadsheet_made_of_a_siret_is_none() -> None:
    assert not fits("SIRET", "73282932000074.0") and not fits("SIRET", 73282932000074.0) and fits("SIRET", "73282932000074")


def test_1_6_6_keys_of_corsica_of_months_not_known_and_of_la_poste() -> None:
    assert all(fits("NIR", keyed(thirteen)) for thirteen in ("199122A123456", "199122B123456", "1852012345678", "1854212345678", "1855012345678"))
    assert fits("SIRET", "35600000049837") and fits("FINESS", "2A0000014")


@shared_material
def test_1_6_7_what_a_referral_is_made_of_is_r4_in_every_example() -> None:
    kinds = Counter(each["resourceType"] for each in resources() if each["resourceType"] in ("ServiceRequest", "Task", "Consent", "Patient"))
    assert kinds["Patient"] >= 6 and kinds["Task"] and kinds["Consent"] >= 3 and kinds["ServiceRequest"]
    for each in resources():
        if each["resourceType"] in ("ServiceRequest", "Task", "Patient"):
            assert fhir.check(each) == []


@shared_material
def test_1_6_8_no_profile_refuses_anything() -> None:
    profiles = {each for resource in resources() for each in resource.get("meta", {}).get("profile", ())}
    assert any("|" in each for each in profiles) and any(each.startswith("http://sas.fr/") for each in profiles)
    assert fhir.check({"resourceType": "Patient", "meta": {"profile": sorted(profiles)}}) == []


@shared_material
def test_1_6_9_census_and_an_identifier_of_the_oid_without_a_type_is_a_number_of_the_social_security() -> None:
    every = [each for name, body in bodies() if name.startswith("ans-") for each in identifiers(json.loads(body))]
    census = Counter(kind_of(each) for each in every)
    assert census == {"IDNST": 23, "IDNPS": 19, "RPPS": 7, "FINESS": 6, "RPPSRG": 6, "INS-NIR": 4, "NIR": 1}
    untyped = [each for each in every if kind_of(each) == "NIR"]
    assert untyped and all(each["system"] == NIR and "type" not in each for each in untyped)
    for each in untyped:
        assert selected(each, "local", None) is None  # type: ignore[arg-type]
    assert kind_of({"value": "412345678912345"}) == ""  # no system at all


def test_1_6_10_a_due_date_over_the_night_of_summer_time_and_a_holiday_of_alsace_moselle() -> None:
    hours = tuple(Opening(day, 540, 1080) for day in range(5))
    friday = _at("2026-03-27T18:50:00+01:00")  # the clock is set forward on the Sunday
    assert due(friday, "urgent", Calendar(hours, "Europe/Paris")).isoformat() == "2026-03-31T18:00:00+02:00"
    before = _at("2026-04-02T10:00:00+02:00")  # Good Friday is kept in Strasbourg alone
    rouen, strasbourg = (due(before, "urgent", Calendar(hours, "Europe/Paris", commune=commune)) for commune in ("76540", "67482"))
    assert rouen < strasbourg


@shared_material
def test_traits_of_the_examples_are_read() -> None:
    found = {traits(each).family: traits(each) for each in resources() if each["resourceType"] == "Patient"}
    assert found["Thobois"].place == "29064" and found["ROUBINOWITZ"].given == "Michel"


def _every(node: Any, name: str) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        value = node.get(name)
        yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict))
        for each in node.values():
            yield from _every(each, name)
    elif isinstance(node, list):
        for each in node:
            yield from _every(each, name)


def _at(text: str) -> Any:
    return datetime.fromisoformat(text)

