"""Referrals that happened, for tests of the indicators: each test says only what differs."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from adapter.referral.indicators import Beside, Counted, Course, Meeting, Move, Row, figures

PARIS = ZoneInfo("Europe/Paris")
ASKED = datetime(2026, 3, 2, 10, 0, tzinfo=PARIS)  # a Monday


def course(*story: tuple[float, str] | tuple[float, str, str], asked: datetime = ASKED, person: str = "Patient/a", **more: Any) -> Course:
    """`story`: (hours after it was asked, status, reason)."""
    moves = tuple(Move(asked + timedelta(hours=hours), status, *reason) for hours, status, *reason in ((0, "requested"), *story))
    return Course(asked, person, more.pop("unit", "coursier"), moves, **more)


def people(count: int, *story: Any, start: int = 0, **more: Any) -> list[Course]:
    """The same story of that many persons."""
    return [course(*story, person=f"Patient/{start + number}", **more) for number in range(count)]


def rows(courses: list[Course], **beside: Any) -> list[Row]:
    counted = Counted()
    for one in courses:
        counted.feed(one)
    return figures(counted, Beside(**beside))


def row(found: list[Row], indicator: str, part: str, cut: str = "", group: str = "") -> Row:
    (one,) = [each for each in found if (each.indicator, each.part, each.cut, each.group) == (indicator, part, cut, group)]
    return one


def chance(seed: int, count: int) -> list[Course]:
    """Referrals of any kind, some persons with several."""
    random = Random(seed)
    return [_any(random, f"Patient/{random.randrange(max(1, count * 3 // 4))}") for _ in range(count)]


def _any(random: Random, person: str) -> Course:
    asked = datetime(2026, 1, 1, 9, tzinfo=PARIS) + timedelta(hours=random.randrange(24 * 120))
    stories: list[list[Any]] = [
        [], [(5, "rejected", "mauvaise-orientation")], [(9, "rejected", "autre")], [(700, "cancelled", "sans-reponse")], [(1, "cancelled", "demande-close")],
        [(2, "accepted")], [(2, "accepted"), (30, "in-progress")], [(2, "accepted"), (3, "cancelled", "mauvaise-orientation")],
        [(2, "accepted"), (4, "failed", "beneficiaire-non-joignable")], [(2, "accepted"), (9, "cancelled", "beneficiaire-absent")],
    ]  # fmt: skip
    done = [(2, "accepted"), (random.randrange(3, 90), "in-progress"), (random.randrange(100, 900), "completed")]
    story = done if random.random() < 0.5 else random.choice(stories)
    days = random.randrange(0, 31) if random.random() < 0.3 else None
    return course(
        *story, asked=asked, person=person, unit=random.choice("uuuvvw"), needs=tuple(random.sample(["faim", "isolement", "droits"], random.randrange(1, 3))),
        results=(random.choice(["satisfait", "satisfait", "partiel", "non-satisfait"]),) if random.random() < 0.7 else (), told=random.random() < 0.7,
        withdrawn=random.random() < 0.05, opened=timedelta(hours=3), days_avoided=days, area=random.choice(["76540"] * 4 + ["76231", "76681", "27", ""]),
        age=random.choice(["18-29", "30-59", "75-plus", "75-plus", ""]), meetings=(Meeting(asked + timedelta(days=9), random.choice(["fulfilled", "noshow", "booked"])),),
    )  # fmt: skip
