"""Keys and assertions of invented clients, made once: what the tests of SMART Backend Services share."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from adapter.smart import TYPE

Key = RSAKey | ECKey


@cache
def rsa(name: str = "rsa") -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name})


@cache
def ec(name: str = "ec", curve: str = "P-384") -> ECKey:
    return ECKey.generate_key(curve, {"kid": name})  # type: ignore[arg-type]


def public(key: Key, **more: Any) -> dict[str, Any]:
    return dict(key.as_dict(private=False)) | more


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def signed(key: Key, claims: dict[str, Any], **header: Any) -> str:
    """A JWT with this header, SMART's unless said otherwise (None: left out)."""
    algorithm = "RS384" if isinstance(key, RSAKey) else "ES384"
    head = {name: value for name, value in ({"alg": algorithm, "kid": key.kid, "typ": "JWT"} | header).items() if value is not None}
    return str(jws.serialize_compact(head, json.dumps(claims), key, algorithms=[head["alg"]]))


def claims(client: str, audience: str, at: datetime, **changed: Any) -> dict[str, Any]:
    """SMART's claims, good for four minutes (None: left out)."""
    made = {"iss": client, "sub": client, "aud": audience, "exp": int(at.timestamp()) + 240, "jti": "jti-1"} | changed
    return {name: value for name, value in made.items() if value is not None}


def form(assertion: str, **more: str) -> dict[str, str]:
    return {"grant_type": "client_credentials", "client_assertion_type": TYPE, "client_assertion": assertion} | more
