"""One name for each identifier system of France, and the kind by the type code (france.md 1.2)."""

from __future__ import annotations

from typing import Any

import pytest

from adapter import fhir
from adapter.fhir.matching import matches
from adapter.identity import canonical, canonised, e164, kind_of, marked, spellings
from adapter.identity.systems import TABLE
from adapter.names import FINESS, NIR, RPPS, SIRENE
from adapter.views.glass import selected

G07 = "https://mos.esante.gouv.fr/NOS/TRE_G07-TypeIdentifiantStructure/FHIR/TRE-G07-TypeIdentifiantStructure"
FR = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"


def identifier(system: str | None, code: str = "", table: str = FR, value: str = "1") -> dict[str, Any]:
    typed = {"type": {"coding": [{"system": table, "code": code}]}} if code else {}
    return {**typed, **({"system": system} if system else {}), "value": value}


@pytest.mark.parametrize(
    ("wild", "own"),
    [
        ("http://finess.esante.gouv.fr", FINESS), ("http://finess.sante.gouv.fr", FINESS), ("https://finess.sante.gouv.fr/", FINESS),
        ("http://sirene.fr", SIRENE), ("http://rppsrang.esante.gouv.fr", "https://rppsrang.esante.gouv.fr"), ("http://rpps.esante.gouv.fr/", RPPS),
        ("1.2.250.1.213.1.4.8", NIR), ("urn:OID:1.2.250.1.213.1.4.8", NIR), ("oid:1.2.250.1.71.4.2.2", "urn:oid:1.2.250.1.71.4.2.2"),
        ("http://identifiant-medicosocial-localusager.esante.gouv.fr", "https://identifiant-medicosocial-localusager.esante.gouv.fr"),
    ],
)  # fmt: skip
def test_canonical_knows_a_system_by_what_it_is_called_in_the_wild(wild: str, own: str) -> None:
    assert canonical(wild) == own and wild in spellings(own)


@pytest.mark.parametrize("other", ["https://clinic.example/ipp", "", "urn:oid:1.2.250.1.213.1.4", "https://rpps.esante.gouv.fr.example", "https://annuaire.sante.fr"])
def test_canonical_leaves_any_other_system_alone(other: str) -> None:
    assert canonical(other) == other and spellings(other) == (other,)


def test_canonical_is_told_once_and_marked_never_passes_over_a_spelling() -> None:
    every = [each for own in TABLE for each in spellings(own)]
    assert len(every) == len(set(every))
    assert all(canonical(canonical(each)) == canonical(each) and marked(f'{{"system":"{each}"}}'.encode()) for each in every)
    assert not marked(b'{"system":"https://clinic.example/ipp"}')


def test_canonised_changes_systems_of_identifiers_and_nothing_else() -> None:
    patient = {
        "resourceType": "Patient", "identifier": [identifier("http://finess.sante.gouv.fr"), identifier("https://clinic.example/ipp")],
        "managingOrganization": {"identifier": identifier("http://sirene.fr", "SIRET")}, "text": {"div": "http://sirene.fr"},
        "extension": [{"url": "http://sirene.fr", "valueCoding": {"system": "http://sirene.fr", "code": "x"}}],
    }  # fmt: skip
    done = canonised(patient)
    assert done["identifier"][0]["system"] == FINESS and done["managingOrganization"]["identifier"]["system"] == SIRENE
    assert {name: done[name] for name in ("text", "extension")} == {name: patient[name] for name in ("text", "extension")}
    assert done["identifier"][1] is patient["identifier"][1] and patient["identifier"][0]["system"] == "http://finess.sante.gouv.fr"
    assert canonised(done) is done


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (identifier(NIR, "INS-NIR"), "INS-NIR"), (identifier(NIR, "NH", V2), "NSS"), (identifier(NIR), "NIR"), (identifier(NIR, "PI", V2), "NIR"),
        (identifier("1.2.250.1.213.1.4.8"), "NIR"), (identifier("urn:oid:1.2.250.1.213.1.4.9"), "INS-NIA"),
        (identifier("urn:oid:1.2.250.1.213.1.4.10", "INS-NIR"), "INS-NIR-TEST"), (identifier("urn:oid:1.2.250.1.213.1.4.11"), "INS-NIR-DEMO"),
        (identifier("urn:oid:1.2.250.1.213.1.4.2"), "INS-C"), (identifier("https://clinic.example/x", "NH", V2), "NSS"), (identifier(None, "INS-C"), "INS-C"),
        (identifier(RPPS), "RPPS"), (identifier("http://finess.sante.gouv.fr", "1", G07), "FINESS"),
        (identifier("http://sirene.fr", "2", G07), "SIREN"), (identifier("http://sirene.fr", "3", G07), "SIRET"), (identifier(SIRENE, "SIRET"), "SIRET"),
        (identifier(SIRENE, value="123456789"), "SIREN"), (identifier(SIRENE, value="12345678901234"), "SIRET"), (identifier(SIRENE), ""),
        (identifier("urn:oid:1.2.250.1.71.4.2.2", "40", G07), "IDNST"), (identifier("http://rppsrang.esante.gouv.fr", "4", G07), "RPPSRG"),
        (identifier("https://adelirang.esante.gouv.fr", "0", G07), "ADELIRG"), (identifier(None, "3", G07), "SIRET"), (identifier(None, "3"), ""),
        (identifier("https://clinic.example/ipp", "PI", V2), ""), (identifier("https://clinic.example/ipp", "RPPS"), ""),
    ],
)  # fmt: skip
def test_kind_is_by_type_code_where_a_system_holds_several(given: dict[str, Any], kind: str) -> None:
    assert kind_of(given) == kind


@pytest.mark.parametrize("system", spellings(NIR))
def test_no_spelling_of_the_oid_leaves_a_view_as_a_local_number(system: str) -> None:
    found = identifier(system, value="C98765")
    assert selected(found, "local", None) is None and selected(found, "nir", None) == found  # type: ignore[arg-type]


@pytest.mark.parametrize("stored", spellings(FINESS))
@pytest.mark.parametrize("asked", ["https://finess.esante.gouv.fr", "http://finess.sante.gouv.fr"])
def test_a_search_by_one_name_finds_what_is_kept_under_another(stored: str, asked: str) -> None:
    request = {"resourceType": "ServiceRequest", "identifier": [identifier(stored, value="760000010")]}
    assert matches(request, fhir.query("ServiceRequest", [("identifier", f"{asked}|760000010")]))
    assert not matches(request, fhir.query("ServiceRequest", [("identifier", f"{asked}|760000011")]))
    assert not matches(request, fhir.query("ServiceRequest", [("identifier:not", f"{asked}|760000010")]))


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("01 23 24 67 89", "+33123246789"), ("+33 1 23 24 67 89", "+33123246789"), ("0033123246789", "+33123246789"), ("01.23.24.67.89", "+33123246789"),
        ("+33(0)1 23 24 67 89", "+33123246789"), ("(01) 23 24 67 89", "+33123246789"), ("+32 2 123 45 67", "+3221234567"), ("0032 2 123 45 67", "+3221234567"),
        ("15", ""), ("0", ""), ("01 23 24 67", ""), ("poste 12", ""), ("\u0660123246789", ""),
    ],
)  # fmt: skip
def test_a_telephone_number_has_one_form(written: str, found: str) -> None:
    assert e164(written) == found and e164(found or "x") == found


@pytest.mark.parametrize("stored", ["01 23 24 67 89", "+33123246789", "0033 1 23 24 67 89"])
@pytest.mark.parametrize(("param", "asked"), [("phone", "+33123246789"), ("phone", "0123246789"), ("telecom", "phone|01.23.24.67.89"), ("telecom", "+33123246789")])
def test_a_person_is_found_by_a_telephone_number_however_it_is_written(stored: str, param: str, asked: str) -> None:
    patient = {"resourceType": "Patient", "telecom": [{"system": "phone", "value": stored}, {"system": "email", "value": "a@b.example"}]}
    assert matches(patient, fhir.query("Patient", [(param, asked)])) and not matches(patient, fhir.query("Patient", [(param, "0123246780")]))
    assert matches(patient, fhir.query("Patient", [("email", "a@b.example")]))
