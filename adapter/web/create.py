"""Puts the doors together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from adapter import __version__
from adapter.app import App
from adapter.errors import LiaisonError
from adapter.web import auth, fhir, health, intake, views
from adapter.web.gate import Gate
from adapter.web.refusals import http_refusal, liaison_refusal, shape_refusal


def create(app: App, *, jobs: bool = False) -> ASGIApp:
    """The whole web side of one process. With `jobs` its lifespan runs the synchronisation jobs in a thread."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
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
        lifespan=lifespan,
        redoc_url=None,
    )
    web.state.liaison = app
    for door in (auth, fhir, intake, views, health):
        web.include_router(door.router)
    web.add_exception_handler(LiaisonError, liaison_refusal)
    web.add_exception_handler(HTTPException, http_refusal)
    web.add_exception_handler(RequestValidationError, shape_refusal)
    return Gate(web, clock=app.clock, max_body=app.settings.max_body)
