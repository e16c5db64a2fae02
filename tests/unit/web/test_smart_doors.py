"""The doors of SMART Backend Services over ASGI: discovery, tokens for assertions, introspection, revocation (security.md A-01 to A-20)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from adapter.audit import events
from adapter.ports import Principal
from adapter.smart import TYPE
from adapter.web.auth import Issued, digest
from tests.unit.net.scripted import Scripted, http
from tests.unit.web.smart import form, jwks, public, rsa
from tests.unit.web.smart_house import BASE, COURIER, GP, HERE, REFUSED, SECRET, WORKLIST, House, house, stands, two  # noqa: F401 - fixtures


# ── discovery ────────────────────────────────────────────────────────────────────────────────────
def test_smart_configuration_names_what_there_is_A_01(house: House) -> None:
    answer = house("GET", "/fhir/.well-known/smart-configuration")
    said = answer.json()
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    ends = {name: said[name] for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint")}
    assert ends == {"token_endpoint": HERE, "introspection_endpoint": f"{BASE}/oauth/introspect", "revocation_endpoint": f"{BASE}/oauth/revoke"}
    assert said["grant_types_supported"] == ["client_credentials"]
    assert said["token_endpoint_auth_methods_supported"] == ["private_key_jwt", "client_secret_basic", "client_secret_post"]
    assert said["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert said["capabilities"] == ["client-confidential-asymmetric", "permission-v2", "permission-v1"]
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert not {"issuer", "jwks_uri", "authorization_endpoint", "registration_endpoint"} & said.keys()
    for name, value in said.items():
        assert isinstance(value, str if name.endswith("_endpoint") else list) and value
        assert isinstance(value, str) or all(isinstance(each, str) for each in value)
    for path in ("introspection_endpoint", "revocation_endpoint", "token_endpoint"):
        assert house("POST", said[path].removeprefix(BASE)).status_code in (400, 401)


def test_every_scope_that_is_named_is_one_that_may_be_granted_A_01(house: House) -> None:
    named = house("GET", "/fhir/.well-known/smart-configuration").json()["scopes_supported"]
    assert {"system/*.cruds", "system/Task.cruds", "intake", "views"} <= set(named) and "system/AuditEvent.rs" in named
    house.change(GP, scopes=("system/*.cruds", "intake", "views"))
    assert house.ask(scope=" ".join(named)).json()["scope"].split() == named


# ── a token for an assertion ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("client", [GP, COURIER], ids=["RS384", "ES384"])
def test_token_is_given_for_an_assertion_of_either_algorithm_A_02(house: House, client: str) -> None:
    answer = house.ask(house.assertion(client))
    said = answer.json()
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store" and answer.headers["pragma"] == "no-cache"
    assert len(said.pop("access_token")) >= 43
    assert said == {"token_type": "Bearer", "expires_in": 300, "scope": " ".join(house.stood.client(client).scopes)}  # type: ignore[union-attr]
    assert house("GET", "/fhir/Task", headers=house.bearer(client)).status_code == 200


def test_token_for_an_assertion_lives_five_minutes_at_most(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    longer = house.stage.app.settings.model_copy(update={"token_seconds": 3600})
    monkeypatch.setattr(house.stage.app, "settings", longer)
    assert house.ask().json()["expires_in"] == 300
    by_secret = house("POST", "/oauth/token", data={"grant_type": "client_credentials"}, auth=("saad", SECRET)).json()
    assert by_secret["expires_in"] == 3600
    monkeypatch.setattr(house.stage.app, "settings", longer.model_copy(update={"token_seconds": 60}))
    assert house.ask().json()["expires_in"] == 60


def test_assertion_counts_once_A_05(house: House) -> None:
    one = house.assertion()
    answers = [house.ask(one) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 401, 401] and answers[1].json() == REFUSED
    assert house.ask(house.assertion(jti="same")).status_code == 200
    assert house.ask(house.assertion(jti="same", exp=int(house.stage.clock.now().timestamp()) + 10)).status_code == 401  # signed anew


def test_assertion_sent_fifty_times_at_once_counts_once_A_05(house: House) -> None:
    one = house.assertion()

    async def all_at_once() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=house.asgi), base_url="http://liaison.example") as asking:
            answers = await asyncio.gather(*(asking.post("/oauth/token", data=form(one)) for _ in range(50)))
            return sorted(each.status_code for each in answers)

    assert asyncio.run(all_at_once()) == [200] + [401] * 49


def test_assertion_is_known_as_long_as_it_would_be_taken_A_06(house: House) -> None:
    one = house.assertion(exp=int(house.stage.clock.now().timestamp()) + 100)
    late = house.assertion(exp=int(house.stage.clock.now().timestamp()) + 100)
    assert house.ask(one).status_code == 200
    house.stage.clock.tick(timedelta(seconds=101))
    assert [house.ask(each).status_code for each in (one, late)] == [401, 200]  # another of that age is still taken
    house.stage.app.write_now(lambda _, uow: uow.sweep())
    house.stage.clock.tick(timedelta(seconds=28))
    assert house.ask(one).status_code == 401


def test_jti_of_another_client_is_another_A_07(house: House) -> None:
    assert [house.ask(house.assertion(client, jti="shared")).status_code for client in (GP, COURIER, GP)] == [200, 200, 401]


def test_jti_is_forgotten_when_nobody_would_take_it_any_more(house: House) -> None:
    def swept() -> int:
        return house.stage.app.write_now(lambda _, uow: uow.sweep())

    house.stage.clock.tick(timedelta(hours=1))
    swept()  # what other tests left
    assert house.ask(house.assertion(jti="swept")).status_code == 200  # good for four minutes, its token for five
    house.stage.clock.tick(timedelta(seconds=240 + 59))
    assert swept() == 0
    house.stage.clock.tick(timedelta(seconds=1))
    assert swept() == 2


BAD: dict[str, Any] = {
    "A_03 RS256": {"header": {"alg": "RS256"}}, "A_04 exp too far": {"exp": 301}, "A_04 exp past": {"exp": -31}, "A_04 no exp": {"exp": None},
    "A_08 base url": {"aud": BASE}, "A_08 list": {"aud": [HERE, "https://other.example"]}, "A_08 another server": {"aud": "https://other.example/oauth/token"},
    "A_09 iss is not sub": {"sub": COURIER}, "A_09 unknown client": {"client": "nobody"}, "A_09 another's key": {"client": COURIER, "key": rsa(), "header": {"kid": "ec"}},
    "A_09 another's key under its own kid": {"client": COURIER, "key": rsa()}, "A_09 client without keys": {"client": "saad"},
    "A_10 jku": {"header": {"jku": "http://169.254.169.254/jwks"}}, "A_11 unknown kid": {"header": {"kid": "other"}}, "A_11 no kid": {"header": {"kid": None}},
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_assertion_that_does_not_hold_is_refused_in_the_same_words(house: House, bad: dict[str, Any]) -> None:
    given = dict(bad)
    if isinstance(given.get("exp"), int):
        given["exp"] += int(house.stage.clock.now().timestamp())
    answer = house.ask(house.assertion(**given))
    assert answer.status_code == 401 and answer.json() == REFUSED and answer.headers["www-authenticate"] == 'Basic realm="liaison"'
    wrong_secret = house("POST", "/oauth/token", data={"grant_type": "client_credentials"}, auth=("saad", "no"))
    assert (wrong_secret.content, wrong_secret.status_code) == (answer.content, 401)


@pytest.mark.parametrize("more", [
    {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, {"client_assertion_type": ""}, {"client_id": COURIER}, {"client_assertion": ""},
    {"client_assertion": "x"}, {"client_assertion": "a.b.c"},
])  # fmt: skip
def test_assertion_of_another_kind_or_name_is_refused_A_13(house: House, more: dict[str, str]) -> None:
    answer = house.ask(**more)
    assert answer.status_code == 401 and answer.json() == REFUSED


def test_client_may_name_itself_beside_its_assertion(house: House) -> None:
    assert house.ask(client_id=GP).status_code == 200


def test_client_proves_itself_in_one_way_only(house: House) -> None:
    doubled = [{"data": form(house.assertion(), client_secret="x")}, {"data": form(house.assertion()), "auth": (GP, SECRET)},
               {"data": {"grant_type": "client_credentials", "client_secret": SECRET}, "auth": ("saad", SECRET)}]  # fmt: skip
    for given in doubled:
        answer = house("POST", "/oauth/token", **given)
        assert answer.status_code == 400 and answer.json()["error"] == "invalid_request"


def test_field_that_stands_twice_is_refused(house: House) -> None:
    body = "grant_type=client_credentials&grant_type=client_credentials"
    answer = house("POST", "/oauth/token", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}, auth=("saad", SECRET))
    assert answer.status_code == 400 and answer.json()["error_description"] == "expected each field once"


def test_wrong_grant_and_wrong_method_are_refused_A_13(house: House) -> None:
    assert house.ask(grant_type="password").json()["error"] == "unsupported_grant_type"
    assert house.ask(grant_type="").json()["error"] == "invalid_request"
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke"):
        assert house("GET", path).status_code == 405


def test_client_of_keys_gets_nothing_for_a_secret_and_one_of_a_secret_nothing_for_keys_A_09(house: House) -> None:
    for secret in ("", SECRET, json.dumps(public(rsa()))):
        assert house("POST", "/oauth/token", data={"grant_type": "client_credentials", "client_id": GP, "client_secret": secret}).status_code == 401


def test_assertion_of_a_client_that_is_in_force_no_more_is_refused(house: House) -> None:
    house.change(GP, active=False)
    assert house.ask().json() == REFUSED


def test_client_that_changed_while_its_keys_were_fetched_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit of work looks again: what was verified before it is of the client that it finds, or of none."""
    ring = house.stage.app.keyring
    keys = ring.keys

    async def meanwhile(client: Any, kid: str) -> Any:
        found = await keys(client, kid)
        await asyncio.to_thread(house.change, GP, scopes=("views",))
        return found

    monkeypatch.setattr(ring, "keys", meanwhile)
    assert house.ask().json() == REFUSED


def test_key_rotated_in_a_file_counts_at_once_A_12(house: House) -> None:
    file = house.folder / GP
    try:
        file.write_bytes(jwks(public(rsa("next"))))
        assert house.ask().status_code == 401
        assert house.ask(house.assertion(key=rsa("next"))).status_code == 200
    finally:
        file.write_bytes(jwks(public(rsa())))


def test_keys_of_an_address_are_fetched_rotated_and_kept_A_12(house: House) -> None:
    keys = [public(rsa())]
    with Scripted(lambda _: [http(200, jwks(*keys), "Cache-Control: max-age=60")]) as server:
        url = f"{server.origin}/jwks"
        house.change(GP, jwks_file="", jwks_url=url, jwks_private=True)
        assert [house.ask().status_code for _ in range(3)] == [200] * 3 and len(server.requests) == 1
        assert house.ask(house.assertion(header={"jku": url})).status_code == 200
        keys[:] = [public(rsa("next"))]
        assert house.ask(house.assertion(key=rsa("next"))).status_code == 200 and len(server.requests) == 2
        assert house.ask().status_code == 401  # the old one is there no more
        house.stage.clock.tick(timedelta(seconds=60))
        assert house.ask().status_code == 401 and len(server.requests) == 3
        for turn in range(20):
            assert house.ask(house.assertion(key=rsa("next"), header={"kid": f"guess-{turn}"})).status_code == 401
        assert len(server.requests) <= 4


@pytest.mark.parametrize("jku", ["{inside}/jwks", "http://169.254.169.254/latest", "https://evil.example/jwks"])
def test_jku_that_is_not_registered_is_never_asked_A_10(house: House, jku: str) -> None:
    with Scripted(lambda _: [http(200, jwks(public(rsa("evil"))))]) as inside, Scripted(lambda _: [http(200, jwks(public(rsa())))]) as server:
        house.change(GP, jwks_file="", jwks_url=f"{server.origin}/keys", jwks_private=True)
        assert house.ask(house.assertion(key=rsa("evil"), header={"jku": jku.format(inside=inside.origin)})).status_code == 401
        assert inside.connections == 0


def test_registered_address_inside_is_never_asked_unless_the_network_file_says_so_A_10(house: House) -> None:
    with Scripted(lambda _: [http(200, jwks(public(rsa())))]) as inside:
        for url in (f"{inside.origin}/jwks", inside.origin.replace("http:", "https:") + "/jwks"):
            house.change(GP, jwks_file="", jwks_url=url)
            assert house.ask().json() == REFUSED
        assert inside.connections == 0


# ── the bearer ───────────────────────────────────────────────────────────────────────────────────
def test_token_that_expired_was_ended_is_of_another_address_or_is_none_is_refused_A_18(house: House) -> None:
    expired, revoked, foreign, fine = house.given(COURIER), house.given(COURIER), "token-for-another", house.given(COURIER)
    at = house.stage.clock.now()
    written = Issued(COURIER, ("views",), "https://other.example", int(at.timestamp()) + 300).written()
    house.stage.app.write_now(lambda _, uow: uow.save_token(digest(foreign), written, at + timedelta(seconds=300)))
    house.stage.app.write_now(lambda _, uow: uow.save_token(digest("older"), COURIER.encode(), at + timedelta(seconds=300)))  # as an earlier version wrote them
    assert house("POST", "/oauth/revoke", data=form(house.assertion(COURIER), token=revoked)).status_code == 200
    identity = house.assertion(COURIER)  # a JWT that says who somebody is opens nothing by itself
    for token in (revoked, foreign, identity, "older", digest(fine)):
        answer = house("GET", WORKLIST, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer")
    assert house("GET", WORKLIST, headers={"Authorization": f"Bearer {fine}"}).status_code == 200
    house.stage.clock.tick(timedelta(seconds=301))
    assert house("GET", WORKLIST, headers={"Authorization": f"Bearer {expired}"}).status_code == 401


def test_no_refresh_token_is_ever_given(house: House) -> None:
    assert "refresh_token" not in house.ask().json()
    assert house.ask(grant_type="refresh_token").status_code == 400


def test_token_of_one_partner_reads_no_task_of_another_and_each_try_is_an_event_A_19(house: House, two: dict[str, str]) -> None:
    saad = {"Authorization": "Bearer " + house("POST", "/oauth/token", data={"grant_type": "client_credentials"}, auth=("saad", SECRET)).json()["access_token"]}
    own = [each["resource"]["id"] for each in house("GET", "/fhir/Task", headers=house.bearer(COURIER)).json()["entry"]]
    ids = [*two.values(), *own]
    assert len(set(ids)) == 4
    before = len(house.events())
    for id in ids:
        assert house("GET", f"/fhir/Task/{id}", headers=saad).status_code == 404
    told = [each for each in house.events()[before:] if each["outcome"] != "0" and each["agent"][0]["who"]["identifier"]["value"] == "saad"]
    assert len(told) >= len(ids) and {each["outcomeDesc"] for each in told} == {"absent-or-not-theirs"}


# ── what is left behind ──────────────────────────────────────────────────────────────────────────
def test_refused_assertion_of_a_client_we_have_leaves_an_event_with_its_reason(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr("adapter.web.oauth.log", lambda code, **keys: lines.append((code, keys)))
    replayed = house.assertion()
    house.ask(replayed)
    lines.clear()
    before, at = len(house.events()), house.stage.clock.now()
    for assertion in (house.assertion(aud="x"), house.assertion(exp=1), house.assertion(sub="x"), house.assertion(header={"kid": "x"}), house.assertion(header={"typ": None}), replayed,
                      house.assertion("nobody"), "x.y.z"):  # fmt: skip
        house("POST", "/oauth/token", data=form(assertion), headers={"X-Request-Id": "request-1"})
    reasons = ["assertion-audience", "assertion-expired", "assertion-claims", "assertion-key", "assertion-replayed"]
    wanted = [events.denied(Principal(GP, "msp-saint-eloi"), "token", reason=reason, verb="token", at=at, request_id="request-1") for reason in reasons]
    told = house.events()[before:]
    assert [{**each, "id": ""} for each in told] == [{**json.loads(json.dumps(each)), "id": ""} for each in wanted]
    assert lines == [("token-refused", {"client": GP, "reason": reason}) for reason in reasons]


def test_no_token_assertion_or_secret_stands_in_the_audit_or_the_database_U_07(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    assertion = house.assertion()
    token = house.ask(assertion).json()["access_token"]
    house.ask(assertion)
    house("GET", "/fhir/Task", headers={"Authorization": f"Bearer {token}"})
    told = house("POST", "/oauth/introspect", data=form(house.assertion(), token=token))
    assert told.headers["content-type"] == "application/json"
    jti = told.json()["jti"]
    searched = house.events()[-1]
    assert searched["agent"][0]["policy"] == [f"urn:ietf:params:oauth:jti:{jti}"] and len(jti) == 32
    trail = json.dumps(house.events())
    printed = "".join(capfd.readouterr())
    for secret in (token, assertion, assertion.split(".")[2], SECRET, digest(token)):
        assert secret not in trail and secret not in printed


def test_database_is_free_while_a_client_keeps_its_keys_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched or verified inside a unit of work."""
    keys = house.stage.app.keyring.keys

    async def slow(client: Any, kid: str) -> Any:
        assert await asyncio.wait_for(house.stage.app.write(lambda story, uow: "free"), 30) == "free"
        return await keys(client, kid)

    monkeypatch.setattr(house.stage.app.keyring, "keys", slow)
    assert house.ask().status_code == 200


def test_type_of_assertions_is_the_one_of_rfc_7523() -> None:
    assert TYPE == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
