"""Numbers of persons and of the trade at the door of `/fhir` (france.md 1.2, 1.3, 1.6). All persons are invented."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from adapter.identity.reliability import RELIABILITY
from adapter.names import FINESS, NIR
from adapter.ports import Query
from tests.bench.specimens import specimen
from tests.e2e.stage import CLINIC as HOUSE
from tests.e2e.stage import Stage
from tests.unit.identity.numbers import keyed
from tests.unit.web.conftest import Door
from tests.unit.web.test_interactions import Clinic, patient

FR = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
REAL, FAKE = keyed("2680276540001"), "123456789012244"


@pytest.fixture
def clinic(door: Door) -> Clinic:
    return Clinic(door)


def authorised(stage: Stage, *, sandbox: bool = False) -> None:
    network = stage.app.network
    houses = (
        replace(each, nir_authorised="fictif", ehr=replace(each.ehr, sandbox=sandbox) if each.ehr else None) if each.key == HOUSE else each
        for each in network.organisations
    )
    stage.app.apply_network(replace(network, organisations=tuple(houses)))


def ins(value: str = REAL, code: str = "INS-NIR", system: str = NIR) -> dict[str, Any]:
    return {"system": system, "value": value, "type": {"coding": [{"system": FR, "code": code}]}}


def sure(code: str = "VALI") -> list[dict[str, Any]]:
    return [{"url": RELIABILITY, "extension": [{"url": "identityStatus", "valueCoding": {"code": code}}]}]


def post(clinic: Clinic, *identifiers: dict[str, Any], status: str = "VALI", **more: Any) -> httpx.Response:
    own = {"system": "urn:ipp", "value": "7"}
    person = patient(identifier=[own, *identifiers], extension=sure(status), **more)
    return clinic("POST", "Patient", person, Prefer="return=OperationOutcome")


def issues(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(each["severity"], each.get("expression", [""])[0]) for each in answer.json().get("issue", ()) if each["severity"] != "information"]


def kept(stage: Stage) -> list[tuple[dict[str, Any], bytes]]:
    return [(json.loads(each.served), each.received) for each in stage.app.read_now(lambda _, uow: uow.search(Query("Patient")))]


def test_ins_of_an_identity_that_is_not_qualified_is_kept_out_of_both_forms_and_told(stage: Stage, clinic: Clinic) -> None:
    authorised(stage)
    answer = post(clinic, ins(), status="PROV")
    assert answer.status_code == 201 and issues(answer) == [("warning", "Patient.identifier[1]")]
    ((served, received),) = kept(stage)
    assert REAL not in json.dumps(served) and REAL.encode() not in received and b'"7"' in received
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=1000))
    assert any(b"intake-dropped" in row.event and b"Patient.identifier[1]" in row.event for row in rows) and not any(REAL.encode() in row.event for row in rows)


def test_ins_of_a_qualified_identity_is_kept(stage: Stage, clinic: Clinic) -> None:
    authorised(stage)
    assert issues(post(clinic, ins())) == [] and REAL in json.dumps(kept(stage)[0][0])


def test_wrong_key_is_refused_in_production_and_a_warning_for_a_sandbox(stage: Stage, clinic: Clinic) -> None:
    authorised(stage)
    refused = post(clinic, ins(FAKE))
    assert refused.status_code == 422 and issues(refused) == [("error", "Patient.identifier[1]")] and FAKE not in refused.text
    authorised(stage, sandbox=True)
    taken = post(clinic, ins(FAKE))
    assert taken.status_code == 201 and issues(taken) == [("warning", "Patient.identifier[1]")] and FAKE not in taken.text


@pytest.mark.parametrize("identifier", [ins(code="PI"), {"system": NIR, "value": REAL}, {"system": "1.2.250.1.213.1.4.8", "value": "C98765"}, ins("1", "NH", "https://clinic.example/nss")])
def test_without_a_basis_a_number_without_type_or_under_another_name_is_refused_too(clinic: Clinic, identifier: dict[str, Any]) -> None:
    answer = post(clinic, identifier)
    assert answer.status_code == 422 and ("error", "Patient.identifier[1]") in issues(answer) and str(identifier["value"]) not in answer.json()["issue"][0].get("diagnostics", "")


def test_ins_of_tests_is_refused_in_production(stage: Stage, clinic: Clinic) -> None:
    authorised(stage, sandbox=True)
    assert issues(post(clinic, ins(FAKE, "INS-NIR-TEST", f"{NIR[:-1]}10"))) == [("error", "Patient.identifier[1]")]


def test_ins_c_is_never_kept_whoever_sends_it(stage: Stage, clinic: Clinic) -> None:
    answer = post(clinic, ins("1234567890123456789012", "INS-C", f"{NIR[:-1]}2"))
    assert answer.status_code == 201 and "1234567890123456789012" not in json.dumps(kept(stage)[0][0]) + kept(stage)[0][1].decode()


def test_a_system_of_the_wild_is_served_under_its_one_name_and_kept_as_it_came(stage: Stage, clinic: Clinic) -> None:
    wild = {"system": "http://finess.sante.gouv.fr", "value": "540002698"}
    answer = clinic("POST", "Patient", patient(identifier=[wild]))
    assert answer.json()["identifier"] == [wild | {"system": FINESS}]
    ((_, received),) = kept(stage)
    assert b"http://finess.sante.gouv.fr" in received and FINESS.encode() not in received
    for name in ("http://finess.sante.gouv.fr", "http://finess.esante.gouv.fr", FINESS):
        assert clinic("GET", f"Patient?identifier={name}|540002698").json()["entry"][0]["resource"]["id"] == answer.json()["id"]
    again = clinic("PUT", f"Patient/{answer.json()['id']}", answer.json() | {"identifier": [wild]})
    assert again.json()["meta"]["versionId"] == "1", "the same under another name is no change"


def test_profiles_and_towns_refuse_nothing(clinic: Clinic) -> None:
    meta = {"profile": ["http://sas.fr/fhir/StructureDefinition/FrPatient", "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient|9.9"]}
    answer = clinic("POST", "Patient", patient(meta=meta, address=[{"city": "92140 CLAMART", "country": "99100"}]), Prefer="return=OperationOutcome")
    assert answer.status_code == 201 and issues(answer) == [("warning", "Patient.address[0].city")]


def test_wrong_number_of_a_doctor_in_a_request_is_refused(stage: Stage, clinic: Clinic) -> None:
    authorised(stage, sandbox=False)
    person = clinic.made(patient())
    request = {name: part for name, part in specimen("ServiceRequest").items() if name != "supportingInfo"} | {"subject": {"reference": f"Patient/{person['id']}"}}
    named = {"identifier": {"system": "http://rpps.esante.gouv.fr", "value": "10003461033"}}
    answer = clinic("POST", "ServiceRequest", request | {"performer": [named]})
    assert answer.status_code == 422 and issues(answer) == [("error", "ServiceRequest.performer[0].identifier")] and "10003461033" not in answer.text
