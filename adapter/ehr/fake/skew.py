"""A clock that goes before or after another."""

from __future__ import annotations

from datetime import datetime, timedelta

from adapter.clock import Clock


class Skewed:
    """`clock`, but `ahead` of it (behind: negative); `ahead` may be changed at any time: the clock was set."""

    def __init__(self, clock: Clock, ahead: timedelta) -> None:
        self._clock, self.ahead = clock, ahead

    def now(self) -> datetime:
        return self._clock.now() + self.ahead

    def new_id(self) -> str:
        return self._clock.new_id()

    def secret(self) -> str:
        return self._clock.secret()

    def jitter(self) -> float:
        return self._clock.jitter()

    def monotonic(self) -> float:
        return self._clock.monotonic()
