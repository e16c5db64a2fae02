"""Opening hours: how the network file writes them, and how FHIR does (`HealthcareService.availableTime`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = 24 * 60
_RANGE = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """Open on `day` (0 = Monday) from `opens` to `closes`, both minutes since midnight, local time; 1440 is midnight."""

    day: int
    opens: int
    closes: int


def days_from(text: str) -> tuple[int, ...]:
    """(0, 1, 2, 3, 4) of "mon-fri", (5,) of "sat", (6, 0) of "sun-mon". Raises ValueError."""
    first, dash, last = text.strip().partition("-")
    for name in (first, last) if dash else (first,):
        if name not in DAYS:
            raise ValueError(f"expected a day ({', '.join(DAYS)}) or a range of days such as mon-fri")
    start, end = DAYS.index(first), DAYS.index(last if dash else first)
    return tuple((start + step) % 7 for step in range((end - start) % 7 + 1))


def range_from(text: str) -> tuple[int, int]:
    """(540, 1080) of "09:00-18:00". Raises ValueError; past midnight is two ranges on two days."""
    found = _RANGE.fullmatch(text.strip())
    numbers = [int(part) for part in found.groups()] if found else []
    if not numbers or numbers[1] > 59 or numbers[3] > 59:
        raise ValueError('expected hours as "09:00-18:00"')
    opens, closes = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if not opens < closes <= MIDNIGHT:
        raise ValueError("expected the closing time after the opening time, 24:00 at most (split hours past midnight over two days)")
    return opens, closes


def open_at(hours: Sequence[Opening], zone: str, at: datetime) -> bool:
    """Whether that moment lies in the hours, by the wall clock of the zone; no hours: always."""
    local = at.astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    return not hours or any(each.day == local.weekday() and each.opens <= minute < each.closes for each in hours)


def joined(openings: Iterable[Opening]) -> tuple[Opening, ...]:
    """Sorted; raises ValueError when two of one day overlap."""
    ordered = tuple(sorted(openings))
    for one, other in pairwise(ordered):
        if one.day == other.day and other.opens < one.closes:
            raise ValueError(f"expected hours that do not overlap on {DAYS[one.day]}")
    return ordered


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}:00"


def available_time(hours: Iterable[Opening]) -> list[dict[str, Any]]:
    """The hours as FHIR has them: days with the same range in one entry; to midnight is 23:59:59, the whole day `allDay`."""
    days: dict[tuple[int, int], list[str]] = {}
    for opening in sorted(hours):
        days.setdefault((opening.opens, opening.closes), []).append(DAYS[opening.day])
    entries: list[dict[str, Any]] = []
    for (opens, closes), names in sorted(days.items()):
        entry: dict[str, Any] = {"daysOfWeek": names}
        if (opens, closes) == (0, MIDNIGHT):
            entry["allDay"] = True
        else:
            end = "23:59:59" if closes == MIDNIGHT else _clock(closes)
            entry |= {"availableStartTime": _clock(opens), "availableEndTime": end}
        entries.append(entry)
    return entries


def _minutes(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:5])
    return MIDNIGHT if text.startswith("23:59:59") else hour * 60 + minute


def hours_from(entries: Sequence[dict[str, Any]]) -> tuple[Opening, ...]:
    """The hours of a FHIR `availableTime`; an entry without days is every day, without times the whole day."""
    found: set[Opening] = set()
    for entry in entries:
        whole = entry.get("allDay") or "availableStartTime" not in entry or "availableEndTime" not in entry
        opens, closes = (0, MIDNIGHT) if whole else (_minutes(entry["availableStartTime"]), _minutes(entry["availableEndTime"]))
        if opens < closes:
            found |= {Opening(DAYS.index(day), opens, closes) for day in entry.get("daysOfWeek") or DAYS}
    return tuple(sorted(found))
