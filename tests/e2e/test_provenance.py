"""The Provenance of what an EHR is given, where it keeps them (U-18 of security.md 4.4; workflow.md 6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from fhir.resources.R4B.provenance import Provenance

from adapter import fhir
from adapter.audit.told import Told, told
from adapter.ehr.fake import Fault
from adapter.errors import Unavailable
from adapter.sync.proof import LANE
from adapter.sync.push import Push
from tests.e2e.stage import CLINIC, COURSIER, GP, Stage, staged

VIEW = "coursier-dac-asso"
SENT = ["Consent", "ServiceRequest", "Task"]


@contextmanager
def house(*, keeps: bool = True, patients: str = "link") -> Iterator[Stage]:
    """A Liaison whose clinic's EHR is declared to keep Provenances, or not."""
    with staged() as stage:
        network = stage.app.network
        entries = ((each, each.ehr) for each in network.organisations)
        changed = tuple(replace(each, ehr=replace(ehr, provenance=keeps, patients=patients)) if ehr else each for each, ehr in entries)
        stage.app.apply_network(replace(network, organisations=changed))
        yield stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    with house() as made:
        yield made


def written(stage: Stage) -> list[dict[str, Any]]:
    return [dict(each) for each in stage.ehr.all("Provenance")]


def targets(stage: Stage) -> list[str]:
    return [each["target"][0]["reference"] for each in written(stage)]


def events_of(stage: Stage) -> list[Told]:
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    return [told(json.loads(row.event)) for row in rows]


def letters(stage: Stage) -> list[tuple[str, str, str]]:
    found = stage.app.read_now(lambda _, uow: uow.letters(limit=1000))
    return [(each.type, each.state, each.reason) for each in found]


def test_each_resource_written_has_its_provenance_U_18(stage: Stage) -> None:
    """Target with its version, agents clinic and Device, the referral as source, the Consent as policy."""
    stage.sent()
    stage.push()
    there = {type: stage.ehr.all(type)[0] for type in SENT}
    assert sorted(targets(stage)) == sorted(f"{type}/{each['id']}/_history/{each['meta']['versionId']}" for type, each in there.items())
    consent = there["Consent"]
    for each in written(stage):
        Provenance.model_validate_json(json.dumps({name: value for name, value in each.items()}))
        fhir.parse(json.dumps(each).encode(), type="Provenance")
        clinic, device = each["agent"]
        assert [coding["code"] for agent in each["agent"] for coding in agent["type"]["coding"]] == ["author", "assembler"]
        assert clinic["who"]["identifier"]["value"] == CLINIC or clinic["who"]["reference"].startswith("Organization/")
        assert (device["who"]["type"], device["who"]["identifier"]["value"], device["onBehalfOf"]) == ("Device", "liaison", clinic["who"])
        assert each["entity"] == [{"role": "source", "what": {"reference": f"ServiceRequest/{there['ServiceRequest']['id']}"}}]
        assert each["policy"] == [f"{stage.ehr.base_url}/Consent/{consent['id']}/_history/{consent['meta']['versionId']}"]
        assert datetime.fromisoformat(each["recorded"]) == stage.clock.now()
    assert "Zyx" not in json.dumps(written(stage))


def test_each_update_has_one_of_its_own_version_U_18(stage: Stage) -> None:
    stage.sent()
    stage.push()
    before = set(targets(stage))
    stage.clock.tick(timedelta(hours=1))
    stage.act(COURSIER, VIEW, stage.cards(COURSIER, VIEW)[0], "accept")
    stage.push()
    task = stage.ehr.all("Task")[0]
    assert task["status"] == "accepted"
    assert set(targets(stage)) - before == {f"Task/{task['id']}/_history/{task['meta']['versionId']}"}
    stage.push()
    assert len(written(stage)) == 4  # nothing written, nothing to prove


def test_none_goes_where_it_is_not_declared_U_18() -> None:
    with house(keeps=False) as stage:
        stage.sent()
        stage.push()
        assert len(stage.ehr.all("Task")) == 1 and written(stage) == []
        assert not any("Provenance" in each.path for each in stage.ehr.requests)


def test_patient_that_was_made_there_has_one_too_U_18() -> None:
    with house(patients="create") as stage:
        stage.sent(personne={"nom": "Zyxneuf", "prenom": "Zyxa", "naissance": "1941-02-03", "sexe": "F", "telephone": "+33639980001", "canal_sur": "oui"})
        stage.push()
        made = next(each for each in stage.ehr.all("Patient") if each["id"] != "zyx-patient")
        assert f"Patient/{made['id']}/_history/{made['meta']['versionId']}" in targets(stage) and len(written(stage)) == 4


def test_it_is_in_the_audit_before_it_leaves_and_when_it_arrived_U_09_U_18(stage: Stage) -> None:
    stage.sent()
    stage.push()
    acts = [each for each in events_of(stage) if each.name == "provenance"]
    assert sorted(each.what[0].partition("/")[0] for each in acts) == SENT and all(each.details["ehr"] == CLINIC and each.patient for each in acts)
    arrived = [each for each in events_of(stage) if each.details.get("remote", "").startswith("Provenance/")]
    assert {each.name for each in arrived} == {"sync-created"} and len(arrived) == 3


@pytest.mark.parametrize("fault", ["cut-before", "cut-after"])
def test_it_is_written_once_when_the_answer_is_lost_U_18(stage: Stage, fault: str) -> None:
    """Looked for before it is repeated: a Provenance has no identifier to be created by."""
    stage.ehr.inject(Fault(fault, on="POST Provenance"))
    stage.sent()
    stage.push()
    stage.clock.tick(timedelta(minutes=5))
    stage.push()
    assert len(written(stage)) == len(set(targets(stage))) == 3
    assert {state for _, state, _ in letters(stage)} == {"done"}


def test_it_follows_when_we_died_after_the_ehr_had_the_resource_U_09_U_18(stage: Stage) -> None:
    """The letter was never settled: whoever takes it next finds its own write there, and proves it."""
    stage.sent()
    stage.push()
    stage.act(COURSIER, VIEW, stage.cards(COURSIER, VIEW)[0], "accept")
    with mock.patch.object(Push, "_settle", side_effect=Unavailable("gone")), pytest.raises(Unavailable):
        stage.push()
    task = stage.ehr.all("Task")[0]
    assert task["status"] == "accepted" and f"Task/{task['id']}/_history/{task['meta']['versionId']}" not in targets(stage)
    stage.clock.tick(timedelta(minutes=5))
    stage.push()
    assert f"Task/{task['id']}/_history/{task['meta']['versionId']}" in targets(stage) and len(written(stage)) == 4


def test_ehr_that_refuses_it_holds_up_no_referral_U_18(stage: Stage) -> None:
    stage.ehr.inject(Fault("answer", on="POST Provenance", times=None, status=422))
    stage.sent()
    stage.push()
    stage.act(COURSIER, VIEW, stage.cards(COURSIER, VIEW)[0], "accept")
    stage.push()
    assert stage.ehr.all("Task")[0]["status"] == "accepted" and written(stage) == []
    assert {state for type, state, _ in letters(stage) if type != "Provenance"} == {"done"}
    assert {state for type, state, _ in letters(stage) if type == "Provenance"} <= {"parked", "queued"}


def test_none_leaves_after_an_opposition_U_18(stage: Stage) -> None:
    """Decided when it leaves, like what it is about."""
    stage.ehr.inject(away := Fault("answer", on="POST Provenance", times=None, status=503))
    stage.sent()
    stage.push()
    assert away.struck and written(stage) == []
    card = stage.cards(GP, "prescripteur")[0]
    stage.act(GP, "prescripteur", card, "oppose", against="everyone", heard_by="dr-exemple")
    stage.ehr.faults.clear()
    stage.clock.tick(timedelta(hours=1))
    stage.push()
    assert written(stage) == []
    held = stage.app.read_now(lambda _, uow: uow.letters(limit=1000))
    assert {(each.state, each.reason) for each in held if each.lane.startswith(LANE)} == {("dropped", "withheld")}


def test_proof_of_what_points_to_a_request_that_never_leaves_is_given_up_and_bothers_nobody(stage: Stage) -> None:
    """The Consent arrived, the agreement was taken back before its request did."""
    stage.ehr.inject(Fault("answer", on="POST ServiceRequest", status=503, times=None), Fault("answer", on="POST Provenance", status=503, times=None))
    stage.sent()
    stage.push()
    stage.agree("patient", agreed=False)
    stage.ehr.faults.clear()
    for _ in range(4):
        stage.clock.tick(timedelta(minutes=20))
        stage.push()
    letters = stage.app.read_now(lambda _, uow: uow.letters(limit=100))
    assert stage.ehr.all("ServiceRequest") == [] and [each for each in letters if each.state == "parked"] == []
    assert {(each.type, each.state) for each in letters if each.type == "Provenance"} == {("Provenance", "dropped")}
