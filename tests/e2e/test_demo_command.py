"""`liaison demo` as a command: languages, JSON, failing steps, folders; ports that are taken."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapter.ehr.fake import FakeEhr, Fault
from tests.e2e import forking

ENDS = 120  # seconds that a command may take
OBJECT = ("step", "ok", "actor", "at", "title", "did", "checks", "calls", "travelled", "decisions", "cards")


def liaison(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("LIAISON_")}
    return forking.run(arguments, cwd=cwd or Path.cwd(), environment=kept | {"COLUMNS": "200", "NO_COLOR": "1"}, timeout=ENDS)


def objects(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def taken() -> Iterator[str]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield str(listener.getsockname()[1])


def test_demo_speaks_english_down_to_the_closing_notice_and_shows_refusals_with_their_reason() -> None:
    done = liaison("demo", "--lang", "en")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    for said in (
        "One referral, from the call to the answer", "15 steps hold, 0 failed", "deny to coursiers: a draft: an agreement is missing [draft]",
        "deny to coursiers: the person took the agreement back [withdrawn]", "closed at the person's request: do not act further",
        "status      draft", "Deadline, said before it is sent: Tuesday 10 March, 18:00",
    ):  # fmt: skip
        assert said in done.stdout, said
    for french in ("Décision", "étape", "échéance", "clos à la demande", "demandée", "accord"):
        assert french not in done.stdout, french


def test_demo_speaks_french_when_nothing_is_said() -> None:
    done = liaison("demo")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    for said in (
        "Une demande, du téléphone à la réponse", "15 étapes tenues, 0 manquées", "refusé à coursiers : la personne a retiré son accord [withdrawn]",
        "clos à la demande de la personne", "état        en préparation", "sous le numéro de la maison il n'y a rien (404)",
    ):  # fmt: skip
        assert said in done.stdout, said
    rows = [line.strip(" │").split("   ")[0] for line in done.stdout.splitlines()]
    assert not [row for row in rows if "_" in row], "a raw key"
    assert " draft " not in done.stdout.replace("[draft]", "")


def test_demo_prints_one_object_a_step_and_a_summary_last() -> None:
    done = liaison("demo", "--json")
    *steps, summary = objects(done)
    assert done.returncode == 0 and done.stderr == ""
    assert len(steps) == summary["steps"] == 15 and len({step["step"] for step in steps}) == 15
    for step in steps:
        assert tuple(step)[: len(OBJECT)] == OBJECT and step["ok"] and "causes" not in step
    assert summary["summary"] and summary["ok"] and summary["not_played"] == [] and summary["audit"]["verified"]
    refused = {step["step"]: {each["reason"] for each in step["decisions"] if not each["permit"]} for step in steps}
    assert {step: reasons for step, reasons in refused.items() if reasons} == {
        "call": {"draft"}, "doctor-agrees": {"draft"}, "seen": {"absent", "absent-or-not-theirs"}, "withdrawal": {"withdrawn"},
    }  # fmt: skip
    checks = {check["what"]: check["ok"] for check in steps[4]["checks"]}
    assert checks["son logiciel en lit la même part sur /fhir, marquée SUBSETTED"]


def test_demo_exits_1_and_says_why_and_what_was_not_played_when_the_ehr_refuses() -> None:
    with FakeEhr(faults=[Fault("answer", "POST Task", times=None, status=422)]) as ehr:
        done = liaison("demo", "--json", "--ehr", ehr.base_url)
        text = liaison("demo", "--lang", "en", "--ehr", ehr.base_url)
    *steps, summary = objects(done)
    assert done.returncode == text.returncode == 1
    assert [step["step"] for step in steps if not step["ok"]] == ["person-agrees"] and steps[-1]["step"] == "person-agrees"
    assert next(check["what"] for check in steps[-1]["checks"] if not check["ok"]) == "une Task y est, demandée"
    assert any("lettre Task" in cause and "parked, rejected-422" in cause for cause in steps[-1]["causes"])
    assert not summary["ok"] and summary["failed"] == 1 and summary["not_played"][0] == "seen" and len(summary["not_played"]) == 11
    assert "letter Task → msp-saint-eloi still here (parked, rejected-422" in text.stdout
    assert "3 steps hold, 1 failed" in text.stdout and "11 steps not played: What the unit sees" in text.stdout


def test_demo_exits_1_when_the_ehr_goes_away_in_the_middle() -> None:
    with FakeEhr(faults=[Fault("cut-before", "* Task*", times=None, skip=8)]) as ehr:
        done = liaison("demo", "--json", "--ehr", ehr.base_url)
    *steps, summary = objects(done)
    assert done.returncode == 1 and not steps[-1]["ok"] and summary["failed"] == 1
    assert steps[-1].get("error") or steps[-1]["causes"], "a failed step says why"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("demo", "--lang", "de"), ("demo", "--mapping", "fiche-st-eloi"), ("demo", "--ehr", "http://127.0.0.1:9/fhir")])
def test_demo_ends_with_2_and_how_to_mend_it(arguments: tuple[str, ...]) -> None:
    done = liaison(*arguments)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and "\n  mend: " in done.stderr and "Traceback" not in done.stderr
    if arguments[1] != "--ehr":
        assert done.stdout == ""


def test_demo_keeps_nothing_in_a_folder_that_has_something(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    done = liaison("demo", "--keep", str(tmp_path))
    assert done.returncode == 2 and "--keep" in done.stderr and "not empty" in done.stderr and done.stdout == ""
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


def test_servers_end_with_2_when_their_port_is_taken(tmp_path: Path) -> None:
    assert liaison("init", "--demo", cwd=tmp_path).returncode == liaison("db", "upgrade", cwd=tmp_path).returncode == 0
    with taken() as port:
        for arguments in (("serve", "--port", port), ("serve", "--port", port, "--processes", "2"), ("fake-ehr", "--port", port)):
            done = liaison(*arguments, cwd=tmp_path)
            assert done.returncode == 2, arguments
            assert port in done.stderr and "mend:" in done.stderr and "Traceback" not in done.stderr


def test_second_fake_ehr_on_the_same_folder_ends_with_2_and_says_why(tmp_path: Path) -> None:
    with FakeEhr(folder=tmp_path):
        done = liaison("fake-ehr", "--data", str(tmp_path), "--port", "0")
    assert done.returncode == 2 and "in use by another FakeEhr" in done.stderr and "mend:" in done.stderr
