"""What a merge must hold for all inputs (workflow.md 7)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapter.ports import Resource
from adapter.sync.canonical import canonical, normal, same
from adapter.sync.merge import put_over, three_way
from tests.unit.sync.house import OWNERSHIP

CODES = st.sampled_from(["a", "b", "c"])
INSTANTS = st.sampled_from(["2026-03-02T10:00:00Z", "2026-03-02T11:00:00.000+01:00", "2026-03-02T10:00:00.120Z", "2026-03-03"])
CODING = st.fixed_dictionaries({"code": CODES}, optional={"system": CODES, "display": CODES})
CODINGS = st.lists(CODING, min_size=1, max_size=2, unique_by=lambda each: (each.get("system"), each["code"]))
CONCEPT = st.fixed_dictionaries({"coding": CODINGS})
REFERENCE = st.fixed_dictionaries({"reference": CODES.map(lambda code: f"Patient/{code}")})


IDENTIFIERS = st.lists(
    st.fixed_dictionaries({"system": CODES, "value": CODES}), min_size=1, max_size=3, unique_by=lambda each: (each["system"], each["value"])
)
OWNED: dict[str, st.SearchStrategy[Any]] = {
    "businessStatus": CONCEPT,
    "owner": REFERENCE,
    "authoredOn": INSTANTS,
    "identifier": IDENTIFIERS,
    "restriction": st.fixed_dictionaries({"period": st.fixed_dictionaries({"end": INSTANTS}, optional={"start": INSTANTS})}),
}
SHARED: dict[str, st.SearchStrategy[Any]] = {"status": CODES, "priority": CODES, "statusReason": CONCEPT}
EHR: dict[str, st.SearchStrategy[Any]] = {
    "note": st.lists(st.fixed_dictionaries({"text": CODES}), min_size=1, max_size=2),
    "extension": st.lists(st.fixed_dictionaries({"url": CODES, "valueString": CODES}), min_size=1, max_size=2),
    "_status": st.fixed_dictionaries({"extension": st.just([{"url": "u"}])}),
    "nobodyKnows": st.one_of(CODES, st.lists(CODES, min_size=1, max_size=2), st.integers()),
    "description": CODES,
}


def resources(*parts: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Resource]:
    optional = {name: strategy for part in parts for name, strategy in part.items()}
    return st.fixed_dictionaries({"resourceType": st.just("Task")}, optional=optional)


OURS = resources(OWNED, SHARED)
THEIRS = resources(OWNED, SHARED, EHR)


def says_same(left: Resource, right: Resource) -> bool:
    return canonical(left, OWNERSHIP) == canonical(right, OWNERSHIP)


@given(THEIRS, THEIRS)
def test_three_way_gives_theirs_when_we_changed_nothing(base: Resource, theirs: Resource) -> None:
    merged = three_way(base, base, theirs, OWNERSHIP)

    assert merged.resource == theirs
    assert merged.conflicts == []


@given(THEIRS, OURS)
def test_three_way_gives_ours_in_every_owned_element_when_they_changed_nothing(base: Resource, ours: Resource) -> None:
    merged = three_way(base, ours, base, OWNERSHIP)

    assert merged.conflicts == []
    for name in (*OWNED, *SHARED):
        assert same(merged.resource.get(name), ours.get(name), OWNERSHIP, name), name


@given(THEIRS, OURS, THEIRS)
def test_what_only_the_ehr_may_say_always_survives(base: Resource, ours: Resource, theirs: Resource) -> None:
    for merged in (three_way(base, ours, theirs, OWNERSHIP).resource, put_over(base, ours, theirs, OWNERSHIP)):
        assert {name: merged.get(name) for name in EHR} == {name: theirs.get(name) for name in EHR}


@given(OURS, OURS, THEIRS, st.lists(st.sampled_from(["identifier", "restriction", "owner"]), min_size=1))
def test_what_the_ehr_adds_inside_our_elements_survives(sent: Resource, ours: Resource, theirs: Resource, where: list[str]) -> None:
    planted = {"url": "https://ehr.example/planted", "valueString": "p"}
    theirs = {**theirs}
    for name in where:
        if name == "identifier":
            theirs[name] = [*theirs.get(name, []), {"system": "https://ehr.example", "value": "planted"}]
        elif name in ours or name not in sent:  # what hangs in an element that we take back goes with it
            theirs[name] = {**theirs.get(name, {}), "extension": [planted]}

    merged = put_over(sent, ours, theirs, OWNERSHIP)

    for name in where:
        if name == "identifier" and (name in ours or name not in sent):
            assert {"system": "https://ehr.example", "value": "planted"} in merged[name]
        elif name in ours or name not in sent:
            assert merged[name]["extension"] == [planted]


@given(THEIRS, OURS, THEIRS)
def test_three_way_again_changes_nothing(base: Resource, ours: Resource, theirs: Resource) -> None:
    once = three_way(base, ours, theirs, OWNERSHIP)

    again = three_way(base, ours, once.resource, OWNERSHIP)

    assert says_same(again.resource, once.resource)
    assert set(again.conflicts) <= set(once.conflicts)


@given(OURS, OURS, THEIRS)
def test_put_over_again_changes_nothing(sent: Resource, ours: Resource, theirs: Resource) -> None:
    once = put_over(sent, ours, theirs, OWNERSHIP)

    assert says_same(put_over(sent, ours, once, OWNERSHIP), once)
    assert says_same(put_over(ours, ours, once, OWNERSHIP), once)


@given(OURS, OURS, THEIRS)
def test_put_over_leaves_every_single_value_of_ours_as_we_have_it(sent: Resource, ours: Resource, theirs: Resource) -> None:
    merged = put_over(sent, ours, theirs, OWNERSHIP)

    for name in ("status", "priority", "authoredOn"):
        if name in ours:
            assert same(merged[name], ours[name], OWNERSHIP)
        elif name in sent:
            assert name not in merged


@given(OURS, OURS, THEIRS)
def test_put_over_takes_back_every_identifier_that_we_sent_and_dropped(sent: Resource, ours: Resource, theirs: Resource) -> None:
    dropped = [each for each in sent.get("identifier", []) if each not in ours.get("identifier", [])]

    merged = put_over(sent, ours, theirs, OWNERSHIP)

    assert not [each for each in merged.get("identifier", []) if each in dropped]


@given(THEIRS, st.randoms(use_true_random=False))
def test_canonical_does_not_see_the_order_of_keys_and_sets(resource: Resource, random: Any) -> None:
    assert says_same(shuffled(resource, random, ""), resource)


@given(THEIRS)
def test_normal_of_normal_is_normal(resource: Resource) -> None:
    once = normal(resource, OWNERSHIP)

    assert normal(once, OWNERSHIP) == once


def shuffled(value: Any, random: Any, name: str) -> Any:
    if isinstance(value, dict):
        names = list(value)
        random.shuffle(names)
        return {key: shuffled(value[key], random, key) for key in names}
    if isinstance(value, list):
        entries = [shuffled(part, random, name) for part in value]
        if name in OWNERSHIP.keys:
            random.shuffle(entries)
        return entries
    return value
