"""What can go wrong at an EHR, on demand (sync.md 5.4): `Fault(kind, on=…)` strikes requests by method and path."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, get_args

from adapter.ehr.fake.wire import Asked, Reply, Resource, outcome
from adapter.errors import SettingsError

if TYPE_CHECKING:
    from adapter.ehr.fake.server import FakeEhr

Kind = Literal[
    # the wire
    "cut-before",  # the connection dies, nothing was done
    "cut-after",  # it was done, and the connection dies without an answer
    "cut-inside",  # it was done, and half the answer comes
    "truncate",  # it was done; a well-framed answer whose JSON stops half-way
    "hold",  # waits for `event` (at most `seconds`, if given), then goes on
    "hold-after",  # the same between commit and answer
    "drip",  # the answer a byte at a time, each after `seconds`, until `event` is set
    "gzip-bomb",  # an answer of `amount` bytes (64 MiB) that travels as a thousandth of it
    "huge",  # a good searchset of `amount` bytes (200 MB), made as it is sent
    # another answer
    "answer",  # nothing was done; `status`, `headers` and `body` are the answer
    "answer-after",  # it was done, and the same is the answer
    "rate-limit",  # 429 beyond `amount` requests (5) within `seconds` (1) of the EHR's own clock, with Retry-After
    "minimal",  # return=minimal whatever Prefer says
    "wrong-type",  # the resource comes back as a Basic
    "other-id",  # the resource comes back under another id
    # versions
    "no-version",  # neither ETag nor meta.versionId
    "etag-only",  # no meta.versionId
    "meta-only",  # no ETag
    "strong-etag",  # "1", without the W/
    "ignore-if-match",
    "demand-if-match",  # `status` (428) when a change has none
    "conflict-409",  # a stale If-Match is 409, as by HAPI, not 412
    "ignore-if-none-exist",  # every conditional create makes one: the race that several servers lose
    # time
    "ignore-last-updated",
    "refuse-last-updated",  # `status` (400) for a search by it, and the CapabilityStatement has none
    "backdate",  # what is written bears a time `seconds` (60) ago: a transaction that commits late, a version before its elder
    "whole-seconds",  # lastUpdated without milliseconds
    # pages
    "repeat-next",  # the next link leads to the same page, for ever
    "endless-next",  # every page has a next link that was never seen, and nothing new
    "foreign-next",  # the next link leads to another host (`location`)
    "no-next",  # the chain ends after this page, whatever comes
    "empty-page",  # an empty page first, with a next link to the real one
    "empty-last",  # the last page has a next link, to an empty one
    "live-pages",  # no snapshot: what came or went between two pages shifts the second
    "stale-search",  # shows the version before the current one
    "empty-search",  # finds nothing, and says 200
    "ignore-include",
    "cached-search",  # as HAPI: the same search finds what it found first, unless Cache-Control is no-cache; no-store ends the chain
    "no-tombstones",  # what was deleted is 404, as if it had never been, and its history ends before
    # what is kept of what was written
    "refuse-client-ids",  # PUT to a new id is `status` (405): only the server gives ids
    "drop-extensions",
    "reorder-arrays",
    "normalise-dates",  # instants in UTC to the second
    "rewrite-references",  # relative ones become absolute
    # Bundles
    "fail-entry",  # entry `amount` (0) is refused with `status` (422): alone in a batch, the whole in a transaction
    "torn-transaction",  # the first `amount` entries (1) are kept, the others not, and it says `status` (500)
    "partial-response",  # all was done, the answer tells of the first `amount` entries (all but one)
    "reorder-response",  # the answer's entries are in another order
    # meanwhile
    "meanwhile",  # `act(ehr)` happens before the request is carried out: a clinician was faster
    "meanwhile-after",  # `act(ehr)` happens between commit and answer
    # notifications ("NOTIFY Task/7"; "NOTIFY " for handshake and heartbeat)
    "lose",  # never sent
    "repeat",  # sent `amount` times (5) in all
    "delay",  # goes out after all the others: reordered
    "forge",  # with a secret that is not the subscriber's
    "unsigned",  # without the headers that the subscriber asked for
]
STATUS = {"demand-if-match": 428, "refuse-last-updated": 400, "refuse-client-ids": 405, "fail-entry": 422}


@dataclass
class Fault:
    """Strikes requests whose "METHOD path" fits the pattern `on` (fnmatch; path below the base, without query: "POST
    Task", "GET Task/*", "GET " for later pages, "POST auth/token", "*") and, if said, whose body or query contains
    `containing`, leaving out the first `skip`, then `times` times (None: always); `share` below 1: only that part of those,
    drawn the same way each run by `seed`."""

    kind: Kind
    on: str = "*"
    times: int | None = 1
    skip: int = 0
    status: int = 0  # 0: that of its kind, else 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Resource | None = None
    location: str = ""
    event: threading.Event = field(default_factory=threading.Event)
    seconds: float | None = None
    amount: int | None = None
    act: Callable[[FakeEhr], object] | None = None
    containing: str = ""
    share: float = 1.0
    seed: int = 0
    struck: int = 0
    _met: int = 0
    _recent: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.status = self.status or STATUS.get(self.kind, 500)

    def strikes(self, asked: Asked) -> bool:
        """Whether it hits this request; counts it."""
        if not fnmatchcase(f"{asked.method} {asked.path}", self.on):
            return False
        if self.containing and self.containing.encode() not in asked.body and not any(self.containing in text for _, text in asked.query):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self._met += 1
        if self.share < 1 and zlib.crc32(f"{self.seed} {self._met}".encode()) >= self.share * 2**32:
            return False
        if self.times is not None and self.struck >= self.times:
            return False
        self.struck += 1
        return True

    def reply(self) -> Reply:
        """The answer of "answer" and "answer-after"."""
        body = self.body if self.body is not None else outcome("transient", "a fault on demand")
        return Reply(self.status, body, self.headers)

    def limited(self, now: float) -> Reply | None:
        """The answer of "rate-limit" to a request at `now` (seconds of the EHR's clock); None while there is room."""
        window = self.seconds or 1.0
        self._recent = [at for at in self._recent if at > now - window]
        if len(self._recent) < (self.amount or 5):
            self._recent.append(now)
            return None
        wait = self._recent[0] + window - now
        return Reply(429, outcome("throttled", "too many requests"), {"Retry-After": str(max(1, round(wait)))})


def busy(status: int = 429, *, retry_after: int | datetime | str | None = None, **more: Any) -> Fault:
    """A Fault "answer" of 429 or 503: Retry-After in seconds (negative, or a year's, too), as an HTTP date, as any text, absent."""
    text = format_datetime(retry_after, usegmt=True) if isinstance(retry_after, datetime) else retry_after
    return Fault("answer", status=status, headers={} if text is None else {"Retry-After": str(text)}, **more)


def parsed(text: str) -> Fault:
    """A Fault from "KIND", or "KIND,on=POST Task,times=2,status=503,seconds=5,retry-after=120" (times=always: every time), as
    `liaison fake-ehr --fault` takes it. Raises SettingsError."""
    kind, *rest = text.split(",")
    said: dict[str, Any] = {}
    for part in rest:
        name, equals, value = part.partition("=")
        try:
            if not equals:
                raise KeyError(name)
            said |= {"headers": {"Retry-After": value}} if name == "retry-after" else {name: _FIELDS[name](value)}
        except (KeyError, ValueError):
            wanted = ", ".join([*_FIELDS, "retry-after"])
            raise SettingsError(f"not a part of a fault: {part}", variable="--fault", fix=f"give name=value of {wanted}") from None
    if kind not in get_args(Kind):
        fix = f"there are: {', '.join(get_args(Kind))}"
        raise SettingsError(f"no fault {kind}", variable="--fault", fix=fix)
    return Fault(kind, **said)  # type: ignore[arg-type]


_FIELDS: dict[str, Callable[[str], Any]] = {
    "on": str, "times": lambda text: None if text == "always" else int(text), "skip": int, "status": int, "location": str,
    "seconds": float, "amount": int, "containing": str, "share": float, "seed": int,
}  # fmt: skip
