"""Subscriptions that the fake serves: R4 rest-hook, and id-only notifications of the R5 backport (1.1.0), sent when asked to.

A Subscription written with status requested becomes active at the next `deliver`, one of the backport after its handshake was
answered with 2xx, else it is in error. What changes is noted from then on and goes out with `deliver`, in order, once, on
`channel.endpoint` with the headers of `channel.header`; nothing is sent again when it could not be delivered. Faults strike
"NOTIFY Task/7" (the focus; "NOTIFY " for handshake and heartbeat): lose, repeat, delay, forge, unsigned.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from adapter.clock import instant, instant_of
from adapter.ehr.fake.versions import Kept
from adapter.ehr.fake.wire import Asked, Refusal, Reply, Resource

if TYPE_CHECKING:
    from adapter.ehr.fake.server import FakeEhr

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
PAYLOAD, FILTER = f"{BACKPORT}/backport-payload-content", f"{BACKPORT}/backport-filter-criteria"
FORGED = "Bearer forged"
_WAIT = 5.0  # seconds for a subscriber to answer


@dataclass(frozen=True, slots=True)
class Notice:
    """`number`: of the event within its subscription. `focus`: "Task/7", "" for handshake and heartbeat."""

    subscription: str
    kind: Literal["handshake", "heartbeat", "event-notification"]
    number: int
    at: str
    focus: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """`status`: what the subscriber answered; 0 when it could not be reached."""

    notice: Notice
    status: int


class Hooks:
    """`delivered`: every notice that went out, with what came back. `waiting`: those noted and not yet sent."""

    def __init__(self, ehr: FakeEhr) -> None:
        self._ehr = ehr
        self.waiting: list[Notice] = []
        self.delivered: list[Delivered] = []
        self._events: Counter[str] = Counter()
        self._turn = threading.Lock()

    # ── what a test or the server says ───────────────────────────────────────────────────────────
    def noted(self, versions: Iterable[Kept]) -> None:
        """Something was committed: what the active subscriptions want to hear of it waits now."""
        for kept in versions:
            for subscription in self._active() if kept.resource is not None and kept.type != "Subscription" else ():
                if self._wants(subscription, kept):
                    self._events[subscription["id"]] += 1
                    number = self._events[subscription["id"]]
                    self.waiting.append(Notice(subscription["id"], "event-notification", number, kept.updated, f"{kept.type}/{kept.id}"))

    def deliver(self) -> list[Delivered]:
        """Activates what asked for it, sends what waits; what went out and how it was answered. Nothing while another thread is
        at it: that one sends all."""
        before = len(self.delivered)
        if self._turn.acquire(blocking=False):
            try:
                self._deliver()
            finally:
                self._turn.release()
        return self.delivered[before:]

    def _deliver(self) -> None:
        for subscription in [each for each in self._ehr.all("Subscription") if each.get("status") == "requested"]:
            self._shake(subscription)
        with self._ehr.lock:
            waiting, self.waiting = self.waiting, []
        late: list[Notice] = []
        for notice in waiting:
            if self._send(notice, may_wait=True) is None:
                late.append(notice)
        for notice in late:
            self._send(notice)

    def heartbeat(self) -> None:
        """Tells every subscriber of the backport that the server lives."""
        for each in self._active():
            if _backport(each):
                self._send(Notice(each["id"], "heartbeat", self._events[each["id"]], instant(self._ehr.clock.now())))

    def replay(self, number: int = -1) -> None:
        """Sends the notice that went out as `delivered[number]` once more, as it was."""
        self._send(self.delivered[number].notice)

    def status(self, id: str) -> Reply:
        """The answer to Subscription/[id]/$status."""
        subscription = self._ehr.get("Subscription", id)
        if subscription is None:
            return Refusal(404, "not-found", f"resource Subscription/{id} is not known").reply()
        told = self._parameters(subscription, Notice(id, "heartbeat", self._events[id], ""), kind="query-status")
        return Reply(200, {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": told, "search": {"mode": "match"}}]})

    # ── within ───────────────────────────────────────────────────────────────────────────────────
    def _active(self) -> list[Resource]:
        now = self._ehr.clock.now()
        found = [each for each in self._ehr.all("Subscription") if each.get("status") == "active"]
        return [each for each in found if (end := instant_of(str(each.get("end", "")))) is None or now < end]

    def _wants(self, subscription: Resource, kept: Kept) -> bool:
        said = [str(each.get("valueString")) for each in subscription.get("_criteria", {}).get("extension", ()) if each.get("url") == FILTER]
        for criteria in said if _backport(subscription) else [str(subscription.get("criteria", ""))]:
            type, _, query = criteria.partition("?")
            if type == kept.type and any(each.id == kept.id for each in self._ehr.matching(type, parse_qsl(query))):
                return True
        return False

    def _shake(self, subscription: Resource) -> None:
        answered: int | None = 200
        if _backport(subscription):
            answered = self._send(Notice(subscription["id"], "handshake", 0, instant(self._ehr.clock.now())))
        good = answered is not None and 200 <= answered < 300
        more = {"status": "active"} if good else {"status": "error", "error": f"handshake: {answered or 'no answer'}"}
        self._ehr.edit("Subscription", subscription["id"], more)

    def _send(self, notice: Notice, *, may_wait: bool = False) -> int | None:
        """The status of the last answer, 0 for none; None: it is late, or lost where it may not wait."""
        subscription = self._ehr.get("Subscription", notice.subscription)
        if subscription is None:
            return 0
        struck = {fault.kind: fault for fault in self._ehr.struck(Asked("NOTIFY", notice.focus))}
        if "delay" in struck and may_wait:
            return None
        headers = dict(line.partition(": ")[::2] for line in subscription["channel"].get("header", ()))
        if "unsigned" in struck:
            headers = {}
        if "forge" in struck:
            headers = dict.fromkeys(headers, FORGED)
        status = 0
        for _ in range(0 if "lose" in struck else (struck["repeat"].amount or 5) if "repeat" in struck else 1):
            status = self._post(subscription, notice, headers)
            self.delivered.append(Delivered(notice, status))
        return status

    def _post(self, subscription: Resource, notice: Notice, headers: dict[str, str]) -> int:
        channel = subscription["channel"]
        where = urlsplit(channel["endpoint"])
        method, path, body = "POST", where.path or "/", b""
        if _backport(subscription):
            body = json.dumps(self._bundle(subscription, notice)).encode()
        elif channel.get("payload"):  # as HAPI does it
            type, _, id = notice.focus.partition("/")
            method, path, body = "PUT", f"{path.rstrip('/')}/{notice.focus}", json.dumps(self._ehr.get(type, id)).encode()
        kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        connection = kind(where.hostname or "", where.port, timeout=_WAIT)
        try:
            content = {"Content-Type": "application/fhir+json"} if body else {}
            connection.request(method, path + (f"?{where.query}" if where.query else ""), body, content | headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def _bundle(self, subscription: Resource, notice: Notice) -> Resource:
        place = f"{self._ehr.base_url}/Subscription/{subscription['id']}"
        parameters = self._parameters(subscription, notice, kind=notice.kind)
        entry: list[Resource] = [{"resource": parameters, "request": {"method": "GET", "url": f"{place}/$status"}, "response": {"status": "200"}}]
        if notice.focus:
            focus = {"fullUrl": f"{self._ehr.base_url}/{notice.focus}", "request": {"method": "PUT", "url": notice.focus}, "response": {"status": "200"}}
            entry.append(focus)
        meta = {"profile": [f"{BACKPORT}/backport-subscription-notification-r4"]}
        return {"resourceType": "Bundle", "meta": meta, "type": "history", "timestamp": instant(self._ehr.clock.now()), "entry": entry}

    def _parameters(self, subscription: Resource, notice: Notice, *, kind: str) -> Resource:
        said: list[dict[str, Any]] = [
            {"name": "subscription", "valueReference": {"reference": f"{self._ehr.base_url}/Subscription/{subscription['id']}"}},
            {"name": "topic", "valueCanonical": subscription.get("criteria", "")},
            {"name": "status", "valueCode": subscription["status"]},
            {"name": "type", "valueCode": kind},
            {"name": "events-since-subscription-start", "valueString": str(notice.number)},
        ]
        if notice.focus:
            part = [{"name": "event-number", "valueString": str(notice.number)}, {"name": "timestamp", "valueInstant": notice.at}]
            reference = {"name": "focus", "valueReference": {"reference": f"{self._ehr.base_url}/{notice.focus}"}}
            said.append({"name": "notification-event", "part": [*part, reference]})
        return {"resourceType": "Parameters", "meta": {"profile": [f"{BACKPORT}/backport-subscription-status-r4"]}, "parameter": said}


def _backport(subscription: Resource) -> bool:
    payload = subscription.get("channel", {}).get("_payload", {})
    return any(each.get("url") == PAYLOAD for each in payload.get("extension", ()))
