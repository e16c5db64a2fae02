"""How things stand with an EHR for the sender, in the database, so that every process sees the same: whether an operator paused it,
whether it rests after it was away, whether it can be searched by identifier.

Read in the unit that takes a letter: nothing is taken while it is paused or rests.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime

from adapter.clock import Clock, instant
from adapter.ports import Uow
from adapter.sync import halts, retry

EVERY = ""  # stands for every EHR
SILENT = 3  # answers in a row that never came, until an EHR counts as away


@dataclass(frozen=True, slots=True)
class Rest:
    """`misses` in a row; nothing is sent before `until`. `trying`: after that, one letter is on its way to see."""

    misses: int = 0
    until: datetime | None = None
    trying: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Since when an operator holds the letters, and why."""

    since: str
    reason: str


def foreseen(uow: Uow, ehr: str, *more: str) -> None:
    """What is asked before each letter is read at once, with `more` that is kept."""
    uow.kept_many(f"pause/{EVERY}", f"pause/{ehr}", f"rest/{ehr}", halts.name(ehr), *more)


# ── paused ───────────────────────────────────────────────────────────────────────────────────────
def pause(uow: Uow, ehr: str, reason: str) -> None:
    """Holds the letters to one EHR, or to EVERY, in all processes from the next letter on; one on its way arrives."""
    uow.keep(f"pause/{ehr}", json.dumps({"since": instant(uow.at), "reason": reason}).encode())
    uow.weigh()


def resume(uow: Uow, ehr: str) -> bool:
    """False when it was not paused."""
    if not uow.kept(f"pause/{ehr}"):
        return False
    uow.keep(f"pause/{ehr}", b"")
    uow.weigh()
    return True


def paused(uow: Uow, ehr: str) -> Pause | None:
    """By its own name or with all others."""
    kept = uow.kept(f"pause/{EVERY}") or uow.kept(f"pause/{ehr}")
    return Pause(**json.loads(kept)) if kept else None


# ── resting ──────────────────────────────────────────────────────────────────────────────────────
def rest(uow: Uow, ehr: str) -> Rest:
    kept = uow.kept(f"rest/{ehr}")
    if not kept:
        return Rest()
    misses, until, trying = json.loads(kept)
    return Rest(misses, datetime.fromisoformat(until) if until else None, trying)


def resting(uow: Uow, ehr: str) -> datetime | None:
    """Until when, if it rests now."""
    until = rest(uow, ehr).until
    return until if until and until > uow.at else None


def missed(uow: Uow, ehr: str, clock: Clock, *, until: datetime | None) -> None:
    """An EHR that cannot be reached (`until`: not before) rests at once; one that gave no answer (None), after SILENT in a row.
    Letters that were under way together count as one miss."""
    now = rest(uow, ehr)
    if now.until and now.until > uow.at and not now.trying:
        _keep(uow, ehr, replace(now, until=max(now.until, until or now.until)))
        return
    misses = now.misses + 1
    away = until is not None or misses >= SILENT
    later = max(until or uow.at, retry.later(now.misses, clock)) if away else None
    _keep(uow, ehr, Rest(misses, later))


def answered(uow: Uow, ehr: str) -> None:
    """It is there again."""
    if uow.kept(f"rest/{ehr}"):
        uow.keep(f"rest/{ehr}", b"")


def trying(uow: Uow, ehr: str, until: datetime) -> None:
    """After a rest one letter tries the EHR: the others rest on until it is settled, or its lease ends."""
    now = rest(uow, ehr)
    if now.until is not None:
        _keep(uow, ehr, replace(now, until=until, trying=True))


def _keep(uow: Uow, ehr: str, rest: Rest) -> None:
    uow.keep(f"rest/{ehr}", json.dumps([rest.misses, rest.until.isoformat() if rest.until else None, rest.trying]).encode())


# ── counted ──────────────────────────────────────────────────────────────────────────────────────
def counter(ehr: str, what: str) -> str:
    """The name under which outcomes are counted; what became of a letter comes after the last slash."""
    return f"letters/{ehr}/{what}"


def outcomes(uow: Uow, ehr: str) -> dict[str, int]:
    """How many letters had which outcome since ever."""
    start = counter(ehr, "")
    return {name.removeprefix(start): used for name, used in uow.added(start).items()}


# ── searched by identifier ───────────────────────────────────────────────────────────────────────
def unsearchable(uow: Uow, ehr: str) -> None:
    """Learnt: a search by identifier is refused there, or gives what was not asked for."""
    uow.keep(f"no-search/{ehr}", b"1")


def searchable_again(uow: Uow, ehr: str) -> None:
    """It may be tried anew."""
    if uow.kept(f"no-search/{ehr}"):
        uow.keep(f"no-search/{ehr}", b"")


def searchable(uow: Uow, ehr: str) -> bool:
    return not uow.kept(f"no-search/{ehr}")
