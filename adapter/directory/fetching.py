"""A file of the directory from where it is published, by the guarded session: hosts that the operator names, no redirects, bounded.

It comes in pieces, so that memory stays flat, and what goes wrong on the way costs one piece. What is taken up again after a crash is the
import itself (`importing`): the file is fetched anew, and known by its content.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import IO
from urllib.parse import urlsplit

from adapter.clock import Clock
from adapter.errors import EhrError, SettingsError
from adapter.net import Answer, GuardedSession, Limits

PIECE = 8 << 20  # bytes asked for at once
WHOLE = 64 << 20  # bytes of a file whose server knows no pieces
LARGEST = 2 << 30  # bytes of a file
TRIES = 3  # of a piece


def fetch(
    url: str, file: IO[bytes], *, hosts: Collection[str], clock: Clock, advance: Callable[[int, int], None] = lambda done, size: None
) -> None:  # fmt: skip
    """Writes what is at `url` to `file`. `hosts`: those that may be called; `advance(bytes so far, bytes in all or 0)`. Raises SettingsError:
    a host that was not named, no https (but on this machine), a redirect, no answer, a file too large or changed meanwhile."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise _wrong("not an address", "name an address such as https://host/file") from None
    if host not in {each.casefold() for each in hosts}:
        raise _wrong("its host was not named", f"say --allow {host}" if host else "name an address such as https://host/file")
    if parts.scheme != "https" and host not in ("127.0.0.1", "localhost", "::1"):
        raise _wrong("expected https", "name an address that begins with https://")
    session = GuardedSession(allow=[url], clock=clock, limits=Limits(total=300.0, body=WHOLE))
    try:
        _pieces(session, url, file, advance)
    finally:
        session.close()


def _pieces(session: GuardedSession, url: str, file: IO[bytes], advance: Callable[[int, int], None]) -> None:
    done, first = 0, ""
    while True:
        answer = _asked(session, url, done)
        if answer.status == 200 and not done:
            file.write(answer.body)
            return
        mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        begins, size = _range(answer.headers.get("Content-Range", "")) if answer.status == 206 else (-1, 0)
        if begins != done or not answer.body or not size or size > LARGEST or done + len(answer.body) > size:
            raise _wrong("no usable answer, or a file that is too large", "see whether the address still leads to the file")
        if done and mark != first:
            raise _wrong("the file changed while it was read", "begin again")
        first = mark
        file.write(answer.body)
        done += len(answer.body)
        advance(done, size)
        if done == size:
            return


def _asked(session: GuardedSession, url: str, done: int) -> Answer:
    for left in reversed(range(TRIES)):
        try:
            answer = session.send("GET", url, headers={"Range": f"bytes={done}-{done + PIECE - 1}", "Accept-Encoding": "identity"})
        except EhrError as error:
            if error.retry and left:
                continue
            raise _wrong(str(error), "see whether the address still leads to the file, without a redirect") from None
        if answer.status not in (200, 206):
            raise _wrong(f"answered {answer.status}", "see whether the address still leads to the file")
        return answer
    raise AssertionError  # the last try ends above


def _range(written: str) -> tuple[int, int]:
    """(first byte, bytes in all) of "bytes 0-99/1234"; (-1, 0) of anything else."""
    span, _, size = written.removeprefix("bytes ").partition("/")
    begins = span.partition("-")[0]
    return (int(begins), int(size)) if begins.isdecimal() and size.isdecimal() and len(size) < 16 else (-1, 0)


def _wrong(text: str, fix: str) -> SettingsError:
    return SettingsError(text, variable="the address", fix=fix)
