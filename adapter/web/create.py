"""Puts the doors together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.types import ASGIApp

from adapter import __version__
from adapter.app import App
from adapter.errors import LiaisonError
from adapter.web import auth, fhir, health, intake, plain, views
from adapter.web.gate import Gate
from adapter.web.refusals import http_refusal, liaison_refusal, unforeseen

HANDLERS = {LiaisonError: liaison_refusal, HTTPException: http_refusal, Exception: unforeseen}
ROUTERS = tuple(door.router for door in (auth, fhir, intake, views, health))


def create(app: App, *, jobs: bool = False) -> ASGIApp:
    """The whole web side of one process. With `jobs` its lifespan runs the synchronisation jobs in a thread."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if jobs:
            app.jobs.start()
        try:
            yield
        finally:
            app.jobs.stop()
            app.close()

    web = FastAPI(
        title="Liaison",
        version=__version__,
        description="Social referrals as FHIR R4, in step with the clinic's EHR, each service seeing the minimum the patient agreed to.",
        redoc_url=None,
    )
    for router in ROUTERS:
        web.include_router(router)
    for kind, handler in HANDLERS.items():
        web.add_exception_handler(kind, handler)
    doors = Starlette(
        routes=[*plain.routes(ROUTERS), Mount("", web)],  # FastAPI itself answers /docs and /openapi.json only
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    doors.state.liaison = app
    return Gate(doors, clock=app.clock, max_body=app.settings.max_body)
