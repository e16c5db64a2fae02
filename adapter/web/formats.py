"""JSON or XML: what a client wants back, and what it sends (R4 http, 3.1.0.1.11)."""

from __future__ import annotations

import re

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from adapter import fhir
from adapter.errors import Refused, WrongType
from adapter.web.intake import written
from adapter.web.refusals import FHIR_JSON, refused

FHIR_XML = "application/fhir+xml"
LONG = 64 * 1024  # bytes of JSON that take a hundredth of a second or so to write as XML
_JSON = frozenset({"application/fhir+json", "application/json", "text/json", "json", "*/*", "application/*"})
_XML = frozenset({FHIR_XML, "application/xml", "text/xml", "xml"})
_VERSION = re.compile(r"\bfhirVersion\s*=\s*\"?([^;\"\s]*)")
RELEASE = "4.0"  # of FHIR, as the parameter fhirVersion of a media type says it
_QUALITY = re.compile(r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.ASCII)


def wanted(request: Request) -> str:
    """ "json", "xml", or "" for a client that takes neither. `_format` stands above Accept; of what a client takes alike JSON is given."""
    given = request.query_params.get("_format")
    if given is not None:
        media, _, parameters = given.partition(";")
        return _of(media.strip().lower().replace(" ", "+"), parameters)
    accept = request.headers.get("accept", "")
    if not accept.strip():
        return "json"
    offered = [(_quality(parameters), _of(media.strip().lower(), parameters)) for media, _, parameters in (each.partition(";") for each in accept.split(","))]
    best = max((quality for quality, format in offered if format), default=0.0)
    formats = [format for quality, format in offered if format and quality == best] if best else []
    return "json" if "json" in formats else formats[0] if formats else ""


def speaks_fhir(accept: str) -> bool:
    """Whether an Accept header, or a media type, names FHIR or plain JSON or XML."""
    return any(each.partition(";")[0].strip().lower() in (_JSON | _XML) - {"*/*", "application/*", "json", "xml"} for each in accept.split(","))


def _of(media: str, parameters: str = "") -> str:
    if (asked := _VERSION.search(parameters)) and asked[1] != RELEASE:
        return ""
    return "json" if media in _JSON else "xml" if media in _XML and fhir.xml_available() else ""


def _quality(parameters: str) -> float:
    found = [float(each[1]) for part in parameters.split(";") if (each := _QUALITY.fullmatch(part))]
    return found[0] if found else 1.0


def acceptable(request: Request) -> Response | None:
    """406 when the client takes nothing that is spoken here."""
    if wanted(request):
        return None
    offered = f"{FHIR_JSON} or {FHIR_XML}" if fhir.xml_available() else FHIR_JSON
    return refused(406, list(Refused(f"expected a client that accepts {offered}", code="not-supported").issues))


async def body(request: Request) -> bytes:
    """The body as JSON, whichever of the two it came in. Raises WrongType (415), Malformed."""
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    if (sent := _VERSION.search(parameters)) and sent[1] != RELEASE:
        raise WrongType(f"expected a body of FHIR {RELEASE}; send it with Content-Type: {FHIR_JSON}; fhirVersion={RELEASE}")
    if media.strip().lower() not in _XML - {"xml"}:
        return await written(request, FHIR_JSON)
    if not fhir.xml_available():
        raise WrongType(f"expected a body in JSON; send it with Content-Type: {FHIR_JSON}")
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        raise WrongType("expected a body as it is, not compressed; send it without Content-Encoding")
    if re.search(r"charset\s*=(?!\s*[\"']?utf-?8\b)", parameters, re.ASCII | re.IGNORECASE):
        raise WrongType(f"expected a body in UTF-8; send it with Content-Type: {FHIR_XML}")
    return await run_in_threadpool(fhir.from_xml, await request.body())


async def given(request: Request, response: Response) -> Response:
    """The same, a long one made beside the event loop."""
    return await run_in_threadpool(rendered, request, response) if len(response.body) > LONG else rendered(request, response)


def rendered(request: Request, response: Response) -> Response:
    """A FHIR answer in the format that the client wants; any other answer as it is."""
    if response.media_type != FHIR_JSON or not response.body or not request.url.path.startswith("/fhir") or wanted(request) != "xml":
        return response
    headers = {name: value for name, value in response.headers.items() if name not in ("content-length", "content-type")}
    return Response(fhir.to_xml(bytes(response.body)), response.status_code, headers, FHIR_XML)
