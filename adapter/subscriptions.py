"""A Subscription that a client writes on `/fhir`: what it may ask to be told of, and what of it is kept where nobody reads it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from adapter import fhir
from adapter.clock import instant_of
from adapter.dossier import content
from adapter.errors import Invalid, Issue, Malformed
from adapter.net import origin_of
from adapter.network import ClientEntry
from adapter.ports import Change, Principal, Query, Resource, Uow
from adapter.referral.states import same
from adapter.showing import Window
from adapter.sync import subscribers
from adapter.sync.subscribers import Subscriber
from adapter.sync.subscribing import BACKPORT, TOPICS

MOST = 50  # Subscriptions in force of one organisation
MOST_HEADERS, LONGEST, MOST_FILTERS = 5, 1024, 10
SOONEST = 60  # seconds between heartbeats
_HEADER = re.compile(r"(?:Authorization|X-[A-Za-z0-9-]{1,64}): [\x21-\x7e][\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Subscriptions:
    window: Window

    def brought_in(self, uow: Uow, who: Principal, change: Change) -> Change:
        """The change as it is stored: without the headers, which are sealed apart and given to nobody, and with the status that is ours to
        say. Raises Invalid."""
        wanted = change.resource or {}
        if change.verb == "delete" or not wanted:
            self._over(uow, change.id or "")
            return change
        current = uow.current("Subscription", change.id or "")
        before = content(current) if current and not current.deleted else {}
        channel = {name: value for name, value in wanted.get("channel", {}).items() if name != "header"}
        kept = subscribers.load(uow, change.id or "")
        headers = wanted.get("channel", {}).get("header")
        bare = {**wanted, "channel": channel}
        if headers is None and kept and before and same(before, bare):  # read and written back as it was
            return replace(change, resource=bare, received=None)
        if before.get("status") in ("active", "error") and wanted.get("status") == before["status"]:
            bare = {**bare, "status": "requested"}  # read, changed and written back: it has to come into force anew
        if wanted.get("status") == "off":
            self._over(uow, change.id or "")
            return replace(change, resource=bare, received=None)
        made = self._made(who, change.id or "", {**wanted, "status": bare.get("status")})
        if kept is None and subscribers.count(uow, who.organisation) >= MOST:
            raise Invalid(f"expected at most {MOST} Subscriptions in force of one organisation", expression="Subscription", code="too-costly")
        there = kept is not None and kept.endpoint == made.endpoint and kept.client == made.client
        sealed = kept.sealed if kept and headers is None and there else self.sealed(made.id, headers or [])
        subscribers.drop(uow, made.id)
        subscribers.save(uow, replace(made, sealed=sealed, stamp=self.window.writer.clock.new_id()))
        return replace(change, resource={name: value for name, value in bare.items() if name != "error"}, received=None)

    def _over(self, uow: Uow, id: str) -> None:
        if kept := subscribers.load(uow, id):
            subscribers.save(uow, replace(kept, state="off", sealed="", stamp=self.window.writer.clock.new_id()))
            subscribers.drop(uow, id)

    # ── what may be asked ────────────────────────────────────────────────────────────────────────
    def _made(self, who: Principal, id: str, wanted: Resource) -> Subscriber:
        issues = list(self._issues(who, wanted))
        if issues:
            raise Invalid(issues[0].text, issues=issues)
        topic = str(wanted["criteria"]) if _id_only(wanted) else ""
        type = next(name for name, each in TOPICS.items() if each == topic) if topic else str(wanted["criteria"]).partition("?")[0]
        asked = (_filters(wanted) or [f"{type}?"]) if topic else [str(wanted["criteria"])]
        return Subscriber(
            id, who.client, who.organisation, type, tuple(asked), "backport" if topic else "rest-hook", topic, str(wanted["channel"]["endpoint"]),
            end=str(wanted.get("end", "")), heartbeat=_heartbeat(wanted["channel"]),
        )  # fmt: skip

    def _issues(self, who: Principal, wanted: Resource) -> Iterator[Issue]:
        channel = wanted.get("channel", {})
        if wanted.get("status") != "requested":
            yield Issue("value", "expected requested, or off; the server says when it is active", "Subscription.status")
        if channel.get("type") != "rest-hook":
            yield Issue("not-supported", "offered is rest-hook", "Subscription.channel.type")
        if "end" in wanted and instant_of(str(wanted["end"])) is None:
            yield Issue("value", "expected an instant", "Subscription.end")
        yield from self._endpoint(who, str(channel.get("endpoint", "")))
        if _id_only(wanted):
            if str(wanted.get("criteria")) not in TOPICS.values():
                yield Issue("not-supported", f"expected one of the topics {', '.join(TOPICS.values())}", "Subscription.criteria")
            elif len(_filters(wanted)) > MOST_FILTERS:
                yield Issue("too-costly", f"expected at most {MOST_FILTERS} filters", "Subscription.criteria")
        elif "payload" in channel:
            text = "content is not sent: leave the payload out (R4 rest-hook), or ask for id-only (R5 backport)"
            yield Issue("not-supported", text, "Subscription.channel.payload")
        type = next((name for name, topic in TOPICS.items() if topic == wanted.get("criteria")), "") if _id_only(wanted) else ""
        for written in (_filters(wanted) or ([f"{type}?"] if type else [])) if _id_only(wanted) else [str(wanted.get("criteria", ""))]:
            yield from self._criteria(who, written, type)
        headers = channel.get("header", [])
        if len(headers) > MOST_HEADERS or not all(len(each) <= LONGEST and _HEADER.fullmatch(each) for each in headers):
            text = f"expected at most {MOST_HEADERS} lines as `Authorization: Bearer …` or `X-…: …`, of at most {LONGEST} characters"
            yield Issue("value", text, "Subscription.channel.header")

    def _criteria(self, who: Principal, written: str, topic: str) -> Iterator[Issue]:
        """What the client could not search for it is not told of either."""
        type, _, params = written.partition("?")
        if type not in TOPICS or (topic and type != topic):
            yield Issue("not-supported", f"expected a search of {topic or ' or '.join(TOPICS)}, such as Task?status=accepted", "Subscription.criteria")
        elif not who.may(type, "s"):
            yield Issue("forbidden", f"the token has no scope for this; expected system/{type}.s", "Subscription.criteria", detail="scope")
        else:
            try:
                self._searchable(who, fhir.query(type, parse_qsl(params, keep_blank_values=True)))
            except Malformed as refusal:
                yield Issue(refusal.issues[0].code, refusal.issues[0].text, "Subscription.criteria")

    def _searchable(self, who: Principal, query: Query) -> None:
        if query.sort or query.includes or any(clause.chain for clause in query.clauses) or query.count != fhir.query(query.type, []).count:
            raise Malformed("expected conditions on the resource itself alone", code="not-supported")
        if who.role == "service":
            view = self.window.network.view_of(who.organisation) or ""
            offered = self.window.views[view].search.get(query.type, ()) if view in self.window.views else ()
            if any(clause.param not in offered and clause.param != "_id" for clause in query.clauses):
                raise Malformed(f"offered to this client are {', '.join(sorted({'_id', *offered}))}", code="not-supported")

    def _endpoint(self, who: Principal, endpoint: str) -> Iterator[Issue]:
        try:
            origin_of(endpoint)
            private = (client := self.client(who.client)) is not None and client.hooks_private
            if urlsplit(endpoint).scheme == "https" or private:
                return
        except ValueError:
            pass
        yield Issue("value", "expected an https address of yours, without a user name", "Subscription.channel.endpoint")

    def client(self, id: str) -> ClientEntry | None:
        return self.window.network.client(id)

    # ── headers ──────────────────────────────────────────────────────────────────────────────────
    def sealed(self, id: str, headers: list[str]) -> str:
        return _cipher(self.window.writer.key).encrypt(orjson.dumps(headers), [id.encode()]).hex() if headers else ""

    def headers(self, subscriber: Subscriber) -> dict[str, str]:
        """What goes with every notification; {} where the key is another one by now."""
        if not subscriber.sealed:
            return {}
        try:
            lines = orjson.loads(_cipher(self.window.writer.key).decrypt(bytes.fromhex(subscriber.sealed), [subscriber.id.encode()]))
        except InvalidTag:
            return {}
        return dict(line.split(": ", 1) for line in lines)


def _cipher(key: bytes) -> AESSIV:
    return AESSIV(hmac.digest(key, b"headers of Subscriptions", "sha512"))


def _id_only(wanted: Resource) -> bool:
    """Whether it is one of the R5 backport, of the one kind that is offered."""
    said = _extensions(wanted.get("channel", {}).get("_payload"), "backport-payload-content")
    return [each.get("valueCode") for each in said] == ["id-only"]


def _filters(wanted: Resource) -> list[str]:
    return [str(each.get("valueString", "")) for each in _extensions(wanted.get("_criteria"), "backport-filter-criteria")]


def _heartbeat(channel: Resource) -> int:
    said = [each.get("valueUnsignedInt") for each in _extensions(channel, "backport-heartbeat-period")]
    return max(SOONEST, said[0]) if said and isinstance(said[0], int) and said[0] > 0 else 0


def _extensions(element: Any, name: str) -> list[dict[str, Any]]:
    found = element.get("extension", []) if isinstance(element, dict) else []
    return [each for each in found if isinstance(each, dict) and each.get("url") == f"{BACKPORT}/{name}"]
