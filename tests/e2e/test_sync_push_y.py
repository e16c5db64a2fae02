"""The faults of sync.md 5.4 that meet a push, through the whole house: story, consent, audit, HTTP."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapter.audit.told import Told, told
from adapter.ehr.fake.faults import Fault
from adapter.network import EhrEntry
from tests.e2e.away import conflicts, settled, there
from tests.e2e.stage import CLINIC, Stage, staged

SENT = ["Consent", "ServiceRequest", "Task"]
Asked = Callable[..., Any]


@contextmanager
def house(**ehr: Any) -> Iterator[Stage]:
    """A Liaison whose clinic's EHR is declared so."""
    with staged() as stage:
        network = stage.app.network

        def changed(entry: EhrEntry | None) -> EhrEntry | None:
            return replace(entry, **ehr) if entry else None

        stage.app.apply_network(replace(network, organisations=tuple(replace(each, ehr=changed(each.ehr)) for each in network.organisations)))
        yield stage


def letters(stage: Stage) -> list[tuple[str, str, str]]:
    found = stage.app.read_now(lambda _, uow: uow.letters(limit=1000))
    return [(each.type, each.state, each.reason) for each in found]


def acts(stage: Stage, name: str) -> list[Told]:
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    return [one for row in rows if (one := told(json.loads(row.event))).name == name]


def disclosures(stage: Stage) -> int:
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    return sum(told(json.loads(row.event)).kind == "disclosed" for row in rows)


def later(stage: Stage, turns: int = 6) -> None:
    for _ in range(turns):
        stage.push()
        stage.clock.tick(timedelta(minutes=20))


def bundles(stage: Stage) -> list[Any]:
    return [json.loads(each.body) for each in stage.ehr.requests if each.method == "POST" and each.path.rstrip("/").endswith("/fhir")]


def test_new_referral_goes_in_one_transaction_and_then_both_sides_are_in_step() -> None:
    with house(transactions=True) as stage:
        stage.sent()
        assert stage.push() == 1
        (bundle,) = bundles(stage)
        assert [each["request"]["url"] for each in bundle["entry"]] == SENT and all("ifNoneExist" in each["request"] for each in bundle["entry"])
        assert "Zyxdurand" not in json.dumps(bundle) and letters(stage) == [(type, "done", "") for type in SENT]
        task, request = there(stage, "Task"), there(stage, "ServiceRequest")
        assert task["focus"]["reference"] == f"ServiceRequest/{request['id']}" and "urn:uuid" not in json.dumps([task, request])
        assert len(acts(stage, "sync-created")) == 3
        settled(stage)


@pytest.mark.parametrize("fault", ["cut-after", "cut-before", "truncate"])
def test_Y_28_transaction_of_which_nobody_heard_is_found_letter_by_letter(fault: Any) -> None:
    with house(transactions=True) as stage:
        stage.ehr.inject(Fault(fault, on="POST "))
        stage.sent()
        later(stage)
        assert [len(stage.ehr.all(type)) for type in SENT] == [1, 1, 1] and {state for _, state, _ in letters(stage)} == {"done"}
        assert conflicts(stage) == []
        settled(stage)


def test_transaction_that_the_ehr_refuses_is_split() -> None:
    with house(transactions=True) as stage:
        stage.ehr.inject(Fault("answer", on="POST ", status=422))
        stage.sent()
        later(stage)
        assert [len(stage.ehr.all(type)) for type in SENT] == [1, 1, 1] and {state for _, state, _ in letters(stage)} == {"done"}
        settled(stage)


@pytest.mark.parametrize("status", [500, 504])
@pytest.mark.parametrize("type", SENT)
def test_Y_03_what_was_done_and_answered_as_an_error_is_found(type: str, status: int) -> None:
    with house() as stage:
        stage.ehr.inject(Fault("answer-after", on=f"POST {type}", status=status))
        stage.sent()
        later(stage)
        assert [len(stage.ehr.all(each)) for each in SENT] == [1, 1, 1] and {state for _, state, _ in letters(stage)} == {"done"}
        settled(stage)


def test_Y_04_second_copy_is_ended_with_a_provenance_where_the_ehr_keeps_them() -> None:
    with house(provenance=True) as stage:
        stage.ehr.inject(Fault("cut-after", on="POST Consent"))
        stage.sent()
        stage.push()
        first = there(stage, "Consent")
        stage.ehr.plant({**copy.deepcopy(first), "id": first["id"] + "-twin"})
        later(stage)
        (ended,) = [each for each in stage.ehr.all("Consent") if each["status"] == "entered-in-error"]
        assert ended["id"] == first["id"] + "-twin"
        targets = [each["target"][0]["reference"] for each in stage.ehr.all("Provenance")]
        assert f"Consent/{ended['id']}/_history/{ended['meta']['versionId']}" in targets
        assert there(stage, "ServiceRequest")["supportingInfo"][0]["reference"] == f"Consent/{first['id']}"
        assert len(acts(stage, "sync-mended")) == 1 and {state for _, state, _ in letters(stage)} == {"done"}


def test_Y_26_withdrawal_while_the_letters_wait_stops_them_all() -> None:
    with house(transactions=True) as stage:
        stage.ehr.inject(Fault("answer", on="POST *", status=503, times=None, headers={"Retry-After": "60"}))
        stage.sent()
        stage.push()
        before = disclosures(stage)
        stage.agree("patient", agreed=False)
        stage.ehr.faults.clear()
        later(stage)
        assert [stage.ehr.all(type) for type in SENT] == [[], [], []]
        assert {state for _, state, _ in letters(stage)} == {"dropped"} and disclosures(stage) == before


def test_Y_11_an_ehr_with_a_rate_gets_no_more_letters_a_second() -> None:
    from adapter.network.model import Limits

    with house(limits=Limits(rate=1, parallel=4)) as stage:
        for n in range(3):
            stage.sent(id=f"appel-{n}")
        seconds = 0
        while stage.app.read_now(lambda _, uow: uow.letters(states=("queued",), limit=1)):
            before = len(stage.ehr.requests)
            stage.push()
            assert len(stage.ehr.requests) - before <= 3, "one letter, and what linking its patient takes"
            stage.clock.tick(timedelta(seconds=1))
            seconds += 1
        assert seconds >= len(stage.ehr.requests) - 2 and len(stage.ehr.all("Task")) == 3


def test_operators_pause_is_for_all_letters_of_the_ehr() -> None:
    from adapter.sync import standing

    with house() as stage:
        stage.app.store.write_now(lambda uow: standing.pause(uow, CLINIC, "incident"))
        stage.sent()
        assert stage.push() == 0 and stage.ehr.requests == []
