"""`liaison reconcile`, `doctor` and `sync pull --dry-run` beside a whole house."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapter.cli.program import program
from adapter.clock import FrozenClock
from adapter.ehr.fake.faults import Fault
from adapter.ehr.fake.tokens import TokenGuard
from adapter.errors import SettingsError
from adapter.network import EhrAuth, Secret
from tests.e2e.away import edit, known, there
from tests.e2e.desk import Desk
from tests.e2e.records import only, stored
from tests.e2e.stage import CLINIC, FRIDAY
from tests.e2e.test_sync_pull_y import changed


def test_reconcile_says_what_differs_both_ways_and_ends_with_one(desk: Desk) -> None:
    stage = desk.stage
    known(stage)
    stage.pull()
    clean = desk.run("reconcile", "--ehr", CLINIC)
    assert (clean.exit_code, clean.stdout.strip()) == (0, f"{CLINIC}: nothing differs")
    edit(stage, "Task", status="cancelled")
    stage.ehr.delete("ServiceRequest", there(stage, "ServiceRequest")["id"])
    task = there(stage, "Task")
    stage.ehr.plant({**{name: part for name, part in task.items() if name != "meta"}, "id": "twin"})
    stage.sent(id="appel-2")

    told = desk.run("reconcile", "--ehr", CLINIC, "--json")

    found = sorted((each["type"], each["what"]) for each in json.loads(told.stdout))
    assert told.exit_code == 1
    assert found == [
        ("Consent", "not-there"), ("ServiceRequest", "gone-there"), ("ServiceRequest", "not-there"),
        ("Task", "doubled"), ("Task", "not-there"), ("Task", "theirs-newer"),
    ]  # fmt: skip
    assert "Zyx" not in told.stdout
    table = desk.run("reconcile", "--ehr", CLINIC)
    assert table.exit_code == 1 and len(table.stdout.splitlines()) == len(found)
    assert isinstance(desk.run("reconcile", "--ehr", "nobody").exception, SettingsError)


def test_a_dry_run_tells_and_takes_nothing(desk: Desk) -> None:
    known(desk.stage)
    desk.stage.pull()
    edit(desk.stage, "Task", status="cancelled")
    told = desk.run("sync", "pull", "--dry-run")
    assert told.exit_code == 0 and "1 Task seen" in told.stdout
    assert only(stored(desk.stage, "Task"))["status"] == "accepted"


def test_doctor_says_ok_line_by_line_and_what_the_engine_does_where_the_ehr_falls_short(desk: Desk) -> None:
    changed(desk.stage, url=desk.stage.ehr.base_url, sandbox=True)
    told = desk.run("doctor", "--probe", "--json")
    found = {each["name"]: each for each in json.loads(told.stdout)}
    assert told.exit_code == 0, told.stdout
    assert [found[name]["state"] for name in ("settings", "database", "network", "clock", "metadata", "token", "scopes", "probe", "level")] == ["ok"] * 9
    assert found["tls"]["state"] == "warning"
    assert len(desk.stage.ehr.all("Basic")) == 2
    desk.stage.ehr.inject(Fault("ignore-if-match", times=None))
    assert desk.run("doctor", "--probe").stdout.count("it does not") == 0 and len(desk.stage.ehr.all("Basic")) == 2, "tried once"
    worse = desk.run("doctor", "--probe", "--try")
    assert worse.exit_code == 0 and "probe if_match: it does not; the engine reads a resource again" in worse.stdout


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (Fault("answer", on="GET metadata", times=None, status=200, body=b"<html/>"), "BAD  msp-saint-eloi metadata"),
        (Fault("answer", on="GET Task*", times=None, status=403), "BAD  msp-saint-eloi scopes: Task cannot be searched"),
    ],
)
def test_doctor_names_cause_and_fix_of_what_is_wrong_at_an_ehr(desk: Desk, fault: Fault, line: str) -> None:
    desk.stage.ehr.inject(fault)
    told = desk.run("doctor")
    assert told.exit_code == 1
    assert next(each for each in told.stdout.splitlines() if each.startswith(line)).count("; ") >= 1


SECRET_OF = {"right": "s3cret", "wrong": "another"}


@pytest.mark.parametrize(
    ("secret", "scopes", "lines"),
    [
        ("right", ("system/*.cruds",), ["OK   msp-saint-eloi discovery", "OK   msp-saint-eloi token", "OK   msp-saint-eloi scopes"]),
        ("wrong", ("system/*.cruds",), ["OK   msp-saint-eloi discovery", "BAD  msp-saint-eloi token: token endpoint: 401 (invalid_client)"]),
        ("right", ("system/Task.crus",), ["BAD  msp-saint-eloi scopes: the network file asks for no ServiceRequest.c"]),
    ],
)
def test_doctor_tries_discovery_token_and_scopes_and_shows_no_secret(desk: Desk, secret: str, scopes: tuple[str, ...], lines: list[str]) -> None:
    file = desk.folder / "ehr.secret"
    file.write_text(SECRET_OF[secret])
    desk.stage.ehr.guard = TokenGuard("liaison", clock=desk.stage.clock, secret=SECRET_OF["right"])
    changed(desk.stage, auth=EhrAuth("client_secret", secret=Secret(str(file)), client_id="liaison", scopes=scopes))

    told = desk.run("doctor")

    assert all(any(each.startswith(line) for each in told.stdout.splitlines()) for line in lines), told.stdout
    assert told.exit_code == (0 if lines[-1].startswith("OK") else 1)
    assert not any(each in told.stdout for each in SECRET_OF.values())


def test_doctor_of_a_house_that_cannot_be_built_says_why_and_ends_with_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("LIAISON_") and not each.startswith("LIAISON_TEST")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(program(), ["doctor", "--json"])
    (line,) = json.loads(told.stdout)
    assert (told.exit_code, line["state"], line["name"]) == (2, "unusable", "settings") and "liaison init" in line["fix"]


def test_doctor_says_that_nothing_listens_there(desk: Desk) -> None:
    desk.stage.ehr.stop()
    told = desk.run("doctor")
    assert told.exit_code == 1 and "BAD  msp-saint-eloi reached" in told.stdout and "ehr.url" in told.stdout


def test_doctor_sees_a_clock_that_is_wrong(desk: Desk) -> None:
    desk.stage.ehr.clock = FrozenClock(FRIDAY + timedelta(minutes=5))
    assert "BAD  msp-saint-eloi clock" in desk.run("doctor").stdout
