"""sekmet-fhir, an independent runner, finds nothing to fail, to warn of or to leave out (issue *Endpoints*, 1)."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clients.conftest import BY_KEY, CLIENT, Served, here

pytestmark = pytest.mark.clients
SCENARIO, STEPS = "conformance_smoke", 18


def peer(served: Served, *, format: str, by_key: bool) -> dict[str, Any]:
    """Our server as the runner is told of it: an address, a format, who it is there. All else it must find out."""
    secret = {"type": "client_credentials", "client_id": CLIENT, "client_secret_file": str(served.secret_file())}
    key = {"type": "smart", "client_id": BY_KEY, "private_key_path": str(served.key), "kid": served.kid, "alg": "ES384"}
    return {"base_url": served.fhir, "format": format, "auth": (key if by_key else secret) | {"scope": "system/*.cruds"}}


def ran(programs: Path, folder: Path, peer: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and steps of the runner's own report."""
    settings = {"base_url": peer["base_url"], "data_dir": str(folder / "data"), "simulator": {"enabled": False}, "peers": {"liaison": peer}}
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    done = subprocess.run(
        [programs / "sekmet", "scenario", "run", SCENARIO, "--peer", "liaison", "--config", "settings.yaml", "--report-dir", "reports", "--no-serve"],
        cwd=folder, env=here(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    reports = list(folder.glob("reports/*/results.json"))
    assert len(reports) == 1, done.stdout + done.stderr
    (scenario,) = json.loads(reports[0].read_text("utf-8"))
    return done.returncode, scenario["steps"]


@pytest.mark.parametrize(("format", "by_key"), [("json", True), ("xml", False)], ids=["json, SMART Backend Services", "xml, client secret"])
def test_sekmet_passes_every_step(served: Served, programs: Path, tmp_path: Path, format: str, by_key: bool) -> None:
    code, steps = ran(programs, tmp_path, peer(served, format=format, by_key=by_key))
    assert [f"{step['status']}: {step['name']}: {step['message']}" for step in steps if step["status"] != "passed"] == []
    assert (code, Counter(step["status"] for step in steps)) == (0, Counter(passed=STEPS))


def test_sekmet_fails_where_a_server_refuses_what_it_asks(served: Served, programs: Path, tmp_path: Path) -> None:
    told = peer(served, format="json", by_key=False)
    told["auth"] |= {"scope": "system/*.rs"}
    code, steps = ran(programs, tmp_path, told)
    assert code == 1 and [step["name"] for step in steps if step["status"] == "failed"]
