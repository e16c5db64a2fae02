"""What each view shows is what was read and agreed to: tests/vectors/views/shown, written by `python -m tests.unit.views.table`."""

from __future__ import annotations

import pytest

from tests.unit.views.looks import VIEWS
from tests.unit.views.table import SHOWN, file_of, shared, table


@pytest.mark.parametrize("name", VIEWS)
def test_view_shows_what_its_table_says_and_nothing_else(name: str) -> None:
    assert table(name) == file_of(name).read_text("utf-8").splitlines()


def test_what_views_share_is_what_its_table_says() -> None:
    assert shared() == file_of("_shared").read_text("utf-8").splitlines()


def test_there_is_a_table_for_every_view_and_for_nothing_else() -> None:
    assert {each.stem for each in SHOWN.iterdir()} == {*VIEWS, "_shared"}
