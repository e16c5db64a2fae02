"""Tokens: `/oauth/token` (client credentials with a secret, RFC 6749 4.4) and who a bearer is."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import parse_qsl, unquote_plus

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from adapter.app import App
from adapter.audit import events
from adapter.errors import Forbidden, Refused, Unauthorized
from adapter.flows import Flows
from adapter.logs import log
from adapter.network import ClientEntry
from adapter.ports import Principal, Uow

router = APIRouter(tags=["authorisation"])


def digest(token: str) -> str:
    """Under which a token is stored: the token itself never is."""
    return hashlib.sha256(token.encode()).hexdigest()


def bearer(request: Request) -> str:
    """The digest of the bearer token of this request. Raises Unauthorized when there is none."""
    scheme, token = _authorization(request)
    if scheme != "bearer" or not token:
        raise Unauthorized("expected an Authorization header with a bearer token from /oauth/token")
    return digest(token)


def _authorization(request: Request) -> tuple[str, str]:
    """The scheme of the Authorization header, in small letters, and what follows it."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return scheme.lower(), value.strip()


def principal(story: Flows, uow: Uow, token: str, *, scope: str = "", request_id: str = "") -> Principal:
    """Who holds this token now; what the network file says of the client at this moment counts (A-27). Raises
    Unauthorized, and Forbidden for a client that was not given `scope`."""
    client = story.network.client((uow.token(token) or b"").decode())
    if client is None:
        raise Unauthorized("the token is unknown or has expired; ask /oauth/token for another")
    who = of_client(story, client)
    with refusing(who, "token", verb="scope", request_id=request_id):
        if client.person and story.network.serving(client.person, uow.at) is None:
            raise Unauthorized("the client's person is not in service today; the network file's from and to say when")
        if scope and scope not in who.scopes:
            raise Forbidden(f"this client was not given the scope {scope}; the network file's scopes say what it may", detail="scope")
    return who


@contextmanager
def refusing(who: Principal, what: str, *, verb: str, view: str = "", request_id: str) -> Iterator[None]:
    """What is refused inside leaves an event: who asked for what, and the kind of refusal. `what`, `verb` and `view` are names of
    ours, never the caller's text."""
    try:
        yield
    except Refused as refusal:
        reason = type(refusal).__name__.lower()
        refusal.event = lambda at: events.denied(who, what, reason=reason, verb=verb, view=view, at=at, request_id=request_id)
        raise


def of_client(story: Flows, client: ClientEntry) -> Principal:
    organisation = story.network.organisation(client.organisation)
    if organisation is None or not organisation.active:
        raise Unauthorized("the client's organisation takes no part any more")
    role = client.role or ("clinic" if organisation.kind == "clinic" else "service")
    return Principal(
        client=client.id,
        organisation=client.organisation,
        unit=client.unit or None,
        role=role,
        person=client.person or None,
        purposes=frozenset(client.purposes),
        scopes=frozenset(client.scopes),
    )


def _error(status: int, code: str, text: str) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="liaison"'} if status == 401 else {}
    return Response(orjson.dumps({"error": code, "error_description": text}), status, headers, "application/json")


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Client id and secret from Basic or from the form; "" for what is not there or cannot be read."""
    scheme, value = _authorization(request)
    if scheme != "basic":
        name, secret = (form.get(field, "") for field in ("client_id", "client_secret"))
        return name, secret
    try:
        pair = base64.b64decode(value, validate=True).decode()
    except ValueError:
        pair = ""
    encoded, _, rest = pair.partition(":")
    return unquote_plus(encoded), unquote_plus(rest)


@router.post("/oauth/token", summary="A bearer token for a client of the network file")
async def token(request: Request) -> Response:
    app: App = request.app.state.liaison
    try:
        form = dict(parse_qsl((await request.body()).decode("ascii"), max_num_fields=20))
    except ValueError:
        return _error(400, "invalid_request", "expected application/x-www-form-urlencoded")
    if form.get("grant_type") != "client_credentials":
        return _error(400, "unsupported_grant_type", "expected grant_type=client_credentials")
    name, secret = _credentials(request, form)
    issued, request_id = app.clock.secret(), request.state.request_id
    seconds = app.settings.token_seconds

    def grant(story: Flows, uow: Uow) -> ClientEntry | None:
        client = story.network.client(name)
        expected = app.secret_of(client) if client else ""
        same = hmac.compare_digest(expected.encode(), secret.encode())  # for an unknown client too: it takes the same statements
        if not (same and expected) or client is None:
            if client is not None:  # somebody tries a client's door; of a name that nobody has there is nobody to tell of
                tried = Principal(client.id, client.organisation)
                uow.audit(events.denied(tried, "token", reason="invalid-client", verb="token", at=uow.at, request_id=request_id))
            return None
        uow.save_token(digest(issued), client.id.encode(), uow.at + timedelta(seconds=seconds))
        return client

    client = await app.write(grant)
    if client is None:
        return _error(401, "invalid_client", "unknown client or wrong secret")
    log("token-issued", client=client.id)
    answer = {"access_token": issued, "token_type": "Bearer", "expires_in": seconds, "scope": " ".join(client.scopes)}
    return Response(orjson.dumps(answer), media_type="application/json", headers={"Pragma": "no-cache"})
