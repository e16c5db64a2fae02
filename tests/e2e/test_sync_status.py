"""`liaison sync status` after a pull that went well, and after one that failed."""

from __future__ import annotations

import json
from pathlib import Path

from adapter.ehr.fake import FakeEhr
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
