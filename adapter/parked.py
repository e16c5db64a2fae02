"""Appointments that no referral was found for, until a person of the unit says which: by the tool's own numbers and times, nothing of
the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from adapter.clock import instant
from adapter.ports import Resource, Uow

MOST, KEPT = 200, timedelta(days=30)  # of one unit; then nobody looked for it
LISTED = frozenset({"booked", "fulfilled", "noshow"})  # what was called off needs nobody


@dataclass(frozen=True, slots=True)
class Parked:
    """`rdv` and `user`: the tool's own numbers. `at`: when it was told; `since`: when it first could not be placed; `why`: none, several,
    unknown-reference, other-person. `appointment` and `proof`: as they will be stored, without the person."""

    rdv: str
    user: str
    at: datetime
    since: datetime
    why: str
    appointment: Resource
    proof: Resource

    @property
    def start(self) -> str:
        return str(self.appointment["start"])

    @property
    def open(self) -> bool:
        return self.appointment["status"] in LISTED

    def shown(self) -> dict[str, Any]:
        """A line of the unit's list."""
        told = {name: self.appointment[name] for name in ("start", "end", "status")}
        return {"rdv": self.rdv, "user": self.user, **told, "why": self.why, "since": instant(self.since)}


def load(uow: Uow, unit: str) -> list[Parked]:
    """Those of one unit that were told of in the last 30 days."""
    rows = orjson.loads(uow.kept(_name(unit)) or b"[]")
    found = (Parked(**row | {name: datetime.fromisoformat(row[name]) for name in ("at", "since")}) for row in rows)
    return [each for each in found if uow.at - each.since < KEPT]


def keep(uow: Uow, unit: str, rows: Sequence[Parked]) -> None:
    """Raises nothing: of more than there is room for the oldest are forgotten."""
    if rows or uow.kept(_name(unit)):
        uow.keep(_name(unit), orjson.dumps([asdict(each) for each in rows[-MOST:]]))


def _name(unit: str) -> str:
    return f"rdv-parked/{unit}"
