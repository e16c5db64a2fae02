"""What a target's own software writes of its Task, read as the act that it is (workflow.md 2): the status, its reason, its outcome."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.errors import Invalid
from adapter.moving import act
from adapter.names import Systems

SYSTEMS = Systems()
TASK: dict[str, Any] = {
    "resourceType": "Task", "id": "t", "meta": {"versionId": "1"}, "status": "requested", "lastModified": "2026-03-06T18:50:00+01:00",
    "priority": "urgent", "owner": {"reference": "HealthcareService/u"},
}  # fmt: skip


def coded(table: str, *codes: str) -> dict[str, Any]:
    foreign = {"system": "http://snomed.info/sct", "code": "1"}
    return {"coding": [foreign, *({"system": SYSTEMS.code(table), "code": code} for code in codes)]}


def moved(before: str = "requested", **changed: Any) -> tuple[str, dict[str, str]] | None:
    whole = TASK | {"status": before}
    return act(whole, whole | changed, SYSTEMS)


def refused(before: str = "requested", **changed: Any) -> list[tuple[str, str, str]]:
    with pytest.raises(Invalid) as caught:
        moved(before, **changed)
    return [(each.code, each.expression, each.detail) for each in caught.value.issues]


OUTPUT = [{"valueReference": {"reference": "Procedure/p"}}, {"valueCodeableConcept": coded("outcome", "aide-en-place")}]


@pytest.mark.parametrize(
    ("changed", "verb", "arguments"),
    [({"status": "accepted"}, "accept", {}), ({"status": "ready"}, "accept", {}), ({"status": "in-progress"}, "start", {}),
     ({"status": "rejected", "statusReason": coded("status-reason", "absent")}, "decline", {"reason": "absent"}),
     ({"status": "cancelled", "statusReason": coded("status-reason", "absent")}, "cancel", {"reason": "absent"}),
     ({"businessStatus": coded("business-status", "absent-1")}, "progress", {"progress": "absent-1"}),
     ({"status": "completed", "output": OUTPUT}, "complete", {"outcome": "aide-en-place"})],
)  # fmt: skip
def test_status_that_is_written_is_the_act_of_that_move(changed: dict[str, Any], verb: str, arguments: dict[str, str]) -> None:
    assert moved(**changed) == (verb, arguments)


def test_task_as_it_was_read_is_no_act() -> None:
    assert moved() is None
    assert moved(status="received") is None  # which is requested (READ_AS)
    assert moved(meta={"versionId": "7"}, lastModified="2026-03-07") is None  # the server's own


@pytest.mark.parametrize("status", ["failed", "on-hold", "draft", "entered-in-error", "zyx"])
def test_status_that_no_act_leads_to_is_refused(status: str) -> None:
    assert refused(status=status) == [("business-rule", "Task.status", "illegal-move")]


def test_reason_or_outcome_without_a_move_is_refused() -> None:
    assert refused("accepted", statusReason=coded("status-reason", "absent")) == [("business-rule", "Task.status", "illegal-move")]
    assert refused("accepted", output=OUTPUT, businessStatus=coded("business-status", "absent-1")) == [("business-rule", "Task.status", "illegal-move")]
    assert refused("accepted", output=OUTPUT) == [("business-rule", "Task.status", "illegal-move")]


def test_every_other_element_that_changes_is_named() -> None:
    fixed = [("business-rule", f"Task.{name}", "frozen") for name in ("note", "owner", "priority")]
    assert refused(status="accepted", priority="stat", owner={}, note=[{"text": "x"}]) == fixed
    with pytest.raises(Invalid) as caught:  # what is left out changes, too
        act(TASK, {name: part for name, part in TASK.items() if name != "priority"}, SYSTEMS)
    assert [each.expression for each in caught.value.issues] == ["Task.priority"]


@pytest.mark.parametrize("reason", [None, {}, {"text": "x"}, coded("outcome", "absent"), coded("status-reason"), coded("status-reason", "absent", "other")])
def test_refusal_needs_one_reason_of_our_table(reason: Any) -> None:
    given = {} if reason is None else {"statusReason": reason}
    assert refused(status="rejected", **given) == [("required", "Task.statusReason", "")]
    assert moved(status="rejected", statusReason=coded("status-reason", "absent", "absent")) == ("decline", {"reason": "absent"})


@pytest.mark.parametrize("business", [None, {}, coded("outcome", "absent-1"), coded("business-status", "absent-1", "rdv-fixe")])
def test_progress_needs_one_code_of_our_table(business: Any) -> None:
    before = TASK | {"status": "accepted", "businessStatus": coded("business-status", "rdv-fixe")}
    after = {name: part for name, part in before.items() if name != "businessStatus"} | ({} if business is None else {"businessStatus": business})
    with pytest.raises(Invalid) as caught:
        act(before, after, SYSTEMS)
    assert [(each.code, each.expression) for each in caught.value.issues] == [("required", "Task.businessStatus")]


@pytest.mark.parametrize("status", ["rejected", "cancelled"])
def test_end_by_the_unit_needs_its_reason(status: str) -> None:
    assert refused(status=status) == [("required", "Task.statusReason", "")]


@pytest.mark.parametrize("output", [None, [], [{"valueCodeableConcept": coded("status-reason", "x")}], [*OUTPUT, {"valueCodeableConcept": coded("outcome", "other")}]])
def test_end_needs_one_outcome_of_our_table(output: Any) -> None:
    given = {} if output is None else {"output": output}
    assert refused(status="completed", **given) == [("required", "Task.output", "")]
