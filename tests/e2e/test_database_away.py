"""The database goes away and comes back under a running `liaison serve` (sync.md Y-31): who writes meanwhile is told to come again, and what
was acknowledged before and after is there, at the EHR too, once."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

from tests import postgres
from tests.e2e.serving import Answer, Serving, agreed, settled, until

CALLS = "/intake/appel-coursier"


def call(running: Serving, id: str) -> Answer:
    given = agreed(id=id)
    given["personne"] = given["personne"] | {"nom": f"Zyx{id}", "nom_naissance": f"Zyx{id}"}
    return running.post(CALLS, given)


def refused(answer: Answer) -> None:
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.issue["details"]["coding"][0]["code"] in ("unavailable", "fault") and b"Zyx" not in answer.body


def known(running: Serving) -> list[str]:
    """Under which ids the clinic's own software finds the calls."""
    found = running.get("/fhir/ServiceRequest", "saint-eloi").json
    lines: list[dict[str, Any]] = [each["resource"] for each in found.get("entry", ())]
    return sorted(each["requisition"]["value"] for each in lines)


@pytest.mark.postgres
@pytest.mark.usefixtures("postgres")
def test_database_that_stops_and_comes_back_loses_nothing_acknowledged_Y_31(tmp_path: Path) -> None:
    made = settled(tmp_path)
    with postgres.running() as cluster:
        chosen = {"database_url": cluster.database()}
        made.did("db", "upgrade", **chosen)
        made.did("network", "apply", **chosen)
        with made.serving(**chosen) as running:
            assert call(running, "first").status == 201
            cluster.stop()
            refused(call(running, "second"))
            assert running.get("/health/ready").status == 503 and running.get("/health/live").status == 200
            cluster.start()
            assert until(lambda: call(running, "second").status in (200, 201), "the database is there again")
            assert known(running) == ["first", "second"]
            assert call(running, "third").status == 201
        assert known_after(made, chosen) == ["first", "second", "third"]


def known_after(made: Any, chosen: dict[str, str]) -> list[str]:
    with made.serving("--no-jobs", **chosen) as running:
        return known(running)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no way here to make a disk look full to another process")
def test_disk_that_is_full_and_has_room_again_loses_nothing_acknowledged_Y_31(tmp_path: Path) -> None:
    made = settled(tmp_path)
    with made.serving("--no-jobs") as running:
        assert call(running, "first").status == 201
        pid, was = running.process.pid, resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
        sizes = [file.stat().st_size for file in Path(made.database).parent.glob(f"{Path(made.database).name}*") if file.stat().st_size]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (min(sizes), was[1]))  # not a byte more in any of the database's files
        refused(call(running, "second"))
        refused(call(running, "second"))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, was)
        assert call(running, "second").status == 201
        assert known(running) == ["first", "second"]
        assert running.stop() in (0, -15)
    assert known_after(made, {}) == ["first", "second"]
