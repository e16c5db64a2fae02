"""A resource in hand meets a search where the store finds it by the same: on what a view may offer (tokens, references, ids)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import fhir
from adapter.clock import FrozenClock
from adapter.fhir.matching import matches
from adapter.ports import Version
from adapter.store import SqlStore, open_store

AT = datetime(2026, 3, 6, tzinfo=UTC)
SYSTEMS, CODES, PLACES = ["", "urn:a", "urn:b"], ["x", "X", "y|z", "é"], ["HealthcareService/u1", "Organization/u1", "http://h/Organization/1", "#a"]
_examples = count()


def optional(name: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(st.just({}), value.map(lambda given: {name: given}))


CODING = st.builds(lambda system, code: {"code": code} | ({"system": system} if system else {}), st.sampled_from(SYSTEMS), st.sampled_from(CODES))
REFERENCE = st.sampled_from(PLACES).map(lambda place: {"reference": place}) | st.just({"identifier": {"system": "urn:a", "value": "x"}}) | st.just({"display": "x"})
TASKS = st.builds(
    lambda *parts: {"resourceType": "Task", "intent": "order"} | {name: value for part in parts for name, value in part.items()},
    st.sampled_from(["requested", "accepted"]).map(lambda code: {"status": code}), optional("businessStatus", CODING.map(lambda one: {"coding": [one]})),
    optional("code", st.lists(CODING, max_size=2).map(lambda of: {"coding": of})), optional("owner", REFERENCE), optional("for", REFERENCE),
    optional("identifier", st.lists(CODING.map(lambda one: {"value": one["code"]} | {k: v for k, v in one.items() if k == "system"}), max_size=2)),
)  # fmt: skip
TOKEN = st.sampled_from(["x", "X", "é", "urn:a|x", "|x", "urn:b|", "urn:a|y\\|z", "requested", "x,urn:b|X"])
PARAMS = st.one_of(
    st.tuples(st.sampled_from(["status", "status:not", "business-status", "business-status:not", "code", "code:not", "identifier", "owner:identifier"]), TOKEN),
    st.tuples(st.sampled_from(["business-status:missing", "code:missing", "owner:missing", "patient:missing", "identifier:missing"]), st.sampled_from(["true", "false"])),
    st.tuples(st.sampled_from(["owner", "subject"]), st.sampled_from([*PLACES[:3], "Organization/u1,HealthcareService/u1"])),
    st.tuples(st.just("owner:Organization"), st.just("u1")),
)  # fmt: skip


@pytest.fixture(scope="module")
def store() -> Iterator[SqlStore]:
    made = open_store("sqlite://", clock=FrozenClock(AT), key=b"k" * 32, seal=lambda previous, event: previous)
    yield made
    made.close()


@given(resources=st.lists(TASKS, min_size=1, max_size=5), params=st.lists(PARAMS, min_size=1, max_size=3), other=st.booleans())
def test_resource_in_hand_meets_what_the_store_finds_it_by(store: SqlStore, resources: list[dict[str, Any]], params: list[tuple[str, str]], other: bool) -> None:
    example = next(_examples)
    known = [each | {"id": f"t{example}-{n}"} for n, each in enumerate(resources)]

    def fill(uow: Any) -> None:
        for each in known:
            uow.save(Version("Task", each["id"], 0, AT, "c", json.dumps(each).encode()), expected=0, index=fhir.rows(each))

    store.write_now(fill)
    ids = [each["id"] for each in known]
    asked = fhir.query("Task", [*params, ("_id", ",".join(ids)), *([("_id:not", ids[0])] if other else [])])
    found = [each.id for each in store.read_now(lambda uow: uow.search(asked))]
    assert found == [each["id"] for each in known if matches(each, asked)]
    assert not matches({"resourceType": "Consent", "id": ids[-1]}, asked)
