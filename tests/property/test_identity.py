"""Keys catch every single error that they can catch; whatever is called an identifier or a person is read without an exception."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from adapter.identity import alike, canonised, differing, entered, fits, kind_of, status, traits, unchecked
from adapter.identity.keys import finess, nir, rpps
from adapter.identity.systems import TABLE, spellings
from adapter.identity.traits import family_key, plain
from tests.unit.identity.numbers import keyed, luhn

DIGIT = st.sampled_from("0123456789")
MONTHS = st.sampled_from([f"{month:02d}" for month in (*range(1, 13), *range(20, 43), *range(50, 100))])
PLACES = st.one_of(st.from_regex(r"[0-9]{2}", fullmatch=True), st.sampled_from(["2A", "2B"]))
NIRS = st.builds(
    lambda sex, year, month, place, rest: keyed(f"{sex}{year}{month}{place}{rest}"),
    st.sampled_from("123478"), st.from_regex(r"[0-9]{2}", fullmatch=True), MONTHS, PLACES, st.from_regex(r"[0-9]{6}", fullmatch=True),
)  # fmt: skip
RPPS = st.from_regex(r"[0-9]{10}", fullmatch=True).map(luhn)
FINESS = st.one_of(st.from_regex(r"[0-9]{8}", fullmatch=True).map(luhn), st.from_regex(r"[0-9]{6}", fullmatch=True).map(lambda rest: "2A" + luhn("21" + rest)[2:]))
LEAF = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.sampled_from([*TABLE, "NH", "INS-NIR", "official", "1938-02-03", "use"]))
NAMES = st.sampled_from(["system", "value", "type", "coding", "code", "identifier", "name", "family", "given", "extension", "url", "valueCoding", "birthDate", "use", "city", "address"])
ANYTHING = st.recursive(LEAF, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=5)), max_leaves=25)


def test_hypothesis_makes_numbers_that_fit() -> None:
    assert nir(keyed("199122A123456")) and rpps(luhn("1000000000")) and finess("2A0000014") and luhn("21000001") == "210000014"


@given(number=NIRS, place=st.integers(0, 14), digit=DIGIT)
def test_a_nir_with_one_other_digit_does_not_fit(number: str, place: int, digit: str) -> None:
    assert nir(number)
    if number[place] != digit and number[place].isdigit():
        assert not nir(number[:place] + digit + number[place + 1 :])


@given(number=RPPS, place=st.integers(0, 10), digit=DIGIT)
def test_an_rpps_with_one_other_digit_does_not_fit(number: str, place: int, digit: str) -> None:
    assert rpps(number) and (number[place] == digit or not rpps(number[:place] + digit + number[place + 1 :]))


@given(number=FINESS, place=st.integers(2, 8), digit=DIGIT)
def test_a_finess_with_one_other_digit_does_not_fit(number: str, place: int, digit: str) -> None:
    assert finess(number) and (number[place] == digit or not finess(number[:place] + digit + number[place + 1 :]))


@given(node=ANYTHING)
@example({"system": "urn:oid:1.2.250.1.213.1.4.8", "value": 7})
def test_anything_at_all_is_read_without_an_exception(node: Any) -> None:
    kind = kind_of(node)
    assert isinstance(kind, str) and fits(kind, node.get("value") if isinstance(node, dict) else node) in (True, False)
    patient: dict[str, Any] = {**(node if isinstance(node, dict) else {"identifier": node}), "resourceType": "Patient"}
    found = entered(patient, production=True, sandbox=False)
    assert all(isinstance(each.text, str) for each in (*found.errors, *found.warnings))
    assert status(patient) == status(patient) and traits(patient) == traits(patient) and unchecked(patient, None) in ("", status(patient))
    assert differing(patient, patient) == () or not alike(patient, patient)
    assert canonised(canonised(node)) == canonised(node)


@given(system=st.sampled_from([each for own in TABLE for each in spellings(own)]), value=st.text(max_size=30))
def test_any_value_of_any_known_system_has_one_kind_and_one_answer(system: str, value: str) -> None:
    kind = kind_of({"system": system, "value": value})
    assert fits(kind, value) in (True, False)
    assert kind_of(canonised({"system": system, "value": value})) == kind


@given(text=st.text(max_size=40))
def test_a_name_is_compared_the_same_twice(text: str) -> None:
    assert plain(plain(text)) == plain(text) and family_key(text).replace(" ", "") == family_key(text)
