"""A social service's own software on /fhir: its view's projection, its own ids, nothing of what is hidden."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from adapter.audit.told import Told, told
from adapter.errors import Malformed
from adapter.fhir import query
from adapter.ports import Change, Principal, Version
from tests.e2e.stage import CARSAT, COURSIER, GP, PATIENT, SAAD, Stage, staged

READS = frozenset({"system/*.rs"})
TEAM, OTHER = (replace(who, scopes=READS) for who in (COURSIER, SAAD))
ANOTHER = {"nom": "Zyxautre", "prenom": "Paulzyx", "naissance": "1951-05-06"}
TYPES = ("Task", "ServiceRequest", "Patient", "Consent", "Procedure", "Communication", "Organization", "HealthcareService", "Practitioner", "PractitionerRole", "Provenance")


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


def found(stage: Stage, who: Principal, type: str, **params: str) -> list[dict[str, Any]]:
    return [json.loads(each.served) for each in versions(stage, who, type, **params)]


def versions(stage: Stage, who: Principal, type: str, **params: str) -> list[Version]:
    asked = query(type, [(name.replace("_is_", ":"), value) for name, value in params.items()])
    return stage.app.write_now(lambda story, uow: story.search(uow, who, asked)[0])


def everything(stage: Stage, who: Principal) -> dict[str, list[dict[str, Any]]]:
    return {type: found(stage, who, type) for type in TYPES}


def test_service_reads_its_view_and_never_the_whole_resource(stage: Stage) -> None:
    stage.sent()
    seen = everything(stage, TEAM)
    text = json.dumps(seen, ensure_ascii=False)
    assert "Zyxdurand" in text
    for hidden in ("Zyxmots", "enutrition", "requisition", "groupIdentifier"):
        assert hidden not in text
    for resources in seen.values():
        assert all(each["meta"]["tag"] == [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}] for each in resources)
        assert all("lastUpdated" not in each["meta"] and "profile" not in each["meta"] for each in resources)
    task, request = seen["Task"][0], seen["ServiceRequest"][0]
    assert task["focus"]["reference"] == f"ServiceRequest/{request['id']}"
    assert request["subject"]["reference"] == f"Patient/{seen['Patient'][0]['id']}"


def test_ids_are_the_services_own_and_the_houses_ids_find_nothing_M_06_M_13(stage: Stage) -> None:
    stage.sent()
    for type in ("Task", "ServiceRequest", "Patient", "Consent"):
        own = stage.app.read_now(lambda _, uow, type=type: uow.search(query(type, [])))
        assert own
        assert own[0].id not in json.dumps(everything(stage, TEAM))
        read = stage.app.write_now(lambda story, uow, type=type, own=own: story.read(uow, TEAM, type, own[0].id))
        assert read is None
    for type, each in everything(stage, TEAM).items():
        for one in each:
            assert stage.app.write_now(lambda story, uow, type=type, one=one: story.read(uow, TEAM, type, one["id"])) is not None, type
    mine = found(stage, TEAM, "Task")[0]["id"]
    assert stage.app.write_now(lambda story, uow: story.read(uow, OTHER, "Task", mine)) is None


@pytest.mark.parametrize("who", [OTHER, replace(CARSAT, scopes=READS), COURSIER])
def test_nothing_is_there_for_another_service_or_without_scope_M_24(stage: Stage, who: Principal) -> None:
    stage.sent()
    assert {type: len(each) for type, each in everything(stage, who).items() if each} == {}


def test_search_is_evaluated_on_what_is_visible_M_10(stage: Stage) -> None:
    stage.sent()
    assert len(found(stage, TEAM, "Task", status="requested")) == 1
    assert len(found(stage, TEAM, "Task", status="completed")) == 0
    assert len(found(stage, TEAM, "Task", status_is_not="completed")) == 1
    for type, params in {"Task": {"owner": "HealthcareService/coursier-rouen"}, "ServiceRequest": {"code": "x"}, "Patient": {"family": "Zyxdurand"}}.items():
        with pytest.raises(Malformed):
            found(stage, TEAM, type, **params)
        with pytest.raises(Malformed):
            found(stage, OTHER, type, **params)
    with pytest.raises(Malformed):
        found(stage, TEAM, "Task", _sort="-_lastUpdated")


def test_version_follows_from_what_is_visible_M_12(stage: Stage) -> None:
    stage.sent()
    before = versions(stage, TEAM, "ServiceRequest")[0]
    own = stage.app.read_now(lambda _, uow: uow.search(query("ServiceRequest", [])))[0]
    hidden = json.loads(own.served) | {"note": [{"text": "Zyxnote"}]}
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("update", "ServiceRequest", own.id, hidden, origin="portal")]))
    after = versions(stage, TEAM, "ServiceRequest")[0]
    assert (before.number, before.served) == (after.number, after.served)
    card = stage.cards(COURSIER, "coursier-dac-asso")[0]
    task = versions(stage, TEAM, "Task")[0]
    stage.act(COURSIER, "coursier-dac-asso", card, "accept")
    assert versions(stage, TEAM, "Task")[0].number != task.number


def test_withdrawal_closes_every_type_at_once_C_E6(stage: Stage) -> None:
    stage.sent()
    assert found(stage, TEAM, "Task")
    card = stage.cards(COURSIER, "coursier-dac-asso")[0]
    stage.act(COURSIER, "coursier-dac-asso", card, "withdraw", heard_by="coursier-lea")
    assert {type: len(each) for type, each in everything(stage, TEAM).items() if each} == {}


def test_disclosure_is_recorded_for_what_was_given_and_for_nothing_else(stage: Stage) -> None:
    stage.sent()
    stage.sent(id="appel-2")

    def disclosures() -> int:
        rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
        return sum(json.loads(row.event)["subtype"][0].get("code") == "disclose" or "Disclose" in json.dumps(json.loads(row.event)["subtype"]) for row in rows)

    before = disclosures()
    one = found(stage, TEAM, "Task")[0]["id"]
    assert disclosures() == before + 2
    stage.app.write_now(lambda story, uow: story.read(uow, TEAM, "Task", one))
    assert disclosures() == before + 3
    found(stage, TEAM, "Task", status="completed")
    assert disclosures() == before + 3


def test_read_and_search_are_events_of_the_view_once_a_patient(stage: Stage) -> None:
    stage.sent()

    def told_of(name: str) -> list[Told]:
        rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
        return [one for row in rows if (one := told(json.loads(row.event))).kind == "rest" and one.name == name]

    mine = found(stage, TEAM, "Task", status="requested")[0]["id"]
    stage.app.write_now(lambda story, uow: story.read(uow, TEAM, "Task", mine, request_id="r-9"))
    person = stage.app.read_now(lambda _, uow: uow.search(query("Patient", [])))[0].reference
    assert [(one.rule, one.patient) for one in told_of("search-type")] == [("view", person)]
    assert [(one.rule, one.patient, one.request_id) for one in told_of("read")] == [("view", person, "r-9")]


@pytest.mark.parametrize(("scope", "reads", "searches"), [
    ("system/Task.r", True, False), ("system/Task.s", False, True), ("system/*.rs", True, True), ("system/Task.c", False, False), ("system/Patient.rs", False, False),
])  # fmt: skip
def test_scope_of_the_type_is_needed_to_read_and_another_to_search(stage: Stage, scope: str, reads: bool, searches: bool) -> None:
    stage.sent()
    who, id = replace(TEAM, scopes=frozenset({scope})), found(stage, TEAM, "Task")[0]["id"]
    assert bool(found(stage, who, "Task")) is searches
    assert (stage.app.write_now(lambda story, uow: story.read(uow, who, "Task", id)) is not None) is reads


def test_page_says_whether_there_is_more_and_several_ids_are_several_resources(stage: Stage) -> None:
    stage.sent()
    stage.sent(id="appel-2", personne=ANOTHER)

    def page(**params: str) -> tuple[list[str], bool]:
        asked = query("Task", [(name, value) for name, value in params.items()])
        got, more = stage.app.write_now(lambda story, uow: story.search(uow, TEAM, asked))
        return [each.id for each in got], more

    both, more = page()
    assert len(both) == 2 and not more and both == sorted(both)
    assert page(_count="1") == (both[:1], True)
    assert page(_count="2") == (both, False)
    assert page(_id=",".join(both)) == (both, False)
    assert page(_id=both[1]) == (both[1:], False)
    with pytest.raises(Malformed):
        stage.app.write_now(lambda story, uow: story.search(uow, TEAM, query("Task", [("_id:missing", "true")])))
    assert [each["id"] for each in found(stage, TEAM, "Task", _id_is_not=both[0])] == both[1:]
    following = replace(query("Task", []), after=("", both[0]))
    assert [each.id for each in stage.app.write_now(lambda story, uow: story.search(uow, TEAM, following)[0])] == both[1:]
    blind = replace(TEAM, scopes=frozenset())
    assert stage.app.write_now(lambda story, uow: story.search(uow, blind, query("Task", []))) == ([], False)


def test_read_of_what_is_absent_or_anothers_is_an_event_of_refusal(stage: Stage) -> None:
    stage.sent()
    assert stage.app.write_now(lambda story, uow: story.read(uow, TEAM, "Task", "absent", request_id="r-7")) is None
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    last = told(json.loads(rows[-1].event))
    assert (last.ok, last.reason, last.request_id, last.patient) == (False, "absent-or-not-theirs", "r-7", "")


def test_person_of_two_referrals_is_given_as_the_fuller_look_has_it_with_a_version_every_client_can_read(stage: Stage) -> None:
    stage.sent()
    assert "birthDate" not in found(stage, TEAM, "Patient")[0]
    stage.sent(id="appel-2", besoins=["acces-droits"])
    (person,) = found(stage, TEAM, "Patient")
    assert person["birthDate"] == PATIENT["birthDate"]
    for type in TYPES:
        assert all(0 < int(each["meta"]["versionId"]) < 2**48 for each in found(stage, TEAM, type))
