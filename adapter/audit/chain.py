"""The hash chain of the audit trail (security.md 4.2): each link's digest covers the digest before it and the salted
digest of its event, so that an event can be destroyed and the chain still holds.

Whoever may write all rows may make a new chain that verifies, and an end cut off leaves a shorter chain that verifies:
both show only against a checkpoint kept elsewhere, out of the writer's reach.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
import rfc8785

from adapter.audit.erasures import erases
from adapter.ports import AuditRow, Resource

START = ""  # the digest before the first link
REMEMBERED = 64  # heads kept, to tell a fork from other breaks
_DOMAIN = b"liaison audit link 1\x00"
_SALTED = b"salted "


def canonical(event: Resource) -> bytes:
    """The event as RFC 8785 canonical JSON. For ASCII without numbers that is sorted, compact JSON, which orjson writes
    sixty times faster; with anything else rfc8785 does it."""
    if not _wordy(event):
        return rfc8785.dumps(event)
    try:
        plain = orjson.dumps(event, option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS)
    except TypeError:
        return rfc8785.dumps(event)
    return plain if plain.isascii() else rfc8785.dumps(event)


def _wordy(value: Any) -> bool:
    """Whether there is nothing in it but text, true and false: all that an event of ours has."""
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind is not list:
        return kind is str or kind is bool
    for each in value:  # noqa: SIM110  every event is walked: a loop takes half the time of all()
        if type(each) is not str and not _wordy(each):
            return False
    return True


def seal(previous: str, event: bytes) -> str:
    """The digest (SHA-256, hex) of the link that follows `previous`; with a salt for `previous`, the salted digest of an
    event. Each part goes in with its length, so that no two different pairs are the same bytes."""
    before = previous.encode()
    return hashlib.sha256(b"".join((_DOMAIN, len(before).to_bytes(8), before, len(event).to_bytes(8), event))).hexdigest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """So many links, and the digest of the last one. Kept outside the database it proves that nothing before it was
    changed or cut off since."""

    count: int = 0
    head: str = START


# Why a chain does not verify, as far as its rows tell.
REASONS = {
    "changed": "it is not what was sealed, or the row before it was changed or taken out",
    "removed": "a row is missing here",
    "inserted": "a row that was not written by Liaison stands here",
    "swapped": "this row and the next have changed places",
    "forked": "this row follows an earlier one than the row before it",
    "truncated": "rows are missing at the end",
    "rewritten": "the chain was made anew: a checkpoint or the head row says otherwise",
    "erased": "its content is gone, and no act of erasure or purge names it",
    "misfiled": "it is filed under another patient than it is about",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ok`, or the sequence number of the first bad link and why (a key of REASONS). `erased`: good links without content."""

    ok: bool
    count: int
    head: str
    first_bad: int = 0
    reason: str = ""
    erased: int = 0

    @property
    def checkpoint(self) -> Checkpoint:
        """To be kept elsewhere. Of a bad chain: what is good of it."""
        return Checkpoint(self.count, self.head)


def verify(
    rows: Iterable[AuditRow], *, kept: Iterable[Checkpoint] | Checkpoint | None = None, start: Checkpoint | None = None,
    acts: Callable[[int], AuditRow | None] = lambda seq: None, filed: Callable[[Resource], str] | None = None,
) -> Verdict:  # fmt: skip
    """Follows the chain, one row at a time, in the memory of one. An edited, deleted, inserted, exchanged or forked row is
    found at its place; against `kept` (checkpoints, by count) also a chain made anew or cut off behind. `start`: what was
    verified before; `acts` gives the link of an erasing act; `filed` what `person` of a row must be by its event."""
    waiting = deque([kept] if isinstance(kept, Checkpoint) else kept or ())
    count, head, erased = (start.count, start.head, 0) if start else (0, START, 0)
    heads: deque[str] = deque([head], REMEMBERED)
    coming = iter(rows)
    for row in coming:
        reason = _wrong(row, count, heads, acts)
        if reason == "?":
            reason = _told(row, next(coming, None), heads)
        if not reason and filed and row.sealed and row.event and row.person != filed(orjson.loads(row.event)):
            reason = "misfiled"
        while not reason and waiting and waiting[0].count <= row.seq:
            point = waiting.popleft()
            reason = "rewritten" if point.count == row.seq and point.head != row.digest else ""
        if reason:
            return Verdict(False, count, head, count + 1 if reason == "removed" else row.seq, reason, erased)
        count, head, erased = row.seq, row.digest, erased + (not row.event)
        heads.append(head)
    if any(point.count > count for point in waiting):
        return Verdict(False, count, head, count + 1, "truncated", erased)
    return Verdict(True, count, head, erased=erased)


def _covered(row: AuditRow) -> bytes:
    return _SALTED + row.sealed.encode() if row.sealed else row.event


def _wrong(row: AuditRow, count: int, heads: deque[str], acts: Callable[[int], AuditRow | None]) -> str:
    """"" when the row is the good next link; "?" when it does not follow and its neighbour may tell why."""
    if row.seq != count + 1:
        return "removed" if row.seq > count + 1 else "inserted"
    if row.digest != seal(heads[-1], _covered(row)):
        return "?"
    if row.erased and (row.event or row.salt):
        return "changed"  # an act destroys content and salt as it puts its number there
    if not row.sealed:
        return "changed" if row.event.startswith(_SALTED) else ""
    if row.event or row.salt:
        return "" if seal(row.salt.decode("ascii", "replace"), row.event) == row.sealed else "changed"
    act = acts(row.erased) if row.erased > row.seq else None
    return "" if act and erases(act.event, row.seq) else "erased"


def _told(row: AuditRow, after: AuditRow | None, heads: deque[str]) -> str:
    """Why a row does not follow the one before it, by what the next row follows."""
    mine = _covered(row)
    if any(row.digest == seal(each, mine) for each in islice(heads, len(heads) - 1)):
        return "forked"
    if after is not None and after.digest == seal(heads[-1], _covered(after)):
        return "swapped" if row.digest == seal(after.digest, mine) else "inserted"
    return "changed"


def pages(fetch: Callable[[int, int], list[AuditRow]], *, size: int = 1000, after: int = 0) -> Iterator[AuditRow]:
    """All rows in order, `size` at a time; `fetch(after, limit)` gives the next page. Memory stays flat."""
    last = after
    while page := fetch(last, size):
        yield from page
        last = page[-1].seq


