"""The demonstration on a real HAPI, twice in a row; what it left there is read back over HTTP, and judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.hapi_server import hapi, require_java
from tests.validator import OfficialValidator

pytestmark = [pytest.mark.hapi, pytest.mark.profiles, pytest.mark.shared]
Resource = dict[str, Any]
OURS = {"ServiceRequest": 3, "Task": 3, "Consent": 4, "Procedure": 1}  # of one run: three recipients, one of them done; one Consent for the practice
ROOM = "https://ehr.example/StructureDefinition/room"  # the practice's own extension: Liaison knows it as little as the validator does
NOTE = "Dossier vu en réunion de cabinet."  # the practice's own note


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A HAPI of its own: all that is in it is the demonstration's."""
    require_java()
    with hapi() as found:
        yield found


@pytest.fixture(scope="module")
def runs(url: str) -> list[list[Resource]]:
    return [played(url) for _ in range(2)]


@pytest.fixture(scope="module")
def there(url: str, runs: list[list[Resource]]) -> dict[str, list[Resource]]:
    """All that the server holds after both, by type."""
    return {type: everything(url, type) for type in (*OURS, "Patient", "Organization", "Communication", "Provenance", "Practitioner", "PractitionerRole")}


def played(url: str) -> list[Resource]:
    """The objects that one run printed: the steps, a summary last. It ended with 0."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIAISON_")}
    command = [str(Path(sys.executable).with_name("liaison")), "demo", "--json", "--ehr", url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def everything(url: str, type: str) -> list[Resource]:
    """All current resources of a type on that server."""
    found: list[Resource] = []
    page = f"{url}/{type}?_count=200"
    while page:
        bundle = httpx.get(page, headers={"Cache-Control": "no-cache"}, timeout=60).json()
        found += [entry["resource"] for entry in bundle.get("entry", ())]
        page = next((link["url"] for link in bundle.get("link", ()) if link["relation"] == "next"), "")
    return found


def place(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def without_room(resource: Resource) -> Resource:
    """Without the practice's own extension, which no guide of the validator has: it is the EHR's, Liaison only keeps it."""
    kept = [each for each in resource.get("extension", ()) if each["url"] != ROOM]
    return {name: value for name, value in resource.items() if name != "extension"} | ({"extension": kept} if kept else {})


def test_demo_holds_every_step_when_it_is_played_twice_on_one_server(runs: list[list[Resource]]) -> None:
    for steps in runs:
        assert [step["step"] for step in steps if not step.get("summary") and not step["ok"]] == []
        assert steps[-1]["summary"] and steps[-1]["ok"] and steps[-1]["not_played"] == []
        assert steps[-1]["ehr"] == {"Patient": 1} | OURS


def test_server_holds_one_request_and_task_a_recipient_about_the_patient_that_was_there(there: dict[str, list[Resource]]) -> None:
    assert len(there["Patient"]) == 2, "each run's practice had one, Liaison made none"
    for type in OURS:
        own = Counter((one["system"], one["value"]) for each in there[type] for one in each["identifier"])
        assert own and max(own.values()) == 1, type
    consents = {place(each): each for each in there["Consent"]}
    for patient in map(place, there["Patient"]):
        counts = {type: sum(patient in (each.get("subject", each.get("for", each.get("patient"))) or {}).values() for each in there[type]) for type in OURS}
        assert counts == OURS
        requests = [each for each in there["ServiceRequest"] if each["subject"]["reference"] == patient]
        tasks = [each for each in there["Task"] if each["for"]["reference"] == patient]
        assert sorted(each["focus"]["reference"] for each in tasks) == sorted(map(place, requests))
        named = [one["reference"] for each in requests for one in each["supportingInfo"]]
        assert len(set(named)) == 4 and all(consents[each]["patient"]["reference"] == patient for each in named)
        assert sorted(each["status"] for each in tasks) == ["accepted", "cancelled", "completed"]
    assert Counter(each["status"] for each in consents.values()) == {"active": 4, "inactive": 4}


def test_what_only_the_ehr_knows_is_intact_after_our_later_writes(there: dict[str, list[Resource]]) -> None:
    changed = [each for each in there["Task"] if "extension" in each]
    assert [each["extension"] for each in changed] == [[{"url": ROOM, "valueString": "2"}]] * 2
    assert [[note["text"] for note in each["note"]] for each in changed] == [[NOTE]] * 2
    assert [each["status"] for each in changed] == ["completed"] * 2, "Liaison wrote after the practice did"
    done = {place(each) for each in there["Procedure"]}
    assert {out["valueReference"]["reference"] for each in changed for out in each["output"]} == done


def test_what_is_read_back_claims_its_profile_and_passes_the_official_validator(
    there: dict[str, list[Resource]], official_validator: OfficialValidator
) -> None:
    ours = [each for type in OURS for each in there[type]]
    claimed = {each["resourceType"]: each["meta"]["profile"] for each in ours}
    assert all(each["meta"]["profile"] == claimed[each["resourceType"]] for each in ours)
    for type, word in (("ServiceRequest", "ServiceRequest"), ("Task", "TaskForReferralManagement"), ("Consent", "Consent"), ("Procedure", "Procedure")):
        assert any(f"SDOHCC-{word}" in profile for profile in claimed[type]), claimed
    whole = [without_room(each) for found in there.values() for each in found]
    assert official_validator.check(whole) == []
    broken = [{name: value for name, value in each.items() if name != "requester"} if each["resourceType"] == "Task" else each for each in whole]
    assert official_validator.check(broken) != [], "the bundle is looked at"
