"""Whether a signed assertion proves a client (SMART Backend Services, RFC 7523; security.md 3.1, A-02 to A-11).

Our own check: the ready ones take RS256, an `exp` of tomorrow and the key address of whoever asks (security.md 3.2). Pure: the keys
and the time are given. That an assertion counts once is for the unit of work that issues the token: `Proven.once`, `Proven.until`.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = {"RS384": "RSA", "ES384": "EC"}  # and the kind of key of each
AHEAD = timedelta(seconds=300)  # SMART: exp is no further than five minutes ahead
LEEWAY = timedelta(seconds=30)  # a client's clock may be that far behind ours; none is given for a clock ahead
KEPT = 2 * LEEWAY  # a jti is kept that much longer than exp: a unit of work may wait, and another machine's clock be ahead
LARGEST = 8192  # characters of an assertion
LONGEST = 256  # characters of a jti
SMALLEST = 2048  # bits of an RSA key
_PUBLIC = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}

Why = Literal["assertion-unreadable", "assertion-header", "assertion-key", "assertion-signature", "assertion-claims", "assertion-expired", "assertion-audience"]


class Unproven(Exception):
    """The assertion does not hold. `why` is for the log and the audit; the caller is told the same whatever it is."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Claimed:
    """What an assertion says of itself, before anything of it is proved: `client` whose keys are to be fetched, `kid` which."""

    client: str
    kid: str
    header: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Proven:
    """A client's assertion that holds: `once` names it (client and jti, as a digest); that name is kept until `until`, when no
    machine of the house takes it any more."""

    once: str
    until: datetime


def claimed(assertion: str) -> Claimed:
    """Who says so and under which key. Raises Unproven when it is no JWT, or its header is not SMART's: alg RS384 or ES384,
    typ JWT, a kid, nothing that must be understood besides."""
    parts = assertion.split(".")
    if len(assertion) > LARGEST or len(parts) != 3:
        raise Unproven("assertion-unreadable")
    header, claims = _object(_decoded(parts[0])), _object(_decoded(parts[1]))
    kid = header.get("kid")
    if header.get("alg") not in ALGORITHMS or header.get("typ") != "JWT" or not isinstance(kid, str) or not kid or "crit" in header or "b64" in header:
        raise Unproven("assertion-header")
    return Claimed(str(claims.get("iss", "")), kid, header)


def proven(assertion: str, *, client: str, keys: Iterable[Mapping[str, Any]], audience: str, jwks_url: str = "", at: datetime) -> Proven:
    """The assertion as proof of `client` at the token endpoint `audience`. `keys`: the JWKs that the client registered, at
    `jwks_url` ("" where it has no address: then no jku will do). Raises Unproven."""
    said = claimed(assertion)
    if "jku" in said.header and (not jwks_url or said.header["jku"] != jwks_url):
        raise Unproven("assertion-header")
    key = chosen(keys, kid=said.kid, algorithm=str(said.header["alg"]))
    try:
        payload = jws.deserialize_compact(assertion, key, algorithms=[said.header["alg"]]).payload
    except (JoseError, ValueError, TypeError):
        raise Unproven("assertion-signature") from None
    return _held(_object(payload), client=client, audience=audience, at=at)


def chosen(keys: Iterable[Mapping[str, Any]], *, kid: str, algorithm: str) -> RSAKey | ECKey:
    """The one key under that kid which verifies that algorithm. A JWKS may pair it with the one that signs, or hold one for
    encryption under the same kid: what a key is for decides. Raises Unproven for none, for several, for one too weak."""
    fit = [key for key in keys if key.get("kid") == kid and key.get("kty") == ALGORITHMS[algorithm] and verifies(key, algorithm)]
    if len(fit) != 1:
        raise Unproven("assertion-key")
    public = {name: fit[0][name] for name in _PUBLIC[ALGORITHMS[algorithm]] if name in fit[0]}
    try:
        key: RSAKey | ECKey = RSAKey.import_key(public) if algorithm == "RS384" else ECKey.import_key(public)
        strong = key.raw_value.key_size >= SMALLEST if isinstance(key, RSAKey) else key.curve_name == "P-384"
    except (JoseError, ValueError, KeyError, TypeError):
        strong = False
    if not strong:
        raise Unproven("assertion-key")
    return key


def verifies(key: Mapping[str, Any], algorithm: str) -> bool:
    """Whether a JWK says, or leaves open, that it is for this."""
    operations = key.get("key_ops", ["verify"])
    return isinstance(operations, list) and "verify" in operations and key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm


def usable(keys: Iterable[Mapping[str, Any]]) -> list[str]:
    """The kids under which an assertion could be signed."""
    found = list(keys)

    def holds(kid: str, algorithm: str) -> bool:
        try:
            return chosen(found, kid=kid, algorithm=algorithm) is not None
        except Unproven:
            return False

    kids = dict.fromkeys(str(key["kid"]) for key in found if isinstance(key.get("kid"), str))
    return [kid for kid in kids if any(holds(kid, algorithm) for algorithm in ALGORITHMS)]


def _held(claims: Mapping[str, Any], *, client: str, audience: str, at: datetime) -> Proven:
    jti, now = claims.get("jti"), at.timestamp()
    if claims.get("iss") != client or claims.get("sub") != client or not isinstance(jti, str) or not 0 < len(jti) <= LONGEST:
        raise Unproven("assertion-claims")
    if claims.get("aud") not in (audience, [audience]):
        raise Unproven("assertion-audience")
    expires, begins = _seconds(claims.get("exp")), _seconds(claims.get("nbf", 0))
    if not now - LEEWAY.total_seconds() < expires <= now + AHEAD.total_seconds() or begins > now:
        raise Unproven("assertion-expired")
    once = hashlib.sha256(orjson.dumps([client, jti])).hexdigest()
    return Proven(f"jti/{once}", datetime.fromtimestamp(expires, UTC) + KEPT)


def _seconds(written: object) -> float:
    """A NumericDate. Raises Unproven for anything but a finite number."""
    if isinstance(written, bool) or not isinstance(written, int | float) or not math.isfinite(written):
        raise Unproven("assertion-claims")
    return float(written)


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise Unproven("assertion-unreadable") from None


def _object(written: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(written)
    except orjson.JSONDecodeError:
        raise Unproven("assertion-unreadable") from None
    if not isinstance(found, dict):
        raise Unproven("assertion-unreadable")
    return found
