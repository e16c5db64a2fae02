"""The OAuth doors of SMART Backend Services: discovery, `/oauth/token` (RFC 6749 4.4 with an assertion or a secret), introspection
(RFC 7662) and revocation (RFC 7009). security.md 3.1, A-01 to A-20."""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote_plus

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from adapter.app import App
from adapter.audit import events
from adapter.errors import Refused
from adapter.flows import Flows
from adapter.limits import Limits
from adapter.logs import log
from adapter.network import ClientEntry
from adapter.ports import Principal, Uow
from adapter.scopes import ACTS, DOORS, granted
from adapter.smart import ALGORITHMS, TYPE, Proven, Unproven, claimed, proven
from adapter.web.auth import Bearer, Issued, authorization, digest, jti, principal
from adapter.web.fhir import TYPES
from adapter.writing import BY_ACT, DIRECTORY

router = APIRouter(tags=["authorisation"])
T = TypeVar("T")
SHORT = 300  # seconds that a token for an assertion lives at most
READ_ONLY = BY_ACT | DIRECTORY
GRANT = "client_credentials"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a caller showed for being the client `name`, as it was found before the unit of work: `client` as the network file had it,
    `why` it does not hold ("": it does), `proven` where that was an assertion."""

    name: str
    client: ClientEntry | None
    why: str
    proven: Proven | None = None


# ── the doors ────────────────────────────────────────────────────────────────────────────────────
@router.get("/fhir/.well-known/smart-configuration", summary="Where tokens come from and what they may grant (SMART App Launch 2)")
async def configuration(request: Request) -> Response:
    app: App = request.app.state.liaison
    methods = ["private_key_jwt", "client_secret_basic", "client_secret_post"]
    found: dict[str, Any] = {"token_endpoint": token_url(app), "grant_types_supported": [GRANT]}
    for name in ("token", "introspection", "revocation"):
        found[f"{name}_endpoint_auth_methods_supported"] = methods
        found[f"{name}_endpoint_auth_signing_alg_values_supported"] = list(ALGORITHMS)
    found |= {
        "introspection_endpoint": f"{app.settings.url}/oauth/introspect",
        "revocation_endpoint": f"{app.settings.url}/oauth/revoke",
        "scopes_supported": [*(f"system/{type}.{'rs' if type in READ_ONLY else ACTS}" for type in ("*", *sorted(TYPES))), *DOORS],
        "code_challenge_methods_supported": ["S256"],  # SMART wants the key there even of a server without sign-in of people
        "capabilities": ["client-confidential-asymmetric", "permission-v2", "permission-v1"],
    }
    return Response(orjson.dumps(found), media_type="application/json")


@router.post("/oauth/token", summary="A bearer token for a client of the network file")
async def token(request: Request) -> Response:
    app: App = request.app.state.liaison
    form = await _form(request)
    if isinstance(form, Response):
        return form
    if not form.get("grant_type"):
        return _error(400, "invalid_request", f"expected grant_type={GRANT}")
    if form["grant_type"] != GRANT:
        return _error(400, "unsupported_grant_type", f"expected grant_type={GRANT}")
    issued, asked = app.clock.secret(), form.get("scope", "").split()

    def grant(story: Flows, uow: Uow, client: ClientEntry, shown: Shown) -> tuple[int, tuple[str, ...]] | None:
        scopes = granted(asked, client.scopes, TYPES) if asked else client.scopes
        if asked and not scopes:
            return None
        seconds = min(app.settings.token_seconds, SHORT) if shown.proven else app.settings.token_seconds
        expires = uow.at + timedelta(seconds=seconds)
        uow.save_token(digest(issued), Issued.now(app, client, scopes, expires).written(), expires)
        log("token-issued", client=client.id)
        return seconds, scopes

    given = await _as_client(request, form, grant)
    if isinstance(given, Response):
        return given
    if given is None:
        return _error(400, "invalid_scope", "none of these scopes is this client's; the network file says what it may")
    answer = {"access_token": issued, "token_type": "Bearer", "expires_in": given[0], "scope": " ".join(given[1])}
    return Response(orjson.dumps(answer), media_type="application/json", headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


@router.post("/oauth/introspect", summary="What a token of the caller's own grants now (RFC 7662)")
async def introspect(request: Request) -> Response:
    form = await _form(request)
    if isinstance(form, Response):
        return form
    app: App = request.app.state.liaison
    asked = Bearer(digest(form.get("token", "")), app.settings.url, Limits(0))  # to look at it spends nothing

    def look(story: Flows, uow: Uow, client: ClientEntry, _: Shown) -> dict[str, Any]:
        issued = Issued.of(uow, asked.digest)
        if issued is None or issued.client != client.id:  # unknown, ended or another's: the same to the caller
            return {"active": False}
        try:
            principal(story, uow, asked)
        except Refused:
            return {"active": False}
        scope = " ".join(granted(issued.scopes, client.scopes))
        known = {"active": True, "scope": scope, "client_id": client.id, "token_type": "Bearer"}
        return known | {"exp": issued.expires, "aud": issued.audience, "jti": jti(asked.digest)}

    found = await _as_client(request, form, look)
    return found if isinstance(found, Response) else Response(orjson.dumps(found), media_type="application/json")


@router.post("/oauth/revoke", summary="End a token of the caller's own at once (RFC 7009)")
async def revoke(request: Request) -> Response:
    form = await _form(request)
    if isinstance(form, Response):
        return form
    ended = digest(form.get("token", ""))

    def end(story: Flows, uow: Uow, client: ClientEntry, _: Shown) -> None:
        issued = Issued.of(uow, ended)
        if issued is not None and issued.client == client.id:
            uow.end_token(ended)

    done = await _as_client(request, form, end)
    return done if isinstance(done, Response) else Response(b"", 200)  # of a token that is not there too: nobody learns which are


# ── who asks ─────────────────────────────────────────────────────────────────────────────────────
def token_url(app: App) -> str:
    """What an assertion must name as its audience."""
    return f"{app.settings.url}/oauth/token"


async def _as_client(request: Request, form: Mapping[str, str], act: Callable[[Flows, Uow, ClientEntry, Shown], T]) -> T | Response:
    """What `act` gives in the unit of work in which the client proves itself: an assertion counts once, with what it brings, in
    whatever process. Else the refusal, in the same words whatever was wrong."""
    app: App = request.app.state.liaison
    basic, asserted = authorization(request)[0] == "basic", "client_assertion" in form or "client_assertion_type" in form
    if basic + asserted + ("client_secret" in form) > 1:
        return _error(400, "invalid_request", "expected one way of proving who you are")
    shown = await (_asserted(app, form) if asserted else _secret(app, request, form))

    def acted(story: Flows, uow: Uow) -> tuple[str, T | None]:
        client, why = story.network.client(shown.name), shown.why
        if client is None or client != shown.client:
            why = why or "invalid-client"
        elif not why and shown.proven and not uow.once(shown.proven.once, shown.proven.until):
            why = "assertion-replayed"
        if client is not None and not why:
            return "", act(story, uow, client, shown)
        if client is not None:  # somebody tries a client's door; of a name that nobody has there is nobody to tell of
            tried = Principal(client.id, client.organisation)
            uow.audit(events.denied(tried, "token", reason=why, verb="token", at=uow.at, request_id=request.state.request_id))
        return why or "invalid-client", None

    why, done = await app.write(acted)
    if not why:
        return done  # type: ignore[return-value]
    if asserted and shown.client is not None:
        log("token-refused", client=shown.name, reason=why)
    return _error(401, "invalid_client", "unknown client, or its secret or assertion does not hold")


async def _asserted(app: App, form: Mapping[str, str]) -> Shown:
    """Checked before the unit of work: keys may have to be fetched, and the database waits for nobody's server."""
    name = ""
    try:
        assertion = form.get("client_assertion", "")
        said = claimed(assertion)
        name = said.client
        client = await _client(app, name)
        if client is None or form.get("client_id", name) != name or form.get("client_assertion_type") != TYPE:
            return Shown(name, client, "invalid-client")
        keys = await app.keyring.keys(client, said.kid)
        found = proven(assertion, client=name, keys=keys, audience=token_url(app), jwks_url=client.jwks_url, at=app.clock.now())
        return Shown(name, client, "", found)
    except Unproven as refusal:
        return Shown(name, await _client(app, name), refusal.why)


async def _secret(app: App, request: Request, form: Mapping[str, str]) -> Shown:
    name, secret = _credentials(request, form)
    client = await _client(app, name)
    expected = await asyncio.to_thread(app.secret_of, client) if client else ""
    same = hmac.compare_digest(expected.encode(), secret.encode())  # for an unknown client too
    return Shown(name, client, "" if same and expected else "invalid-client")


async def _client(app: App, name: str) -> ClientEntry | None:
    return await app.read(lambda story, _: story.network.client(name)) if name else None


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Client id and secret from Basic or from the form; "" for what is not there or cannot be read."""
    scheme, value = authorization(request)
    if scheme != "basic":
        name, secret = (form.get(field, "") for field in ("client_id", "client_secret"))
        return name, secret
    try:
        pair = base64.b64decode(value, validate=True).decode()
    except ValueError:
        pair = ""
    encoded, _, rest = pair.partition(":")
    return unquote_plus(encoded), unquote_plus(rest)


async def _form(request: Request) -> dict[str, str] | Response:
    """The fields, each once at most (RFC 6749 3.2)."""
    try:
        pairs = parse_qsl((await request.body()).decode("ascii"), max_num_fields=20)
    except ValueError:
        return _error(400, "invalid_request", "expected application/x-www-form-urlencoded")
    form = dict(pairs)
    return form if len(form) == len(pairs) else _error(400, "invalid_request", "expected each field once")


def _error(status: int, code: str, text: str) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="liaison"'} if status == 401 else {}
    return Response(orjson.dumps({"error": code, "error_description": text}), status, headers, "application/json")
