"""Permanence: the weekly surgery of a social worker in the practice, in slots (workflow.md 3). Pure.

A slot is free as often as the permanence takes persons at once, less the appointments that lie on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from adapter.errors import Invalid
from adapter.network import Network
from adapter.ports import Resource
from adapter.referral.due import Calendar, calendar

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Slot:
    """From `start` to `end` (aware, in the unit's zone); `free`: how many may still be booked."""

    start: datetime
    end: datetime
    free: int


def surgery(network: Network, unit: str) -> Calendar | None:
    """When the permanence of a unit is held: its own hours, with the closures, holidays and zone of the unit. None: it holds none.
    Raises Invalid for a unit nobody knows."""
    found = network.unit(unit)
    if found is None:
        raise Invalid("the unit is not in the network", expression="HealthcareService")
    return replace(calendar(network, unit), hours=found.permanence.hours or found.hours) if found.permanence else None


def slots(network: Network, unit: str, *, since: datetime, booked: Iterable[Span] = ()) -> Iterator[Slot]:
    """Every slot of a unit's permanence that begins at `since` (aware) or after it, free or full, for a year. What is left of an opening
    and is shorter than a slot is none. `booked`: beginning and end of the appointments; one that lies across two slots takes both. None
    for a unit without permanence. Raises Invalid."""
    found, when = network.unit(unit), surgery(network, unit)
    if found is None or found.permanence is None or when is None:
        return
    taken = sorted((begins.astimezone(UTC), ends.astimezone(UTC)) for begins, ends in booked)
    length = timedelta(minutes=found.permanence.slot_minutes)
    for opens, closes in when.openings(since):
        start = opens.astimezone(UTC)  # so that a slot is as long as it says when the clocks change
        while start + length <= closes.astimezone(UTC):
            end = start + length
            if start >= since:
                lying = sum(begins < end and start < ends for begins, ends in taken)
                zone = opens.tzinfo
                yield Slot(start.astimezone(zone), end.astimezone(zone), max(0, found.permanence.at_once - lying))
            start = end


def next_free(network: Network, unit: str, *, since: datetime, booked: Iterable[Span] = (), most: int = 3) -> list[Slot]:
    """The next slots that may be booked. Raises Invalid."""
    return list(islice((slot for slot in slots(network, unit, since=since, booked=booked) if slot.free), most))


def as_fhir(unit: str, found: Iterable[Slot]) -> list[Resource]:
    """A Schedule of the unit and its Slots, as R4 resources for who wants them so; they are not stored."""
    kept = list(found)
    schedule: Resource = {"resourceType": "Schedule", "id": unit, "active": True, "actor": [{"reference": f"HealthcareService/{unit}"}]}
    if kept:
        schedule["planningHorizon"] = {"start": kept[0].start.isoformat(), "end": kept[-1].end.isoformat()}
    return [schedule, *(
        {
            "resourceType": "Slot", "id": f"{unit[:45]}-{slot.start.astimezone(UTC):%Y%m%dT%H%M}", "schedule": {"reference": f"Schedule/{unit}"},
            "status": "free" if slot.free else "busy", "start": slot.start.isoformat(), "end": slot.end.isoformat(),
        }
        for slot in kept
    )]  # fmt: skip
