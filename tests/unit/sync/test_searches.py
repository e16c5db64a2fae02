"""What an EHR is asked for, when, and when it was not asked for too long."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from adapter.network import Opening
from adapter.network.hours import open_at
from adapter.ports import Resource
from adapter.referral.due import Calendar
from adapter.sync.overdue import overdue
from adapter.sync.searches import FLOOR, REFERRALS, declared_searches, own_searches, pace
from tests.unit.sync.house import SYSTEMS, House

OWN = own_searches(SYSTEMS)
PARIS = ZoneInfo("Europe/Paris")
CLINIC: Resource = {"reference": "Organization/9001"}
DOCTORS: list[Resource] = [{"reference": "PractitionerRole/12"}, {"identifier": {"system": "urn:rpps", "value": "10000000009"}}]
UNITS: list[Resource] = [
    {"identifier": {"system": "urn:unit", "value": "a"}}, {"reference": "HealthcareService/7"}, {"identifier": {"system": "urn:unit", "value": "b"}}, {},
]  # fmt: skip
WEEK = tuple(Opening(day, 540, 1080) for day in range(5))


def asked(*poll: str) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
    return [(each.type, each.by, each.params) for each in declared_searches(OWN, poll, clinic=CLINIC, requesters=DOCTORS, owners=UNITS)]


def test_own_identifiers_are_the_default_and_stay_beside_what_is_declared() -> None:
    assert declared_searches(OWN, ["identifier"], clinic=CLINIC, requesters=DOCTORS, owners=UNITS) == OWN
    assert [(type, by) for type, by, _ in asked("identifier", "requester", "offers")] == [
        ("Consent", ""), ("Task", ""), ("Task", "requester"), ("Task", "requester:identifier"), ("Task", "offers"),
        ("ServiceRequest", ""), ("ServiceRequest", "requester"), ("ServiceRequest", "requester:identifier"),
    ]  # fmt: skip


def test_an_ehr_that_cannot_search_by_system_is_asked_by_requester_consents_too() -> None:
    """The requester is the practice, or whoever asks in its name."""
    by, named = ("requester", "Organization/9001,PractitionerRole/12"), ("requester:identifier", "urn:rpps|10000000009")
    assert asked("requester") == [
        ("Consent", "requester", (("organization", "Organization/9001"),)), ("Task", "requester", (by,)), ("Task", "requester:identifier", (named,)),
        ("ServiceRequest", "requester", (by,)), ("ServiceRequest", "requester:identifier", (named,)),
    ]  # fmt: skip


def test_units_are_asked_for_as_the_ehr_knows_them_and_unclaimed_work_by_its_status() -> None:
    found = asked("owner", "offers")
    assert found[0][:2] == ("Consent", ""), "Consents are always asked for"
    assert found[1:] == [
        ("Task", "owner", (("owner", "HealthcareService/7"),)),
        ("Task", "owner:identifier", (("owner:identifier", "urn:unit|a,urn:unit|b"),)),
        ("Task", "offers", (("owner:missing", "true"), ("status", "requested"))),
    ]


@pytest.mark.parametrize(
    ("interval", "sandbox", "every"), [(None, False, REFERRALS), (60, False, FLOOR), (60, True, timedelta(minutes=1)), (7200, False, timedelta(hours=2))]
)
def test_an_ehr_is_never_asked_more_often_than_the_floor_but_in_a_sandbox(interval: int | None, sandbox: bool, every: timedelta) -> None:
    assert pace(interval, sandbox=sandbox) == every


def test_consents_are_asked_for_day_and_night_and_the_rest_in_its_hours() -> None:
    house = House().sent()
    closed = house.pull(hours=lambda: False)
    house.ehr.searched.clear()

    closed.run()
    assert [type for type, _ in house.ehr.searched] == ["Consent"]
    house.later(hours=2)
    house.pull(hours=lambda: True).run()
    assert [type for type, _ in house.ehr.searched] == ["Consent", "Consent", "Task", "ServiceRequest"]


@pytest.mark.parametrize(
    ("at", "open"),
    [
        (datetime(2026, 3, 27, 9, 0, tzinfo=PARIS), True),
        (datetime(2026, 3, 27, 17, 59, tzinfo=PARIS), True),
        (datetime(2026, 3, 27, 18, 0, tzinfo=PARIS), False),
        (datetime(2026, 3, 28, 12, 0, tzinfo=PARIS), False),
        (datetime(2026, 3, 30, 8, 30, tzinfo=PARIS), False),
        (datetime(2026, 3, 30, 9, 0, tzinfo=PARIS), True),
    ],
)
def test_Y_32_hours_are_those_of_the_wall_clock_over_the_night_that_is_an_hour_short(at: datetime, open: bool) -> None:
    assert open_at(WEEK, "Europe/Paris", at.astimezone(ZoneInfo("UTC"))) is open
    assert open_at((), "Europe/Paris", at)


FRIDAY = datetime(2026, 3, 6, 9, 30, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("at", "late"),
    [
        (datetime(2026, 3, 6, 23, 0, tzinfo=PARIS), False),  # its own day does not count
        (datetime(2026, 3, 8, 23, 0, tzinfo=PARIS), False),  # nor a weekend
        (datetime(2026, 3, 9, 17, 59, tzinfo=PARIS), False),
        (datetime(2026, 3, 9, 18, 0, tzinfo=PARIS), True),
    ],
)
def test_a_whole_business_day_without_a_pull_is_too_long(at: datetime, late: bool) -> None:
    assert overdue(FRIDAY, at, Calendar(WEEK)) is late
    assert not overdue(None, at, Calendar(WEEK))
