"""Who can take this need here, and when? Of the units of the network, which alone a referral may be sent to; without anything of a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import orjson

from adapter.errors import Invalid
from adapter.network import Network, Unit
from adapter.ports import Clause, Query, Uow
from adapter.referral import routing
from adapter.referral.due import calendar
from adapter.referral.permanence import Slot, Span, next_free

HELD = ("proposed", "pending", "booked", "arrived", "checked-in", "waitlist")  # appointments that keep their time
IN_HAND = ("accepted", "in-progress", "on-hold")


@dataclass(frozen=True, slots=True)
class Recipient:
    """A unit. `against`: why it does not fit, as codes (territory, age, scheme, need, inactive), empty where it does; `opens`: beginning of its
    next opening; `slots`: the next free ones of its permanence; `takes`: how many it takes, None where it does not say; `has`: how
    many it has in hand."""

    unit: Unit
    organisation: str
    against: tuple[str, ...] = ()
    opens: datetime | None = None
    slots: tuple[Slot, ...] = ()
    takes: int | None = None
    has: int = 0

    @property
    def capacity(self) -> str:
        """SDOHCC's capacity status: `capacity` or `no-capacity`."""
        return "no-capacity" if self.takes is not None and self.has >= self.takes else "capacity"


def who(uow: Uow, network: Network, asked: routing.Asked, *, at: datetime, others: bool = False) -> list[Recipient]:
    """The units that take such a need here, those with room first, then by when they are there; `others`: behind them those that do not,
    with why. `at` (aware): from when on. Raises Invalid."""
    if at.tzinfo is None:
        raise Invalid("expected a time with its zone", expression="at")
    fitting = [_recipient(uow, network, unit, at) for unit in routing.fitting(network, asked)]
    fitting.sort(key=lambda each: (each.capacity == "no-capacity", _when(each)))
    return fitting + (list(_others(uow, network, asked, at)) if others else [])


def _others(uow: Uow, network: Network, asked: routing.Asked, at: datetime) -> Iterator[Recipient]:
    for organisation, unit in network.units():
        if organisation.kind == "service" and unit.active and (against := routing.reasons(network, unit.key, asked)):
            yield _recipient(uow, network, unit, at, tuple(against))


def _when(recipient: Recipient) -> float:
    found = recipient.slots[0].start if recipient.slots else recipient.opens
    return found.timestamp() if found else float("inf")


def _recipient(uow: Uow, network: Network, unit: Unit, at: datetime, against: tuple[str, ...] = ()) -> Recipient:
    organisation = network.unit_organisation(unit.key)
    assert organisation is not None  # it is a unit of the network
    when = calendar(network, unit.key)
    opens = next((max(opens, at.astimezone(ZoneInfo(when.zone))) for opens, closes in when.openings(at) if closes > at), None)
    free = next_free(network, unit.key, since=at, booked=booked(uow, unit.key, at)) if unit.permanence else []
    mine = Clause("owner", "reference", (f"HealthcareService/{unit.key}",))
    has = uow.count(Query("Task", (mine, Clause("status", "token", IN_HAND))))
    return Recipient(unit, organisation.name, against, opens, tuple(free), unit.capacity, has)


def booked(uow: Uow, unit: str, since: datetime) -> list[Span]:
    """When the appointments of a unit are that keep their time, from the day of `since` on: times alone, nothing of whom they are with."""
    day = f"ge{since.date().isoformat()}"
    clauses = (Clause("actor", "reference", (f"HealthcareService/{unit}",)), Clause("status", "token", HELD), Clause("date", "date", (day,)))
    found: list[Span] = []
    after: tuple[str, str] | None = None
    while True:
        page = uow.search(Query("Appointment", clauses, count=250, after=after))
        for each in map(orjson.loads, (version.served for version in page)):
            if "start" in each and "end" in each:
                found.append((datetime.fromisoformat(each["start"]), datetime.fromisoformat(each["end"])))
        if len(page) < 250:
            return found
        after = (page[-1].key, page[-1].id)
