"""Time as the reading wants it (S5): every date lasts as long as its precision, in the zone of the house; spans in UTC, half open."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from tests.second.logic import all3

Span = tuple[datetime, datetime]  # from, until (not included), both UTC
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
FOREVER = EARLIEST, LATEST
DAY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d)?(?:(\.\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)", re.ASCII)


@lru_cache(maxsize=4096)
def span(text: str, zone: str) -> Span | None:
    """How long a FHIR date, dateTime or instant lasts; None: not one."""
    try:
        if found := DAY.fullmatch(text):
            year, month, day = (int(part) if part else None for part in found.groups())
            first = datetime(year or 0, month or 1, day or 1, tzinfo=ZoneInfo(zone))
            return first.astimezone(UTC), following(first, month, day)
        if found := INSTANT.fullmatch(text):
            minute, second, fraction, offset = found.groups()
            first = datetime.fromisoformat(minute + (second or ":00") + (fraction or "") + offset).astimezone(UTC)
            return first, later(first, timedelta(minutes=1) if not second else timedelta(seconds=1) / 10 ** len((fraction or ".")[1:]))
    except (ValueError, OverflowError):
        pass
    return None


def following(first: datetime, month: int | None, day: int | None) -> datetime:
    """The first instant after this day, month or year, in UTC."""
    if not month:
        return first.replace(year=first.year + 1).astimezone(UTC) if first.year < 9999 else LATEST
    following = later(first.replace(tzinfo=None), timedelta(days=1 if day else 31))
    return (following if day else following.replace(day=1)).replace(tzinfo=first.tzinfo).astimezone(UTC) if following < datetime.max else LATEST


def later(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:
        return datetime.max.replace(tzinfo=at.tzinfo)


def stretch(period: Any, zone: str) -> tuple[datetime | None, datetime | None]:
    """From the first instant of `start` until the last of `end`; None for an edge that cannot be read, or both when reversed."""
    if not isinstance(period, dict) or not period.keys() & {"start", "end"} or period.keys() - {"start", "end", "id", "extension"}:
        return None, None
    first, last = ((span(period[key], zone) if isinstance(period[key], str) else None) if key in period else FOREVER for key in ("start", "end"))
    if first and last and first[0] >= last[1]:
        return None, None
    return first[0] if first else None, last[1] if last else None


def before(one: datetime | None, other: datetime | None, strictly: bool = True) -> bool | None:
    return None if one is None or other is None else one < other if strictly else one <= other


def holds_at(period: Any, now: datetime, zone: str) -> bool | None:
    start, until = stretch(period, zone)
    return all3([before(start, now, strictly=False), before(now, until)])
