"""What the records of other tools need of the language: whole numbers, times as Ruby writes them, a set of resources for each of a list of groups."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.errors import MappingError
from adapter.mapping import compile_document
from adapter.mapping.amounts import number
from adapter.mapping.context import Run
from adapter.mapping.times import instant
from adapter.mapping.values import Unfit
from tests.unit.mapping.records import context
from tests.unit.mapping.small import HEAD, TERMS, both, document, make, problems


@pytest.mark.parametrize(("typed", "kept"), [(0, 0), (45, 45), ("45", 45), (" 007 ", 7), ("", None)])
def test_number_is_a_whole_one_however_it_is_written(typed: Any, kept: int | None) -> None:
    assert number(99, whole=True).read(typed, Run(context()), "", "") == kept


@pytest.mark.parametrize("typed", [-1, 100, "100", "4.5", 4.5, "4e1", "٤", "quatre", True, [4], "1" * 30])
def test_number_is_refused_without_being_repeated(typed: Any) -> None:
    with pytest.raises(Unfit, match=r"whole number|text|characters") as error:
        number(99, whole=True).read(typed, Run(context()), "", "")
    assert str(typed) not in error.value.text or typed in (100, "100")


def test_number_stays_a_number_there_and_back_and_inside_text() -> None:
    mapping = document("n: {type: count, most: 9}\nm: {type: count}", 'count: $n\nlabel: "${m}"')
    assert make(mapping, n="4", m=12) | {} == make(mapping, n=4, m="12")
    assert (make(mapping, n=4, m=12)["count"], make(mapping, n=4, m=12)["label"]) == (4, "12")
    assert both(mapping, n=4, m=12) == {"n": 4, "m": 12}
    assert [path for path, _ in problems(mapping, n=10, m=2**31)] == ["n", "m"]


@pytest.mark.parametrize(("typed", "kept"), [
    ("2022-01-01 08:00:00 +0100", "2022-01-01T08:00:00+01:00"), ("2022-07-01 08:00:00 UTC", "2022-07-01T10:00:00+02:00"),
    ("2026-03-06T18:59:58.250+01:00", "2026-03-06T18:59:58.250000+01:00"), ("2022-01-01T08:00:00-0500", "2022-01-01T14:00:00+01:00"),
])  # fmt: skip
def test_instant_is_read_as_other_tools_write_it(typed: str, kept: str) -> None:
    assert instant().read(typed, Run(context()), "", "") == kept


@pytest.mark.parametrize("typed", ["2022-01-01 08:00:00 CET", "2022-01-01 08:00:00 +01", "2022-01-01 08:00:00 Z", "2022-01-01 08:00 +9900"])
def test_instant_of_no_known_writing_is_refused(typed: str) -> None:
    with pytest.raises(Unfit, match="date and time"):
        instant().read(typed, Run(context()), "", "")


GUESTS = HEAD + """unmapped: refuse
record:
  id: {type: id, required: true}
  guests:
    list: {max: 5}
    fields:
      fruit: {type: code, table: fruit, required: true}
      secret: {never: drop, why: no}
      who: {name: {type: name}, age: {type: count, one_way: nobody asks}}
resources:
  guest:
    $each: $guests
    $let:
      season: {property: season, table: fruit, of: $guest.fruit}
      grown: {choose: [{when: $guest.who.age, is: "${guest.who.age} ans"}, {is: inconnu}]}
    $resources:
      person: {resourceType: Person, id: $person.id, name: $guest.who.name}
      basic: {resourceType: Basic, identifier: [{value: $id}], code: $guest.fruit, season: $season, of: "Person/${person.id}", age: $grown}
"""


def test_set_of_resources_is_made_for_each_group_and_read_back_in_order() -> None:
    mapping = compile_document(GUESTS, name="m.yaml", terms=TERMS)
    record = {"id": "r1", "guests": [
        {"fruit": "pomme", "who": {"name": "Ada", "age": 4}, "secret": "x"}, {"fruit": "fraise", "who": {"name": "Bo"}}, {"fruit": "pomme", "who": {"name": "Cy"}},
    ]}  # fmt: skip
    mapped = mapping.to_fhir(record, context=context())
    assert [(each["resourceType"], each.get("name"), each.get("season"), each.get("age")) for each in mapped.resources] == [
        ("Person", "Ada", None, None), ("Basic", None, "automne", "4 ans"), ("Person", "Bo", None, None), ("Basic", None, "printemps", "inconnu"),
        ("Person", "Cy", None, None), ("Basic", None, "automne", "inconnu"),
    ]  # fmt: skip
    assert [each["of"] for each in mapped.resources if "of" in each] == [f"Person/{each['id']}" for each in mapped.resources if each["resourceType"] == "Person"]
    assert mapped.dropped == ["guests[0].secret"]
    assert mapping.from_fhir(mapped.resources, context=context()) == {
        "id": "r1", "guests": [{"fruit": "pomme", "who": {"name": "Ada"}}, {"fruit": "fraise", "who": {"name": "Bo"}}, {"fruit": "pomme", "who": {"name": "Cy"}}],
    }  # fmt: skip
    assert mapping.to_fhir({"id": "r2"}, context=context()).resources == []


@pytest.mark.parametrize(("old", "new", "says"), [
    (", one_way: nobody asks", "", "does not come back"), ("name: {type: name}", "name: {type: name, one_way: no}", "comes back"),
    ("$guest.who.name", "$guest.who.nom", "unknown name"), ("$guest.who.name", "$guest.secret", "does not come back"),
])  # fmt: skip
def test_field_of_a_group_says_for_itself_whether_it_comes_back(old: str, new: str, says: str) -> None:
    with pytest.raises(MappingError, match=says) as error:
        compile_document(GUESTS.replace(old, new), name="m.yaml", terms=TERMS)
    assert error.value.document.startswith("m.yaml:")
