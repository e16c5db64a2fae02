"""How far each EHR is behind: plain dicts for the command line and the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from adapter.clock import instant
from adapter.ports import LetterState, Uow
from adapter.sync.pull import Cursor, Search, Tried, cursor_name, tried_name

OPEN: tuple[LetterState, ...] = ("queued", "unknown", "parked", "conflict")
WAITING: tuple[LetterState, ...] = ("queued", "unknown")


def status(uow: Uow, searches: Mapping[str, Iterable[Search]]) -> list[dict[str, Any]]:
    """One dict per EHR: `ehr`, `queued`, `unknown`, `parked`, `conflict` (letters), `conflicts` (open rows), `lag`
    (seconds since the oldest letter that waits was due, 0 when none is), `oldest` ({type, reason, attempts, due} of
    the oldest open letter, None when none is), `reasons` (of what a person must see to, by code), `cursors` (type ->
    {watermark, ran}, FHIR instants or None), `pulled` ({at, age}: up to when everything there was read, and how many seconds
    ago; None: never), `failed` ({at, error} of the last try to read it, None when it went well or there was none).
    Nothing in it tells of a person."""
    conflicts = Counter(row.ehr for row in uow.conflicts())
    return [_one(uow, ehr, list(wanted), conflicts[ehr]) for ehr, wanted in searches.items()]


def _one(uow: Uow, ehr: str, searches: list[Search], conflicts: int) -> dict[str, Any]:
    letters = uow.letters(states=OPEN, ehr=ehr, limit=1_000_000)
    depth = Counter(letter.state for letter in letters)
    oldest = min(letters, key=lambda letter: letter.due, default=None)
    ran = [Cursor.decode(uow.kept(cursor_name(ehr, search.type))).ran for search in searches]
    whole = min((each for each in ran if each), default=None) if all(ran) else None
    tried = Tried.decode(uow.kept(tried_name(ehr)))
    waiting = min((letter.due for letter in letters if letter.state in WAITING), default=uow.at)
    return {
        "ehr": ehr,
        **{state: depth[state] for state in OPEN},
        "conflicts": conflicts,
        "lag": max(0.0, (uow.at - waiting).total_seconds()),
        "oldest": oldest and {"type": oldest.type, "reason": oldest.reason, "attempts": oldest.attempts, "due": instant(oldest.due)},
        "reasons": dict(Counter(letter.reason for letter in letters if letter.state not in WAITING)),
        "cursors": {search.type: _cursor(uow, ehr, search.type) for search in searches},
        "pulled": whole and {"at": instant(whole), "age": (uow.at - whole).total_seconds()},
        "failed": {"at": _text(tried.at), "error": tried.error} if tried.error else None,
    }


def _cursor(uow: Uow, ehr: str, type: str) -> dict[str, str | None]:
    cursor = Cursor.decode(uow.kept(cursor_name(ehr, type)))
    return {"watermark": _text(cursor.watermark), "ran": _text(cursor.ran)}


def _text(at: datetime | None) -> str | None:
    return instant(at) if at else None
