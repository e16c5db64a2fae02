"""The pull on a whole house: what an EHR does to referrals, and what their recipients then see (sync.md 5.4, Y)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapter.clock import instant
from adapter.ehr.fake.faults import Fault
from adapter.errors import EhrError
from adapter.ports import Principal, Resource
from adapter.sync import halts
from tests.e2e.away import conflicts, edit, known, settled, states, there
from tests.e2e.desk import Desk
from tests.e2e.records import VIEW, card, only, stored
from tests.e2e.stage import CLINIC, COURSIER, GP, PATIENT, Stage, staged

OPERATOR = Principal("operator", CLINIC, role="operator")
SDOHCC = "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes"
OUTPUT = {"type": {"coding": [{"system": SDOHCC, "code": "resulting-activity"}]}}
NOW = "zyx-survivor"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


def changed(stage: Stage, **elements: Any) -> None:
    stage.app.apply_network(
        replace(
            stage.app.network,
            organisations=tuple(replace(each, ehr=replace(each.ehr, **elements)) if each.ehr else each for each in stage.app.network.organisations),
        )
    )


def sees(stage: Stage, id: str, who: Principal = COURSIER, view: str = VIEW) -> bool:
    return stage.see(who, view, id) is not None


def audited(stage: Stage, code: str) -> int:
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    return sum(code.encode() in row.event for row in rows)


def resumed(stage: Stage, patient: str = "") -> None:
    stage.app.write_now(lambda _, uow: halts.resume(uow, CLINIC, patient=patient, who=OPERATOR))


# ── deleted, ended ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("type", ["Task", "ServiceRequest"])
def test_Y_22_a_copy_deleted_there_is_put_before_a_person_within_a_day_and_the_audit_keeps_it(stage: Stage, type: str) -> None:
    id = known(stage)
    stage.pull()
    edit(stage, type, language="fr")
    stage.pull()
    stage.ehr.delete(type, there(stage, type)["id"])
    stage.clock.tick(timedelta(hours=25))

    report = stage.app.wiring.pulls[CLINIC].run()

    assert (report.gone, conflicts(stage)) == (1, [(type, "gone-there")])
    assert sees(stage, id), "a deletion is nobody's word"
    assert audited(stage, "sync-gone") == 1


def test_Y_22_an_agreement_entered_in_error_there_closes_the_view_at_the_poll(stage: Stage) -> None:
    id = known(stage)
    edit(stage, "Consent", status="entered-in-error")

    stage.app.wiring.pulls[CLINIC].run()

    assert not sees(stage, id)


def test_Y_42_a_consent_that_changes_alone_changes_the_views(stage: Stage) -> None:
    id = known(stage)
    stage.pull()
    before = there(stage, "Task")["meta"]
    edit(stage, "Consent", status="inactive")
    stage.clock.tick(timedelta(minutes=15))

    stage.app.wiring.pulls[CLINIC].run()

    assert not sees(stage, id)
    assert there(stage, "Task")["meta"] == before


def test_Y_27_a_withdrawal_lost_in_an_outage_shows_nothing_once_the_consents_are_too_old(stage: Stage) -> None:
    id = known(stage)
    changed(stage, consents="ehr")
    stage.pull()
    assert sees(stage, id)
    edit(stage, "Consent", status="inactive")
    stage.ehr.inject(Fault("answer", times=None, status=503))
    for _ in range(25):
        stage.clock.tick(timedelta(hours=1))
        with suppress(EhrError):
            stage.app.wiring.pulls[CLINIC].run()
    assert not sees(stage, id)
    stage.ehr.faults.clear()
    stage.pull()
    assert not sees(stage, id)


def test_Y_43_agreements_that_all_vanish_at_once_end_none_of_them(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.sync.sweep.MANY", 3)
    for number in range(4):
        stage.sent(id=f"appel-{number}")
    stage.push()
    for each in stage.ehr.all("Consent"):
        stage.ehr.delete("Consent", each["id"])

    with pytest.raises(halts.Halted):
        stage.app.wiring.presences[CLINIC].look()

    assert len(stage.cards(COURSIER, VIEW)) == 4 and conflicts(stage) == []
    resumed(stage)
    assert stage.app.wiring.presences[CLINIC].look() == 4, "a person said that it is so"
    assert stage.cards(COURSIER, VIEW) == []


# ── another patient ──────────────────────────────────────────────────────────────────────────────
def merged(stage: Stage) -> str:
    """The patient's record is merged into another one's: everything points to that one then."""
    stage.ehr.plant({**PATIENT, "id": NOW})
    stage.ehr.edit("Patient", "zyx-patient", {"active": False, "link": [{"type": "replaced-by", "other": {"reference": f"Patient/{NOW}"}}]})
    return str(only(stored(stage, "Task"))["for"]["reference"])


def test_Y_23_a_patient_merged_there_is_shown_to_nobody_until_confirmed(stage: Stage) -> None:
    id = known(stage)
    patient = merged(stage)
    stage.pull()

    assert not sees(stage, id) and stage.cards(COURSIER, VIEW) == []
    assert sees(stage, card(stage, GP, "prescripteur").id, GP, "prescripteur"), "who must confirm it sees it"
    assert audited(stage, "sync-halted") == 1 and audited(stage, "this is another person") >= 1
    stage.pull()
    assert audited(stage, "sync-halted") == 1
    resumed(stage, patient)
    stage.pull()
    assert sees(stage, id)


def test_Y_23_a_consent_moved_to_another_patient_is_never_applied_to_the_old_one_nor_the_other_way(stage: Stage) -> None:
    id = known(stage)
    stage.ehr.plant({**PATIENT, "id": NOW})
    edit(stage, "Consent", patient={"reference": f"Patient/{NOW}"}, status="inactive")

    report = stage.pull()

    assert report.outcomes["Consent"] == {"frozen": 1}
    assert only(stored(stage, "Consent"))["status"] == "active", "nothing of it was taken in"
    assert not sees(stage, id), "and nothing is shown on its strength meanwhile"
    assert {each["patient"]["reference"] for each in stored(stage, "Consent")} == {only(stored(stage, "Task"))["for"]["reference"]}


def test_Y_23_a_number_moved_away_from_the_record_freezes_too(stage: Stage) -> None:
    number = {"system": "urn:clinic:ipp", "value": "4711"}
    stage.ehr.edit("Patient", "zyx-patient", {"identifier": [number]})
    id = known(stage)
    stage.ehr.edit("Patient", "zyx-patient", {"identifier": None})
    stage.pull()
    assert not sees(stage, id)


# ── restored from a backup ───────────────────────────────────────────────────────────────────────
def test_Y_24_an_ehr_restored_from_a_backup_is_halted_with_a_report_and_nothing_written_over(desk: Desk) -> None:
    stage = desk.stage
    known(stage)
    stage.pull()
    edit(stage, "Task", priority="urgent")
    stage.pull()
    task = there(stage, "Task")
    del stage.ehr._versions._kept["Task"][task["id"]][1:]  # yesterday's

    told = desk.run("sync", "pull")

    assert told.exit_code == 1 and "restored from a backup" in told.stdout
    found = json.loads(desk.run("reconcile", "--ehr", CLINIC, "--json").stdout)
    assert [(each["type"], each["what"]) for each in found] == [("Task", "older-there")]
    assert "halted" in desk.run("doctor").stdout
    assert only(stored(stage, "Task"))["priority"] == "urgent"


# ── what a pull may change ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ({"status": "requested"}, ""),
        ({"status": "completed"}, "target-move"),
        ({"status": "draft"}, "illegal-move"),
        ({"status": "ready"}, ""),  # read as accepted
        ({"focus": None}, "task-without-focus"),
    ],
)
def test_Y_37_a_move_that_cannot_be_is_set_aside(stage: Stage, task: dict[str, Any], reason: str) -> None:
    known(stage)
    before = only(stored(stage, "Task"))["status"]
    edit(stage, "Task", **task)

    stage.pull()

    assert only(stored(stage, "Task"))["status"] == before
    assert [why for _, why in conflicts(stage)] == ([reason] if reason else [] if task["status"] == "ready" else ["illegal-move"])


def test_Y_37_an_unknown_status_is_set_aside(stage: Stage) -> None:
    known(stage)
    edit(stage, "Task", status="on-the-moon")
    stage.pull()
    assert conflicts(stage) == [("Task", "unknown-status")]


def test_Y_41_a_server_that_orders_and_formats_otherwise_and_drops_what_it_does_not_know_is_no_conflict(stage: Stage) -> None:
    known(stage)
    task = there(stage, "Task")

    def normalised(resource: Resource) -> None:
        for name in ("authoredOn", "lastModified"):
            resource[name] = instant(stage.clock.now().fromisoformat(resource[name]))
        resource["identifier"] = list(reversed(resource["identifier"]))
        resource["text"] = {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'/>"}
        resource.pop("extension", None)

    stage.ehr.edit("Task", task["id"], normalised)

    assert set(stage.pull().total) <= {"echo", "touched"}
    assert conflicts(stage) == []
    settled(stage)


def test_Y_46_a_wider_agreement_from_the_ehr_waits_for_a_person(stage: Stage) -> None:
    known(stage)
    wide = there(stage, "Consent")["provision"]
    edit(stage, "Consent", provision={**wide, "actor": [*wide["actor"], {**wide["actor"][0], "reference": {"identifier": {"system": "urn:x", "value": "y"}}}]})
    stage.pull()
    assert conflicts(stage) == [("Consent", "consent-wider")]
    assert len(only(stored(stage, "Consent"))["provision"]["actor"]) == len(wide["actor"])


def test_Y_47_a_recipients_move_made_by_the_clinic_is_a_conflict(stage: Stage) -> None:
    known(stage)
    edit(stage, "Task", status="in-progress")
    stage.pull()
    assert (conflicts(stage), only(stored(stage, "Task"))["status"]) == ([("Task", "target-move")], "accepted")


def test_Y_48_owner_and_focus_never_change_by_pull(stage: Stage) -> None:
    known(stage)
    before = only(stored(stage, "Task"))
    edit(stage, "Task", owner={"display": "somebody else"}, focus={"display": "something else"}, priority="urgent")
    stage.pull()
    after = only(stored(stage, "Task"))
    assert (after["priority"], after["owner"], after["focus"], after["for"]) == ("urgent", before["owner"], before["focus"], before["for"])


# ── an EHR that answers nonsense ─────────────────────────────────────────────────────────────────
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception", "diagnostics": "Zyxdurand"}]}
NONSENSE = {
    "outcome": {"body": OUTCOME},
    "html": {"body": b"<html>proxy</html>", "headers": {"Content-Type": "text/html"}},
    "bomb": {"body": gzip.compress(b" " * (64 << 20)), "headers": {"Content-Encoding": "gzip"}},
    "large": {"body": b" " * (20 << 20)},
    "another": {"body": {"resourceType": "Task", "id": "1", "status": "requested", "intent": "order"}},
    "foreign": {"body": {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": {"resourceType": "Patient", "id": "1"}}]}},
}


@pytest.mark.parametrize("kind", [*NONSENSE, "truncate"])
def test_Y_29_an_answer_that_is_none_is_not_taken_in_and_told(stage: Stage, kind: str) -> None:
    known(stage)
    stage.pull()
    edit(stage, "Task", status="cancelled")
    fault = Fault("truncate", on="GET Task") if kind == "truncate" else Fault("answer", on="GET Task", status=200, **NONSENSE[kind])  # type: ignore[arg-type]
    stage.ehr.inject(fault)

    with pytest.raises(EhrError) as told:
        stage.pull()

    assert "Zyx" not in str(told.value)
    assert only(stored(stage, "Task"))["status"] == "accepted"
    stage.pull()
    assert only(stored(stage, "Task"))["status"] == "cancelled"


def test_Y_10_versions_without_numbers_or_only_in_meta_are_followed(stage: Stage) -> None:
    stage.ehr.inject(Fault("etag-only", times=None))
    known(stage)
    stage.pull()
    edit(stage, "Task", status="cancelled")
    stage.pull()
    assert only(stored(stage, "Task"))["status"] == "cancelled"
    stage.ehr.faults.clear()
    settled(stage)


# ── polling as declared ──────────────────────────────────────────────────────────────────────────
def test_an_ehr_polled_by_requester_gives_the_same(stage: Stage) -> None:
    known(stage)
    changed(stage, poll=("requester", "owner", "offers"))
    edit(stage, "Task", status="cancelled")
    stage.ehr.requests.clear()

    stage.pull()

    assert states(stage)[0] == "cancelled"
    asked = [each.path for each in stage.ehr.requests if "identifier=" in each.path]
    assert asked == [], "not by our identifiers"
    (told,) = stage.app.store.read_now(stage.app.behind)
    assert told["pulled"] and all(each["ran"] for each in told["cursors"].values()), "what is asked for is what is told of"
    settled(stage)


@pytest.mark.parametrize("poll", [("requester",), ("requester", "owner")])
def test_a_change_of_the_request_alone_is_found_by_who_asks_in_the_name_of_the_practice(stage: Stage, poll: tuple[str, ...]) -> None:
    known(stage)
    changed(stage, poll=poll)
    edit(stage, "ServiceRequest", status="revoked")
    stage.pull()
    assert only(stored(stage, "ServiceRequest"))["status"] == "revoked"


def test_an_ehr_that_was_not_read_for_a_business_day_is_told(stage: Stage) -> None:
    known(stage)
    assert stage.app.wiring.late() == [], "never read yet: the status says so"
    stage.pull()
    stage.clock.tick(timedelta(days=2))
    assert stage.app.wiring.late() == [], "a weekend"
    stage.clock.tick(timedelta(days=1))
    assert stage.app.wiring.late() == [CLINIC]
    heard: list[str] = []
    jobs = stage.app.wiring.jobs(link=lambda ehr: None, failed=lambda code, error: None, late=heard.append)
    jobs._chores["overdue"][0]()
    assert heard == [CLINIC]
    stage.pull()
    assert stage.app.wiring.late() == []


def test_chore_is_done_by_one_of_two_processes_in_its_time_and_by_the_other_where_that_failed(stage: Stage) -> None:
    app, done = stage.app, list[str]()
    mine = app.wiring
    theirs = replace(mine, retention=replace(mine.retention, holder="another"))

    def chore(who: str) -> None:
        done.append(who)
        if who == "fails":
            raise EhrError("away")

    for wiring, who in ((mine, "mine"), (theirs, "theirs"), (mine, "mine again")):
        wiring._in_turn("look", timedelta(minutes=15), lambda who=who: chore(who))  # type: ignore[misc]
    assert done == ["mine", "mine again"], "its own turn comes again, another's does not"
    stage.clock.tick(timedelta(minutes=14))
    with pytest.raises(EhrError):
        theirs._in_turn("look", timedelta(minutes=15), lambda: chore("fails"))
    mine._in_turn("look", timedelta(minutes=15), lambda: chore("mine"))
    assert done[2:] == ["fails", "mine"]


# ── SDOHCC Direct Light ──────────────────────────────────────────────────────────────────────────
@pytest.fixture
def light(stage: Stage) -> Stage:
    network = stage.app.network
    units = {each.key: tuple(replace(unit, works_on_ehr=True) for unit in each.units) for each in network.organisations}
    stage.app.apply_network(replace(network, organisations=tuple(replace(each, units=units[each.key]) for each in network.organisations)))
    return stage


def test_the_procedure_made_by_a_unit_that_works_in_the_ehr_becomes_ours_without_its_words(light: Stage) -> None:
    known(light)
    snomed = {"system": "http://snomed.info/sct", "code": "410606002", "display": "Zyxdisplay"}
    made = light.ehr.plant(
        {
            "resourceType": "Procedure", "id": "done-there", "status": "completed", "subject": there(light, "Task")["for"],
            "code": {"coding": [snomed], "text": "Zyxtexte"}, "note": [{"text": "Zyxnote"}], "performedDateTime": "2026-03-06T19:00:00+01:00",
        }
    )[0]  # fmt: skip
    edit(light, "Task", status="completed", output=[OUTPUT | {"valueReference": {"reference": f"Procedure/{made['id']}"}}])

    light.pull()

    ours = only(stored(light, "Procedure"))
    task = only(stored(light, "Task"))
    assert task["output"] == [OUTPUT | {"valueReference": {"reference": f"Procedure/{ours['id']}"}}]
    assert ours["code"] == {"coding": [{"system": snomed["system"], "code": snomed["code"]}]}
    assert ours["basedOn"] == [task["focus"]] and ours["subject"] == task["for"] and "Zyx" not in json.dumps(ours)
    settled(light)
    assert len(light.ehr.all("Procedure")) == 1 and there(light, "Task")["output"][0]["valueReference"] == {"reference": "Procedure/done-there"}
