"""What a token grants: scopes asked and given, their constraints at every door, introspection, revocation (security.md A-14 to A-16, A-20)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from adapter.errors import Forbidden, Invalid, NotFound
from adapter.ports import Change, Principal
from adapter.web.auth import digest, jti
from tests.unit.web.smart import form
from tests.unit.web.smart_house import BASE, COURIER, GP, REFUSED, SECRET, WORKLIST, House, house, stands, two  # noqa: F401 - fixtures


# ── scopes ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("asked", "scope"), [
    ("system/Task.rs", "system/Task.rs"), ("system/*.rs", "system/*.rs"), ("system/Task.r system/Patient.s", "system/Task.r system/Patient.s"), ("views", "views"),
    ("system/Task.cruds", "system/Task.rs"), ("system/*.cruds", "system/*.rs"), ("system/Task.dus system/Task.r", "system/Task.r"), ("system/Zyx.rs system/Task.r", "system/Task.r"),
    ("patient/Task.rs system/Task.r", "system/Task.r"), ("user/*.cruds views", "views"), ("openid system/Task.s", "system/Task.s"), ("system/Task.read", "system/Task.read"),
    ("system/Task.*", "system/Task.rs"), ("system/Task.rs?status=requested", "system/Task.rs?status=requested"), ("system/Task.r system/Task.r", "system/Task.r"),
    ("system/Task.rs?code=x system/Task.s", "system/Task.s"),
])  # fmt: skip
def test_token_grants_what_was_asked_for_as_far_as_the_client_has_it_A_14(house: House, asked: str, scope: str) -> None:
    answer = house.ask(house.assertion(COURIER), scope=asked)
    assert answer.status_code == 200 and answer.json()["scope"] == scope
    by_secret = house("POST", "/oauth/token", data={"grant_type": "client_credentials", "scope": asked}, auth=("saad", SECRET))
    assert by_secret.json()["scope"] == scope


@pytest.mark.parametrize("asked", ["system/Task.dus", "patient/Task.rs", "user/*.rs", "system/Zyx.rs", "system/Task.c", "system/Task.write", "launch", "system/Task.sr",
                                   "system/task.rs", "system/Task", "system/Task.rs?owner=x", "SYSTEM/Task.rs", "*"])  # fmt: skip
def test_scope_of_which_nothing_may_be_granted_is_invalid_A_14(house: House, asked: str) -> None:
    answer = house.ask(house.assertion(COURIER), scope=asked)
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_scope" and "system/" not in answer.text


def test_token_holds_what_it_was_granted_and_no_more_A_14(house: House) -> None:
    narrow = house.bearer(COURIER, scope="system/Task.rs")
    assert house("GET", WORKLIST, headers=narrow).status_code == 403
    assert house("GET", WORKLIST, headers=house.bearer(COURIER, scope="views system/Task.rs")).status_code == 200
    assert [len(house(*ask, headers=narrow).json().get("entry", ())) for ask in (("GET", "/fhir/Task"), ("GET", "/fhir/Patient"))] == [1, 0]


def test_token_loses_what_the_network_file_takes_and_gains_nothing_A_27(house: House) -> None:
    token = house.bearer(COURIER, scope="system/Task.rs system/Patient.rs")

    def seen() -> list[int]:
        return [len(house("GET", f"/fhir/{type}", headers=token).json().get("entry", ())) for type in ("Task", "Patient", "ServiceRequest")]

    assert seen() == [1, 1, 0]
    house.change(COURIER, scopes=("system/Task.rs", "system/ServiceRequest.rs", "views"))
    assert seen() == [1, 0, 0] and house("GET", WORKLIST, headers=token).status_code == 403
    house.back()
    assert seen() == [1, 1, 0]


def test_v1_read_is_rs_A_16(house: House) -> None:
    house.change(COURIER, scopes=("system/Task.read",))
    answer = house.ask(house.assertion(COURIER), scope="system/Task.rs system/Task.r system/Task.c")
    assert answer.json()["scope"] == "system/Task.rs system/Task.r"
    token = house.bearer(COURIER, scope="system/Task.read")
    found = house("GET", "/fhir/Task", headers=token).json()["entry"]
    assert len(found) == 1 and house("GET", f"/fhir/Task/{found[0]['resource']['id']}", headers=token).status_code == 200


# ── constraints ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("client", [GP, COURIER])
def test_search_is_narrowed_by_the_constraint_of_a_scope_A_15(house: House, two: dict[str, str], client: str) -> None:
    def statuses(scope: str, query: str = "") -> list[str]:
        bundle = house("GET", f"/fhir/Task{query}", headers=house.bearer(client, scope=scope)).json()
        return sorted(each["resource"]["status"] for each in bundle.get("entry", ()))

    assert statuses("system/Task.rs") == ["accepted", "requested"]
    assert statuses("system/Task.rs?status=requested") == ["requested"]
    assert statuses("system/Task.rs?status=requested", "?status=accepted") == []
    assert statuses("system/Task.rs?status=requested", "?status=requested,accepted") == ["requested"]
    assert statuses("system/Task.rs?status=requested,accepted") == ["accepted", "requested"]
    assert statuses("system/Task.rs?status=requested system/Task.rs?status=accepted") == ["accepted", "requested"]
    assert statuses("system/Task.rs?status=draft") == []
    assert statuses("system/Task.r?status=requested") == [] and statuses("system/Task.s") == ["accepted", "requested"]
    if client == COURIER:  # whose view does not show it: nothing can be told to be within
        assert statuses("system/Task.rs?owner=HealthcareService/coursier-rouen") == []
        return
    assert statuses("system/Task.rs?owner=HealthcareService/coursier-rouen") == ["accepted", "requested"]
    assert statuses("system/Task.rs?owner=HealthcareService/saad-portage") == []
    assert statuses("system/Task.rs?status=requested&owner=HealthcareService/coursier-rouen") == ["requested"]
    assert statuses("system/Task.rs?status=accepted&owner=HealthcareService/saad-portage system/Task.rs?status=requested&owner=HealthcareService/coursier-rouen") == ["requested"]


@pytest.mark.parametrize("client", [GP, COURIER])
def test_resource_outside_the_constraint_is_as_absent_A_15(house: House, two: dict[str, str], client: str) -> None:
    whole = house.bearer(client)
    own = {each["resource"]["status"]: each["resource"]["id"] for each in house("GET", "/fhir/Task", headers=whole).json()["entry"]}
    held = house.bearer(client, scope="system/Task.rs?status=requested")
    assert house("GET", f"/fhir/Task/{own['requested']}", headers=held).status_code == 200
    answers = [house("GET", f"/fhir/Task/{id}", headers=held) for id in (own["accepted"], "absent-1")]
    assert [each.status_code for each in answers] == [404, 404] and answers[0].content == answers[1].content
    assert house("GET", f"/fhir/Task/{own['accepted']}", headers=whole).status_code == 200
    only_search = house.bearer(client, scope="system/Task.s")
    answers = [house("GET", f"/fhir/{path}", headers=only_search) for path in (f"Task/{own['requested']}", "Task/absent-1", "Patient", "Task/absent-1/_history")]
    assert {each.status_code for each in answers} == {403} and answers[0].content == answers[1].content
    assert answers[2].json()["issue"][0]["details"]["coding"][0]["code"] == "scope"


def test_write_without_the_scope_is_forbidden_whatever_the_id_A_15(house: House, two: dict[str, str]) -> None:
    stored = json.loads(house.stage.app.read_now(lambda _, uow: uow.current("Task", two["accepted"])).served)  # type: ignore[union-attr]

    def write(scope: str, resource: dict[str, Any], id: str) -> type[BaseException] | None:
        who = Principal(GP, "msp-saint-eloi", None, "clinic", scopes=frozenset({scope}))
        try:
            house.stage.app.write_now(lambda story, uow: story.receive(uow, who, [Change("update", "Task", id, resource)]))
        except (Forbidden, NotFound, Invalid) as error:
            return type(error)
        return None

    for id in (two["accepted"], two["requested"], "absent"):
        assert write("system/Task.rs?status=requested", stored | {"id": id}, id) is Forbidden
    outside = "system/Task.cruds?status=requested"
    assert write(outside, stored, two["accepted"]) is NotFound  # as an absent one
    inside = json.loads(house.stage.app.read_now(lambda _, uow: uow.current("Task", two["requested"])).served)  # type: ignore[union-attr]
    assert write(outside, inside, two["requested"]) is None  # nothing changed: a no-op
    assert write(outside, inside | {"status": "cancelled"}, two["requested"]) is Forbidden  # it would lead out of what is granted
    created = house("POST", "/fhir/Task", headers=house.bearer(scope="system/Task.c?status=draft"), json={k: v for k, v in inside.items() if k not in ("id", "meta")})
    assert created.status_code == 403


# ── introspection and revocation ─────────────────────────────────────────────────────────────────
def introspected(house: House, token: str, client: str = GP) -> dict[str, Any]:
    answer = house("POST", "/oauth/introspect", data=form(house.assertion(client), token=token))
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def test_introspection_says_what_a_token_of_the_callers_grants_now(house: House) -> None:
    token, expires = house.given(scope="system/Task.rs system/Patient.rs"), int(house.stage.clock.now().timestamp()) + 300
    said = {"active": True, "scope": "system/Task.rs system/Patient.rs", "client_id": GP, "exp": expires, "token_type": "Bearer", "aud": BASE, "jti": jti(digest(token))}
    assert introspected(house, token) == said
    house.change(GP, scopes=("system/Task.r",))
    assert introspected(house, token) == said | {"scope": "system/Task.r"}
    house.stage.clock.tick(timedelta(seconds=300))
    assert introspected(house, token) == {"active": False}


def test_introspection_tells_nothing_of_a_foreign_token_A_20(house: House) -> None:
    token = house.given(COURIER)
    assert introspected(house, token) == introspected(house, "no-token") == introspected(house, "") == {"active": False}
    assert introspected(house, token, COURIER)["active"] is True
    house.change(COURIER, person="nobody-in-service")
    assert introspected(house, token, COURIER) == {"active": False}


def test_introspection_and_revocation_want_a_client_A_20(house: House) -> None:
    token = house.given()
    for path in ("/oauth/introspect", "/oauth/revoke"):
        for given in ({"data": {"token": token}}, {"data": {"token": token}, "headers": {"Authorization": f"Bearer {token}"}}, {"data": {"token": token}, "auth": ("saad", "no")},
                      {"data": form(house.assertion(aud="https://other.example"), token=token)}, {"data": form(house.assertion("nobody"), token=token)}, {}):  # fmt: skip
            answer = house("POST", path, **given)
            assert answer.status_code == 401 and answer.json() == REFUSED
    assert house("POST", "/oauth/introspect", data=form(used_once(house), token=token)).status_code == 401  # an assertion that was used
    assert introspected(house, token)["active"] is True


def used_once(house: House) -> str:
    one = house.assertion()
    assert house.ask(one).status_code == 200
    return one


def test_revocation_ends_a_token_of_the_callers_and_no_other(house: House) -> None:
    mine, theirs = house.given(GP), house.given(COURIER)
    for token in (mine, theirs, "none", ""):
        answer = house("POST", "/oauth/revoke", data=form(house.assertion(GP), token=token, token_type_hint="access_token"))
        assert answer.status_code == 200 and answer.content == b""
    assert introspected(house, mine, GP) == {"active": False}
    assert introspected(house, theirs, COURIER)["active"] is True
