"""A record tried at the door of intake: the same report as `liaison map try`, and nothing that stays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.records import stored
from tests.e2e.stage import CALL, Stage
from tests.unit.web.conftest import Door

KINDS = ("Patient", "ServiceRequest", "Task", "Consent", "Provenance", "Practitioner", "PractitionerRole")


def tried(door: Door, record: dict[str, Any], **params: str) -> Any:
    return door("POST", "/intake/appel-coursier", json=record, params={"dry-run": "true"} | params, headers=door.token("coursiers"))


def test_record_that_is_tried_tells_what_it_makes_both_ways_and_stays_nowhere(door: Door, stage: Stage) -> None:
    before = [stored(stage, kind) for kind in KINDS]
    answer = tried(door, CALL | {"notes_privees": "Zyxnote"})
    told = answer.json()
    assert answer.status_code == 200 and told["problems"] == [] and told["dropped"] == ["notes_privees"]
    assert [each["path"] for each in told["warnings"]] == ["notes_privees"] and "Zyxnote" not in answer.text
    assert {"Patient", "ServiceRequest", "Task", "Consent"} <= {each["resourceType"] for each in told["resources"]}
    assert told["back"]["personne"]["nom"] == CALL["personne"]["nom"]
    assert [stored(stage, kind) for kind in KINDS] == before
    assert stage.push() == 0
    received = door("POST", "/intake/appel-coursier", json=CALL, headers=door.token("coursiers"))
    assert received.status_code == 201 and "idempotency-replayed" not in received.headers


def test_record_that_is_tried_says_the_same_whoever_is_known_already(door: Door, stage: Stage) -> None:
    """Or a service could ask whom the practice knows."""
    def shape(told: Any) -> list[Any]:
        return [sorted(each) for each in told["resources"]]

    first = tried(door, CALL).json()
    stage.sent()
    again = tried(door, CALL | {"id": "another"}).json()
    assert shape(first) == shape(again) and first["warnings"] == again["warnings"]
    patients = {each["id"] for each in stored(stage, "Patient")}
    assert patients.isdisjoint(each["id"] for each in again["resources"])


def test_record_that_is_tried_and_refused_tells_the_places(door: Door) -> None:
    told = tried(door, CALL | {"urgence": "Zyxdemain"}).json()
    assert [each["path"] for each in told["problems"]] == ["urgence"] and told["resources"] == [] and "Zyxdemain" not in str(told)
    assert told["problems"][0]["mapping"].startswith("appel-coursier.yaml:")


@pytest.mark.parametrize(("query", "status"), [({"dry-run": "yes"}, 400), ({"dry-run": "false"}, 201)])
def test_dry_run_is_true_or_false(door: Door, query: dict[str, str], status: int) -> None:
    assert tried(door, CALL, **query).status_code == status


def test_who_may_not_send_may_not_try(door: Door) -> None:
    answer = door("POST", "/intake/appel-coursier", json=CALL, params={"dry-run": "true"}, headers=door.token("carsat"))
    sent = door("POST", "/intake/appel-coursier", json=CALL, headers=door.token("carsat"))
    assert answer.status_code == sent.status_code in (403, 404)
