"""Rows of any text: none raises, each has one line in the outcome, those that are refused come back to the letter, and nothing of a cell is told."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.drop import Run
from tests.e2e.stage import Stage, staged
from tests.unit.drop.sheets import CALL, call, told, what, written

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
WRITTEN = st.one_of(TEXT, st.sampled_from(['"', ";", "a;b\nc", "\r", "=1+1", "x", "oui", "06 39 98 00 01 / 06 39 98 00 02", "1E+20", "31/02/2026", "  "]))
ROWS = st.lists(st.dictionaries(st.sampled_from(list(CALL)), WRITTEN, max_size=6), min_size=1, max_size=4)
NUMBERS = count(1)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


@given(changes=ROWS)
def test_any_row_has_one_line_and_comes_back_as_it_came_when_it_is_refused(stage: Stage, tmp_path_factory: pytest.TempPathFactory, changes: list[dict[str, str]]) -> None:
    number = next(NUMBERS)
    file = tmp_path_factory.getbasetemp() / f"any{number}.csv"
    calls = [call(f"P-{number}-{i}") | changed for i, changed in enumerate(changes)]
    begun = Run(stage.app, written(file, calls), what(stage.app), id=f"any-{number}")
    while begun.step():
        pass
    begun.close()
    Run.forget(stage.app, f"any-{number}")
    lines = told(begun.files.outcome)
    assert [line["row"] for line in lines] == [str(at) for at in range(2, 2 + len(calls))]
    refused = [each for each, line in zip(calls, lines, strict=True) if line["outcome"] == "refused"]
    given_back = told(begun.files.rejected) if begun.files.rejected.exists() else []
    assert [{name: text for name, text in row.items() if name != "liaison.reason"} for row in given_back] == refused
    assert not any("nobody foresaw" in line["said"] for line in lines), [line["said"] for line in lines]
    _forgotten(file, begun.files.outcome, begun.files.rejected)


def _forgotten(*files: Path) -> None:
    for file in files:
        file.unlink(missing_ok=True)
