"""The fake's HTTP side: reads a request, lets its faults happen, writes the reply in one piece."""

from __future__ import annotations

import contextlib
import json
import socket
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from adapter.ehr.fake.faults import Fault
from adapter.ehr.fake.wire import Asked, Refusal, Reply

if TYPE_CHECKING:
    from adapter.ehr.fake.server import FakeEhr

_LARGEST = 64 << 20


class Server(ThreadingHTTPServer):
    daemon_threads = False  # joined by server_close, so that nothing outlives `stop`
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], ehr: FakeEhr) -> None:
        self.ehr = ehr
        self._sockets: set[socket.socket] = set()
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        sock, address = super().get_request()
        self._sockets.add(sock)
        return sock, address

    def shutdown_request(self, request: Any) -> None:
        self._sockets.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Cut(Exception):
    pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: request lines hold names."""

    def _answer(self) -> None:
        ehr = self.server.ehr
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST:
            self.close_connection = True
            return self._send(Refusal(413, "too-long", "too large").reply(), method=self.command)
        address = urlsplit(self.path)
        asked = Asked(
            self.command,
            address.path.removeprefix("/fhir").strip("/"),
            tuple(parse_qsl(address.query, keep_blank_values=True)),
            {name.lower(): text for name, text in self.headers.items()},
            self.rfile.read(length),
        )
        ehr.record(asked, self.path)
        faults = ehr.struck(asked)
        try:
            reply = self._met(asked, address.path, faults)
        except _Cut:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return None
        except Exception as error:  # a bug of the fake's own: seen, not guessed
            reply = Refusal(500, "exception", f"FakeEhr: {error!r}").reply()
        kinds = {fault.kind for fault in faults}
        return self._send(reply, method=asked.method, truncate="truncate" in kinds, cut="cut-inside" in kinds)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def _met(self, asked: Asked, path: str, faults: list[Fault]) -> Reply:
        """The reply after all that happens to this request before and after it is carried out."""
        for fault in faults:
            if fault.kind == "hold":
                fault.event.wait(fault.seconds)
        kinds = {fault.kind: fault for fault in faults}
        if "cut-before" in kinds:
            raise _Cut
        if "answer" in kinds:
            return kinds["answer"].reply()
        if path == "/auth/token":
            reply = self.server.ehr.token(asked) if asked.method == "POST" else Reply(405)
        elif path == "/fhir" or path.startswith("/fhir/"):
            reply = self.server.ehr.reply(asked, faults)
        else:
            reply = Reply(404)
        if "hold-after" in kinds:
            kinds["hold-after"].event.wait(kinds["hold-after"].seconds)
        if "cut-after" in kinds:
            raise _Cut
        return kinds["answer-after"].reply() if "answer-after" in kinds else reply

    def _send(self, reply: Reply, *, method: str, truncate: bool = False, cut: bool = False) -> None:
        body = reply.body if isinstance(reply.body, bytes) else b"" if reply.body is None else json.dumps(reply.body).encode()
        if truncate:
            body = body[: len(body) // 2]
        kind = "application/fhir+json" if isinstance(reply.body, dict) and "resourceType" in reply.body else "application/json"
        headers = {
            "Date": format_datetime(self.server.ehr.clock.now(), usegmt=True),
            "Content-Type": kind,
            "X-Request-Id": self.headers.get("X-Request-Id", ""),
            **reply.headers,
            "Content-Length": str(len(body)),
        }
        try:
            phrase = HTTPStatus(reply.status).phrase
        except ValueError:
            phrase = "-"
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {text}" for name, text in headers.items() if text)]
        if cut:
            body, self.close_connection = body[: len(body) // 2], True
        self.wfile.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (b"" if reply.status in (204, 304) else body))
