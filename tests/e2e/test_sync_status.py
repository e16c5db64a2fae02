"""`liaison sync status` after a pull that went well, and after one that failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapter.cli.house import opened
from adapter.ehr.fake import FakeEhr
from adapter.settings import load_settings
from adapter.sync.halts import halt
from tests.e2e.serving import settled


def test_status_tells_when_the_ehr_was_last_read_and_that_the_last_try_failed(tmp_path: Path) -> None:
    with FakeEhr() as ehr:
        folder = settled(tmp_path, ehr.base_url)
        before = folder.run("sync", "status")
        assert before.returncode == 0 and "never read whole" in before.stdout
        folder.did("sync", "pull")
        told = folder.did("sync", "status")
        assert "s behind; read " in told and "failed" not in told
    assert folder.run("sync", "pull").returncode == 1
    after, whole = folder.run("sync", "status"), folder.run("sync", "status", "--json")
    assert after.returncode == whole.returncode == 1
    assert " s ago, the last try failed at " in after.stdout and "(EhrUnavailable)" in after.stdout
    (found,) = json.loads(whole.stdout)
    assert found["pulled"]["age"] >= 0 and found["failed"]["error"] == "EhrUnavailable"


def test_what_stands_still_is_told_with_its_reason_and_let_go_on_by_a_person_Y_23_Y_24(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeEhr() as ehr:
        folder = settled(tmp_path, ehr.base_url)
        monkeypatch.chdir(folder.path)
        with opened(load_settings({})) as app:
            (name,) = app.clients
            app.store.write_now(lambda uow: [halt(uow, name, "restored"), halt(uow, name, "patient-merged", "Patient/p1")])
        told = folder.run("sync", "status")
        assert told.returncode == 1 and "restored from a backup?" in told.stdout and f"`sync resume --ehr {name} --patient p1`" in told.stdout
        (found,) = json.loads(folder.run("sync", "status", "--json").stdout)
        assert found["mode"] == "halted" and [(each["reason"], each["patient"]) for each in found["halts"]] == [("restored", ""), ("patient-merged", "p1")]
        folder.did("sync", "resume", "--ehr", name)
        (found,) = json.loads(folder.run("sync", "status", "--json").stdout)
        assert found["mode"] == "running" and [each["patient"] for each in found["halts"]] == ["p1"]
        assert folder.run("sync", "resume", "--ehr", name).returncode == 1
        folder.did("sync", "resume", "--ehr", name, "--patient", "p1")
        assert json.loads(folder.run("sync", "status", "--json").stdout)[0]["halts"] == []
