"""The token endpoint: client credentials with a secret, or with a signed assertion (SMART Backend Services, security.md 3.1)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from adapter.clock import Clock
from adapter.ehr.auth import Secret
from adapter.errors import EhrError, EhrRejected, EhrUnavailable, SettingsError
from adapter.net import Answer, GuardedSession, retry_after, server_date

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE = timedelta(seconds=150)  # of an assertion: right for a server up to 150 s behind or ahead even before its clock is known
NOTICEABLE = timedelta(seconds=30)
BELIEVABLE = timedelta(days=1)  # a Date further off is no clock to sign by
SHORT = 60.0  # seconds, for a token without expires_in
LONGEST = 24 * 3600.0
_ERRORS = frozenset(
    "invalid_request invalid_client invalid_grant unauthorized_client unsupported_grant_type invalid_scope".split()  # noqa: SIM905
)
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}", re.ASCII)


class Credentials(Protocol):
    def proof(self, token_url: str, server_now: datetime) -> tuple[dict[str, str], dict[str, str]]:
        """Form fields and headers that prove who we are."""
        ...


class ClientSecret:
    """HTTP Basic of client id and secret, as RFC 6749 2.3.1 wants it."""

    def __init__(self, client_id: str, secret: Secret) -> None:
        self._client_id, self._secret = client_id, secret

    def proof(self, token_url: str, server_now: datetime) -> tuple[dict[str, str], dict[str, str]]:
        pair = f"{quote(self._client_id, safe='')}:{quote(self._secret(), safe='')}"
        return {}, {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


class SignedAssertion:
    """private_key_jwt, RS384 or ES384 by the kind of key. `key` reads a JWK, a JWKS (the first that may sign) or a PEM;
    `kid` is needed where the key names none."""

    def __init__(self, client_id: str, key: Secret, *, clock: Clock, kid: str = "") -> None:
        self._client_id, self._key, self._clock, self._kid = client_id, key, clock, kid

    def proof(self, token_url: str, server_now: datetime) -> tuple[dict[str, str], dict[str, str]]:
        key = signing_key(self._key())
        kid = self._kid or key.kid or ""
        if not kid:
            raise SettingsError("the signing key names no kid", variable="kid", fix="give the kid under which the EHR knows the public key")
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": token_url,
            "exp": int((server_now + LIFE).timestamp()),
            "jti": self._clock.secret(),
        }
        header = {"alg": "RS384" if isinstance(key, RSAKey) else "ES384", "kid": kid, "typ": "JWT"}
        return {"client_assertion_type": ASSERTION, "client_assertion": jwt.encode(header, claims, key, algorithms=["RS384", "ES384"])}, {}


def signing_key(text: str) -> RSAKey | ECKey:
    """An RSA or P-384 private key from a JWK, JWKS or PEM. Raises SettingsError."""
    try:
        key = _key(text)
        fit = isinstance(key, RSAKey) or (isinstance(key, ECKey) and key.curve_name == "P-384")
        if isinstance(key, RSAKey | ECKey) and fit and key.is_private:
            return key
    except (JoseError, ValueError, KeyError, TypeError, StopIteration):
        pass
    raise SettingsError("expected a private key, RSA or P-384, as JWK or PEM", variable="secret", fix="make one and register its public part at the EHR")


def _key(text: str) -> object:
    if not text.startswith("{"):
        try:
            return RSAKey.import_key(text)
        except (JoseError, ValueError):
            return ECKey.import_key(text)
    found = orjson.loads(text)
    if "keys" not in found:
        found = {"keys": [found]}
    return next(key for key in KeySet.import_key_set(found).keys if key.is_private)


class ClientCredentials:
    """A `Token` for `TokenAuth`. `token_url` is asked for when first needed.

    An assertion is dated by the token server's clock, which is learned from its Date header: when it refuses the
    first one and its clock differs from the one assumed, one more is sent (security.md A-22).
    """

    def __init__(self, token_url: Callable[[], str], credentials: Credentials, *, scopes: str, session: GuardedSession, clock: Clock) -> None:
        self._token_url, self._credentials, self._scopes = token_url, credentials, scopes
        self._session, self._clock = session, clock
        self._skew = timedelta(0)

    def fetch(self) -> tuple[str, float]:
        """(access token, seconds it lives). Raises EhrUnavailable (endpoint away), EhrRejected (it refuses us)."""
        answer = self._ask()
        if answer.status in (400, 401) and self._learned(answer):
            answer = self._ask()
        if answer.status != 200:
            raise self._refused(answer)
        return _granted(answer.body)

    def _ask(self) -> Answer:
        url = self._token_url()
        form, headers = self._credentials.proof(url, self._clock.now() + self._skew)
        fields = {"grant_type": "client_credentials", **({"scope": self._scopes} if self._scopes else {}), **form}
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", **headers}
        return self._session.send("POST", url, headers=sent, body=urlencode(fields).encode(), safe=True)

    def _learned(self, answer: Answer) -> bool:
        """Whether the server's clock is another than the one we signed by; then it is known from now on."""
        skew = self._seen(answer)
        if abs(skew - self._skew) < NOTICEABLE or abs(skew) > BELIEVABLE:
            return False
        self._skew = skew
        return True

    def _seen(self, answer: Answer) -> timedelta:
        date = server_date(answer.headers)
        return date - self._clock.now() if date else timedelta(0)

    def _refused(self, answer: Answer) -> EhrError:
        status = answer.status
        if status in (408, 425, 429) or status >= 500:
            later = retry_after(answer.headers, self._clock.now())
            return EhrUnavailable(f"token endpoint: {status}", status_code=status, retry_at=later)
        said = _json(answer.body).get("error")
        skew = self._seen(answer)
        text = f"token endpoint: {status}" + (f" ({said})" if isinstance(said, str) and said in _ERRORS else "")
        if abs(skew) >= NOTICEABLE:
            text += f"; its clock differs from ours by {skew.total_seconds():+.0f} s"
        return EhrRejected(text, status_code=status)


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _granted(body: bytes) -> tuple[str, float]:
    found = _json(body)
    token, kind, life = found.get("access_token"), found.get("token_type"), found.get("expires_in", SHORT)
    if not (isinstance(token, str) and _TOKEN.fullmatch(token) and isinstance(kind, str) and kind.lower() == "bearer"):
        raise EhrRejected("token endpoint: expected a bearer token, but found something else", status_code=200)
    if isinstance(life, str) and life.isascii() and life.isdecimal():  # some servers write it as text
        life = float(life[:9])
    if isinstance(life, bool) or not isinstance(life, int | float) or life <= 0:
        life = SHORT
    return token, min(float(life), LONGEST)


def discovered(base_url: str, *, session: GuardedSession) -> Callable[[], str]:
    """The token endpoint that `.well-known/smart-configuration` names, asked for once."""
    known: list[str] = []

    def token_url() -> str:
        if not known:
            answer = session.send("GET", f"{base_url.rstrip('/')}/.well-known/smart-configuration", headers={"Accept": "application/json"})
            if answer.status >= 500:
                raise EhrUnavailable(f"smart-configuration: {answer.status}", status_code=answer.status)
            found = _json(answer.body).get("token_endpoint")
            if answer.status != 200 or not isinstance(found, str):
                raise EhrRejected("smart-configuration: expected a token_endpoint; name token_url instead", status_code=answer.status)
            known.append(found)
        return known[0]

    return token_url
