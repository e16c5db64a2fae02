"""Four real processes on one database: what is to happen once happens once, whichever of them is asked (issue: conditional creates, If-Match)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.serving import Serving, settled

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
FHIR = "application/fhir+json"


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:ipp", "value": "7"}], "managingOrganization": {"reference": "Organization/msp-saint-eloi"}} | more


@pytest.mark.parametrize("kind", KINDS)
def test_conditional_creates_at_once_over_four_processes_make_one_and_of_two_puts_one_wins(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    made, settings = settled(tmp_path / "house"), dict[str, str]()
    if kind == "postgresql":
        database: Callable[[], str] = request.getfixturevalue("postgres")
        settings["database_url"] = database()
        made.did("db", "upgrade", **settings)
        made.did("network", "apply", **settings)
    with ExitStack() as stack:
        four = [stack.enter_context(made.serving("--no-jobs", **settings)) for _ in range(4)]
        headers = [each.bearer("saint-eloi") | {"Content-Type": FHIR} for each in four]
        body = json.dumps(patient()).encode()

        def at_once(count: int, ask: Callable[[int, Serving, dict[str, str]], Any]) -> list[Any]:
            together = threading.Barrier(count)

            def one(number: int) -> Any:
                together.wait(60)
                return ask(number, four[number % 4], headers[number % 4])

            with ThreadPoolExecutor(count) as pool:
                return list(pool.map(one, range(count)))

        answers = at_once(200, lambda _, each, header: each.ask("POST", "/fhir/Patient", body, header | {"If-None-Exist": "identifier=urn:ipp|7"}))
        assert sorted(each.status for each in answers) == [200] * 199 + [201]
        (id,) = {each.json["id"] for each in answers}
        for turn in range(1, 6):
            tag = {"If-Match": f'W/"{turn}"'}

            def put(number: int, each: Serving, header: dict[str, str], tag: dict[str, str] = tag, turn: int = turn) -> int:
                wanted = json.dumps(patient(id=id, telecom=[{"system": "phone", "value": f"{turn}-{number}"}])).encode()
                return int(each.ask("PUT", f"/fhir/Patient/{id}", wanted, header | tag).status)

            assert sorted(at_once(8, put)) == [200] + [412] * 7
        assert four[0].ask("GET", f"/fhir/Patient/{id}", None, headers[0]).json["meta"]["versionId"] == "6"
