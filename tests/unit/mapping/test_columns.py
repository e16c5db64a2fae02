"""Column maps: what a cell becomes, documents that are refused, headers that do not fit, and the maps of this repository line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import MappingError
from adapter.mapping import Columns, check_columns, load_columns
from adapter.mapping.cells import Cell
from adapter.mapping.document import parse
from tests.unit.mapping.records import DOCUMENTS, MAPPINGS
from tests.unit.mapping.test_documents import _lines, _without

MAPS = load_columns(MAPPINGS, DOCUMENTS)
SMALL = """columns: c
version: 1
title: {fr: C, en: C}
mapping: appel-coursier
unmapped: refuse
fields:
  id: {columns: [Lettre, Numéro], join: "-"}
  appel: Appel
  preneur_appel: {constant: lea}
  appelant.nom: Médecin
  urgence: {column: Urgence, default: normale, optional: true}
  destinataire: {constant: coursier-rouen}
  besoins: {column: Besoins, list: [",", /], words: {repas: denutrition}}
  personne.telephone: {column: Tél, phones: warn, optional: true}
  personne.adresse.code_postal: {column: CP, digits: 5, optional: true}
"""
HEADER = ["Lettre", "Numéro", "Appel", "Médecin", "Besoins"]


def small(*changes: tuple[str, str]) -> Columns:
    text = SMALL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return Columns(parse(text, name="c.yaml"), DOCUMENTS)


# ── what people write in a cell ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("text", "first", "more"), [
    ("06 39 98 00 01", "06 39 98 00 01", ()), ("06.39.98.00.01", "06.39.98.00.01", ()), ("06 39 98 00 01 / 06 39 98 00 02", "06 39 98 00 01", ("06 39 98 00 02",)),
    ("0639980001 0639980002", "0639980001", ("0639980002",)), ("06-39-98-00-01;+33 2 61 91 00 11", "06-39-98-00-01", ("+33 2 61 91 00 11",)),
    ("0639980001\n0639980002\n0639980003", "0639980001", ("0639980002", "0639980003")), ("+32 2 123 45 67 ou 06 39 98 00 01", "+32 2 123 45 67", ("06 39 98 00 01",)),
    ("domicile 02 61 91 00 11, portable 06 39 98 00 01", "02 61 91 00 11", ("06 39 98 00 01",)), ("le soir", "le soir", ()), ("", "", ()),
    ("0033639980001", "0033639980001", ()), ("+33 (0)6 39 98 00 01", "+33 (0)6 39 98 00 01", ()),
])  # fmt: skip
def test_of_several_telephones_in_a_cell_the_first_is_kept_and_the_others_told_apart(text: str, first: str, more: tuple[str, ...]) -> None:
    found = Cell(phones=True).read(text)
    assert (found.text, found.more) == (first, more)


@pytest.mark.parametrize(("text", "digits", "number"), [
    ("12345678900011.0", 14, "12345678900011"), ("12345678900011,0", 14, "12345678900011"), ("1000.0", 5, "01000"), ("1000", 5, "01000"), ("59260", 5, "59260"),
    ("123 456 789 00011", 14, "12345678900011"), ("2A004", 5, "2A004"), ("1000.5", 5, "1000.5"), ("123456", 5, "123456"), ("", 5, ""), ("²5", 5, "²5"),
])  # fmt: skip
def test_digits_that_a_spreadsheet_spoilt_are_restored(text: str, digits: int, number: str) -> None:
    assert Cell(digits=digits).read(text) == (number, (), "", "")


@pytest.mark.parametrize("text", ["1,23457E+13", "1.2e13", "1E+13"])
def test_a_number_that_a_spreadsheet_rounded_is_a_problem(text: str) -> None:
    assert "rounded" in Cell(digits=14).read(text).problem


@pytest.mark.parametrize(("text", "moment"), [
    ("06/03/2026 18h50", "2026-03-06T18:50"), ("6/3/2026 18:50:07", "2026-03-06T18:50:07"), ("06/03/2026 à 9h", "2026-03-06T09:00"), ("06/03/2026", "2026-03-06"),
    ("2026-03-06 18:55:00", "2026-03-06T18:55:00"), ("2026-03-06 9h05", "2026-03-06T09:05"), ("2026-03-06T18:50:00+01:00", "2026-03-06T18:50:00+01:00"),
    ("demain", "demain"), ("99/99/2026 99h99", "2026-99-99T99:99"),
])  # fmt: skip
def test_moments_are_said_as_iso_and_what_is_none_stays_for_the_record_kind_to_refuse(text: str, moment: str) -> None:
    assert Cell(instant=True).read(text).text == moment


@given(st.text(max_size=60))
def test_any_text_of_a_cell_is_read(text: str) -> None:
    for cell in (Cell(), Cell(digits=5), Cell(instant=True), Cell(phones=True), Cell(words={"x": ("y", "")})):
        assert cell.read(text).text is not None


# ── a row as a record ────────────────────────────────────────────────────────────────────────────
def test_record_is_made_of_joined_columns_constants_lists_words_and_defaults() -> None:
    filled = small().against([*HEADER, "Tél", "CP"]).record(
        {"Lettre": "A", "Numéro": "7", "Appel": " 2026-03-06 18:50 ", "Médecin": "", "Besoins": "Repas, isolement/autre\n", "Tél": "0639980001/0639980002/0639980003", "CP": "1000.0"}
    )  # fmt: skip
    assert filled.record == {
        "id": "A-7", "appel": "2026-03-06 18:50", "preneur_appel": "lea", "urgence": "normale", "destinataire": "coursier-rouen",
        "besoins": ["denutrition", "isolement", "autre"], "personne": {"telephone": "0639980001", "adresse": {"code_postal": "01000"}},
    }  # fmt: skip
    assert [(each.column, each.path, each.text) for each in filled.warnings] == [("Tél", "personne.telephone", "2 more in this cell are left out")]
    assert not filled.problems


def test_second_telephone_goes_where_the_map_says() -> None:
    fit = small(("phones: warn", "phones: appelant.telephone")).against([*HEADER, "Tél"])
    filled = fit.record({"Tél": "0639980001 / 0261910011", "Besoins": "repas"})
    assert filled.record["personne"]["telephone"] == "0639980001" and filled.record["appelant"]["telephone"] == "0261910011" and not filled.warnings


def test_names_of_columns_are_forgiven_case_accents_and_blanks() -> None:
    assert small().against(["LETTRE", "numero", "appel", "medecin", "besoins"]).record({"numero": "7", "LETTRE": "B"}).record["id"] == "B-7"


@pytest.mark.parametrize(("path", "column"), [
    ("id", "Lettre + Numéro"), ("besoins[2]", "Besoins"), ("appelant", "Médecin"), ("appelant.prenom", ""), ("personne.adresse", "CP"), ("destinataire", ""), ("?", ""), ("", ""),
])  # fmt: skip
def test_column_behind_a_path_of_the_record(path: str, column: str) -> None:
    assert small().column_of(path) == column


# ── headers that do not fit ──────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("header", "says"), [
    (HEADER[:-1], "no column Besoins: mend the names"), (["06/03/2026", "Zyxdurand"], "is it there?"), ([*HEADER, "zyx", "Zyxdurand"], "number 6, 7 of the header"),
    ([*HEADER, "medecin"], "more than one column is called Médecin"),
])  # fmt: skip
def test_a_header_that_does_not_fit_is_refused_without_a_word_of_it(header: list[str], says: str) -> None:
    with pytest.raises(MappingError) as refused:
        small().against(header)
    assert says in str(refused.value) and "yx" not in str(refused.value) and (refused.value.document or "").startswith("c.yaml:")


def test_columns_that_the_map_does_not_know_are_left_out_where_it_says_so_and_ours_always() -> None:
    assert small(("unmapped: refuse", "unmapped: drop")).against([*HEADER, "Vu par"]).left == 1
    assert small().against(["liaison.reason", *HEADER]).left == 0


# ── documents ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("old", "new", "line", "says"), [
    ("mapping: appel-coursier", "mapping: appel-coursiers", 4, "near: appel-coursier"), ("unmapped: refuse", "unmapped: keep", 5, "refuse or drop"),
    ("appelant.nom: Médecin", "appelant.non: Médecin", 10, "near: appelant.nom"), ("appelant.nom: Médecin", "entourage: Médecin", 10, "a group that repeats"),
    ("appel: Appel\n", "appel: {column: Appel, constant: x}\n", 8, "one of column, columns, constant"), ("appel: Appel\n", "appel: {constant: x, digits: 3}\n", 8, "does not know 'digits'"),
    ("digits: 5", "digits: 0", 15, "1 to 30"), ("digits: 5", "digits: 5, instant: true", 15, "one of digits, instant, phones"), ("digits: 5", "list: x", 15, "holds one value"),
    ("phones: warn", "phones: nowhere", 14, "expected warn, or the field"), ("phones: warn", "phones: appelant.nom", 14, "fed by a column of its own"),
    ("{repas: denutrition}", "{repas: denutrition, Repas: autre}", 13, "but for case and accents"), ("{repas: denutrition}", "{repas: {}}", 13, "expected what the record says"),
    ("id: {columns: [Lettre, Numéro], join: \"-\"}", "id: {constant: x}", 7, "comes from a column"), ("  appel: Appel\n", "", 7, "nothing feeds 'appel'"),
    ("title: {fr: C, en: C}", "title: {fr: C}", 3, "expected the key 'en'"), ("version: 1", "version: 1\nlet: {}", 3, "does not know 'let'"),
])  # fmt: skip
def test_document_is_refused_naming_file_and_line(old: str, new: str, line: int, says: str) -> None:
    with pytest.raises(MappingError) as refused:
        small((old, new))
    assert says in str(refused.value) and refused.value.document == f"c.yaml:{line}"


def test_document_without_examples_or_with_an_idle_word_does_not_hold() -> None:
    assert [each.text for each in check_columns(small())] == ["a column map has examples"]


@pytest.mark.parametrize("name", MAPS)
def test_map_does_what_its_examples_say(name: str) -> None:
    assert check_columns(MAPS[name]) == []


@pytest.mark.parametrize("name", MAPS)
def test_map_does_not_hold_without_any_one_of_its_lines(name: str) -> None:
    text = (MAPPINGS / "columns" / f"{name}.yaml").read_text("utf-8")
    for at in _lines(text):
        assert not _holds(_without(text, at)), f"line {at + 1}: {text.splitlines()[at]}"


def _holds(text: str) -> Any:
    try:
        return not check_columns(Columns(parse(text, name="c.yaml"), DOCUMENTS))
    except MappingError as error:
        assert error.document and error.document.startswith("c.yaml:")
        return False


def test_folder_without_column_maps_has_none_and_a_file_is_called_as_its_map(tmp_path: Path) -> None:
    assert load_columns(tmp_path, DOCUMENTS) == {}
    (tmp_path / "columns").mkdir()
    (tmp_path / "columns" / "d.yaml").write_text(SMALL, "utf-8")
    with pytest.raises(MappingError, match="expected the name of the file, d"):
        load_columns(tmp_path, DOCUMENTS)
