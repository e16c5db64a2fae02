"""The public doors of Liaison over HTTP, each person with a token of their own."""

from __future__ import annotations

import base64
import http.client
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from adapter.clock import Clock, instant

FRESH = timedelta(seconds=200)  # a token is used this long; it lives 300 s


@dataclass(frozen=True)
class Answer:
    """`body` is parsed JSON, {} where the answer was empty or none."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def etag(self) -> str:
        return self.headers.get("etag", "")

    @property
    def why(self) -> str:
        """What an OperationOutcome says."""
        issues = self.body.get("issue", ()) if self.body.get("resourceType") == "OperationOutcome" else ()
        told = (str(each.get("diagnostics") or each.get("details", {}).get("text", "")) for each in issues)
        return "; ".join(": ".join(part for part in (*each.get("expression", ()), text) if part) for each, text in zip(issues, told, strict=False))


@dataclass
class Doors:
    """`secrets`: client id → secret. `log`: every answer is kept there, with who got it. `calls`: since last emptied."""

    base: str
    secrets: dict[str, str]
    lang: str
    clock: Clock
    log: Path
    calls: list[dict[str, Any]] = field(default_factory=list)
    _tokens: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def get(self, path: str, *, by: str = "") -> Answer:
        return self._asked("GET", path, by, self._bearer(by), None)

    def post(self, path: str, body: Any = None, *, by: str, etag: str = "") -> Answer:
        headers = {"Content-Type": "application/json"} | ({"If-Match": etag} if etag else {})
        return self._asked("POST", path, by, self._bearer(by) | headers, None if body is None else json.dumps(body, ensure_ascii=False))

    def _bearer(self, client: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token(client)}"} if client else {}

    def _token(self, client: str) -> str:
        kept = self._tokens.get(client)
        if kept and self.clock.now() < kept[1] + FRESH:
            return kept[0]
        basic = base64.b64encode(f"{client}:{self.secrets[client]}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        answer = self._asked("POST", "/oauth/token", client, headers, urlencode({"grant_type": "client_credentials"}))
        token = str(answer.body["access_token"])
        self._tokens[client] = (token, self.clock.now())
        return token

    def _asked(self, method: str, path: str, client: str, headers: dict[str, str], body: str | None) -> Answer:
        where = urlsplit(self.base)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else body.encode(), {"Accept-Language": self.lang, **headers})
            found = connection.getresponse()
            text = found.read().decode()
        finally:
            connection.close()
        shown = json.loads(text) if text.startswith("{") else {}
        answer = Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, shown)
        if path != "/oauth/token" or answer.status != 200:
            self._keep({"client": client, "method": method, "path": path, "status": answer.status, "body": text}, answer.why)
        return answer

    def _keep(self, row: dict[str, Any], why: str) -> None:
        self.calls.append({name: row[name] for name in ("client", "method", "path", "status")} | ({"why": why} if why else {}))
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": instant(self.clock.now()), **row}, ensure_ascii=False) + "\n")
