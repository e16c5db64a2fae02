"""Nobody's body is taken apart: who sends it is known and within the limit before that, or before anything is said of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from adapter.app import App
from adapter.errors import Refused
from adapter.limits import Limits
from adapter.web.auth import Bearer, bearer, principal

LONG = 32 << 10  # bytes; a shorter body is sooner taken apart than the database asked whose it is

P = ParamSpec("P")
T = TypeVar("T")


@asynccontextmanager
async def admitted(request: Request, *, first: bool = False) -> AsyncIterator[Bearer]:
    """The bearer of the request, while it is read. With a long body, or `first`, the token is looked up before; with a short one when
    something is wrong with it, so that whoever has no token is told that alone. Counts as the one request that it is. Raises
    Unauthorized, TooMany."""
    token = bearer(request)
    if first or len(await request.body()) > LONG:
        await _known(request, token)
        yield replace(token, limits=Limits(0))
        return
    try:
        yield token
    except Refused:
        await _known(request, token)
        raise


async def aside(size: int, of: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What `of` gives; beside the event loop where it works on so many bytes that others would wait."""
    return await run_in_threadpool(of, *arguments, **named) if size > LONG else of(*arguments, **named)


async def _known(request: Request, token: Bearer) -> None:
    app: App = request.app.state.liaison
    await app.write(lambda story, uow: principal(story, uow, token, request_id=request.state.request_id))
