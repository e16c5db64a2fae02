"""One `liaison serve` for all clients of others, and two ways for a clinic's software to sign in there."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.clients.installed import java_client, python_clients
from tests.e2e.serving import Serving, settled
from tests.unit.web.smart import ec, jwks, public

CLIENT, BY_KEY = "saint-eloi", "logiciel-saint-eloi"  # the clinic's software: with a secret, with a key


def here() -> dict[str, str]:
    """The environment of a client that speaks to this machine only."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


@dataclass(frozen=True)
class Served:
    """A running server. `key`: file of the private key of BY_KEY; `kid`: its name."""

    process: Serving
    key: Path
    kid: str

    @property
    def fhir(self) -> str:
        return f"{self.process.url}/fhir"

    def secret_file(self, client: str = CLIENT) -> Path:
        return self.process.folder / "secrets" / client

    def token(self, client: str = CLIENT) -> str:
        return str(self.process.token(client).json["access_token"])

    def walked(self, command: Sequence[str | Path], *arguments: str, token: str = "") -> dict[str, Any]:
        """What a client says of each of its steps. `command` is followed by the base URL and the arguments; it finds the token
        in TOKEN. Raises AssertionError with all it said where it ends otherwise than well."""
        environment = here() | {"TOKEN": token or self.token()}
        done = subprocess.run([*command, self.fhir, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        steps = [json.loads(line) for line in done.stdout.splitlines()]
        return {step.pop("step"): step for step in steps}


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = settled(tmp_path_factory.mktemp("clients") / "house")
    key = ec("key-of-the-software")
    file = folder.path / "software.pem"
    file.write_bytes(key.as_pem(private=True))
    (folder.path / "software.jwks").write_bytes(jwks(public(key)))
    folder.did(
        "client", "add", BY_KEY, "--organisation", "msp-saint-eloi", "--jwks-file", "software.jwks", "--scope", "system/*.cruds", "--file", "network.yaml"
    )
    folder.did("network", "apply")
    with folder.serving("--no-jobs") as process:
        yield Served(process, file, key.kid)


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of sekmet and of a Python that has fhirclient."""
    return python_clients()


@pytest.fixture(scope="session")
def hapi_client() -> list[str]:
    return java_client()


@pytest.fixture
def system() -> str:
    """A system of identifiers that no other test uses."""
    return f"urn:uuid:{uuid4()}"
