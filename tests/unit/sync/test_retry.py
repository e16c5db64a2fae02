"""What becomes of a letter whose delivery failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapter.clock import FrozenClock
from adapter.errors import EhrRejected, EhrStale, EhrUnavailable, EhrUnknown
from adapter.sync.retry import FAULTS, LATEST, LONGEST, SOONEST, STALE_ROUNDS, Conflict, Look, Park, RetryAt, decide, later

NOW = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)


class Dice(FrozenClock):
    """A clock whose chance is given."""

    def __init__(self, throw: float) -> None:
        super().__init__(NOW)
        self._throw = throw

    def jitter(self) -> float:
        return self._throw


@pytest.mark.parametrize(
    ("error", "attempts", "expected"),
    [
        (EhrRejected("no", status_code=422), 0, Park("rejected-422")),
        (EhrRejected("no", status_code=400), 9, Park("rejected-400")),
        (EhrRejected("no"), 0, Park("rejected")),
        (EhrStale("412"), 0, RetryAt(NOW, "stale")),
        (EhrStale("412"), STALE_ROUNDS, Conflict("stale")),
        (EhrUnknown("cut"), 0, Look(NOW + SOONEST, "unknown-outcome")),
        (EhrUnavailable("503"), 0, RetryAt(NOW + SOONEST, "unavailable")),
        (EhrUnavailable("503"), 10_000, RetryAt(NOW + SOONEST, "unavailable")),
        (KeyError("bug"), 0, RetryAt(NOW + SOONEST, "fault")),
        (KeyError("bug"), FAULTS, Park("fault")),
    ],
)
def test_decide_follows_the_table(error: Exception, attempts: int, expected: object) -> None:
    assert decide(error, attempts, Dice(0.0)) == expected


@pytest.mark.parametrize(
    ("asked", "at"),
    [
        (timedelta(seconds=120), timedelta(seconds=120)),
        (timedelta(seconds=-30), SOONEST),
        (timedelta(0), SOONEST),
        (timedelta(days=365), LATEST),
    ],
)
def test_decide_honours_retry_after_within_bounds_y_11(asked: timedelta, at: timedelta) -> None:
    decision = decide(EhrUnavailable("429", retry_at=NOW + asked), 0, Dice(0.0))

    assert decision == RetryAt(NOW + at, "unavailable")


def test_decide_spreads_the_asked_time_only_to_later_y_11() -> None:
    decision = decide(EhrUnavailable("503", retry_at=NOW + timedelta(seconds=60)), 0, Dice(0.999))

    assert isinstance(decision, RetryAt)
    assert NOW + timedelta(seconds=60) < decision.at <= NOW + timedelta(seconds=62)


@pytest.mark.parametrize(("attempts", "bound"), [(0, 2), (1, 4), (2, 8), (5, 64), (9, 900), (40, 900), (100_000, 900)])
def test_back_off_doubles_up_to_its_cap_with_full_jitter(attempts: int, bound: int) -> None:
    low, high = later(attempts, Dice(0.0)), later(attempts, Dice(1.0))

    assert low == NOW + SOONEST
    assert high == NOW + timedelta(seconds=bound) <= NOW + LONGEST
