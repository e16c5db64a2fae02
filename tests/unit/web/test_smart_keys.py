"""A client's keys: which addresses are asked, how long an answer is kept, how often it is asked again (security.md A-10, A-12)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from adapter.clock import FrozenClock
from adapter.errors import EhrRejected, EhrUnavailable
from adapter.network import ClientEntry
from adapter.smart import KeyRing, keys_of, read_keys
from tests.unit.net.scripted import Scripted, http
from tests.unit.web.smart import ec, jwks, public, rsa

AT = datetime(2026, 3, 6, 17, 50, tzinfo=UTC)
CLIENT = ClientEntry("ehr", "clinic", jwks_url="https://ehr.example/jwks")
T = TypeVar("T")


class There:
    """The client's address: what it has now, how long that may be kept, and how often it was asked. None: it is away."""

    def __init__(self, *kids: str, life: float = 60.0) -> None:
        self.kids: tuple[str, ...] | None = kids
        self.life, self.asked = life, 0
        self.clock = FrozenClock(AT)
        self.gate = threading.Event()
        self.gate.set()

    def fetch(self, client: ClientEntry) -> tuple[list[Any], float]:
        self.asked += 1
        assert self.gate.wait(30)
        if self.kids is None:
            raise EhrUnavailable("away")
        return [{"kid": kid} for kid in self.kids], self.life

    def later(self, seconds: float) -> None:
        self.clock.tick(timedelta(seconds=seconds))

    def running(self, story: Callable[[KeyRing], Awaitable[T]]) -> T:
        async def run() -> T:
            ring = KeyRing(self.clock, fetch=self.fetch)
            try:
                return await story(ring)
            finally:
                ring.close()

        return asyncio.run(run())


async def kids(ring: KeyRing, kid: str, client: ClientEntry = CLIENT) -> list[str]:
    return [key["kid"] for key in await ring.keys(client, kid)]


def test_keys_are_kept_as_long_as_their_server_says_A_12() -> None:
    there = There("a")

    async def story(ring: KeyRing) -> None:
        assert await kids(ring, "a") == await kids(ring, "a") == ["a"] and there.asked == 1
        there.later(59.9)
        assert await kids(ring, "a") == ["a"] and there.asked == 1
        there.later(0.1)
        assert await kids(ring, "a") == ["a"] and there.asked == 2

    there.running(story)


def test_old_key_is_refused_after_its_time_and_a_new_one_taken_with_one_fetch_A_12() -> None:
    there = There("old")

    async def story(ring: KeyRing) -> None:
        assert await kids(ring, "old") == ["old"]
        there.kids = ("new",)
        there.later(59)
        assert await kids(ring, "old") == ["old"] and there.asked == 1
        there.later(1)
        assert await kids(ring, "old") == ["new"] and there.asked == 2  # the old one is there no more

    there.running(story)


def test_new_key_is_found_before_its_time_by_one_fetch_A_12() -> None:
    there = There("old", life=3600)

    async def story(ring: KeyRing) -> None:
        assert await kids(ring, "old") == ["old"]
        there.kids = ("old", "new")
        there.later(1)
        assert "new" in await kids(ring, "new") and there.asked == 2
        assert await kids(ring, "new") == await kids(ring, "old") == ["old", "new"] and there.asked == 2

    there.running(story)


def test_unknown_kids_cause_one_fetch_in_half_a_minute_A_12() -> None:
    there = There("a", life=3600)

    async def story(ring: KeyRing) -> None:
        await kids(ring, "a")
        for turn in range(200):
            assert await kids(ring, f"unknown-{turn}") == ["a"]
        assert there.asked == 2
        there.later(29.9)
        await kids(ring, "unknown")
        assert there.asked == 2
        there.later(0.1)
        await kids(ring, "unknown")
        await kids(ring, "another")
        assert there.asked == 3 and await kids(ring, "a") == ["a"]

    there.running(story)


def test_many_at_once_cause_one_fetch_and_all_get_its_keys_A_12() -> None:
    there = There("a")
    there.gate.clear()

    async def story(ring: KeyRing) -> None:
        waiting = [asyncio.ensure_future(kids(ring, "a")) for _ in range(50)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # who began it goes: the others still get theirs
        asyncio.get_running_loop().call_soon(there.gate.set)
        assert [await each for each in waiting[1:]] == [["a"]] * 49 and there.asked == 1

    there.running(story)


def test_who_has_the_key_waits_for_no_fetch_that_another_caused() -> None:
    there = There("a", life=3600)

    async def story(ring: KeyRing) -> None:
        await kids(ring, "a")
        there.gate.clear()
        slow = asyncio.ensure_future(kids(ring, "unknown"))
        await asyncio.sleep(0)
        assert await kids(ring, "a") == ["a"] and not slow.done()
        there.gate.set()
        assert await slow == ["a"]

    there.running(story)


def test_address_that_is_away_is_asked_again_after_half_a_minute_and_its_keys_outlive_nothing() -> None:
    there = There("a", life=3600)

    async def story(ring: KeyRing) -> None:
        await kids(ring, "a")
        there.kids = None
        assert await kids(ring, "unknown") == ["a"] and there.asked == 2  # what is kept holds on
        there.later(3600)
        assert await kids(ring, "a") == [] == await kids(ring, "a") and there.asked == 3
        there.kids = ("a",)
        there.later(29.9)
        assert await kids(ring, "a") == [] and there.asked == 3
        there.later(0.1)
        assert await kids(ring, "a") == ["a"] and there.asked == 4

    there.running(story)


def test_keys_of_two_clients_are_not_mixed() -> None:
    there = There("a")
    other = ClientEntry("other", "clinic", jwks_url="https://other.example/jwks")

    async def story(ring: KeyRing) -> None:
        await kids(ring, "a")
        there.kids = ("b",)
        assert await kids(ring, "b", other) == ["b"] and await kids(ring, "a") == ["a"]

    there.running(story)


def test_client_without_keys_has_none() -> None:
    there = There("a")

    async def story(ring: KeyRing) -> None:
        assert await kids(ring, "a", ClientEntry("secret", "clinic")) == [] and there.asked == 0

    there.running(story)


def test_file_is_read_whenever_it_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    client = ClientEntry("ehr", "clinic", jwks_file=str(file))

    async def story() -> None:
        ring = KeyRing(FrozenClock(AT))
        assert await ring.keys(client, "rsa") == []  # not there yet
        for key in (rsa(), ec()):
            file.write_bytes(jwks(public(key)))
            assert await kids(ring, "rsa", client) == [key.kid]
        file.write_text("{")
        assert await ring.keys(client, "rsa") == []
        ring.close()

    asyncio.run(story())


# ── what is asked ────────────────────────────────────────────────────────────────────────────────
@contextmanager
def answering(body: bytes = b"", *headers: str, status: int = 200, private: bool = True) -> Iterator[tuple[Scripted, ClientEntry]]:
    with Scripted(lambda _: [http(status, body or jwks(public(rsa())), *headers)]) as server:
        yield server, ClientEntry("ehr", "clinic", jwks_url=f"{server.origin}/jwks", jwks_private=private)


@pytest.mark.parametrize(("headers", "life"), [
    ((), 300), (("Cache-Control: max-age=60",), 60), (("Cache-Control: public, max-age=1800",), 1800), (("Cache-Control: max-age=5",), 60), (("Cache-Control: max-age=0",), 60),
    (("Cache-Control: max-age=86400",), 3600), (("Cache-Control: no-store",), 60), (("Cache-Control: max-age=600, no-cache",), 60), (("Cache-Control: MAX-AGE=600",), 600),
    (('Cache-Control: max-age="600"',), 600), (("Cache-Control: max-age=x",), 300), (("Cache-Control: max-age=600", "Age: 200"), 400), (("Cache-Control: s-maxage=9",), 300),
])  # fmt: skip
def test_answer_is_kept_within_bounds_A_12(headers: tuple[str, ...], life: float) -> None:
    with answering(b"", *headers) as (server, client):
        keys, seconds = keys_of(client, clock=FrozenClock(AT))
    assert ([key["kid"] for key in keys], seconds) == (["rsa"], life) and server.requests[0].startswith(b"GET /jwks ")


def test_address_of_the_house_is_asked_only_where_the_network_file_says_so_A_10() -> None:
    with answering(private=False) as (server, client):
        with pytest.raises(ValueError, match="https"):
            keys_of(client, clock=FrozenClock(AT))
        https = ClientEntry("ehr", "clinic", jwks_url=client.jwks_url.replace("http:", "https:"))
        with pytest.raises(EhrUnavailable):
            keys_of(https, clock=FrozenClock(AT))
        assert server.connections == 0


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_not_followed_A_10(status: int) -> None:
    with Scripted(lambda _: [http()]) as inside:
        with answering(b"{}", f"Location: {inside.origin}/jwks", status=status) as (_, client), pytest.raises(EhrRejected):
            keys_of(client, clock=FrozenClock(AT))
        assert inside.connections == 0


def test_answer_that_is_too_large_or_no_jwks_gives_no_keys() -> None:
    big = b'{"keys": [' + b"{}," * 30_000 + b"{}]}"
    with answering(big) as (_, client), pytest.raises(EhrRejected):
        keys_of(client, clock=FrozenClock(AT))
    with answering(status=404) as (_, client), pytest.raises(ValueError, match="JWKS"):
        keys_of(client, clock=FrozenClock(AT))
    for text in (b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [1]}', b'{"keys": [' + b"{}," * 50 + b"{}]}", b"\xff"):
        with pytest.raises(ValueError):
            read_keys(text)
    assert len(read_keys(b'{"keys": [' + b"{}," * 49 + b"{}]}")) == 50
