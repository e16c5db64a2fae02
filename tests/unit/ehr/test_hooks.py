"""Subscriptions of the FakeEhr: R4 rest-hook and the R5 backport, and what goes wrong with them (Y-13, Y-14, Y-15)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from adapter.clock import FrozenClock
from adapter.ehr.fake import FakeEhr, Fault
from adapter.ehr.fake.hooks import BACKPORT
from tests.unit.ehr.raw import call
from tests.unit.ehr.shapes import task

TOPIC = "https://ehr.example/SubscriptionTopic/task"


@dataclass
class Subscriber:
    """Hears notifications and answers `status`."""

    url: str = ""
    status: int = 200
    heard: list[tuple[str, str, str, Any]] = field(default_factory=list)  # method, path, Authorization, body

    def numbers(self) -> list[str]:
        """The event numbers of the notifications of the backport that came."""
        parts = [part for *_, body in self.heard for part in body["entry"][0]["resource"]["parameter"] if part["name"] == "notification-event"]
        return [one["valueString"] for part in parts for one in part["part"] if one["name"] == "event-number"]

    def types(self) -> list[str]:
        return [part["valueCode"] for *_, body in self.heard for part in body["entry"][0]["resource"]["parameter"] if part["name"] == "type"]


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    found = Subscriber()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.heard.append((self.command, self.path, self.headers.get("Authorization", ""), json.loads(body) if body else None))
            self.send_response(found.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_POST

        def log_message(self, format: str, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def plain(url: str, criteria: str = "Task?status=requested", **channel: Any) -> Any:
    return {
        "resourceType": "Subscription", "status": "requested", "reason": "sync", "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": url, "header": ["Authorization: Bearer s3cret"], **channel},
    }  # fmt: skip


def backport(url: str, **more: Any) -> Any:
    found = plain(url, TOPIC, payload="application/fhir+json")
    found["_criteria"] = {"extension": [{"url": f"{BACKPORT}/backport-filter-criteria", "valueString": "Task?owner=Organization/o"}]}
    found["channel"]["_payload"] = {"extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": "id-only"}]}
    return found | more


def owned(value: str, **more: Any) -> Any:
    return task(value, owner={"reference": "Organization/o"}, **more)


@pytest.fixture
def subscribed(ehr: FakeEhr, subscriber: Subscriber) -> FakeEhr:
    """An EHR that one subscriber of the backport hears, handshake done."""
    assert call(ehr, "POST", "Subscription", backport(subscriber.url)).status == 201
    ehr.hooks.deliver()
    assert subscriber.types() == ["handshake"]
    subscriber.heard.clear()
    return ehr


def test_rest_hook_pings_without_content(ehr: FakeEhr, subscriber: Subscriber) -> None:
    id = call(ehr, "POST", "Subscription", plain(subscriber.url)).body["id"]
    ehr.hooks.deliver()
    assert (ehr.get("Subscription", id) or {})["status"] == "active" and subscriber.heard == []
    ehr.plant(task("T1"), task("T2", status="accepted"))
    ehr.hooks.deliver()
    assert subscriber.heard == [("POST", "/hook", "Bearer s3cret", None)]


def test_rest_hook_with_payload_puts_the_resource(ehr: FakeEhr, subscriber: Subscriber) -> None:
    ehr.plant(plain(subscriber.url, payload="application/fhir+json"))
    ehr.hooks.deliver()
    ehr.plant(task(id="t"))
    ehr.hooks.deliver()
    [(method, path, _, body)] = subscriber.heard
    assert (method, path, body["id"]) == ("PUT", "/hook/Task/t", "t")


def test_backport_tells_ids_only(subscribed: FakeEhr, subscriber: Subscriber) -> None:
    subscribed.plant(owned("T1", id="t"), task("of another"))
    subscribed.hooks.deliver()
    [(method, path, secret, body)] = subscriber.heard
    assert (method, path, secret, body["type"]) == ("POST", "/hook", "Bearer s3cret", "history")
    said = {part["name"]: part for part in body["entry"][0]["resource"]["parameter"]}
    assert said["topic"]["valueCanonical"] == TOPIC and said["events-since-subscription-start"]["valueString"] == "1"
    focus = {part["name"]: part for part in said["notification-event"]["part"]}["focus"]["valueReference"]["reference"]
    assert focus == body["entry"][1]["fullUrl"] == f"{subscribed.base_url}/Task/t"
    assert "resource" not in body["entry"][1] and "requested" not in json.dumps(body)


def test_handshake_that_is_refused_ends_in_error(ehr: FakeEhr, subscriber: Subscriber) -> None:
    subscriber.status = 403
    id = call(ehr, "POST", "Subscription", backport(subscriber.url)).body["id"]
    ehr.hooks.deliver()
    found = ehr.get("Subscription", id) or {}
    assert (found["status"], found["error"]) == ("error", "handshake: 403")
    ehr.plant(owned("T1"))
    assert ehr.hooks.deliver() == []


def test_heartbeat_and_status_tell_how_many_events_there_were(subscribed: FakeEhr, subscriber: Subscriber) -> None:
    subscribed.inject(Fault("lose", on="NOTIFY Task/*"))
    subscribed.plant(owned("T1"))
    subscribed.hooks.deliver()
    subscribed.hooks.heartbeat()
    assert subscriber.types() == ["heartbeat"]
    said = {part["name"]: part for part in subscriber.heard[0][3]["entry"][0]["resource"]["parameter"]}
    assert said["events-since-subscription-start"]["valueString"] == "1"  # so one was lost
    [subscription] = subscribed.all("Subscription")
    status = call(subscribed, "GET", f"Subscription/{subscription['id']}/$status").body["entry"][0]["resource"]
    assert {part["name"]: part for part in status["parameter"]}["type"]["valueCode"] == "query-status"
    assert call(subscribed, "GET", "Subscription/none/$status").status == 404


def test_subscription_ends_when_it_said(ehr: FakeEhr, subscriber: Subscriber, clock: FrozenClock) -> None:
    ehr.plant(plain(subscriber.url) | {"end": "2026-03-02T18:00:00Z"})
    ehr.hooks.deliver()
    clock.tick(timedelta(minutes=10))
    ehr.plant(task())
    assert ehr.hooks.deliver() == []


def test_notification_is_lost_repeated_or_late_Y_13_Y_14(subscribed: FakeEhr, subscriber: Subscriber) -> None:
    subscribed.inject(Fault("lose", on="NOTIFY Task/a"), Fault("delay", on="NOTIFY Task/b"), Fault("repeat", on="NOTIFY Task/c"))
    subscribed.plant(*(owned(name, id=name) for name in "abcd"))
    subscribed.hooks.deliver()
    assert subscriber.numbers() == ["3"] * 5 + ["4", "2"]


def test_notification_of_an_older_version_comes_after_the_newer_Y_13(subscribed: FakeEhr, subscriber: Subscriber) -> None:
    subscribed.inject(Fault("delay", on="NOTIFY Task/t"))
    subscribed.plant(owned("T1", id="t"))
    subscribed.edit("Task", "t", {"status": "accepted"})
    subscribed.hooks.deliver()
    assert subscriber.numbers() == ["2", "1"]


def test_notification_is_forged_unsigned_or_replayed_Y_15(subscribed: FakeEhr, subscriber: Subscriber) -> None:
    subscribed.inject(Fault("forge", on="NOTIFY Task/a"), Fault("unsigned", on="NOTIFY Task/b"))
    subscribed.plant(*(owned(name, id=name) for name in "abc"))
    subscribed.hooks.deliver()
    assert [secret for _, _, secret, _ in subscriber.heard] == ["Bearer forged", "", "Bearer s3cret"]
    subscribed.hooks.replay()
    assert subscriber.numbers() == ["1", "2", "3", "3"]


def test_notification_nobody_takes_is_given_up_Y_14(subscribed: FakeEhr, subscriber: Subscriber) -> None:
    subscriber.status = 503
    subscribed.plant(owned("T1"))
    assert [each.status for each in subscribed.hooks.deliver()] == [503]
    subscriber.status = 200
    assert subscribed.hooks.deliver() == []
    [subscription] = subscribed.all("Subscription")
    subscribed.edit("Subscription", subscription["id"], lambda one: one["channel"].update(endpoint="http://127.0.0.1:9/none"))
    subscribed.plant(owned("T2"))
    assert [each.status for each in subscribed.hooks.deliver()] == [0]


def test_notifications_go_out_by_themselves_where_the_server_is_said_to(clock: FrozenClock, subscriber: Subscriber) -> None:
    with FakeEhr(clock=clock, notify_at_once=True) as ehr:
        call(ehr, "POST", "Subscription", backport(subscriber.url))
        call(ehr, "POST", "Task", task(owner={"reference": "Organization/o"}))  # nobody there yet: refused as dangling
        call(ehr, "PUT", "Organization/o", {"resourceType": "Organization", "id": "o", "name": "O"})
        call(ehr, "POST", "Task", owned("T1"))
        call(ehr, "GET", "metadata")
        while len(subscriber.heard) < 2:
            call(ehr, "GET", "metadata")
    assert subscriber.types() == ["handshake", "event-notification"]


def test_what_was_rolled_back_is_not_told(subscribed: FakeEhr) -> None:
    bad = {"resource": task(status="nonsense"), "request": {"method": "POST", "url": "Task"}}
    subscribed.plant({"resourceType": "Organization", "id": "o"})
    good = {"resource": owned("T1"), "request": {"method": "POST", "url": "Task"}}
    assert call(subscribed, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [good, bad]}).status == 400
    assert subscribed.hooks.waiting == []
