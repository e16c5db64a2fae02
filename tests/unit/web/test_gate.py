"""The gate and the last words: what a fault tells the caller, what the metrics keep of a request, who may read them."""

from __future__ import annotations

import asyncio
import io
import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from adapter import logs
from adapter.errors import LiaisonError, StoreFault, Unavailable
from adapter.network import Secret
from adapter.store import upgrade
from tests.e2e.stage import Stage, staged
from tests.unit.web.test_doors import SECRET, Door, agreed, door, stage  # noqa: F401 - fixtures

WORDS = "Zyxdurand at /var/lib/zyx.db"
VIEW = "/views/coursier-dac-asso/referrals"


def asked(asgi: Any, method: str, path: str, *, host: str = "203.0.113.5", headers: dict[str, str] | None = None) -> httpx.Response:
    async def call() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=asgi, client=(host, 1)), base_url="http://liaison.example") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(call())


@pytest.fixture
def lines(stage: Stage) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure("debug", clock=stage.clock, stream=stream)
    yield stream
    logs.structlog.reset_defaults()


def raising(door: Door, error: Exception) -> Any:
    """The application with one door more, which raises."""

    async def serve(request: Request) -> Response:
        raise error

    door.asgi.inner.router.routes.insert(0, Route("/raises", serve))  # type: ignore[attr-defined]
    return door.asgi


# ── faults ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("error", "status"), [
    (RuntimeError(WORDS), 500), (KeyError(WORDS), 500), (LiaisonError(WORDS), 500), (Unavailable(WORDS), 503), (StoreFault("SQLITE_ERROR"), 503),
])  # fmt: skip
def test_fault_is_an_outcome_of_nothing_internal_and_is_logged_by_class(door: Door, lines: io.StringIO, error: Exception, status: int) -> None:
    answer = asked(raising(door, error), "GET", "/raises", headers={"X-Request-Id": "a-request-1"})
    assert (answer.status_code, answer.headers["content-type"], answer.headers["x-request-id"]) == (status, "application/fhir+json", "a-request-1")
    assert answer.headers["cache-control"] == "no-store"
    (issue,) = answer.json()["issue"]
    assert issue.keys() == {"severity", "code", "details", "diagnostics"} and not re.search("Zyx|zyx|SQLITE|Error|database", answer.text)
    (line,) = [json.loads(each) for each in lines.getvalue().splitlines()]
    assert (line["error"], line["request_id"]) == (type(error).__name__, "a-request-1")
    assert line["code"] == ("store-away" if status == 503 else "request-failed") and "Zyx" not in lines.getvalue()
    assert ("retry-after" in answer.headers) == isinstance(error, Unavailable)


def test_fault_of_the_pages_that_describe_us_is_an_outcome_too(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    (described,) = [route.app for route in door.asgi.inner.routes if isinstance(route, Mount)]  # type: ignore[attr-defined]

    def breaks() -> dict[str, Any]:
        raise RuntimeError(WORDS)

    monkeypatch.setattr(described, "openapi", breaks)
    answer = asked(door.asgi, "GET", "/openapi.json")
    assert answer.status_code == 500 and answer.json()["resourceType"] == "OperationOutcome" and "Zyx" not in answer.text


@pytest.fixture
def house(tmp_path: Path) -> Iterator[tuple[Stage, Door, Path]]:
    """A Liaison on disk."""
    secret, database = tmp_path / "secret", tmp_path / "liaison.db"
    secret.write_text(SECRET)
    upgrade(f"sqlite:///{database}")
    with staged(f"sqlite:///{database}") as found:
        network = found.app.network
        found.app.apply_network(replace(network, clients=tuple(replace(each, secret=Secret(file=str(secret))) for each in network.clients)))
        yield found, Door(found), database


def renamed(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE audit RENAME TO audit_gone")
    connection.close()


def test_nothing_is_shown_or_sent_when_the_audit_table_is_gone_U_08(house: tuple[Stage, Door, Path]) -> None:
    stage, door, database = house
    unit, clinic, other = door.token("coursiers"), door.token("saint-eloi"), door.token("saad")
    assert door("POST", "/intake/appel-coursier", json=agreed(), headers=unit).status_code == 201
    (card,) = door("GET", VIEW, headers=unit).json()["referrals"]
    renamed(database)
    for method, path, headers in (
        ("GET", VIEW, unit), ("GET", "/views/saad/referrals", other), ("GET", f"{VIEW}/{card['id']}", unit), ("GET", "/fhir/Task", unit), ("GET", "/fhir/Task", clinic), ("GET", f"{VIEW}/absent", unit),
        ("POST", f"{VIEW}/{card['id']}/accept", {**unit, "If-Match": f'W/"{card["etag"]}"'}),
        ("GET", "/views/coursier-dac-asso/notices", unit), ("GET", "/views/coursier-dac-asso/owed", unit), ("POST", "/intake/appel-coursier", unit),
        ("POST", "/intake/appel-coursier/appel-1/agreements", unit),
    ):  # fmt: skip
        body = {"json": agreed()} if path == "/intake/appel-coursier" else {"json": {"who": "doctor", "agreed": True}} if "agreements" in path else {}
        answer = door(method, path, headers=headers, **body)
        assert (answer.status_code, answer.json()["resourceType"]) == (503, "OperationOutcome"), path
        assert not re.search("Zyx|SQLITE|audit|database|liaison.db", answer.text), path
    with pytest.raises(StoreFault):
        stage.push()
    assert stage.ehr.requests == []


# ── metrics ──────────────────────────────────────────────────────────────────────────────────────
def test_labels_of_the_metrics_are_templates_and_known_methods_whatever_the_caller_sends(door: Door) -> None:
    for method, path in (("ZYXCANARY", "/fhir/Task"), ("GET", "/fhir/Zyxcanary/zyxcanary"), ("GET", "/zyxcanary"), ("ZYXCANARY", "/zyxcanary"), ("get", "/health/live")):
        asked(door.asgi, method, path)
    text = asked(door.asgi, "GET", "/metrics", host="127.0.0.1").text
    assert "zyxcanary" not in text.lower()
    assert 'method="other",route="none"' in text and 'method="GET",route="/fhir/{type}/{id}"' in text
    assert set(re.findall(r'method="([^"]*)"', text)) <= {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}


def test_metrics_are_for_loopback_or_the_token(door: Door, stage: Stage, tmp_path: Path) -> None:
    away = asked(door.asgi, "GET", "/metrics")
    assert away.status_code == 404 and away.json()["resourceType"] == "OperationOutcome" and "liaison_" not in away.text
    assert asked(door.asgi, "GET", "/metrics", headers={"Authorization": "Bearer "}).status_code == 404
    assert all(asked(door.asgi, "GET", "/metrics", host=host).status_code == 200 for host in ("127.0.0.1", "::1"))
    file = tmp_path / "metrics"
    file.write_text("the-token-of-the-test\n")
    stage.app.settings = stage.app.settings.model_copy(update={"metrics_token_file": file})
    for given, status in (("Bearer the-token-of-the-test", 200), ("Bearer another", 404), ("", 404)):
        assert asked(door.asgi, "GET", "/metrics", headers={"Authorization": given}).status_code == status, given
    assert asked(door.asgi, "GET", "/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404


@pytest.mark.parametrize("word", ["Zyxdurand", "0639980001", "1938-02-03", "138020276540123"])
def test_what_may_be_a_name_a_phone_or_a_date_is_no_request_id(door: Door, word: str) -> None:
    """It would stand in the log and in the events."""
    assert asked(door.asgi, "GET", "/health/live", headers={"X-Request-Id": word}).headers["x-request-id"] != word


def test_address_or_headers_too_long_are_refused_before_anything_is_read(door: Door) -> None:
    long, wide = door("GET", "/fhir/Task?name=" + "x" * 8200), door("GET", "/fhir/metadata", headers={"X-Much": "x" * 33_000})
    assert (long.status_code, wide.status_code) == (414, 431)
    for answer in (long, wide):
        assert answer.json()["issue"][0]["code"] == "too-long" and "xxxx" not in answer.text
