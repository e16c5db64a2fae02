"""Nobody's body is taken apart before its sender is known and within the limit."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest

from adapter import fhir
from adapter.limits import Limits
from adapter.web.admitting import LONG
from tests.e2e.stage import Stage
from tests.unit.web.conftest import Door

NOBODY = {"Authorization": "Bearer junk"}
LARGE = json.dumps({"resourceType": "Patient", "text": {"status": "generated", "div": "x" * LONG}})
BROKEN: list[tuple[str, str, str]] = [
    ("POST", "/fhir/Patient", "{"), ("POST", "/fhir/Patient", LARGE), ("POST", "/fhir/Patient", json.dumps({"resourceType": "Patient", "zyx": 1})),
    ("POST", "/fhir/Foo", "{}"), ("GET", "/fhir/Foo", ""), ("GET", "/fhir/AuditEvent/_history", ""), ("PUT", "/fhir/Patient/x", "nonsense"),
    ("POST", "/fhir", json.dumps({"resourceType": "Bundle", "type": "batch"})), ("POST", "/fhir", "{"), ("PATCH", "/fhir/Patient/x", "[]"),
    ("POST", "/fhir", json.dumps({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "Patient"}}]})),
    ("POST", "/fhir/Patient/$validate", "{"), ("POST", "/intake/appel-coursier", "{"), ("POST", "/intake/appel-coursier/x/agreements", "{"),
    ("POST", "/views/coursier-dac-asso/referrals/x/accept", "{"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), BROKEN)
def test_who_is_nobody_is_told_that_alone(door: Door, method: str, path: str, body: str) -> None:
    answer = door(method, path, content=body, headers=NOBODY)
    assert (answer.status_code, answer.headers["www-authenticate"].partition(" ")[0]) == (401, "Bearer")


@pytest.mark.parametrize(("method", "path", "body"), [each for each in BROKEN if each[1] != "/fhir/Patient/x" or each[0] != "PATCH"])
def test_what_is_refused_counts_as_a_request(door: Door, stage: Stage, method: str, path: str, body: str) -> None:
    token = door.token("saint-eloi" if path.startswith("/fhir") else "coursiers")
    stage.app.limits = Limits(2)
    answers = [door(method, path, content=body, headers=token) for _ in range(3)]
    assert answers[0].status_code != 429 and answers[-1].status_code == 429 and answers[-1].headers["retry-after"]


def test_long_body_counts_once(door: Door, stage: Stage) -> None:
    token, whole = door.token("saint-eloi"), json.dumps({"resourceType": "Patient", "name": [{"family": "Zyx" * LONG}]})
    stage.app.limits = Limits(2)
    assert [door("POST", "/fhir/Patient", content=whole, headers=token).status_code for _ in range(3)] == [201, 201, 429]


def test_long_body_of_nobody_is_not_taken_apart(door: Door) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("taken apart")

    with mock.patch.object(fhir, "parse", never), mock.patch.object(fhir, "load", never):
        for path in ("/fhir/Patient", "/fhir", "/intake/appel-coursier", "/fhir/Patient/$validate"):
            assert door("POST", path, content=LARGE, headers=NOBODY).status_code == 401
