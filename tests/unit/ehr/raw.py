"""Plain HTTP to a FakeEhr, without the client under test."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from adapter.ehr.fake import FakeEhr


@dataclass(frozen=True)
class Got:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def codes(self) -> list[str]:
        """Issue codes of an OperationOutcome."""
        assert self.body["resourceType"] == "OperationOutcome"
        return [issue["code"] for issue in self.body["issue"]]


def call(ehr: FakeEhr, method: str, path: str, body: Any = None, **headers: str) -> Got:
    """`path` below the base, or absolute. Header names are written with _ for -."""
    url = path if path.startswith("http") else f"{ehr.base_url}/{path}" if path else ehr.base_url
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, sent, {name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        return Got(answer.status, answer.headers, answer.read())
    finally:
        connection.close()
