"""F10 and F11 of france.md 8, and who somebody is: numbers at the door, an identity in doubt, two records of one person. All invented."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from adapter import persons
from adapter.clock import instant
from adapter.ehr.fake.faults import Fault
from adapter.errors import EhrError, NotFound
from adapter.identity.reliability import RELIABILITY
from adapter.ports import Change, Principal, Resource
from adapter.sync import doubts, pairs
from adapter.sync.cursors import Cursor, cursor_name
from adapter.waiting import waiting
from tests.e2e.records import VIEW, only, stored
from tests.e2e.stage import CLINIC, COURSIER, GP, PATIENT, Stage, staged

OPERATOR = Principal("operator", CLINIC, role="operator")
YES = {"accord": "oui", "par": "coursier-lea", "le": "2026-03-06T18:50:00+01:00", "comment": "telephone"}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


def status(code: str) -> Resource:
    coding = {"system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445", "code": code}
    return {"extension": [{"url": RELIABILITY, "extension": [{"url": "identityStatus", "valueCoding": coding}]}]}


def said_there(stage: Stage, code: str) -> None:
    """The status of the person's record in the EHR."""
    stage.ehr.edit("Patient", PATIENT["id"], status(code))


def written(stage: Stage, patient: Resource, **elements: Any) -> None:
    """The practice's software writes its own record here."""
    change = Change("update", "Patient", patient["id"], {**patient, **elements})
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [change]))


def waits(stage: Stage) -> list[tuple[str, str, str]]:
    return [(each.kind, each.type, each.reason) for each in stage.app.read_now(lambda _, uow: waiting(uow))]


def number(stage: Stage, kind: str) -> int:
    return next(each.number for each in stage.app.read_now(lambda _, uow: waiting(uow)) if each.kind == kind)


def settle(stage: Stage, kind: str, choice: str) -> list[str]:
    at = number(stage, kind)
    found: list[str] = stage.app.write_now(lambda story, uow: persons.settle(story, uow, OPERATOR, at, choice))
    return found


def audited(stage: Stage, name: str) -> int:
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    return sum(f'"{name}"'.encode() in row.event for row in rows)


def states(stage: Stage) -> list[str]:
    return [only(stored(stage, type))["status"] for type in ("Task", "ServiceRequest", "Consent")]


# ── F11: the identity's status is PROV, then DOUB ────────────────────────────────────────────────
def test_F11_provisional_then_double_in_the_ehr_blocks_sending_until_checked(stage: Stage) -> None:
    said_there(stage, "PROV")
    stage.sent()
    stage.push()
    assert len(stage.ehr.all("Task")) == 1 and waits(stage) == []
    before = states(stage)
    said_there(stage, "DOUB")
    stage.clock.tick(timedelta(minutes=20))
    stage.pull()
    stage.sent(id="appel-2", besoins=["isolement"])
    stage.push()
    assert len(stage.ehr.all("Task")) == 1, "nothing more of this person left"
    assert {("doubt", "Patient", doubts.DOUBTFUL)} <= set(waits(stage)) and {reason for kind, _, reason in waits(stage) if kind == "letter"} == {doubts.DOUBTFUL}
    assert sorted(each["status"] for each in stored(stage, "Task")) == [before[0], "requested"], "no status moves"
    assert audited(stage, "identity-doubted") == 1

    settle(stage, "doubt", "checked")
    stage.push()
    assert len(stage.ehr.all("Task")) == 2 and waits(stage) == [] and audited(stage, "identity-checked") == 1
    stage.clock.tick(timedelta(minutes=20))
    stage.pull()
    assert waits(stage) == [], "what was checked is not asked again"


def test_F11_a_doubt_that_is_there_at_the_first_letter_parks_it(stage: Stage) -> None:
    said_there(stage, "DOUB")
    stage.sent()
    stage.push()
    assert stage.ehr.all("Task") == [] and states(stage)[0] == "requested"
    assert {kind for kind, _, _ in waits(stage)} == {"letter", "doubt"}
    settle(stage, "doubt", "checked")
    stage.push()
    assert len(stage.ehr.all("Task")) == 1


def test_F11_status_of_the_practices_own_record_blocks_and_mending_it_lets_go(stage: Stage) -> None:
    stage.sent()
    own = only(stored(stage, "Patient"))
    written(stage, own, **status("PROV"))
    written(stage, own, **status("DOUB"))
    stage.push()
    assert stage.ehr.all("Task") == [] and ("doubt", "Patient", doubts.DOUBTFUL) in waits(stage)
    written(stage, own, **status("VALI"))
    assert waits(stage) == [], "it was mended where it came from"
    stage.push()
    assert len(stage.ehr.all("Task")) == 1


def test_F11_a_second_doubt_after_the_first_was_mended_is_a_new_one(stage: Stage) -> None:
    stage.sent()
    own = only(stored(stage, "Patient"))
    written(stage, own, **status("DOUB"))
    settle(stage, "doubt", "checked")
    written(stage, own, **status("DOUB"), language="fr")
    assert waits(stage) == [], "the same doubt, checked before"
    written(stage, own, **status("VALI"))
    written(stage, own, **status("USUR"))
    assert [kind for kind, _, _ in waits(stage)] == ["doubt"]


@pytest.mark.parametrize("code", ["DOUT", "FICT", "USUR", "DOUB"])
def test_F11_recipient_who_did_not_take_it_up_sees_nothing_until_checked(stage: Stage, code: str) -> None:
    stage.sent()
    assert len(stage.cards(COURSIER, VIEW)) == 1
    written(stage, only(stored(stage, "Patient")), **status(code))
    assert stage.cards(COURSIER, VIEW) == [] and len(stage.cards(GP, "prescripteur")) == 1
    assert audited(stage, "identity-doubtful") == 1, "why it is absent stands in the audit alone"
    settle(stage, "doubt", "checked")
    assert len(stage.cards(COURSIER, VIEW)) == 1


def test_F11_recipient_who_works_on_it_goes_on(stage: Stage) -> None:
    stage.sent()
    stage.act(COURSIER, VIEW, only(stage.cards(COURSIER, VIEW)), "accept")
    written(stage, only(stored(stage, "Patient")), **status("DOUB"))
    assert len(stage.cards(COURSIER, VIEW)) == 1


def test_F11_nobody_is_checked_by_a_number_that_nobody_has(stage: Stage) -> None:
    with pytest.raises(NotFound):
        stage.app.write_now(lambda story, uow: persons.settle(story, uow, OPERATOR, 99, "checked"))


# ── F10: the EHR is down, then two versions of the Task ──────────────────────────────────────────
def watermark(stage: Stage) -> Any:
    return Cursor.decode(stage.app.read_now(lambda _, uow: uow.kept(cursor_name(CLINIC, "Task")))).watermark


def asked(stage: Stage) -> list[str]:
    """From when on the EHR was asked for Tasks that changed."""
    found = [parse_qs(each.path.partition("?")[2]) for each in stage.ehr.requests if each.path.startswith("/fhir/Task?")]
    return [each["_lastUpdated"][0] for each in found if "_lastUpdated" in each]


def test_F10_ehr_down_then_two_versions_the_poller_resumes_and_nothing_newer_is_overwritten(stage: Stage) -> None:
    stage.sent()
    stage.push()
    stage.clock.tick(timedelta(minutes=20))
    stage.pull()
    before, remote = watermark(stage), only(stage.ehr.all("Task"))["id"]
    assert before is not None

    stage.ehr.inject(Fault("answer", status=503, times=None))  # down
    stage.ehr.edit("Task", remote, {"status": "cancelled"})  # the first version: the practice calls it off there
    stage.clock.tick(timedelta(minutes=20))
    with pytest.raises(EhrError):
        stage.pull()
    assert watermark(stage) == before
    stage.act(COURSIER, VIEW, only(stage.cards(COURSIER, VIEW)), "accept")
    stage.act(COURSIER, VIEW, only(stage.cards(COURSIER, VIEW)), "start")  # ours is newer now
    newer = only(stored(stage, "Task"))
    stage.push()
    assert only(stored(stage, "Task")) == newer, "an outage changes no status"

    stage.ehr.edit("Task", remote, {"status": "rejected"})  # the second version: what only the recipient may say
    stage.ehr.faults.clear()
    stage.ehr.requests.clear()
    stage.clock.tick(timedelta(hours=1))
    stage.pull()
    assert asked(stage) and min(asked(stage)).removeprefix("ge") <= instant(before), "nothing between is left out"
    assert watermark(stage) > before
    assert only(stored(stage, "Task")) == newer, "the newer one here is not overwritten"
    row = only(stage.app.read_now(lambda _, uow: uow.conflicts()))
    assert (row.type, row.reason) == ("Task", "illegal-move") and ("conflict", "Task", "illegal-move") in waits(stage)
    stage.push()
    assert only(stage.ehr.all("Task"))["status"] == "rejected", "nor is theirs, before a person has looked"
    stage.app.write_now(lambda story, uow: story.resolve(uow, OPERATOR, row.key, "ours"))
    stage.push()
    assert only(stage.ehr.all("Task"))["status"] == "in-progress" and waits(stage) == []


# ── two records of one practice ──────────────────────────────────────────────────────────────────
def made(stage: Stage, id: str, who: Principal = GP, **more: Any) -> Resource:
    patient = {key: value for key, value in PATIENT.items() if key != "id"} | {"managingOrganization": {"reference": f"Organization/{who.organisation}"}} | more
    change = Change("create", "Patient", id, patient | {"id": id})
    stage.app.write_now(lambda story, uow: story.receive(uow, who, [change]))
    return next(each for each in stored(stage, "Patient") if each["id"] == id)


def test_double_is_put_before_a_person_and_nothing_is_merged(stage: Stage) -> None:
    made(stage, "one")
    made(stage, "two", name=[{"use": "official", "family": "ZYX-DURAND", "given": ["JEANNEZYX"]}])
    made(stage, "three", birthDate="1938-02-04")
    made(stage, "four", gender="male")
    assert waits(stage) == [("pair", "Patient", pairs.REASON)]
    told = settle(stage, "pair", "same")
    one, two = (next(each for each in stored(stage, "Patient") if each["id"] == id) for id in ("one", "two"))
    assert two["active"] is False and two["link"] == [{"other": {"reference": "Patient/one"}, "type": "replaced-by"}]
    assert one["link"] == [{"other": {"reference": "Patient/two"}, "type": "replaces"}] and one.get("active") is not False
    assert [one["name"], two["name"][0]["family"]] == [PATIENT["name"], "ZYX-DURAND"], "no trait moves"
    assert waits(stage) == [] and "Zyx" not in json.dumps(told) and audited(stage, "pair-settled") == 2


def test_two_that_are_different_stay_two(stage: Stage) -> None:
    before = made(stage, "one"), made(stage, "two")
    settle(stage, "pair", "different")
    after = sorted(stored(stage, "Patient"), key=lambda each: str(each["id"]))
    assert after == list(before) and waits(stage) == []


def test_double_by_number_of_the_practice_is_one_too(stage: Stage) -> None:
    number = [{"system": "https://clinic.example/ipp", "value": "42"}]
    made(stage, "one", identifier=number)
    made(stage, "two", identifier=number, birthDate="1940-01-01")
    assert [kind for kind, _, _ in waits(stage)] == ["pair"]


def test_double_by_the_national_number_alone_is_none(stage: Stage) -> None:
    house = next(each for each in stage.app.network.organisations if each.key == CLINIC)
    others = tuple(each for each in stage.app.network.organisations if each.key != CLINIC)
    stage.app.apply_network(replace(stage.app.network, organisations=(replace(house, nir_authorised="fictif"), *others)))
    number = [{"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "268027654000175"}]
    made(stage, "one", identifier=number)
    made(stage, "two", identifier=number, birthDate="1940-01-01")
    assert waits(stage) == []


def test_double_is_never_looked_for_across_practices(stage: Stage) -> None:
    other = Principal("autre", "asso-coursiers", None, "clinic", scopes=frozenset({"system/*.cruds"}))
    made(stage, "one")
    made(stage, "two", who=other)
    assert waits(stage) == []


def test_referrals_of_the_record_set_aside_run_on_and_new_ones_go_to_the_other(stage: Stage) -> None:
    older = made(stage, "one")
    stage.call(accord_medecin=YES, accord_patient=YES)  # a call that finds the record by traits
    assert len(stored(stage, "Patient")) == 1
    made(stage, "two", name=[{"use": "official", "family": "ZYX-DURAND", "given": ["JEANNEZYX"]}])
    stage.app.write_now(lambda _, uow: uow.save_link(_link("two")))  # the EHR knows the newer one
    told = settle(stage, "pair", "same")
    task = only(stored(stage, "Task"))
    assert task["for"]["reference"] == f"Patient/{older['id']}", "nothing moves from one to the other"
    assert any("run on" in line and _reference(task) in line for line in told)
    stage.push()
    assert only(stage.ehr.all("Task"))["for"]["reference"] == f"Patient/{PATIENT['id']}", "the EHR knows them as one"
    stage.call(id="appel-2", besoins=["isolement"], accord_medecin=YES, accord_patient=YES)
    assert len(stored(stage, "Patient")) == 2
    newest = next(each for each in stored(stage, "Task") if each["id"] != task["id"])
    assert newest["for"]["reference"] == "Patient/two"


def _link(id: str) -> Any:
    from adapter.ports import Link

    return Link(CLINIC, "Patient", id, PATIENT["id"])


def _reference(task: Resource) -> str:
    from adapter.referral.spoken import of_task

    return of_task(task)


# ── matching ─────────────────────────────────────────────────────────────────────────────────────
def test_number_that_agrees_with_other_traits_is_a_letter_for_a_person(stage: Stage) -> None:
    number = [{"system": "https://clinic.example/ipp", "value": "42"}]
    stage.ehr.edit("Patient", PATIENT["id"], {"identifier": number, "birthDate": "1950-05-05"})
    stage.sent()
    written(stage, only(stored(stage, "Patient")), identifier=[*only(stored(stage, "Patient"))["identifier"], *number])
    stage.push()
    assert stage.ehr.all("Task") == [] and waits(stage) == [("letter", "Consent", "patient-differs")]
    assert states(stage)[0] == "requested"
