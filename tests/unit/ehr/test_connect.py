from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from adapter.clock import FrozenClock
from adapter.ehr import connect
from adapter.ehr.fake import FakeEhr, Guard, HeaderGuard, TokenGuard
from adapter.errors import EhrRejected, SettingsError
from adapter.network import EhrAuth, EhrEntry
from adapter.network.model import Limits, Secret
from tests.unit.ehr.shapes import task

KEY = ECKey.generate_key("P-384", {"kid": "k1"}, private=True)
ENVIRON = {"SECRET": "s3cret", "KEY": json.dumps(KEY.as_dict(private=True))}
IN_VARIABLE = Secret(variable="SECRET")


def goes_through(guard: Guard | None, auth: EhrAuth, clock: FrozenClock) -> None:
    with FakeEhr(clock=clock, guard=guard) as ehr:
        entry = EhrEntry("clinic", ehr.base_url, auth=auth if auth.kind != "client_secret" else _at(auth, ehr.token_url))
        client = connect(entry, clock=clock, environ=ENVIRON)
        try:
            client.create(task())
        finally:
            client.close()
        assert len(ehr.all("Task")) == 1


def _at(auth: EhrAuth, token_url: str) -> EhrAuth:
    return EhrAuth(auth.kind, secret=auth.secret, client_id=auth.client_id, token_url=token_url, scopes=auth.scopes)


def test_connect_without_authentication(clock: FrozenClock) -> None:
    goes_through(None, EhrAuth(), clock)


def test_connect_with_a_bearer_token(clock: FrozenClock) -> None:
    goes_through(HeaderGuard("Authorization", "Bearer s3cret"), EhrAuth("bearer", secret=IN_VARIABLE), clock)


def test_connect_with_basic(clock: FrozenClock) -> None:
    expected = "Basic " + base64.b64encode(b"liaison:s3cret").decode()
    goes_through(HeaderGuard("Authorization", expected), EhrAuth("basic", secret=IN_VARIABLE, user="liaison"), clock)


def test_connect_with_a_header_of_the_vendors_own(clock: FrozenClock) -> None:
    goes_through(HeaderGuard("X-Api-Key", "s3cret"), EhrAuth("header", secret=IN_VARIABLE, header="X-Api-Key"), clock)


def test_connect_with_a_client_secret(clock: FrozenClock) -> None:
    guard = TokenGuard("liaison", clock=clock, secret="s3cret")
    goes_through(guard, EhrAuth("client_secret", secret=IN_VARIABLE, client_id="liaison"), clock)


def test_connect_with_smart_backend_services_and_a_discovered_token_endpoint(clock: FrozenClock) -> None:
    guard = TokenGuard("liaison", clock=clock, jwks={"keys": [KEY.as_dict(private=False)]})
    auth = EhrAuth("smart", secret=Secret(variable="KEY"), client_id="liaison", scopes=("system/Task.cruds", "system/Consent.cruds"))
    goes_through(guard, auth, clock)


def test_connect_does_not_come_in_with_the_wrong_secret(clock: FrozenClock) -> None:
    with pytest.raises(EhrRejected):
        goes_through(HeaderGuard("Authorization", "Bearer other"), EhrAuth("bearer", secret=IN_VARIABLE), clock)


def test_connect_asks_for_pages_as_large_as_the_network_file_says(clock: FrozenClock) -> None:
    with FakeEhr(clock=clock) as ehr:
        client = connect(EhrEntry("clinic", ehr.base_url, limits=Limits(page=7)), clock=clock)
        list(client.search("Task", []))
        client.close()
        assert "_count=7" in ehr.requests[0].path


@pytest.mark.parametrize("url", ["ftp://ehr.example", "ehr.example", "https://user:secret@ehr.example/fhir"])
def test_connect_names_the_setting_when_the_address_cannot_be_used(clock: FrozenClock, url: str) -> None:
    with pytest.raises(SettingsError, match=r"clinic\.ehr\.url") as caught:
        connect(EhrEntry("clinic", url), clock=clock)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("more", [{}, {"certificate_file": "/nowhere.pem", "secret": Secret(file="/nowhere.key")}, {"secret": Secret(variable="KEY")}])
def test_connect_wants_certificate_and_key_as_files_for_mtls(clock: FrozenClock, more: Any) -> None:
    with pytest.raises(SettingsError, match="certificate and key"):
        connect(EhrEntry("clinic", "https://ehr.example", auth=EhrAuth("mtls", **more)), clock=clock)


def test_connect_with_mtls_takes_its_files(clock: FrozenClock, tmp_path: Path) -> None:
    files = [tmp_path / "cert.pem", tmp_path / "key.pem"]
    for file in files:
        file.write_text("x")
    auth = EhrAuth("mtls", certificate_file=str(files[0]), secret=Secret(file=str(files[1])))
    goes_through(None, auth, clock)
