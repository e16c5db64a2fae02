"""Minimality (M) at the doors, by the names of views.md 2.5: what a caller's own software can find out by asking cleverly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from adapter.network.model import PAPER_ONLY
from adapter.ports import Change, Query
from adapter.views import load_declared, pairwise
from adapter.views.matrix import CLASSES, load_matrix
from tests.e2e.records import stored
from tests.e2e.stage import COURSIER, GP, ROOT, Stage
from tests.e2e.test_enforcement import counted
from tests.e2e.test_other_clinic import PATIENT, REQUEST, TASK
from tests.e2e.test_other_clinic import stage as _stage
from tests.unit.web.test_doors import Door, agreed

stage = _stage  # the demonstration's network with a second clinic
VIEW, UNIT, CARDS = "coursier-dac-asso", "coursier-rouen", "/views/coursier-dac-asso/referrals"
NONCES = ("date", "x-request-id")


@pytest.fixture
def door(stage: Stage) -> Door:
    return Door(stage)


def call(door: Door, id: str = "appel-1", **more: Any) -> Any:
    answer = door("POST", "/intake/appel-coursier", json=agreed() | {"id": id} | more, headers=door.token("coursiers"))
    assert answer.status_code == 201, answer.text
    return answer.json()


def seen(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """All that tells one answer from another."""
    return answer.status_code, sorted((name, value) for name, value in answer.headers.items() if name not in NONCES), answer.content


# ── M-07 ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("recipient", PAPER_ONLY)
@pytest.mark.parametrize("client", ["coursiers", "saint-eloi"])
def test_no_door_knows_a_view_of_those_who_get_paper_only_M_07(door: Door, client: str, recipient: str) -> None:
    call(door)
    who = door.token(client)
    for method, tail in (("GET", "referrals"), ("GET", "referrals/x"), ("POST", "referrals/x/accept"), ("GET", "notices"), ("GET", "owed"), ("POST", "notices/K7-42M/acknowledge")):
        answers = [door(method, f"/views/{view}/{tail}", headers=who | {"If-Match": 'W/"x"'}) for view in (recipient, "no-such-view")]
        assert [each.status_code for each in answers] == [404, 404] and seen(answers[0]) == seen(answers[1]), tail


@pytest.mark.parametrize("recipient", PAPER_ONLY)
def test_no_record_can_name_one_of_them_as_its_recipient_M_07(door: Door, stage: Stage, recipient: str) -> None:
    record = agreed() | {"destinataire": recipient}
    assert 400 <= door("POST", "/intake/appel-coursier", json=record, headers=door.token("coursiers")).status_code < 500
    assert stored(stage, "Task") == [] and stored(stage, "Patient") == []


def test_letter_may_hold_the_classes_of_paper_and_never_health_or_who_prescribed_M_07() -> None:
    """A psychiatric clinic's name is itself a diagnosis: neither D8 nor D10 is ever on such a letter."""
    declared, rows = load_declared(), load_matrix((ROOT / "mappings" / "views" / "matrix.yaml").read_text("utf-8")).rows
    for recipient in PAPER_ONLY:
        found = declared[recipient]
        assert found.classes == tuple(each for each in CLASSES if rows[recipient][each] == "P"), recipient
        assert not {"D2", "D3", "D8", "D10"} & set(found.classes) and found.way == "paper"


# ── M-09, M-10 ───────────────────────────────────────────────────────────────────────────────────
ELEMENTS = ("note", "note,requisition", "reasonCode", "id", "status,birthDate", "no-such", "*", "")
HIDDEN_SEARCHES = {
    "ServiceRequest": ("reason-code=denutrition", "code=x", "requisition=x", "patient.family=Zyxdurand", "subject:Patient.name=x", "_has:Task:focus:status=requested"),
    "Task": ("_filter=status eq requested", "_sort=-_lastUpdated", "_sort=authored-on", "_lastUpdated=gt2020", "owner=x",
             "focus:ServiceRequest.reason-code=x", "_has:Provenance:target:agent=x", "_text=Zyx", "_content=Zyx", "_list=x", "_query=x", "_contained=true"),
    "Patient": ("family=Zyxdurand", "birthdate=1938-02-03", "identifier=x|1", "_sort=family", "general-practitioner=x"),
}  # fmt: skip


def searched(door: Door, client: str, type: str, tail: str) -> list[tuple[int, list[tuple[str, str]], bytes]]:
    """By GET and by POST."""
    name, _, value = tail.partition("=")
    who = door.token(client)
    return [seen(door("GET", f"/fhir/{type}", params={name: value}, headers=who)), seen(door("POST", f"/fhir/{type}/_search", data={name: value}, headers=who))]


@pytest.mark.parametrize("type", ["Task", "ServiceRequest", "Patient"])
def test_elements_give_less_of_what_a_read_gives_and_nothing_hidden_M_09(door: Door, type: str) -> None:
    """What R4 has not is refused alike whatever there is; what the view hides is as what is not there."""
    empty = {asked: searched(door, "coursiers", type, f"_elements={asked}") for asked in ELEMENTS if asked}
    call(door)
    who = door.token("coursiers")
    (whole,) = (each["resource"] for each in door("GET", f"/fhir/{type}", headers=who).json()["entry"])
    for asked, before in empty.items():
        for answer, was in zip(searched(door, "coursiers", type, f"_elements={asked}"), before, strict=True):
            assert answer[0] == was[0] and answer[0] in (200, 400) and (answer[0] == 200 or answer == was)
            if answer[0] == 200:
                (less,) = (each["resource"] for each in json.loads(answer[2])["entry"])
                assert {name: part for name, part in less.items() if name != "meta"}.items() <= {name: whole[name] for name in whole}.items()
                assert b"Zyxmots" not in answer[2] and b'"requisition"' not in answer[2] and b"1938" not in answer[2]


@pytest.mark.parametrize("tail", ["_elements=", "_elements=id,status", "_elements=note", "_summary=false", "_summary=data", "_summary=true", "_pretty=true"])
def test_elements_asked_of_one_resource_add_nothing_M_09(door: Door, tail: str) -> None:
    call(door)
    who = door.token("coursiers")
    for type in ("Task", "ServiceRequest"):
        id = door("GET", f"/fhir/{type}", headers=who).json()["entry"][0]["resource"]["id"]
        plain, asked = door("GET", f"/fhir/{type}/{id}", headers=who), door("GET", f"/fhir/{type}/{id}?{tail}", headers=who)
        assert plain.status_code == asked.status_code == 200 and plain.headers["etag"] == asked.headers["etag"]
        assert all(plain.json()[name] == part for name, part in asked.json().items() if name != "meta")
        assert b"Zyxmots" not in asked.content and b"requisition" not in asked.content and b"1938" not in asked.content


@pytest.mark.parametrize("tail", ["_include=Task:focus", "_include=Task:patient", "_revinclude=Provenance:target", "_summary=count", "_total=accurate"])
def test_what_comes_along_and_how_many_there_are_tell_nothing_to_who_holds_nothing_M_10(door: Door, tail: str) -> None:
    empty = searched(door, "saad", "Task", tail)
    call(door)
    assert searched(door, "saad", "Task", tail) == empty and empty[0][0] == 200


@pytest.mark.parametrize(("type", "tail"), [(type, tail) for type, tails in HIDDEN_SEARCHES.items() for tail in tails])
def test_search_by_what_is_hidden_is_refused_alike_whatever_there_is_M_10(door: Door, type: str, tail: str) -> None:
    empty = searched(door, "coursiers", type, tail)
    call(door)
    full = searched(door, "coursiers", type, tail)
    assert empty == full and {each[0] for each in full} == {400}
    assert searched(door, "saad", type, tail)[0][0] == 400  # who holds nothing is told no more and no less


# ── M-12 ─────────────────────────────────────────────────────────────────────────────────────────
def test_versions_and_tags_stand_still_when_the_ehr_edits_what_is_hidden_M_12(door: Door, stage: Stage) -> None:
    call(door)
    stage.push()

    def look() -> list[Any]:
        who = door.token("coursiers")
        found = [door("GET", path, headers=who) for path in (CARDS, "/fhir/Task", "/fhir/ServiceRequest", "/fhir/Patient", "/fhir/Consent")]
        ids = [(f"/fhir/{type}/{each['resource']['id']}") for answer, type in zip(found[1:], ("Task", "ServiceRequest", "Patient", "Consent"), strict=True) for each in answer.json()["entry"]]
        ids += [f"{CARDS}/{each['id']}" for each in found[0].json()["referrals"]]
        each = [door("GET", path, headers=who | more) for path in ids for more in ({}, {"If-None-Match": "*"})]
        assert all("etag" in answer.headers for answer in each) and len(each) >= 8
        return [seen(answer) for answer in [*found, *each]]

    before, (own,) = look(), stored(stage, "Task")
    remote = stage.ehr.all("Task")[0]
    stage.clock.tick(timedelta(minutes=20))
    stage.ehr.edit("Task", remote["id"], {"note": [{"text": "Zyxnote"}], "description": "Zyxnote"})
    stage.pull()
    request = stored(stage, "ServiceRequest")[0]
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("update", "ServiceRequest", request["id"], request | {"note": [{"text": "Zyxnote"}]}, origin="device")]))
    assert stored(stage, "ServiceRequest")[0]["meta"]["versionId"] != request["meta"]["versionId"]
    assert look() == before
    (card,) = stage.cards(COURSIER, VIEW)
    stage.act(COURSIER, VIEW, card, "accept")
    assert look() != before and stored(stage, "Task")[0]["meta"]["versionId"] != own["meta"]["versionId"]


# ── M-13 ─────────────────────────────────────────────────────────────────────────────────────────
HIDDEN_ROWS = ("withdrawn", "draft", "another unit's", "another clinic's", "consent expired")


def hidden_row(door: Door, stage: Stage, kind: str) -> str:
    """Makes it; the house's id of its Task."""
    if kind == "another clinic's":
        who = door.token("autre")
        made = {"Patient/x": door("POST", "/fhir/Patient", content=json.dumps(PATIENT), headers=who).json()["id"]}
        whole = json.loads(json.dumps(REQUEST).replace("Patient/x", f"Patient/{made['Patient/x']}"))
        request = door("POST", "/fhir/ServiceRequest", content=json.dumps(whole), headers=who).json()["id"]
        whole = json.loads(json.dumps(TASK).replace("Patient/x", f"Patient/{made['Patient/x']}").replace("ServiceRequest/x", f"ServiceRequest/{request}"))
        return str(door("POST", "/fhir/Task", content=json.dumps(whole), headers=who).json()["id"])
    if kind == "draft":
        record = {name: value for name, value in agreed().items() if not name.startswith("accord_")}
        return str(door("POST", "/intake/appel-coursier", json=record, headers=door.token("coursiers")).json()["referrals"][0]["task"])
    if kind == "another unit's":
        return str(call(door, destinataire="saad-portage", besoins=["denutrition"])["referrals"][0]["task"])
    task = str(call(door)["referrals"][0]["task"])
    (card,) = stage.cards(COURSIER, VIEW)
    assert card.id == own_id(stage, task)
    if kind == "withdrawn":
        stage.act(COURSIER, VIEW, card, "withdraw", heard_by="coursier-lea")
    else:
        stage.act(COURSIER, VIEW, card, "narrow", until=(stage.clock.now() + timedelta(minutes=1)).isoformat())
        stage.clock.tick(timedelta(minutes=2))
    return task


def own_id(stage: Stage, task: str) -> str:
    """Under which the couriers would know a Task of the house."""
    return pairwise(stage.app.read_now(lambda story, _: story.writer.key), UNIT, "Task", task)


def requests(id: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield "GET", f"{CARDS}/{id}", {}
    yield "GET", f"/fhir/Task/{id}", {}
    for verb in ("accept", "withdraw", "no-such-verb"):
        yield "POST", f"{CARDS}/{id}/{verb}", {"json": {}, "headers": {"If-Match": 'W/"0123456789abcdef0123456789abcdef"'}}
        yield "POST", f"{CARDS}/{id}/{verb}", {"json": {}}


@pytest.mark.parametrize("kind", HIDDEN_ROWS)
def test_hidden_row_answers_as_an_absent_one_by_the_same_statements_M_13(door: Door, stage: Stage, kind: str) -> None:
    task = hidden_row(door, stage, kind)
    assert any(each["id"] == task for each in stored(stage, "Task"))
    who = door.token("coursiers")
    own = own_id(stage, task)
    door("GET", "/fhir/Task", headers=who)  # the first request of a minute takes a part of the limit, whatever it asks for
    asked = {}
    for id in (own, task, "a" * 26):
        answers = []
        for method, path, more in requests(id):
            with counted() as taken:
                answer = door(method, path, **more | {"headers": who | more.get("headers", {})})
            answers.append((method, path.replace(id, "ID"), seen(answer), [statement for statement, _ in taken if "audit" not in statement]))
        asked[id] = answers
    absent = asked.pop("a" * 26)
    assert {each[2][0] for each in absent} <= {404, 428}
    for id, answers in asked.items():
        for one, other in zip(answers, absent, strict=True):
            assert one == other, ("the caller's id" if id == own else "the house's id", one[:2])


# ── M-25 ─────────────────────────────────────────────────────────────────────────────────────────
LISTS = ("/fhir/Task", "/fhir/ServiceRequest", "/fhir/Patient", "/fhir/Consent", "/fhir/Task?status=requested", "/fhir/Task?_count=1", "/fhir/Task/absent", CARDS, f"{CARDS}/absent",
         "/views/coursier-dac-asso/owed")  # fmt: skip


def measured(door: Door) -> dict[str, Any]:
    """What each list costs: statements, and the rows that each gave."""
    found, who = {}, door.token("coursiers")
    door("GET", "/fhir/Task", headers=who)
    for path in LISTS:
        with counted() as taken:
            door("GET", path, headers=who)
        found[path] = [each for each in taken if "audit" not in each[0]]
    return found


@pytest.mark.parametrize("kind", HIDDEN_ROWS[:4])
def test_lists_cost_the_same_with_a_hundred_hidden_rows_as_with_none_M_25(door: Door, stage: Stage, kind: str) -> None:
    """Not of those whose Consent ran out: each is decided anew at every look of the unit that was shown it."""
    call(door, "visible")
    measured(door)
    before = measured(door)
    assert all(before.values()) and sum(map(len, before.values())) > 40
    rows = len(stored(stage, "Task"))
    for number in range(100):
        hide(door, stage, kind, number)
    assert len(stage.app.read_now(lambda _, uow: uow.search(Query("Task", count=1000)))) == rows + 100
    after = measured(door)
    for path in LISTS:
        assert after[path] == before[path], path


def hide(door: Door, stage: Stage, kind: str, number: int) -> None:
    """One more of a person of its own."""
    name, born = f"Zyxautre{chr(97 + number % 26)}{chr(97 + number // 26)}", f"1940-01-{1 + number % 28:02}"
    record = agreed() | {"id": f"hidden-{number}", "personne": agreed()["personne"] | {"nom": name, "nom_naissance": name, "naissance": born}}
    if kind == "another clinic's":
        hidden_row(door, stage, kind)
        return
    if kind == "draft":
        record = {name: value for name, value in record.items() if not name.startswith("accord_")}
    elif kind == "another unit's":
        record |= {"destinataire": "saad-portage", "besoins": ["denutrition"]}
    made = door("POST", "/intake/appel-coursier", json=record, headers=door.token("coursiers")).json()
    if kind == "withdrawn":
        card = stage.see(COURSIER, VIEW, own_id(stage, made["referrals"][0]["task"]))
        assert card is not None
        stage.act(COURSIER, VIEW, card, "withdraw", heard_by="coursier-lea")
