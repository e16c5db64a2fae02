"""What holds of every deadline, spoken reference and hour, for all inputs (workflow.md 3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from adapter.network import Closure, Opening, available_time, hours_from
from adapter.network.hours import joined
from adapter.referral import spoken
from adapter.referral.due import DAYS_AFTER, Calendar, due, marks, public_holidays, said

PRIORITIES = ("stat", "asap", "urgent", "routine")
SINCE, UNTIL = datetime(2024, 1, 1), datetime(2030, 12, 31)


@st.composite
def openings(draw: st.DrawFn) -> tuple[Opening, ...]:
    found: list[Opening] = []
    for day in draw(st.sets(st.integers(0, 6), min_size=1)):
        marks_ = sorted(draw(st.sets(st.integers(0, 288), min_size=2, max_size=4)))
        found += [Opening(day, a * 5, b * 5) for a, b in zip(marks_[::2], marks_[1::2], strict=False)]
    return joined(found)


closures = st.lists(
    st.builds(
        lambda day, days: Closure(day, day + timedelta(days=days)), st.dates(date(2024, 1, 1), date(2030, 12, 31)), st.integers(0, 20)
    ),
    max_size=3,
)
calendars = st.builds(
    Calendar,
    hours=openings(),
    zone=st.sampled_from(["Europe/Paris", "Indian/Reunion", "America/Cayenne", "Pacific/Noumea"]),
    commune=st.sampled_from(["", "76540", "67482", "57463", "97411"]),
    closures=closures.map(tuple),
    open_on_holidays=st.booleans(),
)
calls = st.datetimes(SINCE, UNTIL, timezones=st.just(UTC))


def closing_day(end: datetime) -> date:
    """The day that a deadline closes; midnight closes the day before."""
    return (end - timedelta(seconds=1)).date()


@given(calls, calendars, st.sampled_from(PRIORITIES))
def test_due_lies_after_the_call_on_an_open_day_at_its_closing(called: datetime, when: Calendar, priority: str) -> None:
    end = due(called, priority, when)
    day = closing_day(end)
    assert end > called
    assert not when.closed(day)
    openings_of_day = [opening for opening in when.hours if opening.day == day.weekday()]
    assert openings_of_day
    wall = (end.hour * 60 + end.minute) or 1440
    last = max(opening.closes for opening in openings_of_day)
    assert wall == last or 0 < (wall - last) <= 60  # an hour that the spring change skips is moved on
    assert end.utcoffset() == end.astimezone(ZoneInfo(when.zone)).utcoffset()


@given(calls, st.timedeltas(timedelta(0), timedelta(days=40)), calendars, st.sampled_from(PRIORITIES))
def test_due_never_comes_earlier_for_a_later_call(called: datetime, later: timedelta, when: Calendar, priority: str) -> None:
    assert due(called, priority, when) <= due(called + later, priority, when)


@given(calls, calendars)
def test_due_rises_from_stat_to_routine(called: datetime, when: Calendar) -> None:
    ends = [due(called, priority, when) for priority in PRIORITIES]
    assert ends == sorted(ends)


@given(calls, calendars, st.sampled_from(["asap", "urgent", "routine"]))
def test_due_counts_exactly_the_opening_days_that_begin_after_the_call(called: datetime, when: Calendar, priority: str) -> None:
    """Counted again, day by day, without the code's own walk."""
    end = due(called, priority, when)
    zone, day, count = ZoneInfo(when.zone), called.astimezone(ZoneInfo(when.zone)).date() - timedelta(days=1), 0
    while day <= closing_day(end):
        starts = [opening.opens for opening in when.hours if opening.day == day.weekday()]
        shut = when.closed(day)
        if starts and not shut:
            wall = datetime(day.year, day.month, day.day, tzinfo=zone) if not min(starts) else None
            begins = wall or datetime(day.year, day.month, day.day, min(starts) // 60, min(starts) % 60, tzinfo=zone)
            count += begins.astimezone(UTC) > called
        day += timedelta(days=1)
    assert count == DAYS_AFTER[priority]


@given(calls, calendars, st.integers(-720, 720))
def test_due_does_not_depend_on_the_zone_in_which_the_call_was_written(called: datetime, when: Calendar, minutes: int) -> None:
    elsewhere = called.astimezone(timezone(timedelta(minutes=minutes)))
    assert due(called, "urgent", when) == due(elsewhere, "urgent", when)


@given(calls, calendars, st.dates(date(2024, 1, 1), date(2030, 12, 31)))
def test_due_never_comes_earlier_when_a_closure_is_added(called: datetime, when: Calendar, day: date) -> None:
    more = Calendar(when.hours, when.zone, when.commune, (*when.closures, Closure(day, day)), when.open_on_holidays)
    assert due(called, "urgent", when) <= due(called, "urgent", more)


@given(st.integers(1990, 2060), st.sampled_from(["", "76540", "67482", "68066", "57463"]))
def test_public_holidays_fall_in_their_year_and_never_fail_to_hold_the_fixed_ones(year: int, commune: str) -> None:
    found = public_holidays(year, commune)
    assert all(day.year == year for day in found)
    assert len(found) >= (10 if not commune.startswith(("57", "67", "68")) else 12)
    assert {date(year, 1, 1), date(year, 5, 1), date(year, 7, 14), date(year, 12, 25)} <= found


@given(calls, calls)
def test_marks_lie_between_call_and_deadline(called: datetime, end: datetime) -> None:
    assume(end > called)
    half, three = marks(called, end)
    assert called < half < three < end


@given(calls, calendars, st.sampled_from(["fr", "en"]))
def test_said_is_one_line_that_names_day_and_hour(called: datetime, when: Calendar, lang: str) -> None:
    text = said(due(called, "urgent", when), lang)
    assert "\n" not in text and 12 < len(text) < 40 and any(symbol.isdigit() for symbol in text)


@given(openings())
def test_hours_survive_the_way_through_fhir(hours: tuple[Opening, ...]) -> None:
    assert hours_from(available_time(hours)) == hours


# ── the spoken reference ─────────────────────────────────────────────────────────────────────────
@given(st.text(), st.integers(0, 5))
def test_spoken_can_be_said_back(seed: str, turn: int) -> None:
    said_ = spoken.spoken(seed, turn=turn)
    assert spoken.parse(said_) == said_


@given(st.text(), st.integers(0, 4), st.sampled_from(spoken.ALPHABET))
def test_spoken_finds_every_single_wrong_character(seed: str, place: int, other: str) -> None:
    symbols = list(spoken.spoken(seed).replace("-", ""))
    assume(symbols[place] != other)
    symbols[place] = other
    assert spoken.parse("".join(symbols)) is None


@given(st.text(), st.integers(0, 4), st.integers(0, 4))
def test_spoken_finds_every_swap_of_two_characters(seed: str, one: int, other: int) -> None:
    symbols = list(spoken.spoken(seed).replace("-", ""))
    assume(symbols[one] != symbols[other])
    symbols[one], symbols[other] = symbols[other], symbols[one]
    assert spoken.parse("".join(symbols)) is None


@given(st.text())
def test_parse_answers_a_reference_of_our_form_or_none(typed: str) -> None:
    found = spoken.parse(typed)
    assert found is None or (len(found) == 6 and spoken.parse(found) == found)
