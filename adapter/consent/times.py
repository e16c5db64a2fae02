"""FHIR dates as spans of time. A span is half open, [low, high), in UTC; its width is the precision."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

Span = tuple[datetime, datetime]

FAR_PAST = datetime.min.replace(tzinfo=UTC)
FAR_FUTURE = datetime.max.replace(tzinfo=UTC)
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d))?)?)?", re.ASCII
)


@lru_cache(maxsize=16)
def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of that IANA name, None when there is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


@lru_cache(maxsize=4096)
def _span(text: str, zone: str) -> Span | None:
    found = _DATE.fullmatch(text)
    place = zone_of(zone)
    if not found or place is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        if hour is None:
            low = datetime(int(year), int(month or 1), int(day or 1), tzinfo=place)
            return _utc(low), _utc(_next(low, month, day))
        precise = f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}.{(fraction or '0')[:6]:0<6}"
        moment = datetime.fromisoformat(precise + offset).astimezone(UTC)
        return moment, _after(moment, _width(second, fraction))
    except (ValueError, OverflowError):
        return None


def _width(second: str | None, fraction: str | None) -> timedelta:
    if second is None:
        return timedelta(minutes=1)
    return timedelta(microseconds=10 ** max(0, 6 - len(fraction))) if fraction else timedelta(seconds=1)


def _next(low: datetime, month: str | None, day: str | None) -> datetime:
    """The first local moment after a year, a month or a day; the calendar's own end where there is none."""
    try:
        if month is None:
            return low.replace(year=low.year + 1)
        if day is None:
            return (low + timedelta(days=31)).replace(day=1)
        return low + timedelta(days=1)
    except (ValueError, OverflowError):
        return FAR_FUTURE


def _utc(local: datetime) -> datetime:
    try:
        return local.astimezone(UTC)
    except OverflowError:
        return FAR_PAST if local.year < 5000 else FAR_FUTURE


def _after(moment: datetime, width: timedelta) -> datetime:
    try:
        return moment + width
    except OverflowError:
        return FAR_FUTURE


def span(value: Any, zone: str) -> Span | None:
    """The span of a FHIR date, dateTime or instant; None when it is not one.

    `zone` gives date-only values their midnight: "2026-06-15" lasts until 24:00 there (consent.md S5).
    """
    return _span(value, zone) if isinstance(value, str) else None


def bounds(value: Any, zone: str) -> tuple[Span | None, Span | None] | None:
    """(start, end) of a Period; an absent side is open, an unreadable side None. None: no Period at all,
    or start after end."""
    if not isinstance(value, dict) or not value or set(value) - {"id", "extension", "start", "end"}:
        return None
    if "start" not in value and "end" not in value:
        return None
    start = span(value["start"], zone) if "start" in value else (FAR_PAST, FAR_PAST)
    end = span(value["end"], zone) if "end" in value else (FAR_FUTURE, FAR_FUTURE)
    if start is not None and end is not None and start[0] >= end[1]:
        return None
    return start, end
