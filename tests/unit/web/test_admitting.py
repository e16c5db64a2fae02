"""Nobody's body is taken apart before its sender is known and within the limit."""

from __future__ import annotations

import json
import threading
from typing import Any
from unittest import mock

import pytest

from adapter import fhir
from adapter.limits import Limits
from adapter.web.admitting import LONG, aside
from tests import looping
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


@pytest.mark.parametrize(("size", "before"), [(32 * 1024, False), (32 * 1024 + 1, True)])
def test_only_of_a_long_body_it_is_asked_whose_it_is_before_it_is_taken_apart(door: Door, size: int, before: bool) -> None:
    token, said = door.token("saint-eloi"), list[str]()
    whole = json.dumps({"resourceType": "Patient", "name": [{"family": "Zyx"}]})
    parse = fhir.parse

    async def known(*_: Any) -> None:
        said.append("known")

    def parsed(*given: Any, **named: Any) -> Any:
        said.append("parsed")
        return parse(*given, **named)

    with mock.patch("adapter.web.admitting._known", known), mock.patch.object(fhir, "parse", parsed):
        assert door("POST", "/fhir/Patient", content=whole.ljust(size), headers=token).status_code == 201
    assert said == (["known", "parsed"] if before else ["parsed"])


@pytest.mark.parametrize(("size", "beside"), [(0, False), (32 * 1024, False), (32 * 1024 + 1, True)])
def test_only_work_on_a_long_body_is_done_beside_the_loop(size: int, beside: bool) -> None:
    async def elsewhere() -> bool:
        return await aside(size, threading.get_ident) != threading.get_ident()

    assert looping.run(elsewhere()) is beside
    assert looping.run(aside(size, int, "11", base=2)) == 3
