"""Tokens: who gets one, what is said to who does not (RFC 6749 4.4 and 5.2), and who the bearer of one is (A-13, A-18, A-27)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest
from starlette.requests import Request

from adapter.audit import events
from adapter.errors import Forbidden, Unauthorized
from adapter.limits import Limits
from adapter.network import ClientEntry, Network, Secret
from adapter.ports import Principal
from adapter.web.auth import Bearer, bearer, digest, jti, of_client, principal
from tests.e2e.stage import Stage, staged
from tests.unit.web.test_doors import Door

BASE = "http://127.0.0.1:8600"  # of settings that name no address
MARKS = "s:e%c+r e&t=é"  # each of these marks means something in a header or a form
PLAIN = "plain-secret-of-the-test"
ASKED = {"grant_type": "client_credentials"}
WORKLIST = "/views/coursier-dac-asso/referrals"


class House(Door):
    """The doors, and clients with secrets of this test."""

    def __init__(self, stage: Stage, secrets: dict[str, str]) -> None:
        super().__init__(stage)
        self.stage, self.before = stage, stage.app.network
        clients = tuple(replace(each, secret=Secret(file=secrets.get(each.id, ""))) for each in self.before.clients)
        self.stood = replace(self.before, clients=clients)
        self.stage.app.apply_network(self.stood)

    def change(self, **changed: Any) -> None:
        """The network file with this client otherwise: {client: {field: value}}, or `organisations`."""
        clients = tuple(replace(each, **changed.get(each.id, {})) for each in self.stood.clients)
        organisations = tuple(replace(each, **changed.get(each.key, {})) for each in self.stood.organisations)
        self.stage.app.apply_network(replace(self.stood, clients=clients, organisations=organisations))

    def back(self) -> None:
        self.stage.app.apply_network(self.stood)

    def ask(self, **given: Any) -> httpx.Response:
        return self("POST", "/oauth/token", **given)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("secrets")
    for name, secret in (("coursiers", MARKS), ("saad", "XX"), ("saint-eloi", PLAIN)):
        (folder / name).write_text(secret, "utf-8")
    with staged() as stage:
        yield House(stage, {name: str(folder / name) for name in ("coursiers", "saad", "saint-eloi")})


def basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()}


def token(house: House) -> str:
    return str(house.ask(data=ASKED | {"client_id": "coursiers", "client_secret": MARKS}).json()["access_token"])


# ── who gets a token ─────────────────────────────────────────────────────────────────────────────
def test_token_answer_says_kind_life_and_scopes_and_is_kept_in_no_cache(house: House) -> None:
    answer = house.ask(data=ASKED | {"client_id": "coursiers", "client_secret": MARKS})
    said = answer.json()
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert {name: answer.headers[name] for name in ("cache-control", "pragma")} == {"cache-control": "no-store", "pragma": "no-cache"}
    assert len(said.pop("access_token")) >= 43
    assert said == {"token_type": "Bearer", "expires_in": 300, "scope": "system/*.rs intake views"}


def test_token_that_is_given_leaves_a_line_in_the_log_and_one_that_is_refused_none(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr("adapter.web.oauth.log", lambda code, **keys: lines.append((code, keys)))
    token(house)
    house.ask(data=ASKED | {"client_id": "coursiers", "client_secret": "no"})
    assert lines == [("token-issued", {"client": "coursiers"})]


@pytest.mark.parametrize("name", ["Basic", "basic", "BASIC "])
def test_token_is_given_for_a_secret_full_of_marks_in_a_basic_header(house: House, name: str) -> None:
    header = basic("coursiers", MARKS)["Authorization"].replace("Basic", name)
    assert house.ask(data=ASKED, headers={"Authorization": header}).status_code == 200


def test_token_is_given_when_only_the_secret_is_left_unencoded_in_the_header(house: House) -> None:
    """Many clients forget RFC 6749 2.3.1; a colon in the secret is the secret's, as RFC 7617 has it."""
    header = "Basic " + base64.b64encode(b"coursiers:s:e%25c%2Br+e%26t%3D%C3%A9").decode()
    assert house.ask(data=ASKED, headers={"Authorization": header}).status_code == 200


def test_token_itself_is_never_stored(house: House) -> None:
    issued = token(house)
    kept, raw = house.stage.app.read_now(lambda _, uow: (uow.token(hashlib.sha256(issued.encode()).hexdigest()), uow.token(issued)))
    expires = int(house.stage.clock.now().timestamp()) + 300
    assert (json.loads(kept), raw) == (["coursiers", ["system/*.rs", "intake", "views"], BASE, expires], None)
    assert digest(issued) == hashlib.sha256(issued.encode()).hexdigest()


def test_token_holds_for_its_seconds_and_not_longer(house: House) -> None:
    who = {"Authorization": f"Bearer {token(house)}"}
    house.stage.clock.tick(timedelta(seconds=299))
    assert house("GET", WORKLIST, headers=who).status_code == 200
    house.stage.clock.tick(timedelta(seconds=2))
    assert house("GET", WORKLIST, headers=who).status_code == 401


# ── who does not ─────────────────────────────────────────────────────────────────────────────────
REFUSED = {
    "wrong": {"data": ASKED | {"client_id": "coursiers", "client_secret": "no"}},
    "another's": {"data": ASKED | {"client_id": "coursiers", "client_secret": PLAIN}},
    "unknown": {"data": ASKED | {"client_id": "nobody", "client_secret": PLAIN}},
    "unknown and no secret": {"data": ASKED | {"client_id": "nobody"}},
    "no secret": {"data": ASKED | {"client_id": "coursiers"}},
    "no secret, of one whose secret is two letters": {"data": ASKED | {"client_id": "saad"}},
    "no client": {"data": ASKED},
    "a client without a secret": {"data": ASKED | {"client_id": "carsat", "client_secret": ""}},
    "basic wrong": {"data": ASKED, "headers": basic("coursiers", "no")},
    "basic that is no base64": {"data": ASKED, "headers": {"Authorization": "Basic *"}},
    "basic with marks that are no base64": {"data": ASKED, "headers": {"Authorization": "Basic " + "!".join(basic("saint-eloi", PLAIN)["Authorization"][6:])}},
    "basic that is no text": {"data": ASKED, "headers": {"Authorization": "Basic " + base64.b64encode(b"saad:\xff").decode()}},
    "basic without colon": {"data": ASKED, "headers": {"Authorization": "Basic " + base64.b64encode(b"saad").decode()}},
    "basic empty": {"data": ASKED, "headers": {"Authorization": "Basic"}},
    "credentials in a bearer's place": {"data": ASKED, "headers": {"Authorization": basic("saint-eloi", PLAIN)["Authorization"].replace("Basic", "Bearer")}},
}  # fmt: skip


@pytest.mark.parametrize("given", REFUSED.values(), ids=REFUSED)
def test_token_is_refused_in_the_same_words_whatever_was_wrong(house: House, given: dict[str, Any]) -> None:
    answer = house.ask(**given)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == 'Basic realm="liaison"'
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"error": "invalid_client", "error_description": "unknown client, or its secret or assertion does not hold"}


def test_token_is_refused_to_a_client_that_the_network_file_no_longer_has(house: House) -> None:
    house.change(coursiers={"active": False})
    try:
        assert house.ask(data=ASKED, headers=basic("coursiers", MARKS)).status_code == 401
    finally:
        house.back()


@pytest.mark.parametrize(("name", "told"), [("coursiers", True), ("carsat", True), ("nobody", False)])
def test_token_refused_to_a_client_we_have_leaves_an_event_and_to_a_name_nobody_has_none(house: House, name: str, told: bool) -> None:
    before = events_of(house)
    house.ask(data=ASKED | {"client_id": name, "client_secret": "no"}, headers={"X-Request-Id": "request-1"})
    organisation = {"coursiers": "asso-coursiers", "carsat": "carsat-normandie"}.get(name, "")
    at = house.stage.clock.now()
    wanted = events.denied(Principal(name, organisation), "token", reason="invalid-client", verb="token", at=at, request_id="request-1")
    assert [{**each, "id": ""} for each in events_of(house)[len(before) :]] == [{**json.loads(json.dumps(wanted)), "id": ""}] * told


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SPARE = "".join(f"&x{number}=1" for number in range(17))
UNREADABLE = {"not ascii": "grant_type=client_credentials&client_id=é".encode(), "more than 20 fields": f"grant_type=client_credentials{SPARE}&a=1&b=1&c=1".encode()}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_token_request_that_is_no_form_is_invalid(house: House, body: bytes) -> None:
    answer = house.ask(content=body, headers=FORM)
    assert answer.status_code == 400 and "www-authenticate" not in answer.headers
    assert answer.json() == {"error": "invalid_request", "error_description": "expected application/x-www-form-urlencoded"}


def test_token_request_may_have_20_fields(house: House) -> None:
    body = f"grant_type=client_credentials&client_id=saint-eloi&client_secret={PLAIN}{SPARE}"
    assert house.ask(content=body.encode(), headers=FORM).status_code == 200


@pytest.mark.parametrize("form", [{}, {"grant_type": "password"}, {"grant_type": "authorization_code"}, {"grant": "client_credentials"}])
def test_token_request_of_another_grant_is_unsupported_A_13(house: House, form: dict[str, str]) -> None:
    answer = house.ask(data=form | {"client_id": "saint-eloi", "client_secret": PLAIN})
    assert answer.status_code == 400 and "www-authenticate" not in answer.headers
    error = "unsupported_grant_type" if "grant_type" in form else "invalid_request"  # RFC 6749, 5.2
    assert answer.json() == {"error": error, "error_description": "expected grant_type=client_credentials"}


# ── who a bearer is ──────────────────────────────────────────────────────────────────────────────
NO_LIMIT = Limits(0)


def request(*authorization: str) -> Request:
    app = SimpleNamespace(state=SimpleNamespace(liaison=SimpleNamespace(settings=SimpleNamespace(url="https://here.example"), limits=NO_LIMIT)))
    return Request({"type": "http", "app": app, "headers": [(b"authorization", each.encode()) for each in authorization]})


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER  abc "])
def test_bearer_is_read_whatever_the_case_and_the_spaces(header: str) -> None:
    assert bearer(request(header)) == Bearer(digest("abc"), "https://here.example", NO_LIMIT)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer  ", "abc", "Basic abc", "Token abc", "Bearerabc"])
def test_bearer_is_refused_when_there_is_none_A_18(header: str) -> None:
    with pytest.raises(Unauthorized, match="expected an Authorization header"):
        bearer(request(header) if header else request())


def test_doors_take_a_token_by_its_bearer_only(house: House) -> None:
    issued = token(house)
    answers = [house("GET", WORKLIST, headers={"Authorization": f"{scheme} {value}"}).status_code
               for scheme, value in (("Bearer", issued), ("Basic", issued), ("Bearer", digest(issued)), ("Bearer", issued[:-1]))]  # fmt: skip
    assert answers == [200, 401, 401, 401]


def holder(house: House, token: str, scope: str = "") -> Principal:
    return house.stage.app.read_now(lambda story, uow: principal(story, uow, Bearer(token, BASE, NO_LIMIT), **({"scope": scope} if scope else {})))


def test_principal_is_what_the_network_file_says_of_the_client(house: House) -> None:
    scopes = frozenset({"system/*.rs", "intake", "views"})
    wanted = Principal("coursiers", "asso-coursiers", "coursier-rouen", "service", None, frozenset({"TREAT"}), scopes)
    given = [digest(token(house)) for _ in range(2)]
    assert [holder(house, given[0]), holder(house, given[1], "views")] == [replace(wanted, jti=jti(each)) for each in given]
    assert len({jti(each) for each in given}) == 2


def test_principal_is_unknown_for_a_token_nobody_was_given(house: House) -> None:
    with pytest.raises(Unauthorized, match="unknown or has expired"):
        holder(house, digest("nothing"))


def test_principal_follows_the_network_file_of_this_moment_A_27(house: House) -> None:
    who = {"Authorization": f"Bearer {token(house)}"}
    try:
        house.change(coursiers={"scopes": ("intake",)})
        assert house("GET", WORKLIST, headers=who).status_code == 403
        for gone in ({"coursiers": {"active": False}}, {"asso-coursiers": {"active": False}}):
            house.change(**gone)
            assert house("GET", WORKLIST, headers=who).status_code == 401
    finally:
        house.back()
    assert house("GET", WORKLIST, headers=who).status_code == 200


def test_principal_without_the_scope_is_refused_with_an_event_for_the_audit(house: House) -> None:
    issued, at = digest(token(house)), house.stage.clock.now()
    with pytest.raises(Forbidden, match="intake-of-all") as caught:
        holder(house, issued, "intake-of-all")
    assert caught.value.event is not None
    made, wanted = caught.value.event(at), events.denied(holder(house, issued), "token", reason="forbidden", verb="scope", at=at)
    assert {**made, "id": ""} == {**wanted, "id": ""}


def test_refusal_for_want_of_a_scope_is_in_the_audit(house: House) -> None:
    issued = token(house)
    before = len(refusals(house))
    try:
        house.change(coursiers={"scopes": ("intake",)})
        assert house("GET", WORKLIST, headers={"Authorization": f"Bearer {issued}"}).status_code == 403
    finally:
        house.back()
    assert len(refusals(house)) == before + 1


def events_of(house: House) -> list[Any]:
    rows = house.stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    return [json.loads(row.event) for row in rows]


def refusals(house: House) -> list[Any]:
    return [event for event in events_of(house) if event.get("subtype") == [{"code": "scope"}] and event["outcomeDesc"] == "forbidden"]


class Story:
    def __init__(self, network: Network) -> None:
        self.network = network


def of(house: House, **entry: Any) -> Principal:
    found = ClientEntry("c", **entry)
    return of_client(Story(house.stood), found, scopes=frozenset(found.scopes))  # type: ignore[arg-type]


def test_client_has_the_role_of_its_organisation_unless_it_has_one(house: House) -> None:
    assert of(house, organisation="msp-saint-eloi").role == "clinic"
    assert of(house, organisation="asso-coursiers").role == "service"
    assert of(house, organisation="msp-saint-eloi", role="officer").role == "officer"


def test_client_acts_for_a_unit_and_a_person_when_the_file_names_them(house: House) -> None:
    bare, full = of(house, organisation="asso-coursiers"), of(house, organisation="asso-coursiers", unit="u", person="p", purposes=("ETREAT",), scopes=("a", "b"))
    assert (bare.unit, bare.person, bare.purposes, bare.scopes) == (None, None, frozenset({"TREAT"}), frozenset())
    assert full == Principal("c", "asso-coursiers", "u", "service", "p", frozenset({"ETREAT"}), frozenset({"a", "b"}))


def test_client_of_an_organisation_that_is_not_there_is_nobody(house: House) -> None:
    with pytest.raises(Unauthorized, match="no part any more"):
        of(house, organisation="nowhere")
