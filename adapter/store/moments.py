"""Times as the database holds them: text in UTC with microseconds, whose order is the order of time."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from functools import lru_cache

FIRST, LAST = "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_DATETIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII)


@lru_cache(maxsize=256)  # one unit writes its own time again and again
def text(at: datetime) -> str:
    """`at` (aware) as stored, e.g. 2026-03-02T17:50:00.000000Z."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(stored: str) -> datetime:
    """The aware UTC datetime of a stored text."""
    return datetime.fromisoformat(stored)


@lru_cache(maxsize=4096)  # most values are days, and few of them
def span(value: str) -> tuple[str, str]:
    """First and last microsecond covered by a FHIR date, dateTime or instant, as stored text. Without a zone: UTC.
    Raises ValueError where `value` is none of them."""
    if day := _DATE.fullmatch(value):
        return _days(*(int(part) if part else 0 for part in day.groups()))
    found = _DATETIME.fullmatch(value)
    if not found:
        raise ValueError("not a FHIR date")
    minute, second, fraction, zone = found.groups()
    second = ":59" if second == ":60" else second  # a leap second
    digits = (fraction or "")[:6]
    first = datetime.fromisoformat(f"{minute}{second or ':00'}.{digits:0<6}{(zone or 'Z').replace('Z', '+00:00')}")
    width = timedelta(minutes=1) if not second else timedelta(microseconds=10 ** (6 - len(digits)))
    try:
        low = first.astimezone(UTC)
        return text(low), text(low + (width - timedelta(microseconds=1)))
    except OverflowError as problem:
        raise ValueError("outside the calendar") from problem


def _days(year: int, month: int, day: int) -> tuple[str, str]:
    low = datetime(year, month or 1, day or 1, tzinfo=UTC)  # ValueError for 31 February
    last_month = month or 12
    high = datetime(year, last_month, day or monthrange(year, last_month)[1], 23, 59, 59, 999999, tzinfo=UTC)
    return text(low), text(high)
