"""The public keys of clients: from their JWKS address, kept as long as its Cache-Control says, or from a file (security.md A-10 to A-12)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from adapter.clock import Clock
from adapter.errors import EhrError, SettingsError
from adapter.net import Answer, GuardedSession, Limits
from adapter.network import ClientEntry

SHORTEST, USUAL, LONGEST = 60.0, 300.0, 3600.0  # seconds that keys are kept: at least, where the server says nothing, at most
AGAIN = 30.0  # seconds between two fetches that an unknown kid or a failure may cause
LIMITS = Limits(connect=3, read=5, total=8, body=64 << 10)
MOST = 50  # keys of one JWKS
Jwk = Mapping[str, Any]
Fetch = Callable[[ClientEntry], tuple[list[Jwk], float]]


def read_keys(written: bytes) -> list[Jwk]:
    """The keys of a JWKS. Raises ValueError when it is none: an object with `keys`, a list of up to 50 objects."""
    found = orjson.loads(written)
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or len(keys) > MOST or not all(isinstance(key, dict) for key in keys):
        raise ValueError("expected a JWKS: an object with `keys`, a list of up to 50 objects")
    return keys


def keys_of(client: ClientEntry, *, clock: Clock) -> tuple[list[Jwk], float]:
    """The client's keys as its address or its file has them now, and for how many seconds they may be kept (a file: not at all).
    Blocking. Raises EhrError, OSError, ValueError."""
    if not client.jwks_url:
        return (read_keys(Path(client.jwks_file).read_bytes()), 0.0) if client.jwks_file else ([], 0.0)
    if not client.jwks_private and not client.jwks_url.startswith("https:"):
        raise ValueError("expected https")
    session = GuardedSession(allow=[client.jwks_url], clock=clock, limits=LIMITS, public=not client.jwks_private)
    try:
        answer = session.send("GET", client.jwks_url, headers={"Accept": "application/json"})
    finally:
        session.close()
    if answer.status != 200:
        raise ValueError("expected a JWKS at the client's address")
    return read_keys(answer.body), _life(answer)


def _life(answer: Answer) -> float:
    """How long its server lets it be kept (RFC 9111 5.2.2, less the age it has), within our bounds."""
    control = answer.headers.get("Cache-Control", "").lower()
    if re.search(r"\bno-(?:store|cache)\b", control):
        return SHORTEST
    found, age = re.search(r'\bmax-age="?(\d{1,9})', control), re.match(r"\d{1,9}", answer.headers.get("Age", ""))
    seconds = float(found[1]) - float(age[0] if age else 0) if found else USUAL
    return max(SHORTEST, min(seconds, LONGEST))


@dataclass(slots=True)
class _Kept:
    """What is known of one client's keys; times are `monotonic`. `until`: they are good; `asked`: no fetch out of turn before."""

    keys: list[Jwk]
    until: float
    asked: float


class KeyRing:
    """The keys of all clients, for one process and its event loop. One fetch a client at a time, in a few threads of its own: a
    slow address holds up its own client alone."""

    def __init__(self, clock: Clock, *, fetch: Fetch | None = None, threads: Executor | None = None) -> None:
        self._clock = clock
        self._fetch: Fetch = fetch or (lambda client: keys_of(client, clock=clock))
        self._threads = threads or ThreadPoolExecutor(4, thread_name_prefix="jwks")
        self._kept: dict[str, _Kept] = {}
        self._flights: dict[str, asyncio.Task[None]] = {}

    async def keys(self, client: ClientEntry, kid: str) -> list[Jwk]:
        """The client's keys, fetched where those kept are too old, or lack this kid and none was looked for lately. None where
        its address or file gives none: old keys are not used longer than their server said."""
        if client.jwks_file:
            return await self._of_file(client)
        kept, now = self._kept.get(client.jwks_url), self._clock.monotonic()
        good = kept is not None and now < kept.until
        if kept is not None and good and any(key.get("kid") == kid for key in kept.keys):
            return kept.keys
        if client.jwks_url and (client.jwks_url in self._flights or kept is None or now >= kept.asked):
            await self._flown(client, out_of_turn=good)
            kept = self._kept.get(client.jwks_url)
        return kept.keys if kept is not None and self._clock.monotonic() < kept.until else []

    async def _of_file(self, client: ClientEntry) -> list[Jwk]:
        try:
            return (await asyncio.get_running_loop().run_in_executor(self._threads, self._fetch, client))[0]
        except (OSError, ValueError):
            return []

    async def _flown(self, client: ClientEntry, *, out_of_turn: bool) -> None:
        """The fetch of this client's keys that is under way, or a new one. Who waits may go: it is finished for the others."""
        flight = self._flights.get(client.jwks_url)
        if flight is None or flight.done():
            flight = asyncio.get_running_loop().create_task(self._filled(client, out_of_turn))
            self._flights[client.jwks_url] = flight
            flight.add_done_callback(lambda _: self._flights.pop(client.jwks_url, None))
        await asyncio.shield(flight)

    async def _filled(self, client: ClientEntry, out_of_turn: bool) -> None:
        try:
            keys, life = await asyncio.get_running_loop().run_in_executor(self._threads, self._fetch, client)
        except (EhrError, OSError, ValueError, SettingsError):
            now = self._clock.monotonic()
            before = self._kept.get(client.jwks_url)
            good = before is not None and now < before.until  # a fetch out of turn failed: what is kept holds on
            self._kept[client.jwks_url] = _Kept(before.keys if before and good else [], before.until if before and good else 0.0, now + AGAIN)
            return
        now = self._clock.monotonic()
        self._kept[client.jwks_url] = _Kept(keys, now + life, now + AGAIN if out_of_turn else now)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
