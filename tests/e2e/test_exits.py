"""Every way out of the process, listed from the running objects themselves: a route, a verb, a label or a log key that has no
line here fails the test. Each either goes through the window (with the window shut nothing of a person comes out of it) or
carries no personal data: every personal field of the record is a token of its own, and all bytes that left are searched.
"""

from __future__ import annotations

import copy
import inspect
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
import typer
from fastapi import FastAPI
from fastapi.routing import APIRoute
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles

from adapter import logs, showing, web
from adapter.cli.program import program
from adapter.network import Secret
from adapter.ports import Decision, EhrClient
from adapter.showing import Window
from adapter.web import plain
from adapter.web.examples import code
from adapter.web.gate import Gate
from adapter.web.measured import Elapsed, Found
from tests import looping
from tests.e2e.exits import (
    BARE,
    CALLERS,
    EHR_CALLS,
    LOG_KEYS,
    LOG_NUMBERS,
    METRICS,
    NOTHING,
    NOTICE,
    OFFICER,
    RECEIPT,
    REVEALED,
    ROUTES,
    TABLES,
    TERMS,
    VERBS,
)
from tests.e2e.stage import CALL, Stage, staged

# ── tokens ───────────────────────────────────────────────────────────────────────────────────────
NAME, BORN_AS, GIVEN, BORN, PHONE, STREET, WORDS, NEED = "Zyxusage", "Zyxnatal", "Zyxprenom", "1938-02-03", "639980777", "Zyxrue", "Zyxmots", "denutrition"
EVERY = frozenset({NAME, BORN_AS, GIVEN, BORN, PHONE, STREET, WORDS, NEED})
CONTACT = frozenset({NAME, GIVEN, PHONE, STREET})
SEEN = {"coursiers": CONTACT, "saad": CONTACT, "carsat": frozenset(), "saint-eloi": EVERY}  # what each client may ever see
TYPES = ("Task", "ServiceRequest", "Patient", "Consent", "Procedure", "Communication", "Provenance", "Practitioner", "Organization", "CareTeam", "RelatedPerson")
SECRET = "a-secret-of-the-test"


def record(id: str = "appel-1", **more: Any) -> dict[str, Any]:
    made = copy.deepcopy(CALL) | {"id": id, "mots_du_medecin": f"{WORDS}: ne mange plus"} | more
    made["personne"] |= {"nom": NAME, "nom_naissance": BORN_AS, "prenom": GIVEN, "naissance": BORN, "telephone": f"+33{PHONE}"}
    made["personne"]["adresse"] |= {"ligne": f"12 {STREET}"}
    return made


def found_in(sent: bytes) -> frozenset[str]:
    """The tokens in some bytes, however letters are escaped and whatever their case."""
    text = sent.decode("utf-8", "replace").lower()
    text += re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)
    return frozenset(token for token in EVERY if token.lower() in text.replace(" ", "") or token.lower() in text)


@dataclass(frozen=True)
class Gone:
    """Bytes that left: by which exit, to whom."""

    exit: str
    to: str
    sent: bytes


class House:
    """A stage with its doors; `gone` is all that came out of them."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.asgi, self.gone = stage, web.create(stage.app), list[Gone]()
        self.tokens = {client: self.call("POST", "/oauth/token", "", "POST /oauth/token", auth=(client, SECRET), data={"grant_type": "client_credentials"}).json()["access_token"]
                       for client in SEEN}  # fmt: skip

    def call(self, method: str, path: str, client: str, exit: str, **given: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.tokens[client]}"} if client else {}

        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self.asgi), base_url="http://liaison.example") as asking:
                return await asking.request(method, path, headers=headers | given.pop("headers", {}), **given)

        answer = looping.run(send())
        self.gone.append(Gone(exit, client, answer.content + repr(sorted(answer.headers.items())).encode()))
        return answer

    def cards(self, client: str) -> list[dict[str, Any]]:
        return list(self.call("GET", f"/views/{VIEW_OF[client]}/referrals", client, "GET /views/{view}/referrals").json().get("referrals", []))

    def act(self, client: str, card: dict[str, Any], verb: str, **arguments: Any) -> httpx.Response:
        path = f"/views/{VIEW_OF[client]}/referrals/{card['id']}/{verb}"
        return self.call("POST", path, client, "POST /views/{view}/referrals/{id}/{verb}", json=arguments, headers={"if-match": f'W/"{card["etag"]}"'})

    def everywhere(self) -> None:
        """Every route, by every client, with every id of the house and of the client."""
        ids = {type: [version.id for version in self.stage.app.read_now(lambda _, uow, type=type: uow.search(showing.Query(type)))] for type in TYPES}
        for client, view in VIEW_OF.items():
            own = [card["id"] for card in self.cards(client)]
            notices = self.call("GET", f"/views/{view}/notices", client, "GET /views/{view}/notices").json().get("notices", [])
            for reference in [each["reference"] for each in notices] or ["K7-42M"]:
                self.call("POST", f"/views/{view}/notices/{reference}/acknowledge", client, "POST /views/{view}/notices/{reference}/acknowledge")
            self.call("GET", f"/views/{view}/owed", client, "GET /views/{view}/owed")
            self.call("GET", f"/views/{view}/appointments", client, "GET /views/{view}/appointments")
            for id in [*own, "none"]:
                self.call("POST", f"/views/{view}/appointments", client, "POST /views/{view}/appointments", json={"rdv": "x", "user": "1", "referral": id})
            for id in [*own, *ids["Task"]]:
                self.call("GET", f"/views/{view}/referrals/{id}", client, "GET /views/{view}/referrals/{id}")
                for verb in ("accept", "none"):
                    self.call("POST", f"/views/{view}/referrals/{id}/{verb}", client, "POST /views/{view}/referrals/{id}/{verb}", json={})
            for type in TYPES:
                bundle = self.call("GET", f"/fhir/{type}", client, "GET /fhir/{type}").json()
                self.call("POST", f"/fhir/{type}/_search", client, "POST /fhir/{type}/_search", data={"_id": "x"})
                self.call("POST", f"/fhir/{type}", client, "POST /fhir/{type}", json={"resourceType": type})
                self.call("POST", f"/fhir/{type}/$validate", client, "POST /fhir/{type}/$validate", json={"resourceType": type})
                self.call("PUT", f"/fhir/{type}?_id=x", client, "PUT /fhir/{type}", json={"resourceType": type})
                self.call("GET", f"/fhir/{type}/_history", client, "GET /fhir/{type}/_history")
                for id in [*ids[type], *(each["resource"]["id"] for each in bundle.get("entry", ()))]:
                    self.call("GET", f"/fhir/{type}/{id}", client, "GET /fhir/{type}/{id}")
                    self.past(client, type, id)
            self.call("GET", "/intake/appel-coursier/appel-1", client, "GET /intake/{mapping}/{record}")
            self.call("POST", "/intake/appel-coursier/appel-1/agreements", client, "POST /intake/{mapping}/{record}/agreements", json={"who": "nobody"})
            self.call("POST", "/intake/appel-coursier", client, "POST /intake/{mapping}", json=record(urgence="jamais"))
            for path in ("/health/live", "/health/ready", "/metrics", "/docs", "/docs/collection.json", "/openapi.json", "/fhir/metadata", "/fhir/.well-known/smart-configuration"):
                self.call("GET", path, client, f"GET {path}")
            self.tables(client)
            self.call("GET", "/fhir/Subscription/none/$status", client, "GET /fhir/Subscription/{id}/$status")
            self.call("POST", "/hooks/none", client, "POST /hooks/{hook}", json={"resourceType": "Bundle"})
            self.call("POST", "/hooks/rdv/permanence-saint-eloi", client, "POST /hooks/rdv/{unit}", json={"data": {}})
            for path in ("introspect", "revoke"):
                self.call("POST", f"/oauth/{path}", "", f"POST /oauth/{path}", data={"token": "none"}, auth=(client, SECRET))


    def tables(self, client: str) -> None:
        """The code tables by every door that they have."""
        for type, (operation, place, id) in TERMS.items():
            asked = {each["name"]: each.get("valueUri") or each["valueCode"] for each in code(type)["parameter"]}
            self.call("GET", f"/fhir/{type}", client, f"GET /fhir/{type}")
            self.call("GET", f"/fhir/{type}/{id}", client, f"GET /fhir/{type}/{place}")
            self.call("GET", f"/fhir/{type}/${operation}", client, f"GET /fhir/{type}/${operation}", params=asked)
            self.call("POST", f"/fhir/{type}/${operation}", client, f"POST /fhir/{type}/${operation}", json=code(type))

    def past(self, client: str, type: str, id: str) -> None:
        """What was, and writes that change nothing: each of the interactions on one resource."""
        place, there = f"/fhir/{type}/{id}", "/fhir/{type}/{id}"
        history = self.call("GET", f"{place}/_history", client, f"GET {there}/_history").json()
        for number in [1, *(each["resource"]["meta"]["versionId"] for each in history.get("entry", ()) if "resource" in each)]:
            self.call("GET", f"{place}/_history/{number}", client, f"GET {there}/_history/{{version}}")
        stale = {"if-match": 'W/"987654"'}
        self.call("PUT", place, client, f"PUT {there}", json={"resourceType": type, "id": id}, headers=stale)
        self.call("PATCH", place, client, f"PATCH {there}", content=b"[]", headers=stale | {"content-type": "application/json-patch+json"})
        self.call("DELETE", place, client, f"DELETE {there}", headers=stale)
        asked = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}} for url in (f"{type}/{id}", f"{type}/{id}/_history", type)]}
        for base in ("/fhir", "/fhir/"):
            self.call("POST", base, client, f"POST {base}", json=asked)


VIEW_OF = {"coursiers": "coursier-dac-asso", "saad": "saad", "carsat": "as-carsat", "saint-eloi": "prescripteur"}


@contextmanager
def opened(tmp_path: Path, database: str = "sqlite://") -> Iterator[House]:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    with staged(database) as stage:
        network = stage.app.network
        clients = tuple(replace(each, secret=Secret(file=str(file)), scopes=(*each.scopes, "intake")) for each in network.clients)
        stage.app.apply_network(replace(network, clients=clients))
        yield House(stage)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path) as made:
        yield made


def played(house: House) -> None:
    """The story through the doors: both agree, accepted, a further service, a question, an answer, the EHR, a withdrawal."""
    names = [{"use": "official", "family": BORN_AS, "given": [GIVEN]}, {"use": "usual", "family": NAME, "given": [GIVEN]}]
    house.stage.ehr.plant({"resourceType": "Patient", "id": "known", "name": names, "gender": "female", "birthDate": BORN})
    yes = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}
    agreed = {"accord_medecin": yes, "accord_patient": yes}
    for id in ("appel-1", "appel-2"):
        assert house.call("POST", "/intake/appel-coursier", "coursiers", "POST /intake/{mapping}", json=record(id, **agreed)).status_code == 201
    house.stage.push()
    for card in house.cards("coursiers"):
        house.act("coursiers", card, "accept")
    first, second = house.cards("coursiers")
    further = {"destinataire": "saad-portage", "besoins": [NEED], "service": "portage-repas", "contraintes": ["marche-aide"], "accord_patient": yes}
    assert house.act("coursiers", first, "refer", **further).status_code == 200
    for card in house.cards("saad"):
        house.act("saad", card, "accept")
    house.act("coursiers", house.cards("coursiers")[0], "start")
    house.act("coursiers", house.cards("coursiers")[0], "message", text="vu ce matin")
    house.stage.push()
    house.stage.pull()
    house.act("coursiers", next(each for each in house.cards("coursiers") if each["id"] == second["id"]), "withdraw", heard_by="coursier-lea")
    house.stage.push()


# ── the lists are whole ──────────────────────────────────────────────────────────────────────────
CONTAINERS = (Starlette, FastAPI, Router)  # what holds routes and answers nothing else of its own


def routes_of(application: Any, prefix: str = "") -> Iterator[str]:
    """"METHOD /path" of every plain route; anything that may answer and is none, nor a container that we know, by its class."""
    for layer in getattr(application, "user_middleware", ()):
        yield f"middleware {layer.cls.__name__}"
    router = getattr(application, "router", application)
    if getattr(router.default, "__func__", None) is not Router.not_found:
        yield f"default of {type(application).__name__}"
    for route in application.routes:
        path = prefix + getattr(route, "path", "")
        if type(route) is Mount and isinstance(route.app, CONTAINERS):
            yield from routes_of(route.app, path)
        elif type(route).__name__ == "_IncludedRouter" and type(route).__module__ == "fastapi.routing":
            yield from routes_of(route.original_router, path)
        elif type(route) in (Route, APIRoute) and (inspect.isfunction(route.endpoint) or type(route.endpoint) is plain.Door) and route.methods:
            yield from (f"{method} {path}" for method in route.methods - {"HEAD"})
        else:
            yield f"{type(route).__name__} {path}"


def test_every_route_has_a_line_in_the_table(house: House) -> None:
    assert type(house.asgi) is Gate and type(house.asgi.inner) is Starlette
    assert set(routes_of(house.asgi.inner)) == set(ROUTES)
    (described,) = (route.app for route in house.asgi.inner.routes if isinstance(route, Mount))
    plain = [each for route in house.asgi.inner.routes if route.app is not described for each in routes_of(Router([route]))]
    assert len(plain) == len(set(plain)), "the second of two routes with one path answers nothing, or something else"


class Door(HTTPEndpoint):
    async def get(self, request: Any) -> Any: ...


async def anything(*_: Any) -> None: ...


@pytest.mark.parametrize("planted", [
    lambda: Mount("/files", StaticFiles(directory=str(Path(__file__).parent))), lambda: Mount("/raw", anything), lambda: WebSocketRoute("/socket", anything),
    lambda: Route("/class", Door), lambda: Route("/metrics", Door, methods=["GET"]), lambda: Route("/plain", anything), lambda: Host("away.example", Router()),
    lambda: Mount("/more", Router([Route("/plain", anything)])), lambda: Mount("/more", Starlette(routes=[WebSocketRoute("/socket", anything)])),
    lambda: Mount("/more", Starlette(middleware=[Middleware(anything)])), lambda: Mount("/more", Router(default=anything)),
])  # fmt: skip
def test_a_route_of_any_other_kind_has_no_line_in_the_table(planted: Any, house: House) -> None:
    """A folder of files, an application of its own, a socket, a class: each would be a way out that is on no list."""
    for application in (house.asgi.inner, next(route.app for route in house.asgi.inner.routes if isinstance(route, Mount))):
        application.router.routes.append(planted())
        assert set(routes_of(house.asgi.inner)) - set(ROUTES)
        application.router.routes.pop()
    assert set(routes_of(house.asgi.inner)) == set(ROUTES)


def verbs_of(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from verbs_of(inner, (*path, name))
    else:
        yield " ".join(path)


def test_every_verb_has_a_class_in_the_table() -> None:
    assert set(verbs_of(typer.main.get_command(program()))) == set(VERBS)
    assert {kind for kind, _ in VERBS.values()} <= {OFFICER, BARE, CALLERS, REVEALED}
    assert [verb for verb, (_, words) in VERBS.items() if not words] == ["fake-ehr", "sandbox down", "sandbox up", "serve", "worker"]


def test_every_metric_and_every_label_has_a_line_in_the_table() -> None:
    ours = {each._name: set(each._labelnames) for each in REGISTRY._collector_to_names if hasattr(each, "_labelnames")}
    synchronised = {each.name: set(each._labelnames) for each in (*Found([]).collect(), *Elapsed({}).collect())}
    assert ours | synchronised == METRICS


def test_every_key_of_a_log_line_has_a_line_in_the_table() -> None:
    assert set(logs._TEXTS) == LOG_KEYS and set(logs._NUMBERS) == LOG_NUMBERS


@pytest.mark.parametrize("value", sorted({*EVERY, f"{NAME} {GIVEN}", f"{NAME}.py:3", f"push-{NAME}-ehr"}))
def test_no_key_of_a_log_line_takes_a_word_of_a_person(value: str) -> None:
    written = logs.allowed(dict.fromkeys([*LOG_KEYS, *LOG_NUMBERS, "name", "message"], value))
    assert set(written.values()) <= {"other", len(LOG_NUMBERS) + 2}
    digits = re.sub(r"\D", "", value)
    assert len(digits) < 8 or logs.allowed(dict.fromkeys(LOG_NUMBERS, int(digits))) == {"dropped": len(LOG_NUMBERS)}


def test_keys_of_the_network_file_are_written_once_it_was_read(house: House) -> None:
    keys = {"client": "saint-eloi", "ehr": "msp-saint-eloi", "job": "pull-msp-saint-eloi-ehr"}
    assert house.stage.app.network.client("saint-eloi") and logs.allowed(keys) == keys


def test_every_call_to_an_ehr_has_a_line_in_the_table() -> None:
    assert {name for name in vars(EhrClient) if not name.startswith("_") and callable(vars(EhrClient)[name])} == EHR_CALLS


# ── nothing comes out but through the window ─────────────────────────────────────────────────────
def test_nothing_of_a_person_comes_out_of_any_route_when_the_window_is_shut(house: House) -> None:
    played(house)
    house.gone.clear()
    shut = Decision(False, "no-permit", "shut")
    with mock.patch.object(showing, "decide", lambda *_, **__: shut), mock.patch.object(Window, "limited", lambda *_: None):
        house.everywhere()
        house.stage.push()
    assert {each.exit for each in house.gone} | {"POST /oauth/token"} == set(ROUTES)
    assert [(each.exit, each.to, sorted(found)) for each in house.gone if ROUTES[each.exit] != TABLES and (found := found_in(each.sent))] == []


def test_code_tables_are_the_same_to_the_byte_whoever_is_in_the_house(house: House) -> None:
    def given(client: str) -> list[tuple[str, bytes]]:
        house.gone.clear()
        house.tables(client)
        return [(each.exit, each.sent.partition(b"[('")[0]) for each in house.gone]  # without the headers, which name the request

    before = given("coursiers")
    played(house)
    assert given("coursiers") == given("saint-eloi") == before
    assert {exit for exit, _ in before} == {exit for exit, why in ROUTES.items() if why == TABLES}


def test_window_that_is_open_shows_each_client_what_its_view_lists_and_no_more(house: House) -> None:
    """Without this the test above could pass on a house that shows nothing at all."""
    played(house)
    house.everywhere()
    seen: dict[str, frozenset[str]] = {}
    for each in (one for one in house.gone if ROUTES[one.exit] != TABLES):
        seen[each.to] = seen.get(each.to, frozenset()) | found_in(each.sent)
    assert seen.pop("") == frozenset()
    assert seen == SEEN
    bare = [(each.exit, sorted(found)) for each in house.gone if ROUTES[each.exit] in (NOTHING, NOTICE, RECEIPT) and (found := found_in(each.sent))]
    assert bare == []


# ── canary: all bytes that left ──────────────────────────────────────────────────────────────────
def test_letters_logs_and_urls_carry_no_token_but_the_search_for_the_patient(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    written = io.StringIO()
    logs.configure("debug", clock=house.stage.clock, stream=written)
    try:
        played(house)
        house.everywhere()
    finally:
        logs.structlog.reset_defaults()
    said = capsys.readouterr()
    assert not found_in((written.getvalue() + said.out + said.err).encode())
    assert {type for type in ("Task", "ServiceRequest", "Consent") if len(house.stage.ehr.all(type)) >= 2} == {"Task", "ServiceRequest", "Consent"}
    assert {each["status"] for each in house.stage.ehr.all("Task")} >= {"cancelled"}  # letters did leave, the withdrawal too
    for each in house.stage.ehr.requests:
        assert not found_in(each.path.encode() + repr(dict(each.headers)).encode()), each.path
        looked_for = each.method == "POST" and each.path.endswith("/Patient/_search")
        assert found_in(each.body.encode()) <= (frozenset({NAME, BORN_AS, GIVEN, BORN}) if looked_for else frozenset()), (each.method, each.path)


def test_tokens_are_found_however_they_are_written() -> None:
    """The search itself: what it would miss, the tests above would miss."""
    for sent in (b"x ZYXUSAGE y", json.dumps({"a": NAME}).encode(), b"06 39 98 07 77".replace(b"06", b"+33 6"), b'"birthDate":"1938-02-03"'):
        assert found_in(sent), sent
    assert not found_in(b"nothing of anybody")
