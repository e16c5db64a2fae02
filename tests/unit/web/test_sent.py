"""What a referral is on `/fhir` once it is there: what is not kept of it, what nobody may change any more, whom the agreement has to name."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from adapter.ports import Change
from tests.bench.specimens import specimen
from tests.e2e.stage import COURSIER, GP, Stage
from tests.unit.web.conftest import Door
from tests.unit.web.test_interactions import Clinic, issue, patient


@pytest.fixture
def clinic(door: Door) -> Clinic:
    return Clinic(door)


# ── what is not kept ─────────────────────────────────────────────────────────────────────────────
WORDS = {"description": "Zyxmots", "note": [{"text": "Zyxmots"}]}


def test_free_text_of_a_task_is_not_kept_its_sender_is_warned_and_the_register_says_where(clinic: Clinic, stage: Stage) -> None:
    _, _, task = clinic.referral(**WORDS)
    place = f"Task/{task['id']}"
    assert not {"description", "note"} & task.keys() and b"Zyxmots" not in clinic("GET", place).content
    told = clinic("PUT", place, task | WORDS, prefer="return=OperationOutcome").json()["issue"]
    assert [(each["severity"], each["expression"]) for each in told] == [("warning", ["Task.description"]), ("warning", ["Task.note"])]
    assert clinic("GET", place).json()["meta"]["versionId"] == "1"  # nothing that is kept changed
    added = clinic("PATCH", place, b'[{"op":"add","path":"/description","value":"Zyxmots"}]', "application/json-patch+json")
    assert "description" not in added.json()
    events = [row.event for row in stage.app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))]
    assert len([each for each in events if b"intake-dropped" in each and b"Task.description" in each]) == 3
    assert not any(b"Zyxmots" in each for each in events)


def test_text_of_a_request_is_kept(clinic: Clinic) -> None:
    _, request, _ = clinic.referral()
    assert clinic("PUT", f"ServiceRequest/{request['id']}", request | {"note": [{"text": "Zyxmots"}]}).json()["note"] == [{"text": "Zyxmots"}]


OURS = "https://liaison.example/CodeSystem"


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://example.org/other", "code": "zyx"}, {"system": system, "code": code}]}


@pytest.mark.parametrize(("element", "system", "code", "at", "says"), [
    ("reasonCode", f"{OURS}/need", "zyxmisspelt", "reasonCode[0].coding[1].code", "denutrition"),
    ("orderDetail", f"{OURS}/constraint", "zyx", "orderDetail[0].coding[1].code", "fauteuil"), ("code", f"{OURS}/service", "zyx", "code.coding[1].code", "portage-repas"),
    ("reasonCode", f"{OURS}/zyxneeds", "denutrition", "reasonCode[0].coding[1].system", "need"),
])  # fmt: skip
def test_code_of_ours_that_no_table_has_is_refused_where_it_stands(clinic: Clinic, element: str, system: str, code: str, at: str, says: str) -> None:
    _, request, _ = clinic.referral()
    one = concept(system, code)
    refused = clinic("PUT", f"ServiceRequest/{request['id']}", request | {element: one if element == "code" else [one]})
    told = issue(refused)
    assert (refused.status_code, told["code"], told["expression"]) == (422, "code-invalid", [f"ServiceRequest.{at}"])
    assert says in told["diagnostics"] and "zyx" not in refused.text


def test_need_that_a_consent_limits_itself_to_is_one_of_ours(clinic: Clinic) -> None:
    person, _, _ = clinic.referral()
    agreed = specimen("Consent") | {"patient": {"reference": f"Patient/{person['id']}"}}
    wrong = agreed | {"provision": agreed["provision"] | {"code": [concept(f"{OURS}/need", "zyx")]}}
    assert issue(clinic("POST", "Consent", wrong))["expression"] == ["Consent.provision.code[0].coding[1].code"]
    assert clinic("POST", "Consent", agreed).status_code == 201


def test_code_that_stood_there_before_its_table_lost_it_stops_nothing(clinic: Clinic, stage: Stage) -> None:
    _, request, _ = clinic.referral()
    old = request | {"reasonCode": [concept(f"{OURS}/need", "zyx-of-before")]}
    change = Change("update", "ServiceRequest", request["id"], old, origin="device")
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [change]))
    place = f"ServiceRequest/{request['id']}"
    assert clinic("PUT", place, clinic("GET", place).json() | {"priority": "asap"}).status_code == 200


# ── what a referral holds once it is sent ────────────────────────────────────────────────────────
def patched(clinic: Clinic, place: str, *operations: tuple[str, str, Any]) -> httpx.Response:
    steps = [{"op": op, "path": path} | ({} if op == "remove" else {"value": value}) for op, path, value in operations]
    return clinic("PATCH", place, steps, "application/json-patch+json")


@pytest.fixture
def sent(clinic: Clinic, stage: Stage) -> dict[str, str]:
    stage.sent()
    return {type: f"{type}/{clinic('GET', type).json()['entry'][0]['resource']['id']}" for type in ("Task", "ServiceRequest", "Consent")}


def test_agreement_has_to_name_the_recipient_or_nothing_is_sent(clinic: Clinic) -> None:
    """Else nobody would ever see it, and nobody be told."""
    person, request, task = clinic.referral()
    subject = {"reference": f"Patient/{person['id']}"}
    other = specimen("Consent") | {"patient": subject}
    other["provision"]["actor"][0]["reference"] = {"reference": "Organization/saad-seine"}
    for consent, status in ((other, 422), (specimen("Consent") | {"patient": subject}, 200)):
        made = clinic.made(consent)
        named = request | {"supportingInfo": [{"reference": f"Consent/{made['id']}"}], "status": "active"}
        assert clinic("PUT", f"ServiceRequest/{request['id']}", named).status_code == 200
        answer = clinic("PUT", f"Task/{task['id']}", task | {"status": "requested"})
        assert answer.status_code == status, answer.text
        if status == 422:
            assert (issue(answer)["details"]["coding"][0]["code"], issue(answer)["expression"]) == ("agreement", ["Task.owner"])


def test_request_that_was_sent_ends_once_and_is_no_draft_again(clinic: Clinic, sent: dict[str, str]) -> None:
    place = sent["ServiceRequest"]
    for status in ("draft", "completed", "unknown"):
        refused = patched(clinic, place, ("replace", "/status", status))
        assert (refused.status_code, issue(refused)["details"]["coding"][0]["code"]) == (422, "illegal-move"), status
    assert patched(clinic, place, ("replace", "/status", "on-hold")).status_code == 200
    assert patched(clinic, place, ("replace", "/status", "revoked")).status_code == 200
    for status in ("active", "draft", "completed"):
        assert patched(clinic, place, ("replace", "/status", status)).status_code == 422, status


def test_answer_of_the_recipient_is_not_the_clinics_to_change(clinic: Clinic, stage: Stage, sent: dict[str, str]) -> None:
    for verb, arguments in (("accept", {}), ("complete", {"outcome": "aide-en-place"})):
        (shown,) = stage.cards(COURSIER, "coursier-dac-asso")
        stage.act(COURSIER, "coursier-dac-asso", shown, verb, **arguments)
    (done,) = clinic("GET", "Procedure").json()["entry"]
    before = clinic("GET", sent["Task"]).json()
    assert patched(clinic, f"Procedure/{done['resource']['id']}", ("replace", "/status", "not-done")).status_code == 403
    for path, value in (("/output", [{"type": {"text": "x"}, "valueString": "Zyxmots"}]), ("/priority", "stat")):
        refused = patched(clinic, sent["Task"], ("replace", path, value))
        assert (refused.status_code, issue(refused)["details"]["coding"][0]["code"]) == (422, "frozen"), path
    assert clinic("GET", sent["Task"]).json() == before
    wrong = (("replace", "/status", "entered-in-error"), ("add", "/statusReason", {"text": "x"}))
    assert patched(clinic, sent["Task"], *wrong).status_code == 200


def test_condition_in_place_of_a_reference_is_for_transactions(clinic: Clinic) -> None:
    clinic.made(patient())
    for value in ("Patient?identifier=urn:ipp|7", "Patient?identifier=https://clinic.example/sid|7"):
        refused = clinic("POST", "Condition", {"resourceType": "Condition", "subject": {"reference": value}})
        assert (refused.status_code, issue(refused)["details"]["coding"][0]["code"]) == (422, "reference"), value


def test_validate_takes_no_parameters_in_its_address(clinic: Clinic) -> None:
    for query in ("profile=http://example.org/p", "mode=delete", "zyx=1"):
        refused = clinic("POST", f"Patient/$validate?{query}", patient())
        assert (refused.status_code, issue(refused)["code"]) == (400, "not-supported"), query
    assert clinic("POST", "Patient/$validate?_format=json", patient()).status_code == 200


def test_codes_of_a_missing_tag_and_of_a_wrong_media_type_are_their_own(clinic: Clinic) -> None:
    assert issue(clinic("POST", "Patient", patient(), "text/plain"))["details"]["coding"][0]["code"] == "wrong-type"
