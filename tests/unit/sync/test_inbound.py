"""What becomes of a change made in an EHR, once the pull has found it (workflow.md 7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapter.sync.canonical import decode
from tests.unit.sync.house import TASK, House


def test_pull_gives_flows_the_change_with_our_references() -> None:
    house = House().sent()
    house.ehr.edit("Task", lambda task: task.update(status="cancelled", note=[{"text": "n"}]))

    house.pull().run(now=True)

    (pulled,) = house.pulled
    assert pulled.next == {**TASK, "status": "cancelled"}
    assert (pulled.ehr, pulled.type, pulled.id, pulled.number, pulled.actor) == ("clinic", "Task", "t1", 1, "requester")
    assert pulled.theirs["for"] == {"reference": "Patient/p1"} == pulled.base["for"]
    assert pulled.theirs["note"] == [{"text": "n"}]
    assert pulled.remote.endswith("/_history/2")
    assert [(act.what, act.number) for act in house.acts] == [("applied", 2)]


def test_a_note_and_an_extension_made_in_the_ehr_survive_our_next_write() -> None:
    house = House().sent()
    house.ehr.edit("Task", lambda task: task.update(note=[{"text": "n"}], extension=[{"url": "u", "valueCode": "c"}]))
    house.pull().run(now=True)
    house.set("Task", status="accepted")

    house.push().drain()

    task = house.ehr.only("Task")
    assert (task["status"], task["note"], task["extension"]) == ("accepted", [{"text": "n"}], [{"url": "u", "valueCode": "c"}])
    assert house.ehr.count("read") == 0, "the pull had shown its version already"


def test_an_owner_changed_in_the_ehr_is_not_taken_in_y_48() -> None:
    house = House().sent()
    other = {"reference": "Organization/other"}
    house.ehr.edit("Task", lambda task: task.update(owner=other, focus=other) or task["for"].update(other))

    report = house.pull().run(now=True)

    assert report.outcomes["Task"] == {"seen": 1}
    assert house.ours("Task") == TASK
    assert house.conflicts() == []


def test_a_targets_move_made_in_the_ehr_waits_for_a_person_y_47() -> None:
    house = House().sent()
    house.ehr.edit("Task", lambda task: task.update(status="completed"))

    report = house.pull().run(now=True)

    assert report.outcomes["Task"] == {"conflict": 1}
    assert house.ours("Task")["status"] == "requested"
    (row,) = house.store.read_now(lambda uow: uow.conflicts())
    assert (row.type, row.id, row.reason) == ("Task", "t1", "illegal-move")
    assert [decode(each)["status"] for each in (row.base, row.ours, row.theirs)] == ["requested", "requested", "completed"]
    assert [act.what for act in house.acts] == ["quarantined"]


def test_a_targets_move_is_taken_in_where_the_unit_works_on_that_ehr() -> None:
    house = House().sent()
    house.works_here = True
    house.ehr.edit("Task", lambda task: task.update(status="accepted"))

    house.pull().run(now=True)

    assert house.ours("Task")["status"] == "accepted"
    assert house.pulled[0].actor == "target"


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"status": "accepted"}, "target-move"), ({"status": "fini"}, "unknown-status"), ({"focus": None}, "task-without-focus")],
)
def test_what_cannot_be_applied_is_set_aside_and_blocks_our_writes_y_37(change: dict[str, Any], reason: str) -> None:
    house = House().sent()
    house.ehr.edit("Task", lambda task: [task.pop(name) if value is None else task.update({name: value}) for name, value in change.items()])
    house.pull().run(now=True)
    assert house.conflicts() == [("Task", reason)]
    house.set("Task", businessStatus={"text": "x"})

    house.push().drain()

    assert house.letters()[-1].reason == "open-conflict"
    assert house.ehr.count("update") == 0


def test_an_open_conflict_keeps_what_the_ehr_had_before_the_first_change() -> None:
    house = House().sent()
    for status in ("accepted", "in-progress"):
        house.ehr.edit("Task", lambda task, status=status: task.update(status=status))
        house.pull().run(now=True)

    (row,) = house.store.read_now(lambda uow: uow.conflicts())

    assert [decode(each)["status"] for each in (row.base, row.theirs)] == ["requested", "in-progress"]


def test_a_change_that_flows_refuse_becomes_a_conflict_and_leaves_nothing_half_written() -> None:
    house = House().sent()
    house.ehr.edit("Task", lambda task: task.update(status="cancelled"))
    house.ehr.edit("ServiceRequest", lambda request: request.update(description="x"))
    house.refusing = True

    house.pull().run(now=True)

    assert house.conflicts() == [("Task", "refused")]
    assert house.ours("Task") == TASK
    assert house.pull().run(now=True).total == {"echo": 3}, "it is not tried again"


def test_a_consent_narrowed_in_the_ehr_acts_at_once() -> None:
    house = House().sent()
    house.ehr.edit("Consent", lambda consent: consent.update(status="inactive"))

    house.pull().run(now=True)

    assert house.ours("Consent")["status"] == "inactive"
    assert house.conflicts() == []


def test_a_consent_widened_in_the_ehr_waits_for_a_person_y_46() -> None:
    house = House().sent()
    house.ehr.edit("Consent", lambda consent: consent["provision"].pop("period"))

    house.pull().run(now=True)

    assert house.conflicts() == [("Consent", "consent-wider")]
    assert house.ours("Consent")["provision"]["period"] == {"end": "2026-12-31T00:00:00Z"}


def test_a_change_of_what_we_deleted_is_remembered_and_no_more() -> None:
    house = House().sent()
    house.ehr.edit("Task", lambda task: task.update(status="cancelled"))
    house.store.write_now(lambda uow: uow.save(_deleted(uow), expected=None, index=()))

    assert house.pull().run(now=True).outcomes["Task"] == {"seen": 1}
    assert house.pulled == []


def _deleted(uow: Any) -> Any:
    return replace(uow.current("Task", "t1"), deleted=True)


def test_a_pull_between_our_write_and_its_settling_takes_nothing_for_the_ehrs() -> None:
    house = House().sent()
    house.set("Task", status="accepted")
    push = house.push()
    deliver = push._delivery.deliver

    def deliver_then_pull(*parts: Any, **more: Any) -> Any:
        outcome = deliver(*parts, **more)
        house.pull("other").run(now=True)
        return outcome

    push._delivery.deliver = deliver_then_pull  # type: ignore[method-assign]
    push.drain()

    assert house.conflicts() == []
    assert house.pulled == []
    assert {state for _, state, _ in house.states()} == {"done"}
