"""The doors over ASGI on a stage: what the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter import web
from adapter.network import Secret
from tests import looping
from tests.e2e.stage import Stage, staged

SECRET = "a-secret-of-the-test"


class Door:
    """A client of the ASGI application, one call at a time."""

    def __init__(self, stage: Stage) -> None:
        self.asgi = web.create(stage.app)

    def __call__(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.asgi)
            async with httpx.AsyncClient(transport=transport, base_url="http://liaison.example") as client:
                return await client.request(method, path, **given)

        return looping.run(call())

    def token(self, client: str, secret: str = SECRET) -> dict[str, str]:
        answer = self("POST", "/oauth/token", data={"grant_type": "client_credentials"}, auth=(client, secret))
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    with staged() as found:
        network = found.app.network
        clients = tuple(replace(client, secret=Secret(file=str(file))) for client in network.clients)
        found.app.apply_network(replace(network, clients=clients))
        yield found


@pytest.fixture
def door(stage: Stage) -> Door:
    return Door(stage)
