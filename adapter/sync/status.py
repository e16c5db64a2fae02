"""How far each EHR is behind: plain dicts for the command line and the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from adapter.clock import instant
from adapter.dossier import split
from adapter.ports import LetterState, Pile, Uow
from adapter.sync import standing
from adapter.sync.halts import halts
from adapter.sync.pull import Cursor, Search, Tried, cursor_name, tried_name
from adapter.sync.subscribing import REFUSED, standing_of

OPEN: tuple[LetterState, ...] = ("queued", "unknown", "parked", "conflict")
WAITING: tuple[LetterState, ...] = ("queued", "unknown")


def status(uow: Uow, searches: Mapping[str, Iterable[Search]]) -> list[dict[str, Any]]:
    """One dict per EHR: `ehr`, `queued`, `unknown`, `parked`, `conflict` (letters), `conflicts` (open rows), `lag`
    (seconds since the oldest letter that waits was due, 0 when none is), `oldest` ({type, reason, attempts, due} of
    the oldest open letter, None when none is), `lanes` ({open, held}: referrals with letters, those that wait for a person), `mode`
    (running | halted | paused | resting), `halts` ([{reason, why, since, patient}] where the engine stands still by itself; `patient`: our
    id, "" for the whole EHR), `paused` ({since, reason}) and `resting` (until when) or None, `searchable` (whether it can be
    asked by identifier), `outcomes` (of all letters, by what became of them), `reasons` (of what a person must see to, by code), `cursors` (type ->
    {watermark, ran}, FHIR instants or None), `pulled` ({at, age}: up to when everything there was read, and how many seconds
    ago; None: never), `failed` ({at, error} of the last try to read it, None when it went well or there was none), `subscriptions`
    (as `cursors` -> {kind, state, said, end} of ours there), `refused` (notifications that were not believed, by why).
    Nothing in it tells of a person."""
    conflicts, piles, lanes = uow.conflict_counts(), uow.piles(), uow.lanes()
    found = []
    for ehr, wanted in searches.items():
        letters = _letters(uow, ehr, [pile for pile in piles if pile.ehr == ehr], lanes.get(ehr, (0, 0)))
        found.append({"ehr": ehr, **letters, "conflicts": conflicts.get(ehr, 0), **_standing(uow, ehr), **_pulled(uow, ehr, list(wanted))})
    return found


def _letters(uow: Uow, ehr: str, piles: list[Pile], lanes: tuple[int, int]) -> dict[str, Any]:
    depth, reasons = Counter[str](), Counter[str]()
    for pile in piles:
        depth[pile.state] += pile.letters
        if pile.state not in WAITING:
            reasons[pile.reason] += pile.letters
    oldest = uow.oldest(ehr) if piles else None
    waiting = min((pile.due for pile in piles if pile.state in WAITING), default=uow.at)
    return {
        **{state: depth[state] for state in OPEN},
        "lag": max(0.0, (uow.at - waiting).total_seconds()),
        "oldest": oldest and {"type": oldest.type, "reason": oldest.reason, "attempts": oldest.attempts, "due": instant(oldest.due)},
        "lanes": dict(zip(("open", "held"), lanes, strict=True)),
        "reasons": dict(reasons),
    }


def _standing(uow: Uow, ehr: str) -> dict[str, Any]:
    paused, resting, stood = standing.paused(uow, ehr), standing.resting(uow, ehr), halts(uow, ehr)
    return {
        "mode": "halted" if stood and not stood[0].patient else "paused" if paused else "resting" if resting else "running",
        "halts": [{"reason": each.reason, "why": each.why, "since": instant(each.at), "patient": split(each.patient)[1]} for each in stood],
        "paused": paused and {"since": paused.since, "reason": paused.reason},
        "resting": _text(resting),
        "searchable": standing.searchable(uow, ehr),
        "outcomes": standing.outcomes(uow, ehr),
    }


def _pulled(uow: Uow, ehr: str, searches: list[Search]) -> dict[str, Any]:
    ran = [Cursor.decode(uow.kept(cursor_name(ehr, search.type, search.by))).ran for search in searches]
    whole = min((each for each in ran if each), default=None) if all(ran) else None
    tried = Tried.decode(uow.kept(tried_name(ehr)))
    return {
        "cursors": {name: _cursor(uow, ehr, search) for name, search in _named(searches)},
        "pulled": whole and {"at": instant(whole), "age": (uow.at - whole).total_seconds()},
        "failed": {"at": _text(tried.at), "error": tried.error} if tried.error else None,
        "subscriptions": {name: told for name, search in _named(searches) if (told := _subscription(uow, ehr, search))},
        "refused": {name.rpartition("/")[2]: count for name, count in uow.added(f"{REFUSED}{ehr}/").items()},
    }


def _named(searches: Iterable[Search]) -> list[tuple[str, Search]]:
    return [("/".join(filter(None, (search.type, search.by))), search) for search in searches]


def _subscription(uow: Uow, ehr: str, search: Search) -> dict[str, str] | None:
    now = standing_of(uow, ehr, search)
    return {"kind": now.kind, "state": now.state, "said": now.said, "end": now.end} if now else None


def _cursor(uow: Uow, ehr: str, search: Search) -> dict[str, str | None]:
    cursor = Cursor.decode(uow.kept(cursor_name(ehr, search.type, search.by)))
    return {"watermark": _text(cursor.watermark), "ran": _text(cursor.ran)}


def _text(at: datetime | None) -> str | None:
    return instant(at) if at else None
