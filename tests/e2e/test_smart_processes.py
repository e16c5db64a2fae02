"""One assertion in four real processes on one database: it counts once, whichever is asked and however many ask (security.md A-05)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from adapter.clock import SystemClock
from tests.e2e.serving import Folder, Serving, settled
from tests.unit.web.smart import claims, ec, form, jwks, public, signed

HERE = "https://liaison.example"  # all four are the same server to others
KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Folder, dict[str, str]]:
    """A folder whose clinic's software proves itself by a key, and the settings that name its database and address."""
    made, settings = settled(tmp_path / "house"), {"public_url": HERE}
    if request.param == "postgresql":
        database: Callable[[], str] = request.getfixturevalue("postgres")
        settings["database_url"] = database()
        made.did("db", "upgrade", **settings)
    (made.path / "ehr.jwks").write_bytes(jwks(public(ec())))
    file = made.path / "network.yaml"
    text = file.read_text("utf-8")
    assert "secret_file: secrets/saint-eloi" in text
    file.write_text(text.replace("secret_file: secrets/saint-eloi", "jwks_file: ehr.jwks"), "utf-8")
    made.did("network", "apply", **settings)
    return made, settings


@contextmanager
def serving(made: Folder, settings: dict[str, str]) -> Iterator[Serving]:
    """A process whose address for others is the public one; the test asks it at its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with made.serving("--no-jobs", "--port", str(port), **settings) as process:
        assert process.url == HERE
        process.url = f"http://127.0.0.1:{port}"
        yield process


def assertion(jti: str) -> str:
    return signed(ec(), claims("saint-eloi", f"{HERE}/oauth/token", SystemClock().now(), jti=jti))


def asked(process: Serving, path: str, one: str, **more: str) -> tuple[int, bytes]:
    answer = process.ask("POST", path, urlencode(form(one, **more)).encode(), FORM)
    return answer.status, answer.body


def test_assertion_used_fifty_times_at_once_over_four_processes_counts_once_A_05(folder: tuple[Folder, dict[str, str]]) -> None:
    made, settings = folder
    with ExitStack() as stack:
        four = [stack.enter_context(serving(made, settings)) for _ in range(4)]
        assert len({each.process.pid for each in four}) == 4
        for turn in range(3):
            one, together = assertion(f"turn-{turn}"), threading.Barrier(50)

            def use(number: int, one: str = one, together: threading.Barrier = together) -> tuple[int, bytes]:
                together.wait(60)
                return asked(four[number % 4], "/oauth/token", one)

            with ThreadPoolExecutor(50) as pool:
                answers = list(pool.map(use, range(50)))
            assert sorted(status for status, _ in answers) == [200] + [401] * 49
            assert len({body for status, body in answers if status == 401}) == 1
        for process in four:  # and afterwards in each of them
            assert asked(process, "/oauth/token", one)[0] == 401
        token = four[0].ask("POST", "/oauth/token", urlencode(form(assertion("mine"))).encode(), FORM).json["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert [each.ask("GET", "/fhir/Task", None, bearer).status for each in four] == [200] * 4
        assert asked(four[1], "/oauth/revoke", assertion("end"), token=token)[0] == 200
        assert [each.ask("GET", "/fhir/Task", None, bearer).status for each in four] == [401] * 4  # ended in one, ended in all
        logs = (made.path / "serve.log").read_text()
    assert "assertion-replayed" in logs and token not in logs and one not in logs
