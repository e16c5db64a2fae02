"""What the engine did, told to the audit in the unit that wrote it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from adapter.ports import Letter, LetterState, Resource, Uow

What = Literal[
    "created", "updated", "adopted", "unchanged", "linked", "mended",  # push
    "withheld", "parked", "conflict", "retry", "unknown",
    "applied", "seen", "quarantined", "gone",  # pull
]


@dataclass(frozen=True, slots=True)
class Act:
    """One act of the engine. `type`/`id` are ours, `remote` the EHR's "Type/id/_history/v" where one is known;
    `resource` is what left (with our references), None when nothing did; `reason` a catalogued code."""

    what: What
    ehr: str
    type: str
    id: str
    lane: str = ""
    number: int = 0
    remote: str = ""
    reason: str = ""
    resource: Resource | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a letter. `remember` runs in the unit that settles it; `others`: of the letters that went with it."""

    state: LetterState
    what: What
    reason: str = ""
    due: datetime | None = None
    act: Act | None = None
    remember: Callable[[Uow], None] | None = None
    others: tuple[tuple[Letter, Outcome], ...] = ()


Audited = Callable[[Uow, Act], None]
"""Called inside the unit of work that writes what `Act` tells."""

Leaving = Callable[[Uow, Letter], bool]
"""(unit, letter) -> whether its resource may leave at this moment; True: the disclosure now stands in the audit.
Called in a write unit that commits before a byte is sent (security.md 4.2)."""


def tried_before(letter: Letter) -> bool:
    """Whether somebody took it before, so that it may be there already."""
    return letter.state == "unknown" or letter.attempts > 0 or letter.fence > 1


def cited(type: str, id: str, version: str) -> str:
    """"Task/7/_history/3", or "Task/7" where the EHR gives no version."""
    return f"{type}/{id}/_history/{version}" if version else f"{type}/{id}"
