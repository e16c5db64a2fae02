"""Small frozen shapes, and the protocols of the store.

A resource is always a plain dict as FHIR R4 JSON has it; references inside the house are relative
(`Task/ID`) and use our own ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from adapter.ports.query import Query

Resource = dict[str, Any]
T = TypeVar("T")


# ── what changes ─────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Change:
    """One wish: create, update, patch or delete. `resource` is parsed and validated; `received` are the
    bytes after the never-filter (None: serialised from `resource`). `if_match` is a version number."""

    verb: Literal["create", "update", "patch", "delete"]
    type: str
    id: str | None = None
    resource: Resource | None = None
    received: bytes | None = None
    if_match: int | None = None
    origin: Literal["fhir", "intake", "pull", "portal", "device"] = "fhir"


@dataclass(frozen=True, slots=True)
class Version:
    """One stored version of one resource. `served` is what a reader gets, `received` what came. `key`: what a search
    ordered it by before its id, so that (key, id) is where the next page goes on."""

    type: str
    id: str
    number: int
    updated: datetime
    clinic: str  # key of the organisation that owns the row
    served: bytes
    received: bytes = b""
    deleted: bool = False
    key: str = field(default="", compare=False)

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"

    @property
    def cited(self) -> str:
        return f"{self.type}/{self.id}/_history/{self.number}"


class IndexRow(NamedTuple):
    """One search value. token: system|value (text = None); reference: value = "Type/id"; date: low/high are
    instants as text (UTC, inclusive range of the precision); string: value normalised (NFKD, lower, no marks).
    `identifying`: stored and looked up as keyed HMAC only."""

    param: str
    kind: Literal["token", "reference", "date", "string"]
    value: str = ""
    system: str = ""
    low: str = ""
    high: str = ""
    identifying: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search: what meets it, what was to come along (never what is among the matches), whether there are more
    matches, how many in all (None: not asked for)."""

    matches: tuple[Version, ...] = ()
    includes: tuple[Version, ...] = ()
    more: bool = False
    total: int | None = None


# ── consent ──────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Ask:
    """Who wants what, for which purpose. `actors`: every identity of the requester, "Organization/x" or
    "system|value". `purpose`: codes of v3-ActReason as "system|code"."""

    patient: str
    actors: frozenset[str]
    purpose: tuple[str, ...]
    action: Literal["access", "disclose", "collect", "use", "correct"]


@dataclass(frozen=True, slots=True)
class Basis:
    """A basis other than consent (workflow.md 5; `urgency`: the recorded act of workflow.md 4, for professionals bound by
    secrecy). `evidence` is the reference that proves it."""

    kind: Literal["self", "author", "team", "urgency"]
    evidence: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`rule` names the semantic that decided (S1, S13, basis:author…), `versions` the Consents that did
    ("Consent/x/_history/2" or "Consent/x"), `codes` the "system|code" needs the permit names (empty and
    permit: no restriction by need)."""

    permit: bool
    reason: str
    rule: str
    versions: tuple[str, ...] = ()
    obligations: tuple[str, ...] = ()
    codes: frozenset[str] = frozenset()


# ── the outbox ───────────────────────────────────────────────────────────────────────────────────
BEHIND = "provenance "  # a lane whose name begins so goes after the lane of the rest of its name, as long as that can go
LetterState = Literal["queued", "unknown", "parked", "conflict", "done", "dropped"]


@dataclass(frozen=True, slots=True)
class Letter:
    """ "Bring this resource up to date at that EHR." It carries no content: what may leave is decided when
    it leaves. `lane` is the referral (ServiceRequest id): letters of one lane go in order, one at a time."""

    ehr: str
    lane: str
    type: str
    id: str
    due: datetime
    number: int = 0  # our version that caused it; a later letter may already have carried it
    state: LetterState = "queued"
    attempts: int = 0
    reason: str = ""  # catalogued code, never personal data
    key: int = 0  # row id, given by the store
    fence: int = 0  # lease token: a settle with an old fence does nothing
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Pile:
    """Open letters of one EHR in one state for one reason: how many, and when the oldest of them is or was due."""

    ehr: str
    state: LetterState
    reason: str
    letters: int
    due: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """Our resource ↔ its copy at one EHR. `base` is the last known remote content (canonical bytes),
    `sent` our version number it holds."""

    ehr: str
    type: str
    id: str
    remote_id: str
    remote_version: str = ""
    content_hash: str = ""
    base: bytes = b""
    sent: int = 0


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """What a person must settle: base, ours, theirs as JSON bytes. state: open | resolved."""

    ehr: str
    type: str
    id: str
    reason: str
    base: bytes
    ours: bytes
    theirs: bytes
    at: datetime
    key: int = 0
    state: str = "open"
    choice: str = ""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One link of the audit chain, as stored. Where there is `sealed`, the link covers that and not the event itself, so
    that event and salt may be destroyed: `erased` is then the number of the act that did it."""

    seq: int
    event: bytes  # canonical JSON; b"" when erased
    digest: str  # hex, over the previous digest and what the link covers
    salt: bytes = b""
    sealed: str = ""  # hex, over salt and event
    person: str = ""  # keyed digest of the patient it is about
    erased: int = 0


# ── memory ───────────────────────────────────────────────────────────────────────────────────────
class Uow(Protocol):
    """One unit of work inside one database transaction. Synchronous; never kept beyond the call."""

    at: datetime  # the time of this unit, UTC
    memo: dict[Any, Any]  # what was worked out in this unit, for who asks it again; emptied when a resource or a link is written

    # resources
    def current(self, type: str, id: str) -> Version | None: ...
    def version(self, type: str, id: str, number: int) -> Version | None: ...
    def history(self, type: str, id: str) -> list[Version]:
        """Newest first."""
        ...

    def save(self, version: Version, *, expected: int | None, index: Iterable[IndexRow]) -> Version:
        """Writes `version` (its number is set here: last + 1) and replaces its search rows.
        `expected`: the number the caller saw (0 = must not exist, None = any). Raises Stale when it is
        another, Conflict when `expected` is 0 and the row exists."""
        ...

    def marked(self, type: str, id: str, param: str, value: str) -> bool:
        """Whether a resource, deleted or not, has this search row (a token without system, or a reference)."""
        ...

    def happened(
        self, type: str, param: str, values: Sequence[str], *, id: str = "", since: datetime | None = None, after: tuple[str, str, int] | None = None,
        count: int,
    ) -> list[Version]:  # fmt: skip
        """Versions, deletions too, of the resources of a type (`id`: of one) that have a search row of `param` with one of (at most
        two) `values`: newest first, from `since` on, behind `after` (time as text, id, number)."""
        ...

    def revision(self) -> int:
        """Goes up with every commit that saved or erased a resource, or weighed. As long as it is the same later, so is all of that which the
        unit reads from here on (what it read before is read anew: best asked first). -1, never the same, where its transaction saved one."""
        ...

    def weigh(self) -> None: ...  # counts this commit in `revision`: a pause, a halt, the network was written

    def alone(self) -> None:
        """No other unit comes past this call until this one is committed: for what must look before it writes."""
        ...

    def search(self, query: Query) -> list[Version]: ...
    def count(self, query: Query) -> int: ...

    # the bridge to EHRs
    def link(self, ehr: str, type: str, id: str) -> Link | None: ...
    def links_of(self, ehr: str, ours: Iterable[tuple[str, str]]) -> None: ...  # of these (type, id), read at once: `link` knows them then
    def link_by_remote(self, ehr: str, type: str, remote_id: str) -> Link | None: ...
    def links_by_remote(self, ehr: str, type: str, remote_ids: Sequence[str]) -> dict[str, Link]: ...  # the same, by the EHR's id
    def links(self, ehr: str, type: str, *, after: str = "", limit: int = 500) -> list[Link]:
        """Those of one type at one EHR, by our id, behind `after`."""
        ...

    def save_link(self, link: Link) -> None: ...

    # outbox
    def post(self, letter: Letter) -> Letter:
        """Queues it; a queued letter of the same (ehr, lane, type, id) not yet taken is not doubled."""
        ...

    def take(self, *, holder: str, until: datetime, ehr: str | None = None) -> Letter | None:
        """Leases the first due letter of a lane that is neither leased nor blocked by an earlier letter (parked, conflict,
        unknown-not-due): Consents and what stands before them in their lanes first, the newest of them first. Due is `due <= at`. None: nothing to do now."""
        ...

    def carry(self, letter: Letter) -> Letter | None:
        """For a letter that goes along with one taken before it in its lane: marks that it was sent, so that it is looked for if
        it is never settled. To be settled like a taken one. None when it has changed since it was read."""
        ...

    def settle(self, letter: Letter, *, state: LetterState, due: datetime | None = None, reason: str = "") -> bool:
        """Ends the lease with an outcome; attempts + 1. False when the fence is old (nothing written)."""
        ...

    def letters(
        self, *, states: Sequence[LetterState] = (), ehr: str | None = None, lane: str | None = None, about: tuple[str, str] | None = None,
        key: int | None = None, limit: int = 1000,
    ) -> list[Letter]:  # fmt: skip
        """In the order they were posted. `about`: (type, id) of the resource."""
        ...

    def any_due(self, ehr: str) -> bool: ...  # whether a letter is due that nobody has, be its lane free or not
    def piles(self) -> list[Pile]: ...  # all open letters, counted
    def lanes(self) -> dict[str, tuple[int, int]]:
        """EHR -> (lanes with open letters, those of them that a parked letter or a conflict holds up)."""
        ...

    def oldest(self, ehr: str) -> Letter | None:
        """The open letter that was due first."""
        ...

    # once-only requests, tokens, small kept values, cursors, leases, conflicts
    def remembered(self, key: str) -> tuple[str, bytes] | None:
        """(digest of the request body, the answer given) of an idempotent request."""
        ...

    def remember(self, key: str, digest: str, answer: bytes) -> None: ...
    def kept(self, name: str) -> bytes | None:
        """A small named value: the applied network, a cursor, a key, a counter."""
        ...

    def kept_many(self, *names: str) -> dict[str, bytes]: ...  # those there are, read at once: `kept` knows them then
    def keep(self, name: str, value: bytes) -> None: ...
    def discard(self, start: str) -> None: ...  # all that is kept under names that begin so
    def save_token(self, digest: str, principal: bytes, expires: datetime) -> None: ...
    def token(self, digest: str) -> bytes | None:
        """The principal as JSON, None when unknown or expired."""
        ...

    def end_token(self, digest: str) -> None: ...
    def tally(self, name: str, period: int, wanted: int, *, most: int) -> int:
        """How much of `wanted` is left of `most` in this period, whoever counts; it is used from now on."""
        ...

    def add(self, name: str, number: int) -> None:
        """Counts under a name, for ever."""
        ...

    def added(self, start: str) -> dict[str, int]:
        """The counts whose names begin so."""
        ...

    def once(self, name: str, until: datetime) -> bool:
        """True for the first to say this name, in any process, until then."""
        ...

    def sweep(self) -> int:
        """Deletes tokens and names said once that are past their time; how many there were."""
        ...

    def lease(self, name: str, *, holder: str, until: datetime) -> bool:
        """True when `holder` has the lease until then (free, expired, or its own)."""
        ...

    def save_conflict(self, conflict: ConflictRow) -> ConflictRow: ...
    def conflicts(self, *, state: str = "open", about: tuple[str, str, str] | None = None) -> list[ConflictRow]: ...  # of (ehr, type, id); oldest first
    def conflict_counts(self) -> dict[str, int]: ...  # open ones, by EHR
    def settle_conflict(self, key: int, *, choice: str) -> None: ...

    # audit
    def audit(self, event: Resource, *, erasing: Sequence[int] = ()) -> None:
        """Adds one event to the chain; sealed at commit, once for all units of that commit. `erasing`: earlier links whose
        content is destroyed with it."""
        ...

    def audit_rows(self, *, after: int = 0, limit: int = 1000) -> list[AuditRow]: ...
    def audit_of(self, patient: str, *, after: int = 0, limit: int = 1000) -> list[AuditRow]:
        """The links about one patient ("Patient/x"); also those of before links were filed by patient."""
        ...

    def audit_person(self, patient: str) -> str:
        """What `AuditRow.person` is for that patient."""
        ...

    def audit_head(self) -> tuple[int, str]:
        """(links, digest of the last) as the head row says."""
        ...

    # erasure, and the register that outlives it (workflow.md 8)
    def erase(self, type: str, id: str) -> int:
        """Destroys the content of all versions of one resource, its search rows, links and conflicts."""
        ...

    def copies(self, type: str, id: str) -> list[str]:
        """The EHRs that hold a copy."""
        ...

    def letters_waiting(self, type: str, id: str) -> int: ...
    def file(self, seq: int, patient: str, at: str, line: bytes) -> None:
        """Keeps one register line (sealed for the officer) of the disclosure of link `seq`, made `at` (UTC text)."""
        ...

    def filed(self, patient: str = "", *, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        """(link, sealed line) of the register; "" for every patient."""
        ...

    def shred(self, before: datetime) -> int:
        """Ends the register lines of disclosures made before that time; how many there were."""
        ...


class Store(Protocol):
    async def read(self, fn: Callable[[Uow], T]) -> T: ...
    async def write(self, fn: Callable[[Uow], T]) -> T:
        """Runs `fn` in the writer's next group commit; returns after that commit. What `fn` raises is
        raised here and rolls back this unit alone."""
        ...

    def read_now(self, fn: Callable[[Uow], T]) -> T:
        """The same for job threads and the command line (blocking)."""
        ...

    def write_now(self, fn: Callable[[Uow], T]) -> T: ...
    def on_commit(self, wake: Callable[[], None], *, letters: bool = False) -> None:
        """`wake` is called after each commit that wrote, with `letters` only where a letter was posted or settled; it must
        not block."""
        ...

    def close(self) -> None: ...
