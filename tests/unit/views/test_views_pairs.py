"""M-22: twelve pairs of input and output, written by hand."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml

from adapter.names import OBSERVATION_VALUE
from adapter.views import Facts, project
from tests.unit.views.looks import ROOT, SYSTEMS, VIEWS, author, facts

PAIRS: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests" / "vectors" / "views" / "pairs.yaml").read_text("utf-8"))
OWN_TABLES = ("need", "outcome")


def _look(said: dict[str, Any]) -> Facts:
    make = author if said.get("basis") == "author" else facts
    return make(*said.get("needs", ()), **{key: value for key, value in said.items() if key not in ("needs", "basis")}, pairwise=lambda _, id: f"~{id}")


def _systems(value: Any) -> Any:
    """Short names of our tables spelt out, `meta: subsetted` too."""
    if isinstance(value, dict):
        return {
            key: SYSTEMS.code(inner) if key == "system" and inner in OWN_TABLES
            else {"tag": [{"system": OBSERVATION_VALUE, "code": "SUBSETTED"}]} if (key, inner) == ("meta", "subsetted") else _systems(inner)
            for key, inner in value.items()
        }  # fmt: skip
    return [_systems(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["name"].replace(" ", "_"))
def test_pair_comes_out_as_written_M_22(pair: dict[str, Any]) -> None:
    given = _systems(pair["in"])
    before = copy.deepcopy(given)
    assert project(given, VIEWS[pair["view"]], facts=_look(pair.get("look", {}))) == _systems(pair["out"])
    assert given == before


def test_pairs_are_twelve_M_22() -> None:
    """Of everything that views.md 2.5 names there is one at least, going in; and each shows something, or withholds the whole."""
    assert len(PAIRS) == 12 == len({pair["name"] for pair in PAIRS})
    given = [json.dumps(pair["in"]) for pair in PAIRS]
    for part in ('"extension"', '"_', '"contained"', '"modifierExtension"', '"div"', '"display"', '"note"'):
        assert any(part in each for each in given), part
    assert {pair["out"] is None for pair in PAIRS} == {True, False}
