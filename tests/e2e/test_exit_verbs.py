"""The verbs of the command line as exits: each as its class in the table of exits says."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from adapter import showing
from adapter.cli import house as cli_house
from adapter.cli.program import program
from adapter.errors import NotFound
from adapter.store import upgrade
from tests.e2e.desk import Desk
from tests.e2e.exits import CALLERS, NUMBERED, OFFICER, VERBS
from tests.e2e.stage import ROOT
from tests.e2e.test_exits import BORN, BORN_AS, CONTACT, GIVEN, NAME, NEED, PHONE, STREET, WORDS, found_in, opened, played, record
from tests.unit.drop.sheets import call


def test_no_verb_prints_a_word_of_a_person_and_the_officers_stand_in_the_trail(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'liaison.db'}"
    upgrade(url)
    with opened(tmp_path, url) as house:
        played(house)
        desk = Desk(house.stage, tmp_path)
        task = f"Task/{house.stage.app.read_now(lambda _, uow: uow.search(showing.Query('Task')))[0].id}"
        desk.run("dpo", "key", str(tmp_path / "officer.key"))
        table = dropped(tmp_path / "tables")
        for verb, (kind, told) in VERBS.items():
            if not told or kind == CALLERS:
                continue
            words = [each.replace("TASK", task).replace("TABLE", str(table)).replace("FOLDER", str(tmp_path)).replace("NETWORK", str(ROOT / "mappings" / "demo" / "network.yaml")) for each in told]
            before = house.stage.app.read_now(lambda _, uow: uow.audit_head())[0]
            result = desk.run(*words)
            text = result.output + str(result.exception or "")
            may = {"network show": frozenset({NEED}), "view try": CONTACT}  # the needs that a unit takes; the card of one who sees it
            assert found_in(text.encode()) <= may.get(verb, frozenset()), (verb, sorted(found_in(text.encode())))
            assert result.exit_code in (0, 1) and (result.exception is None or isinstance(result.exception, (SystemExit, NotFound) if told[-1] in NUMBERED else SystemExit)), (verb, text)
            if kind == OFFICER:
                events = house.stage.app.read_now(lambda _, uow, before=before: uow.audit_rows(after=before, limit=100))
                assert any(b'"110100"' in each.event for each in events), verb
        files = [file for file in tmp_path.iterdir() if file.is_file() and not file.name.startswith("liaison.db")]
        files.append(table.with_name("appels.outcome.csv"))
        assert len(files) > 5 and not any(found_in(file.read_bytes()) for file in files)


def dropped(folder: Path) -> Path:
    """A table with a row that is taken in and one that is refused, both about the person."""
    folder.mkdir()
    said = {"Nom": NAME, "Nom de naissance": BORN_AS, "Prénom": GIVEN, "Né(e) le": BORN, "Téléphone": f"0{PHONE}", "Adresse": STREET, "Remarques": WORDS}
    rows = [call("A-1", **said), call("A-2", **said, **{"Code postal": PHONE}), call("A-3", **said | {"Sexe": NAME, "Téléphone": GIVEN})]
    with (folder / "appels.csv").open("w", encoding="utf-8", newline="") as text:
        table = csv.DictWriter(text, list(rows[0]), delimiter=";")
        table.writeheader()
        table.writerows(rows)
    return folder / "appels.csv"


@pytest.mark.parametrize("verb", [verb for verb, (kind, words) in VERBS.items() if words and kind == CALLERS])
def test_verb_that_works_on_what_it_is_given_opens_no_store_of_the_house(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIAISON_DATABASE_URL", "sqlite:////nowhere/liaison.db")
    (tmp_path / "record.json").write_text(json.dumps(record()))
    words = [each.replace("RECORD", str(tmp_path / "record.json")).replace("FOLDER", str(tmp_path)) for each in VERBS[verb][1]]
    with mock.patch.object(cli_house, "opened", side_effect=AssertionError("it opens the house")):
        result = CliRunner().invoke(program(), words)
    assert result.exit_code in (0, 1, 2) and not isinstance(result.exception, AssertionError), (result.output, result.exception)
    assert not list(tmp_path.glob("**/*.db"))
