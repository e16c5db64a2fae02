"""`/intake`: a record of another tool becomes a referral."""

from __future__ import annotations

import re
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from adapter import fhir
from adapter.app import App
from adapter.errors import Malformed, NotFound, WrongType
from adapter.flows import Flows
from adapter.logs import log
from adapter.ports import Uow
from adapter.web.admitting import admitted, aside
from adapter.web.auth import principal, refusing

router = APIRouter(prefix="/intake", tags=["intake"])
SCOPE = "intake"
_JSON = re.compile(r"(application|text)/([\w.-]+\+)?json", re.ASCII | re.IGNORECASE)
_CHARSET = re.compile(r"""charset\s*=(?!\s*["']?utf-?8\b)""", re.ASCII | re.IGNORECASE)


async def written(request: Request, expected: str = "application/json") -> bytes:
    """The body of a request that says it is JSON, or says nothing. Raises WrongType (415)."""
    body = await request.body()
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        raise WrongType("expected a body as it is, not compressed; send it without Content-Encoding")
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    if body and media and (not _JSON.fullmatch(media.strip()) or _CHARSET.search(parameters)):
        raise WrongType(f"expected a body in JSON and UTF-8; send it with Content-Type: {expected}")
    return body


def answer(found: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(found), status, headers, "application/json")


@router.post("/{mapping}", status_code=201, summary="Receive a record; idempotent by Idempotency-Key or the record's own id")
async def intake(mapping: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    if (dry := request.query_params.get("dry-run", "false")) not in ("true", "false"):
        raise Malformed("expected true or false", expression="dry-run", code="invalid")
    async with admitted(request) as token:
        body = await written(request)
        record = await aside(len(body), fhir.load, body)
    key = request.headers.get("idempotency-key", "")
    request_id = request.state.request_id

    def refer(story: Flows, uow: Uow) -> Any:
        who = principal(story, uow, token, scope=SCOPE, request_id=request_id)
        with refusing(who, "intake", verb="create", request_id=request_id):
            if dry == "true":
                return story.intake.tried(uow, who, mapping, record)
            return story.refer(uow, who, mapping, record, body=body, key=key, request_id=request_id)

    receipt = await app.write(refer)
    if dry == "true":
        return answer(receipt)
    log("intake-received", count=len(receipt.referrals), request_id=request_id)
    return answer(receipt.shown(), 201, {"Idempotency-Replayed": "true"} if receipt.replayed else None)


@router.get("/{mapping}/{record}", summary="The record again, as it stands: to the practice that sent it")
async def again(mapping: str, record: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    async with admitted(request) as token:
        pass
    request_id = request.state.request_id

    def read(story: Flows, uow: Uow) -> Any:
        who = principal(story, uow, token, scope=SCOPE, request_id=request_id)
        with refusing(who, "intake", verb="read", request_id=request_id):
            return story.recorded(uow, who, mapping, record, request_id=request_id)

    if (found := await app.write(read)) is None:
        raise NotFound("no record of that id was received from this organisation")
    return answer(found)


@router.post("/{mapping}/{record}/agreements", summary="Record that the doctor or the patient agreed (or did not)")
async def agreement(mapping: str, record: str, request: Request) -> Response:
    app: App = request.app.state.liaison
    async with admitted(request) as token:
        heard = fhir.load(await written(request))
    request_id = request.state.request_id

    def agree(story: Flows, uow: Uow) -> Any:
        who = principal(story, uow, token, scope=SCOPE, request_id=request_id)
        with refusing(who, "agreement", verb="create", request_id=request_id):
            return story.agree(uow, who, mapping, record, heard, request_id=request_id)

    return answer((await app.write(agree)).shown())
