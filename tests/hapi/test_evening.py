"""The evening of README: a house of its own beside a real HAPI, invented people there and back, a change made there that arrives."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.e2e.test_readme_walk import README, ROOT, block, typed

HERE = "http://127.0.0.1:8090/fhir"
OWN = "https://evening.example"  # base of its systems: other tests have resources on the same server
pytestmark = pytest.mark.hapi


def test_evening_with_hapi_goes_as_readme_says(hapi_url: str, tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    network = (ROOT / "docker" / "network-sandbox.yaml").read_text("utf-8")
    assert HERE in network
    (tmp_path / "docker" / "network-sandbox.yaml").write_text(network.replace(HERE, hapi_url), "utf-8")
    lines = block(README, "An evening with HAPI").splitlines()
    assert any(line.startswith("liaison sandbox up ") for line in lines) and "liaison sandbox down" in lines  # test_sandbox.py has those
    script = "\n".join(line for line in lines if not line.startswith("liaison sandbox")).replace(HERE, hapi_url)
    asked = "/Task?status=accepted"
    assert asked in script
    done = typed(tmp_path, script.replace(asked, f"{asked}&identifier={OWN}/sid/task%7C"), LIAISON_SYSTEM_BASE=OWN)
    assert done.returncode == 0, done.stderr + done.stdout
    assert re.search(r"17 Consent echo, 17 Task echo, 17 ServiceRequest echo", done.stdout), done.stdout
    assert re.search(r"16 Task echo, 1 Task applied", done.stdout), done.stdout
    (request,) = json.loads((tmp_path / "evening" / "request.json").read_text("utf-8"))["entry"]
    assert request["resource"]["status"] == "revoked"


