"""What an operator sees and does of the letters: what would leave, hold and let go, stuck letters, conflicts element by element, metrics."""

from __future__ import annotations

import copy
import json
from typing import Any

from adapter.audit.told import told
from adapter.ehr.fake.faults import Fault
from adapter.web.measured import measured
from tests.e2e.away import edit, known, there
from tests.e2e.desk import Desk
from tests.e2e.records import stored
from tests.e2e.stage import CLINIC, PATIENT


def asked(desk: Desk, *words: str, code: int = 0) -> Any:
    result = desk.run("sync", *words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def acts(desk: Desk, name: str) -> list[Any]:
    rows = desk.stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))
    return [one for row in rows if (one := told(json.loads(row.event))).name == name]


def stuck(desk: Desk) -> dict[str, Any]:
    """A referral whose first letter the EHR refuses."""
    desk.stage.ehr.inject(Fault("answer", on="POST Consent", status=422))
    desk.stage.sent()
    desk.stage.push()
    (one,) = asked(desk, "dead", "list", code=1)
    found: dict[str, Any] = one
    return found


def test_dry_run_tells_letter_by_letter_what_would_leave_and_sends_nothing(desk: Desk) -> None:
    desk.stage.sent()
    found = asked(desk, "push", "--dry-run")
    assert [(one["type"], one["verb"]) for one in found] == [("Consent", "create"), ("ServiceRequest", "create"), ("Task", "create")]
    assert {one["reference"] for one in found} == {desk.reference()} and found[0]["why"] == "after-Patient"
    assert desk.stage.ehr.requests == [] and "Zyx" not in desk.run("sync", "push", "--dry-run").stdout
    desk.stage.push()
    assert desk.run("sync", "push", "--dry-run").stdout == "no letter waits\n"


def test_paused_letters_stay_until_they_are_let_go_and_both_stand_in_the_audit(desk: Desk) -> None:
    assert desk.run("sync", "pause", "--ehr", CLINIC, "--reason", "incident").exit_code == 0
    desk.stage.sent()
    assert desk.stage.push() == 0
    (status,) = asked(desk, "status")
    assert status["mode"] == "paused" and status["paused"]["reason"] == "incident" and status["lanes"] == {"open": 1, "held": 0}
    assert "PAUSED" in desk.run("sync", "status").stdout
    assert desk.run("sync", "resume").exit_code == 1, "all of them are not"
    assert desk.run("sync", "resume", "--ehr", CLINIC).exit_code == 0
    assert desk.run("sync", "push").exit_code == 0 and there(desk.stage, "Task")["status"] == "requested"
    assert len(acts(desk, "sync-pause")) == len(acts(desk, "sync-resume")) == 1
    assert desk.run("sync", "pause", "--reason", "Mme Zyx").exception is not None
    assert asked(desk, "status")[0]["mode"] == "running"


def test_stuck_letter_is_shown_and_sent_again(desk: Desk) -> None:
    one = stuck(desk)
    assert (one["type"], one["reason"], one["behind"], one["closing"]) == ("Consent", "rejected-422", 2, False)
    assert one["reference"] == desk.reference() and asked(desk, "dead", "show", str(one["number"])) == one
    assert desk.run("sync", "dead", "replay", str(one["number"])).exit_code == 0
    desk.stage.push()
    assert asked(desk, "dead", "list") == [] and there(desk.stage, "Task")["status"] == "requested"


def test_stuck_letter_is_given_up_for_a_reason_that_stands_in_the_audit(desk: Desk) -> None:
    number = str(stuck(desk)["number"])
    assert desk.run("sync", "dead", "drop", number, "--why", "because").exception is not None
    assert desk.run("sync", "dead", "drop", number, "--why", "not-needed").exit_code == 0
    (act,) = acts(desk, "drop")
    assert act.details == {"reason": "rejected-422", "why": "not-needed"} and act.patient.startswith("Patient/")
    desk.stage.push()
    assert [one["reason"] for one in asked(desk, "dead", "list", code=1)] == ["unlinked-Consent"], "the letters behind it went on"


def test_withdrawal_is_never_given_up_by_the_way(desk: Desk) -> None:
    known(desk.stage, accepted=False)
    desk.stage.ehr.inject(Fault("answer", on="PUT Consent/*", status=422, times=None))
    desk.stage.agree("patient", agreed=False)
    desk.stage.push()
    (one,) = [each for each in asked(desk, "dead", "list", code=1) if each["type"] == "Consent"]
    assert one["closing"]
    refused = desk.run("sync", "dead", "drop", str(one["number"]), "--why", "not-needed")
    assert "--closing" in str(refused.exception) and acts(desk, "drop") == []
    assert desk.run("sync", "dead", "drop", str(one["number"]), "--why", "told-otherwise", "--closing").exit_code == 0
    assert len(acts(desk, "drop-closing")) == 1


def test_conflict_is_shown_by_element_and_its_values_only_after_the_audit(desk: Desk) -> None:
    known(desk.stage, accepted=False)
    edit(desk.stage, "Task", status="accepted")  # the target's move, made by the clinic
    desk.stage.pull()
    (one,) = asked(desk, "conflicts", "list", code=1)
    number = str(one["number"])
    (status,) = [each for each in asked(desk, "conflicts", "show", number) if each["name"] == "status"]
    assert status == {"name": "status", "owner": "both", "changed": "theirs"} and acts(desk, "conflict-seen") == []
    (status,) = [each for each in asked(desk, "conflicts", "show", number, "--values") if each["name"] == "status"]
    assert (status["base"], status["ours"], status["theirs"]) == ("requested", "requested", "accepted") and len(acts(desk, "conflict-seen")) == 1
    assert desk.run("sync", "conflicts", "resolve", number, "theirs", "--keep", "status").exit_code == 0
    desk.stage.push()
    assert asked(desk, "conflicts", "list") == []
    assert there(desk.stage, "Task")["status"] == stored(desk.stage, "Task")[0]["status"] == "requested"


def test_second_copy_is_told_until_somebody_took_note(desk: Desk) -> None:
    desk.stage.ehr.inject(Fault("cut-after", on="POST Consent"))
    desk.stage.sent()
    desk.stage.push()
    first = there(desk.stage, "Consent")
    desk.stage.ehr.plant({**copy.deepcopy(first), "id": first["id"] + "-twin"})
    desk.stage.clock.tick(desk.stage.app.settings.pull_interval)
    desk.stage.push()
    (one,) = asked(desk, "list", code=1)
    assert (one["kind"], one["reason"]) == ("double", "doubled-there")
    assert sorted(each["status"] for each in desk.stage.ehr.all("Consent")) == ["active", "entered-in-error"]
    assert desk.run("sync", "resolve", str(one["number"]), "seen").exit_code == 0
    assert asked(desk, "list") == [] and len(acts(desk, "sync-mended")) == 1


def test_metrics_tell_how_far_an_ehr_is_behind_and_nothing_of_anybody(desk: Desk) -> None:
    stuck(desk)
    desk.stage.app.wiring.push.count()
    text = measured(desk.stage.app.store.read_now(desk.stage.app.behind)).decode()
    for line in (
        f'liaison_ehr_letters{{ehr="{CLINIC}",state="parked"}} 1.0', f'liaison_ehr_letters{{ehr="{CLINIC}",state="queued"}} 2.0',
        f'liaison_ehr_outcomes_total{{ehr="{CLINIC}",outcome="parked"}} 1.0', f'liaison_ehr_lanes{{ehr="{CLINIC}",state="held"}} 1.0',
        f'liaison_ehr_mode{{ehr="{CLINIC}",mode="running"}} 1.0',
    ):  # fmt: skip
        assert line in text, text
    assert "Zyx" not in text and PATIENT["id"] not in text
