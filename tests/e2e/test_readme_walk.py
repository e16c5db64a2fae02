"""README's commands, as they stand there: a new house, a first call, an EHR that connects, the record of mappings/README.md."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapter.web.examples import REFERRAL
from tests.e2e.serving import PATIENCE, Folder, Serving

ROOT = Path(__file__).parents[2]
README, MAPPINGS = (ROOT / "README.md").read_text("utf-8"), (ROOT / "mappings" / "README.md").read_text("utf-8")


def blocks(text: str, heading: str) -> list[tuple[str, str]]:
    """(language, text) of the code blocks under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^##)", text + "\n##", re.MULTILINE | re.DOTALL)
    assert found, heading
    return re.findall(r"^```(\w*)\n(.*?)^```$", found[1], re.MULTILINE | re.DOTALL)


def block(text: str, heading: str) -> str:
    """The first of them."""
    return blocks(text, heading)[0][1]


def typed(folder: Path, script: str, **more: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of lines of README, `liaison` being the one under test."""
    shim = f'liaison() {{ {sys.executable} -m adapter.cli "$@"; }}\n'
    kept = {name: text for name, text in os.environ.items() if not name.startswith("LIAISON_")} | more
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"  # as after `. .venv/bin/activate`
    command = ["bash", "-euo", "pipefail", "-c", shim + script]
    return subprocess.run(command, check=False, cwd=folder, env=kept, capture_output=True, text=True, timeout=PATIENCE * 2)


@pytest.mark.skipif(not shutil.which("curl") or not shutil.which("bash"), reason="needs curl and bash")
def test_new_house_is_set_up_and_gets_its_first_call_by_the_commands_of_readme(tmp_path: Path) -> None:
    lines = block(README, "Running it").splitlines()
    serve = next(at for at, line in enumerate(lines) if line.startswith("liaison serve"))
    before, after = "\n".join(lines[:serve]), "\n".join(lines[serve + 1 :])
    made = typed(tmp_path, before)
    assert made.returncode == 0, made.stderr
    with Folder(tmp_path).serving() as running:
        call = block(README, "First call")
        assert "http://127.0.0.1:8600/" in call
        done = typed(tmp_path, call.replace("http://127.0.0.1:8600", running.url))
        assert done.returncode == 0, done.stderr
        receipt, card = (json.loads(part) for part in re.findall(r"\{.*?\}(?=\{\"|$)", done.stdout.strip()))
        assert receipt["status"] == "requested"
        assert card["person"]["family_name"] == "Fictive" and card["reference"] == receipt["referrals"][0]["reference"]
        assert not receipt["warnings"]
        (line,) = running.get("/views/prescripteur/referrals", "cabinet").json["referrals"]
        assert line["reference"] == card["reference"]
        (entry,) = running.get("/fhir/Patient", "cabinet").json["entry"]  # what an EHR matches by
        person = entry["resource"]
        births = [each["family"] for each in person["name"] if each["use"] == "official"]
        assert (person["gender"], person["birthDate"], births) == ("female", "1938-02-03", ["Modele"])
        connected(tmp_path, running)
        assert typed(tmp_path, after).returncode == 0


def connected(folder: Path, running: Serving) -> None:
    """An EHR: its key, its token, its referral by one transaction, and what it does with it."""
    found = blocks(README, "Connect your EHR")
    script, (told,) = "".join(text for language, text in found if not language), [text for language, text in found if language == "json"]
    assert "=http://127.0.0.1:8600\n" in script
    done = typed(folder, script.replace("http://127.0.0.1:8600", running.url))
    assert done.returncode == 0, done.stderr

    def left(name: str) -> Any:
        return json.loads((folder / name).read_text("utf-8"))

    assert left("referral.json") == REFERRAL
    token = left("token.json")
    assert (token["scope"], token["expires_in"]) == ("system/*.cruds", 300)
    assert [each["response"]["status"] for each in left("sent.json")["entry"]] == ["201 Created"] * 4
    modes = [(each["resource"]["resourceType"], each["search"]["mode"]) for each in left("list.json")["entry"]]
    assert ("Task", "match") in modes and ("ServiceRequest", "include") in modes
    assert done.stdout.splitlines()[-1] == "304"
    assert (left("cancelled.json")["status"], left("cancelled.json")["meta"]["versionId"]) == ("cancelled", "2")
    assert json.loads(told) == left("stale.json")
    assert "<Task xmlns=" in (folder / "task.xml").read_text("utf-8")


def test_record_of_mappings_readme_is_taken_by_its_mapping(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(block(MAPPINGS, "A first record"), "utf-8")
    done = typed(tmp_path, "liaison map try appel-coursier record.json")
    assert done.returncode == 0, done.stdout
    assert "refused" not in done.stdout and "warning" not in done.stdout and '"ServiceRequest"' in done.stdout


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_new_tool_is_mapped_by_the_commands_of_its_readme(tmp_path: Path) -> None:
    done = typed(tmp_path, block(MAPPINGS, "A new tool in 15 minutes"))
    assert done.returncode == 0, done.stderr
    assert "a gap to fill" in done.stderr and "mon-outil.yaml:5" in done.stderr
    assert "mon-outil.yaml  holds" in done.stdout and '"resourceType": "ServiceRequest"' in done.stdout
