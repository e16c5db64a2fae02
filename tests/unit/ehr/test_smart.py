from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from adapter.clock import FrozenClock
from adapter.ehr.auth import TokenAuth
from adapter.ehr.fake import FakeEhr, Fault, TokenGuard
from adapter.ehr.smart import ClientCredentials, ClientSecret, SignedAssertion, discovered, signing_key
from adapter.errors import EhrRejected, EhrUnavailable, SettingsError
from adapter.net import GuardedSession
from tests.unit.ehr.conftest import NOW, Connect
from tests.unit.ehr.shapes import task

EC = ECKey.generate_key("P-384", {"kid": "ec1"}, private=True)
RSA = RSAKey.generate_key(2048, {"kid": "rsa1"}, private=True)
JWKS: dict[str, Any] = {"keys": [key.as_dict(private=False) for key in (EC, RSA)]}
SCOPES = "system/Task.cruds"


def private(key: ECKey | RSAKey) -> str:
    return json.dumps(key.as_dict(private=True))


@pytest.fixture
def far() -> FrozenClock:
    """The EHR's clock."""
    return FrozenClock(NOW, seed=7)


@pytest.fixture
def guard(far: FrozenClock) -> TokenGuard:
    return TokenGuard("liaison", clock=far, jwks=JWKS)


@pytest.fixture
def ehr(far: FrozenClock, guard: TokenGuard) -> Iterator[FakeEhr]:
    with FakeEhr(clock=far, guard=guard) as fake:
        yield fake


@pytest.fixture
def session(ehr: FakeEhr, clock: FrozenClock) -> Iterator[GuardedSession]:
    guarded = GuardedSession(allow=[ehr.base_url], clock=clock)
    yield guarded
    guarded.close()


def auth_of(ehr: FakeEhr, session: GuardedSession, clock: FrozenClock, key: ECKey | RSAKey = EC, client: str = "liaison") -> TokenAuth:
    proof = SignedAssertion(client, lambda: private(key), clock=clock)
    source = ClientCredentials(lambda: ehr.token_url, proof, scopes=SCOPES, session=session, clock=clock)
    return TokenAuth(source, monotonic=clock.monotonic)


@pytest.mark.parametrize(("key", "alg"), [(EC, "ES384"), (RSA, "RS384")])
def test_assertion_is_what_smart_wants(clock: FrozenClock, key: ECKey | RSAKey, alg: str) -> None:
    form, headers = SignedAssertion("liaison", lambda: private(key), clock=clock).proof("https://ehr.example/token", NOW)
    token = jwt.decode(form["client_assertion"], KeySet.import_key_set(JWKS), algorithms=[alg])  # type: ignore[arg-type]
    assert token.header == {"alg": alg, "kid": key.kid, "typ": "JWT"}
    assert token.claims.keys() == {"iss", "sub", "aud", "exp", "jti"}
    assert token.claims["iss"] == token.claims["sub"] == "liaison"
    assert token.claims["aud"] == "https://ehr.example/token"
    assert 0 < token.claims["exp"] - NOW.timestamp() <= 300
    assert headers == {}


def test_assertion_has_a_jti_of_its_own_each_time(clock: FrozenClock) -> None:
    proof = SignedAssertion("liaison", lambda: private(EC), clock=clock)
    tokens = [jwt.decode(proof.proof("u", NOW)[0]["client_assertion"], EC, algorithms=["ES384"]) for _ in range(3)]
    assert len({token.claims["jti"] for token in tokens}) == 3


def test_signing_key_is_read_from_jwk_jwks_and_pem() -> None:
    public_first = {"keys": [EC.as_dict(private=False), RSA.as_dict(private=True)]}
    assert signing_key(private(EC)).kid == "ec1"
    assert signing_key(json.dumps(public_first)).kid == "rsa1"
    assert isinstance(signing_key(EC.as_pem(private=True).decode()), ECKey)
    assert isinstance(signing_key(RSA.as_pem(private=True).decode()), RSAKey)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"keys":[]}',
        json.dumps(EC.as_dict(private=False)),
        EC.as_pem(private=False).decode(),
        json.dumps(ECKey.generate_key("P-256", private=True).as_dict(private=True)),
        json.dumps(OctKey.generate_key(256).as_dict(private=True)),
        "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----",
    ],
    ids=range(8),
)
def test_signing_key_refuses_what_cannot_sign_and_shows_none_of_it(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        signing_key(text)
    assert not text or text[:30] not in str(caught.value)


def test_assertion_wants_a_kid_when_the_key_names_none(clock: FrozenClock) -> None:
    def pem() -> str:
        return EC.as_pem(private=True).decode()

    with pytest.raises(SettingsError, match="kid"):
        SignedAssertion("liaison", pem, clock=clock).proof("u", NOW)
    form, _ = SignedAssertion("liaison", pem, clock=clock, kid="mine").proof("u", NOW)
    assert jwt.decode(form["client_assertion"], EC, algorithms=["ES384"]).header["kid"] == "mine"


@pytest.mark.parametrize("key", [EC, RSA], ids=["ES384", "RS384"])
def test_client_comes_in_with_a_signed_assertion(
    ehr: FakeEhr, session: GuardedSession, clock: FrozenClock, guard: TokenGuard, connect: Connect, key: ECKey | RSAKey
) -> None:
    client = connect(ehr.base_url, auth=auth_of(ehr, session, clock, key))
    client.create(task())
    client.create(task("T2"))
    assert guard.issued == 1
    asked = parse_qs(ehr.requests[0].body) or ehr.requests[0].body
    assert asked == "***"  # the fake keeps no credentials


def test_client_gets_a_new_token_when_the_old_one_ends(
    ehr: FakeEhr, session: GuardedSession, clock: FrozenClock, far: FrozenClock, guard: TokenGuard, connect: Connect
) -> None:
    client = connect(ehr.base_url, auth=auth_of(ehr, session, clock))
    client.create(task())
    for each in (clock, far):
        each.tick(timedelta(seconds=301))
    client.create(task("T2"))
    assert guard.issued == 2
    assert len(ehr.all("Task")) == 2


# ── A-22: two clocks ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("minutes", [-600, -60, -5, -4, -2, 0, 2, 4, 5, 60, 600])
def test_client_comes_in_when_the_ehrs_clock_is_behind_or_ahead_A_22(
    ehr: FakeEhr, session: GuardedSession, clock: FrozenClock, far: FrozenClock, guard: TokenGuard, minutes: int
) -> None:
    far.tick(timedelta(minutes=minutes))
    auth = auth_of(ehr, session, clock)
    auth.headers()
    assert guard.issued == 1
    assert len(guard.refused) == (0 if abs(minutes) <= 2 else 1)
    auth.renew(auth.headers())
    auth.headers()
    assert guard.issued == 2 and len(guard.refused) <= 1  # the difference is remembered


def test_client_says_that_the_clocks_differ_when_that_is_too_much_A_22(
    ehr: FakeEhr, session: GuardedSession, clock: FrozenClock, far: FrozenClock, guard: TokenGuard
) -> None:
    far.tick(timedelta(days=400))
    with pytest.raises(EhrRejected, match=r"invalid_client.*clock differs from ours by \+34560000 s"):
        auth_of(ehr, session, clock).headers()
    assert len(guard.refused) == 1


def test_client_asks_once_only_when_the_clocks_agree_and_it_is_refused(ehr: FakeEhr, session: GuardedSession, clock: FrozenClock, guard: TokenGuard) -> None:
    with pytest.raises(EhrRejected, match="invalid_client") as caught:
        auth_of(ehr, session, clock, client="stranger").headers()
    assert caught.value.status_code == 401
    assert len(guard.refused) == 1


# ── the endpoint misbehaves ──────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("fault", [Fault("answer", on="* *token*", status=503, headers={"Retry-After": "60"}), Fault("cut-before", on="* *token*", times=2)])
def test_client_is_unavailable_while_the_token_endpoint_is_away_Y_12(
    ehr: FakeEhr, session: GuardedSession, clock: FrozenClock, fault: Fault, connect: Connect
) -> None:
    ehr.inject(fault)
    client = connect(ehr.base_url, auth=auth_of(ehr, session, clock))
    with pytest.raises(EhrUnavailable):
        client.create(task())
    fault.times = 0
    client.create(task())
    assert len(ehr.all("Task")) == 1


@pytest.mark.parametrize(
    "granted",
    [{}, [], {"access_token": "a", "token_type": "mac"}, {"access_token": "a b", "token_type": "bearer"}, {"access_token": 7, "token_type": "bearer"}],
    ids=range(5),
)
def test_client_rejects_what_is_no_bearer_token(ehr: FakeEhr, session: GuardedSession, clock: FrozenClock, granted: Any) -> None:
    ehr.inject(Fault("answer", status=200, body=json.dumps(granted).encode()))
    with pytest.raises(EhrRejected, match="bearer"):
        auth_of(ehr, session, clock).headers()


@pytest.mark.parametrize(("expires_in", "life"), [(300, 300), ("120", 120), (None, 60), (True, 60), (-1, 60), ("soon", 60), (10**12, 86400)])
def test_token_lives_as_long_as_it_is_said_to(ehr: FakeEhr, session: GuardedSession, clock: FrozenClock, expires_in: Any, life: float) -> None:
    ehr.inject(Fault("answer", status=200, body=json.dumps({"access_token": "a", "token_type": "Bearer", "expires_in": expires_in}).encode()))
    proof = ClientSecret("liaison", lambda: "s")
    assert ClientCredentials(lambda: ehr.token_url, proof, scopes="", session=session, clock=clock).fetch() == ("a", life)


def test_client_never_repeats_what_the_token_endpoint_describes(ehr: FakeEhr, session: GuardedSession, clock: FrozenClock) -> None:
    ehr.inject(Fault("answer", status=400, body=b'{"error":"invalid_scope","error_description":"Quenneville"}'))
    with pytest.raises(EhrRejected) as caught:
        auth_of(ehr, session, clock).headers()
    assert str(caught.value) == "token endpoint: 400 (invalid_scope)"


def test_client_secret_comes_in_by_basic(clock: FrozenClock, far: FrozenClock) -> None:
    with FakeEhr(clock=far, guard=TokenGuard("lia:son", clock=far, secret="p@ss wörd")) as ehr:
        guarded = GuardedSession(allow=[ehr.base_url], clock=clock)
        proof = ClientSecret("lia:son", lambda: "p@ss wörd")
        assert ClientCredentials(lambda: ehr.token_url, proof, scopes="", session=guarded, clock=clock).fetch()[1] == 300
        guarded.close()


# ── discovery ────────────────────────────────────────────────────────────────────────────────────
def test_token_endpoint_is_discovered_once(ehr: FakeEhr, session: GuardedSession) -> None:
    url = discovered(ehr.base_url, session=session)
    assert url() == url() == ehr.token_url
    assert len(ehr.requests) == 1


@pytest.mark.parametrize(("status", "body", "kind"), [(404, b"", EhrRejected), (200, b"{}", EhrRejected), (200, b"<", EhrRejected), (503, b"", EhrUnavailable)])
def test_discovery_says_so_when_there_is_none(ehr: FakeEhr, session: GuardedSession, status: int, body: bytes, kind: type[Exception]) -> None:
    ehr.inject(Fault("answer", status=status, body=body))
    with pytest.raises(kind, match="smart-configuration"):
        discovered(ehr.base_url, session=session)()


def test_credentials_go_to_no_token_endpoint_elsewhere_A_23(ehr: FakeEhr, session: GuardedSession, clock: FrozenClock) -> None:
    ehr.inject(Fault("answer", status=200, body=b'{"token_endpoint":"http://evil.example/token"}'))
    proof = ClientSecret("liaison", lambda: "s")
    source = ClientCredentials(discovered(ehr.base_url, session=session), proof, scopes="", session=session, clock=clock)
    with pytest.raises(EhrRejected, match="not an address of this partner"):
        source.fetch()


@pytest.mark.shared
@pytest.mark.parametrize("number", [0, 1])
def test_guides_own_assertions_verify_with_our_library(shared: Path, number: int) -> None:
    example = json.loads((shared / "data/smart/examples.json").read_text())["examples"][number]
    keys = json.loads((shared / f"data/smart/{example['alg']}.public.json").read_text())
    token = jwt.decode(example["jwt"], KeySet.import_key_set(keys), algorithms=["RS384", "ES384"])
    assert (token.header, token.claims) == (example["header"], example["claims"])
