"""The doors over ASGI with clients that prove themselves by keys: what the tests of SMART Backend Services share."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter.network import Secret
from adapter.ports import Query
from tests.e2e.stage import COURSIER, Stage, staged
from tests.unit.web.smart import Key, claims, ec, form, jwks, public, rsa, signed
from tests.unit.web.test_doors import Door

BASE = "http://127.0.0.1:8600"  # of settings that name no address
HERE = f"{BASE}/oauth/token"
REFUSED = {"error": "invalid_client", "error_description": "unknown client, or its secret or assertion does not hold"}
SECRET = "plain-secret-of-the-test"
GP, COURIER = "saint-eloi", "coursiers"
WORKLIST = "/views/coursier-dac-asso/referrals"
_jti = itertools.count()


class House(Door):
    """The doors; the clinic's software and the couriers' prove themselves by keys of a file, saad by a secret."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        super().__init__(stage)
        self.stage, self.folder = stage, folder
        (folder / "secret").write_text(SECRET)
        for name, key in ((GP, rsa()), (COURIER, ec())):
            (folder / name).write_bytes(jwks(public(key)))
        found = stage.app.network
        ways: dict[str, dict[str, Any]] = {name: {"secret": Secret(), "jwks_file": str(folder / name)} for name in (GP, COURIER)}
        clients = tuple(replace(each, **ways.get(each.id, {"secret": Secret(file=str(folder / "secret"))})) for each in found.clients)
        self.stood = replace(found, clients=clients)
        self.back()

    def back(self) -> None:
        self.stage.app.apply_network(self.stood)

    def change(self, name: str, **changed: Any) -> None:
        clients = tuple(replace(each, **(changed if each.id == name else {})) for each in self.stood.clients)
        self.stage.app.apply_network(replace(self.stood, clients=clients))

    def assertion(self, client: str = GP, key: Key | None = None, header: dict[str, Any] | None = None, **changed: Any) -> str:
        said = claims(client, HERE, self.stage.clock.now(), **{"jti": f"jti-{next(_jti)}"} | changed)
        return signed(key or (ec() if client == COURIER else rsa()), said, **(header or {}))

    def ask(self, assertion: str = "", **more: str) -> httpx.Response:
        return self("POST", "/oauth/token", data=form(assertion or self.assertion(), **more))

    def given(self, client: str = GP, **more: str) -> str:
        answer = self.ask(self.assertion(client), **more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def bearer(self, client: str = GP, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.given(client, **more)}"}

    def events(self) -> list[Any]:
        return [json.loads(row.event) for row in self.stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with staged() as stage:
        stage.sent()
        yield House(stage, tmp_path_factory.mktemp("keys"))


@pytest.fixture(autouse=True)
def stands(house: House) -> Iterator[None]:
    yield
    house.back()


def tasks(house: House) -> dict[str, str]:
    """Status of each Task of the house, by id."""
    found = house.stage.app.read_now(lambda _, uow: uow.search(Query("Task")))
    return {each.id: json.loads(each.served)["status"] for each in found}


@pytest.fixture
def two(house: House) -> dict[str, str]:
    """One Task that waits and one that was accepted."""
    if "accepted" not in tasks(house).values():
        house.stage.sent(id="appel-2")
        house.stage.act(COURSIER, "coursier-dac-asso", house.stage.cards(COURSIER, "coursier-dac-asso")[0], "accept")
    found = tasks(house)
    assert sorted(found.values()) == ["accepted", "requested"]
    return {status: id for id, status in found.items()}
