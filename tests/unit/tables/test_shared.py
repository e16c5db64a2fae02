"""The tables of others, as they are (france.md 1.6, number 5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.tables import opened, rows

pytestmark = pytest.mark.shared
SAMPLES = Path("data/fr/samples/data-inclusion")


def test_workbook_of_data_inclusion_has_siret_and_post_codes_as_their_digits(shared: Path) -> None:
    pytest.importorskip("openpyxl")
    with opened(shared / SAMPLES / "dataset.xlsx") as table:
        found = list(table)
    assert found and not any(row.faults for row in found)
    for name in ("siret", "code_postal"):
        assert any(row.cells.get(name) for row in found) and not any(row.cells[name].endswith(".0") for row in found), name


@pytest.mark.parametrize("name", ["profils.csv", "thematiques.csv", "thematiques_v1.csv", "typologies_de_structures.csv"])
def test_tables_of_data_inclusion_are_read_to_their_end(shared: Path, name: str) -> None:
    found = list(rows(shared / SAMPLES / name))
    assert len(found) > 1 and all(any(cells.values()) for _, cells in found) and len(found[0][1]) > 1
