"""What comes along with a search, what a chain leads to, and how many there are: by the rule of a read of each type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from adapter.audit.told import told
from adapter.errors import Malformed
from adapter.fhir import query
from adapter.ports import Change, Found, Principal
from tests.e2e.records import stored
from tests.e2e.stage import COURSIER, GP, SAAD, Stage, staged

READS = frozenset({"system/*.rs"})
TEAM, OTHER = (replace(who, scopes=READS) for who in (COURSIER, SAAD))
ANOTHER = {"nom": "Zyxautre", "prenom": "Paulzyx", "naissance": "1951-05-06"}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        found.sent()
        yield found


def found(stage: Stage, who: Principal, type: str, *params: tuple[str, str]) -> Found:
    return stage.app.write_now(lambda story, uow: story.found(uow, who, query(type, params), request_id="r-1"))


def along(stage: Stage, who: Principal, type: str, *params: tuple[str, str]) -> list[str]:
    return sorted(each.type for each in found(stage, who, type, *params).includes)


def opposed(stage: Stage) -> None:
    card = stage.cards(GP, "prescripteur")[0]
    stage.act(GP, "prescripteur", card, "oppose", against="everyone", how="presence")


# ── a clinic's own software ──────────────────────────────────────────────────────────────────────
def test_what_a_result_names_comes_along_once(stage: Stage) -> None:
    stage.sent(id="appel-2", personne=ANOTHER)
    assert along(stage, GP, "Task", ("_include", "Task:focus")) == ["ServiceRequest"] * 2
    assert along(stage, GP, "Task", ("_include", "Task:owner"), ("_include", "Task:patient")) == ["HealthcareService", "Patient", "Patient"]
    assert along(stage, GP, "Task", ("_include", "Task:owner:Organization")) == []
    assert along(stage, GP, "Task", ("_include", "Task:focus"), ("_count", "1")) == ["ServiceRequest"]
    assert along(stage, GP, "ServiceRequest", ("_include", "ServiceRequest:supporting-info")) == ["Consent"] * 2
    answer = found(stage, GP, "Task", ("_include", "Task:focus"))
    focus = {json.loads(each.served)["focus"]["reference"] for each in answer.matches}
    assert {each.reference for each in answer.includes} == focus


def test_what_names_a_result_comes_along(stage: Stage) -> None:
    assert along(stage, GP, "ServiceRequest", ("_revinclude", "Task:focus")) == ["Task"]
    assert along(stage, GP, "Consent", ("_revinclude", "ServiceRequest:supporting-info")) == ["ServiceRequest"]
    assert stored(stage, "Provenance") and along(stage, GP, "ServiceRequest", ("_revinclude", "Provenance:target")) == []  # the coursiers wrote it
    assert along(stage, GP, "ServiceRequest", ("_revinclude", "Task:focus"), ("status", "completed")) == []


@pytest.mark.parametrize("who", [replace(GP, scopes=frozenset({"system/Task.rs"})), replace(GP, organisation="autre")])
def test_nothing_comes_along_that_a_read_would_not_give(stage: Stage, who: Principal) -> None:
    assert along(stage, who, "Task", ("_include", "Task:focus"), ("_include", "Task:patient"), ("_revinclude", "Provenance:target")) == []


def test_what_an_opposition_closes_comes_along_no_more_and_is_not_counted(stage: Stage) -> None:
    stage.sent(id="appel-2", personne=ANOTHER)
    assert found(stage, GP, "Task", ("_total", "accurate")).total == 2
    opposed(stage)
    assert along(stage, GP, "Patient", ("_revinclude", "Task:patient")) == ["Task"]
    assert along(stage, GP, "Patient", ("_revinclude", "Consent:patient"), ("_revinclude", "ServiceRequest:patient")).count("ServiceRequest") == 1
    assert (found(stage, GP, "Task", ("_total", "accurate")).total, found(stage, GP, "Task", ("_summary", "count")).total) == (1, 1)
    assert found(stage, GP, "Patient", ("_total", "accurate")).total == 2


def test_number_is_told_where_it_is_asked_for(stage: Stage) -> None:
    stage.sent(id="appel-2", personne=ANOTHER)
    answer = found(stage, GP, "Task", ("_summary", "count"))
    assert (answer.total, answer.matches, answer.includes, answer.more) == (2, (), (), False)
    page = found(stage, GP, "Task", ("_count", "1"), ("_total", "accurate"))
    assert (page.total, len(page.matches), page.more) == (2, 1, True)
    assert found(stage, GP, "Task").total is None
    assert found(stage, replace(GP, scopes=frozenset()), "Task", ("_total", "accurate")).total == 0


def test_too_many_to_be_looked_at_are_not_counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.sent(id="appel-2", personne=ANOTHER)
    monkeypatch.setattr("adapter.own.COUNTED", 1)
    monkeypatch.setattr("adapter.own._PAGE", 1)
    assert found(stage, GP, "Task", ("_total", "estimate")).total is None
    with pytest.raises(Malformed, match="more than 1") as caught:
        found(stage, GP, "Task", ("_total", "accurate"))
    assert caught.value.issues[0].code == "too-costly"
    assert along(stage, GP, "Task", ("_include", "Task:focus")) == ["ServiceRequest"] * 2


def test_chain_leads_to_the_callers_own_persons(stage: Stage) -> None:
    stage.sent(id="appel-2", personne=ANOTHER)
    assert len(found(stage, GP, "Task", ("patient.family", "zyxdurand")).matches) == 1
    assert len(found(stage, GP, "Task", ("patient.family", "zyxdurand,zyxautre")).matches) == 2
    assert len(found(stage, GP, "ServiceRequest", ("subject:Patient.birthdate", "1951-05-06"), ("patient.family", "Zyxautre")).matches) == 1
    for who, value in ((GP, "zyxnobody"), (replace(GP, organisation="autre"), "zyxdurand"), (replace(GP, scopes=frozenset({"system/Task.rs"})), "zyxdurand")):
        assert found(stage, who, "Task", ("patient.family", value), ("_total", "accurate")) == Found(total=0)


def test_chain_to_too_many_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.sent(id="appel-2", personne=ANOTHER)
    monkeypatch.setattr("adapter.own._CHAINED", 1)
    with pytest.raises(Malformed) as caught:
        found(stage, GP, "Task", ("patient.family", "zyxdurand,zyxautre"))
    assert [(each.code, each.expression) for each in caught.value.issues] == [("too-costly", "patient.family")]


def events(stage: Stage) -> list[Any]:
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    return [one for row in rows if (one := told(json.loads(row.event))).kind == "rest" and one.name == "search-type" and one.request_id == "r-1"]


def test_what_comes_along_is_recorded_as_found_and_a_chained_value_as_a_digest(stage: Stage) -> None:
    found(stage, GP, "Task", ("_include", "Task:focus"), ("_include", "Task:owner"), ("patient.family", "Zyxdurand"))
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    last = [text for row in rows if "r-1" in (text := row.event.decode()) and '"search-type"' in text]
    assert "ServiceRequest/" in "".join(last) and "HealthcareService/" in "".join(last)
    assert not any("urand" in text for text in last) and "_include=Task:focus" in "".join(last) and "patient.family=" in "".join(last)
    assert {(one.rule, bool(one.patient)) for one in events(stage)} == {("basis:author", True), ("", False)}


def test_pages_in_the_order_of_a_date_follow_each_other(stage: Stage) -> None:
    for number in range(2, 6):
        stage.sent(id=f"appel-{number}", personne=ANOTHER | {"nom": f"Zyxautre{number}"}, appel=f"2026-03-0{number}T18:50:00+01:00")
    for sort in ("authored-on", "-authored-on", "-_lastUpdated", "-_id"):
        asked = query("Task", [("_sort", sort), ("_count", "2")])
        given: list[str] = []
        while True:
            page = stage.app.write_now(lambda story, uow: story.found(uow, GP, asked))  # noqa: B023
            given += [each.id for each in page.matches]
            if not page.more:
                break
            asked = replace(asked, after=(page.matches[-1].key, page.matches[-1].id))
        whole = [each.id for each in found(stage, GP, "Task", ("_sort", sort)).matches]
        assert given == whole and len(set(given)) == 5
    dates = [json.loads(each.served)["authoredOn"] for each in found(stage, GP, "Task", ("_sort", "-authored-on")).matches]
    assert dates == sorted(dates, reverse=True)


# ── a social service's own software ──────────────────────────────────────────────────────────────
def test_service_gets_along_what_its_view_shows_with_its_own_ids(stage: Stage) -> None:
    answer = found(stage, TEAM, "Task", ("_include", "Task:focus"), ("_include", "Task:patient"), ("_revinclude", "Provenance:target"))
    (task,) = (json.loads(each.served) for each in answer.matches)
    assert sorted(each.reference for each in answer.includes) == sorted([task["focus"]["reference"], task["for"]["reference"]])
    own = {f"{type}/{each['id']}" for type in ("ServiceRequest", "Patient") for each in stored(stage, type)}
    assert own.isdisjoint(each.reference for each in answer.includes)
    assert all(b"SUBSETTED" in each.served and b"Zyxmots" not in each.served for each in answer.includes)
    read = {type: stage.app.write_now(lambda story, uow, type=type: story.search(uow, TEAM, query(type, []))[0]) for type in ("ServiceRequest", "Patient")}
    assert {each.reference: each.served for each in answer.includes} == {each.reference: each.served for of in read.values() for each in of}


def test_service_gets_along_what_is_shown_to_name_a_result(stage: Stage) -> None:
    assert along(stage, TEAM, "ServiceRequest", ("_revinclude", "Task:focus")) == ["Task"]
    assert along(stage, TEAM, "Patient", ("_revinclude", "Task:patient"), ("_revinclude", "ServiceRequest:patient")) == ["ServiceRequest", "Task"]
    request = found(stage, TEAM, "ServiceRequest").matches[0]
    assert "requester" not in json.loads(request.served) or along(stage, TEAM, "ServiceRequest", ("_include", "ServiceRequest:requester"))


@pytest.mark.parametrize("who", [OTHER, replace(COURSIER, scopes=frozenset({"system/Task.rs"}))])
def test_service_gets_nothing_along_without_scope_or_referral(stage: Stage, who: Principal) -> None:
    assert along(stage, who, "Task", ("_include", "Task:focus"), ("_include", "Task:patient")) == []


def test_service_is_told_the_number_of_what_it_sees_and_offered_no_chain(stage: Stage) -> None:
    stage.sent(id="appel-2", personne=ANOTHER)
    assert found(stage, TEAM, "Task", ("_summary", "count")) == Found(total=2)
    page = found(stage, TEAM, "Task", ("_count", "1"), ("_total", "accurate"))
    assert (page.total, page.more, len(page.matches)) == (2, True, 1)
    last = replace(query("Task", [("_count", "1")]), after=("", page.matches[0].id))
    assert not stage.app.write_now(lambda story, uow: story.found(uow, TEAM, last)).more
    assert found(stage, OTHER, "Task", ("_summary", "count")) == Found(total=0)
    for who in (TEAM, OTHER):
        with pytest.raises(Malformed):
            found(stage, who, "Task", ("patient.family", "Zyxdurand"))
    card = stage.cards(COURSIER, "coursier-dac-asso")[0]
    stage.act(COURSIER, "coursier-dac-asso", card, "withdraw", heard_by="coursier-lea")
    assert found(stage, TEAM, "Task", ("_summary", "count")).total == 1


def test_closed_with_its_referral_is_what_an_ehr_made_of_it(stage: Stage) -> None:
    (request,) = stored(stage, "ServiceRequest")
    start = {"start": "2026-03-09T09:00:00+01:00", "end": "2026-03-09T09:30:00+01:00"}
    booked = {
        "resourceType": "Appointment", "status": "booked", "basedOn": [{"reference": f"ServiceRequest/{request['id']}"}],
        "participant": [{"actor": request["subject"], "status": "accepted"}], **start,
    }  # fmt: skip
    change = Change("create", "Appointment", "a1", booked, origin="portal")
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [change]))
    assert len(found(stage, GP, "Appointment", ("patient", request["subject"]["reference"])).matches) == 1
    opposed(stage)
    assert found(stage, GP, "Appointment", ("_total", "accurate")) == Found(total=0)
