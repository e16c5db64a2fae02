"""/openapi.json says what the doors take and answer, and /docs shows it without anything of anybody else's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest

from adapter.fhir import details
from adapter.views.load import VERBS
from adapter.web import docs
from adapter.web.create import ROUTERS
from adapter.web.described import DOORS, PATH, REFUSALS, described
from adapter.web.plain import routes
from adapter.web.shapes import ACTS, ARGUMENTS
from tests.e2e.stage import staged
from tests.openapi import SNAPSHOT, document, written
from tests.unit.web.test_doors import Door

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    return document()


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with staged() as stage:
        yield Door(stage)


def operations(said: dict[str, Any]) -> list[Operation]:
    return [(method.upper(), path, operation) for path, methods in said["paths"].items() for method, operation in methods.items()]


def refs(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from [part["$ref"]] if "$ref" in part else []
        part = list(part.values())
    for each in part if isinstance(part, list) else ():
        yield from refs(each)


def test_openapi_is_the_one_of_the_snapshot(said: dict[str, Any]) -> None:
    assert written(said) == SNAPSHOT.read_text("utf-8"), "if this change is meant: python -m tests.openapi, and commit the snapshot"


def test_every_door_is_described_and_nothing_else(said: dict[str, Any]) -> None:
    served = {(method, route.path) for route in routes(ROUTERS) for method in route.methods or ()} - {("POST", "/fhir/")}  # the base twice
    assert {(method, path) for method, path, _ in operations(said)} == served == set(DOORS)
    with pytest.raises(KeyError):
        described({"paths": {"/new": {"get": {}}}})


def test_operations_name_their_parameters_bodies_and_refusals_and_nothing_that_is_not_there(said: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in json.dumps(said)
    for ref in refs(said):
        assert ref.rpartition("/")[2] in said["components"]["schemas"]
    for method, path, operation in operations(said):
        named = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
        assert sorted(named) == sorted(re.findall(r"{(\w+)}", path)) and len({each["name"] for each in operation["parameters"]}) == len(operation["parameters"])
        assert all(each["description"] and each["required"] for each in operation["parameters"] if each["in"] == "path")
        for status, answer in operation["responses"].items():
            assert answer["description"]
            if int(status) >= 400 and not path.startswith("/oauth/") and path != "/health/ready":
                media = ["application/fhir+json", *(["application/fhir+xml"] if path.startswith("/fhir") else [])]
                assert answer["content"] == {each: {"schema": {"$ref": "#/components/schemas/OperationOutcome"}} for each in media}
        assert ("requestBody" in operation) == (method in ("POST", "PUT", "PATCH") and not path.endswith("/acknowledge"))
        assert operation["summary"]


def test_doors_that_ask_for_a_token_are_those_that_are_said_to(said: dict[str, Any], door: Door) -> None:
    for method, path, operation in operations(said):
        filled = re.sub(r"{(\w+)}", lambda found: "Task" if found[1] == "type" else "x", path)
        form = path.endswith("_search") or path.startswith("/oauth/")
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        body = b"" if form or method == "GET" else json.dumps({"resourceType": "Task"}).encode()
        status = door(method, filled, content=body, headers={"Content-Type": kind} if body or form else {}).status_code
        by = [{"client": []}] if path in ("/oauth/introspect", "/oauth/revoke") else [{"bearer": []}]  # /oauth/token looks at the grant first
        by = [{"signature": []}] if path.startswith("/hooks/rdv/") else [{"hook": []}] if path.startswith("/hooks/") else by
        assert (status == 401) == (operation["security"] == by), (method, path, status)
        if status >= 400:
            assert str(status) in operation["responses"], (method, path, status)


def test_every_act_has_an_example_of_known_arguments_and_codes() -> None:
    assert set(ACTS) == set(VERBS) == set(PATH["verb"]["enum"])
    assert set().union(*ACTS.values()) <= ARGUMENTS.keys()
    with staged() as stage:
        terms, network = stage.app.terms, stage.app.network
    tables = {"outcome": "outcome", "question": "question", "answer": "answer", "how": "agreement-way"}
    for verb, example in ACTS.items():
        found = [(tables[name], code) for name, code in example.items() if name in tables]
        found += [("urgency-reason" if verb == "urgency" else "status-reason", example["reason"])] if "reason" in example else []
        found += [("need", need) for need in [*example.get("besoins", ()), *example.get("needs", ())]]
        assert not [pair for pair in found if pair[1] not in terms[pair[0]]]
        assert all(network.person(example[name]) for name in ("heard_by", "person") if name in example)
        assert "destinataire" not in example or network.unit(example["destinataire"])


# ── the page ─────────────────────────────────────────────────────────────────────────────────────
def test_docs_page_shows_every_door_and_act_and_loads_nothing(said: dict[str, Any], door: Door) -> None:
    answer = door("GET", "/docs")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    html = answer.text
    for method, path, operation in operations(said):
        assert f"<code>{method} {escape(path)}</code> {escape(operation['summary'])}" in html
    for verb in VERBS:
        assert f"<p>{verb}</p><pre>" in html
    assert not re.findall(r"<script|<link|<img|<iframe|@import|url\(|\ssrc=|javascript:", html)
    linked = re.findall(r'href="([^"]*)"', html)
    assert {each for each in linked if not each.startswith("#")} == {"openapi.json", "fhir/metadata", "docs/collection.json"}
    assert {each[1:] for each in linked if each.startswith("#")} <= set(re.findall(r'id="([^"]*)"', html))
    for said_of in (*details.CODES, *REFUSALS):
        assert f"<td><code>{said_of}</code></td>" in html
    assert door("GET", "/openapi.json").json()["paths"].keys() == said["paths"].keys()
    assert door("GET", "/docs/oauth2-redirect").status_code == 404


def test_docs_page_escapes_what_it_shows(said: dict[str, Any]) -> None:
    evil = "<script>alert(1)</script>"
    changed = json.loads(json.dumps(said).replace("Read one resource", evil)) | {"info": {"title": evil, "version": evil, "description": evil}}
    html = docs.page(changed)
    assert "<script" not in html and html.count(escape(evil)) >= 4


def test_docs_page_is_one_document_of_closed_tags(said: dict[str, Any]) -> None:
    html = docs.page(said | {"info": said["info"] | {"version": "1"}})
    assert html.startswith("<!doctype html><html lang=")
    for tag in ("table", "tr", "td", "details", "summary", "main", "pre", "code", "h3"):
        assert len(re.findall(rf"<{tag}[ >]", html)) == html.count(f"</{tag}>") > 0, tag


def test_snapshot_is_kept_beside_this_test() -> None:
    assert Path(__file__).with_name("openapi.json") == SNAPSHOT
