"""Addresses that somebody else chose: those of the public network alone, and not a byte to any other (security.md A-10)."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import Any

import pytest

from adapter.clock import FrozenClock
from adapter.errors import EhrUnavailable
from adapter.net import GuardedSession
from adapter.net.addresses import is_public, public_address
from tests.unit.net.scripted import Scripted, http

INSIDE = (
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255",
    "192.0.2.1", "198.18.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::", "fec0::1",
)  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_address_inside_is_not_public_A_10(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_address_of_the_public_network_is_public(address: str) -> None:
    assert is_public(address)


def named(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Names stand for these addresses, each look for the next; gives the addresses that were connected to."""
    looks, met = iter(answers), list[str]()

    def look(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        found = [host] if host[0].isdigit() else next(looks)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    class Never(socket.socket):
        def connect(self, address: Any) -> None:
            met.append(address[0])
            raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", look)
    monkeypatch.setattr(socket, "socket", Never)
    return met


def test_host_is_public_only_when_all_its_addresses_are_A_10(monkeypatch: pytest.MonkeyPatch) -> None:
    named(monkeypatch, ["1.1.1.1", "8.8.8.8"], ["1.1.1.1", "10.0.0.1"], ["10.0.0.1"], [])
    assert public_address("ehr.example", 443) == "1.1.1.1"
    for _ in range(3):
        with pytest.raises(OSError, match="public network"):
            public_address("ehr.example", 443)


def test_session_connects_to_the_address_it_looked_at_and_no_other_A_10(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name means something else at the next look: nobody looks again."""
    met = named(monkeypatch, ["1.1.1.1"], ["1.0.0.1"], ["127.0.0.1"], ["127.0.0.1"])
    session = GuardedSession(allow=["https://ehr.example"], clock=FrozenClock(datetime(2026, 3, 2, tzinfo=UTC)), public=True)
    with pytest.raises(EhrUnavailable):
        session.send("GET", "https://ehr.example/jwks")
    assert met == ["1.1.1.1", "1.0.0.1"]  # once more is tried, and looked at again
    with pytest.raises(EhrUnavailable):
        session.send("GET", "https://ehr.example/jwks")
    assert met == ["1.1.1.1", "1.0.0.1"]
    session.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"])
def test_session_for_the_public_network_asks_nothing_of_this_machine_A_10(host: str) -> None:
    with Scripted(lambda _: [http()]) as server:
        url = f"http://{host}:{server.origin.rpartition(':')[2]}/jwks"
        session = GuardedSession(allow=[url], clock=FrozenClock(datetime(2026, 3, 2, tzinfo=UTC)), public=True)
        with pytest.raises(EhrUnavailable, match="not reached"):
            session.send("GET", url)
        session.close()
        assert server.connections == 0
        open_ = GuardedSession(allow=[server.origin], clock=FrozenClock(datetime(2026, 3, 2, tzinfo=UTC)))
        assert open_.send("GET", f"{server.origin}/jwks").status == 200  # others may, as EHRs in the house are
        open_.close()
