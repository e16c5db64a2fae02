"""Values as they are stored and compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.ports import IndexRow
from adapter.store.moments import FIRST, LAST, span
from adapter.store.terms import Blind, cut, normalised, terms

blind = Blind(b"k" * 32)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_normalised_text_stays_as_it_is_when_normalised_again(words: str) -> None:
    assert normalised(normalised(words)) == normalised(words)


@given(texts)
def test_normalised_text_does_not_depend_on_case(words: str) -> None:
    assert normalised(words.casefold()) == normalised(words)


@pytest.mark.parametrize(
    ("words", "stored"),
    [("DUPRÉ", "dupre"), ("  Zoë \t d'Aze\n", "zoe d'aze"), ("Straße", "strasse"), ("ŒUVRE", "œuvre"), ("ﬁn", "fin"), ("İ", "i"), ("", "")],
)
def test_normalised_text_has_no_case_accents_or_spare_spaces(words: str, stored: str) -> None:
    assert normalised(words) == stored


@given(texts, texts)
def test_cut_keeps_equal_equal_and_other_other(one: str, other: str) -> None:
    long = "é" * 150
    assert (cut(long + one) == cut(long + other)) == (one == other)


@given(texts)
def test_cut_value_fits_an_index_entry(words: str) -> None:
    assert len(cut(words * 50).encode()) <= 200 * 4 + 65


def test_blind_value_depends_on_key_type_parameter_and_value() -> None:
    made = {
        blind("Patient", "identifier", "1"), blind("Patient", "identifier", "2"), blind("Patient", "name", "1"),
        blind("Person", "identifier", "1"), Blind(b"x" * 32)("Patient", "identifier", "1"),
    }  # fmt: skip
    assert len(made) == 5
    assert blind("Patient", "identifier", "1") in made
    assert all(len(value) == 40 for value in made)


def test_terms_hide_identifying_values_and_keep_their_system() -> None:
    rows = [IndexRow("identifier", "token", "1850", "ins", identifying=True), IndexRow("birthdate", "date", low="1950", high="1950", identifying=True)]
    found = terms("Patient", rows, blind)
    assert {(kind, param, two) for kind, param, _, two in found} == {("value", "identifier", "ins"), ("value", "birthdate", "")}
    assert not [value for _, _, value, _ in found if "1850" in value or "1950" in value]


def test_terms_of_an_open_period_reach_to_the_ends_of_the_calendar() -> None:
    assert terms("Task", [IndexRow("period", "date", low="", high="")], blind) == {("date", "period", FIRST, LAST)}


def test_terms_refuse_a_date_that_is_none() -> None:
    with pytest.raises(ValueError, match="not a FHIR date"):
        terms("Task", [IndexRow("period", "date", low="soon", high="2026")], blind)


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("2026", "2026-01-01T00:00:00.000000Z", "2026-12-31T23:59:59.999999Z"),
        ("2024-02", "2024-02-01T00:00:00.000000Z", "2024-02-29T23:59:59.999999Z"),
        ("2026-03-06", "2026-03-06T00:00:00.000000Z", "2026-03-06T23:59:59.999999Z"),
        ("2026-03-06T18:50Z", "2026-03-06T18:50:00.000000Z", "2026-03-06T18:50:59.999999Z"),
        ("2026-03-06T18:50:01+01:00", "2026-03-06T17:50:01.000000Z", "2026-03-06T17:50:01.999999Z"),
        ("2026-03-06T18:50:01.5Z", "2026-03-06T18:50:01.500000Z", "2026-03-06T18:50:01.599999Z"),
        ("2026-03-06T18:50:01.123456789Z", "2026-03-06T18:50:01.123456Z", "2026-03-06T18:50:01.123456Z"),
        ("2026-03-06T18:50:01.123456Z", "2026-03-06T18:50:01.123456Z", "2026-03-06T18:50:01.123456Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000000Z", "2016-12-31T23:59:59.999999Z"),
        ("0900", "0900-01-01T00:00:00.000000Z", "0900-12-31T23:59:59.999999Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z", LAST),
        ("2026-03-06T18:50:01", "2026-03-06T18:50:01.000000Z", "2026-03-06T18:50:01.999999Z"),
    ],
)  # fmt: skip
def test_span_covers_what_the_precision_covers(value: str, low: str, high: str) -> None:
    assert span(value) == (low, high)


@pytest.mark.parametrize(
    "value",
    ["", "26", "2026-3", "2026-13", "2026-02-30", "0000", "2026-03-06T", "2026-03-06 18:50Z", "2026-03-06T25:00Z", "2026-03-06T18:50:01+25:00",
     "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "٢٠٢٦", "2026\n"],
)  # fmt: skip
def test_span_refuses_what_is_no_date(value: str) -> None:
    with pytest.raises(ValueError):
        span(value)


@given(st.text(max_size=30))
def test_span_knows_only_one_error(value: str) -> None:
    try:
        low, high = span(value)
    except ValueError:
        return
    assert low <= high
