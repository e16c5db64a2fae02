"""kill -9 of a real `liaison serve` between acknowledging an intake and the EHR's answer: after a restart the referral
arrives, once (workflow.md 7, sync.md 5.3: look before repeating), and nothing left without its event (security.md U-09).
The lease of a letter is a second here, a minute by default. Every single place between two writes: `test_kill_points.py`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapter.ehr.fake import FakeEhr, Fault
from tests.e2e.serving import Folder, Serving, agreed, known, settled, until

SENT = ("ServiceRequest", "Consent", "Task")


@pytest.fixture
def ehr() -> Iterator[FakeEhr]:
    with FakeEhr() as running:
        known(running)
        yield running


@pytest.fixture
def folder(tmp_path: Path, ehr: FakeEhr) -> Folder:
    return settled(tmp_path, ehr.base_url)


def acknowledged(liaison: Serving) -> dict[str, Any]:
    """The receipt of an intake with both agreements; from here on it must arrive."""
    answer = liaison.post("/intake/appel-coursier", agreed())
    assert (answer.status, answer.json["status"]) == (201, "requested")
    (line,) = answer.json["referrals"]
    return dict(line)


def asked(ehr: FakeEhr, method: str, path: str) -> list[Any]:
    """The requests that came for this."""
    return [each for each in ehr.requests if each.method == method and each.path.partition("?")[0] == f"/fhir/{path}"]


def disclosures(folder: Folder) -> list[dict[str, Any]]:
    """The events that say that something left for the EHR."""
    with closing(sqlite3.connect(folder.database)) as connection:
        events = [json.loads(event) for (event,) in connection.execute("SELECT event FROM audit ORDER BY seq")]
    found = [each for each in events if each["type"]["code"] == "110106"]
    return [each for each in found if each["agent"][1]["who"].get("identifier", {}).get("value") == "msp-saint-eloi"]


def arrives_once(folder: Folder, ehr: FakeEhr, line: dict[str, Any]) -> None:
    """Serves until nothing waits any more, then looks at both sides."""
    with folder.serving() as liaison:
        until(lambda: {state for _, state, _ in folder.letters()} == {"done"}, f"letters sent: {folder.letters()}")
        assert liaison.get("/health/ready").status == 200
        again = liaison.post("/intake/appel-coursier", agreed())
        assert again.headers["idempotency-replayed"] == "true"
        assert [each["task"] for each in again.json["referrals"]] == [line["task"]]
    assert len(ehr.all("Patient")) == 1
    (request,), (consent,), (task,) = (ehr.all(type) for type in SENT)
    assert line["serviceRequest"] in [each["value"] for each in request["identifier"]]
    assert line["task"] in [each["value"] for each in task["identifier"]]
    assert task["focus"]["reference"] == f"ServiceRequest/{request['id']}"
    assert request["supportingInfo"] == [{"reference": f"Consent/{consent['id']}"}]
    assert (request["status"], consent["status"], task["status"]) == ("active", "active", "requested")
    assert "all in order" in folder.did("db", "check")
    written = [each for each in ehr.requests if each.method in ("POST", "PUT") and "_search" not in each.path and "Basic" not in each.body]  # the probe's tell of nobody
    assert len(disclosures(folder)) >= len(written) > 0  # each stood in the audit before a byte left, whenever we died (U-09)


def test_kill_loses_nothing_when_the_push_has_not_begun(folder: Folder, ehr: FakeEhr) -> None:
    with folder.serving("--no-jobs") as liaison:
        line = acknowledged(liaison)
        liaison.kill()
    assert not ehr.all("Task")

    arrives_once(folder, ehr, line)


def test_kill_loses_nothing_when_the_ehr_is_away(folder: Folder, ehr: FakeEhr) -> None:
    away = Fault("answer", on="POST *", times=None, status=503)
    ehr.inject(away)
    with folder.serving() as liaison:
        line = acknowledged(liaison)
        until(lambda: away.struck, "the EHR is asked and says that it is away")
        liaison.kill()
    ehr.faults.clear()

    arrives_once(folder, ehr, line)


@pytest.mark.parametrize("type", SENT)
def test_kill_loses_nothing_when_the_ehr_has_the_request_and_does_nothing_with_it(folder: Folder, ehr: FakeEhr, type: str) -> None:
    held = Fault("hold", on=f"POST {type}")
    ehr.inject(held, Fault("cut-before", on=f"POST {type}"))
    with folder.serving() as liaison:
        line = acknowledged(liaison)
        until(lambda: held.struck, f"the EHR holds the {type}")
        liaison.kill()
    held.event.set()

    arrives_once(folder, ehr, line)
    assert len(asked(ehr, "POST", type)) == 2


@pytest.mark.parametrize("type", SENT)
def test_kill_doubles_nothing_when_the_ehr_committed_and_nobody_read_the_answer(folder: Folder, ehr: FakeEhr, type: str) -> None:
    held = Fault("hold-after", on=f"POST {type}")
    ehr.inject(held)
    with folder.serving() as liaison:
        line = acknowledged(liaison)
        until(lambda: ehr.all(type), f"the EHR has the {type}")
        liaison.kill()
    held.event.set()

    arrives_once(folder, ehr, line)
    assert len(asked(ehr, "POST", type)) == 1, "it looked, found it, and did not ask again"


def test_kill_doubles_nothing_when_the_ehr_commits_after_the_restart(folder: Folder, ehr: FakeEhr) -> None:
    """The request of the dead process is carried out last, when the living one has sent its own."""
    held = Fault("hold", on="POST Task")
    ehr.inject(held)
    with folder.serving() as liaison:
        line = acknowledged(liaison)
        until(lambda: held.struck, "the EHR holds the Task")
        liaison.kill()

    arrives_once(folder, ehr, line)
    held.event.set()
    ehr.stop()  # waits for the held request
    assert len(ehr.all("Task")) == 1
