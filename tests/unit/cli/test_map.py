"""`liaison map explain | diff` and `--json`: what an author of a mapping document sees."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adapter.cli.mappings import app
from adapter.mapping import compare, load

ROOT = Path(__file__).parents[3]
NAME = "appel-coursier"
RECORD = json.loads(re.findall(r"```json\n(.*?)```", (ROOT / "mappings" / "README.md").read_text("utf-8"), re.DOTALL)[0])


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "record.json").write_text(json.dumps(RECORD))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def changed(place: Path, *pairs: tuple[str, str]) -> str:
    """A copy of the document with the first string of each pair replaced by the second."""
    text = (ROOT / "mappings" / f"{NAME}.yaml").read_text("utf-8")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    (place / "new.yaml").write_text(text, "utf-8")
    return "new.yaml"


def test_explain_names_the_line_that_made_each_element_and_the_fields_behind_it() -> None:
    lines = (ROOT / "mappings" / f"{NAME}.yaml").read_text("utf-8").splitlines()
    told = json.loads(run("explain", NAME, "record.json", "--json").stdout)
    (born,) = [each for each in told if each["element"] == "patient.birthDate"]
    file, _, number = born["line"].partition(":")
    assert file == f"{NAME}.yaml" and "birthDate" in lines[int(number) - 1] and born["fields"] == "personne.naissance"
    assert f"{born['line']}  patient.birthDate  from personne.naissance" in run("explain", NAME, "record.json").stdout
    assert "Fictive" not in run("explain", NAME, "record.json").stdout


def test_explain_of_a_record_that_is_refused_tells_why(place: Path) -> None:
    (place / "record.json").write_text(json.dumps(RECORD | {"urgence": "demain"}))
    done = run("explain", NAME, "record.json")
    assert done.exit_code == 1 and "refused" in done.stdout and "urgence" in done.stdout


def test_diff_finds_nothing_between_a_document_and_itself_under_another_version(place: Path) -> None:
    done = run("diff", NAME, changed(place, ("version: 1", "version: 2")), "--record", "record.json")
    assert (done.exit_code, done.stdout) == (0, f"nothing changes in {len(list(compare.examples(load(ROOT / 'mappings')[NAME]))) + 1} records\n")


def test_diff_tells_what_becomes_of_each_record_and_of_the_fields(place: Path) -> None:
    new = changed(place, ("gender: $", "language: fr\n    gender: $"), ("  mots_du_medecin:", "  mot: {type: line, one_way: a test}\n  mots_du_medecin:"))
    done = run("diff", NAME, new, "--record", "record.json", "--json")
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == 1 and told["fields"] == [{"path": "mot", "before": None, "after": "does not come back"}]
    assert told["records"]["record.json"] == [{"path": "Patient.language", "before": None, "after": "fr"}]
    assert "  Patient.language: absent -> fr" in run("diff", NAME, new).stdout


def test_diff_tells_a_record_that_only_one_of_them_refuses(place: Path) -> None:
    new = changed(place, ("  mots_du_medecin:", "  mot: {type: line, required: true, one_way: a test}\n  mots_du_medecin:"))
    told = json.loads(run("diff", NAME, new, "--record", "record.json", "--json").stdout)
    assert told["records"]["record.json"] == [{"path": "refused", "before": None, "after": ["mot"]}]


@pytest.mark.parametrize("arguments", [["list"], ["check", NAME]])
def test_json_is_what_the_lines_say(arguments: list[str]) -> None:
    lines, told = run(*arguments).stdout, json.loads(run(*arguments, "--json").stdout)
    assert [each["name"] for each in told] == [line.split()[0] for line in lines.splitlines()]


def test_check_runs_the_example_rows_of_column_maps_by_name_and_in_a_file(place: Path) -> None:
    assert run("check", "columns/appels-tableur").stdout == "columns/appels-tableur  holds\n" and "columns/appels-tableur  holds" in run("check").stdout
    text = (ROOT / "mappings" / "columns" / "appels-tableur.yaml").read_text("utf-8")
    (place / "mine.yaml").write_text(text, "utf-8")
    assert run("check", "mine.yaml").stdout == "mine.yaml  holds\n"
    (place / "mine.yaml").write_text(text.replace("digits: 5", "digits: 6"), "utf-8")
    failed = run("check", "mine.yaml")
    assert failed.exit_code == 1 and "mine.yaml:" in failed.stdout and "code_postal" in failed.stdout
