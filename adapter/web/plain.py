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

from adapter.errors import MappingError, Refused
from adapter.web import untold


def routes(routers: Iterable[APIRouter]) -> Iterator[Route]:
    """One route for each of theirs, in their order. Raises TypeError for an endpoint that takes anything else."""
    for router in routers:
        for route in router.routes:
            if not isinstance(route, APIRoute):
                raise TypeError(f"expected a FastAPI route, but found {type(route).__name__}")
            yield _plain(route)


def _plain(route: APIRoute) -> Route:
    endpoint, path = route.endpoint, set(route.param_convertors)
    parameters = inspect.signature(endpoint).parameters
    if not inspect.iscoroutinefunction(endpoint) or set(parameters) - path - {"request"}:
        raise TypeError(f"expected async, with text of the path and the request only: {endpoint.__name__}")
    asks = "request" in parameters

    async def serve(request: Request) -> Response:
        request.scope["route"] = route  # under this name the metrics count it
        try:
            answer: Response = await (endpoint(request=request, **request.path_params) if asks else endpoint(**request.path_params))
        except (Refused, MappingError) as refusal:
            await untold.tell(request, route.name, refusal)
            raise
        if answer.status_code in (406, 415):  # answered without a word to the story
            await untold.tell(request, route.name, answer.status_code)
        return answer

    made = Route(route.path, serve, methods=sorted(route.methods or ()), name=route.name)
    made.methods = set(route.methods or ())  # no HEAD of its own accord
    return made
