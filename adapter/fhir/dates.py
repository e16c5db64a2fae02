"""FHIR dates as text: which is later, and which instants a partial date covers."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta

from adapter.clock import instant

_SECOND = timedelta(milliseconds=999)  # from the first to the last instant of a second


def moment(text: str) -> datetime:
    """A full FHIR dateTime with zone as an aware UTC datetime (a leap second becomes :59)."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):  # leap second, or year 1 moved before the calendar by its zone
        return datetime.fromisoformat(text[:19].replace(":60", ":59") + "+00:00")


def after(one: str, other: str) -> bool:
    """Is `one` surely later than `other`? Values of different precision are compared at the coarser one,
    as far as the day; a doubt is not "surely"."""
    shared = min(len(one), len(other))
    if shared <= 10:
        return one[:shared] > other[:shared]
    return moment(one) > moment(other)


def span(text: str) -> tuple[str, str]:
    """First and last instant that a FHIR date, dateTime or instant covers, as sortable text in UTC with
    milliseconds; days without a zone are UTC days. Raises ValueError where `text` is none of them."""
    if "T" in text:
        at = moment(text)
        return instant(at), instant(at if text[19] == "." else at + _SECOND)
    year, month, day = (*(int(part) for part in text.split("-")), 0, 0)[:3]
    first = datetime(year, month or 1, day or 1, tzinfo=UTC)
    last = datetime(year, month or 12, day or monthrange(year, month or 12)[1], 23, 59, 59, 999000, tzinfo=UTC)
    return instant(first), instant(last)
