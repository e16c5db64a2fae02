"""The doors given what nobody should send: seeded changes of bodies, forms, queries and headers, through the ASGI application.
Whatever comes, the answer is below 500, an OperationOutcome when it is a refusal (at /oauth/token the error of RFC 6749), and
repeats no value of what was sent. A few hundred in CI, more under the nightly profile."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter import fhir, web
from adapter.audit.verifying import verified
from adapter.clock import FrozenClock
from adapter.network import Secret
from adapter.ports import Query
from tests.e2e.stage import CALL, Stage, staged

ROUNDS = 4000 if os.environ.get("LIAISON_TEST_PROFILE") == "nightly" else 150
SECRET, TOKEN = "a-secret-of-the-test", "Qzwtoken"
KEYS = (TOKEN, f"_{TOKEN}", TOKEN.lower(), f"Mme {TOKEN}")  # as the name of a member: it may be somebody's, so it is not repeated either
KEY = KEYS[-1]
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1e300, 2**63, "", " ", TOKEN, TOKEN * 400, "\x00", "\u202e", "é" * 50, "9999-99-99", "2026-02-30T25:61:00+99:00", "0001-01-01", [], {},
    [[]], [None], [TOKEN], {KEY: TOKEN}, {TOKEN: TOKEN}, {"": {}}, [{"a": [1]}] * 3, "Patient/../Task", "a|b|c", "$", "%00", "\ud7ff\ue000", "-0", "2026-03-06T18:50:00",
)  # fmt: skip
HEADERS = (
    "", '"', "W/", 'W/""', "*", "W/\"1\", W/\"2\"", "é", "\xff", TOKEN, "0" * 2000, "en;q=nan", "fr-FR, *;q=0.5", "identifier=|", "identifier=a|b&identifier=c|d",
    "identifier", "?identifier=" + TOKEN, "identifier=%00|%ff", "Bearer", "Bearer \t", "Basic !!!", "Basic Og==", "Basic /w==", "Digest x", "application/xml", "*/*;q=0",
)  # fmt: skip
NAMES = ("_id", "identifier", "status", "owner", "authored-on", "subject", "patient", "_lastUpdated", "_count", "_sort", "_include", "name", "birthdate", "code", *KEYS, "colour", "")
VALUES = (
    "", ",", "|", "a|", "|a", "\\", "ge2026", "gt", "2026-13-45", "sa0001-01-01", "99999999999999999999", "-1", "0", "Patient/", "Patient/x/y", "%", "\x00",
    TOKEN, "é" * 300, "http://[", "true", "null", "eq", "1e999", "$,\\|", "a" * 9000,
)  # fmt: skip
MODIFIERS = ("", ":not", ":exact", ":missing", ":" + KEY, ":" + TOKEN, ":colour", ":", ".x", ":Patient.name", ":missing:not")


class Knocker:
    """All doors of one Liaison, and whatever a caller may send to them."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.asgi, self.asked = stage, web.create(stage.app), 0
        self.loop = asyncio.new_event_loop()

    def bearer(self, client: str) -> str:
        form = f"grant_type=client_credentials&client_id={client}&client_secret={SECRET}".encode()
        return "Bearer " + self.ask("POST", "/oauth/token", "", form).json()["access_token"]

    def ask(self, method: str, path: str, token: str = "", body: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None) -> httpx.Response:
        """One call; headers are bytes, for a caller may send any."""
        self.asked += 1
        sent = [*(headers or []), *([(b"authorization", token.encode())] if token else [])]

        async def call() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self.asgi, raise_app_exceptions=True), base_url="http://liaison.example") as client:
                return await client.send(httpx.Request(method, "http://liaison.example" + path, content=body, headers=sent))

        return self.loop.run_until_complete(call())


class Street(Knocker):
    """The same with a token for each kind of caller, and one referral."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.tokens = {name: self.bearer(name) for name in ("coursiers", "saint-eloi")}
        self.task = self.ask("POST", "/intake/appel-coursier", self.tokens["coursiers"], json.dumps(call()).encode()).json()["referrals"][0]["task"]

    def sane(self, answer: httpx.Response, what: str) -> None:
        """Never a 5xx; a refusal is an OperationOutcome that names what is wrong and repeats no value."""
        assert answer.status_code < 500, f"{what}: {answer.status_code} {answer.text}"
        if answer.status_code >= 400:
            xml = answer.headers["content-type"] == "application/fhir+xml"  # some ask for it
            assert xml or answer.headers["content-type"] == "application/fhir+json", what
            found = json.loads(fhir.from_xml(answer.content) if xml else answer.content)
            assert found["resourceType"] == "OperationOutcome" and found["issue"], what
            assert all(each["severity"] in ("error", "fatal") and each["code"] and each["diagnostics"] for each in found["issue"]), what
            assert TOKEN.lower() not in answer.text.lower(), f"{what}: {answer.text}"


def call(**changed: Any) -> dict[str, Any]:
    yes = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}
    return copy.deepcopy(CALL) | {"accord_medecin": yes, "accord_patient": yes} | changed


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    file = Path(tmp_path_factory.mktemp("street")) / "secret"
    file.write_text(SECRET)
    with staged() as stage:
        network = stage.app.network
        stage.app.apply_network(replace(network, clients=tuple(replace(each, secret=Secret(file=str(file))) for each in network.clients)))
        assert isinstance(stage.clock, FrozenClock)  # so that no token expires on the way
        found = Street(stage)
        yield found
        found.loop.close()


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, each in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(each, (*path, key))


def changed(chance: random.Random, tree: Any) -> Any:
    """The tree with one to three of its places replaced, removed, doubled or given a member more."""
    tree = copy.deepcopy(tree)
    for _ in range(chance.randint(1, 3)):
        path = chance.choice([each for each in places(tree) if each] or [()])
        if not path:
            return chance.choice(ODD)
        above = tree
        for step in path[:-1]:
            above = above[step]
        what = chance.randrange(4)
        if what == 0:
            del above[path[-1]]
        elif what == 1 and isinstance(above, list):
            above.append(copy.deepcopy(above[path[-1]]))
        elif what == 2 and isinstance(above, dict):
            above[chance.choice([*KEYS, "colour", "", "extension", "é", "resourceType", "id", "meta", "_" + str(path[-1])])] = copy.deepcopy(chance.choice(ODD))
        else:
            above[path[-1]] = copy.deepcopy(chance.choice(ODD))
    return tree


def bent(chance: random.Random, body: bytes) -> bytes:
    """The bytes, mostly as they are; some cut, with a byte changed, or with a pair doubled."""
    what = chance.randrange(8)
    if what == 0:
        return body[: chance.randrange(len(body) + 1)]
    if what == 1 and body:
        at = chance.randrange(len(body))
        return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
    return body


def written(chance: random.Random, tree: Any) -> bytes:
    return bent(chance, json.dumps(tree, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass"))


def headers(chance: random.Random, *names: str) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), chance.choice(HEADERS).encode("latin-1")) for name in names if chance.random() < 0.7]


def test_intake_answers_whatever_comes_by_an_outcome_below_500(street: Street) -> None:
    chance, statuses = random.Random(1), set()
    for turn in range(ROUNDS):
        body = written(chance, changed(chance, call(id=f"fuzz-{turn}")))
        mapping = chance.choice(["appel-coursier"] * 5 + ["fiche-st-eloi", "demande-complementaire", TOKEN, "..%2f", "%00"])
        answer = street.ask("POST", f"/intake/{mapping}", street.tokens["coursiers"], body, headers(chance, "idempotency-key", "accept-language", "x-request-id"))
        street.sane(answer, f"turn {turn}: {mapping} {body[:2000]!r}")
        statuses.add(answer.status_code)
    assert {201, 400, 404, 422} <= statuses, "the changes reach the document, and some records are good"


def test_agreements_answer_whatever_comes_by_an_outcome_below_500(street: Street) -> None:
    chance, statuses = random.Random(2), set()
    said = {"who": "patient", "agreed": True, "heard_by": "coursier-lea", "how": "telephone", "at": "2026-03-06T18:50:00+01:00", "given_by": {"capacity": "parent", "name": TOKEN}}
    for turn in range(ROUNDS):
        who = said | {"who": chance.choice(["patient", "doctor"])}
        if turn % 25 == 0:
            street.ask("POST", "/intake/appel-coursier", street.tokens["coursiers"], json.dumps(dict(CALL, id=f"draft-{turn}")).encode())
        record = chance.choice([f"draft-{turn - turn % 25}"] * 6 + ["absent", "%00", "a%2fb"])
        answer = street.ask("POST", f"/intake/appel-coursier/{record}/agreements", street.tokens["coursiers"], body := written(chance, changed(chance, who)))
        street.sane(answer, f"turn {turn}: {record} {body[:500]!r}")
        statuses.add(answer.status_code)
    assert {200, 400, 404, 422} <= statuses


def test_view_acts_answer_whatever_comes_by_an_outcome_below_500(street: Street) -> None:
    chance, statuses, done = random.Random(3), set(), set()
    view, coursiers = "/views/coursier-dac-asso/referrals", street.tokens["coursiers"]
    heard = {"heard_by": "coursier-lea", "how": "telephone", "at": "2026-03-06T18:50:00+01:00"}
    said = {
        "decline": {"reason": "mauvaise-orientation"}, "complete": {"outcome": "aide-alimentaire-en-place"}, "ask": {"question": "coordonnees"}, "message": {"text": "Vu ce matin."},
        "withdraw": heard, "inform": heard, "confirm": heard, "narrow": heard | {"needs": ["isolement"]}, "oppose": heard | {"against": "recipient"},
        "refer": {"besoins": ["denutrition"], "urgence": "48h", "destinataire": "saad-portage", "cabinet_informe": "oui"},
    }  # fmt: skip
    acts = sorted(street.stage.app.views["coursier-dac-asso"].writes)
    ids, card = {each["id"] for each in street.ask("GET", view, coursiers).json()["referrals"]}, ""
    for turn in range(ROUNDS * 2):
        if turn % 10 == 0:
            made = street.ask("POST", "/intake/appel-coursier", coursiers, json.dumps(call(id=f"act-{turn}")).encode())
            assert made.status_code == 201
            listed = {each["id"] for each in street.ask("GET", view, coursiers).json()["referrals"]}
            fresh, ids = listed - ids, listed
            card = min(fresh, default=card)  # none is fresh where the call made a referral that an earlier turn had ended
        tag = street.ask("GET", f"{view}/{card}", coursiers).headers.get("etag", "W/")
        sent = headers(chance, "accept-language") + ([(b"if-match", tag.encode())] if chance.random() < 0.85 else headers(chance, "if-match"))
        id, act = chance.choice([card] * 9 + ["absent", "%00"]), chance.choice([*acts * 3, "erase", TOKEN])
        good = said.get(act, {})
        body = b"" if chance.random() < 0.1 else written(chance, changed(chance, good) if chance.random() < 0.6 else good)
        answer = street.ask("POST", f"{view}/{id}/{act}", coursiers, body, sent)
        street.sane(answer, f"turn {turn}: {act} {body[:1500]!r}")
        statuses.add(answer.status_code)
        done |= {act} if answer.status_code < 300 else set()
    assert {200, 204, 400, 404, 412, 422, 428} <= statuses, statuses
    assert len(done) > 5, f"the changes reach the acts: {done}"


def test_fhir_create_answers_whatever_comes_by_an_outcome_below_500(street: Street) -> None:
    chance, statuses, clinic = random.Random(4), set(), street.tokens["saint-eloi"]
    seeds = []
    for type in ("Task", "ServiceRequest", "Consent", "Patient"):
        entries = street.ask("GET", f"/fhir/{type}", clinic).json().get("entry", [])
        seeds += [entry["resource"] for entry in entries[:2]]
    assert {each["resourceType"] for each in seeds} == {"Task", "ServiceRequest", "Consent", "Patient"}
    for turn in range(ROUNDS):
        seed = {name: each for name, each in chance.choice(seeds).items() if name not in ("id", "meta")}
        type = chance.choice([seed["resourceType"]] * 8 + ["Task", "Nothing", "%00"])
        body = written(chance, changed(chance, seed) if chance.random() < 0.9 else seed)
        answer = street.ask("POST", f"/fhir/{type}", clinic, body, headers(chance, "if-none-exist", "accept", "prefer"))
        street.sane(answer, f"turn {turn}: {type} {body[:2000]!r}")
        statuses.add(answer.status_code)
    assert {201, 400, 404} <= statuses


def test_fhir_search_answers_whatever_is_asked_by_an_outcome_below_500(street: Street) -> None:
    chance, statuses, clinic = random.Random(5), set(), street.tokens["saint-eloi"]
    for turn in range(ROUNDS * 2):
        params = [(chance.choice(NAMES) + chance.choice(MODIFIERS * 1 if chance.random() < 0.4 else ("",)), chance.choice(VALUES)) for _ in range(chance.randint(1, 3))]
        asked = str(httpx.QueryParams(params))
        type = chance.choice(["Task", "ServiceRequest", "Patient", "Consent", "Practitioner", "Nothing"])
        if chance.random() < 0.5:
            answer = street.ask("GET", f"/fhir/{type}?{asked}", clinic, b"", headers(chance, "accept"))
        else:
            form = [(b"content-type", b"application/x-www-form-urlencoded")]
            answer = street.ask("POST", f"/fhir/{type}/_search", clinic, bent(chance, asked.encode()), form)
        street.sane(answer, f"turn {turn}: {type}?{asked[:500]}")
        statuses.add(answer.status_code)
    assert {200, 400, 404} <= statuses


def test_token_door_answers_whatever_comes_by_an_oauth_error(street: Street) -> None:
    chance, statuses = random.Random(6), set()
    words = ("client_credentials", "password", "coursiers", SECRET, TOKEN, "", "\x00", "é", "%", "+", "a=b", "&")
    for turn in range(ROUNDS):
        form = [(name, chance.choice(words)) for name in ("grant_type", "client_id", "client_secret", "scope", KEY) if chance.random() < 0.8]
        if chance.random() < 0.4:
            form = [("grant_type", "client_credentials"), *form[1:]]
        body = bent(chance, str(httpx.QueryParams(form)).encode() if chance.random() < 0.8 else bytes(chance.randrange(256) for _ in range(40)))
        answer = street.ask("POST", "/oauth/token", "", body, headers(chance, "authorization", "content-type"))
        statuses.add(answer.status_code)
        if answer.status_code != 200:
            assert answer.status_code in (400, 401), f"turn {turn}: {answer.status_code} {body!r}"
            assert answer.headers["content-type"] == "application/json" and answer.json()["error_description"]
            assert answer.json()["error"] in ("invalid_request", "unsupported_grant_type", "invalid_client", "invalid_scope")
            assert TOKEN not in answer.text and SECRET not in answer.text
    assert {400, 401} <= statuses


def test_headers_of_any_bytes_open_nothing_and_break_nothing(street: Street) -> None:
    chance = random.Random(7)
    doors = [("GET", f"/fhir/Task/{street.task}"), ("GET", "/fhir/Task"), ("GET", "/views/coursier-dac-asso/referrals"), ("POST", "/intake/appel-coursier"), ("POST", "/fhir/Task")]
    for turn in range(ROUNDS):
        method, path = chance.choice(doors)
        some = bytes(chance.choice([*range(0x20, 0x7F), *range(0x80, 0x100)]) for _ in range(chance.randrange(30)))
        sent = [(b"authorization", chance.choice([some, b"Bearer " + some, *(each.encode("latin-1") for each in HEADERS)]))]
        answer = street.ask(method, path, "", b"{}" if method == "POST" else b"", sent + headers(chance, "accept", "accept-language", "x-request-id", "if-none-exist"))
        street.sane(answer, f"turn {turn}: {path} {sent}")
        assert answer.status_code in (400, 401, 404, 406), f"turn {turn}: {sent}"


def test_nothing_half_written_is_left_by_all_of_it(street: Street) -> None:
    """After whatever came before: every referral there is has its request, its Consent and its audit, and the chain verifies."""
    assert street.asked > 3
    store = street.stage.app.store
    assert store.read_now(lambda uow: verified(uow, [])).ok
    for type, needs in (("Task", "focus"), ("ServiceRequest", "supportingInfo")):
        for version in street.stage.app.read_now(lambda story, uow, type=type: whole(uow, type)):
            resource = json.loads(version.served)
            for each in [resource[needs]] if isinstance(resource.get(needs), dict) else resource.get(needs, []):
                target = each["reference"].split("/")
                assert street.stage.app.read_now(lambda story, uow, target=target: uow.current(target[0], target[1])), f"{version.reference} names {each['reference']}"


def whole(uow: Any, type: str) -> list[Any]:
    return list(uow.search(Query(type, count=500)))
