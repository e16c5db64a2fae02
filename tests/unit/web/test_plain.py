"""The doors as plain routes: the same paths and methods that FastAPI describes, and nothing it would have to help with."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from adapter.web import plain
from adapter.web.create import ROUTERS


def _router() -> APIRouter:
    router = APIRouter(prefix="/door")

    @router.get("/{colour}/{number}")
    async def both(colour: str, number: str, request: Request) -> Response:
        return PlainTextResponse(f"{colour} {number} {request.query_params.get('q', '')} {request.scope['route'].path}")

    @router.get("/open")
    async def alone() -> Response:
        return PlainTextResponse("open")

    return router


def _asked(method: str, path: str) -> httpx.Response:
    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app=Starlette(routes=list(plain.routes([_router()]))))
        async with httpx.AsyncClient(transport=transport, base_url="http://liaison.example") as client:
            return await client.request(method, path)

    return asyncio.run(call())


def test_routes_hand_path_and_request_to_the_endpoint_when_it_takes_them():
    assert _asked("GET", "/door/red/7?q=x").text == "red 7 x /door/{colour}/{number}"


def test_routes_call_an_endpoint_that_takes_nothing():
    assert _asked("GET", "/door/open").text == "open"


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE"])
def test_routes_refuse_a_method_that_was_not_declared(method):
    assert _asked(method, "/door/open").status_code == 405


def test_routes_refuse_an_endpoint_that_fastapi_would_have_to_feed():
    router = APIRouter()

    @router.get("/{colour}")
    async def counted(colour: str, count: int) -> Response:
        return Response()

    with pytest.raises(TypeError, match="counted"):
        list(plain.routes([router]))


def test_routes_refuse_an_endpoint_that_would_block_the_loop():
    router = APIRouter()

    @router.get("/")
    def blocking() -> Response:
        return Response()

    with pytest.raises(TypeError, match="blocking"):
        list(plain.routes([router]))


def test_every_door_that_is_described_is_served_under_the_same_path():
    described = FastAPI()
    for router in ROUTERS:
        described.include_router(router)
    paths = {(path, method.upper()) for path, methods in described.openapi()["paths"].items() for method in methods}
    served = {(route.path, method) for route in plain.routes(ROUTERS) for method in route.methods or ()}
    assert served == paths | {("/fhir/", "POST")}  # the base, as many clients write it
    assert ("/fhir/{type}", "POST") in served
