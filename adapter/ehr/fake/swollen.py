"""Answers larger than anybody wants, made as they are sent."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_STEP = 1 << 20
_ENTRY = b'{"resource":{"resourceType":"Basic","id":"swollen","code":{"text":"' + b"x" * 900 + b'"}}}'
_HEAD, _TAIL = b'{"resourceType":"Bundle","type":"searchset","entry":[' + _ENTRY, b"]}"


@dataclass(frozen=True)
class Swollen:
    """`length` in bytes as it travels. `encoding`: of the content, "" for none."""

    length: int
    encoding: str
    chunks: Iterator[bytes]


def swollen(kind: str, amount: int | None) -> Swollen:
    """The body of "huge" (a good searchset of exactly `amount` bytes) or "gzip-bomb" (one that unpacks to that)."""
    if kind == "huge":
        size = amount or 200_000_000
        return Swollen(size, "", _searchset(size))
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join([packer.compress(chunk) for chunk in _searchset(amount or 64 << 20)]) + packer.flush()
    return Swollen(len(packed), "gzip", iter([packed]))


def _searchset(size: int) -> Iterator[bytes]:
    """JSON of `size` bytes (at least one entry), at most about a mebibyte at a time; blanks fill what no entry fits."""
    yield _HEAD
    left = size - len(_HEAD) - len(_TAIL)
    entry = b"," + _ENTRY
    some = entry * (_STEP // len(entry))
    while left >= len(some):
        yield some
        left -= len(some)
    while left >= len(entry):
        yield entry
        left -= len(entry)
    yield b" " * max(0, left) + _TAIL
