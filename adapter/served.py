"""Tells subscribers that something changed, and nothing else: an empty call (R4 rest-hook), or ids (R5 backport 1.1.0, id-only).

Whether one is told is decided when the call is made, by what its client could find by a search at that moment: a change that it may
not see makes no call, not an empty one either. What it sees is compared with what it saw, so that a hidden edit is no news (M-12,
M-17). Heartbeats keep to their own beat, whatever happens between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import orjson

from adapter import dossier, fhir
from adapter.acting import of_client
from adapter.audit import events
from adapter.clock import Clock, instant, instant_of
from adapter.dossier import content, patient_of
from adapter.errors import EhrError, EhrRejected, EhrUnavailable, Refused
from adapter.fhir.matching import matches
from adapter.flows import Flows
from adapter.look import Look
from adapter.net import GuardedSession, Limits
from adapter.ports import Change, Clause, Letter, Principal, Query, Resource, Store, Uow
from adapter.subset import visible
from adapter.sync import retry, subscribers
from adapter.sync.subscribers import Subscriber
from adapter.sync.subscribing import BACKPORT
from adapter.views import pairwise

LIMITS = Limits(connect=3, read=5, total=8, body=64 << 10)
TURN = timedelta(minutes=5)  # of one process at a subscriber
GIVEN_UP = timedelta(days=3)  # after which one that cannot be reached is in error
LONGEST = 30.0  # seconds that one run may take before the next subscriber has to wait for another
AT_ONCE = 200  # letters of one subscriber in a turn
NEVER = datetime.min.replace(tzinfo=UTC)
Tell = Callable[[Subscriber, dict[str, str], bytes], int]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a subscriber's client sees of a resource now: under its own id, in which version; `met`: it is what was asked for."""

    id: str
    version: str
    met: bool
    look: Look | None = None


@dataclass(frozen=True)
class Served:
    """The subscribers of this house, of one process. `base`: address of our `/fhir`; `tell`: makes the call and gives its status."""

    store: Store
    clock: Clock
    story: Callable[[Uow], Flows]
    holder: str
    base: str
    tell: Tell | None = None

    def run(self) -> int:
        """Shakes hands, tells what is to be told, beats, ends; returns how many calls got through. Raises nothing of a subscriber's."""
        until, sent = self.clock.monotonic() + LONGEST, 0
        for subscriber in self.store.read_now(subscribers.every):
            if self.clock.monotonic() < until:  # the slow ones rest, so the others have their turn the next time
                sent += self._turn(subscriber)
        return sent

    def _turn(self, subscriber: Subscriber) -> int:
        name = f"serving/{subscriber.id}"
        if not self.store.write_now(lambda uow: uow.lease(name, holder=self.holder, until=uow.at + TURN)):
            return 0
        try:
            return self._served(subscriber)
        finally:
            self.store.write_now(lambda uow: uow.lease(name, holder=self.holder, until=uow.at))

    def _served(self, subscriber: Subscriber) -> int:
        at = self.clock.now()
        if at >= (instant_of(subscriber.end) or datetime.max.replace(tzinfo=UTC)):
            self._became(subscriber, "off")
            return 0
        if at < (instant_of(subscriber.rests) or NEVER):
            return 0
        if subscriber.state == "requested":
            return self._shaken(subscriber)
        sent = 0
        while sent < AT_ONCE and (letter := self._next(subscriber)):
            got = self._delivered(subscriber, letter)
            if got is None:
                return sent
            sent += got
        return sent + self._beaten(subscriber)

    # ── letters ──────────────────────────────────────────────────────────────────────────────────
    def _next(self, subscriber: Subscriber) -> Letter | None:
        until = self.clock.now() + TURN
        return self.store.write_now(lambda uow: uow.take(holder=self.holder, until=until, ehr=subscriber.box))

    def _delivered(self, subscriber: Subscriber, letter: Letter) -> int | None:
        """1: told; 0: nothing to tell; None: it could not be told now."""
        about = f"{letter.type}/{letter.id}"

        def decided(uow: Uow) -> tuple[Subscriber, Seen | None]:
            now = subscribers.load(uow, subscriber.id) or subscriber
            seen = self._seen(uow, now, letter) if now.state == "active" and now.stamp == subscriber.stamp else None
            if seen is not None and seen.met and seen.version != subscribers.told(uow, now, about):
                self._noted(uow, now, letter)
                return now, seen
            uow.settle(letter, state="dropped", reason="unchanged" if seen else "withheld")
            if seen is not None:
                subscribers.tell(uow, now, about, seen.version)
            return now, None

        now, seen = self.store.write_now(decided)
        if seen is None:
            return 0
        event = f"{self.base}/{letter.type}/{seen.id}"
        if error := self._sent(now, "event-notification", number=now.events + 1, focus=event):
            self._failed(now, error, letter)
            return None

        def settled(uow: Uow) -> None:
            if uow.settle(letter, state="done"):
                subscribers.tell(uow, now, about, seen.version)
            self._through(uow, now, events=now.events + 1)

        self.store.write_now(settled)
        return 1

    def _seen(self, uow: Uow, subscriber: Subscriber, letter: Letter) -> Seen | None:
        """What the client of the subscriber sees of the letter's resource at this moment; None: nothing."""
        story, who = self.story(uow), self._who(uow, subscriber)
        if who is None:
            return None
        asked = [fhir.query(subscriber.type, parse_qsl(each.partition("?")[2], keep_blank_values=True)) for each in subscriber.asked]
        if who.role != "service":
            return _own(uow, story, who, letter, asked)
        return next((each for each in self._looks(uow, story, who, subscriber, asked, letter.lane) if each.look), None)

    def _looks(self, uow: Uow, story: Flows, who: Principal, subscriber: Subscriber, asked: list[Query], lane: str) -> Iterator[Seen]:
        window = story.window
        found, view = dossier.of_request(uow, lane), window.network.view_of(who.organisation)
        if found is None or view is None:
            return
        for known in window.dossiers(uow, who, view, pairwise(window.writer.key, found.owner, "Task", found.task["id"])):
            look = window.look(uow, who, view, known, lang="fr")
            if not look.decision.permit:
                window.told(uow, who, look, request_id="")
            for version in visible(uow, look, who, subscriber.type):
                yield Seen(version.id, str(version.number), any(matches(content(version), each) for each in asked), look)

    def _who(self, uow: Uow, subscriber: Subscriber) -> Principal | None:
        """Its client as the network file has it at this moment; None: nobody who may be told of this type."""
        story = self.story(uow)
        client = story.network.client(subscriber.client)
        if client is None or client.organisation != subscriber.organisation:
            return None
        if client.person and story.network.serving(client.person, uow.at) is None:
            return None
        try:
            who = of_client(story, client, scopes=frozenset(client.scopes))
        except Refused:
            return None
        return who if who.may(subscriber.type, "s") else None

    def _noted(self, uow: Uow, subscriber: Subscriber, letter: Letter) -> None:
        """The event stands before the call is made."""
        current = uow.current(letter.type, letter.id)
        patient = patient_of(content(current)) if current and not current.deleted else ""
        who = self._who(uow, subscriber) or _device(subscriber)
        what = f"{letter.type}/{letter.id}/_history/{letter.number}"
        uow.audit(events.act(who, "notify", what=what, patient=patient, at=uow.at, request_id=letter.request_id, details=[("subscription", subscriber.id)]))

    # ── handshake, heartbeat, end ────────────────────────────────────────────────────────────────
    def _shaken(self, subscriber: Subscriber) -> int:
        if self.store.read_now(lambda uow: self._who(uow, subscriber)) is None:
            return 0
        if error := self._sent(subscriber, "handshake"):
            self._became(subscriber, "error", reason=_reason(error))
            return 0

        def begun(uow: Uow) -> None:
            at = instant(uow.at)
            if subscribers.changed(uow, subscriber, state="active", begun=at, beat=at, events=0, misses=0, failing="", rests=""):
                self._baseline(uow, subscriber)
                self._stored(uow, subscriber, "active")

        self.store.write_now(begun)
        return 1

    def _baseline(self, uow: Uow, subscriber: Subscriber) -> None:
        """What a service's client sees when it begins: from then on a change is a change of that."""
        story, who = self.story(uow), self._who(uow, subscriber)
        view = story.window.network.view_of(subscriber.organisation)
        if who is None or who.role != "service" or view is None:
            return
        for each in story.window.dossiers(uow, who, view):
            ids = {"Task": each.task["id"], "ServiceRequest": each.lane}
            for version in visible(uow, story.window.look(uow, who, view, each, lang="fr"), who, subscriber.type):
                subscribers.tell(uow, subscriber, f"{subscriber.type}/{ids[subscriber.type]}", str(version.number))

    def _beaten(self, subscriber: Subscriber) -> int:
        """On a grid of its own from the beginning: a notification neither delays nor spares a beat."""
        now = self.store.read_now(lambda uow: subscribers.load(uow, subscriber.id)) or subscriber
        if not now.heartbeat or now.state != "active" or self.store.read_now(lambda uow: self._who(uow, now)) is None:
            return 0
        begun, at = instant_of(now.begun) or NEVER, self.clock.now()
        beat = begun + timedelta(seconds=(at - begun) // timedelta(seconds=now.heartbeat) * now.heartbeat)
        if beat <= (instant_of(now.beat) or NEVER):
            return 0
        if error := self._sent(now, "heartbeat", number=now.events):
            self._failed(now, error)
            return 0
        self.store.write_now(lambda uow: self._through(uow, now, beat=instant(beat)))
        return 1

    def _through(self, uow: Uow, subscriber: Subscriber, **more: object) -> None:
        subscribers.changed(uow, subscriber, misses=0, failing="", rests="", **more)

    def _failed(self, subscriber: Subscriber, error: EhrError, letter: Letter | None = None) -> None:
        """It is tried again, later each time; one that is gone, or away for too long, is in error."""
        at = self.clock.now()
        since = instant_of(subscriber.failing) or at
        if error.status_code == 410 or at - since >= GIVEN_UP:
            self._became(subscriber, "error", reason=_reason(error))
            return
        later = max(filter(None, (error.retry_at if isinstance(error, EhrUnavailable) else None, retry.later(subscriber.misses, self.clock))))

        def failed(uow: Uow) -> None:
            if letter is not None:
                uow.settle(letter, state="queued", due=later, reason="unavailable")
            subscribers.changed(uow, subscriber, misses=subscriber.misses + 1, failing=instant(since), rests=instant(later))

        self.store.write_now(failed)

    def _became(self, subscriber: Subscriber, state: str, *, reason: str = "") -> None:
        def became(uow: Uow) -> None:
            if subscribers.changed(uow, subscriber, state=state):
                subscribers.drop(uow, subscriber.id)
                self._stored(uow, subscriber, state, reason)

        self.store.write_now(became)

    def _stored(self, uow: Uow, subscriber: Subscriber, state: str, reason: str = "") -> None:
        """The Subscription says how it fares."""
        current = uow.current("Subscription", subscriber.id)
        if current is None or current.deleted:
            return
        found = {name: value for name, value in content(current).items() if name != "error"} | {"status": state} | ({"error": reason} if reason else {})
        self.story(uow).receive(uow, _device(subscriber), [Change("update", "Subscription", subscriber.id, found, origin="device")])

    # ── the call ─────────────────────────────────────────────────────────────────────────────────
    def _sent(self, subscriber: Subscriber, kind: str, *, number: int = 0, focus: str = "") -> EhrError | None:
        """None: it was answered with 2xx."""
        headers = self.store.read_now(lambda uow: self.story(uow).subscriptions.headers(subscriber))
        said = bundle(self.base, subscriber, kind, number=number, focus=focus, at=instant(self.clock.now()), id=self.clock.new_id())
        body = b"" if subscriber.kind == "rest-hook" else orjson.dumps(said)
        try:
            status = (self.tell or self._call)(subscriber, headers | ({"Content-Type": "application/fhir+json"} if body else {}), body)
        except EhrError as error:
            return error
        return None if 200 <= status < 300 else EhrRejected("a subscriber refused", status_code=status)

    def _call(self, subscriber: Subscriber, headers: dict[str, str], body: bytes) -> int:
        client = self.store.read_now(lambda uow: self.story(uow).network.client(subscriber.client))
        private = client is not None and client.hooks_private
        if not private and not subscriber.endpoint.startswith("https:"):
            raise EhrRejected("expected https")
        session = GuardedSession(allow=[subscriber.endpoint], clock=self.clock, limits=LIMITS, public=not private)
        try:
            return session.send("POST", subscriber.endpoint, headers=headers, body=body).status
        finally:
            session.close()


def _own(uow: Uow, story: Flows, who: Principal, letter: Letter, asked: list[Query]) -> Seen | None:
    """For a clinic's client its own rows are what it sees, but for what a deny closes."""
    only = Clause("_id", "id", (letter.id,))
    every = story.window.limited(who, Query(letter.type, (only,)))
    found = next(iter(uow.search(every) if every else []), None)
    if found is None or story.own.closed(uow, who, [found], "s"):
        return None
    return Seen(found.id, str(found.number), any(matches(content(found), each) for each in asked))


def bundle(base: str, subscriber: Subscriber, kind: str, *, number: int, focus: str, at: str, id: str) -> Resource:
    """An id-only notification of the R5 backport: a Bundle of type history whose first entry is the status; `id`: of that. Whatever
    happened, it is told as a PUT: what did is for the reader to find."""
    place = f"{base}/Subscription/{subscriber.id}"
    entry: list[Resource] = [
        {
            "fullUrl": f"urn:uuid:{id}", "resource": status(base, subscriber, kind, number=number, focus=focus, at=at),
            "request": {"method": "GET", "url": f"{place}/$status"}, "response": {"status": "200"},
        }
    ]  # fmt: skip
    if focus:
        entry.append({"fullUrl": focus, "request": {"method": "PUT", "url": focus.removeprefix(f"{base}/")}, "response": {"status": "200"}})
    profile = f"{BACKPORT}/backport-subscription-notification-r4"
    return {"resourceType": "Bundle", "meta": {"profile": [profile]}, "type": "history", "timestamp": at, "entry": entry}


def status(base: str, subscriber: Subscriber, kind: str, *, number: int, focus: str = "", at: str) -> Resource:
    """The status of a Subscription as the backport says it in R4. `number`: of notifications so far."""
    said: list[Resource] = [
        {"name": "subscription", "valueReference": {"reference": f"{base}/Subscription/{subscriber.id}"}},
        *([{"name": "topic", "valueCanonical": subscriber.topic}] if subscriber.topic else []),
        {"name": "status", "valueCode": subscriber.state}, {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(number)},
    ]  # fmt: skip
    if focus:
        part: list[Resource] = [{"name": "event-number", "valueString": str(number)}, {"name": "timestamp", "valueInstant": at}]
        said.append({"name": "notification-event", "part": [*part, {"name": "focus", "valueReference": {"reference": focus}}]})
    return {"resourceType": "Parameters", "meta": {"profile": [f"{BACKPORT}/backport-subscription-status-r4"]}, "parameter": said}


def _device(subscriber: Subscriber) -> Principal:
    return Principal("liaison", subscriber.organisation, role="device")


def _reason(error: EhrError) -> str:
    return f"answered {error.status_code}" if error.status_code else "not reached"
