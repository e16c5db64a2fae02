"""The fake's HTTP side: reads a request, lets its faults happen, writes the reply in one piece."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Mapping
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from adapter.ehr.fake.faults import Fault, Kind
from adapter.ehr.fake.swollen import swollen
from adapter.ehr.fake.wire import Asked, Refusal, Reply

if TYPE_CHECKING:
    from adapter.ehr.fake.server import FakeEhr

_LARGEST = 64 << 20


class Server(ThreadingHTTPServer):
    daemon_threads = False  # joined by server_close, so that nothing outlives `stop`
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], ehr: FakeEhr, tls: ssl.SSLContext | None) -> None:
        self.ehr, self._tls = ehr, tls
        self._sockets: set[socket.socket] = set()
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        sock, address = super().get_request()
        if self._tls:  # shaken in the thread of the request, at its first byte
            sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
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
            return self._send(Refusal(413, "too-long", "too large").reply(), faults={})
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
        self._send(reply, faults={fault.kind: fault for fault in faults})
        if ehr.notify_at_once:
            ehr.hooks.deliver()
        return None

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def _met(self, asked: Asked, path: str, faults: list[Fault]) -> Reply:
        """The reply after all that happens to this request before and after it is carried out."""
        ehr = self.server.ehr
        for fault in faults:
            if fault.kind == "hold":
                fault.event.wait(fault.seconds)
            elif fault.kind == "meanwhile" and fault.act:
                fault.act(ehr)
            elif fault.kind == "rate-limit":
                with ehr.lock:
                    limited = fault.limited(ehr.clock.now().timestamp())
                if limited:
                    return limited
        kinds = {fault.kind: fault for fault in faults}
        if "cut-before" in kinds:
            raise _Cut
        if "answer" in kinds:
            return kinds["answer"].reply()
        if path == "/auth/token":
            reply = ehr.token(asked) if asked.method == "POST" else Reply(405)
        elif path == "/fhir" or path.startswith("/fhir/"):
            reply = ehr.reply(asked, faults)
        else:
            reply = Reply(404)
        for fault in faults:
            if fault.kind == "meanwhile-after" and fault.act:
                fault.act(ehr)
        if "hold-after" in kinds:
            kinds["hold-after"].event.wait(kinds["hold-after"].seconds)
        if "cut-after" in kinds:
            raise _Cut
        return kinds["answer-after"].reply() if "answer-after" in kinds else reply

    def _send(self, reply: Reply, *, faults: Mapping[Kind, Fault]) -> None:
        large = next((swollen(kind, faults[kind].amount) for kind in ("gzip-bomb", "huge") if kind in faults), None)
        body = reply.body if isinstance(reply.body, bytes) else b"" if reply.body is None else json.dumps(reply.body).encode()
        if "truncate" in faults:
            body = body[: len(body) // 2]
        kind = "application/fhir+json" if isinstance(reply.body, dict) and "resourceType" in reply.body else "application/json"
        headers = {
            "Date": format_datetime(self.server.ehr.clock.now(), usegmt=True),
            "Content-Type": kind,
            "X-Request-Id": self.headers.get("X-Request-Id", ""),
            **reply.headers,
            "Content-Length": str(large.length if large else len(body)),
            **({"Content-Encoding": large.encoding} if large and large.encoding else {}),
        }
        try:
            phrase = HTTPStatus(reply.status).phrase
        except ValueError:
            phrase = "-"
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {text}" for name, text in headers.items() if text)]
        if "cut-inside" in faults:
            body, self.close_connection = body[: len(body) // 2], True
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        if large:
            self.wfile.write(head)
            for chunk in large.chunks:
                self.wfile.write(chunk)
            return
        whole = head + (b"" if reply.status in (204, 304) else body)
        if drip := faults.get("drip"):
            whole = self._dripped(whole, drip)
        self.wfile.write(whole)

    def _dripped(self, whole: bytes, fault: Fault) -> bytes:
        """What is left to send when the fault's event is set; until then a byte goes out each time its seconds have passed."""
        for number in range(len(whole)):
            self.wfile.write(whole[number : number + 1])
            if fault.event.wait(10 if fault.seconds is None else fault.seconds):
                return whole[number + 1 :]
        return b""
