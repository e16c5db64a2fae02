"""Self-referral (SDOHCC refer-7): a person asks by a platform, without a doctor, of a unit that takes it so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter.network import ClientEntry, Organisation, Secret
from adapter.ports import Resource
from tests.e2e.direct import consent
from tests.e2e.records import only
from tests.e2e.stage import CARSAT, Stage, staged
from tests.unit.web.conftest import SECRET, Door

PLATFORM = "plateforme-exemple"
TAKING, NOT_TAKING = "permanence-saint-eloi", "coursier-rouen"
ADDITIONAL = {"coding": [{"system": "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes", "code": "additional-content"}]}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "secret").write_text(SECRET)
    secret = Secret(file=str(tmp_path / "secret"))
    with staged() as found:
        now = found.app.network
        units = {each.key: tuple(replace(unit, self_referrals=unit.key == TAKING) for unit in each.units) for each in now.organisations}
        platform = Organisation(PLATFORM, "clinic", "Plateforme fictive", "prescripteur", platform=True)
        client = ClientEntry("plateforme", PLATFORM, role="clinic", secret=secret, scopes=("system/*.cruds",))
        organisations = (*(replace(each, units=units[each.key]) for each in now.organisations), platform)
        clients = (*(replace(each, secret=secret) for each in now.clients), client)
        found.app.apply_network(replace(now, organisations=organisations, clients=clients))
        yield found


def bundle(**changed: Any) -> Resource:
    """What a platform posts. `changed`: elements by type."""
    subject, organisation = {"reference": "urn:uuid:patient"}, {"reference": f"Organization/{PLATFORM}"}
    resources: dict[str, Resource] = {
        "Patient": {"name": [{"family": "Zyxdemande", "given": ["Anne"]}], "birthDate": "1980-01-01", "gender": "female", "managingOrganization": organisation},
        "Consent": {name: part for name, part in consent("Organization/carsat-normandie").items() if name != "id"} | {"patient": subject, "organization": [organisation]},
        "QuestionnaireResponse": {"status": "completed", "subject": subject},
        "ServiceRequest": {"status": "active", "intent": "order", "subject": subject, "requester": subject, "supportingInfo": [{"reference": "urn:uuid:consent"}],
                           "performer": [{"reference": f"HealthcareService/{TAKING}"}], "code": {"coding": [{"system": "http://snomed.info/sct", "code": "308440001"}]},
                           "reasonCode": [{"coding": [{"system": "https://liaison.example/CodeSystem/need", "code": "acces-droits"}]}]},
        "Task": {"status": "requested", "intent": "order", "authoredOn": "2026-03-06T18:50:00+01:00", "requester": organisation, "for": subject,
                 "code": {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]},
                 "owner": {"reference": f"HealthcareService/{TAKING}"}, "focus": {"reference": "urn:uuid:servicerequest"},
                 "input": [{"type": ADDITIONAL, "valueReference": {"reference": f"urn:uuid:{each}"}} for each in ("servicerequest", "questionnaireresponse")]},
    }  # fmt: skip
    made = [{"resourceType": type} | resource | changed.get(type, {}) for type, resource in resources.items()]
    entries = [{"fullUrl": f"urn:uuid:{each['resourceType'].lower()}", "resource": each, "request": {"method": "POST", "url": each["resourceType"]}} for each in made]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def posted(stage: Stage, client: str = "plateforme", **changed: Any) -> httpx.Response:
    door = Door(stage)
    return door("POST", "/fhir", json=bundle(**changed), headers=door.token(client))


def test_person_who_asks_by_a_platform_reaches_the_unit_and_it_sees_its_view_only(stage: Stage) -> None:
    answer = posted(stage)
    assert answer.status_code == 200, answer.text
    shown = only(stage.cards(CARSAT, "as-carsat"))
    assert shown.card["state"] == "requested" and "questionnaire" not in json.dumps(shown.resources).lower()


TO_COURIERS = {"reference": f"HealthcareService/{NOT_TAKING}"}
SAINT_ELOI = {"reference": "Organization/msp-saint-eloi"}


@pytest.mark.parametrize(("changed", "place"), [
    ({"Task": {"owner": TO_COURIERS}, "ServiceRequest": {"performer": [TO_COURIERS]}}, "Task.owner"),
    ({"ServiceRequest": {"requester": {"reference": f"Organization/{PLATFORM}"}}}, "ServiceRequest.requester"),
    ({"ServiceRequest": {"requester": {"reference": "https://ehr.example/Patient/7"}}}, "ServiceRequest.requester"),
    ({"Task": {"input": [{"type": ADDITIONAL, "valueReference": {"reference": "urn:uuid:servicerequest"}}]}}, "Task.input"),
    ({"Task": {"input": [{"type": ADDITIONAL, "valueReference": {"reference": "urn:uuid:questionnaireresponse"}}]}}, "Task.input"),
    ({"Consent": {"status": "proposed"}}, "Task.status"),
    ({"ServiceRequest": {"supportingInfo": [{"display": "none"}]}}, "Task.status"),
])  # fmt: skip
def test_what_is_no_self_referral_is_refused_at_the_door_and_leaves_nothing(stage: Stage, changed: dict[str, Any], place: str) -> None:
    answer = posted(stage, **changed)
    assert answer.status_code == 422 and answer.json()["issue"][0]["expression"] == [f"Bundle.entry[4].{place}"], answer.text
    assert stage.cards(CARSAT, "as-carsat") == []


def test_clinic_that_is_no_platform_cannot_send_what_a_person_asks(stage: Stage) -> None:
    own = {"Patient": {"managingOrganization": SAINT_ELOI}, "Consent": {"organization": [SAINT_ELOI]}}
    answer = posted(stage, "saint-eloi", **own, Task={"requester": SAINT_ELOI})
    assert answer.status_code == 422 and "platform" in answer.text
    for asking in ("https://ehr.example/Patient/7", "#p"):  # nor by an address, nor within
        asked = {"requester": {"reference": asking}} | ({"contained": [{"resourceType": "Patient", "id": "p"}]} if asking == "#p" else {})
        answer = posted(stage, "saint-eloi", **own, Task={"requester": SAINT_ELOI}, ServiceRequest=asked)
        assert answer.status_code == 422 and "platform" in answer.text, answer.text
    answer = posted(stage, "saint-eloi", **own, Task={"requester": SAINT_ELOI}, ServiceRequest={"requester": SAINT_ELOI})
    assert answer.status_code == 200, answer.text
