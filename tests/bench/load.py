"""The load: some connections of HTTP/1.1, each asking again once it has its whole answer. Raw sockets on loopback, no HTTP
library: what is measured is the server, and the two share the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tests.bench.figures import Round

CONNECTIONS = 16
SILENCE = 60.0  # seconds without the last answers, then the server is given up
_LENGTH, _CHUNKED, _END = b"content-length:", b"transfer-encoding: chunked", b"\r\n\r\n"
Request = Callable[[int], bytes]


class BenchError(Exception):
    """A server that does not do what is to be measured; the text is for the terminal."""


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One request as it goes over the wire. `headers` must name the Host."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + _END + body


def whole(answer: bytes) -> bool:
    """Whether all of one answer is there: by its length, or by the last of its chunks."""
    head, end, body = answer.partition(_END)
    if not end:
        return False
    head = head.lower()
    if (at := head.find(_LENGTH)) >= 0:
        return len(body) >= int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
    return body.endswith(b"0" + _END) if _CHUNKED in head else True


class Caller(asyncio.Protocol):
    """One connection. `following` gives the next request, b"" when it is enough."""

    def __init__(self, following: Callable[[], bytes], status: int, took: list[float]) -> None:
        self._following, self._wanted, self._took = following, f"HTTP/1.1 {status}".encode(), took
        self._got = b""
        self._asked = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        if wanted := self._following():
            self._got, self._asked = b"", time.perf_counter()
            self._transport.write(wanted)
        else:
            self._end(None)

    def data_received(self, data: bytes) -> None:
        self._got = self._got + data if self._got else data
        if not whole(self._got):
            return
        self._took.append((time.perf_counter() - self._asked) * 1e3)
        if self._got.startswith(self._wanted):
            self._ask()
        else:
            first, _, rest = self._got.partition(b"\r\n")
            body = rest.partition(_END)[2]
            self._end(BenchError(f"expected {self._wanted.decode()}, but the server said {first.decode()}: {body[:300].decode(errors='replace')}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(BenchError("the server closed a connection while it was asked"))

    def _end(self, problem: BenchError | None) -> None:
        if self.done.done():
            return
        if problem:
            self.done.set_exception(problem)
        else:
            self.done.set_result(None)
        self._transport.close()


async def _load(address: tuple[str, int], ask: Request, status: int, *, seconds: float, most: int, connections: int, first: int) -> Round:
    took: list[float] = []
    numbers = iter(range(first, first + most))
    began = time.perf_counter()

    def following() -> bytes:
        number = next(numbers, None) if time.perf_counter() - began < seconds else None
        return b"" if number is None else ask(number)

    loop = asyncio.get_running_loop()
    try:
        made = [await loop.create_connection(lambda: Caller(following, status, took), *address) for _ in range(connections)]
    except OSError as error:
        raise BenchError(f"no server at {address[0]}:{address[1]}: {error.strerror}") from None
    try:
        await asyncio.wait_for(asyncio.gather(*(caller.done for _, caller in made)), seconds + SILENCE)
    except TimeoutError:
        raise BenchError(f"no answer for {SILENCE:.0f} s") from None
    finally:
        for transport, _ in made:
            transport.abort()
    return Round(len(took), time.perf_counter() - began, took)


def load(
    address: tuple[str, int], ask: Request, status: int, *, seconds: float, most: int = 10**9, connections: int = CONNECTIONS, first: int = 0
) -> Round:
    """Asks for `seconds`, at most `most` times, and gives what came of it. `ask(n)` is the n-th request, counted from `first`.
    Raises BenchError for an answer without `status`, a connection closed or refused, or silence."""
    return asyncio.run(_load(address, ask, status, seconds=seconds, most=most, connections=connections, first=first))
