"""Each row of a view file counts: dropped, or with another stage or condition, something comes out otherwise; and what
breaks a rule of the matrix is refused. (A table that no test feels is a table nobody checks.)"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from adapter.errors import SettingsError
from adapter.views import View, load_view
from adapter.views.load import load_labels
from adapter.views.matrix import load_matrix
from tests.unit.views.full import FULL
from tests.unit.views.looks import (
    REFERRAL,
    ROOT,
    VIEWS,
    all_facts,
    author,
    facts,
    needs,
    see,
)  # fmt: skip

FOLDER = ROOT / "mappings" / "views"
MATRIX = load_matrix((FOLDER / "matrix.yaml").read_text("utf-8"))
LABELS = load_labels((FOLDER / "labels.yaml").read_text("utf-8"))

WIDE = needs("acces-droits", "aidant", "perte-autonomie", "denutrition", "isolement")
LOOKS = [
    *all_facts(), author(), author(tick=True), author("violences", tick=True),
    facts("acces-droits", "aidant", "perte-autonomie", "denutrition", "isolement"), facts("aidant", "denutrition"), facts("isolement", unsafe=True),
    facts(needs=None, asked=WIDE),
]  # fmt: skip


def fingerprint(view: View, kind: str) -> str:
    return json.dumps([see(view, look, [one for one in FULL if one["resourceType"] == kind]) for look in LOOKS], sort_keys=True)


BEFORE = {(name, kind): fingerprint(view, kind) for name, view in VIEWS.items() for kind in view.trees}


class Row(NamedTuple):
    """An element row of a view file."""

    view: str
    kind: str
    number: int
    text: str

    def changed(self, text: str | None) -> str | None:
        """What the view shows of that type with the row changed (None: dropped); None: refused at load."""
        lines = (FOLDER / f"{self.view}.yaml").read_text("utf-8").splitlines()
        lines[self.number : self.number + 1] = [] if text is None else [text]
        try:
            return fingerprint(load_view("\n".join(lines), name=self.view, matrix=MATRIX, labels=LABELS), self.kind)
        except SettingsError:
            return None

    @property
    def before(self) -> str:
        return BEFORE[self.view, self.kind]


def rows(name: str) -> Iterator[Row]:
    lines = (FOLDER / f"{name}.yaml").read_text("utf-8").splitlines()
    start, kind = lines.index("resources:"), ""
    for number in range(start + 1, len(lines)):
        if lines[number] and not lines[number].startswith("  "):
            return
        if lines[number].startswith("    "):
            yield Row(name, kind, number, lines[number])
        else:
            kind = lines[number].partition("#")[0].strip(" :")


ROWS = {name: list(rows(name)) for name in VIEWS}


def test_rows_are_all_of_every_view() -> None:
    assert {name: len(found) for name, found in ROWS.items()} == {name: len(view.rules) for name, view in VIEWS.items()}
    assert REFERRAL


@pytest.mark.parametrize("name", VIEWS)
def test_dropped_row_is_felt(name: str) -> None:
    assert [row.text.strip() for row in ROWS[name] if row.changed(None) == row.before] == []


@pytest.mark.parametrize("name", VIEWS)
def test_row_with_a_condition_less_is_felt(name: str) -> None:
    for row in ROWS[name]:
        for word in ("need", "demand", "safe", "mild", "label"):
            if f" {word}" in row.text:
                assert row.changed(row.text.replace(f" {word}", "")) != row.before, row.text


@pytest.mark.parametrize("name", VIEWS)
def test_row_with_other_stages_is_felt(name: str) -> None:
    for row in ROWS[name]:
        path, _, said = row.text.rpartition(": ")
        words = [word for word in said.split() if word not in ("always", "offer", "open", "closed")]
        for stages in ("offer", "closed"):
            assert row.changed(f"{path}: {' '.join([*words, stages])}") != row.before, row.text


@pytest.mark.parametrize("name", VIEWS)
def test_row_with_another_class_is_refused(name: str) -> None:
    for row in ROWS[name]:
        path, _, said = row.text.rpartition(": ")
        cls, *words = said.split()
        for wrong in {"structure", "D1", "D13"} - {cls}:
            assert row.changed(f"{path}: {' '.join([wrong, *words])}") is None, row.text
