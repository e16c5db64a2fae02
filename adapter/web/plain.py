"""The doors as plain routes. FastAPI describes them (/docs, /openapi.json); to be served they need none of what it does for a
request, for each takes text from its path and the request itself. Without it the web side
costs half."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from adapter.errors import MappingError, Refused
from adapter.web import formats, untold


def routes(routers: Iterable[APIRouter]) -> Iterator[Route]:
    """One route for each of theirs, in their order. Raises TypeError for an endpoint that takes anything else."""
    for router in routers:
        for route in router.routes:
            if not isinstance(route, APIRoute):
                raise TypeError(f"expected a FastAPI route, but found {type(route).__name__}")
            yield _plain(route)


def _plain(route: APIRoute) -> Route:
    made = Route(route.path, Door(route), methods=sorted(route.methods or ()), name=route.name)
    made.methods = set(route.methods or ())  # no HEAD of its own accord
    return made


class Door:
    """One route as an ASGI application: what it raises is answered once, around all routes."""

    def __init__(self, route: APIRoute) -> None:
        self._route, self._endpoint = route, route.endpoint
        parameters = inspect.signature(self._endpoint).parameters
        if not inspect.iscoroutinefunction(self._endpoint) or set(parameters) - set(route.param_convertors) - {"request"}:
            raise TypeError(f"expected async, with text of the path and the request only: {self._endpoint.__name__}")
        self._asks = "request" in parameters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        scope["route"] = self._route  # under this name the metrics count it
        asked = {"request": request} if self._asks else {}
        try:
            answer: Response = await self._endpoint(**asked, **request.path_params)
        except (Refused, MappingError) as refusal:
            await untold.tell(request, self._route.name, refusal)
            raise
        if answer.status_code in (406, 415):  # answered without a word to the story
            await untold.tell(request, self._route.name, answer.status_code)
        await (await formats.given(request, answer))(scope, receive, send)
