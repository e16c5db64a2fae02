"""Every refusal as an OperationOutcome."""

from __future__ import annotations

from typing import cast

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from adapter.errors import Issue, LiaisonError, MappingError, Refused, TooMany, Unauthorized
from adapter.fhir import dumps, outcome

FHIR_JSON = "application/fhir+json"
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


def liaison_refusal(_: Request, error: Exception) -> Response:
    """Our own error tree: status and issues as the class says."""
    found = cast(LiaisonError, error)
    headers = {}
    if isinstance(found, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="liaison"'
    if found.retry or isinstance(found, TooMany):
        headers["Retry-After"] = "5"
    if isinstance(found, Refused):
        return refused(found.status, list(found.issues), headers)
    path = found.path if isinstance(found, MappingError) else ""
    return refused(found.status, [Issue(found.code, str(found), path)], headers)


def http_refusal(_: Request, error: Exception) -> Response:
    """What the framework refuses: unknown path, wrong method."""
    found = cast(HTTPException, error)
    return refused(found.status_code, [Issue(_CODES.get(found.status_code, "processing"), found.detail)], dict(found.headers or {}))
