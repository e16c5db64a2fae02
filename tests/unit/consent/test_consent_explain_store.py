"""`liaison consent explain`: one decision on one referral of a store, as it stands or stood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from adapter.cli import house
from adapter.cli.explaining import AsOf, explained
from adapter.cli.program import program
from adapter.errors import NotFound, SettingsError
from adapter.ports import Version
from adapter.referral.spoken import of_task, spoken
from tests.e2e.stage import CLINIC, FRIDAY, Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as opened:
        yield opened


def task_of(stage: Stage) -> dict[str, str]:
    receipt = stage.app.read_now(lambda story, uow: [version for version in _tasks(uow)])
    return {"task": receipt[0].id, "request": json.loads(receipt[0].served)["focus"]["reference"]}


def _tasks(uow: Any) -> list[Version]:
    from adapter.ports import Query

    found: list[Version] = uow.search(Query("Task"))
    return found


def told(stage: Stage, who: str, what: str, at: str = "") -> dict[str, Any]:
    return stage.app.write_now(lambda story, uow: explained(story, uow, who=who, what=what, at=at))


def test_explain_tells_the_permit_and_its_consent(stage: Stage) -> None:
    stage.sent()
    ids = task_of(stage)
    found = told(stage, "coursier-rouen", f"Task/{ids['task']}")
    assert (found["permit"], found["rule"]) == (True, "S1")
    assert [(one["says"], one["rule"]) for one in found["consents"]] == [("permit", "S1")]
    assert found["versions"] == (found["consents"][0]["consent"],)
    assert found == told(stage, "asso-coursiers", ids["request"]) | {"who": "coursier-rouen", "what": found["what"], "actors": found["actors"]}
    json.dumps(found)


def test_explain_takes_the_reference_as_it_is_spoken(stage: Stage) -> None:
    stage.sent()
    (task,) = stage.app.read_now(lambda story, uow: _tasks(uow))
    reference = of_task(json.loads(task.served))
    found = told(stage, "coursier-rouen", reference.lower())
    assert found == told(stage, "coursier-rouen", task.reference) | {"what": reference.lower()}
    with pytest.raises(NotFound):
        told(stage, "coursier-rouen", spoken("nothing has this id"))


def test_explain_tells_why_after_a_withdrawal_and_how_it_was_before(stage: Stage) -> None:
    stage.sent()
    what = f"Task/{task_of(stage)['task']}"
    before = stage.clock.now()
    stage.clock.tick(timedelta(hours=1))

    def withdrawn(story: Any, uow: Any) -> None:
        from adapter import dossier
        from tests.e2e.stage import COURSIER

        story.withdraw(uow, COURSIER, dossier.load(uow, what.partition("/")[2]), {"heard_by": "coursier-lea"})

    stage.app.write_now(withdrawn)
    now = told(stage, "coursier-rouen", what)
    assert (now["permit"], now["rule"]) == (False, "S1")
    assert [(one["says"], one["rule"], one["why"]) for one in now["consents"]] == [("nothing", "S2", ("its status is not active",))]
    then = told(stage, "coursier-rouen", what, at=before.isoformat())
    assert (then["permit"], then["rule"]) == (True, "S1")
    assert told(stage, "coursier-rouen", what, at="2026-03-06T18:50:00")["at"] == then["at"]  # the zone of the network


def test_explain_tells_what_is_out_of_scope_and_the_basis_of_the_author(stage: Stage) -> None:
    stage.sent()
    what = f"Task/{task_of(stage)['task']}"
    other = told(stage, "saad-seine", what)
    assert (other["permit"], other["rule"], other["consents"]) == (False, "scope", [])
    clinic = told(stage, f"Organization/{CLINIC}", what)
    assert (clinic["permit"], clinic["rule"]) == (True, "basis:author")
    assert [basis["kind"] for basis in clinic["bases"]] == ["author"]


def test_explain_is_audited_and_changes_nothing_else(stage: Stage) -> None:
    stage.sent()
    what = f"Task/{task_of(stage)['task']}"
    before = stage.app.read_now(lambda story, uow: (len(uow.audit_rows()), _tasks(uow)))
    told(stage, "coursier-rouen", what)
    after = stage.app.read_now(lambda story, uow: (len(uow.audit_rows()), _tasks(uow)))
    assert after == (before[0] + 1, before[1])


def test_explain_refuses_what_it_cannot_know(stage: Stage) -> None:
    stage.sent()
    what = f"Task/{task_of(stage)['task']}"
    with pytest.raises(SettingsError, match="--who"):
        told(stage, "nobody", what)
    with pytest.raises(SettingsError, match="--at"):
        told(stage, "coursier-rouen", what, at="soon")
    with pytest.raises(SettingsError, match="--what"):
        told(stage, "coursier-rouen", "Patient/x")
    with pytest.raises(NotFound):
        told(stage, "coursier-rouen", "Task/absent")
    with pytest.raises(NotFound):
        told(stage, "coursier-rouen", what, at="2020-01-01")


def test_explain_on_the_command_line_prints_words_and_json(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.sent()
    what = f"Task/{task_of(stage)['task']}"

    @contextmanager
    def opened(settings: Any) -> Iterator[Any]:
        yield stage.app

    monkeypatch.setattr(house, "opened", opened)
    monkeypatch.setattr(house, "settings", lambda: None)
    run = CliRunner().invoke(program(), ["consent", "explain", "--who", "coursier-rouen", "--what", what])
    assert run.exit_code == 0, run.output
    first, asked, consent, why = run.stdout.splitlines()
    assert first == "permit  a Consent in force permits it [S1]"
    assert asked.startswith("asked   coursier-rouen, view coursier-dac-asso, at 2026-03-06T17:50:00")
    assert (consent[:8], why) == ("permit  ", "        provision (permit) applies")
    run = CliRunner().invoke(program(), ["consent", "explain", "--who", CLINIC, "--what", what])
    assert "basis   author, by ServiceRequest/" in run.stdout
    run = CliRunner().invoke(program(), ["consent", "explain", "--who", "saad-seine", "--what", what])
    assert run.stdout.endswith("no Consent of this person was considered\n")
    run = CliRunner().invoke(program(), ["consent", "explain", "--who", "coursier-rouen", "--what", what, "--json"])
    assert json.loads(run.stdout)["permit"] is True


def test_as_of_sees_the_version_in_force_at_its_time(stage: Stage) -> None:
    stage.call()
    early = stage.clock.now()
    stage.clock.tick(timedelta(minutes=5))
    stage.agree("doctor")
    stage.agree("patient")
    id = task_of(stage)["task"]
    assert early == FRIDAY

    def seen(story: Any, uow: Any) -> list[str]:
        found = [AsOf(uow, at).current("Task", id) for at in (early - timedelta(seconds=1), early, stage.clock.now())]
        return [json.loads(version.served)["status"] if version else "" for version in found]

    assert stage.app.read_now(seen) == ["", "draft", "requested"]
    assert stage.app.read_now(lambda story, uow: AsOf(uow, early).kept("network")) is not None
