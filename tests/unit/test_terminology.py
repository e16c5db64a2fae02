"""The code tables as FHIR: CodeSystem, ValueSet, ConceptMap, `$validate-code` and `$translate` (R4 terminology service)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter import fhir
from adapter.errors import Malformed, NotFound
from adapter.mapping import Terms
from adapter.names import SDOHCC_CODES, SERAFIN, SNOMED, Systems
from adapter.terminology import OPERATIONS, WAYS, Terminology

SYSTEMS = Systems()
TERMS = Terms.load(Path(__file__).parents[2] / "mappings" / "terms")
HERE = Terminology(TERMS, SYSTEMS, "0.0.0")
NEED = SYSTEMS.code("need")


def told(parameters: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: next(value for name, value in each.items() if name.startswith("value")) for each in parameters["parameter"] if "part" not in each}


def matches(parameters: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(equivalence, system, code) of each."""
    parts = [{part["name"]: part for part in each["part"]} for each in parameters["parameter"] if each["name"] == "match"]
    return [(each["equivalence"]["valueCode"], each["concept"]["valueCoding"]["system"], each["concept"]["valueCoding"]["code"]) for each in parts]


@pytest.mark.parametrize("type", OPERATIONS)
def test_everything_is_valid_r4(type: str) -> None:
    found = HERE.search(type, [])
    assert len(found) == (len(WAYS) if type == "ConceptMap" else len(TERMS.tables))
    for each in found:
        assert fhir.parse(fhir.dumps(each), type=type) == each
        assert HERE.read(type, each["id"]) == each and HERE.search(type, [("url", each["url"])]) == [each]


def test_code_system_has_every_code_of_its_table_and_says_which_no_record_may_choose() -> None:
    need = HERE.read("CodeSystem", "need")
    assert [each["code"] for each in need["concept"]] == list(TERMS["need"].terms) and need["count"] == len(need["concept"])
    (first,) = [each for each in need["concept"] if each["code"] == "acces-droits"]
    assert (first["display"], first["designation"][0]["value"]) == ("Accès aux droits sociaux", "Access to social rights")
    marked = {each["code"] for each in need["concept"] if "property" in each}
    assert marked == {code for code, term in TERMS["need"].terms.items() if term.abstract} != set()
    assert "property" not in HERE.read("CodeSystem", "relation")


def test_search_takes_its_parameters_and_no_other() -> None:
    assert [each["id"] for each in HERE.search("ValueSet", [("_id", "need,outcome"), ("status", "active")])] == ["need", "outcome"]
    assert HERE.search("ValueSet", [("status", "draft")]) == []
    with pytest.raises(Malformed, match="offered"):
        HERE.search("ValueSet", [("code", "x")])


@pytest.mark.parametrize(("type", "asked", "result", "display"), [
    ("CodeSystem", {"code": "denutrition"}, True, True), ("CodeSystem", {"code": "zyx"}, False, False),
    ("CodeSystem", {"code": "isolement", "display": "Isolement"}, True, True), ("CodeSystem", {"code": "isolement", "display": "Zyx"}, False, True),
    ("ValueSet", {"code": "denutrition", "system": NEED}, True, True), ("ValueSet", {"code": "denutrition", "system": SNOMED}, False, False),
])  # fmt: skip
def test_code_is_validated(type: str, asked: dict[str, str], result: bool, display: bool) -> None:
    found = told(HERE.perform(type, asked | {"url": HERE.read(type, "need")["url"]}))
    assert found["result"] is result and ("display" in found) is display and ("message" in found) is not result


@pytest.mark.parametrize(("asked", "found"), [
    ({"target": SDOHCC_CODES}, [("wider", SDOHCC_CODES, "food-insecurity")]), ({"targetsystem": SERAFIN}, None),
    ({"url": "https://liaison.example/ConceptMap/need-neutral"}, None),
])  # fmt: skip
def test_need_is_translated_to_the_codes_of_others(asked: dict[str, str], found: list[tuple[str, str, str]] | None) -> None:
    made = HERE.perform("ConceptMap", asked | {"code": "denutrition", "system": NEED})
    assert told(made)["result"] is True and len(matches(made)) == 1
    assert found is None or matches(made) == found


def test_translation_without_a_map_gives_each_and_what_is_not_known_is_no_result() -> None:
    systems = {system for _, system, _ in matches(HERE.perform("ConceptMap", {"code": "denutrition", "system": NEED}))}
    assert {SDOHCC_CODES, SERAFIN, NEED, SYSTEMS.code("data-inclusion-thematique")} == systems
    nothing = HERE.perform("ConceptMap", {"code": "zyx", "system": NEED})
    assert told(nothing)["result"] is False and matches(nothing) == []
    assert matches(HERE.perform("ConceptMap", {"code": "aide-en-place", "system": SYSTEMS.code("outcome")})) == [("relatedto", SNOMED, "711069006")]
    assert matches(HERE.perform("ConceptMap", {"code": "denutrition", "system": SNOMED})) == []


@pytest.mark.parametrize(("type", "asked", "error"), [
    ("CodeSystem", {"code": "x"}, Malformed), ("CodeSystem", {"url": "urn:x", "code": "x"}, NotFound), ("ValueSet", {"url": "https://liaison.example/ValueSet/need"}, Malformed),
    ("ValueSet", {"url": "https://liaison.example/ValueSet/need", "code": "x"}, Malformed), ("ConceptMap", {"code": "x"}, Malformed),
    ("ConceptMap", {"code": "x", "system": NEED, "url": "urn:x"}, NotFound), ("ConceptMap", {"code": "x", "system": NEED, "reverse": "true"}, Malformed),
])  # fmt: skip
def test_what_cannot_be_answered_is_refused(type: str, asked: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        HERE.perform(type, asked)
