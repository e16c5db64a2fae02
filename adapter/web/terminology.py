"""The code tables of the house on `/fhir`: CodeSystem, ValueSet and ConceptMap, read, searched, and asked by `$validate-code` and `$translate`
(R4 terminology service). Open like the CapabilityStatement: nothing in them is about a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from adapter import fhir
from adapter.app import App
from adapter.errors import Malformed
from adapter.terminology import OPERATIONS
from adapter.web.formats import acceptable, body
from adapter.web.refusals import FHIR_JSON

router = APIRouter(prefix="/fhir", tags=["terminology"])
HOW = ("_format",)  # says how the answer looks, not what is asked
Endpoint = Callable[..., Awaitable[Response]]


def _searched(type: str) -> Endpoint:
    async def search(request: Request) -> Response:
        if response := acceptable(request):
            return response
        app: App = request.app.state.liaison
        params = [each for each in request.query_params.multi_items() if each[0] not in HOW]
        found, own = app.terminology.search(type, params), str(request.url.query)
        address = f"{app.fhir_base}/{type}" + (f"?{own}" if own else "")
        return _given(fhir.searchset(found, base=app.fhir_base, self_url=address, total=len(found)))

    return search


def _read(type: str) -> Endpoint:
    async def read(table: str, request: Request) -> Response:
        app: App = request.app.state.liaison
        return acceptable(request) or _given(app.terminology.read(type, table))

    return read


def _asked(type: str) -> Endpoint:
    async def asked(request: Request) -> Response:
        if response := acceptable(request):
            return response
        app: App = request.app.state.liaison
        given = dict(request.query_params) if request.method == "GET" else _parameters(fhir.parse(await body(request), type="Parameters"))
        return _given(app.terminology.perform(type, {name: value for name, value in given.items() if name not in HOW}))

    return asked


def _parameters(sent: dict[str, Any]) -> dict[str, str]:
    """Name and value of each; a coding is its system and code. Raises Malformed for a part that is none."""
    found: dict[str, str] = {}
    for each in sent.get("parameter", ()):
        value = next((part for name, part in each.items() if name.startswith("value")), None)
        if isinstance(value, dict):
            found |= {name: str(value[name]) for name in ("system", "code", "display") if name in value}
        elif value is None:
            raise Malformed("expected a value for each parameter", expression="Parameters.parameter", code="required")
        else:
            found[str(each.get("name"))] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def _given(found: dict[str, Any]) -> Response:
    return Response(fhir.dumps(found), media_type=FHIR_JSON)


async def one_map(map: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    return acceptable(request) or _given(app.terminology.read("ConceptMap", map))


for each, operation in OPERATIONS.items():
    router.add_api_route(f"/{each}", _searched(each), methods=["GET"], summary=f"The {each}s of the house", name=f"{each}-search")
    for method in ("GET", "POST"):
        said = f"{each} ${operation} by {method}"
        router.add_api_route(f"/{each}/${operation}", _asked(each), methods=[method], summary=said, name=f"{each}-{operation}-{method}")
    place, endpoint = ("{map}", one_map) if each == "ConceptMap" else ("{table}", _read(each))
    router.add_api_route(f"/{each}/{place}", endpoint, methods=["GET"], summary=f"Read one {each}", name=f"{each}-read")
