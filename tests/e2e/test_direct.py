"""SDOHCC Direct: a clinic's software posts a Task that points to its EHR; what it points to is read by a job, never by the request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter import network
from adapter.app import App
from adapter.ehr import connect
from adapter.ehr.fake import FakeEhr
from adapter.ehr.fake.faults import Fault
from adapter.identity.reliability import RELIABILITY
from adapter.names import NIR, SIRENE
from adapter.ports import Resource
from adapter.sync import doubts
from tests.e2e.direct import Clinic, consent, request
from tests.e2e.records import DOCTOR, VIEW, card, only, stored
from tests.e2e.stage import CLINIC, COURSIER, GP, Stage, staged
from tests.unit.web.conftest import SECRET


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    (tmp_path / "secret").write_text(SECRET)
    with staged() as stage:
        now = stage.app.network
        stage.app.apply_network(replace(now, clients=tuple(replace(each, secret=network.Secret(file=str(tmp_path / "secret"))) for each in now.clients)))
        yield Clinic(stage)


def counts(stage: Stage) -> tuple[int, ...]:
    return tuple(len(stored(stage, type)) for type in ("Patient", "ServiceRequest", "Consent", "Task"))


def there(clinic: Clinic, type: str) -> Resource:
    found: Resource = only(clinic.ehr.all(type))
    return found


def test_direct_referral_reaches_its_recipient_and_its_end_the_ehr(clinic: Clinic) -> None:
    stage, before = clinic.stage, there(clinic, "ServiceRequest")
    task = clinic.post()
    assert task["status"] == "draft" and clinic.ehr.requests == []  # the request asked nobody
    assert stage.cards(COURSIER, VIEW) == [] and counts(stage) == (0, 0, 0, 1)
    stage.push()
    sent = clinic.read(task["id"])
    assert sent["status"] == "requested" and sent["restriction"]["period"]["end"].startswith("2026-03-10T18:00") and counts(stage) == (1, 1, 1, 1)
    asked = only(stored(stage, "ServiceRequest"))
    assert (sent["focus"], sent["for"]) == ({"reference": f"ServiceRequest/{asked['id']}"}, asked["subject"])
    assert sent["requester"] == asked["requester"] == {"reference": "PractitionerRole/dr-exemple"}
    assert asked["performer"] == [{"reference": "HealthcareService/coursier-rouen"}] and asked["note"] == [{"text": "Zyxmots du médecin"}]
    shown = card(stage)
    assert shown.card["state"] == "requested" and "Zyxdurand" in json.dumps(shown.card["person"]) and "Zyxmots" not in json.dumps(shown.resources)
    assert len(stage.cards(GP, DOCTOR)) == 1
    shown = stage.act(COURSIER, VIEW, shown, "accept")
    shown = stage.act(COURSIER, VIEW, shown, "start")
    stage.act(COURSIER, VIEW, shown, "complete", outcome="aide-alimentaire-en-place")
    stage.push()
    after, done = there(clinic, "ServiceRequest"), there(clinic, "Procedure")
    assert after["status"] == "completed" and done["basedOn"] == [{"reference": "ServiceRequest/9"}] and done["subject"] == {"reference": "Patient/zyx-patient"}
    assert there(clinic, "Task")["status"] == "completed" and there(clinic, "Task")["focus"] == {"reference": "ServiceRequest/9"}
    assert there(clinic, "Consent")["status"] == "inactive" and len(clinic.ehr.all("Patient")) == 1
    for name in ("reasonCode", "note", "requester", "supportingInfo", "code"):  # the clinic's own words stay as they are
        assert after[name] == before[name]
    assert before["identifier"][0] in after["identifier"] and len(after["identifier"]) == 2


def test_task_that_the_ehr_has_itself_is_the_one_that_moves(clinic: Clinic) -> None:
    local = clinic.task(id="local", focus={"reference": "ServiceRequest/9"}, requester={"reference": "PractitionerRole/5"}, owner={"display": "Coursiers"})
    clinic.ehr.plant(local | {"for": {"reference": "Patient/zyx-patient"}})
    clinic.post()
    clinic.stage.push()
    clinic.stage.act(COURSIER, VIEW, card(clinic.stage), "accept")
    clinic.stage.push()
    now = there(clinic, "Task")
    assert (now["id"], now["status"], now["owner"]) == ("local", "accepted", {"display": "Coursiers"}) and now["restriction"]


def test_nothing_comes_twice_and_nothing_moves_when_it_comes_back(clinic: Clinic) -> None:
    clinic.post()
    clinic.stage.push()
    clinic.stage.clock.tick(timedelta(minutes=20))
    for _ in range(2):
        assert set(clinic.stage.pull().total) <= {"echo", "older"} and clinic.stage.push() == 0
    assert counts(clinic.stage) == (1, 1, 1, 1) and len(clinic.ehr.all("ServiceRequest")) == len(clinic.ehr.all("Consent")) == 1


@pytest.mark.parametrize("fault", [
    Fault("answer", "GET ServiceRequest/9", None, status=503), Fault("cut-after", "GET Patient/*", None), Fault("cut-inside", "GET Consent/4", None),
    Fault("cut-before", "GET Task", None), Fault("answer", "GET Practitioner*", None, status=502),
], ids=lambda fault: fault.on)  # fmt: skip
def test_ehr_that_is_away_is_asked_again(clinic: Clinic, fault: Fault) -> None:
    task = clinic.post()
    clinic.ehr.faults.append(fault)
    clinic.stage.push()
    assert clinic.why(task["id"]) == ("draft", "") and counts(clinic.stage) == (0, 0, 0, 1)
    clinic.ehr.faults.clear()
    clinic.stage.clock.tick(timedelta(minutes=20))
    clinic.stage.push()
    assert fault.struck and clinic.why(task["id"]) == ("requested", "") and counts(clinic.stage) == (1, 1, 1, 1)


def test_ehr_that_says_no_waits_for_a_person(clinic: Clinic) -> None:
    task = clinic.post()
    clinic.ehr.faults.append(Fault("answer", "GET ServiceRequest/9", status=403))
    clinic.stage.push()
    assert clinic.why(task["id"]) == ("draft", "") and [(each.reason, each.type) for each in letters(clinic.stage, "parked")] == [("rejected-403", "Task")]


def letters(stage: Stage, state: Any) -> list[Any]:
    return stage.app.read_now(lambda _, uow: uow.letters(states=(state,)))


@pytest.mark.parametrize("how", ["absent", "revoked", "entered-in-error", "completed"])
def test_request_that_nobody_asks_any_more_ends_the_task(clinic: Clinic, how: str) -> None:
    task = clinic.post()
    clinic.ehr.delete("ServiceRequest", "9") if how == "absent" else clinic.ehr.edit("ServiceRequest", "9", {"status": how})
    clinic.stage.push()
    assert clinic.why(task["id"]) == ("cancelled", "gone") and counts(clinic.stage) == (0, 0, 0, 1)
    assert clinic.read(task["id"])["statusReason"]["text"] == "Demande close par le demandeur"
    assert clinic.stage.cards(COURSIER, VIEW) == [] and clinic.stage.push() == 0


def test_other_host_is_refused_and_nobody_calls_it(clinic: Clinic) -> None:
    with FakeEhr(clock=clinic.stage.clock) as other:
        other.plant({"resourceType": "Patient", "id": "zyx-patient"})
        other.plant(request(supportingInfo=[], requester={"display": "x"}))
        elsewhere = {"focus": {"reference": f"{other.base_url}/ServiceRequest/9"}}
        for wrong in (elsewhere, {"for": {"reference": f"{other.base_url}/Patient/zyx-patient"}}, {"focus": clinic.at("../ServiceRequest/9")},
                      {"focus": {"reference": f"{clinic.ehr.base_url}.evil.example/ServiceRequest/9"}}, {"focus": clinic.at("Patient/zyx-patient")},
                      {"for": clinic.at("ServiceRequest/9")}, {"focus": clinic.at("ServiceRequest/..")}):  # fmt: skip
            answer = clinic("POST", "Task", clinic.task(**wrong))
            assert answer.status_code == 422 and "FHIR server of your own EHR" in answer.text and other.base_url not in answer.text, answer.text
        # what the clinic's own request names elsewhere is not followed either
        clinic.ehr.edit("ServiceRequest", "9", {"supportingInfo": [{"reference": "Consent/4"}, {"reference": f"{other.base_url}/Consent/4"}],
                                                "requester": {"reference": f"{other.base_url}/Practitioner/gp"}})  # fmt: skip
        task = clinic.post(requester={"reference": f"{other.base_url}/PractitionerRole/5"})
        clinic.stage.push()
        assert clinic.read(task["id"])["status"] == "requested" and other.requests == []
        asked = only(stored(clinic.stage, "ServiceRequest"))
        assert asked["requester"] == {"reference": f"Organization/{CLINIC}"} and len(asked["supportingInfo"]) == 1


def test_clinic_whose_ehr_keeps_no_referrals_points_nowhere(clinic: Clinic) -> None:
    now = clinic.stage.app.network
    changed = tuple(replace(each, ehr=replace(each.ehr, level="none")) if each.ehr else each for each in now.organisations)
    clinic.stage.app.apply_network(replace(now, organisations=changed))
    answer = clinic("POST", "Task", clinic.task())
    assert answer.status_code == 422 and "something that is here" in answer.text and "EHR" not in answer.text


def test_one_request_is_one_task_however_often_it_is_posted(clinic: Clinic) -> None:
    condition = {"If_None_Exist": "identifier=urn:clinic:task|T-1"}
    first, again = clinic("POST", "Task", clinic.task(), **condition), clinic("POST", "Task", clinic.task(), **condition)
    assert (first.status_code, again.status_code) == (201, 200) and first.json()["id"] == again.json()["id"]
    for _ in range(2):  # before it was read, and after
        for focus in ("ServiceRequest/9", "ServiceRequest/9/_history/1"):
            answer = clinic("POST", "Task", clinic.task(identifier=[{"value": "other"}], focus=clinic.at(focus)))
            assert answer.status_code == 422 and answer.json()["issue"][0]["code"] == "duplicate"
        clinic.stage.push()
        assert clinic("POST", "Task", clinic.task(), **condition).status_code == 200
    assert counts(clinic.stage) == (1, 1, 1, 1)


def test_draft_of_its_author_is_not_read_until_it_is_asked_for(clinic: Clinic) -> None:
    task = clinic.post(status="draft")
    assert clinic.stage.push() == 0 and clinic.ehr.requests == []
    assert clinic("PUT", f"Task/{task['id']}", clinic.task(id=task["id"])).json()["status"] == "draft"
    clinic.stage.push()
    assert clinic.why(task["id"]) == ("requested", "")


@pytest.mark.parametrize("numbered", [False, True], ids=["by traits", "by hospital number"])
def test_person_who_is_known_already_is_not_doubled(clinic: Clinic, numbered: bool) -> None:
    number = [{"system": "urn:ipp", "value": "77"}]
    if numbered:
        clinic("POST", "Patient", {"resourceType": "Patient", "identifier": number, "name": [{"family": "ZYX-DURAND"}], "managingOrganization": {"reference": f"Organization/{CLINIC}"}})
        clinic.ehr.edit("Patient", "zyx-patient", {"identifier": number})
    else:
        clinic.stage.sent()
    known = only(stored(clinic.stage, "Patient"))
    clinic.post()
    clinic.stage.push()
    assert only(stored(clinic.stage, "Patient")) == known
    assert {each["for"]["reference"] for each in stored(clinic.stage, "Task")} == {f"Patient/{known['id']}"}
    link = clinic.stage.app.read_now(lambda _, uow: uow.link_by_remote(CLINIC, "Patient", "zyx-patient"))
    assert link is not None and link.id == known["id"]


def test_person_who_has_the_number_of_somebody_else_waits_for_the_clinic(clinic: Clinic) -> None:
    number = [{"system": "urn:ipp", "value": "77"}]
    clinic("POST", "Patient", {"resourceType": "Patient", "identifier": number, "name": [{"family": "Autre"}], "managingOrganization": {"reference": f"Organization/{CLINIC}"}})
    clinic.ehr.edit("Patient", "zyx-patient", {"identifier": number})
    task = clinic.post()
    clinic.stage.push()
    assert clinic.why(task["id"])[0] == "draft" and len(stored(clinic.stage, "Patient")) == 1
    assert clinic.stage.app.read_now(lambda _, uow: uow.link_by_remote(CLINIC, "Patient", "zyx-patient")) is None


def test_person_whose_identity_the_ehr_doubts_is_shown_to_nobody_until_checked_F11(clinic: Clinic) -> None:
    coding = {"url": "identityStatus", "valueCoding": {"code": "FICT"}}
    clinic.ehr.edit("Patient", "zyx-patient", {"extension": [{"url": RELIABILITY, "extension": [coding]}]})
    clinic.post()
    clinic.stage.push()
    (row,) = clinic.stage.app.read_now(lambda _, uow: uow.conflicts(state="doubt"))
    task = only(stored(clinic.stage, "Task"))
    assert task["status"] == "requested" and clinic.stage.cards(COURSIER, VIEW) == []
    clinic.stage.app.write_now(lambda _, uow: doubts.checked(uow, COURSIER, row.key))
    assert len(clinic.stage.cards(COURSIER, VIEW)) == 1 and only(stored(clinic.stage, "Task"))["status"] == "requested"


def test_numbers_that_may_not_be_kept_stay_at_the_ehr(clinic: Clinic) -> None:
    oid = "urn:oid:1.2.250.1.213.1.4"
    given = [{"system": f"{oid}.8", "value": "1"}, {"system": "1.2.250.1.213.1.4.9", "value": "2"}, {"system": f"{oid}.2", "value": "3"}, {"system": "urn:ipp", "value": "4"}]
    clinic.ehr.edit("Patient", "zyx-patient", {"identifier": [*given, {"system": "http://finess.sante.gouv.fr", "value": "5"}]})
    clinic.post()
    clinic.stage.push()
    kept = only(stored(clinic.stage, "Patient"))["identifier"]
    assert [each["value"] for each in kept][:2] == ["4", "5"] and kept[1]["system"] == "https://finess.esante.gouv.fr"


def test_person_who_may_be_several_waits_for_the_clinic(clinic: Clinic) -> None:
    for _ in range(2):
        person = {"resourceType": "Patient", "name": [{"use": "official", "family": "Zyxdurand", "given": ["Jeannezyx"]}], "gender": "female", "birthDate": "1938-02-03"}
        assert clinic("POST", "Patient", person).status_code == 201
    task = clinic.post()
    clinic.stage.push()
    assert clinic.why(task["id"]) == ("draft", "several") and len(stored(clinic.stage, "Patient")) == 2


def test_number_of_the_social_security_stays_in_the_ehr(clinic: Clinic) -> None:
    clinic.ehr.edit("Patient", "zyx-patient", {"identifier": [{"system": NIR, "value": "299999999999999"}, {"system": "urn:ipp", "value": "77"}], "text": {
        "status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Zyxrecit</div>'}, "contact": [{"name": {"text": "Zyxfille"}}]})  # fmt: skip
    clinic.post()
    clinic.stage.push()
    kept = only(stored(clinic.stage, "Patient"))
    assert kept["identifier"][0]["system"] == "urn:ipp" and not {"text", "contact"} & kept.keys() and "2999" not in json.dumps(kept)


Edit = Callable[[Clinic], object]
UNAGREED: dict[str, Edit] = {
    "no Consent": lambda clinic: clinic.ehr.edit("ServiceRequest", "9", {"supportingInfo": []}),
    "a Consent that is not there": lambda clinic: clinic.ehr.edit("ServiceRequest", "9", {"supportingInfo": [{"reference": "Consent/x"}]}),
    "only proposed": lambda clinic: clinic.ehr.edit("Consent", "4", {"status": "proposed"}),
    "taken back": lambda clinic: clinic.ehr.edit("Consent", "4", {"status": "inactive"}),
    "for somebody else": lambda clinic: clinic.ehr.edit("Consent", "4", consent("Organization/nobody")),
    "a request that is a draft": lambda clinic: clinic.ehr.edit("ServiceRequest", "9", {"status": "draft"}),
}


@pytest.mark.parametrize("lacking", UNAGREED)
def test_without_both_agreements_nothing_is_kept_and_once_they_stand_it_is_sent(clinic: Clinic, lacking: str) -> None:
    task = clinic.post()
    clinic.ehr._fhir._check_references = False  # type: ignore[attr-defined]
    UNAGREED[lacking](clinic)  # after the Task came, before it is read
    clinic.stage.push()
    assert clinic.why(task["id"]) == ("draft", "agreement") and counts(clinic.stage) == (0, 0, 0, 1)
    assert clinic.stage.push() == 0 and clinic.stage.cards(COURSIER, VIEW) == []
    clinic.ehr.edit("ServiceRequest", "9", request())
    clinic.ehr.edit("Consent", "4", consent(f"{clinic.stage.app.fhir_base}/Organization/asso-coursiers"))
    assert clinic("PUT", f"Task/{task['id']}", clinic.task(id=task["id"])).status_code == 200
    clinic.stage.push()
    assert clinic.why(task["id"]) == ("requested", "") and counts(clinic.stage) == (1, 1, 1, 1)
    assert "statusReason" not in clinic.read(task["id"])


def test_what_is_not_valid_is_refused_with_its_code_and_kept_out(clinic: Clinic) -> None:
    clinic.ehr.edit("ServiceRequest", "9", {"zyxelement": "Zyxvaleur"})
    task = clinic.post()
    clinic.stage.push()
    assert clinic.why(task["id"]) == ("draft", "element") and counts(clinic.stage) == (0, 0, 0, 1) and "yx" not in json.dumps(clinic.read(task["id"])["statusReason"])


def test_task_for_somebody_else_than_its_request_is_refused(clinic: Clinic) -> None:
    clinic.ehr.plant({"resourceType": "Patient", "id": "other"})
    task = clinic.post(**{"for": clinic.at("Patient/other")})
    clinic.stage.push()
    assert clinic.why(task["id"]) == ("draft", "reference") and counts(clinic.stage) == (0, 0, 0, 1)


def test_two_workers_at_once_make_one_referral(clinic: Clinic) -> None:
    task, app = clinic.post(), clinic.stage.app
    other = App(app.settings, app.store, app.clock, ehrs=lambda entry: connect(entry, clock=app.clock))
    held = Fault("hold", "GET ServiceRequest/9")
    clinic.ehr.faults.append(held)
    slow = threading.Thread(target=clinic.stage.push)
    slow.start()
    try:
        while slow.is_alive() and not held.struck:
            slow.join(0.01)
        clinic.stage.clock.tick(timedelta(minutes=5))  # its lease ran out: somebody else takes the letter
        assert other.wiring.push.drain() > 0 and clinic.why(task["id"]) == ("requested", "")
    finally:
        held.event.set()
        slow.join()
    assert counts(clinic.stage) == (1, 1, 1, 1) and len(clinic.ehr.all("Task")) == 1 and clinic.why(task["id"]) == ("requested", "")


def test_recipient_that_the_ehr_names_by_its_own_organisation_is_known_by_its_number(clinic: Clinic) -> None:
    clinic.ehr.plant({"resourceType": "Organization", "id": "12", "identifier": [{"system": SIRENE, "value": "00000000000028"}], "name": "Coursiers"})
    clinic.ehr.edit("Consent", "4", consent("Organization/12"))
    clinic.post()
    clinic.stage.push()
    assert only(stored(clinic.stage, "Consent"))["provision"]["actor"][0]["reference"]["reference"] == "Organization/asso-coursiers"
    assert card(clinic.stage).card["state"] == "requested"


def test_consent_that_ends_in_the_ehr_ends_the_referral_and_one_nobody_heard_of_lately_permits_nothing(clinic: Clinic) -> None:
    stage = clinic.stage
    now = stage.app.network
    changed = tuple(replace(each, ehr=replace(each.ehr, consents="ehr")) if each.ehr else each for each in now.organisations)
    stage.app.apply_network(replace(now, organisations=changed))
    task = clinic.post()
    stage.push()
    assert stage.cards(COURSIER, VIEW) == []  # the Consents of that EHR were never read to the end (S14)
    stage.pull()
    assert len(stage.cards(COURSIER, VIEW)) == 1
    stage.clock.tick(timedelta(hours=25))
    assert stage.cards(COURSIER, VIEW) == []
    stage.pull()
    shown = card(stage)
    clinic.ehr.edit("Consent", "4", {"status": "inactive"})
    stage.clock.tick(timedelta(minutes=20))
    stage.pull()
    assert stage.see(COURSIER, VIEW, shown.id) is None and clinic.why(task["id"])[0] == "cancelled"


def test_consent_is_never_made_wider_by_the_ehr(clinic: Clinic) -> None:
    clinic.post()
    clinic.stage.push()
    clinic.stage.clock.tick(timedelta(minutes=20))
    wider = consent("x")["provision"]
    wider["actor"] += [{"role": wider["actor"][0]["role"], "reference": {"reference": f"{clinic.stage.app.fhir_base}/Organization/saad-seine"}}]
    clinic.ehr.edit("Consent", "4", {"provision": wider})
    clinic.stage.pull()
    actors = only(stored(clinic.stage, "Consent"))["provision"]["actor"]
    assert "Organization/saad-seine" not in [each["reference"]["reference"] for each in actors]


@pytest.mark.parametrize("who", ["Patient/zyx-patient", "RelatedPerson/7"])
def test_what_the_patient_asks_does_not_come_as_the_doctors_word(clinic: Clinic, who: str) -> None:
    clinic.ehr.plant({"resourceType": "RelatedPerson", "id": "7", "patient": {"reference": "Patient/zyx-patient"}})
    clinic.ehr.edit("ServiceRequest", "9", {"requester": {"reference": who}})
    task = clinic.post()
    clinic.stage.push()
    assert clinic.why(task["id"]) == ("draft", "invalid") and counts(clinic.stage) == (0, 0, 0, 1)


def test_owner_may_be_named_by_its_identifier_or_our_address(clinic: Clinic) -> None:
    by = {"identifier": {"system": "https://liaison.example/sid/unit", "value": "coursier-rouen"}}
    for owner in (by, {"reference": f"{clinic.stage.app.fhir_base}/HealthcareService/coursier-rouen"}):
        task = clinic.post(owner=owner)
        assert task["owner"]["reference"] == "HealthcareService/coursier-rouen"
        clinic("DELETE", f"Task/{task['id']}")
    assert clinic("POST", "Task", clinic.task(owner={"identifier": by["identifier"] | {"value": "nobody"}})).status_code == 422
    assert clinic("POST", "Task", clinic.task(owner=clinic.at("Organization/12"))).status_code == 422


def test_task_that_ended_or_went_before_it_was_read_is_not_read(clinic: Clinic) -> None:
    first = clinic.post()
    assert clinic("DELETE", f"Task/{first['id']}").status_code == 204
    second = clinic.post()
    ended = second | {"status": "cancelled", "statusReason": {"text": "Demande close par le demandeur"}}
    assert clinic("PUT", f"Task/{second['id']}", ended).status_code == 200
    clinic.stage.push()
    assert clinic.ehr.requests == [] and counts(clinic.stage) == (0, 0, 0, 1)


def test_reading_is_in_the_audit_and_says_nothing_of_the_person(clinic: Clinic) -> None:
    clinic.post()
    clinic.stage.push()
    rows = clinic.stage.app.read_now(lambda _, uow: uow.audit_rows(limit=1000))
    events = [json.loads(row.event) for row in rows]
    assert "sync-applied" in {each["subtype"][0]["code"] for each in events} and b"yxdurand" not in b"".join(row.event for row in rows)
    written = {each["entity"][0]["what"]["reference"].partition("/")[0] for each in events if each["subtype"][0]["code"] == "create" and f"ehr-{CLINIC}" in json.dumps(each)}
    assert {"Patient", "Consent", "ServiceRequest"} <= written
