"""Binary as the document itself: given and taken as its bytes, where the client does not speak of FHIR (R4 binary, 2.6.3)."""

from __future__ import annotations

import base64

import orjson
from fastapi import Request
from starlette.responses import Response

from adapter.attachments import KINDS, content_of
from adapter.dossier import content
from adapter.errors import WrongType
from adapter.ports import Resource, Version
from adapter.web.formats import speaks_fhir

_SAFE = {"Content-Disposition": "attachment", "Content-Security-Policy": "sandbox; default-src 'none'"}


def native(request: Request, type: str) -> bool:
    """Whether the bytes themselves are asked for."""
    return type == "Binary" and "_format" not in request.query_params and not speaks_fhir(request.headers.get("accept", ""))


def given(version: Version, headers: dict[str, str]) -> Response:
    """The document, never to be shown by a browser as a page of ours."""
    media, found = content_of(content(version))
    return Response(found, 200, headers | _SAFE, media)


def raw(request: Request) -> bool:
    """Whether the body is a document and no resource."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return bool(media) and not speaks_fhir(media)


async def wrapped(request: Request) -> bytes:
    """The JSON of a Binary around the body. Raises WrongType (415) for a kind that is not taken."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in KINDS:
        raise WrongType(f"expected a document of one of: {', '.join(KINDS)}; or a Binary in FHIR")
    found: Resource = {"resourceType": "Binary", "contentType": media, "data": base64.b64encode(await request.body()).decode()}
    if context := request.headers.get("x-security-context", ""):
        found |= {"securityContext": {"reference": context}}
    return orjson.dumps(found)


