"""Every refusal as an OperationOutcome."""

from __future__ import annotations

from typing import cast

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from adapter.errors import Issue, LiaisonError, MappingError, Refused, StoreFault, TooMany, Unauthorized, Unavailable
from adapter.fhir import dumps, outcome
from adapter.logs import failure, log

FHIR_JSON = "application/fhir+json"
UNFORESEEN = Issue("exception", "the request could not be answered; its X-Request-Id names it in the log")
_CODES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    415: "not-supported",
}


def refused(status: int, issues: list[Issue], headers: dict[str, str] | None = None) -> Response:
    return Response(dumps(outcome(issues)), status, headers, FHIR_JSON)


def liaison_refusal(request: Request, error: Exception) -> Response:
    """Our own error tree: status and issues as the class says. The words of what is no refusal stay in the house: they name
    files, addresses and faults."""
    found = cast(LiaisonError, error)
    headers = {}
    if isinstance(found, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="liaison"'
    if found.retry or isinstance(found, TooMany):
        headers["Retry-After"] = str(found.seconds if isinstance(found, TooMany) else 5)
    if isinstance(found, Refused):
        return Response(dumps(outcome(found)), found.status, headers, FHIR_JSON)
    if isinstance(found, MappingError):
        return refused(found.status, [Issue(found.code, found.text, found.path)], headers)
    code = "store-away" if isinstance(found, Unavailable | StoreFault) else "request-failed"
    log(code, **failure(found), request_id=getattr(request.state, "request_id", ""))
    return Response(dumps(outcome(found)), found.status, headers, FHIR_JSON)


def unforeseen(_: Request, error: Exception) -> Response:
    """Any other exception: not a word of it. It is raised again after this answer, so that the gate logs its class."""
    return refused(500, [UNFORESEEN])


def http_refusal(request: Request, error: Exception) -> Response:
    """What the framework refuses: unknown path, wrong method."""
    found = cast(HTTPException, error)
    headers = dict(found.headers or {})
    if found.status_code == 405:  # each method of a path is a route of its own; the framework names those of one of them
        headers |= {"Allow": ", ".join(sorted(_methods(request)))}
    return refused(found.status_code, [Issue(_CODES.get(found.status_code, "processing"), found.detail)], headers)


def _methods(request: Request) -> set[str]:
    """What is offered at this address."""
    doors: list[Route] = getattr(request.app.state, "doors", [])
    found = {method for each in doors if each.matches(request.scope)[0] is not Match.NONE for method in each.methods or ()}
    return found | ({"HEAD"} if "GET" in found else set())
