"""Minimality (M) and enforcement (C-E) at the doors there are, by the names of views.md 2.5 and consent.md 1.5."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from adapter.ehr.fake import Fault
from adapter.fhir import query
from adapter.ports import Principal, Query
from adapter.store.session import Session
from tests.e2e.stage import CARSAT, COURSIER, GP, SAAD, Stage, staged
from tests.worlds.hidden import HIDDEN, Hidden, played
from tests.worlds.observer import Observer
from tests.worlds.world import World, world

READS = frozenset({"system/*.rs"})
UNITS = {"coursier-rouen": ("coursier-dac-asso", COURSIER), "saad-portage": ("saad", SAAD), "permanence-saint-eloi": ("as-carsat", CARSAT)}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


@pytest.fixture
def made() -> Iterator[World]:
    with world() as found:
        yield found


def asked(made: World, unit: str, *calls: tuple[str, str, dict[str, Any]]) -> list[tuple[int, dict[str, str], bytes]]:
    """Answers to (method, path, {match, body}) of the unit's own software: status, headers, body."""
    observer = Observer(made, unit)
    found = []
    for method, path, more in calls:
        answer = observer.ask(method, path, **more)
        found.append((answer[1], dict(answer[2]), answer[3]))
    return found


def get(made: World, unit: str, path: str) -> tuple[int, dict[str, str], bytes]:
    return asked(made, unit, ("GET", path, {}))[0]


def card(made: World, unit: str) -> Any:
    view, who = UNITS[unit]
    return made.cards(who, view)[0]


# ── minimality ───────────────────────────────────────────────────────────────────────────────────
def test_totals_and_pages_do_not_depend_on_what_is_hidden_M_11_C_E4(made: World) -> None:
    """Three of five are others': the answer is that of a server which has two."""
    plain = _two(())
    full = _two((Hidden("somebody-else-elsewhere", 9), Hidden("same-person-elsewhere", 9), Hidden("draft", 9)))
    for tail in ("", "?_count=1", "?_count=50", "?_summary=count", "?_total=accurate", "?status=requested"):
        one, other = (get(each, "coursier-rouen", f"/fhir/Task{tail}") for each in (plain[0], full[0]))
        assert one == other
    assert b'"total":5' not in get(full[0], "coursier-rouen", "/fhir/Task")[2]
    for _, close in (plain, full):
        close()


def _two(hidden: tuple[Hidden, ...]) -> tuple[World, Callable[[], object]]:
    context = world()
    found = context.__enter__()
    played(found, "coursier-rouen", "two", hidden)
    return found, lambda: context.__exit__(None, None, None)


def test_search_that_matches_only_what_is_hidden_answers_as_one_that_matches_nothing_C_E5(made: World) -> None:
    made.act("call", 0)
    made.refer("saad-portage", 0)
    hidden = made.stored("Task")[0]["id"]
    tails = (f"_id={hidden}", "_id=absent", "status=requested", "status=failed")
    ours = [get(made, "coursier-rouen", f"/fhir/Task?{tail}") for tail in tails]
    said = {body.replace(f"?{tail}".encode(), b"") for tail, (_, _, body) in zip(tails, ours, strict=True)}  # the self link says again what was asked
    assert len(said) == 1 and len({status for status, _, _ in ours}) == 1


@pytest.mark.parametrize("body", [
    {"status": "completed"}, {"owner": {"reference": "HealthcareService/saad-portage"}}, {"note": [{"text": "Zyxpatched"}]},
    {"resourceType": "Task", "description": "Zyxpatched", "for": {"reference": "Patient/other"}, "needs": {"isolement": "autre"}},
])  # fmt: skip
def test_what_an_act_does_not_take_is_refused_and_nothing_changes_M_14(made: World, body: dict[str, Any]) -> None:
    made.act("call", 0)
    made.refer("coursier-rouen", 0)
    before = {type: made.stored(type)[0] for type in ("Task", "ServiceRequest", "Patient")}
    shown = card(made, "coursier-rouen")
    path = f"/views/coursier-dac-asso/referrals/{shown.id}/accept"
    status, _, said = asked(made, "coursier-rouen", ("POST", path, {"match": shown.etag, "body": body}))[0]
    assert status == 422 and b"accept takes no arguments" in said and b"Zyx" not in said
    assert {type: made.stored(type)[0] for type in before} == before


def test_act_through_a_view_keeps_what_the_ehr_alone_knows_M_15(stage: Stage) -> None:
    stage.sent()
    stage.push()
    remote = stage.ehr.all("Task")[0]
    known = {"note": [{"text": "vu"}], "extension": [{"url": "https://ehr.example/x", "valueString": "kept"}], "_status": {"extension": [{"url": "https://ehr.example/s", "valueCode": "k"}]}}
    stage.ehr.edit("Task", remote["id"], known)
    stage.pull()
    shown = stage.cards(COURSIER, "coursier-dac-asso")[0]
    stage.act(COURSIER, "coursier-dac-asso", shown, "accept")
    stage.push()
    after = stage.ehr.all("Task")[0]
    assert after["status"] == "accepted" and {name: after[name] for name in known} == known


def test_error_texts_and_logs_hold_no_word_of_the_person_M_16(made: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    made.act("call", 0)
    person = {"nom": "Zyxcanary", "prenom": 7, "naissance": "Zyxcanary", "telephone": "Zyxcanary", "sexe": "Zyxcanary"}
    record = {"id": "Zyx canary", "appel": "Zyxcanary", "personne": person, "besoins": ["Zyxcanary"], "destinataire": "Zyxcanary", "urgence": "Zyxcanary"}
    answers = asked(
        made, "coursier-rouen",
        ("POST", "/intake/appel-coursier", {"body": record}), ("POST", "/intake/appel-coursier", {"body": ["Zyxcanary"]}),
        ("POST", "/fhir/Task", {"body": {"resourceType": "Task", "status": "Zyxcanary", "id": "Zyx canary", "for": {"reference": "Zyxcanary"}}}),
        ("GET", "/fhir/Patient?family=Zyxcanary", {}), ("GET", "/views/coursier-dac-asso/referrals/Zyxcanary", {}),
        ("POST", "/views/coursier-dac-asso/referrals/Zyxcanary/Zyxcanary", {"match": "Zyxcanary", "body": {"reason": "Zyxcanary"}}),
    )  # fmt: skip
    assert all(400 <= status < 500 for status, _, _ in answers)
    said = b"".join(body for _, _, body in answers) + json.dumps([headers for _, headers, _ in answers]).encode()
    out = capsys.readouterr()
    assert b"Zyx" not in said and "Zyx" not in caplog.text + out.out + out.err


def test_hidden_change_gives_no_notice_M_17(made: World) -> None:
    made.act("call", 0)
    made.refer("coursier-rouen", 0)
    before = get(made, "coursier-rouen", "/views/coursier-dac-asso/notices")
    for name in ("words-of-the-doctor", "more-of-the-person", "more-of-the-task", "another-answers", "consent-of-others"):
        made.act(name, 5)
        HIDDEN[name](made, "coursier-rouen")
    assert get(made, "coursier-rouen", "/views/coursier-dac-asso/notices") == before


@pytest.mark.parametrize("missing", ["scope", "view", "consent"])
def test_scope_view_and_consent_must_all_say_yes_M_24(made: World, missing: str) -> None:
    made.act("call", 0)
    made.refer("coursier-rouen", 0)
    who = replace(COURSIER, scopes=READS)
    assert len(made.app.write_now(lambda story, uow: story.search(uow, who, query("Task", []))[0])) == 1  # all three say yes
    if missing == "scope":
        who = replace(who, scopes=frozenset({"system/Patient.rs"}))
    elif missing == "view":
        who = replace(who, organisation="saad-seine", unit="saad-portage")
    else:
        for consent in made.stored("Consent"):
            made.edit(consent, status="inactive")
    found = made.app.write_now(lambda story, uow: story.search(uow, who, query("Task", []))[0])
    assert found == []


@contextmanager
def counted() -> Iterator[list[tuple[str, int]]]:
    """(statement, rows it gave) of everything asked of the database meanwhile."""
    seen: list[tuple[str, int]] = []
    row, rows = Session.row, Session.rows

    def one(self: Session, statement: Any, /, **params: Any) -> Any:
        found = row(self, statement, **params)
        seen.append((statement.text("sqlite"), int(found is not None)))
        return found

    def many(self: Session, statement: Any, params: Any, /) -> Any:
        found = rows(self, statement, params)
        seen.append((statement.text("sqlite"), len(found)))
        return found

    with mock.patch.object(Session, "row", one), mock.patch.object(Session, "rows", many):
        yield seen


# ── enforcement ──────────────────────────────────────────────────────────────────────────────────
def test_each_person_of_a_list_is_decided_for_itself_C_E1(made: World) -> None:
    """The first names nobody, the second is opposed, the third agreed."""
    for person in range(3):
        made.act(f"call-{person}", person)
        made.refer("coursier-rouen", person)
    nobodys, first, third = sorted(made.stored("Consent"), key=lambda each: str(each["patient"]["reference"]))
    request = next(each for each in made.stored("ServiceRequest") if each["subject"] == nobodys["patient"])
    made.act("nobody", 8)
    made.edit(request, subject={"display": "Zyxdurand"})
    deny = {name: value for name, value in first.items() if name not in ("id", "meta", "identifier")}
    deny["provision"] = {"type": "deny", "actor": first["provision"]["actor"]}
    made.act("deny", 9)
    made.create(deny | {"id": made.clock.new_id()})
    shown = json.loads(get(made, "coursier-rouen", "/views/coursier-dac-asso/referrals")[2])["referrals"]
    refused = next(each["name"][0]["family"] for each in made.stored("Patient") if first["patient"]["reference"] == f"Patient/{each['id']}")
    (path,) = (f"/views/coursier-dac-asso/referrals/{each['id']}" for each in shown)
    agreed = next(each["name"][0]["family"] for each in made.stored("Patient") if third["patient"]["reference"] == f"Patient/{each['id']}")
    assert agreed.encode() in get(made, "coursier-rouen", path)[2] and refused != agreed and refused not in json.dumps(shown)


def test_letter_already_queued_does_not_leave_after_a_withdrawal_C_E3(stage: Stage) -> None:
    stage.sent()
    shown = stage.cards(COURSIER, "coursier-dac-asso")[0]
    stage.act(COURSIER, "coursier-dac-asso", shown, "withdraw", heard_by="coursier-lea")
    stage.push()
    assert {type: stage.ehr.all(type) for type in ("ServiceRequest", "Task", "Consent")} == {"ServiceRequest": [], "Task": [], "Consent": []}


def test_copy_whose_answer_was_lost_is_told_the_withdrawal_C_E3(stage: Stage) -> None:
    stage.ehr.inject(Fault("cut-after", on="POST Task"))
    stage.sent()
    stage.push()
    assert [each["status"] for each in stage.ehr.all("Task")] == ["requested"]
    shown = stage.cards(COURSIER, "coursier-dac-asso")[0]
    stage.act(COURSIER, "coursier-dac-asso", shown, "withdraw", heard_by="coursier-lea")
    for _ in range(4):
        stage.clock.tick(timedelta(minutes=10))
        stage.push()
    assert [each["status"] for each in stage.ehr.all("Task")] == ["cancelled"]
    assert [each["status"] for each in stage.ehr.all("Consent")] == ["inactive"]


def test_hundreds_of_consents_of_one_person_are_decided_in_a_bounded_number_of_statements_C_E9(made: World) -> None:
    made.act("call", 0)
    made.refer("coursier-rouen", 0)
    consent = next(each for each in made.stored("Consent"))
    fresh = {name: value for name, value in consent.items() if name not in ("id", "meta", "identifier")}

    def statements() -> int:
        with counted() as seen:
            assert len(made.cards(COURSIER, "coursier-dac-asso")) == 1
        return len([each for each in seen if "audit" not in each[0]])

    before = statements()
    for number in range(100):
        made.act(f"more-{number}", 5)
        other = fresh["provision"] | {"actor": [{**fresh["provision"]["actor"][0], "reference": {"reference": f"Organization/nobody-{number}"}}]}
        made.create(fresh | {"id": made.clock.new_id(), "provision": other})
    assert statements() == before


GLASS = [frozenset({"BTG"}), frozenset({"BTG", "TREAT"}), frozenset({"BTG", "ETREAT", "TREAT"})]


@pytest.mark.parametrize("purposes", GLASS, ids=lambda each: "+".join(sorted(each)))
def test_nobody_breaks_the_glass_of_a_file_that_is_their_own_C_E11(made: World, purposes: frozenset[str]) -> None:
    """The file that is theirs by agreement is shut as long as they say so, and each try is an event with its reason."""
    made.act("call", 0)
    made.refer("coursier-rouen", 0)
    calm = replace(COURSIER, scopes=READS)
    eager = replace(calm, purposes=purposes)

    def looks(who: Principal) -> list[Any]:
        shown, view = card(made, "coursier-rouen"), "coursier-dac-asso"
        tasks = made.app.write_now(lambda story, uow: story.search(uow, calm, query("Task", []))[0])
        return [
            made.app.write_now(lambda story, uow: story.search(uow, who, query("Task", []))[0]),
            made.app.write_now(lambda story, uow: story.read(uow, who, "Task", tasks[0].id)),
            made.app.write_now(lambda story, uow: story.worklist(uow, who, view)),
            made.app.write_now(lambda story, uow: story.reveal(uow, who, view, shown.id)),
            made.app.write_now(lambda story, uow: story.advance(uow, who, view, shown.id, "message", {"text": "x"}, if_match=shown.etag)),
        ]

    assert all(looks(calm))
    before = made.app.read_now(lambda _, uow: uow.audit_head())[0]
    assert not any(looks(eager))
    events = [_event(row) for row in made.app.read_now(lambda _, uow: uow.audit_rows(after=before, limit=1000))]
    refused = [each for each in events if each["type"]["code"] == "110113" and each["outcome"] != "0" and "BTG" in json.dumps(each)]
    assert len(refused) == 5 and all("break-glass" in json.dumps(each) and "asso-coursiers" in json.dumps(each["agent"]) for each in refused)
    assert not any("disclose" in json.dumps(each["subtype"]) and "BTG" in json.dumps(each) for each in events)


def test_client_of_the_network_file_that_says_btg_is_shut_out_at_the_doors_C_E11(made: World) -> None:
    made.act("call", 0)
    made.refer("coursier-rouen", 0)
    paths = ("/fhir/Task", "/views/coursier-dac-asso/referrals", f"/views/coursier-dac-asso/referrals/{card(made, 'coursier-rouen').id}")
    assert [b'"id"' in get(made, "coursier-rouen", path)[2] for path in paths] == [True, True, True]
    network = made.app.network
    clients = tuple(replace(each, purposes=("TREAT", "BTG")) if each.id == "coursiers" else each for each in network.clients)
    made.app.apply_network(replace(network, clients=clients))
    found = [get(made, "coursier-rouen", path) for path in paths]
    assert [status for status, _, _ in found] == [200, 200, 404] and b"entry" not in found[0][2] and json.loads(found[1][2]) == {"referrals": []}


OTHER_PATHS = ("/fhir/Patient/{}/$everything", "/fhir/Patient/$everything", "/fhir/$export", "/fhir/Patient/$export", "/fhir/Task/{}/_history/1",
               "/fhir/_history", "/fhir/Patient/{}/Task", "/fhir/Group/x/$export", "/fhir", "/fhir/Bundle/{}")  # fmt: skip


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_no_other_path_gives_what_a_read_does_not_C_E6(made: World, path: str) -> None:
    """Whole records, exports, histories, inclusions: not there, and not there alike for what one may see, may not see, and nothing."""
    made.act("call", 0)
    empty = get(made, "coursier-rouen", path.format("absent"))
    made.refer("coursier-rouen", 0)
    made.refer("saad-portage", 1)
    ids = [each["id"] for type in ("Task", "Patient") for each in made.stored(type)]
    ids += [each["resource"]["id"] for type in ("Task", "Patient") for each in json.loads(get(made, "coursier-rouen", f"/fhir/{type}")[2])["entry"]]
    assert empty[0] in (400, 404, 405)
    for id in ids:
        status, headers, body = get(made, "coursier-rouen", path.format(id))
        assert (status, headers, body) == empty


def test_histories_and_inclusions_give_what_a_read_gives_and_no_more_C_E6(made: World) -> None:
    made.act("call", 0)
    absent = get(made, "coursier-rouen", "/fhir/Task/absent/_history")
    assert absent[0] == 404
    made.refer("coursier-rouen", 0)
    made.refer("saad-portage", 1)
    (own,) = (each["id"] for each in entries(made, "/fhir/Task"))
    for hidden in (each["id"] for each in made.stored("Task")):
        assert get(made, "coursier-rouen", f"/fhir/Task/{hidden}/_history") == absent
    read = json.loads(get(made, "coursier-rouen", f"/fhir/Task/{own}")[2])
    assert entries(made, f"/fhir/Task/{own}/_history") == entries(made, "/fhir/Task/_history") == [read]
    (person,) = entries(made, "/fhir/Patient")
    for path in ("/fhir/Task?_include=Task:patient", "/fhir/Patient?_revinclude=Task:patient"):
        assert sorted(entries(made, path), key=str) == sorted([read, person], key=str)
    house = [each["id"] for type in ("Task", "Patient", "ServiceRequest", "Consent") for each in made.stored(type)]
    told = get(made, "coursier-rouen", "/fhir/AuditEvent?_count=500")[2]
    assert b'"entry"' in told and not any(id.encode() in told for id in house)


def entries(made: World, path: str) -> list[dict[str, Any]]:
    return [each["resource"] for each in json.loads(get(made, "coursier-rouen", path)[2]).get("entry", ())]


def _event(row: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row.event)
    return found


def test_a_clinic_sees_no_other_clinics_rows_C_E6(made: World) -> None:
    made.act("call", 0)
    made.refer("coursier-rouen", 0)
    other = replace(GP, organisation="autre-cabinet", scopes=frozenset({"system/*.cruds"}))
    for type in ("Task", "ServiceRequest", "Patient", "Consent", "Provenance", "Communication"):
        assert made.app.write_now(lambda story, uow, type=type: story.search(uow, other, Query(type))[0]) == []
