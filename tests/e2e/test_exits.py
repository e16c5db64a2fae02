"""Every way out of the process, listed from the running objects themselves: a route, a verb, a label or a log key that has no
line here fails the test. Each either goes through the window (with the window shut nothing of a person comes out of it) or
carries no personal data: every personal field of the record is a token of its own, and all bytes that left are searched.
"""

from __future__ import annotations

import asyncio
import copy
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
from prometheus_client import REGISTRY

from adapter import logs, showing, web
from adapter.cli.program import program
from adapter.network import Secret
from adapter.ports import Decision, EhrClient
from adapter.showing import Window
from adapter.store import upgrade
from tests.e2e.desk import Desk
from tests.e2e.stage import CALL, Stage, staged

# ── the table of exits ───────────────────────────────────────────────────────────────────────────
WINDOW = "what a view and the Consent let through"
OWN = "a clinic's software: what it wrote itself (Window.limited)"
RECEIPT = "reference, state and dates, for the sender of the record"
NOTICE = "a spoken reference (declared exception)"
NOTHING = "nothing of a person"
ROUTES = {
    "POST /oauth/token": NOTHING, "GET /fhir/metadata": NOTHING, "GET /health/live": NOTHING, "GET /health/ready": NOTHING, "GET /metrics": NOTHING,
    "GET /docs": NOTHING, "GET /docs/oauth2-redirect": NOTHING, "GET /openapi.json": NOTHING,
    "GET /fhir/{type}/{id}": OWN, "GET /fhir/{type}": OWN, "POST /fhir/{type}/_search": OWN, "POST /fhir/{type}": OWN,
    "POST /intake/{mapping}": RECEIPT, "POST /intake/{mapping}/{record}/agreements": RECEIPT,
    "GET /views/{view}/referrals": WINDOW, "GET /views/{view}/referrals/{id}": WINDOW, "POST /views/{view}/referrals/{id}/{verb}": WINDOW,
    "GET /views/{view}/owed": WINDOW, "GET /views/{view}/notices": NOTICE, "POST /views/{view}/notices/{reference}/acknowledge": NOTICE,
}  # fmt: skip
ELSEWHERE = "works on what its caller gives it, or on no store"
VERBS = {
    "audit verify": ["audit", "verify"], "audit checkpoint": ["audit", "checkpoint"], "audit key": ["audit", "key"], "audit export": ["audit", "export"],
    "audit search": ["audit", "search"], "audit purge": ["audit", "purge"], "consent explain": ["consent", "explain", "--who", "coursier-rouen", "--what", "TASK"], "db check": ["db", "check"],
    "db upgrade": ["db", "upgrade"], "dpo key": ["dpo", "key", "FOLDER/other.key"], "dpo report": ["dpo", "report"], "network show": ["network", "show", "--json"],
    "person why": ["person", "why", "TASK"], "person erase": ["person", "erase", "TASK", "--yes"], "sync push": ["sync", "push"], "sync pull": ["sync", "pull"],
    "sync status": ["sync", "status"], "team show": ["team", "show", "TASK"],
    "team recognise": ["team", "recognise", "TASK", "as-ines", "--heard-by", "coursier-lea", "--how", "telephone", "--informed"],
    "team leave": ["team", "leave", "TASK", "as-ines", "--heard-by", "coursier-lea"],
    "consent check": ELSEWHERE, "demo": ELSEWHERE, "fake-ehr": ELSEWHERE, "init": ELSEWHERE, "map check": ELSEWHERE, "map list": ELSEWHERE, "map try": ELSEWHERE,
    "network apply": ELSEWHERE, "sandbox down": ELSEWHERE, "sandbox status": ELSEWHERE, "sandbox up": ELSEWHERE, "serve": ELSEWHERE, "validate": ELSEWHERE,
    "worker": ELSEWHERE,
}  # fmt: skip
METRICS = {"liaison_requests": {"route", "method", "status"}, "liaison_request_seconds": {"route"}}
LOG_KEYS = {
    "ehr", "state", "reason", "rule", "type", "method", "request_id", "job", "mapping", "view", "client", "unit", "error", "kind", "logger", "host", "route",
    "where", "until",
}  # fmt: skip
EHR_CALLS = {"capability", "read", "search", "create", "update", "patch", "transaction"}  # all in `adapter.sync`, which asks `Window.letter`

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

        answer = asyncio.run(send())
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
            for id in [*own, *ids["Task"]]:
                self.call("GET", f"/views/{view}/referrals/{id}", client, "GET /views/{view}/referrals/{id}")
                for verb in ("accept", "none"):
                    self.call("POST", f"/views/{view}/referrals/{id}/{verb}", client, "POST /views/{view}/referrals/{id}/{verb}", json={})
            for type in TYPES:
                bundle = self.call("GET", f"/fhir/{type}", client, "GET /fhir/{type}").json()
                self.call("POST", f"/fhir/{type}/_search", client, "POST /fhir/{type}/_search", data={"_id": "x"})
                self.call("POST", f"/fhir/{type}", client, "POST /fhir/{type}", json={"resourceType": type})
                for id in [*ids[type], *(each["resource"]["id"] for each in bundle.get("entry", ()))]:
                    self.call("GET", f"/fhir/{type}/{id}", client, "GET /fhir/{type}/{id}")
            self.call("POST", "/intake/appel-coursier/appel-1/agreements", client, "POST /intake/{mapping}/{record}/agreements", json={"who": "nobody"})
            self.call("POST", "/intake/appel-coursier", client, "POST /intake/{mapping}", json=record(urgence="jamais"))
            for path in ("/health/live", "/health/ready", "/metrics", "/docs", "/docs/oauth2-redirect", "/openapi.json", "/fhir/metadata"):
                self.call("GET", path, client, f"GET {path}")


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
def routes_of(application: Any, prefix: str = "") -> Iterator[str]:
    for route in getattr(application, "routes", None) or ():
        if getattr(route, "methods", None):
            yield from (f"{method} {prefix}{route.path}" for method in route.methods - {"HEAD"})
        else:
            yield from routes_of(getattr(route, "original_router", route), prefix + getattr(route, "path", ""))


def test_every_route_has_a_line_in_the_table(house: House) -> None:
    assert set(routes_of(house.asgi.inner)) == set(ROUTES)  # type: ignore[attr-defined]


def verbs_of(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from verbs_of(inner, (*path, name))
    else:
        yield " ".join(path)


def test_every_verb_has_a_line_in_the_table() -> None:
    assert set(verbs_of(typer.main.get_command(program()))) == set(VERBS)


def test_every_metric_and_every_label_has_a_line_in_the_table() -> None:
    ours = {each._name: set(each._labelnames) for each in REGISTRY._collector_to_names if hasattr(each, "_labelnames")}
    assert ours == METRICS


def test_every_key_of_a_log_line_has_a_line_in_the_table() -> None:
    assert set(logs._TEXTS) == LOG_KEYS
    assert not logs.allowed({"ehr": f"{NAME} {GIVEN}", "name": NAME, "message": WORDS, "count": NAME, "where": STREET}).keys() & LOG_KEYS


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
    assert [(each.exit, each.to, sorted(found)) for each in house.gone if (found := found_in(each.sent))] == []


def test_window_that_is_open_shows_each_client_what_its_view_lists_and_no_more(house: House) -> None:
    """Without this the test above could pass on a house that shows nothing at all."""
    played(house)
    house.everywhere()
    seen: dict[str, frozenset[str]] = {}
    for each in house.gone:
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


def test_no_verb_prints_a_word_of_a_person(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'liaison.db'}"
    upgrade(url)
    with opened(tmp_path, url) as house:
        played(house)
        desk = Desk(house.stage, tmp_path)
        task = f"Task/{house.stage.app.read_now(lambda _, uow: uow.search(showing.Query('Task')))[0].id}"
        desk.run("dpo", "key", str(tmp_path / "officer.key"))
        order = sorted((verb for verb, words in VERBS.items() if words != ELSEWHERE), key=lambda verb: (verb == "person erase", verb != "audit key", verb))
        for verb in order:
            words = [each.replace("TASK", task).replace("FOLDER", str(tmp_path)) for each in VERBS[verb]]
            result = desk.run(*words)
            text = result.output + str(result.exception or "")
            codes = frozenset({NEED}) if verb == "network show" else frozenset[str]()  # the needs that a unit takes
            assert found_in(text.encode()) <= codes, (verb, sorted(found_in(text.encode())))
            assert result.exit_code in (0, 1), (verb, text)
        files = [file for file in tmp_path.iterdir() if file.is_file() and not file.name.startswith("liaison.db")]
        assert len(files) > 4 and not any(found_in(file.read_bytes()) for file in files)


def test_tokens_are_found_however_they_are_written() -> None:
    """The search itself: what it would miss, the tests above would miss."""
    for sent in (b"x ZYXUSAGE y", json.dumps({"a": NAME}).encode(), b"06 39 98 07 77".replace(b"06", b"+33 6"), b'"birthDate":"1938-02-03"'):
        assert found_in(sent), sent
    assert not found_in(b"nothing of anybody")
