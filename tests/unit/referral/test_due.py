"""Deadlines: the examples of workflow.md 3, holidays, closures, the nights when clocks change, and the words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapter.errors import Invalid
from adapter.network import Closure, Opening, load
from adapter.referral.due import Calendar, calendar, due, marks, public_holidays, said

PARIS = ZoneInfo("Europe/Paris")
DEMO = Path(__file__).resolve().parents[3] / "mappings" / "demo" / "network.yaml"
WEEK = tuple(Opening(day, 9 * 60, 18 * 60) for day in range(5))
EVERY_DAY = tuple(Opening(day, 9 * 60, 18 * 60) for day in range(7))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


@pytest.mark.parametrize(
    ("called", "priority", "hours", "expected"),
    [
        ("2026-02-27T18:50", "urgent", WEEK, "2026-03-03T18:00"),  # Friday → Tuesday (workflow.md 3)
        ("2026-03-02T10:15", "urgent", WEEK, "2026-03-04T18:00"),  # Monday → Wednesday (workflow.md 3)
        ("2026-02-27T18:50", "urgent", EVERY_DAY, "2026-03-01T18:00"),  # week-end duty → Sunday (workflow.md 3)
        ("2026-03-02T08:59", "urgent", WEEK, "2026-03-03T18:00"),  # before opening: today counts
        ("2026-03-02T09:00", "urgent", WEEK, "2026-03-04T18:00"),  # at opening: today has begun
        ("2026-02-28T12:00", "urgent", WEEK, "2026-03-03T18:00"),  # Saturday
        ("2026-03-02T10:15", "stat", WEEK, "2026-03-02T18:00"),
        ("2026-03-02T18:00", "stat", WEEK, "2026-03-03T18:00"),
        ("2026-02-27T18:50", "stat", WEEK, "2026-03-02T18:00"),
        ("2026-03-02T10:15", "asap", WEEK, "2026-03-03T18:00"),
        ("2026-03-02T10:15", "routine", WEEK, "2026-03-16T18:00"),
        ("2026-03-02T10:15", "unheard-of", WEEK, "2026-03-16T18:00"),
    ],
)
def test_due_is_the_closing_of_the_day_that_the_rule_counts(called: str, priority: str, hours: tuple[Opening, ...], expected: str) -> None:
    assert due(at(called), priority, Calendar(hours)) == at(expected)


@pytest.mark.parametrize(
    ("called", "commune", "expected"),
    [
        ("2026-04-02T18:50", "76540", "2026-04-07T18:00"),  # Thursday; Easter Monday is shut: Friday, Tuesday
        ("2026-04-02T18:50", "67482", "2026-04-08T18:00"),  # Strasbourg: Good Friday is shut too
        ("2026-04-02T18:50", "68066", "2026-04-08T18:00"),  # Colmar
        ("2026-04-02T18:50", "57463", "2026-04-08T18:00"),  # Metz
        ("2026-12-24T18:50", "76540", "2026-12-29T18:00"),
        ("2026-04-30T18:50", "76540", "2026-05-05T18:00"),  # 1 May on a Friday
        ("2026-07-13T18:50", "", "2026-07-16T18:00"),
    ],
)
def test_due_leaves_out_public_holidays_of_the_place(called: str, commune: str, expected: str) -> None:
    assert due(at(called), "urgent", Calendar(WEEK, commune=commune)) == at(expected)


def test_public_holidays_of_alsace_moselle_have_two_days_more() -> None:
    more = {date(2026, 4, 3), date(2026, 12, 26)}
    for commune in ("57463", "67482", "68066"):
        assert public_holidays(2026, commune) - public_holidays(2026) == more
    assert date(2026, 12, 20) in public_holidays(2026, "97411") and len(public_holidays(2026, "2A004")) == 11


def test_due_counts_holidays_when_the_unit_is_open_then() -> None:
    assert due(at("2026-04-02T18:50"), "urgent", Calendar(EVERY_DAY, open_on_holidays=True)) == at("2026-04-04T18:00")
    assert due(at("2026-04-04T18:50"), "asap", Calendar(EVERY_DAY, open_on_holidays=True)) == at("2026-04-05T18:00")


def test_due_leaves_out_closures_with_both_their_days() -> None:
    shut = Calendar(WEEK, closures=(Closure(date(2026, 3, 3), date(2026, 3, 4)),))
    assert due(at("2026-03-02T10:15"), "urgent", shut) == at("2026-03-06T18:00")
    assert due(at("2026-03-02T10:15"), "asap", shut) == at("2026-03-05T18:00")


def test_due_ends_with_the_last_closing_when_a_day_has_two_openings() -> None:
    split = Calendar((Opening(1, 540, 750), Opening(1, 810, 1020), Opening(3, 540, 700)))
    assert due(at("2026-03-02T10:15"), "asap", split) == at("2026-03-03T17:00")
    assert due(at("2026-03-03T13:00"), "stat", split) == at("2026-03-03T17:00")  # at lunch: the day still runs
    assert due(at("2026-03-03T13:00"), "asap", split) == at("2026-03-05T11:40")


def test_due_is_midnight_of_the_next_day_when_open_until_24() -> None:
    night = Calendar(tuple(Opening(day, 0, 1440) for day in range(7)))
    assert due(at("2026-03-02T10:15"), "stat", night) == at("2026-03-03T00:00")


@pytest.mark.parametrize(("called", "expected", "hours"), [
    ("2026-03-27T18:50", "2026-03-29T16:00:00Z", EVERY_DAY),  # summer time begins on Sunday the 29th
    ("2026-03-26T18:50", "2026-03-28T17:00:00Z", EVERY_DAY),
    ("2026-10-23T18:50", "2026-10-25T17:00:00Z", EVERY_DAY),  # winter time begins on Sunday the 25th
    ("2026-10-22T18:50", "2026-10-24T16:00:00Z", EVERY_DAY),
    ("2026-03-27T18:50", "2026-03-29T01:30:00Z", tuple(Opening(day, 60, 150) for day in range(7))),  # 02:30 does not exist that night
])  # fmt: skip
def test_due_follows_the_wall_clock_when_the_clocks_change(called: str, expected: str, hours: tuple[Opening, ...]) -> None:
    assert due(at(called), "urgent", Calendar(hours)).astimezone(UTC) == datetime.fromisoformat(expected)


def test_due_is_written_as_the_clock_shows_it_when_the_hour_is_skipped() -> None:
    night = Calendar(tuple(Opening(day, 60, 150) for day in range(7)))
    assert due(at("2026-03-28T18:50"), "stat", night).isoformat() == "2026-03-29T03:30:00+02:00"


def test_due_reads_the_call_in_the_zone_of_the_unit() -> None:
    reunion = Calendar(WEEK, zone="Indian/Reunion")
    found = due(datetime(2026, 3, 2, 4, 30, tzinfo=UTC), "stat", reunion)  # 08:30 there
    assert found == datetime(2026, 3, 2, 14, 0, tzinfo=UTC) and found.hour == 18


def test_due_refuses_what_it_cannot_count() -> None:
    with pytest.raises(Invalid, match="its zone"):
        due(datetime(2026, 3, 2), "urgent", Calendar(WEEK))
    with pytest.raises(Invalid, match="no opening days enough"):
        due(at("2026-03-02T10:00"), "urgent", Calendar(()))
    with pytest.raises(Invalid, match="no opening days enough"):
        due(at("2026-03-02T10:00"), "urgent", Calendar(WEEK, closures=(Closure(date(2026, 1, 1), date(2028, 1, 1)),)))


def test_calendar_takes_what_the_unit_says_and_else_the_networks() -> None:
    network = load(DEMO)
    assert calendar(network, "secretariat-saint-eloi") == Calendar(network.hours, commune="76540")
    assert calendar(network, "permanence-saint-eloi").closures[0].start == date(2026, 8, 3)
    assert calendar(network, "coursier-garde").open_on_holidays
    assert due(at("2026-02-27T18:50"), "urgent", calendar(network, "coursier-garde")) == at("2026-03-01T18:00")
    with pytest.raises(Invalid):
        calendar(network, "nobody")


def test_marks_are_half_time_and_three_quarters() -> None:
    called = at("2026-03-02T10:00")
    assert marks(called, called + timedelta(hours=8)) == (called + timedelta(hours=4), called + timedelta(hours=6))


@pytest.mark.parametrize(("end", "fr", "en"), [
    ("2026-03-03T18:00", "mardi 3 mars à 18 h", "Tuesday 3 March, 18:00"),
    ("2026-08-01T09:05", "samedi 1er août à 9 h 05", "Saturday 1 August, 09:05"),
    ("2026-03-03T00:00", "lundi 2 mars à minuit", "Monday 2 March, midnight"),
])  # fmt: skip
def test_said_puts_a_deadline_in_words(end: str, fr: str, en: str) -> None:
    assert (said(at(end), "fr"), said(at(end), "en"), said(at(end), "de")) == (fr, en, en)
