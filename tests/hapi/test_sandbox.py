"""How a real HAPI behaves where the client must know it (hapi.md): when one of these changes, the client must."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from adapter.cli.sandbox_record import capability, software
from adapter.clock import SystemClock
from tests.hapi_server import WORK

pytestmark = pytest.mark.hapi
FHIR = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}


class Server:
    """Short words for the requests of these tests; `system` is this test's own identifier system."""

    def __init__(self, url: str) -> None:
        self.url, self.system = url, f"urn:uuid:{uuid4()}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update(FHIR)

    def ask(self, verb: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(verb, f"{self.url}/{path}".rstrip("/"), json=body, headers=named, timeout=60)

    def patient(self, value: str = "1", **elements: Any) -> dict[str, Any]:
        return {"resourceType": "Patient", "identifier": [{"system": self.system, "value": value}], **elements}

    def found(self, path: str, **headers: str) -> list[str]:
        answer = self.ask("GET", path, **headers).json()
        return [entry["resource"]["id"] for entry in answer.get("entry", ())]


@pytest.fixture
def server(hapi_url: str) -> Iterator[Server]:
    opened = Server(hapi_url)
    yield opened
    opened.session.close()


def diagnosis(answer: requests.Response) -> str:
    return str(answer.json()["issue"][0]["diagnostics"])


def test_capability_names_hapi_and_r4_when_asked(hapi_url: str) -> None:
    statement = capability(hapi_url, SystemClock())
    assert statement is not None
    assert software(statement) == "HAPI FHIR Server 8.0.0, FHIR 4.0.1"


def test_conditional_create_gives_the_existing_one_when_it_matches(server: Server) -> None:
    condition = f"identifier={server.system}|1"
    first = server.ask("POST", "Patient", server.patient(), If_None_Exist=condition)
    second = server.ask("POST", "Patient", server.patient(), If_None_Exist=condition)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_update_answers_409_when_if_match_is_stale(server: Server) -> None:
    id = server.ask("POST", "Patient", server.patient()).json()["id"]
    fresh = server.ask("PUT", f"Patient/{id}", server.patient(id=id, active=True), If_Match='W/"1"')
    stale = server.ask("PUT", f"Patient/{id}", server.patient(id=id, active=False), If_Match='W/"1"')
    assert (fresh.status_code, stale.status_code) == (200, 409)
    assert server.ask("GET", f"Patient/{id}").json()["active"] is True


def test_update_is_refused_when_the_new_id_is_numeric(server: Server) -> None:
    number = str(uuid4().int)[:18]
    assert server.ask("PUT", f"Patient/{number}", server.patient(id=number)).status_code in (400, 404)


def test_read_answers_410_when_deleted(server: Server) -> None:
    id = server.ask("POST", "Patient", server.patient()).json()["id"]
    assert server.ask("DELETE", f"Patient/{id}").status_code == 200
    assert server.ask("GET", f"Patient/{id}").status_code == 410


def test_search_answers_400_when_the_parameter_is_unknown(server: Server) -> None:
    answer = server.ask("GET", "Patient?favourite-colour=blue")
    assert answer.status_code == 400
    assert "favourite-colour" in diagnosis(answer)


def test_search_repeats_its_old_result_unless_no_cache_is_sent(server: Server) -> None:
    path = f"Patient?identifier={server.system}|&_sort=_lastUpdated"
    one = server.ask("POST", "Patient", server.patient("1")).json()["id"]
    assert server.found(path) == [one]
    two = server.ask("POST", "Patient", server.patient("2")).json()["id"]
    assert server.found(path) == [one]
    assert server.found(path, Cache_Control="no-cache") == [one, two]


def test_search_loses_its_next_link_when_no_store_is_sent(server: Server) -> None:
    for value in "123":
        server.ask("POST", "Patient", server.patient(value))
    path = f"Patient?identifier={server.system}|&_count=2"
    links = [
        {link["relation"] for link in server.ask("GET", path, Cache_Control=how).json()["link"]}
        for how in ("no-cache", "no-store")
    ]  # fmt: skip
    assert "next" in links[0] and "next" not in links[1]


def test_create_is_refused_when_a_reference_dangles(server: Server) -> None:
    task = {"resourceType": "Task", "status": "requested", "intent": "order", "for": {"reference": "Patient/nobody-here"}}
    answer = server.ask("POST", "Task", task)
    assert answer.status_code == 400
    assert "Patient/nobody-here" in diagnosis(answer)


def test_create_answers_400_when_a_required_code_is_bad(server: Server) -> None:
    answer = server.ask("POST", "Task", {"resourceType": "Task", "status": "nonsense", "intent": "order"})
    assert answer.status_code == 400
    assert "HAPI-1821" in diagnosis(answer)


def test_transaction_resolves_its_own_references_when_they_are_urns(server: Server) -> None:
    urn = f"urn:uuid:{uuid4()}"
    task = {"resourceType": "Task", "status": "requested", "intent": "order", "for": {"reference": urn}}
    entries = [
        {"fullUrl": urn, "resource": server.patient(), "request": {"method": "POST", "url": "Patient"}},
        {"resource": task, "request": {"method": "POST", "url": "Task"}},
    ]
    answer = server.ask("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries}).json()
    assert [entry["response"]["status"] for entry in answer["entry"]] == ["201 Created", "201 Created"]
    patient, stored = (entry["response"]["location"].split("/_history")[0] for entry in answer["entry"])
    assert server.ask("GET", stored).json()["for"]["reference"] == patient


def test_command_starts_keeps_and_ends_a_server_when_told(hapi_url: str, tmp_path: Path, free_port: int) -> None:
    (tmp_path / "sandbox").mkdir()
    for part in ("target", "built"):  # the build of this run, not a second one
        (tmp_path / "sandbox" / part).symlink_to(WORK / part)
    base = f"http://127.0.0.1:{free_port}/fhir"
    patient = {"resourceType": "Patient", "id": "kept", "active": True}
    up = ("up", "--engine", "java", "--port", str(free_port), "--keep", str(tmp_path / "kept"))
    try:
        for visit in ("first", "second"):
            assert base in sandbox(tmp_path, *up), visit
            with requests.Session() as session:
                session.trust_env = False
                if visit == "first":
                    assert session.put(f"{base}/Patient/kept", json=patient, headers=FHIR, timeout=60).status_code == 201
                assert session.get(f"{base}/Patient/kept", timeout=60).json()["active"] is True, visit
            assert "HAPI FHIR Server 8.0.0" in sandbox(tmp_path, "status")
            assert "Ended" in sandbox(tmp_path, "down")
            assert capability(base, SystemClock()) is None
    finally:
        sandbox(tmp_path, "down")


def sandbox(home: Path, *arguments: str) -> str:
    program = "from adapter.cli.sandbox import app; app()"
    environment = {**os.environ, "LIAISON_HOME": str(home), "COLUMNS": "200"}
    done = subprocess.run([sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
