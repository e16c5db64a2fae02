"""The fake's doorkeepers: a fixed header, or tokens of its own token endpoint (SMART Backend Services)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import unquote

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from adapter.clock import Clock
from adapter.ehr.fake.wire import Reply

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST = 300


class Guard(Protocol):
    """Lets requests in, or not."""

    header: str  # lower case; its value is never recorded

    def admits(self, headers: Mapping[str, str]) -> bool: ...
    def token(self, form: Mapping[str, str], headers: Mapping[str, str], url: str) -> Reply:
        """The token endpoint's answer."""
        ...


class HeaderGuard:
    """One fixed header: `HeaderGuard("Authorization", "Bearer …")`, Basic, or a key of the vendor's own."""

    def __init__(self, header: str, value: str) -> None:
        self.header, self._value = header.lower(), value

    def admits(self, headers: Mapping[str, str]) -> bool:
        return headers.get(self.header) == self._value

    def token(self, form: Mapping[str, str], headers: Mapping[str, str], url: str) -> Reply:
        return Reply(404)


class TokenGuard:
    """Tokens for one client, by its secret (Basic or in the form) or by an assertion signed with a key of `jwks`.

    Rules of security.md 3.1: RS384 or ES384 only, kid, typ JWT, iss = sub = client, aud = the token URL, exp at most
    five minutes ahead by the clock given, every jti once.
    """

    header = "authorization"

    def __init__(
        self,
        client: str,
        *,
        clock: Clock,
        jwks: Mapping[str, Any] | None = None,
        secret: str = "",
        lifetime: int | None = 300,
        typed: bool = True,
    ) -> None:
        self._client, self._clock, self._secret, self._lifetime = client, clock, secret, lifetime
        self._jwks = dict(jwks) if jwks else None
        self._tokens: dict[str, float] = {}
        self._seen: set[str] = set()
        self.issued = 0
        self.refused: list[str] = []

    def revoke(self) -> None:
        """No token given so far is good any more."""
        self._tokens.clear()

    def admits(self, headers: Mapping[str, str]) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self._tokens.get(token, 0.0) > self._clock.now().timestamp()

    def token(self, form: Mapping[str, str], headers: Mapping[str, str], url: str) -> Reply:
        why = self._fault(form, headers, url)
        if why:
            self.refused.append(why)
            return Reply(400 if why == "unsupported_grant_type" else 401, {"error": why.split(":")[0], "error_description": why})
        token = self._clock.secret()
        lifetime = 300 if self._lifetime is None else self._lifetime
        self._tokens[token] = self._clock.now().timestamp() + lifetime
        self.issued += 1
        granted: dict[str, Any] = {"access_token": token, "token_type": "bearer", "scope": form.get("scope", "")}
        return Reply(200, granted if self._lifetime is None else {**granted, "expires_in": lifetime})

    def _fault(self, form: Mapping[str, str], headers: Mapping[str, str], url: str) -> str:
        if form.get("grant_type") != "client_credentials":
            return "unsupported_grant_type"
        if self._jwks is not None:
            return self._assertion_fault(form, url)
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        basic = headers.get("authorization", "")
        if basic.startswith("Basic "):
            name, _, secret = base64.b64decode(basic[6:]).decode().partition(":")
        return "" if (unquote(name), unquote(secret)) == (self._client, self._secret) else "invalid_client: secret"

    def _assertion_fault(self, form: Mapping[str, str], url: str) -> str:
        if form.get("client_assertion_type") != ASSERTION:
            return "invalid_client: assertion type"
        try:
            keys = KeySet.import_key_set(self._jwks)  # type: ignore[arg-type]
            token = jwt.decode(form.get("client_assertion", ""), keys, algorithms=["RS384", "ES384"])
        except (JoseError, ValueError, KeyError) as error:
            return f"invalid_client: signature ({type(error).__name__})"
        claims, now = token.claims, self._clock.now().timestamp()
        if token.header.get("typ") != "JWT" or "kid" not in token.header:
            return "invalid_client: header"
        if (claims.get("iss"), claims.get("sub"), claims.get("aud")) != (self._client, self._client, url):
            return "invalid_client: iss, sub or aud"
        exp, jti = claims.get("exp"), claims.get("jti")
        if not isinstance(exp, int | float) or not now < exp <= now + _LONGEST:
            return "invalid_client: exp"
        if not isinstance(jti, str) or jti in self._seen:
            return "invalid_client: jti"
        self._seen.add(jti)
        return ""
