"""The stage of the demonstration: a Liaison behind real HTTP, an EHR beside it, people with tokens. All persons are invented."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from adapter.clock import FrozenClock, SystemClock
from adapter.errors import SettingsError
from adapter.network import Secret
from adapter.ports import EhrClient, Remote, Resource

if TYPE_CHECKING:
    from adapter.app import App

FRIDAY = datetime(2026, 3, 6, 18, 50, tzinfo=ZoneInfo("Europe/Paris"))
CLINIC = "msp-saint-eloi"
SECRET = "a secret of the demonstration"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


@dataclass
class Stage:
    """What a step has in hand. `http` goes through the doors as the given client; `ehr` reads back what the EHR holds."""

    app: App
    base: str
    ehr: EhrClient
    prefix: str
    kept: Path | None
    record: dict[str, Any] | None = None
    mapping: str = "appel-coursier"
    notes: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    lang: str = "fr"

    def http(self, method: str, path: str, *, client: str = "", body: Any = None, match: str = "") -> Answer:
        headers = {"Accept-Language": self.lang, "Content-Type": "application/json"}
        if client:
            headers["Authorization"] = f"Bearer {self.token(client)}"
        if match:
            headers["If-Match"] = match
        return self._asked(method, path, headers, None if body is None else json.dumps(body))

    def token(self, client: str) -> str:
        if client not in self.tokens:
            basic = base64.b64encode(f"{client}:{SECRET}".encode()).decode()
            form = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
            answer = self._asked("POST", "/oauth/token", form, urlencode({"grant_type": "client_credentials"}))
            self.tokens[client] = answer.body["access_token"]
        return self.tokens[client]

    def _asked(self, method: str, path: str, headers: dict[str, str], body: str | None) -> Answer:
        where = urlsplit(self.base)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            found = connection.getresponse()
            text = found.read()
            if self.kept:
                with (self.kept / "answers.ndjson").open("a", encoding="utf-8") as file:
                    told = {"client": self._client(headers), "method": method, "path": path, "status": found.status, "body": text.decode()}
                    file.write(json.dumps(told, ensure_ascii=False) + "\n")
            return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, json.loads(text) if text else None)
        finally:
            connection.close()

    def _client(self, headers: dict[str, str]) -> str:
        given = headers.get("Authorization", "").partition(" ")[2]
        return next((client for client, token in self.tokens.items() if token == given), "")

    def push(self) -> int:
        return self.app.wiring.push.drain(1000)

    def pull(self) -> None:
        self.app.wiring.pulls[CLINIC].run(now=True)

    def there(self, type: str, id: str = "") -> list[Resource]:
        """What the EHR holds of ours: of one kind, or the one with our id."""
        kind = {"ServiceRequest": "request"}.get(type, type.lower())
        value = f"{self.app.systems.sid(kind)}|{id}"
        return [remote.resource for page in self.ehr.search(type, [("identifier", value)]) for remote in page]

    def remote(self, type: str, id: str) -> Remote | None:
        found = self.there(type, id)
        return self.ehr.read(type, found[0]["id"]) if len(found) == 1 else None


@contextmanager
def opened(*, ehr_url: str, folder: Path, kept: Path | None, lang: str) -> Iterator[Stage]:
    """A stage in `folder`, on a clock that stands at Friday 18:50. Raises SettingsError, EhrError."""
    from adapter import network
    from adapter.app import build
    from adapter.ehr.fake import FakeEhr
    from adapter.settings import load_settings, mappings_folder
    from adapter.store import upgrade

    clock = FrozenClock(FRIDAY)
    prefix = SystemClock().new_id()[:8] if ehr_url else ""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    settings = load_settings({}, {"database_url": f"sqlite:///{folder / 'liaison.db'}", "secret_key": "k" * 40, "port": port})
    upgrade(settings.database_url)
    (folder / "secret").write_text(SECRET)
    fake = None if ehr_url else FakeEhr(folder=folder, clock=clock).start()
    try:
        app = build(settings, clock=clock)
        found = network.parse((mappings_folder(settings) / "demo" / "network.yaml").read_text(encoding="utf-8"), file="demo/network.yaml")
        url = ehr_url or (fake.base_url if fake else "")
        moved = tuple(replace(each, ehr=replace(each.ehr, url=url.rstrip("/"))) if each.ehr else each for each in found.organisations)
        clients = tuple(replace(each, secret=Secret(file=str(folder / "secret"))) for each in found.clients)
        app.apply_network(replace(found, organisations=moved, clients=clients))
        with serving(app, listener):
            yield Stage(app, f"http://127.0.0.1:{port}", app.clients[CLINIC], prefix, kept, lang=lang)
    finally:
        if fake:
            fake.stop()


@contextmanager
def serving(app: App, listener: socket.socket) -> Iterator[None]:
    """The doors on that socket, in a thread."""
    import uvicorn

    from adapter.web import create

    server = uvicorn.Server(uvicorn.Config(create(app), log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            thread.join(0.02)
            if not thread.is_alive():
                raise SettingsError("the server could not start", fix="see the log")
        yield
    finally:
        server.should_exit = True
        thread.join()
