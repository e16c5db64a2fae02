"""FakeEhr: a small real FHIR R4 server on loopback, with faults on demand and a memory of what it was sent."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl

from adapter.clock import Clock, SystemClock, instant
from adapter.ehr.fake import bundles
from adapter.ehr.fake.faults import Fault, blinded, spoiled
from adapter.ehr.fake.hold import hold
from adapter.ehr.fake.interactions import Interactions
from adapter.ehr.fake.listener import Handler, Server
from adapter.ehr.fake.tokens import Guard
from adapter.ehr.fake.versions import Versions
from adapter.ehr.fake.wire import Asked, Refusal, Reply, Resource
from adapter.errors import SettingsError

LOG = "ehr-requests.ndjson"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request as it came. `path` is that of the URL with its query; secrets are replaced by "***"."""

    at: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeEhr:
    """`with FakeEhr() as ehr:` listens on `ehr.base_url` until the block ends.

    `folder`: where versions and the record of requests survive (`ehr-versions.ndjson`, `ehr-requests.ndjson`).
    `guard`: who may come in (tokens.py). `opaque_versions`: version ids that are no numbers.
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        port: int = 0,
        clock: Clock | None = None,
        faults: Iterable[Fault] = (),
        guard: Guard | None = None,
        check_references: bool = True,
        opaque_versions: bool = False,
    ) -> None:
        self.clock = clock or SystemClock()
        self.faults = list(faults)
        self.guard = guard
        self.requests: list[Recorded] = []
        self._lock = threading.RLock()
        self._log = _writable(folder) / LOG if folder else None
        self._held = hold(folder) if folder else None
        try:
            self._versions = Versions(clock=self.clock, folder=folder, opaque=opaque_versions)
            self._server = self._listening(port)
        except BaseException:
            self._release()
            raise
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.base_url = f"{self.origin}/fhir"
        self.token_url = f"{self.origin}/auth/token"
        self._fhir = Interactions(self._versions, base=self.base_url, check_references=check_references)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="fake-ehr", daemon=True)

    def _listening(self, port: int) -> Server:
        try:
            return Server(("127.0.0.1", port), Handler, self)
        except OSError:
            raise SettingsError(f"port {port} cannot be used", variable="port", fix="choose another port, or 0 for any") from None

    # ── life ─────────────────────────────────────────────────────────────────────────────────────
    def __enter__(self) -> FakeEhr:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> FakeEhr:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends every connection, held ones too."""
        for fault in self.faults:
            fault.event.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.end_connections()
        self._server.server_close()
        self._release()

    def _release(self) -> None:
        if self._held:
            self._held.close()

    # ── what a test or a clinician does directly ─────────────────────────────────────────────────
    def inject(self, *faults: Fault) -> None:
        with self._lock:
            self.faults += faults

    def plant(self, *resources: Resource) -> list[Resource]:
        """Puts resources there, with their own ids or new ones, unchecked. Gives them as stored."""
        with self._lock:
            kept = [self._versions.add(one["resourceType"], one.get("id") or self._versions.new_id(), one, "PUT") for one in resources]
        return [cast(Resource, one.resource) for one in kept]

    def edit(self, type: str, id: str, change: Callable[[Resource], object] | Mapping[str, Any]) -> Resource:
        """A clinician changes it in the EHR: `change` edits a copy in place, or gives elements to set (None: remove)."""
        with self._lock:
            resource = self.get(type, id)
            if resource is None:
                raise KeyError(f"{type}/{id}")
            if isinstance(change, Mapping):
                resource = {key: part for key, part in {**resource, **change}.items() if part is not None}
            else:
                change(resource)
            return self.plant(resource)[0]

    def delete(self, type: str, id: str) -> None:
        with self._lock:
            self._versions.add(type, id, None, "DELETE")

    def get(self, type: str, id: str) -> Resource | None:
        """The current content (a copy); None when absent or deleted."""
        with self._lock:
            kept = self._versions.current(type, id)
            return json.loads(json.dumps(kept.resource)) if kept and kept.resource else None

    def all(self, type: str) -> list[Resource]:
        """Current contents of a type (copies), oldest first."""
        with self._lock:
            return [json.loads(json.dumps(kept.resource)) for kept in self._versions.all(type)]

    def history(self, type: str, id: str) -> list[Resource | None]:
        """Oldest first; None where a version is a deletion."""
        with self._lock:
            return [kept.resource for kept in self._versions.history(type, id)]

    # ── what a request meets ─────────────────────────────────────────────────────────────────────
    def record(self, asked: Asked, target: str) -> None:
        secret = {"authorization", "cookie", self.guard.header if self.guard else ""}
        headers = {name: "***" if name in secret else text for name, text in asked.headers.items()}
        body = "***" if target.startswith("/auth/") else asked.body.decode("utf-8", "replace")
        recorded = Recorded(instant(self.clock.now()), asked.method, target, headers, body)
        with self._lock:
            self.requests.append(recorded)
            if self._log:
                row = {"at": recorded.at, "method": recorded.method, "path": target, "headers": headers, "body": body}
                with self._log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def struck(self, asked: Asked) -> list[Fault]:
        with self._lock:
            return [fault for fault in self.faults if fault.strikes(asked)]

    def reply(self, asked: Asked, faults: Iterable[Fault] = ()) -> Reply:
        """The reply to a FHIR request, faults of content included."""
        if asked.path == ".well-known/smart-configuration":
            return Reply(200, self._smart())
        if self.guard and asked.path != "metadata" and not self.guard.admits(asked.headers):
            refused = Refusal(401, "login", "a token is needed").reply()
            return Reply(401, refused.body, {"WWW-Authenticate": "Bearer"})
        for fault in faults:
            asked = blinded(asked, fault.kind)
        with self._lock:
            reply = bundles.answer(self._fhir, asked)
        if "return=minimal" in asked.headers.get("prefer", "") and asked.method in ("POST", "PUT", "PATCH") and reply.status < 300:
            reply = Reply(reply.status, None, reply.headers) if asked.path else reply
        for fault in faults:
            reply = spoiled(reply, fault.kind, method=asked.method, location=fault.location, struck=fault.struck)
        return reply

    def _smart(self) -> Resource:
        return {
            "token_endpoint": self.token_url,
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
            "scopes_supported": ["system/*.cruds"],
            "capabilities": ["client-confidential-asymmetric"],
        }

    def token(self, asked: Asked) -> Reply:
        if self.guard is None:
            return Reply(404)
        with self._lock:
            return self.guard.token(dict(parse_qsl(asked.body.decode("utf-8", "replace"))), asked.headers, self.token_url)


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOG).open("a"):
            pass
    except OSError:
        raise SettingsError(f"cannot write in {folder}", variable="--data", fix="name a folder that you may write in") from None
    return folder


def serve(folder: Path | None, port: int, *, ready: Callable[[FakeEhr], None], until: threading.Event | None = None) -> None:
    """Runs a FakeEhr until `until` is set or Ctrl-C; `ready` is called once it listens. Raises SettingsError."""
    with FakeEhr(folder=folder, port=port) as ehr, contextlib.suppress(KeyboardInterrupt):
        ready(ehr)
        (until or threading.Event()).wait()
