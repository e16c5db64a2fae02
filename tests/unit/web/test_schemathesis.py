"""What /openapi.json says, held against what the doors do, by requests that schemathesis makes of it: good ones and bad ones, of every
role and of nobody. An answer with a status, a media type or a shape that the document does not list is a failure; so is any 5xx."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from urllib3 import HTTPHeaderDict, HTTPResponse

from adapter.cli.init import NETWORK
from adapter.network import ClientEntry, Secret, parse
from adapter.web.examples import CALL, ID, REFERRAL, patient
from tests.e2e.stage import staged
from tests.openapi import document
from tests.unit.web.conftest import SECRET
from tests.unit.web.test_fuzz import Knocker

ROUNDS = 300 if os.environ.get("LIAISON_TEST_PROFILE") == "nightly" else 6
ROLES = {"nobody": "", "clinic": "cabinet", "service": "coursiers", "officer": "officer"}
HELD = [not_a_server_error, checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
BASE = "http://liaison.example"
SCHEMA = schemathesis.openapi.from_dict(document() | {"info": {"title": "Liaison", "version": "1"}})
OPERATIONS = {each.ok().label: each.ok() for each in SCHEMA.get_all_operations()}
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


class Role:
    """The doors as one role knocks at them: its token, and the places that it may find something at."""

    def __init__(self, doors: Knocker, client: str) -> None:
        self.doors, self.token = doors, doors.bearer(client) if client else ""
        self.answered: dict[str, set[int]] = {}
        view = "prescripteur" if client == "cabinet" else "coursier-dac-asso"
        lines = doors.ask("GET", f"/views/{view}/referrals", self.token)
        (shown, *_) = lines.json()["referrals"] if lines.status_code == 200 else [{"id": "none"}]
        self.views = {"view": view, "id": shown["id"], "mapping": "appel-coursier", "record": CALL["id"]}

    def places(self, path: str) -> dict[str, str]:
        """Where this role finds something; what is not named stays as it was made."""
        return {"type": "Patient", "id": ID, "version": "1"} if path.startswith("/fhir") else self.views

    def send(self, case: schemathesis.Case) -> requests.Response:
        """The answer to a case, in the shape that its checks take."""
        made = requests.Request(**{name: part for name, part in case.as_transport_kwargs(base_url=BASE).items() if name != "cookies"}).prepare()
        sent = {name: text for name, text in made.headers.items() if name.lower() not in ("authorization", "content-length")}
        body = made.body.encode() if isinstance(made.body, str) else made.body or b""
        raw = [(name.encode("latin-1", "replace"), (text if isinstance(text, bytes) else text.encode("latin-1", "replace"))) for name, text in sent.items()]
        answer = self.doors.ask(case.method, str(made.url).removeprefix(BASE), self.token, body, raw)
        came = HTTPResponse(io.BytesIO(answer.content), HTTPHeaderDict(answer.headers.multi_items()), answer.status_code, preload_content=False)
        self.answered.setdefault(case.operation.label, set()).add(answer.status_code)
        return HTTPAdapter().build_response(made, came)


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Role]]:
    file = Path(tmp_path_factory.mktemp("street")) / "secret"
    file.write_text(SECRET)
    with staged() as stage:
        network = parse(NETWORK)
        clients = (*network.clients, ClientEntry("officer", "msp", role="officer", scopes=("system/*.cruds", "views", "intake")))
        stage.app.apply_network(replace(network, clients=tuple(replace(each, secret=Secret(file=str(file))) for each in clients)))
        doors = Knocker(stage)
        clinic = doors.bearer("cabinet")
        for method, path, body in (("PUT", f"/fhir/Patient/{ID}", patient("P-3") | {"id": ID}), ("POST", "/fhir", REFERRAL), ("POST", "/intake/appel-coursier", CALL)):
            assert doors.ask(method, path, clinic, json.dumps(body).encode()).status_code < 300
        yield {name: Role(doors, client) for name, client in ROLES.items()}
        doors.loop.close()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("label", OPERATIONS)
def test_door_answers_as_the_document_says_A_29(roles: dict[str, Role], label: str, role: str) -> None:
    operation, caller = OPERATIONS[label], roles[role]
    modes = MODES if list(operation.iter_parameters()) or operation.body else MODES[:1]
    shown = operation.get_strategies_from_examples()
    if shown:
        knock(caller, st.one_of(shown), st.just(True), len(shown))
    knock(caller, st.one_of(operation.as_strategy(generation_mode=mode) for mode in modes), st.sampled_from((True, False)), ROUNDS)


def knock(caller: Role, made: st.SearchStrategy[schemathesis.Case], known: st.SearchStrategy[bool], times: int) -> None:
    """Sends so many of these; the known ones where the caller finds something."""

    @seed(1)
    @settings(max_examples=times, database=None, phases=[Phase.generate])
    @given(made, known)
    def asked(case: schemathesis.Case, here: bool) -> None:
        for name, value in caller.places(case.operation.path).items() if here else ():
            if name in (case.path_parameters or {}):
                case.path_parameters[name] = value
        case.validate_response(caller.send(case), checks=HELD)

    asked()


def test_all_of_it_reached_what_is_behind_the_doors(roles: dict[str, Role]) -> None:
    """Run after the others: what a clinic may do was done, and nobody got in anywhere that asks for a token."""
    done = {label for label, statuses in roles["clinic"].answered.items() if min(statuses) < 300}
    if len(roles["clinic"].answered) < len(OPERATIONS):
        pytest.skip("only some of the doors were asked")
    assert len(done) > len(OPERATIONS) // 2, sorted(set(OPERATIONS) - done)
    for label, statuses in roles["nobody"].answered.items():
        if any("bearer" in each for each in OPERATIONS[label].definition.raw["security"]):
            assert min(statuses) >= 400, label
