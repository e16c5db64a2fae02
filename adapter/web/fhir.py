"""`/fhir`: R4 read, create and search of the core types, for the clinic's own software."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.responses import Response

from adapter import __version__, fhir
from adapter.app import App
from adapter.clock import instant
from adapter.dossier import content
from adapter.errors import Malformed, NotFound, Refused
from adapter.flows import Flows
from adapter.ports import Change, Query, Uow, Version
from adapter.web.auth import bearer, principal, refusing
from adapter.web.intake import written
from adapter.web.paging import PARAMETER, seal, unseal
from adapter.web.refusals import FHIR_JSON, refused
from adapter.web.untold import absent

router = APIRouter(prefix="/fhir", tags=["fhir"])
TYPES = tuple(type for type in fhir.CORE_TYPES if type != "AuditEvent")  # the trail is the officer's, at the command line
INTERACTIONS = ("read", "create", "search-type")
_JSON = re.compile(r"application/(fhir\+)?json|\*/\*|application/\*|text/json|^$")


def _type(type: str) -> str:
    if type not in TYPES:
        raise NotFound(f"this server offers {', '.join(sorted(TYPES))}", code="not-supported")
    return type


def _acceptable(request: Request) -> Response | None:
    """406 when the client takes no JSON (XML comes later)."""
    wanted = request.query_params.get("_format") or request.headers.get("accept", "")
    if _JSON.search(wanted.lower()) or wanted.lower() in ("json", "application/fhir json"):
        return None
    return refused(406, list(Refused("expected a client that accepts application/fhir+json", code="not-supported").issues))


def _resource(version: Version, status: int = 200, base: str = "") -> Response:
    headers = {"ETag": f'W/"{version.number}"', "Last-Modified": version.updated.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    if status == 201:
        headers["Location"] = f"{base}/{version.cited}"
    return Response(version.served, status, headers, FHIR_JSON)


@router.get("/metadata", summary="What this server can do")
async def metadata(request: Request) -> Response:
    app: App = request.app.state.liaison
    if response := _acceptable(request):
        return response
    found = fhir.capability(dict.fromkeys(TYPES, INTERACTIONS), base=app.fhir_base, at=instant(app.started), version=__version__)
    return Response(fhir.dumps(found), media_type=FHIR_JSON)


@router.get("/{type}/{id}", summary="Read one resource")
async def read(type: str, id: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    if response := _acceptable(request):
        return response
    token, type, request_id = bearer(request), _type(type), request.state.request_id

    def one(story: Flows, uow: Uow) -> Version | None:
        return story.read(uow, principal(story, uow, token, request_id=request_id), type, id, request_id=request_id)

    found = await app.write(one)
    if found is None:
        raise absent()
    return _resource(found)


@router.get("/{type}", summary="Search a type")
async def search(type: str, request: Request) -> Response:
    return await _search(type, request, request.query_params.multi_items())


@router.post("/{type}/_search", summary="Search a type; the way to search by what identifies a person")
async def search_post(type: str, request: Request) -> Response:
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return refused(415, list(Refused("expected application/x-www-form-urlencoded", code="not-supported").issues))
    try:
        form = parse_qsl((await request.body()).decode("utf-8"), keep_blank_values=True, max_num_fields=100)
    except (UnicodeDecodeError, ValueError):
        raise Malformed("expected a form in UTF-8 with at most 100 fields") from None
    return await _search(type, request, [*request.query_params.multi_items(), *form])


async def _search(type: str, request: Request, params: list[tuple[str, str]]) -> Response:
    app: App = request.app.state.liaison
    if response := _acceptable(request):
        return response
    token, request_id, base = bearer(request), request.state.request_id, app.fhir_base
    given = [(name, value) for name, value in params if name != "_format"]
    cursor = next((value for name, value in given if name == PARAMETER), None)
    if cursor is not None and len(given) > 1:
        raise Malformed("expected the next link as it was given, without further parameters", expression=PARAMETER)
    first = fhir.query(_type(type), given) if cursor is None else Query(_type(type))

    def found(story: Flows, uow: Uow) -> tuple[list[Version], str | None]:
        who = principal(story, uow, token, request_id=request_id)
        with refusing(who, type, verb="search-type", request_id=request_id):
            said, query = given, first
            if cursor is not None:
                page = unseal(cursor, type, client=who.client, key=story.writer.key, at=uow.at)
                said, query = list(page.params), replace(fhir.query(type, page.params), after=page.after)
            versions, more = story.search(uow, who, query, request_id=request_id)
            sealed = seal(said, versions[-1], query, client=who.client, key=story.writer.key, at=uow.at) if more and versions else ""
            return versions, f"{base}/{type}?{PARAMETER}={sealed}" if sealed else None

    versions, following = await app.write(found)
    bundle = fhir.searchset([content(version) for version in versions], base=base, self_url=f"{base}/{type}", next_url=following, total=None)
    return Response(fhir.dumps(bundle), media_type=FHIR_JSON)


@router.post("/{type}", status_code=201, summary="Create a resource (If-None-Exist: identifier=system|value)")
async def create(type: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    token, request_id = bearer(request), request.state.request_id
    body = await written(request, FHIR_JSON)
    resource = fhir.parse(body, type=_type(type))
    condition = _condition(request.headers.get("if-none-exist", ""))
    id = app.clock.new_id()
    change = Change("create", type, id, resource, body, if_none_exist=condition)

    def receive(story: Flows, uow: Uow) -> Version:
        who = principal(story, uow, token, request_id=request_id)
        with refusing(who, type, verb="create", request_id=request_id):
            saved = story.receive(uow, who, [change], request_id=request_id)[0]
            if saved.id != id and story.own.closed(uow, who, [saved]):  # met by If-None-Exist, and not to be seen
                raise absent()
            return saved

    version = await app.write(receive)
    return _resource(version, 201 if version.id == id else 200, app.fhir_base)


def _condition(header: str) -> tuple[str, str] | None:
    """(system, value) of `identifier=system|value`; other conditions are refused with 400."""
    if not header:
        return None
    pairs = parse_qsl(header.partition("?")[2] or header)
    if len(pairs) == 1 and pairs[0][0] == "identifier" and "|" in pairs[0][1]:
        system, _, value = pairs[0][1].partition("|")
        return system, value
    raise Malformed("expected If-None-Exist: identifier=system|value")
