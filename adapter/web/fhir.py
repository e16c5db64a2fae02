"""`/fhir`: the RESTful API of R4 for EHRs and for the software of social services. Each door reads what is asked for; `rest` does it
inside a unit of work."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.responses import Response

from adapter import __version__, fhir, served
from adapter.app import App
from adapter.audit import events
from adapter.clock import instant
from adapter.errors import Issue, Malformed, NotFound, Refused, WrongType
from adapter.flows import Flows
from adapter.ports import Principal, Resource, Uow
from adapter.sync import subscribers
from adapter.sync.subscribing import TOPICS
from adapter.terminology import OPERATIONS, SEARCHED
from adapter.web import binary, bundles
from adapter.web.admitting import admitted, aside
from adapter.web.asked import PRESENTED, Asked, Interaction, asked_by
from adapter.web.auth import Bearer, bearer, principal
from adapter.web.entries import JSON_PATCH, conditions, searched
from adapter.web.formats import acceptable, body
from adapter.web.refusals import FHIR_JSON, refused
from adapter.web.rest import Answer, Rest, performed
from adapter.web.untold import absent
from adapter.writing import BY_ACT, DIRECTORY

router = APIRouter(prefix="/fhir", tags=["fhir"])
TYPES = fhir.CORE_TYPES
TRAIL = ("read", "search-type")  # an event has no history and is written by what it tells of
READS = ("read", "vread", "history-instance", "history-type", "search-type")
SYSTEM = ("transaction", "batch")
WRITES = ("create", "update", "patch", "delete")
_VALIDATED = ("resource", "mode", "profile")


def interactions(type: str) -> tuple[str, ...]:
    """What is offered of a type: the directory and what proves are written by other ways."""
    if type == "AuditEvent":
        return TRAIL
    return READS if type in DIRECTORY or type in BY_ACT else (*READS, *WRITES)


def _type(type: str) -> str:
    if type not in TYPES:
        raise NotFound(f"this server offers {', '.join(sorted(TYPES))}", code="not-supported")
    return type


def _offered(type: str, interaction: Interaction) -> None:
    """Raises NotFound for the history of what has none; what may be written is for the writer to say (403, or 404 alike for all)."""
    if type == "AuditEvent" and interaction not in TRAIL:
        raise NotFound("offered for AuditEvent are read and search-type", code="not-supported")


async def _done(request: Request, asked: Asked, token: Bearer) -> Response:
    """Carries one interaction out in a unit of its own."""
    app: App = request.app.state.liaison
    request_id = request.state.request_id

    def perform(story: Flows, uow: Uow) -> Answer:
        return performed(Rest(story, uow, principal(story, uow, token, request_id=request_id), app.fhir_base, request_id), asked)

    answer = await app.write(perform)
    if answer.refusal is not None:
        raise answer.refusal
    headers = answer.headers(app.fhir_base)
    if answer.version is not None and answer.status == 200 and asked.interaction in ("read", "vread") and binary.native(request, asked.type):
        return binary.given(answer.version, headers)
    return Response(answer.body, answer.status, headers, FHIR_JSON if answer.body else None)


async def _asked(request: Request, interaction: Interaction, type: str, id: str = "", version: str = "") -> Response:
    """A door without a body."""
    if not binary.native(request, type) and (response := acceptable(request)):
        return response
    async with admitted(request) as token:
        _offered(_type(type), interaction)
        asked = asked_by(interaction, type, id=id, version=version, params=request.query_params.multi_items(), headers=request.headers)
    return await _done(request, asked, token)


async def _sent(request: Request, interaction: Interaction, type: str, id: str = "") -> Response:
    """A door that takes a resource; with a condition in the address where there is no id."""
    if response := acceptable(request):
        return response
    async with admitted(request) as token:
        _offered(_type(type), interaction)
        sent = await binary.wrapped(request) if type == "Binary" and binary.raw(request) else await body(request)
        resource = await aside(len(sent), fhir.parse, sent, type=type)
        condition = conditions(request.headers.get("if-none-exist")) if interaction == "create" else None
        params = [] if interaction == "update" and not id else request.query_params.multi_items()
        if interaction == "update" and not id:
            condition = searched(request.url.query, type)
        asked = asked_by(interaction, type, id=id, params=params, headers=request.headers, resource=resource, written=sent, conditions=condition)
    return await _done(request, asked, token)


@router.get("/metadata", summary="What this server can do")
async def metadata(request: Request) -> Response:
    app: App = request.app.state.liaison
    if response := acceptable(request):
        return response
    types = {type: interactions(type) for type in TYPES} | dict.fromkeys(OPERATIONS, TRAIL)
    formats = ("json", "xml") if fhir.xml_available() else ("json",)
    found = fhir.capability(
        types, system=SYSTEM, formats=formats, token_url=f"{app.settings.url}/oauth/token", base=app.fhir_base, topics=TOPICS.values(),
        operations=OPERATIONS, searched=SEARCHED, at=instant(app.started), version=__version__,
    )  # fmt: skip
    return Response(fhir.dumps(found), media_type=FHIR_JSON)


@router.post("", summary="Batch or transaction: many interactions in one Bundle")
@router.post("/", include_in_schema=False)  # the base as many clients write it
async def bundle(request: Request) -> Response:
    app: App = request.app.state.liaison
    if response := acceptable(request):
        return response
    request_id = request.state.request_id
    async with admitted(request, first=True):  # of a batch each entry counts too
        token, sent = bearer(request), await body(request)

    def who(story: Flows, uow: Uow) -> Principal:
        return principal(story, uow, token, request_id=request_id)

    found = await bundles.process(app, sent, who=who, types=TYPES, prefer=request.headers.get("prefer", ""), request_id=request_id)
    return Response(found, media_type=FHIR_JSON)


@router.get("/{type}", summary="Search a type")
async def search(type: str, request: Request) -> Response:
    return await _asked(request, "search-type", type)


@router.post("/{type}/_search", summary="Search a type; the way to search by what identifies a person")
async def search_post(type: str, request: Request) -> Response:
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return refused(415, list(Refused("expected application/x-www-form-urlencoded", code="not-supported").issues))
    if response := acceptable(request):
        return response
    async with admitted(request) as token:
        try:
            form = parse_qsl((await request.body()).decode("utf-8"), keep_blank_values=True, max_num_fields=100)
        except (UnicodeDecodeError, ValueError):
            raise Malformed("expected a form in UTF-8 with at most 100 fields") from None
        params = [*request.query_params.multi_items(), *form]
        asked = asked_by("search-type", _type(type), params=params, headers=request.headers)
    return await _done(request, asked, token)


@router.get("/{type}/_history", summary="What happened to the resources of a type, newest first")
async def history_type(type: str, request: Request) -> Response:
    return await _asked(request, "history-type", type)


@router.post("/{type}/$validate", summary="Check a resource; nothing is stored")
async def validate(type: str, request: Request) -> Response:
    if response := acceptable(request):
        return response
    app: App = request.app.state.liaison
    token, request_id = bearer(request), request.state.request_id
    if said := [name for name in request.query_params if name not in PRESENTED]:
        text = "profiles are not checked here" if "profile" in said else "expected no parameters in the address"
        raise Malformed(f"{text}: leave them out to check against R4", code="not-supported")

    def told(story: Flows, uow: Uow) -> None:
        uow.audit(events.act(principal(story, uow, token, request_id=request_id), "validate", at=uow.at, request_id=request_id))

    await app.write(told)
    sent = await body(request)
    given = _validated(await aside(len(sent), fhir.load, sent))
    issues = await aside(len(sent), fhir.check, given, type=_type(type))
    return Response(fhir.dumps(fhir.outcome(issues)), media_type=FHIR_JSON)


def _validated(given: Resource) -> Resource:
    """The resource to be checked: what was sent, or the parameter `resource` of a Parameters resource."""
    if given.get("resourceType") != "Parameters":
        return given
    lines = given.get("parameter")
    parts = {str(each.get("name")): each for each in lines if isinstance(each, dict)} if isinstance(lines, list) else {}
    if any(name not in _VALIDATED for name in parts) or not isinstance(resource := parts.get("resource", {}).get("resource"), dict):
        raise Malformed(f"expected the parameter resource; offered are {', '.join(_VALIDATED)}", expression="Parameters.parameter", code="required")
    if "profile" in parts:
        issue = Issue("not-supported", "profiles are not checked here: leave the parameter out to check against R4", "Parameters.parameter")
        raise Malformed(issue.text, issues=[issue])
    return resource


@router.post("/{type}", status_code=201, summary="Create a resource (If-None-Exist: only if none of yours meets the condition)")
async def create(type: str, request: Request) -> Response:
    return await _sent(request, "create", type)


@router.put("/{type}", summary="Update the one resource that meets the condition in the address, or create it")
async def update_conditional(type: str, request: Request) -> Response:
    return await _sent(request, "update", type)


@router.get("/{type}/{id}", summary="Read one resource")
async def read(type: str, id: str, request: Request) -> Response:
    return await _asked(request, "read", type, id)


@router.put("/{type}/{id}", summary="Update a resource (If-Match: only if it still has that version), or create it under this id")
async def update(type: str, id: str, request: Request) -> Response:
    return await _sent(request, "update", type, id)


@router.patch("/{type}/{id}", summary="Change a resource by a JSON Patch (RFC 6902)")
async def patch(type: str, id: str, request: Request) -> Response:
    if response := acceptable(request):
        return response
    async with admitted(request) as token:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON_PATCH:
            raise WrongType(f"expected a JSON Patch; send it with Content-Type: {JSON_PATCH}")
        params, sent = request.query_params.multi_items(), await request.body()
        asked = asked_by("patch", _type(type), id=id, params=params, headers=request.headers, written=sent)
    return await _done(request, asked, token)


@router.delete("/{type}/{id}", status_code=204, summary="Delete a resource that nobody else has seen")
async def delete(type: str, id: str, request: Request) -> Response:
    return await _asked(request, "delete", type, id)


@router.get("/Subscription/{id}/$status", summary="How a Subscription of the caller's fares (R5 backport)")
async def status(id: str, request: Request) -> Response:
    if response := acceptable(request):
        return response
    app: App = request.app.state.liaison
    token, request_id = bearer(request), request.state.request_id

    def fares(story: Flows, uow: Uow) -> Resource | None:
        who = principal(story, uow, token, request_id=request_id)
        found = story.read(uow, who, "Subscription", id, request_id=request_id)
        kept = subscribers.load(uow, id) if found else None
        return served.status(app.fhir_base, kept, "query-status", number=kept.events, at=instant(uow.at)) if kept else None

    told = await app.write(fares)
    if told is None:
        raise absent()
    found = {"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{"resource": told, "search": {"mode": "match"}}]}
    return Response(fhir.dumps(found), media_type=FHIR_JSON)


@router.get("/{type}/{id}/_history", summary="The versions of a resource, newest first")
async def history(type: str, id: str, request: Request) -> Response:
    return await _asked(request, "history-instance", type, id)


@router.get("/{type}/{id}/_history/{version}", summary="Read one version of a resource")
async def vread(type: str, id: str, version: str, request: Request) -> Response:
    return await _asked(request, "vread", type, id, version)
