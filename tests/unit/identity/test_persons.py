"""Status of an identity, traits, what may come in (france.md 1.3, 1.6). All persons are invented."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.identity import alike, differing, doubtful, entered, postal_and_city, scheme, status, traits, unchecked
from adapter.identity.reliability import RELIABILITY
from adapter.identity.traits import BIRTH_GIVEN, BIRTH_PLACE, INSEE, family_key
from adapter.names import NIR
from adapter.network import Unit

V2_0445 = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445"
MAIN = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-identity-status"
FR = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"


def reliability(code: str, system: str = V2_0445) -> dict[str, Any]:
    return {"url": RELIABILITY, "extension": [{"url": "identityStatus", "valueCoding": {"system": system, "code": code}}]}


def person(family: str = "Lefèvre-Noël", given: str = "Jeanne", **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"use": "official", "family": family, "given": [given]}], "birthDate": "1938-02-03", "gender": "female", **more}


@pytest.mark.parametrize("system", [V2_0445, "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-fiabilite-identite", MAIN])
@pytest.mark.parametrize(("code", "found"), [("VALI", "VALI"), ("QUAL", "QUAL"), ("PROV", "PROV"), ("VALIDÉE", "VALI"), ("Valide\u0301e", "VALI"), ("doub", "DOUB")])
def test_status_is_read_from_both_code_systems_and_from_words(system: str, code: str, found: str) -> None:
    assert status(person(extension=[reliability(code, system)])) == found


def test_status_is_the_doubtful_one_of_several() -> None:
    both = person(extension=[reliability("VALI"), reliability("USUR")])
    assert status(both) == doubtful(both) == "USUR" and doubtful(person(extension=[reliability("PROV")])) == "" and status(person()) == ""


@pytest.mark.parametrize("odd", [None, [], "x", {"extension": 1}, {"extension": [None, {"url": RELIABILITY, "extension": [{"url": "identityStatus", "valueCoding": 1}]}]}])
def test_status_of_anything_is_none(odd: Any) -> None:
    assert status(odd) == "" and traits(odd).family == "" and differing(odd, person()) == () and not alike(odd, person())


def test_unchecked_is_what_no_person_has_checked_of_any_source() -> None:
    patient = person(extension=[reliability("DOUT")])
    assert unchecked(patient, None) == "DOUT" and unchecked(person(), b'{"there":{"a":"DOUB"}}') == "DOUB"
    assert unchecked(patient, b'{"checked":{"here":"DOUT"}}') == "" and unchecked(patient, b'{"checked":{"here":"DOUB"}}') == "DOUT"
    assert unchecked(patient, b'{"there":{"a":"USUR"},"checked":{"here":"DOUT"}}') == "USUR"


def test_traits_are_those_at_birth() -> None:
    place = {"url": BIRTH_PLACE, "valueAddress": {"extension": [{"url": INSEE, "valueCoding": {"code": "99134"}}]}}
    listed = {"url": BIRTH_GIVEN, "valueString": "Jeanne Marie"}
    patient = person(name=[{"use": "usual", "family": "Martin"}, {"use": "official", "family": "Noël", "extension": [listed]}], extension=[place])
    found = traits(patient)
    assert (found.family, found.given, found.used, found.place, found.birth, found.sex) == ("Noël", "Jeanne", "Martin", "99134", "1938-02-03", "female")


@pytest.mark.parametrize(
    ("one", "other"), [("d'Arc", "ARC"), ("de La Tour", "LA TOUR"), ("Lefèvre-Noël", "LEFEVRE NOEL"), ("Lefe\u0300vre", "LEFÈVRE"), ("Cœur", "COEUR"), ("du Bois", "Bois"),
                       ("O'Neil", "ONEIL"), ("Éluard", "eluard")]
)  # fmt: skip
def test_family_names_are_one_whatever_their_accents_hyphens_particle_and_form(one: str, other: str) -> None:
    assert family_key(one) == family_key(other) != ""


@pytest.mark.parametrize("name", ["de", "Du", "Dupont", "Desbois", "Delatour", "L'"])
def test_a_family_name_that_begins_like_a_particle_keeps_its_letters(name: str) -> None:
    assert family_key(name)[:1] == name[:1].lower() and family_key("Dupont") == "dupont"


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (person("LEFEVRE NOEL", "JEANNE"), ()), (person("Durand"), ("family",)), (person(given="Paul"), ("given",)), (person(birthDate="1938-02-04"), ("birthDate",)),
        (person(gender="male"), ("gender",)), (person(birthDate="1938"), ()), ({"resourceType": "Patient"}, ()), (person(given="Jeanne-Marie"), ()),
        (person(name=[{"use": "usual", "family": "Martin", "given": ["Jeanne"]}, {"use": "official", "family": "Lefèvre-Noël"}]), ()), (person(gender="unknown"), ()),
    ],
)  # fmt: skip
def test_differing_names_the_traits_that_contradict(other: dict[str, Any], found: tuple[str, ...]) -> None:
    assert differing(person(), other) == found == differing(other, person())


def test_alike_asks_for_name_given_name_and_whole_birth_date() -> None:
    assert alike(person(), person("lefevre noel", "JEANNE"))
    for other in (person("Durand"), person(birthDate="1938"), person(gender="male"), {"resourceType": "Patient", "birthDate": "1938-02-03"}):
        assert not alike(person(), other)


@pytest.mark.parametrize(("city", "found"), [("92140 CLAMART", ("92140", "CLAMART")), ("CLAMART", ("", "")), ("Paris 15", ("", "")), (None, ("", "")), ("92140", ("", ""))])
def test_a_postal_code_in_a_town_is_told_apart(city: object, found: tuple[str, str]) -> None:
    assert postal_and_city(city) == found


# ── what may come in ─────────────────────────────────────────────────────────────────────────────
REAL, FAKE = "238027511600133", "123456789012244"


def ins(value: str = REAL, code: str = "INS-NIR", system: str = NIR) -> dict[str, Any]:
    return {"system": system, "value": value, "type": {"coding": [{"system": FR, "code": code}]}}


def said(patient: dict[str, Any], *, production: bool = True, sandbox: bool = False, authorised: bool = True) -> tuple[Any, list[str], list[str]]:
    found = entered(patient, production=production, sandbox=sandbox, authorised=authorised)
    return found.dropped, [each.expression for each in found.errors], [each.expression for each in found.warnings]


@pytest.mark.parametrize("code", ["", "PROV", "RECUP", "DOUB"])
def test_an_ins_without_a_qualified_identity_is_kept_out_with_a_warning(code: str) -> None:
    extension = [reliability(code)] if code else []
    assert said(person(identifier=[ins(), ins(REAL, "NH")], extension=extension)) == ((0,), [], ["Patient.identifier[0]"])


@pytest.mark.parametrize("code", ["VALI", "QUAL"])
def test_an_ins_with_a_qualified_identity_is_kept(code: str) -> None:
    assert said(person(identifier=[ins()], extension=[reliability(code)])) == ((), [], [])


def test_an_ins_c_is_never_kept() -> None:
    assert said(person(identifier=[ins("1234567890123456789012", "INS-C", f"{NIR[:-1]}2")], extension=[reliability("VALI")]))[0] == (0,)


def test_a_wrong_key_is_an_error_in_production_and_a_warning_in_a_sandbox() -> None:
    patient = person(identifier=[ins(FAKE)], extension=[reliability("VALI")])
    assert said(patient) == ((), ["Patient.identifier[0]"], [])
    assert said(patient, sandbox=True) == ((), [], ["Patient.identifier[0]"])
    assert said(patient, production=False, sandbox=True) == ((), [], ["Patient.identifier[0]"])


def test_a_number_of_tests_is_refused_in_production_and_asked_for_on_a_server_for_tests() -> None:
    trial = person(identifier=[ins(FAKE, "INS-NIR-TEST", f"{NIR[:-1]}10")], extension=[reliability("QUAL")])
    assert said(trial)[1] == ["Patient.identifier[0]"] and said(trial, sandbox=True)[1] == ["Patient.identifier[0]"]
    assert said(trial, production=False, sandbox=True) == ((), [], ["Patient.identifier[0]"])  # its key, as a warning
    real = person(identifier=[ins()], extension=[reliability("QUAL")])
    assert said(real, production=False, sandbox=True)[1] == ["Patient.identifier[0]"]  # it may be somebody's


def test_a_number_that_speaks_against_sex_or_birth_is_a_warning() -> None:
    assert said(person(identifier=[ins("268027654000175")], gender="male", extension=[reliability("VALI")])) == ((), [], ["Patient.gender", "Patient.birthDate"])


def test_numbers_of_the_trade_are_checked_wherever_they_stand() -> None:
    request = {"resourceType": "ServiceRequest", "requester": {"identifier": {"system": "http://rpps.esante.gouv.fr", "value": "10003461033"}}}
    found = entered(request, production=True, sandbox=False)
    assert [each.expression for each in found.errors] == ["ServiceRequest.requester.identifier"] and "10003461033" not in found.errors[0].text


def test_without_a_basis_nothing_is_said_of_such_numbers_here() -> None:
    assert said(person(identifier=[ins(FAKE)]), authorised=False) == ((), [], [])


def test_a_postal_code_in_a_town_is_a_warning() -> None:
    assert said(person(address=[{"city": "92140 CLAMART"}]))[2] == ["Patient.address[0].city"]


@pytest.mark.parametrize(
    ("written", "code"),
    [("Régime général", "regime-general"), ("regime-general", "regime-general"), ("01", "regime-general"), ("MSA", "msa"), ("Mutualité sociale agricole", "msa"), ("02", "msa"),
     ("RSI", "regime-general"), ("CAMIEG", "camieg"), ("Caisse d'ailleurs", "caisse-d-ailleurs")],
)  # fmt: skip
def test_a_scheme_has_one_code_whatever_a_form_says(written: str, code: str) -> None:
    assert scheme(written) == code == scheme(code)


def test_a_unit_takes_a_scheme_by_any_of_its_names() -> None:
    unit = Unit(key="u", name="U", schemes=("regime-general",))
    assert unit.takes_scheme("Régime général") and unit.takes_scheme("01") and unit.takes_scheme(None) and not unit.takes_scheme("MSA")
