"""The hash chain of the audit trail (security.md 4.2): each link's digest covers the digest before it and the event.

Whoever may write all rows may make a new chain that verifies, and an end cut off leaves a shorter chain that verifies:
both show only against a checkpoint kept elsewhere, out of the writer's reach.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import orjson
import rfc8785

from adapter.ports import AuditRow, Resource

START = ""  # the digest before the first link
_DOMAIN = b"liaison audit link 1\x00"
# A number, or what looks like one inside a text: only then can orjson differ from RFC 8785 in plain ASCII. Or a null,
# which orjson also writes for a number that is none.
_NUMBER = re.compile(rb'(?:":|\[|[\]}el"],)-?\d|null')


def canonical(event: Resource) -> bytes:
    """The event as RFC 8785 canonical JSON. For ASCII without numbers that is sorted, compact JSON, which orjson writes
    sixty times faster; with anything else rfc8785 does it."""
    try:
        plain = orjson.dumps(event, option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS)
    except TypeError:
        return rfc8785.dumps(event)
    return plain if plain.isascii() and not _NUMBER.search(plain) else rfc8785.dumps(event)


def seal(previous: str, event: bytes) -> str:
    """The digest (SHA-256, hex) of the link that follows `previous`. Each part goes in with its length, so that no
    two different pairs are the same bytes."""
    before = previous.encode()
    return hashlib.sha256(b"".join((_DOMAIN, len(before).to_bytes(8), before, len(event).to_bytes(8), event))).hexdigest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """So many links, and the digest of the last one. Kept outside the database it proves that nothing before it was
    changed or cut off since."""

    count: int = 0
    head: str = START


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ok`, or the sequence number of the first bad link and why: "order", "digest", "rewritten", "truncated"."""

    ok: bool
    count: int
    head: str
    first_bad: int = 0
    reason: str = ""

    @property
    def checkpoint(self) -> Checkpoint:
        """To be kept elsewhere. Of a bad chain: what is good of it."""
        return Checkpoint(self.count, self.head)


def verify(rows: Iterable[AuditRow], *, kept: Checkpoint | None = None) -> Verdict:
    """Follows the chain from its first link, one row at a time. An edited, deleted, inserted or exchanged row is found at
    its place; against `kept` also a chain made anew ("rewritten") or cut off behind ("truncated")."""
    count, head = 0, START
    for row in rows:
        if row.seq != count + 1:
            return Verdict(False, count, head, count + 1, "order")
        if row.digest != seal(head, row.event):
            return Verdict(False, count, head, row.seq, "digest")
        if kept and row.seq == kept.count and row.digest != kept.head:
            return Verdict(False, count, head, row.seq, "rewritten")
        count, head = row.seq, row.digest
    if kept and count < kept.count:
        return Verdict(False, count, head, count + 1, "truncated")
    return Verdict(True, count, head)


def pages(fetch: Callable[[int, int], list[AuditRow]], *, size: int = 1000) -> Iterator[AuditRow]:
    """All rows in order, `size` at a time; `fetch(after, limit)` gives the next page. Memory stays flat."""
    last = 0
    while page := fetch(last, size):
        yield from page
        last = page[-1].seq
