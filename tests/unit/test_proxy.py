"""The proxy of tests/proxy.py does what it says, in front of a small server and of a FakeEhr."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from adapter.ehr.fake import FakeEhr
from tests.proxy import Proxy, Rule
from tests.unit.ehr.raw import call
from tests.unit.ehr.shapes import task

BODY = b"0123456789" * 20


@dataclass
class Counting:
    """A server that counts what reaches it and answers BODY: with a length, in chunks (/chunks), without either (/bare)."""

    url: str = ""
    seen: list[tuple[str, str, bytes]] = field(default_factory=list)  # method path, Host, body


@pytest.fixture
def server() -> Iterator[Counting]:
    found = Counting()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.seen.append((f"{self.command} {self.path}", self.headers["Host"], body))
            self.send_response(200)
            if self.path == "/chunks":
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"64\r\n" + BODY[:100] + b"\r\n64\r\n" + BODY[100:] + b"\r\n0\r\n\r\n")
                return
            if self.path == "/bare":
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(BODY)
                self.close_connection = True
                return
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None: ...

    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=upstream.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    found.url = f"http://127.0.0.1:{upstream.server_port}/base"
    yield found
    upstream.shutdown()
    thread.join()
    upstream.server_close()


def connected(proxy: Proxy) -> http.client.HTTPConnection:
    where = urlsplit(proxy.base_url)
    return http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)


def ask(proxy: Proxy, method: str = "GET", path: str = "/x", body: bytes | None = None) -> bytes:
    connection = connected(proxy)
    try:
        connection.request(method, path, body)
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/x", "/chunks", "/bare"])
def test_proxy_passes_everything_as_it_is(server: Counting, path: str) -> None:
    with Proxy(server.url) as proxy:
        assert proxy.base_url.endswith("/base")
        connection = connected(proxy)
        for _ in range(2):
            connection.request("POST", path, b"sent")
            assert connection.getresponse().read() == BODY
        connection.close()
    assert server.seen == [(f"POST {path}", urlsplit(server.url).netloc, b"sent")] * 2
    assert proxy.fates() == ["", ""] and {each.status for each in proxy.passed} == {200}


@pytest.mark.parametrize(("what", "reached"), [("before", 0), ("after", 1)])
def test_proxy_cuts_before_or_after_the_server_did_it_Y_02(server: Counting, what: Any, reached: int) -> None:
    with Proxy(server.url, Rule(what)) as proxy:
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            ask(proxy, "POST", body=b"sent")
        assert len(server.seen) == reached
        assert ask(proxy) == BODY
    assert proxy.fates() == [what, ""]
    assert [each.status for each in proxy.passed] == [200 if reached else 0, 200]


@pytest.mark.parametrize("path", ["/x", "/chunks"])
def test_proxy_truncates_an_answer(server: Counting, path: str) -> None:
    with Proxy(server.url, Rule("truncate")) as proxy, pytest.raises(http.client.IncompleteRead):
        ask(proxy, path=path)
    assert len(server.seen) == 1


@pytest.mark.parametrize(("what", "reached"), [("delay", 1), ("delay-request", 0)])
def test_proxy_delays_until_it_is_told(server: Counting, what: Any, reached: int) -> None:
    rule = Rule(what)
    got: list[bytes] = []
    with Proxy(server.url, rule) as proxy:
        thread = threading.Thread(target=lambda: got.append(ask(proxy)))
        thread.start()
        while not rule.struck or len(server.seen) != reached:
            thread.join(0.005)
        assert ask(proxy, path="/other") == BODY and got == []  # others go on
        rule.event.set()
        thread.join()
    assert got == [BODY]


def test_proxy_is_a_black_hole(server: Counting) -> None:
    with Proxy(server.url, Rule("hold")) as proxy:
        where = urlsplit(proxy.base_url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=0.05)
        connection.request("GET", "/x")
        with pytest.raises(socket.timeout):
            connection.getresponse()
        connection.close()
        assert ask(proxy, path="/other") == BODY
    assert [named for named, _, _ in server.seen] == ["GET /other"]
    assert sorted(proxy.fates()) == ["", "hold"]


def test_proxy_gives_the_server_a_request_twice(server: Counting) -> None:
    with Proxy(server.url, Rule("twice", on="POST *")) as proxy:
        assert ask(proxy, "POST", body=b"sent") == BODY
    assert server.seen == [("POST /x", urlsplit(server.url).netloc, b"sent")] * 2


def test_proxy_strikes_by_path_number_and_connection(server: Counting) -> None:
    with Proxy(server.url, Rule("twice", on="GET /n", skip=1, each=3, times=None), Rule("twice", on="GET /c", connection=9)) as proxy:
        for _ in range(8):
            ask(proxy, path="/n?a=b")
        ask(proxy, path="/c")
        ask(proxy, path="/c")
    assert [bool(fate) for fate in proxy.fates()] == [False, True, False, False, True, False, False, True, True, False]


def test_proxy_strikes_a_share_the_same_way_each_run() -> None:
    def struck(seed: int) -> list[bool]:
        rule = Rule("after", share=0.2, seed=seed, times=None)
        return [rule.strikes("GET /x", 1) for _ in range(500)]

    assert struck(1) == struck(1) != struck(2)
    assert 70 < sum(struck(1)) < 130


def test_proxy_ends_with_connections_open_and_when_the_server_is_gone(server: Counting) -> None:
    with Proxy("http://127.0.0.1:9/none") as proxy, pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(proxy)
    with Proxy(server.url) as proxy:
        idle = connected(proxy)
        idle.request("GET", "/x")
        idle.getresponse().read()
    idle.close()


def test_proxy_in_front_of_a_fake_ehr_loses_an_answer_that_is_then_found_Y_02() -> None:
    with FakeEhr() as ehr, Proxy(ehr.base_url, Rule("after", on="POST /fhir/Task")) as proxy:
        connection = connected(proxy)
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            connection.request("POST", "/fhir/Task", json.dumps(task()).encode())
            connection.getresponse()
        connection.close()
        assert call(ehr, "GET", "Task?identifier=T1").body["total"] == 1
        assert json.loads(ask(proxy, path="/fhir/Task?identifier=T1"))["total"] == 1
