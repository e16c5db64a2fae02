"""FakeEhr: a small real FHIR R4 server on loopback, with faults on demand and a memory of what it was sent."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl

from adapter.clock import Clock, SystemClock, instant
from adapter.ehr.fake import bundles
from adapter.ehr.fake.faults import Fault
from adapter.ehr.fake.hold import hold
from adapter.ehr.fake.hooks import Hooks
from adapter.ehr.fake.interactions import Interactions
from adapter.ehr.fake.listener import Handler, Server
from adapter.ehr.fake.skew import Skewed
from adapter.ehr.fake.spoiling import blinded, spoiled
from adapter.ehr.fake.tokens import Guard
from adapter.ehr.fake.versions import Kept, Snapshot, Versions
from adapter.ehr.fake.wire import Asked, Refusal, Reply, Resource
from adapter.errors import SettingsError

LOG = "ehr-requests.ndjson"
_STATUS = re.compile(r"Subscription/([^/]+)/\$status")


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
    `faults`: what goes wrong and when (faults.py). `guard`: who may come in (tokens.py). `ahead`: how much its clock is before
    the one given (behind: negative), to be changed at any time. `opaque_versions`: version ids that are no numbers.
    `tls`: speak HTTPS with this certificate (one that ended, one nobody trusts).
    `notify_at_once`: notifications go out after each request; else when `hooks.deliver()` is called (hooks.py).
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
        ahead: timedelta = timedelta(),
        notify_at_once: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.clock = Skewed(clock or SystemClock(), ahead)
        self.notify_at_once = notify_at_once
        self.faults = list(faults)
        self.guard = guard
        self.requests: list[Recorded] = []
        self.lock = threading.RLock()
        self._log = _writable(folder) / LOG if folder else None
        self._held = hold(folder) if folder else None
        try:
            self._versions = Versions(clock=self.clock, folder=folder, opaque=opaque_versions)
            self._server = self._listening(port, tls)
        except BaseException:
            self._release()
            raise
        self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"
        self.base_url = f"{self.origin}/fhir"
        self.token_url = f"{self.origin}/auth/token"
        self._fhir = Interactions(self._versions, base=self.base_url, clock=self.clock, check_references=check_references)
        self.hooks = Hooks(self)
        self._versions.told = self.hooks.noted
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="fake-ehr", daemon=True)

    def _listening(self, port: int, tls: ssl.SSLContext | None) -> Server:
        try:
            return Server(("127.0.0.1", port), Handler, self, tls)
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
        with self.lock:
            self.faults += faults

    def plant(self, *resources: Resource, at: datetime | None = None) -> list[Resource]:
        """Puts resources there, with their own ids or new ones, unchecked. Gives them as stored. `at`: their lastUpdated, where
        it is not now (a transaction that commits late, a version with an earlier time than its elder)."""
        when = instant(at) if at else ""
        with self.lock:
            kept = [self._versions.add(one["resourceType"], one.get("id") or self._versions.new_id(), one, "PUT", updated=when) for one in resources]
        return [cast(Resource, one.resource) for one in kept]

    def edit(self, type: str, id: str, change: Callable[[Resource], object] | Mapping[str, Any]) -> Resource:
        """A clinician changes it in the EHR: `change` edits a copy in place, or gives elements to set (None: remove)."""
        with self.lock:
            resource = self.get(type, id)
            if resource is None:
                raise KeyError(f"{type}/{id}")
            if isinstance(change, Mapping):
                resource = {key: part for key, part in {**resource, **change}.items() if part is not None}
            else:
                change(resource)
            return self.plant(resource)[0]

    def delete(self, type: str, id: str) -> None:
        with self.lock:
            self._versions.add(type, id, None, "DELETE")

    def get(self, type: str, id: str) -> Resource | None:
        """The current content (a copy); None when absent or deleted."""
        with self.lock:
            kept = self._versions.current(type, id)
            return json.loads(json.dumps(kept.resource)) if kept and kept.resource else None

    def all(self, type: str) -> list[Resource]:
        """Current contents of a type (copies), oldest first."""
        with self.lock:
            return [json.loads(json.dumps(kept.resource)) for kept in self._versions.all(type)]

    def history(self, type: str, id: str) -> list[Resource | None]:
        """Oldest first; None where a version is a deletion."""
        with self.lock:
            return [kept.resource for kept in self._versions.history(type, id)]

    def matching(self, type: str, query: Iterable[tuple[str, str]]) -> list[Kept]:
        """The current versions that meet a search. Raises Refusal."""
        with self.lock:
            return self._fhir.matching(type, query)

    def snapshot(self) -> Snapshot:
        """A backup, for `restore`."""
        with self.lock:
            return self._versions.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """The EHR comes back from a backup: versions go back, what came since is unknown, ids are given a second time."""
        with self.lock:
            self._versions.restore(snapshot)

    @property
    def ahead(self) -> timedelta:
        return self.clock.ahead

    @ahead.setter
    def ahead(self, ahead: timedelta) -> None:
        self.clock.ahead = ahead

    # ── what a request meets ─────────────────────────────────────────────────────────────────────
    def record(self, asked: Asked, target: str) -> None:
        secret = {"authorization", "cookie", self.guard.header if self.guard else ""}
        headers = {name: "***" if name in secret else text for name, text in asked.headers.items()}
        body = "***" if target.startswith("/auth/") else asked.body.decode("utf-8", "replace")
        recorded = Recorded(instant(self.clock.now()), asked.method, target, headers, body)
        with self.lock:
            self.requests.append(recorded)
            if self._log:
                row = {"at": recorded.at, "method": recorded.method, "path": target, "headers": headers, "body": body}
                with self._log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def struck(self, asked: Asked) -> list[Fault]:
        with self.lock:
            return [fault for fault in self.faults if fault.strikes(asked)]

    def reply(self, asked: Asked, faults: Iterable[Fault] = ()) -> Reply:
        """The reply to a FHIR request, faults of content included."""
        if asked.path == ".well-known/smart-configuration":
            return Reply(200, self._smart())
        if self.guard and asked.path != "metadata" and not self.guard.admits(asked.headers):
            refused = Refusal(401, "login", "a token is needed").reply()
            return Reply(401, refused.body, {"WWW-Authenticate": "Bearer"})
        if (found := _STATUS.fullmatch(asked.path)) and asked.method == "GET":
            return self.hooks.status(found[1])
        faults = list(faults)
        for fault in faults:
            asked = blinded(asked, fault.kind)
        with self.lock:
            self._fhir.habits = {fault.kind: fault for fault in faults}
            try:
                reply = bundles.answer(self._fhir, asked)
            finally:
                self._fhir.habits = {}
        if "return=minimal" in asked.headers.get("prefer", "") and asked.method in ("POST", "PUT", "PATCH") and reply.status < 300:
            reply = Reply(reply.status, None, reply.headers) if asked.path else reply
        for fault in faults:
            reply = spoiled(reply, fault, method=asked.method)
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
        with self.lock:
            return self.guard.token(dict(parse_qsl(asked.body.decode("utf-8", "replace"))), asked.headers, self.token_url)


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOG).open("a"):
            pass
    except OSError:
        raise SettingsError(f"cannot write in {folder}", variable="--data", fix="name a folder that you may write in") from None
    return folder


def serve(
    folder: Path | None, port: int, *, ready: Callable[[FakeEhr], None], until: threading.Event | None = None, faults: Iterable[Fault] = (),
    ahead: timedelta = timedelta(),
) -> None:  # fmt: skip
    """Runs a FakeEhr until `until` is set or Ctrl-C; `ready` is called once it listens. Raises SettingsError."""
    with FakeEhr(folder=folder, port=port, faults=faults, ahead=ahead, notify_at_once=True) as ehr, contextlib.suppress(KeyboardInterrupt):
        ready(ehr)
        (until or threading.Event()).wait()
