"""AuditEvent on `/fhir`: whole for the officer, for other clients the calls they made themselves and nothing they did not know (workflow.md 6)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter import fhir
from adapter.network import Secret
from tests.e2e.stage import Stage
from tests.unit.web.conftest import SECRET, Door
from tests.unit.web.test_doors import agreed


@pytest.fixture
def officer(stage: Stage, door: Door, tmp_path: Path) -> dict[str, str]:
    network = stage.app.network
    mine = replace(
        network.clients[0], id="dpo", organisation="msp-saint-eloi", unit="", person="", role="officer", scopes=("system/AuditEvent.rs",), purposes=(),
        secret=Secret(file=str(tmp_path / "secret")),
    )  # fmt: skip
    stage.app.apply_network(replace(network, clients=(*network.clients, mine)))
    return door.token("dpo", SECRET)


def events(door: Door, who: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    answer = door("GET", f"/fhir/AuditEvent{query}", headers=who)
    assert answer.status_code == 200, answer.text
    return [each["resource"] for each in answer.json().get("entry", ())]


def test_officer_reads_the_whole_trail_in_pages(door: Door, officer: dict[str, str]) -> None:
    door("POST", "/intake/appel-coursier", json=agreed(), headers=door.token("coursiers"))
    found, link = list[dict[str, Any]](), "/fhir/AuditEvent?_count=3"
    while link:
        page = door("GET", link, headers=officer).json()
        found += [each["resource"] for each in page.get("entry", ())]
        link = next((each["url"].removeprefix("http://127.0.0.1:8600") for each in page["link"] if each["relation"] == "next"), "")
        if len(found) > 12:
            break
    assert len(found) > 12 and len({each["id"] for each in found}) == len(found)
    assert all(fhir.check(each) == [] for each in found) and any("outcomeDesc" in each or "entity" in each for each in found)
    assert door("GET", f"/fhir/AuditEvent/{found[1]['id']}", headers=officer).json() == found[1]


def test_client_sees_its_own_calls_and_no_others(door: Door) -> None:
    unit, clinic = door.token("coursiers"), door.token("saint-eloi")
    task = door("POST", "/intake/appel-coursier", json=agreed(), headers=unit).json()["referrals"][0]["task"]
    for id in (task, "absent"):
        door("GET", f"/fhir/Task/{id}", headers=clinic)
        door("GET", f"/fhir/Task/{id}", headers=unit)
    for client, who in (("saint-eloi", clinic), ("coursiers", unit)):
        found = events(door, who, "?_count=100")
        assert found and all(any(agent["who"].get("identifier", {}).get("value") == client for agent in each["agent"]) for each in found)
        assert {each["outcome"] for each in found} == {"0"} and "outcomeDesc" not in json.dumps(found)
        assert all(fhir.check(each) == [] for each in found)
        assert (task in json.dumps(found)) == (client == "saint-eloi")  # a unit knows it under another id
        same = door("GET", f"/fhir/AuditEvent/{found[0]['id']}", headers=who)
        assert same.json() == found[0]
        other = {"saint-eloi": unit, "coursiers": clinic}[client]
        assert door("GET", f"/fhir/AuditEvent/{found[0]['id']}", headers=other).status_code == 404


def test_ids_of_a_client_do_not_count_what_others_did(door: Door, officer: dict[str, str]) -> None:
    unit = door.token("coursiers")
    door("GET", "/views/coursier-dac-asso/referrals", headers=unit)
    door("GET", "/fhir/Task", headers=unit)
    found = events(door, unit)
    assert found and all(len(each["id"]) == 48 for each in found)
    assert door("GET", "/fhir/AuditEvent/1", headers=unit).status_code == 404
    assert door("GET", "/fhir/AuditEvent/1", headers=officer).status_code == 200
    for wrong in ("0", "-1", "999999999", "x", "9" * 30):
        assert door("GET", f"/fhir/AuditEvent/{wrong}", headers=officer).status_code == 404


def test_trail_is_searched_by_what_it_tells(door: Door, officer: dict[str, str], stage: Stage) -> None:
    door("POST", "/intake/appel-coursier", json=agreed(), headers=door.token("coursiers"))
    patient = stage.app.read_now(lambda story, uow: next(iter(uow.search(fhir.query("Patient", [])))).reference)
    about = events(door, officer, f"?patient={patient}")
    assert about and all(patient in json.dumps(each) for each in about)
    assert {each["action"] for each in events(door, officer, "?action=C")} == {"C"}
    assert events(door, officer, "?outcome=8") == []
    assert door("GET", "/fhir/AuditEvent?zyx=1", headers=officer).status_code == 400


def test_trail_is_read_only_and_its_reading_is_in_it_u17(door: Door, officer: dict[str, str]) -> None:
    for method, path in (("PUT", "/fhir/AuditEvent/1"), ("POST", "/fhir/AuditEvent"), ("GET", "/fhir/AuditEvent/1/_history"), ("DELETE", "/fhir/AuditEvent/1")):
        assert door(method, path, headers=officer, **({"json": {}} if method in ("PUT", "POST") else {})).status_code == 404
    events(door, officer, "?_count=1")
    assert any("AuditEvent" in each["entity"][0].get("description", "") for each in events(door, officer, "?_count=500") if each.get("entity"))


def test_trail_is_searched_by_when_it_was(door: Door, officer: dict[str, str], stage: Stage) -> None:
    door("POST", "/intake/appel-coursier", json=agreed(), headers=door.token("coursiers"))
    day, all_of_it = f"{stage.clock.now():%Y-%m-%d}", events(door, officer, "?_count=500")
    for query in (f"date={day}", f"date=ge{day}", f"date=le{day}", "date=gt2000-01-01", f"_lastUpdated=ge{day}", f"date=sa2000&date=lt{stage.clock.now().year + 1}"):
        assert [each["id"] for each in events(door, officer, f"?_count=500&{query}")][: len(all_of_it)] == [each["id"] for each in all_of_it], query
    for query in ("date=2000-01-01", f"date=lt{day}", f"date=gt{day}", f"date=ne{day}", f"_lastUpdated=lt{day}", f"date=eb{day}"):
        assert events(door, officer, f"?{query}") == [], query
    assert door("GET", "/fhir/AuditEvent?date=zyx", headers=officer).status_code == 400


def test_trail_is_counted_and_has_one_order(door: Door, officer: dict[str, str]) -> None:
    for _ in range(3):
        events(door, officer)
    number = len(events(door, officer, "?_count=500&action=E"))
    for query in ("_summary=count", "_count=0", "_total=accurate&_count=1"):
        number += 1
        assert door("GET", f"/fhir/AuditEvent?action=E&{query}", headers=officer).json()["total"] == number
    assert [each["id"] for each in events(door, officer, "?_sort=date&_count=3")] == [each["id"] for each in events(door, officer, "?_count=3")]
    refused = door("GET", "/fhir/AuditEvent?_sort=-date", headers=officer)
    assert (refused.status_code, refused.json()["issue"][0]["expression"]) == (400, ["_sort"])


def test_events_of_what_was_made_name_the_patient(door: Door, officer: dict[str, str]) -> None:
    made = door("POST", "/fhir/Patient", json={"resourceType": "Patient", "name": [{"family": "Zyx"}]}, headers=door.token("saint-eloi")).json()
    (event,) = [each for each in events(door, officer, "?_count=500&action=C") if made["id"] in json.dumps(each)]
    assert {"reference": f"Patient/{made['id']}"} in [each["what"] for each in event["entity"]] and fhir.check(event) == []
