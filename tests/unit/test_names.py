"""Every case of the specification has a test that bears its name: M-05 is `…_M_05`, C-E7 is `…_C_E7`, Y-03 is `…_Y_03`, S6 is `…_S6…`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
CASES = (
    *(f"M_{number:02}" for number in range(1, 26)),  # views.md 2.5
    *(f"U_{number:02}" for number in range(1, 19)),  # security.md 4.4
    *(f"C_E{number}" for number in range(1, 12)),  # consent.md 1.5
    *(f"S{number}" for number in range(1, 17)),  # consent.md 1.3
    *(f"P{number}" for number in range(1, 8)),  # consent.md 1.4
    *(f"A_{number:02}" for number in (*range(1, 24), 27, 29, 30)),  # security.md 3.5; those of sign-in by OpenID Connect are to come
    *(f"Y_{number:02}" for number in range(1, 49)),  # sync.md 5.4, and 46 to 48 of the issue
    *(f"F{number}" for number in (1, 2, 4, 5, 6, 7, 8, 9, 12)),  # france.md 8
)


def names() -> Iterator[str]:
    """The name of every function that pytest collects: on a module of tests, not inside another function."""
    for file in TESTS.rglob("test_*.py"):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.name


def bears(name: str, case: str) -> bool:
    return re.search(rf"_{case}(?![0-9A-Za-z])", name) is not None


@cache
def borne(name: str) -> list[str]:
    return [case for case in CASES if bears(name, case)]


def without_test(found: list[str]) -> list[str]:
    told = {case for name in found for case in borne(name)}
    return [case for case in CASES if case not in told]


def test_every_case_has_a_test_by_its_name() -> None:
    assert without_test(list(names())) == []


def test_case_is_missed_when_its_tests_are_gone() -> None:
    """One case is not taken for another: without the tests that bear it, it is told, and a name tells of no other case."""
    found = list(names())
    for case in CASES:
        left = [name for name in found if case not in borne(name)]
        assert case in without_test(left), case
        assert without_test([f"test_x_{case}"]) == without_test([f"test_{case}_y"]) == [each for each in CASES if each != case]
    assert without_test(["test_x_S1", "test_x_F12_y"]) == [case for case in CASES if case not in ("S1", "F12")]


def test_file_is_kept_whole_in_one_process_when_several_run_side_by_side(request: pytest.FixtureRequest) -> None:
    """pytest-xdist marks a test of a group by its name; without the mark two processes build one image into one folder."""
    if hasattr(request.config, "workerinput"):
        assert request.node.nodeid.endswith("@test_names")
