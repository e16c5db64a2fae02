"""Puts the doors together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp

from adapter import __version__
from adapter.app import App
from adapter.errors import LiaisonError
from adapter.web import appointments, collection, docs, fhir, formats, health, hooks, intake, oauth, plain, terminology, views
from adapter.web.described import described
from adapter.web.gate import Gate
from adapter.web.refusals import http_refusal, liaison_refusal, unforeseen


class Description(FastAPI):
    """The doors as FastAPI knows them, with what they take and answer. It serves /openapi.json and /docs, no door."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = described(super().openapi())
        return self.openapi_schema


def spoken(handler: Callable[[Request, Exception], Response]) -> Callable[[Request, Exception], Response]:
    """A handler whose answer is in the format that the client wants."""
    return lambda request, error: formats.rendered(request, handler(request, error))


HANDLERS = {LiaisonError: spoken(liaison_refusal), HTTPException: spoken(http_refusal), Exception: spoken(unforeseen)}
ROUTERS = tuple(door.router for door in (oauth, terminology, fhir, intake, views, appointments, hooks, health))


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

    web = Description(
        title="Liaison",
        version=__version__,
        description="Social referrals as FHIR R4, in step with the clinic's EHR, each service seeing the minimum the patient agreed to.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would name the host that the caller named, and clients lose body or token on the way
    )
    web.add_route("/docs", docs.door(web.openapi), methods=["GET"])
    web.add_route("/docs/collection.json", collection.door(web.openapi, base=app.settings.url), methods=["GET"])
    for router in ROUTERS:
        web.include_router(router)
    for kind, handler in HANDLERS.items():
        web.add_exception_handler(kind, handler)
    web.state.doors = offered = [*plain.routes(ROUTERS)]
    doors = Starlette(
        routes=[*offered, Mount("", web)],  # the description answers /docs, its collection and /openapi.json only
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    doors.state.liaison = app
    return Gate(doors, clock=app.clock, max_body=app.settings.max_body)
