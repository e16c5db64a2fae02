"""The door of a unit's appointment tool: whose signature it takes, what it refuses, and that it says the same whatever was found."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from adapter.limits import Limits
from adapter.network import Secret
from adapter.referral.spoken import spoken
from tests.e2e.booking import OTHER, SECRETS, UNIT, VIEW, Tool, booked
from tests.e2e.records import stored
from tests.e2e.stage import CALL, CARSAT, SAAD, Stage
from tests.unit.web.conftest import SECRET, Door


@pytest.fixture(scope="module")
def house() -> Iterator[tuple[Stage, Tool]]:
    with booked() as found:
        yield found


def said(answer: httpx.Response) -> tuple[Any, ...]:
    """All of an answer but its request id."""
    return answer.status_code, answer.content, {name: value for name, value in answer.headers.items() if name != "x-request-id"}


# ── whose word it is ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("given", [
    {"secret": "another"}, {"secret": SECRETS[OTHER]}, {"secret": ""}, {"signature": ""}, {"signature": "0" * 64}, {"signature": "é"},
    {"unit": OTHER}, {"unit": "nobody"}, {"unit": "coursier-rouen"}, {"unit": "nobody", "secret": ""}, {"unit": "coursier-rouen", "secret": ""},
])  # fmt: skip
def test_call_that_is_not_signed_for_this_unit_is_refused_alike(house: tuple[Stage, Tool], given: dict[str, str]) -> None:
    stage, tool = house
    before = stored(stage, "Appointment")
    answer = tool.send(tool.rdv(), **given)
    assert (answer.status_code, said(answer)) == (401, said(tool.send(tool.rdv(), secret="no")))
    assert stored(stage, "Appointment") == before
    assert not any(secret in answer.text for secret in SECRETS.values())


def test_signature_that_was_cut_or_belongs_to_another_body_is_refused(house: tuple[Stage, Tool]) -> None:
    _, tool = house
    body = json.dumps(tool.rdv()).encode()
    good = hmac.new(SECRETS[UNIT].encode(), body, hashlib.sha256).hexdigest()
    for signature in (good[:-1], good[:32], good + "0", good[::-1], f"sha256={good}"):
        assert tool.send(body, signature=signature).status_code == 401
    assert tool.send(body + b" ", signature=good).status_code == 401
    assert tool.send(body, signature=good.upper()).status_code == 204


def test_forged_calls_are_events_the_first_of_a_minute(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    stage.clock.tick(timedelta(minutes=2))

    def events() -> int:
        rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
        return sum(b'"forged"' in row.event for row in rows)

    before = events()
    for _ in range(14):
        tool.send(tool.rdv(), secret="no")
    assert events() - before == 10


def test_secret_that_cannot_be_read_opens_nothing() -> None:
    with booked() as (stage, tool):
        network = stage.app.network
        gone = tuple(
            replace(each, units=tuple(replace(unit, rdv=replace(unit.rdv, secret=Secret(variable="RDV_GONE"))) if unit.rdv else unit for unit in each.units))
            for each in network.organisations
        )
        stage.app.apply_network(replace(network, organisations=gone))
        assert tool.tell().status_code == tool.send(tool.rdv(), secret="").status_code == 401


def test_unit_that_left_is_nobody() -> None:
    with booked() as (stage, tool):
        network = stage.app.network
        stage.app.apply_network(replace(network, organisations=tuple(each for each in network.organisations if each.key != "carsat-normandie"), people=(), clients=()))
        assert tool.tell().status_code == 401


# ── what it takes ────────────────────────────────────────────────────────────────────────────────
def changed(tool: Tool, path: str, value: Any) -> dict[str, Any]:
    record = tool.rdv()
    *inside, last = path.split(".")
    found: Any = record
    for key in inside:
        found = found[key]
    found[last] = value
    return record


@pytest.mark.parametrize(("path", "value", "where"), [
    ("meta.model", "User", "meta.model"), ("meta.event", "seen", "meta.event"), ("meta.timestamp", None, "meta.timestamp"),
    ("meta.timestamp", "2026-03-06T20:00:00+01:00", "meta.timestamp"), ("data.organisation", None, "data.organisation.id"),
    ("data.organisation", {"id": 310}, "data.organisation.id"), ("data.participations", [], "data.participations"), ("data.uuid", "Zyx yxz", "data.uuid"),
    ("data", ["Zyx"], "data"), ("meta", None, "meta"),
])  # fmt: skip
def test_record_that_is_none_is_refused_by_its_place(house: tuple[Stage, Tool], path: str, value: Any, where: str) -> None:
    _, tool = house
    answer = tool.send(changed(tool, path, value))
    assert answer.status_code == 422
    assert where in [each.get("expression", [""])[0] for each in answer.json()["issue"]]
    assert "Zyx" not in answer.text


@pytest.mark.parametrize(("body", "headers", "status"), [
    (b"", {}, 400), (b"[]", {}, 400), (b"{", {}, 400), (b'{"meta": 1, "meta": 2}', {}, 400), (b"\xff", {}, 400), (b"{}", {"Content-Type": "text/plain"}, 415),
    (b"{}", {"Content-Encoding": "gzip"}, 415), (b" " * (512 << 10) + b"{}", {}, 413),
])  # fmt: skip
def test_body_that_is_none_is_refused(house: tuple[Stage, Tool], body: bytes, headers: dict[str, str], status: int) -> None:
    _, tool = house
    assert tool.send(body, **headers).status_code == status


def test_tool_calls_no_oftener_than_an_ehr() -> None:
    with booked() as (stage, tool):
        stage.app.calls = Limits(3)
        answers = [tool.tell(rdv=f"rdv-{number}") for number in range(5)]
        assert [each.status_code for each in answers] == [204, 204, 204, 429, 429]
        assert int(answers[-1].headers["retry-after"]) > 0
        assert [tool.send(tool.rdv(), unit="nobody").status_code for _ in range(4)] == [401, 401, 401, 429]  # one limit for all addresses of nobody


def test_appointment_is_no_record_of_the_intake_door_but_may_be_tried_there(stage: Stage, door: Door) -> None:
    given = {"json": Tool(stage).rdv(), "headers": door.token("coursiers")}
    refused = door("POST", "/intake/rdv-service-public", **given)
    assert (refused.status_code, "/hooks/rdv/" in refused.text, stored(stage, "Patient")) == (422, True, [])
    tried = door("POST", "/intake/rdv-service-public?dry-run=true", **given).json()
    assert ([each["resourceType"] for each in tried["resources"]], tried["problems"]) == (["Patient", "Appointment", "Provenance"], [])


# ── the same answer, whatever was found ──────────────────────────────────────────────────────────
def test_answer_is_the_same_whatever_was_found() -> None:
    with booked() as (stage, tool):
        answers = [tool.tell("unknown"), tool.tell("unknown", rdv="rdv-2", birth_date="1960-01-01"), tool.tell("seen"), tool.send(tool.rdv(at=tool.at))]
        answers.append(tool.send(tool.rdv(at=tool.at - timedelta(days=1))))
        stage.act(CARSAT, VIEW, stage.cards(CARSAT, VIEW)[0], "withdraw", heard_by="as-ines", how="telephone")
        answers += [tool.tell("noshow"), tool.tell("unknown", rdv="rdv-3")]
        assert len({str(said(each)) for each in answers}) == 1


def test_unit_learns_nothing_of_whom_another_unit_knows() -> None:
    """Non-interference: the same calls of one unit, where another knows the person and where nobody does."""
    seen = []
    for known in (True, False):
        with booked(accepted=known, personne=CALL["personne"] if known else CALL["personne"] | {"nom": "Zyxautre", "nom_naissance": "Zyxautre"}) as (stage, _):
            tool = Tool(stage, OTHER)
            reference = str(stage.cards(CARSAT, VIEW)[0].card["reference"]) if known else spoken("nobody's")
            answers = [tool.tell("unknown"), tool.tell("seen"), tool.tell("unknown", rdv="rdv-2", case_number=reference), tool.tell("unknown", event="destroyed")]
            found = stage.app.write_now(lambda story, uow: story.appointments.parked(uow, SAAD, "saad"))
            lines = [each.shown() for each in found or ()]
            seen.append(([said(each) for each in answers], lines, stored(stage, "Appointment")))
    assert seen[0] == seen[1]
    assert [each["why"] for each in seen[0][1]] == ["unknown-reference"]


# ── the unit's own list ──────────────────────────────────────────────────────────────────────────
def test_unit_lists_what_is_parked_and_says_what_it_is_about(tmp_path: Any) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    with booked() as (stage, tool):
        network = stage.app.network
        stage.app.apply_network(replace(network, clients=tuple(replace(client, secret=Secret(file=str(file))) for client in network.clients)))
        door = Door(stage)
        tool.tell("unknown", first_name="Jeanne")
        mine, theirs = door.token("carsat"), door.token("saad")
        (line,) = door("GET", f"/views/{VIEW}/appointments", headers=mine).json()["appointments"]
        assert (line["rdv"], line["user"], line["why"], line["start"]) == ("rdv-1", "68", "none", "2026-03-10T09:30:00+01:00")
        assert door("GET", f"/views/{VIEW}/appointments", headers=theirs).status_code == 404
        assert door("GET", "/views/saad/appointments", headers=theirs).json() == {"appointments": []}
        (card,) = door("GET", f"/views/{VIEW}/referrals", headers=mine).json()["referrals"]
        etag = door("GET", f"/views/{VIEW}/referrals/{card['id']}", headers=mine).headers["etag"]
        body = {"rdv": "rdv-1", "user": "68", "referral": card["id"]}
        address = f"/views/{VIEW}/appointments"
        assert door("POST", address, json=body, headers=mine).status_code == 428
        assert door("POST", address, json=body, headers=mine | {"If-Match": 'W/"old"'}).status_code == 412
        assert door("POST", address, json={"rdv": "rdv-1"}, headers=mine | {"If-Match": etag}).status_code == 422
        assert door("POST", address, json=body | {"zyx": 1}, headers=mine | {"If-Match": etag}).status_code == 422
        assert door("POST", address, json=body, headers=theirs | {"If-Match": etag}).status_code == 404
        assert door("POST", address, json=body | {"rdv": "rdv-2"}, headers=mine | {"If-Match": etag}).status_code == 404
        assert door("POST", address, json=body, headers=mine | {"If-Match": etag}).status_code == 204
        assert door("GET", address, headers=mine).json() == {"appointments": []}
        assert [each["status"] for each in stored(stage, "Appointment")] == ["booked"]
