"""/docs/collection.json, run as Postman runs it: request after request, each answered as the OpenAPI document says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter.cli.init import NETWORK
from adapter.network import Secret, parse
from adapter.web.collection import VARIABLES
from adapter.web.described import DOORS
from tests.e2e.stage import staged
from tests.unit.web.conftest import SECRET, Door


class Runner:
    """As much of Postman as the collection asks for: variables, inherited auth, and scripts that keep a part of the answer."""

    def __init__(self, door: Door, found: dict[str, Any]) -> None:
        self.door, self.found = door, found
        self.variables = {each["key"]: each["value"] for each in found["variable"]}

    def filled(self, text: str) -> str:
        return re.sub(r"{{(\w+)}}", lambda found: self.variables[found[1]], text)

    def send(self, item: dict[str, Any]) -> httpx.Response:
        asked, given = item["request"], dict[str, Any]()
        given["headers"] = {each["key"]: self.filled(each["value"]) for each in asked["header"]}
        auth = asked.get("auth", self.found["auth"])
        said = {each["key"]: self.filled(each["value"]) for each in auth.get(auth["type"], [])}
        if auth["type"] == "bearer":
            given["headers"]["Authorization"] = f"Bearer {said['token']}"
        elif auth["type"] == "basic":
            given["auth"] = (said["username"], said["password"])
        if body := asked.get("body"):
            if body["mode"] == "raw":
                given["content"] = self.filled(body["raw"]).encode()
            else:
                given["data"] = {each["key"]: self.filled(each["value"]) for each in body["urlencoded"]}
        answer = self.door(asked["method"], self.filled(asked["url"]["raw"]), **given)
        for line in (line for event in item.get("event", []) for line in event["script"]["exec"]):
            self.keep(line, answer)
        return answer

    def keep(self, line: str, answer: httpx.Response) -> None:
        found = re.fullmatch(r'pm\.collectionVariables\.set\("(\w+)", pm\.response\.(?:json\(\)\.(.+)|headers\.get\("(.+)"\))\);', line)
        assert found, line
        value: Any = answer.headers[found[3]] if found[3] else answer.json()
        for step in re.findall(r"\w+", found[2] or ""):
            value = value[int(step) if step.isdigit() else step]
        self.variables[found[1]] = value


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    """In the network that `liaison init` makes."""
    file = tmp_path / "secret"
    file.write_text(SECRET)
    with staged() as stage:
        network = parse(NETWORK)
        stage.app.apply_network(replace(network, clients=tuple(replace(each, secret=Secret(file=str(file))) for each in network.clients)))
        door = Door(stage)
        found = Runner(door, door("GET", "/docs/collection.json").json())
        found.variables |= {"secret": SECRET}
        yield found


def items(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for each in found["item"]:
        yield from items(each) if "item" in each else [each]


def asked(item: dict[str, Any]) -> str:
    return f"{item['request']['method']} {item['request']['url']['raw']}"


def test_every_request_is_answered_well_and_as_described_and_so_when_it_is_run_again(runner: Runner) -> None:
    document = runner.door("GET", "/openapi.json").json()
    said = {operation["summary"]: set(operation["responses"]) for methods in document["paths"].values() for operation in methods.values()}
    for turn in range(2):
        for item in items(runner.found):
            answer = runner.send(item)
            assert str(answer.status_code) in said[item["name"]], f"{turn}: {asked(item)}: {answer.status_code} {answer.text[:600]}"
            none = "{{notice}}" in asked(item) or "$status" in asked(item) or asked(item) == "POST {{base}}/views/prescripteur/appointments"
            expected = answer.status_code == 404 if none else answer.status_code < 300
            assert expected, f"{turn}: {asked(item)}: {answer.status_code} {answer.text[:600]}"


def test_there_is_one_request_for_every_door_and_every_variable_is_used(runner: Runner) -> None:
    every = list(items(runner.found))
    assert len(every) == len([door for door in DOORS.values() if door.by not in ("hook", "signature")]) == len({each["name"] for each in every})
    text = str(runner.found)
    assert set(re.findall(r"{{(\w+)}}", text)) == set(VARIABLES) == {each["key"] for each in runner.found["variable"]}
    assert SECRET not in text and runner.variables["base"] == "http://127.0.0.1:8600"
    assert runner.found["info"]["schema"].endswith("/v2.1.0/collection.json")
