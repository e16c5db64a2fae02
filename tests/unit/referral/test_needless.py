"""What nobody may ever need is not kept: the free text of a Task (workflow.md 1 and 6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter.errors import Issue
from adapter.needless import spared, warned
from adapter.ports import Change

KEPT = {"resourceType": "Task", "id": "t", "status": "draft", "extension": [{"url": "urn:w", "valueDecimal": 7.1}]}


@pytest.mark.parametrize(
    ("words", "paths"),
    [({"description": "Zyx"}, ("Task.description",)), ({"note": [{"text": "Zyx"}]}, ("Task.note",)), ({"_note": [{"id": "a"}]}, ("Task.note",)),
     ({"description": "Zyx", "_description": {"id": "a"}, "note": [{"text": "Zyx"}]}, ("Task.description", "Task.note"))],
)  # fmt: skip
def test_words_of_a_task_are_not_kept_and_their_places_are_told(words: dict[str, Any], paths: tuple[str, ...]) -> None:
    received = json.dumps(KEPT | words).replace("7.1", "7.10").encode()
    change, told = spared(Change("create", "Task", "t", KEPT | words, received, if_match=3))
    assert (told, change.resource, change.if_match) == (paths, KEPT, 3)
    assert change.received is not None and json.loads(change.received) == KEPT and b"7.10" in change.received  # the rest byte by byte


def test_words_that_did_not_come_as_bytes_leave_none() -> None:
    change, told = spared(Change("create", "Task", "t", KEPT | {"description": "Zyx"}))
    assert (change.received, change.resource, told) == (None, KEPT, ("Task.description",))


def test_all_else_stays_as_it_came() -> None:
    for change in (
        Change("create", "Task", "t", KEPT, b"{}"), Change("delete", "Task", "t"),
        Change("create", "ServiceRequest", "r", {"resourceType": "ServiceRequest", "note": [{"text": "Zyx"}]}, b"{}"),
    ):  # fmt: skip
        assert spared(change) == (change, ()) and spared(change)[0] is change


def test_sender_is_warned_of_each_and_told_where_words_belong() -> None:
    text = "is not kept: write it as the note of the ServiceRequest, or as a message to the practice"
    assert warned(("Task.description", "Task.note")) == [Issue("business-rule", text, f"Task.{name}", severity="warning") for name in ("description", "note")]
    assert warned(()) == []
