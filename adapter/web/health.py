"""Health and metrics."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from adapter.app import App
from adapter.errors import NotFound, Unavailable
from adapter.web.intake import answer
from adapter.web.measured import measured

router = APIRouter(tags=["health"])


@router.get("/health/live", summary="The process answers")
async def live() -> Response:
    return answer({"status": "ok"})


@router.get("/health/ready", summary="The process can do its work: database, schema, jobs")
async def ready(request: Request) -> Response:
    app: App = request.app.state.liaison
    checks = await app.ready()
    ok = all(check == "ok" for check in checks.values())
    return answer({"status": "ok" if ok else "not ready", "checks": checks}, 200 if ok else 503)


@router.get("/metrics", summary="Prometheus metrics: on loopback, or with the metrics token")
async def metrics(request: Request) -> Response:
    app: App = request.app.state.liaison
    wanted = app.metrics_token()
    given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    local = request.client is not None and request.client.host in ("127.0.0.1", "::1")
    if not local and not (wanted and hmac.compare_digest(given.encode(), wanted.encode())):
        raise NotFound("not found")
    try:
        behind = measured(await app.store.read(app.behind), await app.store.read(app.elapsed))
    except Unavailable:  # what this process knows by itself is told without a database
        behind = b""
    return Response(generate_latest() + behind, media_type=CONTENT_TYPE_LATEST)
