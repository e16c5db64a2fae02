"""The slots of a permanence (workflow.md 3): hours, closures, holidays, nights when clocks change, appointments."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import fhir
from adapter.errors import Invalid
from adapter.network import Closure, Network, Opening, Organisation, Permanence, Unit
from adapter.referral.permanence import as_fhir, next_free, slots, surgery

PARIS = ZoneInfo("Europe/Paris")
TUESDAY = Opening(1, 9 * 60, 11 * 60)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


def network(permanence: Permanence | None = Permanence(hours=(TUESDAY,), slot_minutes=45), **unit: object) -> Network:
    held = replace(Unit("as", "Permanence", hours=(Opening(0, 600, 700),)), permanence=permanence, **unit)  # type: ignore[arg-type]
    return Network(organisations=(Organisation("carsat", "service", "Carsat", "as-carsat", units=(held,), commune="76540"),))


def starts(found: list[object]) -> list[str]:
    return [f"{slot.start:%Y-%m-%dT%H:%M}" for slot in found]  # type: ignore[attr-defined]


def test_slots_follow_each_other_from_the_opening_and_what_is_left_is_none() -> None:
    assert starts(next_free(network(), "as", since=at("2026-03-02T08:00"), most=3)) == ["2026-03-03T09:00", "2026-03-03T09:45", "2026-03-10T09:00"]
    assert starts(next_free(network(), "as", since=at("2026-03-03T09:00"), most=1)) == ["2026-03-03T09:00"]
    assert starts(next_free(network(), "as", since=at("2026-03-03T09:01"), most=1)) == ["2026-03-03T09:45"]


def test_slots_are_not_on_closed_days_nor_on_holidays() -> None:
    closed = network(closures=(Closure(date(2026, 7, 7), date(2026, 7, 13)),))  # and Tuesday 14 July
    assert starts(next_free(closed, "as", since=at("2026-07-01T08:00"), most=1)) == ["2026-07-21T09:00"]
    assert starts(next_free(network(open_on_holidays=True), "as", since=at("2026-07-14T08:00"), most=1)) == ["2026-07-14T09:00"]


def test_slots_that_are_booked_are_not_free_and_two_at_once_take_two() -> None:
    booked = [(at("2026-03-03T09:30"), at("2026-03-03T10:00"))]  # lies across both
    assert starts(next_free(network(), "as", since=at("2026-03-02T08:00"), booked=booked, most=1)) == ["2026-03-10T09:00"]
    both = network(Permanence((TUESDAY,), 45, at_once=2))
    first, *_ = slots(both, "as", since=at("2026-03-02T08:00"), booked=booked)
    assert first.free == 1 and next(slots(both, "as", since=at("2026-03-02T08:00"), booked=booked * 3)).free == 0
    beside = [(at("2026-03-03T08:15"), at("2026-03-03T09:00"))]
    assert starts(next_free(network(), "as", since=at("2026-03-02T08:00"), booked=beside, most=1)) == ["2026-03-03T09:00"]


def test_slots_are_none_without_a_permanence_and_of_the_unit_hours_where_it_has_none_of_its_own() -> None:
    assert next_free(network(None), "as", since=at("2026-03-02T08:00")) == [] and surgery(network(None), "as") is None
    assert starts(next_free(network(Permanence()), "as", since=at("2026-03-01T08:00"), most=1)) == ["2026-03-02T10:00"]
    with pytest.raises(Invalid):
        next_free(network(), "nobody", since=at("2026-03-02T08:00"))


def test_slots_are_as_long_as_they_say_in_the_night_when_clocks_change() -> None:
    night = network(Permanence((Opening(6, 0, 360),), 60))
    for day, expected in (("2026-03-29", 5), ("2026-10-25", 7)):
        found = [slot for slot in slots(night, "as", since=at(f"{day}T00:00")) if slot.start.date().isoformat() == day]
        assert len(found) == expected and all(slot.end.timestamp() - slot.start.timestamp() == 3600 for slot in found)


def test_slots_are_r4_for_who_wants_them_so() -> None:
    found = next_free(network(), "as", since=at("2026-03-02T08:00"))
    schedule, *rest = as_fhir("as", found)
    for each in (schedule, *rest):
        fhir.parse(fhir.dumps(each))
    assert schedule["actor"] == [{"reference": "HealthcareService/as"}] and [each["status"] for each in rest] == ["free"] * 3
    assert len(as_fhir("as", [])) == 1


@given(st.integers(5, 480), st.integers(1, 5), st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 600)), max_size=8), st.integers(0, 10_000))
def test_slots_never_overlap_and_never_take_more_than_there_is_room(length: int, at_once: int, lying: list[tuple[int, int]], later: int) -> None:
    since = at("2026-03-20T00:00") + timedelta(minutes=later)
    booked = [(since + timedelta(minutes=begins), since + timedelta(minutes=begins + lasts)) for begins, lasts in lying]
    week = Permanence(tuple(Opening(day, 0, 1440) for day in range(7)), length, at_once)
    found = [slot for slot, _ in zip(slots(network(week), "as", since=since, booked=booked), range(40), strict=False)]
    assert all(slot.start >= since and 0 <= slot.free <= at_once for slot in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    for slot in found:
        assert slot.free == max(0, at_once - sum(begins < slot.end and slot.start < ends for begins, ends in booked))
