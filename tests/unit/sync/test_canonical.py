"""When two copies say the same (Y-41)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapter.sync.canonical import canonical, content_hash, decode, encode, entry_key, moment, same, without_server_parts
from tests.unit.sync.house import OWNERSHIP, TASK

SAME: list[tuple[str, Any, Any]] = [
    ("authoredOn", "2026-03-02T10:00:00.120Z", "2026-03-02T10:00:00.120000Z"),
    ("authoredOn", "2026-03-02T11:00:00+01:00", "2026-03-02T10:00:00Z"),
    ("authoredOn", "2026-03-02T10:00:00.000Z", "2026-03-02T10:00:00Z"),
    ("authoredOn", "2026-03-02T10:00:00+00:00", "2026-03-02T10:00:00Z"),
    ("for", {"reference": "Patient/1", "display": "x"}, {"display": "x", "reference": "Patient/1"}),
    ("for", {"reference": "Patient/1"}, {"reference": "Patient/1/_history/4"}),
    ("identifier", [{"system": "a", "value": "1"}, {"system": "b"}], [{"system": "b"}, {"value": "1", "system": "a"}]),
    ("code", {"coding": [{"code": "x"}, {"code": "y"}]}, {"coding": [{"code": "y"}, {"code": "x"}]}),
    ("valueDecimal", 7.0, 7),
    ("meta", {"versionId": "1", "profile": ["p"]}, {"versionId": "2", "lastUpdated": "2026-03-02T10:00:00Z", "profile": ["p"]}),
    ("meta", {"source": "#a"}, None),
    ("text", {"status": "generated"}, None),
    ("id", "1", "2"),
]
DIFFERENT: list[tuple[str, Any, Any]] = [
    ("authoredOn", "2026-03-02T10:00:00.120Z", "2026-03-02T10:00:00.121Z"),
    ("authoredOn", "2026-03-02", "2026-03-02T00:00:00Z"),
    ("status", "accepted", "requested"),
    ("given", ["a", "b"], ["b", "a"]),
    ("valueDecimal", 7.1, 7),
    ("for", {"reference": "Patient/1"}, {"reference": "Patient/2"}),
    ("note", [{"text": "a"}], [{"text": "a"}, {"text": "a"}]),
    ("extension", [{"url": "u", "valueString": "a"}], [{"url": "u", "valueString": "b"}]),
    ("meta", {"profile": ["p"]}, {"profile": ["q"]}),
    ("_status", {"extension": []}, None),
]


def copies(element: str, left: Any, right: Any) -> list[dict[str, Any]]:
    return [{"resourceType": "Task"} | ({element: value} if value is not None else {}) for value in (left, right)]


@pytest.mark.parametrize(("element", "left", "right"), SAME)
def test_canonical_is_equal_when_two_copies_say_the_same(element: str, left: Any, right: Any) -> None:
    one, other = copies(element, left, right)

    assert canonical(one, OWNERSHIP) == canonical(other, OWNERSHIP)
    assert content_hash(one, OWNERSHIP) == content_hash(other, OWNERSHIP)


@pytest.mark.parametrize(("element", "left", "right"), DIFFERENT)
def test_canonical_differs_when_two_copies_do_not(element: str, left: Any, right: Any) -> None:
    one, other = copies(element, left, right)

    assert content_hash(one, OWNERSHIP) != content_hash(other, OWNERSHIP)


def test_canonical_keeps_the_order_of_values_that_have_siblings() -> None:
    one = {"meta": {"profile": ["a", "b"], "_profile": [{"id": "x"}, None]}}
    other = {"meta": {"profile": ["b", "a"], "_profile": [{"id": "x"}, None]}}

    assert content_hash(one, OWNERSHIP) != content_hash(other, OWNERSHIP)


@pytest.mark.parametrize("text", ["2026-02-30T10:00:00Z", "2026-03-02T10:00:60Z", "0001-01-01T00:00:00+14:00", "été"])
def test_canonical_leaves_text_that_is_no_instant(text: str) -> None:
    assert same(text, text, OWNERSHIP) and canonical({"x": text}, OWNERSHIP)


def test_encode_keeps_every_value_as_it_stands() -> None:
    resource = {"b": "2026-03-02T11:00:00.120+01:00", "a": [2, 1], "id": "7", "text": {"div": "é"}}

    assert decode(encode(resource)) == resource
    assert encode(resource) == encode(dict(reversed(resource.items())))
    assert decode(b"") == {}


def test_without_server_parts_keeps_what_is_ours_to_send() -> None:
    resource = {**TASK, "id": "t1", "meta": {"versionId": "3", "profile": ["p"]}, "text": {}}

    assert without_server_parts(resource, OWNERSHIP) == {**{k: v for k, v in TASK.items() if k != "id"}, "meta": {"profile": ["p"]}}
    assert "meta" not in without_server_parts({"meta": {"versionId": "3"}}, OWNERSHIP)


def test_entry_key_is_made_of_the_declared_paths() -> None:
    paths = OWNERSHIP.keys["output"]
    output = {"type": {"coding": [{"system": "s", "code": "resulting-activity"}]}, "valueReference": {"reference": "Procedure/1"}}

    assert entry_key(output, paths, OWNERSHIP) == entry_key({**output, "extension": [{"url": "u"}]}, paths, OWNERSHIP)
    assert entry_key(output, paths, OWNERSHIP) != entry_key({**output, "valueReference": {"reference": "Procedure/2"}}, paths, OWNERSHIP)
    assert entry_key({"other": 1}, paths, OWNERSHIP) != entry_key({"other": 2}, paths, OWNERSHIP)


@pytest.mark.parametrize(
    ("text", "expected"), [("2026-03-02T11:00:00+01:00", datetime(2026, 3, 2, 10, tzinfo=UTC)), ("2026-03-02", None), ("", None)]
)
def test_moment_reads_instants_only(text: str, expected: datetime | None) -> None:
    assert moment(text) == expected
