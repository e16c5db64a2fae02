"""Reading many at once: by batch where the EHR answers one, each entry on its own outcome (Y-28, refer-4)."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.clock import FrozenClock
from adapter.errors import EhrRejected, EhrUnavailable, EhrUnknown
from adapter.ports import Resource
from adapter.sync.light import left_there, made_ours
from adapter.sync.reads import BATCH, read_many
from tests.unit.sync.house import START, SYSTEMS
from tests.unit.sync.scripted import ScriptedEhr


class Batching(ScriptedEhr):
    """It answers batches; `odd`: what it says of one id instead."""

    def __init__(self) -> None:
        super().__init__("clinic", FrozenClock(START))
        self.odd: dict[str, Any] = {}

    def transaction(self, bundle: Resource) -> Resource:
        self._meet("transaction", bundle["type"])
        return {"resourceType": "Bundle", "type": "batch-response", "entry": [self._entry(each["request"]["url"]) for each in bundle["entry"]]}

    def _entry(self, url: str) -> Resource:
        type, _, id = url.partition("/")
        if id in self.odd:
            found: Resource = self.odd[id]
            return found
        versions = self.rows.get((type, id))
        return {"resource": versions[-1], "response": {"status": "200 OK"}} if versions else {"response": {"status": "404"}}


def planted(count: int) -> Batching:
    ehr = Batching()
    for n in range(count):
        ehr.plant({"resourceType": "Task", "id": f"t{n}"})
    return ehr


def test_many_are_read_in_batches_and_in_order() -> None:
    ehr = planted(BATCH + 10)
    wanted = [f"Task/t{n}" for n in (*range(BATCH + 10), 999)]

    found = list(read_many(ehr, wanted, batch=True))

    assert [reference for reference, _ in found] == wanted
    assert [remote and remote.id for _, remote in found] == [*(f"t{n}" for n in range(BATCH + 10)), None]
    assert ehr.calls == [("transaction", "batch")] * 2


def test_without_batches_they_are_read_one_by_one() -> None:
    ehr = planted(3)
    assert [bool(remote) for _, remote in read_many(ehr, ["Task/t0", "Task/t2", "Task/t9"], batch=False)] == [True, True, False]
    assert ehr.calls == [("read", "Task")] * 3


@pytest.mark.parametrize(
    "odd",
    [
        {"response": {"status": "500"}}, {}, "nothing", {"response": {"status": "200"}, "resource": {"resourceType": "Task", "id": "t2"}},
        {"response": {"status": "200"}, "resource": {"resourceType": "OperationOutcome"}},
    ],
)  # fmt: skip
def test_Y_28_an_entry_that_is_neither_there_nor_gone_is_read_by_itself(odd: Any) -> None:
    ehr = planted(3)
    ehr.odd["t1"] = odd

    found = dict(read_many(ehr, ["Task/t0", "Task/t1", "Task/t2"], batch=True))

    assert [remote.id for remote in found.values() if remote] == ["t0", "t1", "t2"]
    assert ehr.calls == [("transaction", "batch"), ("read", "Task")]


def test_Y_28_a_batch_that_is_not_answered_tells_nothing_of_any() -> None:
    ehr = planted(2)
    ehr.script("transaction", EhrUnknown("cut off"), EhrRejected("no", status_code=400))
    with pytest.raises(EhrUnavailable):
        list(read_many(ehr, ["Task/t0", "Task/t1"], batch=True))
    with pytest.raises(EhrRejected):
        list(read_many(ehr, ["Task/t0", "Task/t1"], batch=True))


def test_the_version_of_a_batch_entry_is_that_of_meta_or_of_its_etag_Y_10() -> None:
    ehr = planted(2)
    ehr.odd["t1"] = {"response": {"status": "200", "etag": 'W/"7"'}, "resource": {"resourceType": "Task", "id": "t1"}}
    assert [remote and remote.version for _, remote in read_many(ehr, ["Task/t0", "Task/t1"], batch=True)] == ["1", "7"]


# ── SDOHCC Direct Light ──────────────────────────────────────────────────────────────────────────
def test_what_a_task_says_came_of_it_are_procedures_and_nothing_else() -> None:
    outputs = [{"valueReference": {"reference": each}} for each in ("Procedure/1", "Observation/2", "Procedure/1/_history/3", "https://else.example/Procedure/4")]
    assert left_there({"output": [*outputs, {"valueString": "x"}, "broken"]}) == ["Procedure/1"]
    assert left_there({"output": outputs}, "https://else.example") == ["Procedure/1", "Procedure/4"]


def test_of_a_procedure_made_there_only_what_is_coded_becomes_ours() -> None:
    theirs = {
        "resourceType": "Procedure", "id": "9", "status": "completed", "subject": {"reference": "Patient/other"}, "note": [{"text": "Zyx"}],
        "code": {"text": "Zyx", "coding": [{"system": "s", "code": "c", "display": "Zyx"}, {"code": "no-system"}]},
        "reasonCode": [{"text": "Zyx"}, {"coding": [{"system": "n", "code": "d"}]}], "outcome": {"text": "Zyx"},
        "performedDateTime": "2026-03-02", "performer": [{"actor": {"display": "Zyx"}}], "extension": [{"url": "Zyx"}],
    }  # fmt: skip
    task = {"focus": {"reference": "ServiceRequest/s1"}, "for": {"reference": "Patient/p1"}}

    made = made_ours(theirs, "new", task=task, performer="Organization/o", systems=SYSTEMS)

    assert {name: part for name, part in made.items() if name not in ("meta", "identifier")} == {
        "resourceType": "Procedure", "id": "new", "basedOn": [task["focus"]], "status": "completed", "subject": task["for"],
        "code": {"coding": [{"system": "s", "code": "c"}]}, "reasonCode": [{"coding": [{"system": "n", "code": "d"}]}],
        "performedDateTime": "2026-03-02", "performer": [{"actor": {"reference": "Organization/o"}}],
    }  # fmt: skip
