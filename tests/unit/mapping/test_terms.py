"""Code tables: the needs and their neutral codes, and what a table may not say."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from adapter.errors import MappingError
from adapter.mapping import Terms
from tests.unit.mapping.records import MAPPINGS

TERMS = Terms.load(MAPPINGS / "terms")
NEEDS = TERMS["need"]
# Words by which a label would tell a diagnosis, a stay in hospital, an act, a status.
TELLING = (
    "dénutri", "addict", "violen", "maltrait", "psychi", "mental", "souffrance", "pathologie", "hospital", "handicap", "invalid",
    "justice", "détention", "judiciaire", "séjour", "tutelle", "curatelle", "dette", "endettement", "expulsion", "abri", "conflit",
    "AME", "ALD",
)  # fmt: skip


def test_needs_are_47_beside_their_neutral_codes() -> None:
    assert sum(not term.abstract for term in NEEDS.terms.values()) == 47


@pytest.mark.parametrize("code", NEEDS.terms)
def test_need_has_a_neutral_code_whose_label_tells_nothing(code: str) -> None:
    neutral = NEEDS.terms[TERMS.neutral(code)]
    assert TERMS.neutral(neutral.code) == neutral.code
    assert not any(word.lower() in neutral.fr.lower().split() if word.isupper() else word in neutral.fr.lower() for word in TELLING)
    assert int(neutral.properties["sensitivity"]) <= 2


@pytest.mark.parametrize("code", [code for code, term in NEEDS.terms.items() if term.properties["sensitivity"] == 3])
def test_need_of_sensitivity_3_is_never_its_own_neutral_code(code: str) -> None:
    assert TERMS.neutral(code) != code


def test_need_of_the_couple_has_no_slug_that_names_violence_beside_a_family_conflict() -> None:
    assert "inclusion" not in NEEDS.terms["conflit-familial"].properties


def test_labels_by_language_and_the_code_itself_when_unknown() -> None:
    assert TERMS.label("need", "isolement") == "Isolement"
    assert TERMS.label("need", "isolement", lang="en") == "Isolation"
    assert TERMS.label("need", "nothing") == "nothing"
    assert TERMS.label("nothing", "isolement") == "isolement"
    assert TERMS.neutral("nothing") == "nothing"


@pytest.mark.parametrize("table", TERMS.tables)
def test_table_labels_are_given_in_both_languages_without_doubles(table: str) -> None:
    for lang in ("fr", "en"):
        labels = [term.label(lang) for term in TERMS[table].terms.values() if not term.abstract]
        assert len(labels) == len(set(labels))


def test_outcomes_have_a_snomed_procedure() -> None:
    assert all(str(term.properties["snomed"]).isdigit() for term in TERMS["outcome"].terms.values())


@pytest.mark.parametrize(("text", "says"), [
    ("table: t\nlabels: {fr: A, en: A}\ncodes: {a: {fr: A}}", "'en'"),
    ("table: t\nlabels: {fr: A}\ncodes: {a: {fr: A, en: A}}", "'en'"),
    ("table: t\nlabels: {fr: A, en: A}\ncodes: {a: {fr: A, en: A, more: 1}}", "more"),
    ("labels: {fr: A, en: A}\ncodes: {a: {fr: A, en: A}}", "'table'"),
    ("table: t\nlabels: {fr: A, en: A}\nproperties: {neutral: a code}\ncodes: {a: {fr: A, en: A}}", "no neutral code"),
    ("table: t\nlabels: {fr: A, en: A}\nproperties: {neutral: a code}\ncodes: {a: {fr: A, en: A, neutral: c}}", "not in the table"),
    (
        "table: t\nlabels: {fr: A, en: A}\nproperties: {neutral: x}\n"
        "codes: {a: {fr: A, en: A, neutral: b}, b: {fr: B, en: B, neutral: a}}",
        "its own",
    ),
])  # fmt: skip
def test_table_is_refused_naming_file_and_line(text: str, says: str) -> None:
    with pytest.raises(MappingError, match=says) as refused:
        Terms.of({"t.yaml": text})
    assert refused.value.document.startswith("terms/t.yaml:")


def test_table_may_not_be_there_twice() -> None:
    text = "table: t\nlabels: {fr: A, en: A}\ncodes: {a: {fr: A, en: A}}"
    with pytest.raises(MappingError, match="twice"):
        Terms.of({"a.yaml": text, "b.yaml": text})


# ── against the material the facts come from ─────────────────────────────────────────────────────
@pytest.mark.shared
def test_needs_carry_the_facts_of_the_needs_map(shared: Path) -> None:
    with (shared / "data/fr/needs_map.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert {row["code"] for row in rows} == {code for code, term in NEEDS.terms.items() if not term.abstract}
    for row in rows:
        has = NEEDS.terms[row["code"]].properties
        assert has["sdohcc"] == row["sdohcc_category"] and has.get("serafin", "") == row["serafin"], row["code"]
        assert (str(has["sensitivity"]), has["priority"]) == (row["sensibilite"], row["urgence_par_defaut"]), row["code"]
        if row["code"] != "conflit-familial":
            assert "|".join(has.get("inclusion", [])) == row["di_thematique"], row["code"]


@pytest.mark.shared
def test_need_categories_are_those_of_sdohcc(shared: Path) -> None:
    system = json.loads((shared / "data/sdohcc/conformance/CodeSystem-SDOHCC-CodeSystemTemporaryCodes.json").read_text(encoding="utf-8"))
    known = {concept["code"] for concept in system["concept"]}
    assert {term.properties["sdohcc"] for term in NEEDS.terms.values()} <= known


@pytest.mark.shared
def test_recipient_categories_are_the_rows_of_the_view_matrix(shared: Path) -> None:
    with (shared / "data/fr/view_matrix.csv").open(encoding="utf-8") as file:
        rows = {row["destinataire"] for row in csv.DictReader(file, delimiter=";")}
    assert rows == set(TERMS["recipient-category"].terms)


@pytest.mark.shared
def test_status_reasons_cover_those_of_dora(shared: Path) -> None:
    dora = json.loads((shared / "data/fr/samples/dora/enums.json").read_text(encoding="utf-8"))["rejection_reasons"]
    assert set(dora) == {term.properties["dora"] for term in TERMS["status-reason"].terms.values() if "dora" in term.properties}
