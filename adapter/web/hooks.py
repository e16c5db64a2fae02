"""`/hooks`: where an EHR tells us that something changed, at the address and with the secret that our Subscription gave it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from adapter.app import App
from adapter.flows import Flows
from adapter.ports import Uow
from adapter.sync import subscribing
from adapter.web.auth import authorization

router = APIRouter(tags=["hooks"])


@router.post("/hooks/{hook}", status_code=204, summary="For an EHR: something changed that our Subscription asked about")
async def notified(hook: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    scheme, secret = authorization(request)
    shown, request_id = subscribing.digest(secret) if scheme == "bearer" and secret else "", request.state.request_id
    body = await request.body()

    def called(_: Flows, uow: Uow) -> None:
        app.calls.spend(f"hook/{hook}" if uow.kept(f"hook/{hook}") else "hook/", uow.at)
        subscribing.called(uow, hook, shown, body, request_id=request_id)

    await app.write(called)
    return Response(status_code=204)
