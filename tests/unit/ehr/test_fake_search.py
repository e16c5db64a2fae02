from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.clock import FrozenClock
from adapter.ehr.fake import FakeEhr
from adapter.ehr.fake.search import condition, span
from adapter.ehr.fake.wire import Refusal
from tests.unit.ehr.raw import call
from tests.unit.ehr.shapes import SID, Resource, patient, request, task

BASE = "http://ehr.example/fhir"


def meets(resource: Resource, name: str, text: str) -> bool:
    return condition(resource["resourceType"], name, text, base=BASE)(resource)


TASK = task(
    id="t1",
    meta={"lastUpdated": "2026-03-02T17:50:00.500Z", "tag": [{"system": "s", "code": "demo"}]},
    code={"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]},
    owner={"reference": "HealthcareService/u1"},
    requester={"identifier": {"system": "s", "value": "clinic"}},
    focus={"reference": f"{BASE}/ServiceRequest/7"},
    groupIdentifier={"system": f"{SID}/call", "value": "A1"},
    authoredOn="2026-03-02T18:50:00+01:00",
    **{"for": {"reference": "Patient/p1/_history/3"}},
)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("_id", "t1", True),
        ("_id", "t1,t2", True),
        ("_id", "t", False),
        ("identifier", f"{SID}/task|T1", True),
        ("identifier", f"{SID}/task|", True),
        ("identifier", "T1", True),
        ("identifier", "|T1", False),
        ("identifier", "other|T1", False),
        ("status", "requested,accepted", True),
        ("status", "accepted", False),
        ("status:not", "accepted", True),
        ("status:not", "requested,accepted", False),
        ("code", "fulfill", True),
        ("_tag", "s|demo", True),
        ("group-identifier", f"{SID}/call|A1", True),
        ("owner", "HealthcareService/u1", True),
        ("owner", "u1", True),
        ("owner", "1", False),
        ("owner:missing", "false", True),
        ("part-of:missing", "true", True),
        ("part-of", "Task/1", False),
        ("requester:identifier", "s|clinic", True),
        ("requester:identifier", "s|other", False),
        ("focus", "ServiceRequest/7", True),
        ("focus", f"{BASE}/ServiceRequest/7", True),
        ("focus", "ServiceRequest/77", False),
        ("patient", "p1", True),
        ("patient", "Patient/p1", True),
        ("subject", "Patient/p2", False),
        ("authored-on", "2026-03-02", True),
        ("authored-on", "2026-03-02T17:50:00Z", True),
        ("authored-on", "2026", True),
        ("authored-on", "2026-12", False),
        ("authored-on", "lt2026-03-02T17:50:00Z", False),
        ("authored-on", "le2026-03-02T17:50:00Z", True),
        ("authored-on", "gt2026-03-01", True),
        ("authored-on", "ge2026-03-03", False),
        ("authored-on", "ne2026-03-03", True),
        ("authored-on", "sa2026-03-01", True),
        ("authored-on", "eb2026-03-02", False),
        ("_lastUpdated", "ge2026-03-02T17:50:00.500Z", True),
        ("_lastUpdated", "gt2026-03-02T17:50:00.500Z", False),
        ("_lastUpdated", "gt2026-03-02T17:50:00.499Z", True),
        ("_lastUpdated", "ge2026-03-02T18:50:00.400+01:00", True),
    ],
)
def test_condition_follows_r4_search(name: str, text: str, expected: bool) -> None:
    assert meets(TASK, name, text) is expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("family", "lefevre", True),
        ("family", "LEFÈVRE-NO", True),
        ("family", "noel", False),
        ("family:contains", "noel", True),
        ("family:exact", "lefevre-noel", False),
        ("family:exact", "Lefèvre-Noël", True),
        ("given", "marie", True),
        ("name", "jeanne", True),
        ("birthdate", "1938-02-03", True),
        ("birthdate", "1938", True),
        ("birthdate", "1938-02-04", False),
        ("gender", "female", True),
        ("active", "true", False),
    ],
)
def test_condition_finds_people(name: str, text: str, expected: bool) -> None:
    assert meets(patient(id="p"), name, text) is expected


def test_condition_reads_escaped_marks() -> None:
    assert meets(task("a,b|c", id="1"), "identifier", rf"{SID}/task|a\,b\|c") is False  # a bar in a value is no separator here
    assert meets(task("a,b", id="1"), "identifier", rf"{SID}/task|a\,b")


def test_condition_tests_periods_by_their_ends() -> None:
    consent = {"resourceType": "Consent", "provision": {"period": {"start": "2026-03-01", "end": "2026-03-31"}}}
    assert meets(consent, "period", "ge2026-03-15") and meets(consent, "period", "2026")
    assert not meets(consent, "period", "sa2026-03-01")
    assert meets({**consent, "provision": {"period": {"start": "2026-03-01"}}}, "period", "gt2030")


@given(st.text(max_size=12))
def test_span_raises_nothing_but_value_error(text: str) -> None:
    try:
        low, high = span(text)
        assert low < high
    except ValueError:
        pass


@given(st.dates(min_value=datetime(1900, 1, 1).date(), max_value=datetime(2100, 1, 1).date()), st.sampled_from([4, 7, 10]))
def test_span_holds_the_day_it_names(day: object, length: int) -> None:
    low, high = span(str(day)[:length])
    noon = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    assert low <= noon < high


@given(st.text(max_size=10), st.sampled_from(["status", "identifier", "owner", "authored-on", "_id", "_lastUpdated", "owner:identifier"]))
def test_condition_is_a_test_or_a_refusal_whatever_is_asked(text: str, name: str) -> None:
    try:
        assert condition("Task", name, text, base=BASE)(TASK) in (True, False)
    except Refusal as refusal:
        assert refusal.status == 400


# ── pages ────────────────────────────────────────────────────────────────────────────────────────
def search(ehr: FakeEhr, type: str, **params: str) -> list[list[str]]:
    pages = []
    url = f"{type}?{urlencode(params)}"
    while url:
        bundle = call(ehr, "GET", url).body
        pages.append([entry["resource"]["id"] for entry in bundle.get("entry", [])])
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
    return pages


def test_search_pages_hold_everything_once_in_order(ehr: FakeEhr, clock: FrozenClock) -> None:
    for number in range(5):
        ehr.plant(task(f"T{number}"))
        clock.tick(timedelta(seconds=1))
    assert search(ehr, "Task", _count="2") == [["1", "2"], ["3", "4"], ["5"]]
    assert search(ehr, "Task", _count="2", _sort="-_lastUpdated") == [["5", "4"], ["3", "2"], ["1"]]
    assert search(ehr, "Task", _count="5") == [["1", "2", "3", "4", "5"]]


def test_search_finds_what_changed_since(ehr: FakeEhr, clock: FrozenClock) -> None:
    ehr.plant(task("T1"), task("T2"))
    clock.set(datetime(2026, 3, 2, 18, tzinfo=UTC))
    ehr.edit("Task", "2", {"status": "accepted"})
    assert search(ehr, "Task", _lastUpdated="ge2026-03-02T18:00:00.000Z") == [["2"]]


def test_search_leaves_out_what_was_deleted_and_joins_conditions(ehr: FakeEhr) -> None:
    ehr.plant(patient(id="p"), request(id="r", subject="Patient/p"), task("T1", id="a", basedOn=[{"reference": "ServiceRequest/r"}]), task("T2", id="b"))
    assert search(ehr, "Task", status="requested", **{"based-on": "ServiceRequest/r"}) == [["a"]]
    ehr.delete("Task", "a")
    assert search(ehr, "Task") == [["b"]]


def test_search_by_post_takes_its_parameters_from_the_body(ehr: FakeEhr) -> None:
    ehr.plant(patient(id="p"), patient(id="q", gender="male"))
    got = call(ehr, "POST", "Patient/_search", b"gender=male", Content_Type="application/x-www-form-urlencoded")
    assert [entry["resource"]["id"] for entry in got.body["entry"]] == ["q"]


def test_search_forgets_old_pages(ehr: FakeEhr) -> None:
    ehr.plant(*[task(f"T{number}") for number in range(2)])
    link = call(ehr, "GET", "Task?_count=1").body["link"][1]["url"]
    for _ in range(200):
        ehr._fhir.search("Task", [])
    assert call(ehr, "GET", link).status == 410
