"""A file of the directory from an address: the operator names the host, in pieces, no redirects, bounded."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

import pytest

from adapter.clock import SystemClock
from adapter.directory.fetching import fetch
from adapter.errors import SettingsError

BODY = b"[" + b"1," * 500 + b"1]"


class Server(BaseHTTPRequestHandler):
    """Gives BODY; what it does otherwise its path says."""

    asked: list[str]

    def do_GET(self) -> None:
        way, span = self.path.strip("/"), self.headers.get("Range", "")
        type(self).asked.append(span)
        begins, ends = (int(part) for part in span.removeprefix("bytes=").split("-"))
        part = BODY[begins : ends + 1]
        status = {"missing": 404, "moved": 302, "whole": 200}.get(way, 206)
        if way == "away" and len(type(self).asked) % 2:
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/pieces")
        if status == 206:
            size = "*" if way == "unsized" else str(10**12) if way == "huge" else str(len(BODY))
            self.send_header("Content-Range", f"bytes {begins + (way == 'shifted')}-{begins + len(part) - 1}/{size}")
            self.send_header("ETag", str(begins) if way == "changing" else "same")
        sent = BODY if status == 200 else part if status == 206 else b""
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def base() -> Iterator[str]:
    Server.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with mock.patch("adapter.directory.fetching.PIECE", 300), mock.patch("adapter.directory.fetching.WHOLE", 2000):
        yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(("way", "pieces"), [("pieces", 4), ("whole", 1)])
def test_fetch_writes_the_whole_file(base: str, way: str, pieces: int) -> None:
    file, moved = io.BytesIO(), list[tuple[int, int]]()
    fetch(f"{base}/{way}", file, hosts=["127.0.0.1"], clock=SystemClock(), advance=lambda done, size: moved.append((done, size)))
    assert file.getvalue() == BODY and len(Server.asked) == pieces and (not moved or moved[-1] == (len(BODY), len(BODY)))


def test_fetch_asks_again_for_a_piece_that_broke_off(base: str) -> None:
    file = io.BytesIO()
    fetch(f"{base}/away", file, hosts=["127.0.0.1"], clock=SystemClock())
    assert file.getvalue() == BODY and len(Server.asked) == 8


@pytest.mark.parametrize(
    ("way", "why"),
    [("missing", "answered 404"), ("moved", "redirect"), ("unsized", "no usable answer"), ("huge", "too large"), ("shifted", "no usable answer"), ("changing", "changed while")],
)
def test_fetch_refuses_what_is_not_the_file(base: str, way: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why) as refused:
        fetch(f"{base}/{way}", io.BytesIO(), hosts=["127.0.0.1"], clock=SystemClock())
    assert refused.value.fix and way not in str(refused.value)


@pytest.mark.parametrize("url", ["https://exemple.fr/a", "http://exemple.fr/a", "http://127.0.0.1.exemple.fr/", "http:///a", "https://a@127.0.0.2/"])
def test_fetch_calls_no_host_that_was_not_named(url: str) -> None:
    with pytest.raises(SettingsError, match="host was not named"):
        fetch(url, io.BytesIO(), hosts=["127.0.0.1"], clock=SystemClock())


def test_fetch_wants_https_of_others() -> None:
    with pytest.raises(SettingsError, match="expected https"):
        fetch("http://exemple.fr/a", io.BytesIO(), hosts=["exemple.fr"], clock=SystemClock())
