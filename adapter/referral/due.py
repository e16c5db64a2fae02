"""Until when a recipient has to act: by its opening hours, its zone and the public holidays of its place (workflow.md 3).

"Opening day": a day on which the unit opens at all; it begins with its first opening and ends with its last closing.
- stat: closing of the opening day that runs at the call, else of the first that begins after it
- asap: closing of the first opening day that begins after the call
- urgent (48 h): closing of the second opening day that begins after the call
- routine: closing of the tenth opening day that begins after the call (two working weeks)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import holidays

from adapter.clock import instant_of
from adapter.errors import Invalid
from adapter.network import Closure, Network, Opening
from adapter.ports import Resource
from adapter.referral import codes

Priority = Literal["routine", "urgent", "asap", "stat"]
DAYS_AFTER: dict[str, int] = {"stat": 1, "asap": 1, "urgent": 2, "routine": 10}
HORIZON = 366  # days we look ahead for an opening
PRESSING = frozenset({"urgent", "asap", "stat"})  # priorities of the files that are escalated
# Departments whose public holidays differ, as the holidays library calls them.
_ALSACE_MOSELLE = {"57": "57", "67": "6AE", "68": "6AE"}
_OVERSEAS = {"971": "971", "972": "972", "973": "973", "974": "974", "976": "976", "977": "BL", "978": "MF", "975": "PM", "986": "WF",
             "987": "PF", "988": "NC"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a unit is open. `commune` is an INSEE code ("" for the holidays of all France)."""

    hours: tuple[Opening, ...]
    zone: str = "Europe/Paris"
    commune: str = ""
    closures: tuple[Closure, ...] = ()
    open_on_holidays: bool = False

    def closed(self, day: date) -> bool:
        """Whether the unit stays shut that day whatever its hours say."""
        holiday = not self.open_on_holidays and day in public_holidays(day.year, self.commune)
        return holiday or any(closure.start <= day <= closure.end for closure in self.closures)

    def opening_days(self, since: date) -> Iterator[tuple[datetime, datetime]]:
        """(beginning, end) of each opening day from `since` on, in the unit's zone, for a year."""
        for step in range(HORIZON + 1):
            day = since + timedelta(days=step)
            openings = [opening for opening in self.hours if opening.day == day.weekday()]
            if openings and not self.closed(day):
                yield self._at(day, min(o.opens for o in openings)), self._at(day, max(o.closes for o in openings))

    def openings(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        """(beginning, end) of every opening that ends after `since` (aware), in the unit's zone, for a year."""
        first = since.astimezone(ZoneInfo(self.zone)).date()
        for step in range(HORIZON + 1):
            day = first + timedelta(days=step)
            if not self.closed(day):
                spans = ((self._at(day, each.opens), self._at(day, each.closes)) for each in sorted(self.hours) if each.day == day.weekday())
                yield from (span for span in spans if span[1] > since)

    def open_between(self, since: datetime, until: datetime) -> timedelta:
        """How long the unit is open between two aware instants, pauses at noon, holidays and closures left out; nothing where the
        second is not after the first."""
        day, last, total = since.astimezone(ZoneInfo(self.zone)).date(), until.astimezone(ZoneInfo(self.zone)).date(), timedelta()
        while day <= last:
            for opening in self.hours if not self.closed(day) else ():
                if opening.day == day.weekday():  # in UTC: of two times of one zone the wall clocks would be subtracted
                    opens, closes = (self._at(day, each).astimezone(UTC) for each in (opening.opens, opening.closes))
                    total += max(min(closes, until) - max(opens, since), timedelta())
            day += timedelta(days=1)
        return total

    def _at(self, day: date, minutes: int) -> datetime:
        """A wall-clock time; 1440 is midnight of the next day, a time that the spring change skips is moved on."""
        wall = datetime.combine(day, time()) + timedelta(minutes=minutes)
        zone = ZoneInfo(self.zone)
        return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)


@lru_cache(maxsize=256)
def public_holidays(year: int, commune: str = "") -> frozenset[date]:
    """The public holidays at a commune (INSEE code): Alsace-Moselle has two more, overseas departments their own."""
    place = _ALSACE_MOSELLE.get(commune[:2]) or _OVERSEAS.get(commune[:3])
    return frozenset(holidays.country_holidays("FR", subdiv=place, years=year))


def calendar(network: Network, unit: str) -> Calendar:
    """The calendar of a unit of the network; its hours and zone default to the network's, its commune to its organisation's.
    Raises Invalid for a unit nobody knows."""
    found, organisation = network.unit(unit), network.unit_organisation(unit)
    if found is None or organisation is None:
        raise Invalid("the unit is not in the network", expression="Task.owner")
    return Calendar(
        hours=found.hours or network.hours,
        zone=found.zone or network.zone,
        commune=found.commune or organisation.commune,
        closures=found.closures,
        open_on_holidays=found.open_on_holidays,
    )


def due(called: datetime, priority: str, when: Calendar) -> datetime:
    """The deadline of a request made at `called` (aware), in the unit's zone. Raises Invalid when the unit does not
    open often enough within a year, or `called` has no zone."""
    if called.tzinfo is None:
        raise Invalid("expected a time with its zone", expression="ServiceRequest.authoredOn")
    wanted = DAYS_AFTER.get(priority, DAYS_AFTER["routine"])
    local = called.astimezone(ZoneInfo(when.zone))
    # A day that began before the call counts for stat only, while it lasts.
    for begins, ends in when.opening_days(local.date()):
        if begins > called or (priority == "stat" and ends > called):
            wanted -= 1
        if wanted == 0:
            return ends
    raise Invalid("the unit has no opening days enough within a year", expression="HealthcareService.availableTime")


def marks(called: datetime, end: datetime) -> tuple[datetime, datetime]:
    """(half time, three quarters) between call and deadline: when the unit, then a second person is reminded."""
    span = (end - called) / 4
    return called + 2 * span, called + 3 * span


_WEEKDAYS = {
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_MONTHS = {
    "fr": ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"),
}


def said(end: datetime, lang: str = "fr") -> str:
    """A deadline in words, in its own zone: "mardi 3 mars à 18 h", "Tuesday 3 March, 18:00". Midnight belongs to the
    day that ends with it. Any language but "fr" is English."""
    lang = lang if lang in _WEEKDAYS else "en"
    midnight = (end.hour, end.minute) == (0, 0)
    day = end - timedelta(days=1) if midnight else end
    weekday, month = _WEEKDAYS[lang][day.weekday()], _MONTHS[lang][day.month - 1]
    if lang == "fr":
        hour = "minuit" if midnight else f"{end.hour} h" + (f" {end.minute:02}" if end.minute else "")
        return f"{weekday} {'1er' if day.day == 1 else day.day} {month} à {hour}"
    return f"{weekday} {day.day} {month}, {'midnight' if midnight else f'{end.hour:02}:{end.minute:02}'}"


def promised(due: Callable[[str, datetime, str], datetime | None], task: Resource, priority: str, at: datetime) -> datetime | None:
    """Until when its unit has to act on a Task that is sent at `at`: what was said before sending, which runs from the call
    (workflow.md 3); where nothing was, or agreements came so late that it has passed, from now. `due(unit, from, priority)`."""
    announced = task.get("restriction", {}).get("period", {}).get("end", "")
    end = datetime.fromisoformat(announced) if announced else None
    if end and end.tzinfo and end > at:
        return end
    return due(task.get("owner", {}).get("reference", "").partition("/")[2], at, priority)


# ── while nobody answers ─────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request waits for an answer: until the unit is reminded, until it is closed (workflow.md 2)."""

    remind: timedelta = timedelta(days=10)
    expire: timedelta = timedelta(days=30)


def unanswered(task: Resource, sent: datetime, at: datetime, *, stood: timedelta = timedelta(0), patience: Patience = Patience()) -> str:
    """What a Task sent at `sent` has come to: `codes.WAITS` (to be reminded), `codes.EXPIRED` (to be closed) or "". Only an acceptance or
    a refusal is an answer: a question shows the clock, it does not stop it. `stood`: how long it stood still, since we could not
    reach the recipient."""
    waited = at - sent - stood
    if task.get("status") != "requested" or waited < patience.remind:
        return ""
    return codes.EXPIRED if waited >= patience.expire else codes.WAITS


def escalated(task: Resource, sent: datetime, at: datetime, business: str) -> str:
    """How far a pressing Task sent at `sent` is on the way to its deadline: `codes.HALF`, `codes.SECOND`, `codes.DUE` or "" (workflow.md 3).
    `business`: system of our business statuses."""
    end = instant_of(task.get("restriction", {}).get("period", {}).get("end", ""))
    if task.get("priority") not in PRESSING or end is None or not contact_awaited(task, business):
        return ""
    half, three_quarters = marks(sent, end) if sent < end else (end, end)
    return codes.DUE if at >= end else codes.SECOND if at >= three_quarters else codes.HALF if at >= half else ""


def contact_awaited(task: Resource, business: str) -> bool:
    """Whether nobody has met the person yet nor fixed a day for it: what a deadline is for."""
    met = {codes.APPOINTMENT_FIXED, *codes.ABSENT}
    said = {each.get("code") for each in task.get("businessStatus", {}).get("coding", ()) if each.get("system") == business}
    return task.get("status") in ("requested", "accepted") and met.isdisjoint(said)
