"""The merge, case by case; what holds for all inputs is in tests/property/test_sync_merge.py."""

from __future__ import annotations

from typing import Any

from adapter.ports import Resource
from adapter.sync.merge import put_over, three_way
from tests.unit.sync.house import CONSENT, OWNERSHIP, REQUEST, TASK, code

ODD = {"url": "https://ehr.example/odd", "valueString": "x"}


def task(**elements: Any) -> Resource:
    return {name: value for name, value in {**TASK, **elements}.items() if value is not None}


def test_three_way_keeps_both_sides_changes_y_06() -> None:
    merged = three_way(task(), task(businessStatus={"text": "pris"}), task(status="cancelled", note=[{"text": "n"}]), OWNERSHIP)

    assert merged.resource == task(businessStatus={"text": "pris"}, status="cancelled", note=[{"text": "n"}])
    assert merged.conflicts == []


def test_three_way_reports_a_shared_element_that_both_changed_y_07() -> None:
    merged = three_way(task(), task(status="accepted"), task(status="cancelled"), OWNERSHIP)

    assert merged.conflicts == ["status"]
    assert merged.resource["status"] == "cancelled", "theirs is not overwritten"


def test_three_way_lets_us_win_where_the_element_is_ours() -> None:
    base, ours, theirs = (task(owner={"reference": f"HealthcareService/{n}"}) for n in ("u1", "u2", "u3"))

    merged = three_way(base, ours, theirs, OWNERSHIP)

    assert (merged.resource["owner"], merged.conflicts) == ({"reference": "HealthcareService/u2"}, [])


def test_three_way_agrees_when_both_made_the_same_change() -> None:
    assert three_way(task(), task(status="accepted"), task(status="accepted"), OWNERSHIP).conflicts == []


def test_three_way_reports_a_shared_element_that_we_took_out_and_they_changed() -> None:
    base, theirs = task(statusReason={"text": "a"}), task(statusReason={"text": "b"})

    merged = three_way(base, task(), theirs, OWNERSHIP)

    assert merged.conflicts == ["statusReason"]
    assert merged.resource["statusReason"] == {"text": "b"}


def test_three_way_takes_their_removal_of_a_shared_element() -> None:
    assert "priority" not in three_way(task(), task(), task(priority=None), OWNERSHIP).resource


def test_three_way_merges_arrays_by_key() -> None:
    base = task(identifier=[{"system": "a", "value": "1"}, {"system": "b", "value": "1"}])
    ours = task(identifier=[{"system": "a", "value": "1"}, {"system": "c", "value": "1"}])
    theirs = task(identifier=[{"system": "ehr", "value": "9"}, *base["identifier"]])

    merged = three_way(base, ours, theirs, OWNERSHIP).resource["identifier"]

    assert merged == [{"system": "ehr", "value": "9"}, {"system": "a", "value": "1"}, {"system": "c", "value": "1"}]


def test_three_way_does_not_take_reordering_for_a_change_y_41() -> None:
    base = {**REQUEST, "reasonCode": [code("a"), code("b")]}
    theirs = {**REQUEST, "reasonCode": [code("b"), code("a")]}
    ours = {**REQUEST, "reasonCode": [code("a"), code("b"), code("c")]}

    merged = three_way(base, ours, theirs, OWNERSHIP)

    assert merged.resource["reasonCode"] == [code("b"), code("a"), code("c")]


def test_three_way_never_touches_an_array_of_theirs() -> None:
    theirs = task(note=[{"text": "a"}, {"text": "a"}])

    assert three_way(task(), task(note=[{"text": "ours"}]), theirs, OWNERSHIP).resource["note"] == theirs["note"]


def test_three_way_leaves_an_array_whole_when_its_values_have_siblings() -> None:
    profile = {"profile": ["a", "b"], "_profile": [{"id": "x"}, None]}
    base, ours, theirs = task(meta=profile), task(meta={"profile": ["b"]}), task(meta=profile)

    merged = three_way(base, ours, theirs, OWNERSHIP).resource["meta"]

    assert merged == profile


def test_put_over_puts_every_element_of_ours_over_theirs() -> None:
    theirs = task(id="9", status="rejected", owner={"reference": "Organization/x"}, note=[{"text": "n"}], meta={"versionId": "4"})

    merged = put_over(task(), task(status="accepted"), theirs, OWNERSHIP)

    assert merged == task(id="9", status="accepted", note=[{"text": "n"}], meta={"versionId": "4"})


def test_put_over_keeps_what_the_ehr_hung_inside_our_elements() -> None:
    theirs = task(
        restriction={**TASK["restriction"], "extension": [ODD]}, focus={**TASK["focus"], "display": "d"}, identifier=[{"system": "e"}]
    )

    merged = put_over(task(), task(restriction={"period": {"end": "2027-01-01"}}), theirs, OWNERSHIP)

    assert merged["restriction"] == {"period": {"end": "2027-01-01"}, "extension": [ODD]}
    assert merged["focus"]["display"] == "d"
    assert merged["identifier"] == [{"system": "e"}, *TASK["identifier"]]


def test_put_over_removes_only_what_we_had_sent() -> None:
    sent = task(businessStatus={"text": "a"}, output=[{"valueString": "1"}])
    theirs = task(businessStatus={"text": "a"}, output=[{"valueString": "1"}, {"valueString": "2"}])

    merged = put_over(sent, task(), theirs, OWNERSHIP)
    unknown = put_over({}, task(), theirs, OWNERSHIP)

    assert "businessStatus" not in merged and unknown["businessStatus"] == {"text": "a"}
    assert put_over(sent, task(output=[]), theirs, OWNERSHIP)["output"] == [{"valueString": "2"}]


def test_put_over_takes_along_what_hung_in_an_element_we_removed() -> None:
    sent = {**CONSENT, "policyRule": code("x")}
    theirs = {**CONSENT, "policyRule": {**code("x"), "text": "EHR"}}

    assert "policyRule" not in put_over(sent, CONSENT, theirs, OWNERSHIP)


def test_put_over_adds_our_profile_where_the_ehr_has_no_meta() -> None:
    assert put_over({}, task(meta={"profile": ["p"]}), task(), OWNERSHIP)["meta"] == {"profile": ["p"]}
    assert "meta" not in put_over({}, task(meta={"versionId": "3"}), task(), OWNERSHIP)
    assert put_over({}, task(), task(meta={"tag": [{"code": "t"}]}), OWNERSHIP)["meta"] == {"tag": [{"code": "t"}]}
