"""Check digits (france.md 1.6, note 6). All numbers are invented, but for those of public bodies."""

from __future__ import annotations

import pytest

from adapter.identity import fits
from adapter.identity.keys import adeli, finess, nir, rpps, unlike
from tests.unit.identity.numbers import keyed


@pytest.mark.parametrize(
    "thirteen",
    ["2680276540001", "1380254123456", "199122A123456", "299122B123456", "1852012345678", "1854212345678", "1855012345678", "1859912345678", "7680276540001",
     "3680276540001"],
)  # fmt: skip
def test_nir_fits_with_corsica_and_months_that_are_not_known(thirteen: str) -> None:
    assert nir(keyed(thirteen)) and fits("INS-NIR", keyed(thirteen)) and fits("NSS", keyed(thirteen))


@pytest.mark.parametrize("thirteen", ["1851312345678", "1851912345678", "1854312345678", "1854912345678", "1850012345678", "5680276540001", "9680276540001"])
def test_nir_does_not_fit_with_a_month_or_a_sex_that_there_is_not(thirteen: str) -> None:
    assert not nir(keyed(thirteen))


@pytest.mark.parametrize("wrong", ["123456789012244", "2680276540001", "26802765400017", "", "x", "268027654000175 0", "٢68027654000175", "292C754000175"])
def test_nir_does_not_fit_without_its_key(wrong: str) -> None:
    assert not nir(wrong)


def test_nir_of_corsica_counts_as_19_and_18() -> None:
    two_a, two_b = keyed("199122A123456"), keyed("199122B123456")
    assert two_a[-2:] != two_b[-2:] and not nir(two_a[:-2] + two_b[-2:])


def test_nir_may_have_the_blanks_that_people_put_in() -> None:
    assert nir("2 68 02 76 540 001 75") and nir("2.68.02.76.540.001\u00a075")


@pytest.mark.parametrize(("number", "fit"), [("10000000009", True), ("10003461033", False), ("1000000000", False), ("1000000000A", False), ("100 0000 0009", True)])
def test_rpps_is_11_digits_of_luhn(number: str, fit: bool) -> None:
    assert rpps(number) is fit is fits("RPPS", number) is fits("IDNPS", "8" + number)


@pytest.mark.parametrize(
    ("number", "fit"), [("540002698", True), ("458174839", False), ("2A0000014", True), ("2A0000386", True), ("2B0000020", True), ("2B0000014", False), ("2C0000014", False)]
)
def test_finess_is_9_characters_of_luhn_with_the_letters_of_corsica(number: str, fit: bool) -> None:
    assert finess(number) is fit is fits("FINESS", number) is fits("IDNST", "1" + number)


@pytest.mark.parametrize(("number", "fit"), [("760000011", True), ("2A1000011", True), ("76000001", False), ("7A0000011", False)])
def test_adeli_is_9_characters(number: str, fit: bool) -> None:
    assert adeli(number) is fit is fits("IDNPS", "0" + number)


@pytest.mark.parametrize(
    ("kind", "number", "fit"),
    [
        ("SIREN", "732829320", True), ("SIREN", "732829321", False), ("SIRET", "73282932000074", True), ("SIRET", "73282932000075", False),
        ("SIRET", "35600000000048", True), ("SIRET", "35600000049837", True), ("SIRET", "35600000049838", False),  # La Poste: a sum of fives
        ("IDNST", "373282932000074", True), ("IDNST", "2732829320", True), ("IDNST", "410005531586003", True), ("SIRET", "732 829 320 00074", True),
        ("SIRET", "59260.0", False), ("SIREN", "٧32829320", False), ("IDNPS", "3456780581/11242343", True), ("", "anything", True), ("RPPS", None, False),
    ],
)  # fmt: skip
def test_numbers_of_firms_and_structures_fit_by_their_own_rules(kind: str, number: object, fit: bool) -> None:
    assert fits(kind, number) is fit


@pytest.mark.parametrize(
    ("number", "gender", "birth", "said"),
    [
        ("268027654000175", "female", "1968-02-11", []), ("268027654000175", "male", "1968-02-11", ["gender"]), ("268027654000175", "female", "1969-02-11", ["birthDate"]),
        ("268027654000175", "female", "1968-03-11", ["birthDate"]), ("268027654000175", "other", "1968", []), ("268027654000175", None, None, []),
        (keyed("1852012345678"), "male", "1985-06-01", []), (keyed("7680276540001"), "female", "1968", ["gender"]),
    ],
)  # fmt: skip
def test_unlike_names_what_the_number_speaks_against(number: str, gender: object, birth: object, said: list[str]) -> None:
    assert list(unlike(number, gender, birth)) == said
