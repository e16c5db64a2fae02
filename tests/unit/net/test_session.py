from __future__ import annotations

import gzip
import itertools
import logging
import socket
import traceback
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import pytest

from adapter.clock import FrozenClock
from adapter.errors import EhrError, EhrRejected, EhrUnavailable, EhrUnknown, SettingsError
from adapter.net import Answer, GuardedSession, Limits, origin_of
from tests.unit.net.scripted import Script, Scripted, http

NOW = datetime(2026, 3, 2, 17, 50, tzinfo=UTC)
PLANTED = "Quenneville"


class Ticking(FrozenClock):
    """A second passes each time somebody looks."""

    def monotonic(self) -> float:
        self.looks = getattr(self, "looks", 0) + 1
        return float(self.looks)


def session(*allow: str, limits: Limits | None = None, clock: FrozenClock | None = None) -> GuardedSession:
    return GuardedSession(allow=allow, clock=clock or FrozenClock(NOW), limits=limits or Limits(connect=5, read=5, total=60))


def ask(script: Script, method: str = "GET", *, limits: Limits | None = None, clock: FrozenClock | None = None) -> Answer:
    with Scripted(script) as server:
        guarded = session(server.origin, limits=limits, clock=clock)
        try:
            return guarded.send(method, f"{server.origin}/fhir/Patient?family={PLANTED}", body=None if method == "GET" else b"{}")
        finally:
            guarded.close()


def test_session_returns_status_headers_and_body_when_all_is_well() -> None:
    answer = ask(lambda _: [http(201, b'{"a":1}', "ETag: W/1")])
    assert (answer.status, answer.headers["etag"], answer.body) == (201, "W/1", b'{"a":1}')


def test_session_unpacks_gzip() -> None:
    assert ask(lambda _: [http(200, gzip.compress(b"hello"), "Content-Encoding: gzip")]).body == b"hello"


def test_session_keeps_a_connection_open_between_calls() -> None:
    with Scripted(lambda _: [http()], keep=True) as server:
        guarded = session(server.origin)
        for _ in range(3):
            guarded.send("GET", f"{server.origin}/")
        guarded.close()
    assert (server.connections, len(server.requests)) == (1, 3)


# ── A-23: nowhere else ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_session_sends_nothing_to_another_host_when_redirected_A_23(status: int) -> None:
    with Scripted(lambda _: [http()]) as foreign, Scripted(lambda _: [http(status, b"x", f"Location: {foreign.origin}/")]) as server:
        guarded = session(server.origin, foreign.origin)
        with pytest.raises(EhrRejected) as caught:
            guarded.send("POST", f"{server.origin}/Task", headers={"Authorization": "Bearer s3"}, body=b"{}")
        guarded.close()
    assert caught.value.status_code == status
    assert foreign.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/",
        "https://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://user:pass@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}@evil.example/",
        "http://evil.example\\@127.0.0.1:{port}/",
        "file:///etc/passwd",
        "//127.0.0.1:{port}/",
        "",
        "http://[::1",
        "http://127.0.0.1:999999/",
    ],
)
def test_session_sends_nothing_when_the_origin_is_not_allowed_A_23(address: str) -> None:
    with Scripted(lambda _: [http()]) as server:
        guarded = session(server.origin)
        with pytest.raises(EhrRejected):
            guarded.send("GET", address.replace("{port}", server.origin.rpartition(":")[2]))
    assert server.connections == 0


def test_session_reads_neither_proxy_nor_netrc_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w") as file:
        file.write("machine 127.0.0.1 login eve password spoofed\n")
    monkeypatch.setenv("NETRC", netrc)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with Scripted(lambda _: [http()]) as server:
        guarded = session(server.origin)
        guarded.send("GET", f"{server.origin}/", headers={"Authorization": "Bearer mine"})
        guarded.close()
    assert b"Authorization: Bearer mine" in server.requests[0]


def test_session_keeps_no_cookie() -> None:
    with Scripted(lambda _: [http(200, b"", "Set-Cookie: a=b; Path=/")], keep=True) as server:
        guarded = session(server.origin)
        guarded.send("GET", f"{server.origin}/")
        guarded.send("GET", f"{server.origin}/")
        guarded.close()
    assert b"cookie" not in server.requests[1].lower()


@pytest.mark.parametrize("header", ["a\r\nX-Evil: 1", "\n", "é€"])
def test_session_refuses_a_header_that_would_break_the_request(header: str) -> None:
    with Scripted(lambda _: [http()]) as server:
        guarded = session(server.origin)
        with pytest.raises(EhrError):
            guarded.send("GET", f"{server.origin}/", headers={"X-Request-Id": header})
        guarded.close()
    assert not server.requests


# ── limits ───────────────────────────────────────────────────────────────────────────────────────
SMALL = Limits(connect=5, read=5, total=60, body=100_000)


@pytest.mark.parametrize(("method", "kind"), [("GET", EhrRejected), ("POST", EhrUnknown)])
def test_session_stops_reading_when_the_answer_is_declared_too_large_Y_29(method: str, kind: type[EhrError]) -> None:
    with pytest.raises(kind, match="larger"):
        ask(lambda _: [http(200, b"", length=200_000_000)], method, limits=SMALL)


def _endless(sent: list[int]) -> Script:
    def script(_: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for _ in itertools.count():
            sent.append(1)
            yield b"4000\r\n" + b"x" * 0x4000 + b"\r\n"

    return script


def test_session_stops_reading_when_a_chunked_answer_never_ends_Y_29() -> None:
    sent: list[int] = []
    with pytest.raises(EhrRejected, match="larger"):
        ask(_endless(sent), limits=SMALL)
    assert len(sent) * 0x4000 < 50_000_000  # socket buffers, not the two hundred megabytes it could have been


@pytest.mark.parametrize("layers", [1, 2])
def test_session_stops_unpacking_a_gzip_bomb_Y_29(layers: int) -> None:
    bomb = b"\0" * 50_000_000
    for _ in range(layers):
        bomb = gzip.compress(bomb)
    answer = http(200, bomb, "Content-Encoding: " + ", ".join(["gzip"] * layers))
    tracemalloc.start()
    try:
        with pytest.raises(EhrRejected):
            ask(lambda _: [answer], limits=SMALL)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("body", [b"not gzip", zlib.compress(b"x")])
def test_session_rejects_a_body_that_cannot_be_unpacked_Y_29(body: bytes) -> None:
    with pytest.raises(EhrError) as caught:
        ask(lambda _: [http(200, body, "Content-Encoding: gzip")])
    assert isinstance(caught.value, EhrRejected | EhrUnavailable)


def _trickle(head: bytes, piece: bytes) -> Script:
    def script(_: bytes) -> Iterable[bytes]:
        return itertools.chain([head], itertools.repeat(piece))

    return script


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 x\r\nContent-Length: 99999999\r\n\r\n", b"x"),
    ],
    ids=["body", "interim answers", "length"],
)
@pytest.mark.parametrize(("method", "kind"), [("GET", EhrUnavailable), ("POST", EhrUnknown)])
def test_session_keeps_its_deadline_when_bytes_only_trickle_Y_30(head: bytes, piece: bytes, method: str, kind: type[EhrError]) -> None:
    with pytest.raises(kind):
        ask(_trickle(head, piece), method, limits=Limits(read=5, total=20, body=1 << 40), clock=Ticking(NOW))


def test_session_gives_up_when_no_byte_comes_Y_30() -> None:
    with Scripted(lambda _: [b""], keep=True) as server:
        guarded = session(server.origin, limits=Limits(connect=5, read=0.05, total=60))
        with pytest.raises(EhrUnavailable):
            guarded.send("GET", f"{server.origin}/")
        guarded.close()


# ── what is known when it fails ──────────────────────────────────────────────────────────────────
HALVES = [[], [b"HTTP/1.1 201"], [b"HTTP/1.1 201 x\r\nETag: W/"], [http(201, b"{", length=50)]]


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH"])
def test_session_is_unavailable_when_nothing_was_sent(method: str) -> None:
    origin = f"http://127.0.0.1:{_closed_port()}"
    guarded = session(origin)
    with pytest.raises(EhrUnavailable, match="not reached"):
        guarded.send(method, f"{origin}/Task", body=b"{}")


def test_session_is_unavailable_when_the_name_is_unknown_Y_30() -> None:
    guarded = session("http://ehr.invalid")
    with pytest.raises(EhrUnavailable, match="not reached"):
        guarded.send("POST", "http://ehr.invalid/Task", body=b"{}")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("pieces", HALVES, ids=["none", "line", "header", "body"])
def test_session_does_not_know_when_the_connection_is_lost_after_a_write_Y_02(method: str, pieces: list[bytes]) -> None:
    seen: list[bytes] = []

    def script(request: bytes) -> list[bytes]:
        seen.append(request)
        return pieces

    with pytest.raises(EhrUnknown):
        ask(script, method)
    assert len(seen) == 1  # never repeated by the transport


def test_session_does_not_know_when_a_kept_connection_was_closed_under_a_write_Y_02() -> None:
    answers = iter([[http()], []])
    with Scripted(lambda _: next(answers), keep=False) as server:
        guarded = session(server.origin)
        guarded.send("GET", f"{server.origin}/")
        with pytest.raises(EhrUnknown):
            guarded.send("POST", f"{server.origin}/Task", body=b"{}")
        guarded.close()


def test_session_repeats_a_get_once_when_the_connection_is_lost() -> None:
    answers = iter([[], [http(200, b"found")]])
    assert ask(lambda _: next(answers)).body == b"found"


def test_session_repeats_a_get_no_more_than_once() -> None:
    seen: list[bytes] = []
    with pytest.raises(EhrUnavailable):
        ask(lambda request: seen.append(request) or [])  # type: ignore[func-returns-value]
    assert len(seen) == 2


def test_session_treats_a_post_as_repeatable_when_told_so() -> None:
    with Scripted(lambda _: []) as server:
        guarded = session(server.origin)
        with pytest.raises(EhrUnavailable):
            guarded.send("POST", f"{server.origin}/Patient/_search", body=b"family=x", safe=True)
        guarded.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("pieces", [[], [b"\x00\xff nonsense\r\n\r\n"], [http(200, b"", length=200_000_000)], [http(302, b"", "Location: http://x/")]])
def test_session_names_no_query_in_texts_tracebacks_or_logs(method: str, pieces: list[bytes], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(EhrError) as caught:
        ask(lambda _: pieces, method)
    whole = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert PLANTED not in whole
    assert caught.value.__context__ is None


# ── origins and settings ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://EHR.example/fhir", "https://ehr.example:443"),
        ("http://ehr.example", "http://ehr.example:80"),
        ("http://[::1]:8080/x", "http://[::1]:8080"),
    ],
)
def test_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", ["ftp://x/", "ehr.example", "https://", "https://u@ehr.example/", "http://a:b:c/"])
def test_origin_refuses_what_is_no_plain_web_address(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        origin_of(url)


def test_session_cannot_be_told_to_trust_every_certificate() -> None:
    with pytest.raises(SettingsError):
        GuardedSession(allow=["https://ehr.example"], clock=FrozenClock(NOW), verify=False)


def test_session_keeps_as_many_connections_as_requests_may_be_open_at_once() -> None:
    adapter = session("https://ehr.example")._session.get_adapter("https://ehr.example")
    assert adapter.poolmanager.connection_pool_kw["maxsize"] == 64  # the most that `limits.parallel` takes
