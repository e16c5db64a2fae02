"""The only source of time, ids and chance. Everything else is handed a Clock."""

from __future__ import annotations

import random
import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC, microseconds."""
        ...

    def new_id(self) -> str:
        """A fresh FHIR id (uuid4 text, 36 characters)."""
        ...

    def secret(self) -> str:
        """256 random bits, URL-safe text: for tokens."""
        ...

    def jitter(self) -> float:
        """A number in [0, 1) to spread retries."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for measuring how long something took."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_id(self) -> str:
        return str(uuid.uuid4())

    def secret(self) -> str:
        return secrets.token_urlsafe(32)

    def jitter(self) -> float:
        return random.random()

    def monotonic(self) -> float:
        return time.monotonic()


class FrozenClock:
    """Public test double: stands still until `tick` or `set`; ids and secrets follow the seed."""

    def __init__(self, at: datetime, *, seed: int = 0) -> None:
        if at.tzinfo is None:
            raise ValueError("FrozenClock wants an aware datetime")
        self._at = at.astimezone(UTC)
        self._random = random.Random(seed)

    def now(self) -> datetime:
        return self._at

    def tick(self, delta: timedelta) -> datetime:
        self._at += delta
        return self._at

    def set(self, at: datetime) -> datetime:
        self._at = at.astimezone(UTC)
        return self._at

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def secret(self) -> str:
        return f"{self._random.getrandbits(256):064x}"

    def jitter(self) -> float:
        return self._random.random()

    def monotonic(self) -> float:
        return self._at.timestamp()


def instant(at: datetime) -> str:
    """FHIR instant in UTC with milliseconds: 2026-03-02T17:50:00.000Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
