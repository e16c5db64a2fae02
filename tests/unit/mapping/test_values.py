"""Kinds of value: what is typed becomes what FHIR holds, or is refused without being repeated."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.mapping.context import Run
from adapter.mapping.numbers import REMOVED, nir, phone, rpps, text
from adapter.mapping.times import calendar_date, in_french, instant, local, moved
from adapter.mapping.values import Kind, Unfit, line, name, token
from tests.unit.mapping.records import context


def read(kind: Kind, value: Any, **facts: Any) -> str | None:
    return kind.read(value, Run(context(**facts)), "path", "m.yaml:1")


def refused(kind: Kind, value: Any, **facts: Any) -> str:
    with pytest.raises(Unfit) as error:
        read(kind, value, **facts)
    assert str(value) not in error.value.text
    return error.value.text


@pytest.mark.parametrize(("typed", "kept"), [
    ("  Jeanne \t Anne\n", "Jeanne Anne"), ("e\u0301te\u0301", "été"), ("Du\u00adrand\u200b", "Durand"), ("a\u00a0b", "a b"),
    ("\u202eabc\x00", "abc"), ("", None), (" \u200b ", None), ("\ud800x", "x"), ("Ünal-Çelik", "Ünal-Çelik"),
])  # fmt: skip
def test_line_is_composed_trimmed_and_freed_of_what_cannot_be_seen(typed: str, kept: str | None) -> None:
    assert read(line(), typed) == kept


@pytest.mark.parametrize("value", [3, True, ["a"], {"a": 1}, 1.5])
def test_line_refuses_what_is_no_text(value: Any) -> None:
    assert refused(line(), value) == "expected text"


def test_line_refuses_more_than_it_may_hold() -> None:
    assert read(line(3), "abc") == "abc"
    assert refused(line(3), "abcd") == "expected at most 3 characters"


def test_name_wants_a_letter() -> None:
    assert read(name(), "Ng") == "Ng"
    assert "letters" in refused(name(), "12 34")


@pytest.mark.parametrize(("typed", "kept"), [
    ("06 39 98 00 01", "+33639980001"), ("+33 6 39 98 00 01", "+33639980001"), ("0033639980001", "+33639980001"),
    ("06.39.98.00.01", "+33639980001"),
    ("(0)2-61-91-00-11", "+33261910011"), ("+32 2 555 12 12", "+3225551212"), ("00 352 26 25 12 34", "+35226251234"), ("", None),
])  # fmt: skip
def test_phone_is_e164_and_french_without_a_country(typed: str, kept: str | None) -> None:
    assert read(phone(), typed) == kept


@pytest.mark.parametrize("typed", ["12", "abc", "06 39 98 00 01 / 02 61 91 00 11", "+999 1", "0639980001 poste 3"])
def test_phone_refuses_what_is_no_single_number(typed: str) -> None:
    assert refused(phone(), typed) == "expected a telephone number"


@pytest.mark.parametrize(("typed", "kept"), [
    ("2 68 02 76 540 001 75", "268027654000175"), ("1 55 03 2A 004 010 55", "155032A00401055"), ("155032a00401055", "155032A00401055"),
    ("", None),
])  # fmt: skip
def test_nir_is_kept_with_its_key(typed: str, kept: str | None) -> None:
    assert read(nir(), typed) == kept


@pytest.mark.parametrize("typed", ["2 68 02 76 540 001 76", "2680276540001", "nir", "2680276540001751"])
def test_nir_is_refused_without_a_key_that_fits(typed: str) -> None:
    assert "key" in refused(nir(), typed)


def test_rpps_wants_its_check_digit() -> None:
    assert read(rpps(), "1000000 0009") == "10000000009"
    assert "check digit" in refused(rpps(), "10000000008")
    assert "check digit" in refused(rpps(), "1000000000٩")


@pytest.mark.parametrize("typed", ["n° 268027654000175.", "n° 2 68 02 76 540 001 75.", "n° 2.68.02.76.540.001.75."])
def test_text_loses_a_social_security_number_with_a_warning_that_does_not_repeat_it(typed: str) -> None:
    run = Run(context())
    assert text().read(typed, run, "words", "m.yaml:1") == f"n° {REMOVED}."
    assert (run.dropped, run.remarks[0].record_path) == (["words"], "words")
    assert "268" not in repr(run.remarks)


def test_text_keeps_a_social_security_number_where_it_is_authorised_and_other_numbers_always() -> None:
    assert read(text(), "n° 268027654000175", nir_authorised=True) == "n° 268027654000175"
    assert read(text(), "dossier 268027654000176, tél. 0639980001") == "dossier 268027654000176, tél. 0639980001"


def test_text_keeps_its_lines_and_trims_each() -> None:
    assert read(text(), "\n  a  b \r\n\r\n c\t\n") == "a b\n\nc"
    assert read(text(), " \n ") is None
    assert refused(text(5), "123456") == "expected at most 5 characters"


def test_token_wants_its_shape() -> None:
    assert read(token(r"[0-9]{5}", "five digits"), " 76100 ") == "76100"
    assert refused(token(r"[0-9]{5}", "five digits"), "7610") == "expected five digits"


# ── time ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("typed", "precision", "kept"), [
    ("1938-02-03", "day", "1938-02-03"), ("03/02/1938", "day", "1938-02-03"), ("3/2/1938", "day", "1938-02-03"),
    ("1938-02", "month", "1938-02"), ("1938", "year", "1938"), ("2024-02-29", "day", "2024-02-29"), ("", "day", None),
])  # fmt: skip
def test_date_is_read_in_both_ways_of_writing_with_its_precision(typed: str, precision: str, kept: str | None) -> None:
    assert read(calendar_date(precision), typed) == kept


@pytest.mark.parametrize(("typed", "says"), [
    ("1938-02", "its day"), ("2026-02-29", "exists"), ("31/04/2026", "exists"), ("hier", "1938-02-03"), ("1889-12-31", "after 1890"),
    ("2026-03-07", "future"), ("1938-2-3", "1938-02-03"), ("٣/٢/١٩٣٨", "1938-02-03"), ("0000-01-01", "exists"),
])  # fmt: skip
def test_date_is_refused_saying_what_was_expected(typed: str, says: str) -> None:
    assert says in refused(calendar_date("day", "now"), typed)


def test_date_of_today_is_no_future_in_the_zone_even_when_it_is_still_yesterday_in_utc() -> None:
    late = context().at.replace(hour=23, minute=30)  # 00:30 of the 7th in Paris
    assert read(calendar_date("day", "now"), "2026-03-07", at=late) == "2026-03-07"


@pytest.mark.parametrize(("typed", "kept"), [
    ("2026-03-06T18:50", "2026-03-06T18:50:00+01:00"), ("2026-07-06 18:50:07", "2026-07-06T18:50:07+02:00"),
    ("2026-03-06T17:50:00Z", "2026-03-06T18:50:00+01:00"), ("2026-03-06T12:50:00-05:00", "2026-03-06T18:50:00+01:00"),
    ("2026-10-25T02:30", "2026-10-25T02:30:00+02:00"), ("2026-10-25T02:30+01:00", "2026-10-25T02:30:00+01:00"), ("", None),
])  # fmt: skip
def test_instant_stands_in_the_zone_of_the_network(typed: str, kept: str | None) -> None:
    assert read(instant(), typed) == kept


@pytest.mark.parametrize(("typed", "says"), [
    ("2026-03-29T02:30", "clocks skip"), ("2026-03-06", "date and time"), ("2026-02-30T10:00", "exist"), ("1938-02-03T10:00", "after 1970"),
    ("2026-03-06T19:01", "future"), ("2026-03-06T18:50+99:00", "exist"), ("9999-12-31T23:59Z", "exist"),
])  # fmt: skip
def test_instant_is_refused_saying_what_was_expected(typed: str, says: str) -> None:
    assert says in refused(instant("now"), typed)


def test_local_writes_the_zone_and_leaves_what_is_no_time() -> None:
    run = Run(context())
    assert local("2026-03-06T17:50:00.000Z", run) == "2026-03-06T18:50:00+01:00"
    assert [local(value, run) for value in ("2026-03-06", "soon", 3)] == ["2026-03-06", "soon", 3]  # type: ignore[arg-type]


def test_words_of_time() -> None:
    assert in_french("2026-03-06T18:05:00+01:00") == "6 mars 2026 à 18 h 05"
    assert (in_french("2026-08-01"), in_french("2026-08")) == ("1er août 2026", "2026-08")
    assert moved("2026-03-06T23:30:00+01:00", Run(context()), minutes=45) == "2026-03-07T00:15:00+01:00"
    assert moved("2026-03-06", Run(context()), minutes=60) == "2026-03-06T01:00:00+01:00"
