"""Our Subscriptions at one EHR: made, watched, renewed and made again, so that it tells us when to look (SDOHCC task-4, task-6).

One Subscription a search of the pull, of the kind that the network file says: R4 rest-hook without a payload, or the R5 backport
(1.1.0), id-only. Its secret is random and goes to the EHR alone: here stands its digest. Whatever happens to it, the poll goes on.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import orjson

from adapter.audit import events
from adapter.clock import Clock, instant, instant_of
from adapter.errors import EhrRejected, SettingsError, Unauthorized
from adapter.ports import EhrClient, Principal, Remote, Resource, Store, Uow
from adapter.sync import heard, notices
from adapter.sync.searches import Search

Kind = Literal["", "rest-hook", "backport"]
LIFE, RENEWED = timedelta(days=7), timedelta(days=2)  # of a Subscription there; how long before its end it is renewed
HEARTBEAT = timedelta(minutes=15)
SILENT = 3 * HEARTBEAT  # after which an EHR that should beat is asked what is wrong, by a new handshake
PATIENCE = timedelta(hours=1)  # for a handshake; then it is asked for anew
TURN = timedelta(minutes=10)  # of one process at a time
AGAIN = timedelta(days=1)  # until an EHR that refused is asked once more
REPEATED = timedelta(minutes=5)  # within which the same notification may be one that the EHR sends once more
MARKS = 64  # events that are known again
TOLD = 10  # refusals a minute that are events of the audit; all are counted
REFUSED = "hooks-refused/"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
TOPICS = {  # SDOHCC; of Consents there is none
    "Task": "http://hl7.org/fhir/us/sdoh-clinicalcare/SubscriptionTopic/Task",
    "ServiceRequest": "http://hl7.org/fhir/us/sdoh-clinicalcare/SubscriptionTopic/Servicerequest",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """One Subscription as we know it. `hook`: the last part of the address that the EHR calls; `digests`: of the secrets that count, the
    newest first; `state`: what it was when we last looked; `at`: when we last wrote it there; `end`: when it ends; `said`: when it last
    called; `marks`: [digest of an event, when it was heard], the last ones."""

    hook: str
    kind: str = ""
    remote: str = ""
    state: Literal["asked", "active", "error", "refused", "off"] = "asked"
    digests: tuple[str, ...] = ()
    at: str = ""
    end: str = ""
    said: str = ""
    marks: tuple[tuple[str, str], ...] = ()

    def encode(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, value: bytes | None) -> Standing | None:
        if not value:
            return None
        stored = orjson.loads(value)
        return cls(**{**stored, "digests": tuple(stored["digests"]), "marks": tuple(map(tuple, stored["marks"]))})


def digest(secret: str) -> str:
    """Under which a secret of ours is kept."""
    return hashlib.sha256(secret.encode()).hexdigest()


def standing_of(uow: Uow, ehr: str, search: Search) -> Standing | None:
    """How it stands with the Subscription of that search."""
    return Standing.decode(uow.kept(_name(ehr, search.type, search.by)))


@dataclass(frozen=True)
class Subscribing:
    """The Subscriptions at one EHR. `kind()`: what the network file says now; `searches(uow)`: what the pull asks for; `address`: of this
    server, as the EHR reaches it; `holder` names this process in leases; `open`: plain http may
    carry the secret, for it stays on this machine or in a sandbox."""

    store: Store
    client: EhrClient
    clock: Clock
    kind: Callable[[], Kind]
    searches: Callable[[Uow], Sequence[Search]]
    address: str
    holder: str
    open: Callable[[], bool] = lambda: False

    def look(self) -> int:
        """Makes what is not there, renews what ends, is in error or silent, ends what is not wanted any more; returns how many were written
        there. Raises EhrError; SettingsError where the secret would travel in the open."""
        kind = self.kind()
        if kind and urlsplit(self.address).scheme != "https" and not self.open():
            fix = "give the https address by which the EHR reaches this server"
            raise SettingsError("an EHR is to call us, and our address is not https", variable="LIAISON_PUBLIC_URL", fix=fix)
        if not self._lease(TURN):
            return 0
        try:
            return self._every(kind)
        finally:
            self._lease(timedelta(0))

    def _lease(self, length: timedelta) -> bool:
        return self.store.write_now(lambda uow: uow.lease(f"subscribing/{self.client.name}", holder=self.holder, until=uow.at + length))

    def _every(self, kind: Kind) -> int:
        written, refusals = 0, list[EhrRejected]()
        for search in self.store.read_now(lambda uow: list(self.searches(uow))):
            now = self.store.read_now(lambda uow, search=search: standing_of(uow, self.client.name, search))  # type: ignore[misc]
            try:
                written += self._one(search, kind if kind != "backport" or search.type in TOPICS else "", now)
            except EhrRejected as error:  # this one, and no other for that
                refusals.append(error)
        if refusals:
            raise refusals[0]
        return written

    def _one(self, search: Search, kind: Kind, now: Standing | None) -> bool:
        at = self.clock.now()
        if not kind:
            return now is not None and now.state not in ("off", "refused") and self._end(search, now)
        if now is None or now.kind != kind:
            return self._write(search, kind, now if now and now.kind == kind else None, there=self._there(now))
        if now.state == "refused" and at - _at(now.at) < AGAIN:
            return False
        there = self._there(now)
        if there is not None and there.id != now.remote:  # its making was never answered
            now = replace(now, remote=there.id)
            self.store.write_now(lambda uow: self._made(uow, search, now.hook, now.remote))
        status = str(there.resource.get("status", "")) if there else ""
        if status == "active" and now.state != "active":
            self._became(search, replace(now, state="active", digests=now.digests[:1], said=instant(at)))
        waiting = status == "requested" and at - _at(now.at) < PATIENCE
        beating = status == "active" and (kind != "backport" or now.state != "active" or at - _at(now.said or now.at) < SILENT)
        if (waiting or beating) and at < _at(now.end) - RENEWED:
            return False
        return self._write(search, kind, now, there=there)

    # ── writing there ────────────────────────────────────────────────────────────────────────────
    def _there(self, now: Standing | None) -> Remote | None:
        """The Subscription as the EHR has it; one whose making was never answered is found by our address in it."""
        if now is None:
            return None
        if now.remote:
            return self.client.read("Subscription", now.remote)
        try:
            pages = self.client.search("Subscription", [("url", self._endpoint(now))])
            return next((each for page in pages for each in page if each.resource.get("channel", {}).get("endpoint") == self._endpoint(now)), None)
        except EhrRejected:  # it cannot be searched so: a second one is made, and the first ends by itself
            return None

    def _write(self, search: Search, kind: Kind, now: Standing | None, *, there: Remote | None) -> bool:
        """Asks for it, under a secret that nobody had before; the one before counts until the new one is in force."""
        secret, at = self.clock.secret(), self.clock.now()
        asked = replace(
            now or Standing(self.clock.new_id()), kind=kind, state="asked", at=instant(at), end=instant(at + LIFE), marks=(),
            digests=(digest(secret), *(now.digests[:1] if now else ())), remote=there.id if there else "",
        )  # fmt: skip
        self._keep(search, asked, told="subscribe")  # before it is there: its first call may come at once
        wanted = self._wanted(search, kind, asked, secret)
        try:
            done = self.client.update({**wanted, "id": there.id}, if_match=there.version) if there else self.client.create(wanted)
        except EhrRejected:
            self._keep(search, replace(asked, state="refused"), told="subscribe-refused")
            raise
        self.store.write_now(lambda uow: self._made(uow, search, asked.hook, done.id))
        return True

    def _made(self, uow: Uow, search: Search, hook: str, remote: str) -> None:
        now = standing_of(uow, self.client.name, search)
        if now is not None and now.hook == hook:  # its handshake may have come meanwhile
            uow.keep(_name(self.client.name, search.type, search.by), replace(now, remote=remote).encode())

    def _end(self, search: Search, now: Standing) -> bool:
        there = self._there(now)
        if there is not None and there.resource.get("status") != "off":
            self.client.update({**there.resource, "status": "off"}, if_match=there.version)
        self._keep(search, replace(now, state="off", digests=()), told="unsubscribe")
        return True

    def _became(self, search: Search, now: Standing) -> None:
        """It is in force: what happened until now it did not tell."""

        def became(uow: Uow) -> None:
            latest = standing_of(uow, self.client.name, search) or now
            uow.keep(_name(self.client.name, search.type, search.by), replace(latest, state=now.state, digests=now.digests, said=now.said).encode())
            heard.note(uow, self.client.name, search.type, ())

        self.store.write_now(became)

    def _keep(self, search: Search, now: Standing, *, told: str) -> None:
        ehr = self.client.name

        def keep(uow: Uow) -> None:
            uow.keep(_name(ehr, search.type, search.by), now.encode())
            uow.keep(f"hook/{now.hook}", orjson.dumps([ehr, search.type, search.by]))
            details = [("ehr", ehr), ("type", search.type), ("kind", now.kind)]
            uow.audit(events.act(_caller(ehr), told, what="network", at=uow.at, details=details))

        self.store.write_now(keep)

    # ── what is asked ────────────────────────────────────────────────────────────────────────────
    def _endpoint(self, now: Standing) -> str:
        return f"{self.address}/hooks/{now.hook}"

    def _wanted(self, search: Search, kind: Kind, now: Standing, secret: str) -> Resource:
        criteria = f"{search.type}?{urlencode(search.params, safe='|:/,')}"
        channel: dict[str, Any] = {"type": "rest-hook", "endpoint": self._endpoint(now), "header": [f"Authorization: Bearer {secret}"]}
        asked: Resource = {
            "resourceType": "Subscription", "status": "requested", "end": now.end, "reason": "Liaison keeps its copies in step", "criteria": criteria,
        }  # fmt: skip
        if kind == "backport":
            asked["criteria"] = TOPICS[search.type]
            asked["_criteria"] = {"extension": [{"url": f"{BACKPORT}/backport-filter-criteria", "valueString": criteria}]}
            channel["payload"] = "application/fhir+json"
            channel["_payload"] = {"extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": "id-only"}]}
            channel["extension"] = [{"url": f"{BACKPORT}/backport-heartbeat-period", "valueUnsignedInt": int(HEARTBEAT.total_seconds())}]
        return asked | {"channel": channel}


# ── what comes ───────────────────────────────────────────────────────────────────────────────────
def called(uow: Uow, hook: str, shown: str, body: bytes, *, request_id: str) -> None:
    """A call to the address of one of our Subscriptions. `shown`: the digest of the secret that came with it. Raises Unauthorized, alike
    for an address that nobody has, a secret that is not its own and a notification from before; each is counted, the first of a
    minute are events."""
    found = orjson.loads(uow.kept(f"hook/{hook}") or b"null")
    ehr, type, by = found or ("", "", "")
    now = Standing.decode(uow.kept(_name(ehr, type, by))) if found else None
    known = [hmac.compare_digest(each, shown) for each in (now.digests if now else ("", ""))]  # every one is compared
    if now is None or now.hook != hook or not shown or not any(known):
        raise _refused(ehr, "forged" if now else "unknown", request_id)
    notice, at = notices.read(body, type=type), uow.at
    before = dict(now.marks)
    repeated = bool(notice.marks) and all(mark in before for mark in notice.marks)
    if repeated and at - max(_at(before[mark]) for mark in notice.marks) > REPEATED:
        raise _refused(ehr, "replayed", request_id)
    news = not repeated and notice.kind == "event-notification" and heard.note(uow, ehr, type, notice.ids)
    fresh = tuple((mark, instant(at)) for mark in notice.marks if mark not in before)
    if fresh or news or at - _at(now.said) > timedelta(minutes=1):
        later = replace(now, said=instant(at), marks=(*now.marks, *fresh)[-MARKS:])
        uow.keep(_name(ehr, type, by), later.encode())


def _refused(ehr: str, reason: str, request_id: str) -> Unauthorized:
    refusal = Unauthorized("expected the secret that was given with the Subscription of this address")

    def counted(uow: Uow) -> None:
        uow.add(f"{REFUSED}{ehr or 'nobody'}/{reason}", 1)
        if uow.tally("hooks-told", int(uow.at.timestamp()) // 60, 1, most=TOLD):
            uow.audit(events.denied(_caller(ehr), "Subscription", reason=reason, verb="notification", at=uow.at, request_id=request_id))

    refusal.kept = counted
    return refusal


def _caller(ehr: str) -> Principal:
    return Principal(f"ehr-{ehr}" if ehr else "unknown", ehr or "unknown", role="device")


def _name(ehr: str, type: str, by: str) -> str:
    return "/".join(part for part in ("subscribed", ehr, type, by) if part)


def _at(text: str) -> datetime:
    return instant_of(text) or datetime.min.replace(tzinfo=UTC)
