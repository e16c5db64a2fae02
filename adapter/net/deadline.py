"""One deadline over every phase of a call: urllib3's time-outs are per read, so a byte now and then holds a thread for ever."""

from __future__ import annotations

import http.client
import io
import socket
from contextvars import ContextVar
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from adapter.clock import Clock
from adapter.net.addresses import public_address


class Call:
    """A request under way. `sent` is true as soon as any byte of it may have left this machine; `public`: only an address of the
    public network may be connected to."""

    def __init__(self, clock: Clock, *, read: float, total: float, public: bool = False) -> None:
        self._clock, self._read, self._end, self.public = clock, read, clock.monotonic() + total, public
        self.sent = False

    def left(self) -> float:
        """Seconds that the next wait may take. Raises TimeoutError when the whole is used up."""
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the call is over")
        return min(left, self._read)


CALL: ContextVar[Call] = ContextVar("CALL")


def _wait_at_most(sock: socket.socket, seconds: float) -> None:
    """Said to the system only where it is another: each time it is, Python lets another thread go first."""
    if sock.gettimeout() != seconds:
        sock.settimeout(seconds)


class _TimedReader(io.RawIOBase):
    """The socket's stream, each read of which waits no longer than the call may still take."""

    def __init__(self, sock: socket.socket, call: Call) -> None:
        self._sock, self._call, self._stream = sock, call, sock.makefile("rb", buffering=0)
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _wait_at_most(self._sock, self._call.left())
        count = self._stream.readinto(buffer)
        self.ended = self.ended or count == 0
        return count

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._reader = _TimedReader(sock, CALL.get())
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        super().begin()
        if self._reader.ended:  # http.client takes a head cut short for a whole one
            raise http.client.RemoteDisconnected("the answer ended inside its headers")


class _Timed:
    """Mixed into both connection classes."""

    response_class = _TimedResponse
    sock: socket.socket | None
    timeout: Any
    port: int
    _dns_host: str

    def connect(self) -> None:
        self.timeout = min(self.timeout, CALL.get().left())
        super().connect()  # type: ignore[misc]

    def _new_conn(self) -> socket.socket:
        """A connection to the address that was looked at, not to what the name stands for a moment later."""
        if not CALL.get().public:
            return super()._new_conn()  # type: ignore[misc, no-any-return]
        named, self._dns_host = self._dns_host, public_address(self._dns_host, self.port)
        try:
            return super()._new_conn()  # type: ignore[misc, no-any-return]
        finally:
            self._dns_host = named  # the certificate is held against the name

    def send(self, payload: Any) -> None:
        call = CALL.get()
        if self.sock is None:
            self.connect()
        assert self.sock is not None
        _wait_at_most(self.sock, call.left())
        call.sent = True
        super().send(payload)  # type: ignore[misc]


class _TimedHTTPConnection(_Timed, HTTPConnection):  # type: ignore[misc]
    pass


class _TimedHTTPSConnection(_Timed, HTTPSConnection):  # type: ignore[misc]
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _TimedHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _TimedHTTPSConnection


class TimedAdapter(HTTPAdapter):
    """requests' adapter on timed connections. Every send needs a `Call` in CALL."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        manager: urllib3.PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
