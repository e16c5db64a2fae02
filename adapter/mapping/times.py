"""Dates and times: precision, zones, and what people type."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from adapter.mapping.context import Run
from adapter.mapping.values import Kind, Unfit, clean, same

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
_FRENCH_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_INSTANT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(?:(Z| UTC)| ?([+-]\d{2}):?(\d{2}))?", re.ASCII)
_EARLIEST = "1890"
_OLDEST_TIME = 1970  # before, zones had offsets with seconds, which FHIR cannot write
_PARTS = {"year": 1, "month": 2, "day": 3}


def calendar_date(precision: str = "day", latest: str = "") -> Kind:
    """A FHIR date at least as precise as `precision` (year, month, day); 03/02/1938 is read as French.
    `latest: now` refuses dates after today."""
    wanted = _PARTS[precision]

    def read(value: object, run: Run, path: str, place: str) -> str | None:
        typed = clean(value, 20)
        if typed is None:
            return None
        found, parts = parse_date(typed)
        if parts < wanted:
            raise Unfit(f"expected a date with its {precision}")
        if found < _EARLIEST:
            raise Unfit(f"expected a date after {_EARLIEST}")
        if latest and found > run.context.at.astimezone(run.context.zone).date().isoformat():
            raise Unfit("expected a date that is not in the future")
        return found

    return Kind(read, same)


def parse_date(typed: str) -> tuple[str, int]:
    """(FHIR date, number of its parts). Raises Unfit for what is no calendar date."""
    french = _FRENCH_DATE.fullmatch(typed)
    match = None if french else _DATE.fullmatch(typed)
    if french:
        day, month, year = french.groups()
    elif match:
        year, month, day = match.groups()
    else:
        raise Unfit("expected a date: 1938-02-03 or 03/02/1938")
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        raise Unfit("expected a date that exists") from None
    if day:
        return f"{year}-{int(month):02}-{int(day):02}", 3
    return (f"{year}-{month}", 2) if month else (year, 1)


def instant(latest: str = "") -> Kind:
    """A FHIR dateTime in the zone of the context, which is also meant where no offset is typed. A time that the clocks skip is
    refused. `latest: now` refuses the future."""

    def read(value: object, run: Run, path: str, place: str) -> str | None:
        typed = clean(value, 40)
        if typed is None:
            return None
        moment = parse_instant(typed, run)
        if latest and moment > run.context.at:
            raise Unfit("expected a time that is not in the future")
        return moment.isoformat()

    return Kind(read, local)


def parse_instant(typed: str, run: Run) -> datetime:
    match = _INSTANT.fullmatch(typed)
    if not match:
        raise Unfit("expected a date and time: 2000-12-31T18:50 (an offset may follow)")
    day, time, utc, hours, minutes = match.groups()  # `2022-01-01 08:00:00 +0100` is how Ruby writes one
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{'Z' if utc else f'{hours}:{minutes}' if hours else ''}")
        if moment.year < _OLDEST_TIME:
            raise Unfit(f"expected a time after {_OLDEST_TIME}")
        if moment.tzinfo is not None:
            return moment.astimezone(run.context.zone)
        moment = moment.replace(tzinfo=run.context.zone)
        back = moment.astimezone(UTC).astimezone(run.context.zone)
    except (ValueError, OverflowError):
        raise Unfit("expected a date and time that exist") from None
    if back.replace(tzinfo=None) != moment.replace(tzinfo=None):
        raise Unfit("expected a time that exists: the clocks skip this one")
    return moment


def local(value: str, run: Run) -> str:
    """An instant as the zone of the context writes it; a date, or what is no time, stays as it is."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(run.context.zone).isoformat() if moment.tzinfo else value
    except (ValueError, OverflowError, TypeError):  # a resource may hold anything
        return value


def instant_of(value: str, run: Run) -> datetime:
    """The aware time of a FHIR date or dateTime; a date begins at midnight of the zone."""
    if len(value) > 10:
        return datetime.fromisoformat(value)
    year, month, day = (value + "-01-01").split("-")[:3]
    return datetime(int(year), int(month), int(day), tzinfo=run.context.zone)


def moved(value: str, run: Run, *, minutes: int) -> str:
    """A dateTime some minutes later."""
    return (instant_of(value, run) + timedelta(minutes=minutes)).isoformat()


_MONTHS = ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"]


@lru_cache(maxsize=512)
def _day(year: int, month: int, day: int) -> str:
    return f"{'1er' if day == 1 else day} {_MONTHS[month - 1]} {year}"


def in_french(value: str) -> str:
    """A date or dateTime as a French sentence says it: 6 mars 2026 à 18 h 50."""
    if len(value) < 10:
        return value
    said = _day(int(value[:4]), int(value[5:7]), int(value[8:10]))
    return f"{said} à {int(value[11:13])} h {value[14:16]}" if len(value) > 10 else said
