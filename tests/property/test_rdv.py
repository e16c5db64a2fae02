"""Whatever the tool sends: it maps or is refused by its places; the order in which it is told changes nothing of how appointments end."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.fhir import check as fhir_check
from adapter.mapping import RecordRefused
from adapter.mapping.context import PARIS
from tests.e2e.booking import UNIT, appointments, booked, state, task, versions
from tests.unit.mapping.records import DOCUMENTS, context

DOCUMENT = DOCUMENTS["rdv-service-public"]
STATUSES = ("unknown", "seen", "noshow", "excused", "revoked")
instants = st.datetimes(datetime(1971, 1, 1), datetime(2037, 12, 31)).map(lambda at: at.replace(tzinfo=UTC, microsecond=0).astimezone(PARIS).isoformat())
names = st.text(st.characters(categories=["L"], max_codepoint=0x17F), min_size=1, max_size=12)
numbers = st.integers(0, 2**31 - 1)
users = st.fixed_dictionaries(
    {"id": numbers, "first_name": names, "last_name": names},
    optional={"birth_name": names, "birth_date": st.dates(datetime(1900, 1, 1).date()).map(str), "case_number": st.sampled_from(["K7-42M", "2024/117"])},
)
participations = st.lists(st.fixed_dictionaries({"status": st.sampled_from(STATUSES), "user": users}), min_size=1, max_size=4)
rdvs = st.fixed_dictionaries(
    {"uuid": st.uuids().map(str), "starts_at": instants, "ends_at": instants, "participations": participations},
    optional={"duration_in_min": st.integers(1, 600), "motif": st.sampled_from(["public_office", "phone", "home"]).map(lambda each: {"location_type": each})},
)
owned = st.fixed_dictionaries({"meta": st.fixed_dictionaries({"timestamp": instants}), "data": rdvs})
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8)


def facts(recorder: str | None = f"HealthcareService/{UNIT}") -> Any:
    return context(recorder=recorder)


def whole(record: dict[str, Any], event: str = "updated") -> dict[str, Any]:
    return {**record, "meta": record["meta"] | {"model": "Rdv", "event": event}}


@given(record=owned, event=st.sampled_from(["created", "updated", "destroyed"]), recorder=st.sampled_from([f"HealthcareService/{UNIT}", None]))
def test_rdv_of_the_declared_shape_becomes_valid_fhir_and_comes_back_the_same(record: dict[str, Any], event: str, recorder: str | None) -> None:
    mapped = DOCUMENT.to_fhir(whole(record, event), context=facts(recorder))
    for resource in mapped.resources:
        assert [issue for issue in fhir_check(resource) if issue.severity in ("error", "fatal")] == []
    assert len(mapped.resources) == 3 * len(record["data"]["participations"])
    assert DOCUMENT.from_fhir(mapped.resources, context=facts()) == record


def maps_or_is_refused(record: Any) -> None:
    try:
        mapped = DOCUMENT.to_fhir(record, context=facts())
    except RecordRefused as refused:
        for error in refused.problems:
            assert re.fullmatch(r"([A-Za-z_]+|\?)?([.\[][A-Za-z_0-9\]]+|\.\?)*", error.path) and re.fullmatch(r"rdv-service-public\.yaml:\d+", error.document)
        return
    for resource in mapped.resources:
        assert [issue for issue in fhir_check(json.loads(json.dumps(resource))) if issue.severity in ("error", "fatal")] == []
    DOCUMENT.from_fhir(mapped.resources, context=facts())


@given(record=owned, draw=st.data())
def test_damaged_rdv_maps_or_is_refused_with_paths(record: dict[str, Any], draw: Any) -> None:
    copy = json.loads(json.dumps(whole(record)))
    for _ in range(draw.draw(st.integers(1, 4))):
        inside: Any = copy
        while True:
            key = draw.draw(st.sampled_from(sorted(inside) if isinstance(inside, dict) else list(range(len(inside)))))
            if not isinstance(inside[key], dict | list) or not inside[key] or draw.draw(st.booleans()):
                break
            inside = inside[key]
        inside[key] = draw.draw(anything)
    maps_or_is_refused(copy)


@given(record=anything)
def test_anything_at_all_maps_or_is_refused_with_paths(record: Any) -> None:
    maps_or_is_refused(record)


@given(resources=st.lists(st.dictionaries(st.sampled_from(["resourceType", "status", "identifier", "name", "participant", "meta"]), anything, max_size=5)))
def test_resources_of_any_content_are_read_without_an_exception(resources: list[dict[str, Any]]) -> None:
    assert isinstance(DOCUMENT.from_fhir(resources, context=facts()), dict)


# ── on a whole Liaison ───────────────────────────────────────────────────────────────────────────
Told = tuple[str, str, str]  # which rdv, its status, the event
histories = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(STATUSES), st.sampled_from(["updated", "updated", "destroyed"])), min_size=1, max_size=5)


def ended(history: list[Told], order: list[int]) -> tuple[list[str], str, str]:
    """The appointments, the Task's status and its business status, after all was told in this order; told again it stays so."""
    with booked() as (stage, tool):
        records = [tool.rdv(status, rdv=rdv, event=event) for rdv, status, event in history]
        for place in order:
            assert tool.send(records[place]).status_code == 204
        before = versions(stage), state(stage)
        for record in records:
            assert tool.send(record).status_code == 204
        assert (versions(stage), state(stage)) == before
        return appointments(stage), *state(stage)


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(history=histories, draw=st.data())
def test_order_in_which_it_is_told_changes_nothing_of_how_appointments_end(history: list[Told], draw: Any) -> None:
    order = draw.draw(st.permutations(range(len(history))))
    plain, mixed = ended(history, list(range(len(history)))), ended(history, list(order))
    assert plain[0] == mixed[0]
    newest = {rdv: (status, event) for rdv, status, event in history}
    assert len(plain[0]) == len(newest)
    seen_at_last = any(status == "seen" for status, _ in newest.values())
    for _, status, business in (plain, mixed):
        assert status in ("accepted", "in-progress") and (status == "in-progress" or not seen_at_last)
        assert business in ("", "rdv-fixe", "absent-1", "absent-2")


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(record=rdvs, event=st.sampled_from(["created", "updated", "destroyed"]))
def test_any_rdv_is_answered_alike_and_never_ends_a_referral(house: Any, record: dict[str, Any], event: str) -> None:
    stage, tool = house
    tool.at += timedelta(milliseconds=1)
    told = {"meta": {"model": "Rdv", "event": event, "timestamp": tool.at.isoformat()}, "data": record | {"organisation": {"id": 309}}}
    answer = tool.send(told)
    assert (answer.status_code, answer.content) == (204, b"")
    assert task(stage)["status"] in ("accepted", "in-progress")


@pytest.fixture(scope="module")
def house() -> Any:
    with booked() as found:
        yield found
