"""Two real processes of Liaison on one database: what one is told holds in the other at its next answer, and no log of either names
who was looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.serving import Folder, Serving, agreed, settled

VIEW = "/views/coursier-dac-asso/referrals"
KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Folder, dict[str, str]]:
    """A folder with the demonstration's network, and the settings that name its database."""
    made = settled(tmp_path / "house")
    if request.param == "sqlite":
        return made, {}
    database: Callable[[], str] = request.getfixturevalue("postgres")
    settings = {"database_url": database()}
    made.did("db", "upgrade", **settings)
    made.did("network", "apply", **settings)
    return made, settings


@contextmanager
def two(folder: Folder, settings: dict[str, str]) -> Iterator[tuple[Serving, Serving]]:
    with folder.serving("--no-jobs", **settings) as one, folder.serving("--no-jobs", **settings) as other:
        assert one.process.pid != other.process.pid and one.url != other.url
        yield one, other


def looks(process: Serving, id: str, own: dict[str, str]) -> list[Any]:
    """What a process shows of the referral, by every door of the courier's."""
    card = process.get(f"{VIEW}/{id}", "coursiers")
    found: list[Any] = [card.status, [each["id"] for each in process.get(VIEW, "coursiers").json["referrals"]]]
    for type, each in own.items():
        found.append(len(process.get(f"/fhir/{type}", "coursiers").json.get("entry", ())))
        found.append(process.get(f"/fhir/{type}/{each}", "coursiers").status)
    return found


@pytest.mark.parametrize("told", [0, 1])
def test_withdrawal_told_to_one_process_holds_in_every_other_at_once_C_E3(folder: tuple[Folder, dict[str, str]], told: int) -> None:
    with two(*folder) as processes:
        assert processes[0].post("/intake/appel-coursier", agreed()).status == 201
        shown = processes[1].get(VIEW, "coursiers").json["referrals"][0]
        own = {type: processes[0].get(f"/fhir/{type}", "coursiers").json["entry"][0]["resource"]["id"] for type in ("Task", "ServiceRequest", "Patient", "Consent")}
        open_ = [200, [shown["id"]], *[1, 200] * 4]
        for _ in range(2):  # whatever a process keeps in memory, it has it now
            assert [looks(each, shown["id"], own) for each in processes] == [open_, open_]
        headers = processes[told].bearer("coursiers") | {"Content-Type": "application/json", "If-Match": f'W/"{shown["etag"]}"'}
        assert processes[told].ask("POST", f"{VIEW}/{shown['id']}/withdraw", b'{"heard_by": "coursier-lea"}', headers).status == 204
        shut = [404, [], *[0, 404] * 4]
        assert looks(processes[1 - told], shown["id"], own) == shut  # the other first
        assert looks(processes[told], shown["id"], own) == shut


def test_get_with_a_name_stands_in_no_log_of_the_server_M_18(tmp_path: Path) -> None:
    folder = settled(tmp_path / "house")
    with folder.serving("--no-jobs", log_level="debug") as process:
        for client in ("saint-eloi", "coursiers"):
            answer = process.get("/fhir/Patient?family=Zyxcherche&birthdate=1931-12-30", client)
            assert answer.status == (200 if client == "saint-eloi" else 400)
        process.get("/fhir/Patient?family=Zyxcherche")
        process.get("/Zyxcherche?family=Zyxcherche", "saint-eloi")
        metrics = process.get("/metrics").body
        assert b"liaison_requests_total" in metrics
        process.stop()
        assert process.process.stdout is not None
        printed = process.process.stdout.read().encode()
    kept = [printed, *(file.read_bytes() for file in folder.path.rglob("*") if file.is_file())]
    assert len(kept) > 3 and not [word for word in (b"zyxcherche", b"1931-12-30") if any(word in each.lower() for each in [*kept, metrics])]
