"""The check of an assertion by itself: header, key, signature, claims, time (security.md A-02 to A-11)."""

from __future__ import annotations

import base64
import hmac
import json
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from adapter.smart import Unproven, claimed, proven, read_keys
from adapter.smart.assertion import KEPT, LEEWAY
from tests.unit.web.smart import Key, claims, ec, public, rsa, signed

AT = datetime(2026, 3, 6, 17, 50, tzinfo=UTC)
CLIENT, HERE = "ehr", "https://liaison.example/oauth/token"
KEYS = [public(rsa()), public(ec())]


def check(assertion: str, *, keys: list[dict[str, Any]] | None = None, at: datetime = AT, client: str = CLIENT, jwks_url: str = "") -> Any:
    return proven(assertion, client=client, keys=KEYS if keys is None else keys, audience=HERE, jwks_url=jwks_url, at=at)


def made(key: Key | None = None, header: dict[str, Any] | None = None, **changed: Any) -> str:
    return signed(key or rsa(), claims(CLIENT, HERE, AT, **changed), **(header or {}))


def why(assertion: str, **given: Any) -> str:
    with pytest.raises(Unproven) as caught:
        check(assertion, **given)
    return caught.value.why


def unsigned(header: dict[str, Any], said: dict[str, Any], signature: bytes = b"") -> str:
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (json.dumps(header).encode(), json.dumps(said).encode(), signature))


# ── accepted ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("key", [rsa(), ec()], ids=["RS384", "ES384"])
def test_assertion_of_either_algorithm_holds_A_02(key: Key) -> None:
    found = check(made(key, exp=AT.timestamp() + 100))
    assert found.until == AT + timedelta(seconds=100) + KEPT and found.once.startswith("jti/") and len(found.once) == 68


@pytest.mark.shared
@pytest.mark.parametrize("place", [0, 1], ids=["RS384", "ES384"])
def test_assertion_of_the_smart_guide_holds_at_its_time_and_not_after_A_02(shared: Path, place: int) -> None:
    example = json.loads((shared / "data/smart/examples.json").read_text())["examples"][place]
    keys = read_keys((shared / f"data/smart/{example['alg']}.public.json").read_bytes())
    said = example["claims"]
    assert claimed(example["jwt"]).client == said["iss"] and claimed(example["jwt"]).kid == example["header"]["kid"]

    def held(at: int, keys: list[Any] = keys, **changed: str) -> bool:
        given = {"client": said["iss"], "audience": said["aud"]} | changed
        try:
            return bool(proven(example["jwt"], keys=keys, at=datetime.fromtimestamp(at, UTC), **given))  # type: ignore[arg-type]
        except Unproven:
            return False

    paired = [*keys, keys[0] | {"key_ops": ["sign"]}]  # as the guide's own JWKS has it, here without the secret half
    expires = said["exp"]
    assert held(expires - 300) and held(expires) and held(expires - 5, paired)
    assert not held(expires - 301) and not held(expires + 31) and not held(expires, audience=HERE) and not held(expires, client=CLIENT)
    other = example["jwt"][:-8] + ("AAAAAAAA" if not example["jwt"].endswith("AAAAAAAA") else "BBBBBBBB")
    with pytest.raises(Unproven):
        proven(other, client=said["iss"], keys=keys, audience=said["aud"], at=datetime.fromtimestamp(expires, UTC))


# ── algorithm and header ─────────────────────────────────────────────────────────────────────────
def test_assertion_without_signature_or_signed_otherwise_is_refused_A_03() -> None:
    said = claims(CLIENT, HERE, AT)
    spki = rsa().as_pem(private=False)
    for header in ({"alg": "none"}, {"alg": "None"}, {"alg": "nOnE"}, {}):
        assert why(unsigned({"typ": "JWT", "kid": "rsa", **header}, said)) == "assertion-header"
    for secret in (spki, json.dumps(public(rsa())).encode()):
        head, body, _ = unsigned({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, said).split(".")
        mark = hmac.digest(secret, f"{head}.{body}".encode(), "sha256")
        assert why(f"{head}.{body}." + base64.urlsafe_b64encode(mark).rstrip(b"=").decode()) == "assertion-header"
    for algorithm in ("RS256", "RS512", "PS384"):
        assert why(made(header={"alg": algorithm})) == "assertion-header"
    assert why(made(ec("ec256", "P-256"), {"alg": "ES256"}), keys=[public(ec("ec256", "P-256"))]) == "assertion-header"


@pytest.mark.parametrize("header", [{"typ": None}, {"typ": "jwt"}, {"typ": "at+jwt"}, {"kid": None}, {"kid": ""}, {"crit": ["x"], "x": 1}, {"b64": True}])
def test_assertion_with_another_header_is_refused_A_11(header: dict[str, Any]) -> None:
    whole = {"alg": "RS384", "typ": "JWT", "kid": "rsa"} | header
    assert why(unsigned({name: value for name, value in whole.items() if value is not None}, claims(CLIENT, HERE, AT))) == "assertion-header"


@pytest.mark.parametrize("kid", [1, None, [], {}, True])
def test_assertion_whose_kid_is_no_text_is_refused_A_11(kid: Any) -> None:
    assert why(unsigned({"alg": "RS384", "typ": "JWT", "kid": kid}, claims(CLIENT, HERE, AT))) == "assertion-header"


@pytest.mark.parametrize("junk", ["", "a", "a.b", "a.b.c", "a.b.c.d", ".." , "e30.e30.e30", "W10.W10.", "bnVsbA.bnVsbA.", "x" * 9000, "é.é.é", "e30=.e30=.x"])
def test_assertion_that_is_no_jwt_is_refused(junk: str) -> None:
    assert why(junk) in ("assertion-unreadable", "assertion-header")


def test_assertion_longer_than_any_of_smart_is_refused() -> None:
    assert check(made(extra="x" * 4000))
    assert why(made(extra="x" * 6000)) == "assertion-unreadable"


def test_jku_may_be_there_and_must_be_the_registered_address_A_10() -> None:
    registered = "https://ehr.example/jwks"
    assert check(made(header={"jku": registered}), jwks_url=registered) and check(made(), jwks_url=registered)
    for jku in ("https://evil.example/jwks", f"{registered}/", "", None, ["https://ehr.example/jwks"], "http://127.0.0.1/jwks", "http://169.254.169.254/"):
        assertion = unsigned({"alg": "RS384", "typ": "JWT", "kid": "rsa", "jku": jku}, claims(CLIENT, HERE, AT))
        assert why(assertion, jwks_url=registered) == "assertion-header"
    assert why(made(header={"jku": registered})) == "assertion-header"  # of a client whose keys have no address


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────
def test_one_key_by_kid_and_kind_or_none_A_11() -> None:
    mine, other = public(rsa()), public(rsa("other"), kid="rsa")
    assert check(made(), keys=[mine, public(ec(), kid="rsa")])  # the same kid, another kind
    for keys in ([], [public(rsa("other"))], [mine, other], [mine, mine], [public(ec(), kid="rsa")], [mine | {"kty": "EC"}], [{"kid": "rsa"}], [{"kid": "rsa", "kty": "RSA"}],
                 [{"kty": "oct", "kid": "rsa", "k": "AAAA"}]):  # fmt: skip
        assert why(made(), keys=keys) == "assertion-key"
    assert why(made(), keys=[other]) == "assertion-signature"  # another key under the same kid


def test_key_is_chosen_by_what_it_is_for() -> None:
    mine = public(rsa())
    spare = public(rsa("other"), kid="rsa")
    for aside in ({"key_ops": ["sign"]}, {"use": "enc"}, {"alg": "RSA-OAEP"}, {"key_ops": "verify"}, {"key_ops": []}):
        assert check(made(), keys=[spare | aside, mine]) and why(made(), keys=[mine | aside]) == "assertion-key"
    for said in ({"key_ops": ["verify"]}, {"use": "sig"}, {"alg": "RS384"}, {"key_ops": ["sign", "verify"]}):
        assert check(made(), keys=[mine | said])


def test_key_with_its_secret_half_is_used_by_its_public_half_alone() -> None:
    assert check(made(), keys=[dict(rsa().as_dict(private=True))])


def test_key_that_is_too_weak_or_broken_is_refused() -> None:
    assert why(made(ec()), keys=[public(ec("weak", "P-256"), kid="ec")]) == "assertion-key"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library too finds it weak
        small = RSAKey.generate_key(1024, {"kid": "small"})
        assert why(made(small), keys=[public(small)]) == "assertion-key"
    for broken in ({"n": "!!"}, {"n": 5}, {"e": None}, {"n": ""}):
        assert why(made(), keys=[public(rsa()) | broken]) == "assertion-key"


def test_signature_of_another_or_over_other_words_is_refused() -> None:
    head, body, mark = made().split(".")
    other = made(jti="jti-2").split(".")
    assert why(f"{head}.{other[1]}.{mark}") == why(f"{head}.{body}.{other[2]}") == why(f"{head}.{body}.") == "assertion-signature"
    assert why(made(rsa("other"), {"kid": "rsa"})) == "assertion-signature"


# ── claims ───────────────────────────────────────────────────────────────────────────────────────
now = int(AT.timestamp())


@pytest.mark.parametrize("exp", [now + 300, now + 1, now, now - 29, now + 0.5])
def test_exp_until_five_minutes_ahead_and_a_little_past_is_taken_A_04(exp: float) -> None:
    assert check(made(exp=exp)).until.timestamp() == exp + KEPT.total_seconds()


@pytest.mark.parametrize("exp", [now + 301, now + 300.5, now - 31, now - 30, 0, -1, 10**400, now * 1000])
def test_exp_further_ahead_or_past_beyond_the_leeway_is_refused_A_04(exp: float) -> None:
    assert timedelta(seconds=30) == LEEWAY and why(made(exp=exp)) in ("assertion-expired", "assertion-unreadable", "assertion-claims")


@pytest.mark.parametrize("exp", [None, str(now + 60), True, [now + 60], {}])
def test_exp_that_is_no_number_is_refused_A_04(exp: Any) -> None:
    assert why(made(exp=exp)) == "assertion-claims"


@pytest.mark.parametrize("exp", ["NaN", "Infinity", "1e999"])
def test_exp_that_is_no_json_number_is_refused_A_04(exp: str) -> None:
    from joserfc import jws

    body = json.dumps(claims(CLIENT, HERE, AT, exp=0)).replace('"exp": 0', f'"exp": {exp}')
    assert why(str(jws.serialize_compact({"alg": "RS384", "typ": "JWT", "kid": "rsa"}, body, rsa(), algorithms=["RS384"]))) in ("assertion-unreadable", "assertion-expired")


def test_nbf_is_heeded_where_it_is_there() -> None:
    assert check(made(nbf=now))
    assert why(made(nbf=now + 1)) == "assertion-expired" and why(made(nbf="x")) == "assertion-claims"


@pytest.mark.parametrize("aud", [None, "", "https://liaison.example", "https://liaison.example/fhir", HERE + "/", HERE.upper(), [], [HERE, HERE], [HERE, "https://other.example"],
                                 "https://other.example/oauth/token", {"a": HERE}])  # fmt: skip
def test_aud_that_is_not_the_token_url_and_it_alone_is_refused_A_08(aud: Any) -> None:
    assert why(made(aud=aud)) == "assertion-audience"


def test_aud_may_be_a_list_of_the_token_url_alone() -> None:
    assert check(made(aud=[HERE]))


@pytest.mark.parametrize("changed", [{"iss": "other"}, {"sub": "other"}, {"iss": None}, {"sub": None}, {"iss": "other", "sub": "other"}, {"iss": [CLIENT]}, {"sub": [CLIENT]}])
def test_iss_and_sub_that_are_not_both_the_client_are_refused_A_09(changed: dict[str, Any]) -> None:
    assert why(made(**changed)) == "assertion-claims"


@pytest.mark.parametrize("jti", [None, "", 1, ["a"], "x" * 257, True])
def test_jti_must_be_a_text_of_some_length(jti: Any) -> None:
    assert why(made(jti=jti)) == "assertion-claims"
    assert check(made(jti="x" * 256))


def test_name_that_counts_once_is_of_client_and_jti_and_of_nothing_else_A_07() -> None:
    mine = check(made()).once
    assert mine == check(made(ec(), exp=now + 10)).once != check(made(jti="jti-2")).once
    assert mine != check(signed(rsa(), claims("other", HERE, AT)), client="other").once
