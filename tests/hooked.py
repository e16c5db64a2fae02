"""A Liaison that an EHR beside it can call: its doors on a port of this machine, for as long as a test."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx

from adapter import web
from adapter.ports import Resource
from adapter.sync import heard, subscribing
from tests.e2e.away import edit
from tests.e2e.stage import CLINIC, Stage, staged

CALLER = httpx.Client(verify=False)  # plain http, and no certificates to load
LATER = timedelta(seconds=11)  # more than heard.SOONEST


@contextmanager
def hooked(kind: str = "rest-hook", database: str = "sqlite://") -> Iterator[Stage]:
    """A stage whose EHR has Subscriptions of this kind ("": none), and reaches the stage's doors."""
    doors: list[httpx.AsyncClient] = []

    class Bridge(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))

            async def call() -> httpx.Response:
                return await doors[0].request(self.command, self.path, content=body, headers=dict(self.headers))

            answer = runner.run(call())
            self.send_response(answer.status_code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_POST

        def log_message(self, format: str, *args: Any) -> None: ...

    server, runner = HTTPServer(("127.0.0.1", 0), Bridge), asyncio.Runner()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with staged(database, LIAISON_PUBLIC_URL=f"http://127.0.0.1:{server.server_port}") as stage:
            doors.append(httpx.AsyncClient(transport=httpx.ASGITransport(app=web.create(stage.app)), base_url="http://liaison.example"))
            told(stage, kind)
            yield stage
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        runner.close()


def told(stage: Stage, kind: str) -> None:
    """The network file says from now on that the EHR tells of changes so."""
    network = stage.app.network
    changed = tuple(
        replace(each, ehr=replace(each.ehr, subscriptions=kind)) if each.key == CLINIC and each.ehr else each  # type: ignore[arg-type]
        for each in network.organisations
    )
    stage.app.apply_network(replace(network, organisations=changed))


def subscribed(stage: Stage) -> None:
    """Our Subscriptions are made there and in force."""
    stage.app.wiring.subscribing[CLINIC].look()
    stage.ehr.hooks.deliver()
    stage.app.wiring.subscribing[CLINIC].look()


def ours(stage: Stage) -> list[Resource]:
    found: list[Resource] = stage.ehr.all("Subscription")
    return found


def look(stage: Stage) -> int:
    return stage.app.wiring.subscribing[CLINIC].look()


def noted(stage: Stage) -> dict[str, list[str]]:
    return stage.app.read_now(lambda _, uow: heard.heard(uow, CLINIC))


def listen(stage: Stage) -> int:
    """What the job that listens does; how many requests the EHR got by it."""
    before = len(stage.ehr.requests)
    stage.app.wiring.listen(CLINIC)
    return len(stage.ehr.requests) - before


def pulled(stage: Stage) -> None:
    """All that was said until now was asked for."""
    stage.pull()
    stage.clock.tick(LATER)
    assert noted(stage) == {}


def accepted(stage: Stage, **elements: Any) -> None:
    """The practice writes something on the Task in its EHR; the EHR tells."""
    edit(stage, "Task", **elements or {"priority": "stat"})
    stage.ehr.hooks.deliver()


def counts(stage: Stage) -> dict[str, int]:
    return stage.app.read_now(lambda _, uow: uow.added(subscribing.REFUSED))


def events(stage: Stage, reason: str) -> int:
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    return sum(json.loads(row.event).get("outcomeDesc") == reason for row in rows)


def call(stage: Stage, path: str, **given: Any) -> int:
    return CALLER.post(f"{stage.app.settings.url}{path}", **given).status_code


def hook(stage: Stage) -> str:
    return str(ours(stage)[0]["channel"]["endpoint"]).removeprefix(stage.app.settings.url)
