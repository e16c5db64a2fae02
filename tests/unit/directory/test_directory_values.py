"""The cells of a data·inclusion file, cleaned of what spreadsheets did to them (france.md 1.6); opening hours of OpenStreetMap."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from adapter.directory import values
from adapter.directory.hours import parsed
from adapter.directory.values import Unfit
from adapter.network import Opening

MORNING, NOON = (9 * 60, 12 * 60), (14 * 60, 18 * 60)


@pytest.mark.parametrize(
    ("read", "given", "expected"),
    [
        (values.postcode, "59260.0", "59260"), (values.postcode, 59260.0, "59260"), (values.postcode, "1000.0", "01000"), (values.postcode, 1000, "01000"),
        (values.insee, "59350.0", "59350"), (values.insee, "2A004", "2A004"), (values.insee, 1004.0, "01004"),
        (values.siret, 82454114801871.0, "82454114801871"), (values.siret, "82454114801871.0", "82454114801871"), (values.siret, "8.2454114801871E+13", "82454114801871"),
        (values.siret, "824 541 148 01871", "82454114801871"), (values.siret, "35600000049837", "35600000049837"),
        (values.phones, "01 23 24 67 89 / 06 39 98 00 01", ["01 23 24 67 89", "06 39 98 00 01"]), (values.phones, "3949", ["3949"]), (values.phones, "  ", None),
        (values.codes, "actifs, familles ,actifs", ["actifs", "familles"]), (values.codes, ["actifs", None, "familles"], ["actifs", "familles"]),
        (values.codes, '["actifs", "familles"]', ["actifs", "familles"]), (values.codes, "theme--sous-theme", ["theme--sous-theme"]), (values.codes, "", None),
        (values.zones, "59350.0", ["59350"]), (values.zones, ["76", "2A", "974", "200023414", "France"], ["76", "2A", "974", "200023414", "france"]),
        (values.text, "une\r\nligne\u200b \u00e9", "une\nligne \u00e9"), (values.text, "e\u0301", "\u00e9"), (values.line, " a\n b ", "a b"), (values.line, "\ud800", None),
        (values.url, "https://exemple.fr/a?b#c", "https://exemple.fr/a?b#c"), (values.latitude, "49,44", 49.44), (values.longitude, -1.5, -1.5),
        (values.day, "2026-02-27T00:00:00", date(2026, 2, 27)), (values.email, "a@b.fr", "a@b.fr"), (values.key, "Dora--1", "Dora--1"),
    ],
)  # fmt: skip
def test_value_is_clean_whatever_a_spreadsheet_did_to_it(read: Any, given: object, expected: object) -> None:
    assert read(given) == expected


@pytest.mark.parametrize(
    ("read", "given"),
    [
        (values.postcode, "750121"), (values.postcode, True), (values.insee, "Rouen"), (values.siret, "82454114801872"), (values.siret, "123"), (values.siret, "35600000049838"),
        (values.phones, "pas un numéro"), (values.phones, "0" * 80), (values.codes, "Actifs & familles"), (values.codes, {"a": 1}), (values.codes, "x" * 30_000),
        (values.zones, "Normandie"), (values.code, "a,b"), (values.url, "pas une url !"), (values.url, "javascript:alert(1)"), (values.url, "https://[x"),
        (values.latitude, 91), (values.latitude, float("nan")), (values.longitude, float("inf")), (values.latitude, "nord"), (values.day, "hier"), (values.key, "a b|c"),
        (values.email, "pas une adresse"), (values.codes, ["a"] * 0 + [str(number) for number in range(3000)]), (values.line, ["a"]),
    ],
)  # fmt: skip
def test_value_is_refused_without_a_word_of_it(read: Any, given: object) -> None:
    with pytest.raises(Unfit) as refused:
        read(given)
    assert str(refused.value).startswith("expected") and (not isinstance(given, str) or given not in str(refused.value))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Mo-Fr 09:00-12:00,14:00-18:00", [Opening(day, *each) for day in range(5) for each in (MORNING, NOON)]),
        ("Mo,We 14:00-18:00; PH off", [Opening(0, *NOON), Opening(2, *NOON)]),
        ("Mo-Fr 9:00-12:00; We off", [Opening(day, *MORNING) for day in (0, 1, 3, 4)]),
        ("Sa-Mo 09:00 - 12:00", [Opening(day, *MORNING) for day in (0, 5, 6)]),
        ("24/7", [Opening(day, 0, 1440) for day in range(7)]), ("09:00-12:00", [Opening(day, *MORNING) for day in range(7)]),
        ("Tu 00:00-24:00;", [Opening(1, 0, 1440)]),
    ],
)  # fmt: skip
def test_hours_are_openings_where_their_grammar_is_simple(written: str, expected: list[Opening]) -> None:
    assert list(parsed(written) or ()) == expected


@pytest.mark.parametrize(
    "written",
    ["", "sur rendez-vous", "Mo-Fr 22:00-02:00", "Mar-Oct Mo 09:00-12:00", 'Mo 09:00-12:00 "sur rdv"', "week 1-53/2 Mo 09:00-12:00", "Mo 09:00-12:00,11:00-13:00", "PH-Mo 09:00-12:00",
     "Mo 09:61-12:00", "Mo off", "Mo 09:00-12:00" + ";" * 600],
)  # fmt: skip
def test_hours_are_left_to_their_words_where_they_say_more(written: str) -> None:
    assert parsed(written) is None
