"""Who the bearer of a token is. `adapter.web.oauth` issues them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from starlette.requests import Request

from adapter.acting import of_client, refusing, standing
from adapter.app import App
from adapter.errors import Unauthorized
from adapter.flows import Flows
from adapter.limits import Limits
from adapter.network import ClientEntry
from adapter.ports import Principal, Uow
from adapter.scopes import held


@dataclass(frozen=True, slots=True)
class Bearer:
    """A bearer token as it came: its digest, the address of ours that it came to, and the limits that its client shares."""

    digest: str
    audience: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Issued:
    """What stands behind a token: for which client, what it was granted, for which address of ours, until when (seconds since 1970)."""

    client: str
    scopes: tuple[str, ...]
    audience: str
    expires: int

    @classmethod
    def now(cls, app: App, client: ClientEntry, scopes: tuple[str, ...], expires: datetime) -> Issued:
        return cls(client.id, scopes, app.settings.url, int(expires.timestamp()))

    def written(self) -> bytes:
        return orjson.dumps([self.client, self.scopes, self.audience, self.expires])

    @classmethod
    def of(cls, uow: Uow, digest: str) -> Issued | None:
        """None: unknown, expired, ended, or of a version of ours that wrote it otherwise."""
        kept = uow.token(digest)
        if kept is None or not kept.startswith(b"["):
            return None
        client, scopes, audience, expires = orjson.loads(kept)
        return cls(client, tuple(scopes), audience, expires)


def digest(token: str) -> str:
    """Under which a token is stored: the token itself never is."""
    return hashlib.sha256(token.encode()).hexdigest()


def jti(digest: str) -> str:
    """The id by which the events and an introspection name the token of this digest; neither can be found from it."""
    return hashlib.sha256(f"jti:{digest}".encode()).hexdigest()[:32]


def bearer(request: Request) -> Bearer:
    """The bearer token of this request. Raises Unauthorized when there is none."""
    scheme, token = authorization(request)
    if scheme != "bearer" or not token:
        raise Unauthorized("expected an Authorization header with a bearer token from /oauth/token")
    app: App = request.app.state.liaison
    return Bearer(digest(token), app.settings.url, app.limits)


def authorization(request: Request) -> tuple[str, str]:
    """The scheme of the Authorization header, in small letters, and what follows it."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return scheme.lower(), value.strip()


def principal(story: Flows, uow: Uow, token: Bearer, *, scope: str = "", request_id: str = "") -> Principal:
    """Who holds this token now; what the network file says of the client at this moment counts, of what the token was granted
    (A-27). Raises Unauthorized (for a token of another address too), and Forbidden for a client that was not given `scope`."""
    issued = Issued.of(uow, token.digest)
    client = story.network.client(issued.client) if issued and issued.audience == token.audience else None
    if issued is None or client is None:
        raise Unauthorized("the token is unknown or has expired; ask /oauth/token for another")
    token.limits.spend(client.id, uow.at)
    who = replace(of_client(story, client, scopes=held(issued.scopes, client.scopes)), jti=jti(token.digest))
    with refusing(who, "token", verb="scope", request_id=request_id):
        standing(story, who, at=uow.at, scope=scope)
    return who


__all__ = ["Bearer", "Issued", "authorization", "bearer", "digest", "jti", "of_client", "principal", "refusing"]
