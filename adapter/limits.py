"""How many requests a client may send a minute, all processes together.

The count stands in the database. A process takes a part of what is left of the minute at a time and gives it out by itself, so that
not every request writes a row that all processes wait for; what it did not give out is lost with the minute.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from adapter.errors import LiaisonError, TooMany
from adapter.ports import Uow

WINDOW = 60  # seconds
PARTS = 20  # a process takes a twentieth of the limit at a time


class NoneLeft(LiaisonError):
    """This process has nothing left to give to the client: `limits.reserve`, then again."""

    def __init__(self, client: str, limits: Limits) -> None:
        super().__init__("nothing left to give")
        self.client, self.limits = client, limits


@dataclass(slots=True)
class _Share:
    window: int
    left: int
    closed: bool = False


class Limits:
    """`a_minute`: requests of one client; 0: no limit."""

    def __init__(self, a_minute: int) -> None:
        self._a_minute = a_minute
        self._shares: dict[str, _Share] = {}
        self._lock = threading.Lock()

    def spend(self, client: str, at: datetime) -> None:
        """One request at `at`. Raises NoneLeft, and TooMany (429) with the seconds until there is more."""
        if not self._a_minute:
            return
        window = int(at.timestamp()) // WINDOW
        with self._lock:
            share = self._shares.get(client)
            if share is None or share.window != window or not (share.left or share.closed):
                raise NoneLeft(client, self)
            if not share.left:
                refusal = TooMany(f"expected at most {self._a_minute} requests a minute of one client; Retry-After says when to come back")
                refusal.seconds, refusal.told = WINDOW - int(at.timestamp()) % WINDOW, True
                raise refusal
            share.left -= 1

    def reserve(self, uow: Uow, client: str) -> None:
        """Takes another part of this minute for a client, in a unit of its own. Of many who found nothing left the first takes it."""
        window, part = int(uow.at.timestamp()) // WINDOW, max(1, self._a_minute // PARTS)
        with self._lock:
            share = self._shares.get(client)
            if share is not None and share.window == window and (share.left or share.closed):
                return
        got = uow.tally(f"rate/{client}", window, part, most=self._a_minute)
        with self._lock:
            share = self._shares.get(client)
            if share is None or share.window != window:
                share = self._shares[client] = _Share(window, 0)
            share.left += got
            share.closed = not got
