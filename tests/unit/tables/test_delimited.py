"""CSV as the tools of France write it (france.md 1.6, number 5)."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import SettingsError
from adapter.tables import opened, rows
from adapter.tables.delimited import LONGEST


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_rows_are_the_same_whatever_encoding_separator_and_line_end(file: Path, encoding: str, separator: str, end: str) -> None:
    text = end.join((separator.join(("Prénom", "Naïf", "Œuvre")), separator.join(("Zoé", "", "€")), ""))
    file.write_bytes(text.encode(encoding))
    assert list(rows(file)) == [(2, {"Prénom": "Zoé", "Naïf": "", "Œuvre": "€"})]


def test_a_quoted_cell_holds_separators_quotes_and_lines_and_a_row_is_numbered_as_a_spreadsheet_does(file: Path) -> None:
    file.write_text('nom;"note;\nlue"\nA;"dit ""oui""; puis\nnon"\n\n;\nB;\n', "utf-8")
    assert list(rows(file)) == [(2, {"nom": "A", "note; lue": 'dit "oui"; puis\nnon'}), (5, {"nom": "B", "note; lue": ""})]


def test_encoding_is_known_by_the_whole_file_and_not_by_its_beginning(file: Path) -> None:
    file.write_bytes(b"nom\n" + b"abcdefgh\n" * 300_000 + "Zoé\n".encode("cp1252"))
    with opened(file) as table:
        assert [row.cells["nom"] for row in table if row.cells["nom"] != "abcdefgh"] == ["Zoé"]


def test_separator_is_the_one_that_a_first_line_says(file: Path) -> None:
    file.write_text("sep=,\na;b,c\n1;2,3\n", "utf-8")
    assert list(rows(file)) == [(3, {"a;b": "1;2", "c": "3"})]


def test_separator_is_not_one_inside_the_quotes_of_the_header(file: Path) -> None:
    file.write_text('"nom, prénom, âge";ville\nx;y\n', "utf-8")
    assert list(rows(file)) == [(2, {"nom, prénom, âge": "x", "ville": "y"})]


def test_a_short_row_has_empty_cells_and_a_trailing_separator_is_no_column(file: Path) -> None:
    file.write_text("a;b;c;\n1\n1;2;3;\n", "utf-8")
    assert [cells for _, cells in rows(file)] == [{"a": "1", "b": "", "c": ""}, {"a": "1", "b": "2", "c": "3"}]


def test_a_value_under_no_column_name_is_a_fault_of_that_row_alone(file: Path) -> None:
    file.write_text("a;;c\n1;;3\n1;x;3;4\n5;;6\n", "utf-8")
    with opened(file) as table:
        found = list(table)
    assert [[(fault.column, "under no column name" in fault.text) for fault in row.faults] for row in found] == [[], [("B", True)], []]
    assert found[1].written == ("1", "x", "3", "4")
    with pytest.raises(SettingsError, match=r"t\.csv: row 3, column B: a value under no column name"):
        list(rows(file))


@pytest.mark.parametrize(("content", "says"), [
    (b"", "no header"), (b"\n;;\n  ;\n", "no header"), (b"\xef\xbb\xbf", "no header"),
    (b"nom;a;nom\n", "row 1, column C: the same column name as in A"), (b"nom; nom \n", "the same column name"),
    (b'a;b\n1;"x\n2;y\n', "row 2: not readable: is a quote opened that does not close?"), (b'a;b\n1;"x"y\n', "row 2: not readable"),
    (b"\x00\x01\x02", "neither a table of text nor a workbook"), (b"a\n\x81\x8d\xff\n", "neither UTF-8 nor Windows-1252"),
    (b"\xef\xbb\xbfa\n\xff\n", "neither UTF-8 nor"), (b"\xd0\xcf\x11\xe0rest", "an old .xls"), (b"a" * 201 + b"\n", "at most 200 characters"),
    (";".join(f"c{i}" for i in range(501)).encode() + b"\n", "at most 500 columns"), (b"a\n" + b"x" * (LONGEST + 1) + b"\n", "longer than a million"),
])  # fmt: skip
def test_a_file_that_is_no_table_is_refused_before_its_first_row_naming_the_place(file: Path, content: bytes, says: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsError) as refused, opened(file) as table:
        list(table)
    assert str(refused.value).startswith("t.csv: ") and says in str(refused.value) and refused.value.fix


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"), opened(tmp_path / "none.csv"):
        pass


def test_memory_does_not_grow_with_the_rows(file: Path) -> None:
    """A tenfold table takes no more than the small one, but for what Python happens to hold."""

    def most(count: int) -> int:
        with file.open("w", encoding="utf-8") as text:
            text.writelines(("nom;adresse\n", *(f"Fictive{i};{i} rue de l'Exemple\n" for i in range(count))))
        tracemalloc.start()
        try:
            assert sum(1 for _ in rows(file)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    most(10)
    small, large = most(3_000), most(30_000)
    assert large < 1.5 * small


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any", numbered=True) / "t.csv"
    file.write_bytes(content)
    try:
        with opened(file) as table:
            found = list(table)
    except SettingsError:
        return
    finally:
        file.unlink()
    assert all(set(row.cells) == {name for name in table.columns if name} for row in found)
    assert [row.number for row in found] == sorted({row.number for row in found})
