"""A TCP proxy on loopback that loses, delays, cuts and doubles what goes through it, by script: in front of FakeEhr, HAPI, anything.

    with Proxy(hapi.base_url, Rule("after", on="POST *", skip=2), Rule("truncate", share=0.2, seed=7, times=None)) as proxy:
        client(proxy.base_url)

It knows just enough HTTP/1.1 to see where a request and an answer end (Content-Length, chunked; the upstream connection closes
otherwise) and forwards bytes as they are; only the Host header names the upstream. A rule is asked once a request, in the order
given, the first that applies decides; nothing here sleeps: what waits, waits for an event that the test sets.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from io import BufferedReader
from typing import Literal
from urllib.parse import urlsplit

What = Literal[
    "before",  # the request never reaches the server, and the connection dies
    "after",  # the server did it, and the connection dies before a byte of the answer
    "truncate",  # the head of the answer and half of its body, then the connection dies
    "delay",  # the answer waits for `event`
    "delay-request",  # the request waits for `event` before it reaches the server
    "hold",  # a black hole: the server never sees it, and no answer comes as long as the proxy lives
    "twice",  # the server gets the request two times, the caller the second answer
]


@dataclass
class Rule:
    """What happens to requests whose "METHOD /path" fits `on` (fnmatch), leaving out the first `skip` of them, then every
    `each`-th, `times` times (None: always). `share` below 1 takes that part of those instead, by `seed`. `connection`: only
    on the connection of that number, from 1."""

    what: What
    on: str = "*"
    times: int | None = 1
    skip: int = 0
    each: int = 1
    share: float = 1.0
    seed: int = 0
    connection: int | None = None
    event: threading.Event = field(default_factory=threading.Event)
    struck: int = 0
    met: int = 0

    def strikes(self, request: str, connection: int) -> bool:
        """Whether it hits this request; counts it."""
        if not fnmatchcase(request, self.on) or self.connection not in (None, connection):
            return False
        if self.times is not None and self.struck >= self.times:
            return False
        self.met += 1
        if self.met <= self.skip or (self.met - self.skip - 1) % self.each:
            return False
        if self.share < 1 and zlib.crc32(f"{self.seed} {self.met}".encode()) >= self.share * 2**32:
            return False
        self.struck += 1
        return True


@dataclass(frozen=True)
class Passed:
    """One request as it went: `fate` is "" when nothing happened to it, `status` that of the server's answer (0: none)."""

    request: str
    connection: int
    fate: str
    status: int


class Message:
    """An HTTP message as its bytes: `head` ends with the blank line."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head, self.body = head, body

    @property
    def first(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    def header(self, name: str) -> str:
        return _header(self.head, name)

    def to(self, host: str) -> bytes:
        """The bytes for another host."""
        lines = self.head.split(b"\r\n")
        named = [f"Host: {host}".encode() if line.lower().startswith(b"host:") else line for line in lines]
        return b"\r\n".join(named) + self.body


class Proxy:
    """`base_url`: the upstream's own, with the proxy's address. `passed`: every request so far; `rules` may be changed. `seen`: the
    upstream is told the proxy's address as its own, so that what it links to leads through the proxy too."""

    def __init__(self, upstream: str, *rules: Rule, seen: bool = False) -> None:
        where = urlsplit(upstream)
        assert where.scheme == "http" and where.hostname and where.port
        self._upstream = where.hostname, where.port
        self.rules, self.passed = list(rules), list[Passed]()
        self._lock, self._open, self._ended = threading.Lock(), set[socket.socket](), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{where.path}"
        self._told = urlsplit(self.base_url).netloc if seen else where.netloc
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every connection, held ones too."""
        self._ended.set()
        for rule in self.rules:
            rule.event.set()
        with self._lock:
            for sock in [self._listener, *self._open]:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in [self._accepting, *self._threads]:
            thread.join()

    def fates(self) -> list[str]:
        return [each.fate for each in self.passed]

    # ── within ───────────────────────────────────────────────────────────────────────────────────
    def _accept(self) -> None:
        number = 0
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            thread = threading.Thread(target=self._serve, args=(sock, number), name=f"proxy-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with self._known(sock), contextlib.suppress(OSError, ValueError):
            reader = sock.makefile("rb")
            while (request := read(reader)) and self._one(sock, number, request):
                pass

    @contextlib.contextmanager
    def _known(self, sock: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(sock)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(sock)
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _one(self, sock: socket.socket, number: int, request: Message) -> bool:
        """Carries one request; whether the connection goes on."""
        named = " ".join(request.first.split(" ")[:2]).partition("?")[0]
        with self._lock:
            rule = next((each for each in self.rules if each.strikes(named, number)), None)
        fate = rule.what if rule else ""
        answer = None
        try:
            if rule and fate in ("hold", "delay-request"):
                (self._ended if fate == "hold" else rule.event).wait()
            if fate not in ("before", "hold"):
                for _ in range(2 if fate == "twice" else 1):
                    answer = self._asked(request)
        finally:
            with self._lock:
                self.passed.append(Passed(named, number, fate, int(answer.first.split(" ")[1]) if answer else 0))
        if answer is None or fate in ("before", "after", "hold"):
            return False
        if rule and fate == "delay":
            rule.event.wait()
        if fate == "truncate":
            sock.sendall(answer.head + answer.body[: len(answer.body) // 2])
            return False
        sock.sendall(answer.head + answer.body)
        return answer.header("connection").lower() != "close" and request.header("connection").lower() != "close"

    def _asked(self, request: Message) -> Message | None:
        """The server's answer, on a connection of its own: no cut on one side leaves bytes on the other."""
        host, port = self._upstream
        with self._known(upstream := socket.create_connection((host, port), timeout=60)):
            upstream.sendall(request.to(self._told))
            return read(upstream.makefile("rb"), bodyless=request.first.startswith("HEAD "))


def read(reader: BufferedReader, *, bodyless: bool = False) -> Message | None:
    """The next message of a stream; None at its end. Interim answers (1xx) are left out."""
    head = b""
    while line := reader.readline():
        head += line
        if line == b"\r\n":
            if head.startswith(b"HTTP/1.1 1"):
                head = b""
                continue
            break
    if not head.endswith(b"\r\n\r\n"):
        return None
    status = head.split(b" ", 2)[1] if head.startswith(b"HTTP/") else b""
    if bodyless or status in (b"204", b"304"):
        return Message(head, b"")
    if "chunked" in _header(head, "transfer-encoding").lower():
        return Message(head, _chunks(reader))
    length = _header(head, "content-length")
    if length:
        body = reader.read(int(length))
        return Message(head, body) if len(body) == int(length) else None
    return Message(head, reader.read() if status else b"")  # an answer without a length ends with its connection


def _header(head: bytes, name: str) -> str:
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.decode("latin-1").partition(":")
        if found.lower() == name:
            return value.strip()
    return ""


def _chunks(reader: BufferedReader) -> bytes:
    """A chunked body as it came, framing included."""
    body = b""
    while True:
        size = reader.readline()
        body += size + reader.read(int(size.split(b";")[0], 16) + 2)
        if int(size.split(b";")[0], 16) == 0:
            return body
