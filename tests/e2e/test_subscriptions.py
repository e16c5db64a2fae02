"""Subscriptions both ways over real sockets: an EHR tells us, and we tell the software of a social service."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapter.doctor import examined
from adapter.network import EhrEntry, Secret
from adapter.subscribed import fares
from tests.e2e.away import edit, known
from tests.e2e.records import VIEW
from tests.e2e.stage import CLINIC, COURSIER, Stage
from tests.hooked import hooked, subscribed
from tests.unit.sync.test_serving import MORE, wanted
from tests.unit.web.conftest import SECRET, Door


@dataclass
class Software:
    """What a social service's own software hears at its hook."""

    url: str = ""
    connections: int = 0
    heard: list[tuple[str, Any]] = field(default_factory=list)  # Authorization, body


@pytest.fixture
def software() -> Iterator[Software]:
    found = Software()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.heard.append((self.headers.get("Authorization", ""), json.loads(body) if body else None))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    class Counting(HTTPServer):
        def verify_request(self, request: Any, client_address: Any) -> bool:
            found.connections += 1
            return True

        def handle_error(self, request: Any, client_address: Any) -> None: ...

    server = Counting(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def allowed(stage: Stage, file: Path, *, private: bool) -> Door:
    file.write_text(SECRET)
    network = stage.app.network
    clients = tuple(
        replace(each, secret=Secret(file=str(file)), scopes=(*each.scopes, *MORE), hooks_private=private) for each in network.clients
    )
    stage.app.apply_network(replace(network, clients=clients))
    return Door(stage)


@pytest.mark.parametrize("kind", ["rest-hook", "backport"])
def test_change_in_the_ehr_reaches_the_software_of_the_service_by_two_notifications(kind: str, software: Software, tmp_path: Path) -> None:
    with hooked(kind) as stage:
        door = allowed(stage, tmp_path / "secret", private=True)
        id = known(stage)
        subscribed(stage)
        stage.pull()
        stage.clock.tick(timedelta(minutes=1))
        made = door("POST", "/fhir/Subscription", json=wanted(endpoint=software.url), headers=door.token("coursiers"))
        assert made.status_code == 201
        stage.app.served.run()
        assert [each["valueCode"] for each in software.heard[0][1]["entry"][0]["resource"]["parameter"] if each["name"] == "type"] == ["handshake"]

        edit(stage, "Task", priority="stat")  # nothing of it is ours to take
        stage.ehr.hooks.deliver()
        stage.app.wiring.listen(CLINIC)
        stage.app.served.run()
        before = len(software.heard)
        stage.clock.tick(timedelta(minutes=1))
        edit(stage, "Task", status="cancelled")  # the practice takes the referral back, in its own software
        stage.ehr.hooks.deliver()
        stage.app.wiring.listen(CLINIC)
        stage.app.served.run()

        authorization, said = software.heard[-1]
        assert len(software.heard) == before + 1 and authorization == "Bearer zyx-hook-secret"
        place = said["entry"][1]["fullUrl"]
        assert place == f"{stage.app.fhir_base}/Task/{id}"
        read = door("GET", place.removeprefix(stage.app.settings.url), headers=door.token("coursiers"))
        assert read.status_code == 200 and read.json()["status"] == "cancelled"
        assert stage.see(COURSIER, VIEW, id) is not None
        stage.app.served.run()
        assert len(software.heard) == before + 1


def test_address_of_the_house_is_called_only_where_the_network_file_allows_it(software: Software, tmp_path: Path) -> None:
    with hooked("") as stage:
        door = allowed(stage, tmp_path / "secret", private=True)
        made = door("POST", "/fhir/Subscription", json=wanted(endpoint=software.url), headers=door.token("coursiers"))
        stage.app.served.run()
        assert len(software.heard) == software.connections == 1
        allowed(stage, tmp_path / "secret", private=False)
        stage.sent()
        stage.app.served.run()
        again = door("POST", "/fhir/Subscription", json=wanted(endpoint=software.url), headers=door.token("coursiers"))
        there = door("POST", "/fhir/Subscription", json=wanted(endpoint=software.url.replace("http:", "https:")), headers=door.token("coursiers"))
        stage.app.served.run()
        assert software.connections == 1, "not a byte was sent, not even to ask who is there"
        assert (made.status_code, again.status_code, there.status_code) == (201, 422, 201)
        read = door("GET", f"/fhir/Subscription/{there.json()['id']}", headers=door.token("coursiers"))
        assert read.json()["status"] == "error" and read.json()["error"] == "not reached"


def test_jobs_of_a_process_do_both(tmp_path: Path) -> None:
    with hooked("rest-hook") as stage:
        names = {*stage.app.jobs._chores}
        assert {f"subscribe-{CLINIC}", f"heard-{CLINIC}", "subscribers"} <= names


def test_doctor_says_how_our_subscriptions_fare() -> None:
    with hooked("backport") as stage:
        assert _said(stage) == ("warning", "not in force: not asked for yet; it is polled as ever")
        stage.app.wiring.subscribing[CLINIC].look()
        assert _said(stage) == ("warning", "not in force: asked; it is polled as ever")
        subscribed(stage)
        assert _said(stage) == ("ok", "2 in force")
        well, text, fix = fares("http://liaison.example", EhrEntry(CLINIC, "https://ehr.example/fhir"), ["active"])
        assert not well and "not https" in text and "LIAISON_PUBLIC_URL" in fix
    with hooked("") as stage:
        assert "subscriptions" not in {each.name for each in examined(stage.app)}


def _said(stage: Stage) -> tuple[str, str]:
    (found,) = (each for each in examined(stage.app) if each.name == "subscriptions")
    return found.state, found.text
