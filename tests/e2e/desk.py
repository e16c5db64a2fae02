"""The command line beside a whole Liaison on disk, as an officer or an operator sits at it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from unittest import mock

from click.testing import Result
from typer.testing import CliRunner

from adapter.cli import house
from adapter.cli.program import program
from tests.e2e.stage import COURSIER, Stage

VIEW = "coursier-dac-asso"


class Desk:
    """A stage on disk, and the command line beside it."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self.folder, self.database = stage, folder, folder / "liaison.db"

    def run(self, *words: str, typed: str = "") -> Result:
        settings = self.stage.app.settings.model_copy(
            update={"checkpoint_file": self.folder / "points", "checkpoint_key_file": self.folder / "check.key", "officer_key_file": self.folder / "officer.key.pub"}
        )
        built, asked = mock.patch("adapter.app.build", lambda _: self.stage.app), mock.patch.object(house, "settings", lambda **_: settings)
        with built, asked, mock.patch.object(self.stage.app, "close"):
            return CliRunner().invoke(program(), list(words), input=typed)

    def tamper(self, *statements: str) -> None:
        with sqlite3.connect(self.database) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    def reference(self) -> str:
        return str(self.stage.cards(COURSIER, VIEW)[0].card["reference"])
