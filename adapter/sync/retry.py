"""What becomes of a letter whose delivery failed: a decision as plain data (sync.md 5.3, Y-11, Y-34)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from adapter.clock import Clock
from adapter.errors import EhrRejected, EhrStale, EhrUnavailable, EhrUnknown

FIRST = timedelta(seconds=2)  # the first back-off is somewhere below this
LONGEST = timedelta(minutes=15)  # of our own back-off
SOONEST = timedelta(seconds=1)
LATEST = timedelta(hours=1)  # an EHR that says "in a year" is asked again after this
STALE_ROUNDS = 4
FAULTS = 5


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Send again at `at`, nothing has happened there."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Look:
    """It may have happened: at `at`, look for it before anything is repeated."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Park:
    """A person must see to it; the lane waits."""

    reason: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """A person must choose between two contents; the lane waits."""

    reason: str


Decision = RetryAt | Look | Park | Conflict


def decide(error: Exception, attempts: int, clock: Clock) -> Decision:
    """What to do after `error`, when the letter was tried `attempts` times before. An EHR that is away is
    tried for ever; one that says no is not asked again; a fault of our own is tried five times."""
    if isinstance(error, EhrUnavailable):
        return RetryAt(_asked(error.retry_at, clock) if error.retry_at else _backoff(attempts, clock), "unavailable")
    if isinstance(error, EhrUnknown):
        return Look(_backoff(attempts, clock), "unknown-outcome")
    if isinstance(error, EhrStale):
        return RetryAt(clock.now(), "stale") if attempts < STALE_ROUNDS else Conflict("stale")
    if isinstance(error, EhrRejected):
        return Park(f"rejected-{error.status_code}" if error.status_code else "rejected")
    return RetryAt(_backoff(attempts, clock), "fault") if attempts < FAULTS else Park("fault")


def later(attempts: int, clock: Clock) -> datetime:
    """When to try again what waits for something else of ours."""
    return _backoff(attempts, clock)


def _backoff(attempts: int, clock: Clock) -> datetime:
    """Full jitter: anywhere between the soonest and a bound that doubles, so that a returning EHR is not met by all at once."""
    bound = min(LONGEST, timedelta(seconds=FIRST.total_seconds() * 2.0 ** min(attempts, 20)))
    return clock.now() + SOONEST + (bound - SOONEST) * clock.jitter()


def _asked(retry_at: datetime, clock: Clock) -> datetime:
    """The EHR's own time, neither in the past nor in a year, and never before it."""
    now = clock.now()
    return min(max(retry_at, now + SOONEST), now + LATEST) + FIRST * clock.jitter()
