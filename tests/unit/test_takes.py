"""What each act takes: one row for each, the same as /openapi.json says, and everything else refused by its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from adapter import mapping
from adapter.errors import Invalid
from adapter.flows import FURTHER
from adapter.takes import HEARD, RECORD, TAKES, Kind, Row, check
from adapter.views.load import VERBS
from adapter.web.shapes import ACTS, ARGUMENTS, SCHEMAS
from tests.e2e.stage import ROOT

ROWS = {act: row for act, row in TAKES.items() if row is not RECORD}
FITTING: dict[str, Any] = {"string": "x", "array": ["x"], "boolean": False, "integer": 7, "object": {"x": "y"}}
ODD: tuple[Any, ...] = ("", " ", "x", 0, 7, True, None, [], [""], ["x", 7], ["x"], {}, {"x": "y"})


def places() -> Iterator[tuple[str, str, Kind]]:
    """(act, path of an argument, its kind), nested ones too."""
    for act, row in ROWS.items():
        yield from ((act, path, kind) for path, kind in flat(row, ""))


def flat(row: Row, path: str) -> Iterator[tuple[str, Kind]]:
    for name, kind in row.items():
        yield from [(path + name, kind)] if isinstance(kind, Kind) else flat(kind, f"{path}{name}.")


def nested(path: str, value: Any) -> dict[str, Any]:
    name, _, below = path.partition(".")
    return {name: nested(below, value) if below else value}


def refused(act: str, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refusal:
        check(act, arguments)
    assert {each.code for each in refusal.value.issues} == {"structure"}
    return [(each.expression, each.text) for each in refusal.value.issues]


def test_every_act_of_the_views_has_a_row_and_openapi_names_the_same_arguments_of_the_same_kinds() -> None:
    assert set(TAKES) == {*VERBS, "agree", "assign", "resolve"} and {act for act, row in TAKES.items() if row is RECORD} == {"refer", "reorient"}
    record = {field.name.partition(".")[0] for field in mapping.load(ROOT / "mappings")[FURTHER].fields}
    assert set().union(*(row for act, row in ROWS.items() if act in VERBS)) | record == ARGUMENTS.keys()
    for act, path, kind in places():
        schema = SCHEMAS[{"agree": "Agreement", "assign": "Assigned"}[act]] if act in ("agree", "assign") else {"properties": ARGUMENTS}
        for name in path.split("."):
            assert schema.get("additionalProperties", False) is False
            schema = schema["properties"][name]
        assert kind.schema in {each["type"] for each in schema.get("oneOf", [schema])}, (act, path)
    assert SCHEMAS["Arguments"]["additionalProperties"] is SCHEMAS["Agreement"]["additionalProperties"] is False


def test_act_takes_its_example_every_argument_of_its_row_and_nothing_at_all() -> None:
    for act, example in ACTS.items():
        check(act, example)
    for act, path, kind in places():
        check(act, nested(path, FITTING[kind.schema]))
    for act in TAKES:
        check(act, {})


def test_misspelt_argument_is_refused_by_its_place_with_the_name_it_comes_near_and_never_its_own() -> None:
    for act, path, kind in places():
        above, _, name = path.rpartition(".")
        wrong = name + name[-1]
        ((place, text),) = refused(act, nested(f"{above}.{wrong}".strip("."), FITTING[kind.schema]))
        assert place == f"{above}.?".lstrip(".") and wrong not in text and f"did you mean {name}?" in text, (act, path, text)


def test_argument_of_another_kind_is_refused_by_its_path_and_never_its_value() -> None:
    fits = {
        "string": lambda value: value == "x", "array": lambda value: value == ["x"], "boolean": lambda value: value is True,
        "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
        "object": lambda value: isinstance(value, dict),
    }  # fmt: skip
    for act, path, kind in places():
        for value in ODD:
            if fits[kind.schema](value):
                check(act, nested(path, value))
            else:
                assert refused(act, nested(path, value)) == [(path, f"expected {path} as {kind.expected}")], (act, path, value)
    for value in ("parent", [], 7, None):
        assert refused("agree", {"given_by": value}) == [("given_by", "expected given_by as an object of capacity, name")]


def test_name_of_who_agrees_in_the_persons_place_has_200_characters_at_most() -> None:
    check("agree", {"given_by": {"name": "é" * 200}})
    assert refused("agree", {"given_by": {"name": "é" * 201}}) == [("given_by.name", "expected given_by.name as a text of at most 200 characters that is not empty")]
    assert SCHEMAS["Agreement"]["properties"]["given_by"]["properties"]["name"]["maxLength"] == 200


def test_all_that_is_wrong_is_told_at_once_and_unknown_keys_are_counted() -> None:
    given = {"how": [], "Zyxdurand": 1, "at": "now", "agianst": "everyone", "heardby": "Zyx"}
    assert refused("oppose", given) == [
        ("?", "keys that are not known: 3, the first number 2 of its object; oppose takes heard_by, at, how, against; did you mean against and heard_by?"),
        ("how", "expected how as a text that is not empty"),
    ]
    assert refused("accept", {"zz": 1}) == [("?", "keys that are not known: 1, the first number 1 of its object; accept takes no arguments")]
    ((_, many),) = refused("withdraw", {f"zyx-{number}": "x" * 9999 for number in range(9999)})
    assert "not known: 9999" in many and len(many) < 200 and set(HEARD) == {"heard_by", "at", "how"}
