"""A social service's own software answers a referral on `/fhir`, by the Task that it was shown and no further (workflow.md 2 and 6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter.network import Secret
from adapter.ports import Query
from tests.e2e.stage import Stage, staged
from tests.unit.web.conftest import SECRET, Door
from tests.unit.web.test_interactions import issue

SYSTEM = "https://liaison.example/CodeSystem"
PATCH = "application/json-patch+json"
ACTIVITY = {"coding": [{"system": "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes", "code": "resulting-activity"}]}
SCOPES = {"coursiers": ("system/*.rus", "intake", "views"), "saad": ("system/*.rus", "views"), "carsat": ("system/*.rs", "views")}


class Service:
    """The own software of a social service, on its only Task."""

    def __init__(self, door: Door, client: str = "coursiers") -> None:
        self.door, self.headers = door, door.token(client)

    def __call__(self, method: str, path: str, body: Any = None, media: str = "application/fhir+json", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {} if body is None else {"Content-Type": media}
        return self.door(method, f"/fhir/{path}", content=None if body is None else json.dumps(body), headers=self.headers | sent | named)

    def task(self) -> dict[str, Any]:
        (entry,) = self("GET", "Task").json()["entry"]
        return dict(entry["resource"])

    def put(self, task: dict[str, Any], **changed: Any) -> httpx.Response:
        return self("PUT", f"Task/{task['id']}", task | changed, if_match=f'W/"{task["meta"]["versionId"]}"')


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "secret").write_text(SECRET)
    with staged() as found:
        network = found.app.network
        secret = Secret(file=str(tmp_path / "secret"))
        clients = tuple(replace(each, secret=secret, scopes=SCOPES.get(each.id, each.scopes)) for each in network.clients)
        found.app.apply_network(replace(network, clients=clients))
        yield found


@pytest.fixture
def service(stage: Stage) -> Service:
    stage.sent()
    return Service(Door(stage))


def reason(code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{SYSTEM}/status-reason", "code": code}]}


def stored(stage: Stage, type: str = "Task") -> list[dict[str, Any]]:
    return [json.loads(each.served) for each in stage.app.read_now(lambda _, uow: uow.search(Query(type)))]


def test_target_accepts_starts_and_completes_by_its_own_task(service: Service, stage: Stage) -> None:
    accepted = service.put(service.task(), status="accepted")
    assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted") and "Zyxdurand" in service("GET", "Patient").text
    started = service.put(accepted.json(), status="in-progress")
    assert stored(stage)[0]["status"] == started.json()["status"] == "in-progress"
    output = [{"type": ACTIVITY, "valueCodeableConcept": {"coding": [{"system": f"{SYSTEM}/outcome", "code": "aide-en-place"}]}}]
    done = service.put(started.json(), status="completed", output=output)
    assert done.status_code in (200, 204), done.text
    (task,), (procedure,) = stored(stage), stored(stage, "Procedure")
    assert task["status"] == "completed" and task["output"][-1]["valueReference"]["reference"] == f"Procedure/{procedure['id']}"


def test_target_declines_with_a_code_and_a_patch_does_as_well(service: Service, stage: Stage) -> None:
    task = service.task()
    bare = service.put(task, status="rejected")
    assert (bare.status_code, issue(bare)["expression"]) == (422, ["Task.statusReason"])
    steps = [{"op": "replace", "path": "/status", "value": "rejected"}, {"op": "add", "path": "/statusReason", "value": reason("beneficiaire-non-eligible")}]
    gone = service("PATCH", f"Task/{task['id']}", steps, PATCH, if_match=f'W/"{task["meta"]["versionId"]}"')
    assert gone.status_code in (200, 204), gone.text
    assert stored(stage)[0]["status"] == "rejected" and stored(stage, "ServiceRequest")[0]["status"] == "revoked"


def test_target_says_how_far_it_has_come_and_gives_up_after_the_third_no_show(service: Service, stage: Stage) -> None:
    task = service.put(service.task(), status="accepted").json()
    for code in ("rdv-fixe", "absent-1", "absent-2", "absent-3"):
        said = service.put(task, businessStatus={"coding": [{"system": f"{SYSTEM}/business-status", "code": code}]})
        assert said.status_code == 200, said.text
        task = said.json()
        assert (task["status"], task["businessStatus"]["coding"][0]["code"]) == ("accepted", code)
    gone = service.put(task, status="cancelled", statusReason=reason("beneficiaire-absent"))
    assert gone.status_code in (200, 204), gone.text
    assert (stored(stage)[0]["status"], stored(stage, "Consent")[0]["status"]) == ("cancelled", "inactive")


def test_nothing_but_the_move_is_taken_and_nothing_is_written_when_refused(service: Service, stage: Stage) -> None:
    task, before = service.task(), stored(stage)
    for changed, place in (
        ({"priority": "stat", "status": "accepted"}, "Task.priority"), ({"note": [{"text": "Zyxmots"}]}, "Task.note"), ({"owner": {"reference": "Organization/x"}}, "Task.owner"),
        ({"status": "cancelled"}, "Task.statusReason"), ({"status": "failed"}, "Task.status"), ({"status": "completed"}, "Task.output"), ({"statusReason": reason("beneficiaire-absent")}, "Task.status"),
        ({"status": "completed", "output": [{"type": ACTIVITY, "valueCodeableConcept": {"coding": [{"system": f"{SYSTEM}/outcome", "code": "zyx"}]}}]}, "outcome"),
    ):  # fmt: skip
        refused = service.put(task, **changed)
        assert (refused.status_code, issue(refused)["expression"]) == (422, [place]), changed
        assert "Zyxmots" not in refused.text
    shorter = {name: part for name, part in task.items() if name != "priority"}
    assert issue(service.put(shorter, status="accepted"))["expression"] == ["Task.priority"]
    assert stored(stage) == before
    assert service.put(task).json() == task and stored(stage) == before  # as it was read: nothing to do


def test_tag_is_needed_and_an_old_one_is_told(service: Service) -> None:
    task = service.task()
    assert service("PUT", f"Task/{task['id']}", task | {"status": "accepted"}).status_code == 428
    assert service.put(task, status="accepted").status_code == 200
    assert service.put(task, status="in-progress").status_code == 412
    assert service("PUT", "Task/other", task, if_match='W/"1"').status_code in (400, 404)


def test_another_services_task_is_as_one_that_is_not_there_and_a_scope_is_needed_M_13(service: Service, stage: Stage) -> None:
    task, other = service.task(), Service(Door(stage), "saad")
    tag = f'W/"{task["meta"]["versionId"]}"'
    answers = [other("PUT", f"Task/{id}", task | {"id": id, "status": "accepted"}, if_match=tag) for id in (task["id"], "absent-1", stored(stage)[0]["id"])]
    assert {each.status_code for each in answers} == {404} and len({each.content for each in answers}) == 1
    reader = Service(Door(stage), "carsat")
    refused = reader("PUT", f"Task/{task['id']}", task, if_match=tag)
    assert (refused.status_code, issue(refused)["details"]["coding"][0]["code"]) == (403, "scope")


def test_withdrawn_agreement_closes_the_door_of_the_target_too_C_E4(service: Service, stage: Stage) -> None:
    task = service.put(service.task(), status="accepted").json()
    stage.agree("patient", agreed=False)
    assert service.put(task, status="in-progress").status_code == 404
