"""The only source of time, ids and chance. Everything else is handed a Clock."""

from __future__ import annotations

import base64
import os
import random
import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC, microseconds."""
        ...

    def new_id(self) -> str:
        """A fresh FHIR id (UUID text, 36 characters)."""
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


class Chance:
    """Random bytes from the system, `size` at a time, fetched for many at once: each fetch lets another thread go first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ready: list[bytes] = []
        os.register_at_fork(after_in_child=self._ready.clear)  # no two processes draw the same

    def draw(self) -> bytes:
        while True:
            try:
                return self._ready.pop()
            except IndexError:
                some = secrets.token_bytes(self._size * 128)
                self._ready += [some[at : at + self._size] for at in range(0, len(some), self._size)]


_FOR_IDS, _FOR_SECRETS = Chance(10), Chance(32)


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_id(self) -> str:
        """A UUID of version 7 (RFC 9562 5.7): 48 bits of time in milliseconds, then 74 random bits. Rows written together lie
        together in every index that ends in an id: a commit of many touches a fraction of the pages."""
        return _version_7(time.time_ns() // 1_000_000, _FOR_IDS.draw())

    def secret(self) -> str:
        return base64.urlsafe_b64encode(_FOR_SECRETS.draw()).rstrip(b"=").decode()

    def jitter(self) -> float:
        return random.random()

    def monotonic(self) -> float:
        return time.monotonic()


def _version_7(milliseconds: int, chance: bytes) -> str:
    random = chance.hex()
    digits = f"{milliseconds:012x}7{random[:3]}{'89ab'[chance[1] & 3]}{random[4:19]}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


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


def instant_of(text: str, zone: tzinfo | None = None) -> datetime | None:
    """The instant that somebody's text says, in UTC; `zone` is its zone where it names none. None: it is no instant, or of
    a year in which some zone has no date."""
    try:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo else found.replace(tzinfo=zone)
        return found.astimezone(UTC) if found.tzinfo and 1 < found.year < 9999 else None
    except ValueError:
        return None
