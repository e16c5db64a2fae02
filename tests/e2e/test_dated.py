"""A replacement is dated (workflow.md 1): before the first day and after the last nobody acts, is shown or is named as having heard. Over the doors."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from adapter.errors import Forbidden, Invalid
from tests.e2e.places import MSP, settle
from tests.e2e.records import DOCTOR, only
from tests.e2e.stage import CALL, FRIDAY, GP, Stage
from tests.e2e.test_hearsay import YES, door, stage, taken
from tests.unit.web.test_doors import Door

__all__ = ["door", "stage"]
TODAY, DAY = FRIDAY.date(), timedelta(days=1)
AGREED = CALL | {"accord_medecin": YES, "accord_patient": YES}
READ = ("/views/coursier-dac-asso/referrals", "/views/coursier-dac-asso/notices", "/fhir/Task")


def dated(stage: Stage, key: str, *, start: date | None = None, end: date | None = None, client: str = "") -> None:
    """The person serves from the one day to the other, and `client` is theirs."""
    network = stage.app.network
    people = tuple(replace(each, start=start, end=end) if each.key == key else each for each in network.people)
    clients = tuple(replace(each, person=key) if each.id == client else each for each in network.clients)
    stage.app.apply_network(replace(network, people=people, clients=clients))


@pytest.mark.parametrize(
    ("start", "end", "status"), [(TODAY, TODAY, 200), (None, TODAY - DAY, 401), (TODAY + DAY, None, 401), (None, None, 200)], ids=["today", "ended", "to come", "no dates"]
)
def test_client_of_a_person_is_let_in_while_the_person_serves(door: Door, stage: Stage, start: date | None, end: date | None, status: int) -> None:
    dated(stage, "coursier-lea", start=start, end=end, client="coursiers")
    answers = [door("GET", path, headers=door.token("coursiers")) for path in READ]
    assert [each.status_code for each in answers] == [status] * len(READ)
    assert status == 200 or all("not in service today" in each.text for each in answers)
    assert door("GET", "/views/saad/referrals", headers=door.token("saad")).status_code == 200


def test_refusal_of_who_serves_no_more_is_in_the_audit(door: Door, stage: Stage) -> None:
    dated(stage, "coursier-lea", end=TODAY - DAY, client="coursiers")
    token = door.token("coursiers")
    before = stage.app.read_now(lambda _, uow: len(list(uow.audit_rows(limit=10_000))))
    assert door("GET", READ[0], headers=token).status_code == 401
    rows = stage.app.read_now(lambda _, uow: list(uow.audit_rows(limit=10_000)))
    assert len(rows) == before + 1 and b"unauthorized" in rows[-1].event


def test_access_ends_with_the_last_day_in_the_zone_of_the_network(door: Door, stage: Stage) -> None:
    dated(stage, "coursier-lea", end=TODAY, client="coursiers")
    stage.clock.set(datetime.fromisoformat("2026-03-06T23:59:59+01:00"))
    token = door.token("coursiers")
    assert door("GET", READ[0], headers=token).status_code == 200
    stage.clock.tick(timedelta(seconds=1))
    assert door("GET", READ[0], headers=token).status_code == 401


def test_who_serves_no_more_declares_no_urgency_and_is_not_recognised(stage: Stage) -> None:
    settle(stage)
    stage.call(accord_medecin=YES, destinataire="as-msp-bureau", besoins=["acces-droits"])
    dated(stage, "dr-exemple", end=TODAY - DAY)
    dated(stage, MSP.person or "", end=TODAY - DAY)
    with pytest.raises(Forbidden):
        stage.act(GP, DOCTOR, only(stage.cards(GP, DOCTOR)), "urgency", reason="danger-vital")
    with pytest.raises(Invalid) as refused:
        stage.act(GP, DOCTOR, only(stage.cards(GP, DOCTOR)), "recognise", person=MSP.person, how="presence", informed=True)
    assert refused.value.issues[0].expression == "person"
    dated(stage, "dr-exemple")
    assert stage.act(GP, DOCTOR, only(stage.cards(GP, DOCTOR)), "urgency", reason="danger-vital")


def test_who_left_the_service_may_still_be_put_out_of_the_team(stage: Stage) -> None:
    settle(stage)
    stage.sent(destinataire="as-msp-bureau", besoins=["acces-droits"])
    stage.act(GP, DOCTOR, only(stage.cards(GP, DOCTOR)), "recognise", person=MSP.person, how="presence", informed=True)
    dated(stage, MSP.person or "", end=TODAY - DAY)
    assert stage.act(GP, DOCTOR, only(stage.cards(GP, DOCTOR)), "leave", person=MSP.person)


@pytest.mark.parametrize("said", [{"accord_patient": YES}, {"accord_medecin": YES}, {"preneur_appel": "coursier-lea"}], ids=lambda each: next(iter(each)))
def test_record_names_nobody_who_did_not_serve_then(door: Door, stage: Stage, said: dict[str, Any]) -> None:
    record = CALL | {"preneur_appel": "dr-exemple"} | said
    dated(stage, "coursier-lea", end=TODAY - DAY)
    refused = taken(door, "coursiers", "appel-coursier", record, status=422)
    assert "in service then" in refused["issue"][0]["diagnostics"]
    assert taken(door, "coursiers", "appel-coursier", record | {"appel": "2026-03-05T18:00:00+01:00"})["status"] == "draft"


def test_agreement_is_heard_by_who_served_when_it_was_heard(door: Door, stage: Stage) -> None:
    taken(door, "coursiers", "appel-coursier", CALL)
    dated(stage, "coursier-lea", end=TODAY)
    stage.clock.tick(DAY)
    path, heard = "/intake/appel-coursier/appel-1/agreements", {"who": "doctor", "agreed": True, "heard_by": "coursier-lea", "how": "telephone"}
    late = door("POST", path, json=heard, headers=door.token("coursiers"))
    assert late.status_code == 422 and late.json()["issue"][0]["expression"] == ["heard_by"]
    assert door("POST", path, json=heard | {"at": FRIDAY.isoformat()}, headers=door.token("coursiers")).status_code == 200


def test_doctor_who_serves_no_more_is_one_whom_nobody_knows(door: Door, stage: Stage) -> None:
    dated(stage, "dr-exemple", end=TODAY - DAY)
    receipt = taken(door, "coursiers", "appel-coursier", AGREED)
    assert any("not known here" in each["text"] for each in receipt["warnings"])
