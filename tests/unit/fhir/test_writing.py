"""Served bytes, OperationOutcome, Bundle, CapabilityStatement, narrative, dates."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest

from adapter import fhir
from adapter.errors import EhrUnavailable, Issue, Malformed, NotFound
from adapter.fhir.narrative import fault
from adapter.ports import Version
from tests.unit.fhir.specimens import specimen

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">%s</div>'


def test_importing_the_room_leaves_fhir_resources_alone():
    code = "import sys, adapter.fhir; print('fhir.resources' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_stamp_sets_id_and_meta_and_keeps_the_rest_when_given_bytes(at):
    body = (
        b'{"value":7.10,"resourceType":"Basic","big":123456789012345678901234567890,"e":1E+2,'
        b'"meta":{"tag":[{"code":"a"}],"versionId":"x"},"id":"old"}'
    )
    assert fhir.stamp(body, id="new", version=3, updated=at) == (
        b'{"resourceType":"Basic","id":"new","meta":{"tag":[{"code":"a"}],"versionId":"3","lastUpdated":"2026-03-02T17:50:00.000Z"},'
        b'"value":7.10,"big":123456789012345678901234567890,"e":1E+2}'
    )


def test_stamp_leaves_the_dict_as_it_was_when_given_one(at):
    task = specimen("Task")
    served = orjson.loads(fhir.stamp(task, id="n", version=1, updated=at, edit=lambda tree: tree["for"].update(reference="Patient/x")))
    assert task == specimen("Task")
    assert served == task | {"id": "n", "for": {"reference": "Patient/x"}, "meta": served["meta"]}
    assert served["meta"] == task["meta"] | {"versionId": "1", "lastUpdated": "2026-03-02T17:50:00.000Z"}
    assert fhir.check(served) == []


def test_stamp_applies_the_edit_and_keeps_decimals_when_given_bytes(at):
    body = b'{"resourceType":"Task","status":"received","x":0.10}'
    served = fhir.stamp(body, id="n", version=1, updated=at, edit=lambda tree: tree.update(status="requested"))
    assert b'"status":"requested","x":0.10' in served


def test_exact_and_dumps_write_every_number_back_as_it_came():
    body = b'{"a":[1.0,1e5,-0.0,100000000000000000000.00],"b":"7.10"}'
    assert fhir.dumps(fhir.exact(body)) == body


def detail(code: str) -> dict[str, object]:
    return {"coding": [{"system": "urn:liaison:error", "code": code}]}


def test_outcome_tells_every_issue_when_given_a_refusal():
    refusal = Malformed("x", issues=[Issue("required", "is required", "Task.status"), Issue("value", "expected a date")])
    assert fhir.outcome(refusal) == {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "error", "code": "required", "details": detail("required"), "diagnostics": "is required", "expression": ["Task.status"]},
            {"severity": "error", "code": "value", "details": detail("value"), "diagnostics": "expected a date"},
        ],
    }


@pytest.mark.parametrize("cause", [[], [Issue("value", "x")], NotFound("not found"), EhrUnavailable("secret host is down")])
def test_outcome_is_valid_fhir_and_tells_no_more_than_the_kind(cause):
    made = fhir.outcome(cause)
    assert fhir.check(made) == []
    assert "secret" not in str(made)


def version(number: int = 1) -> Version:
    return Version("Task", "t1", number, datetime(2026, 3, 2, tzinfo=UTC), "clinic",
        b'{"resourceType":"Task","id":"t1","status":"draft","intent":"order","x":7.10}')


def test_searchset_puts_served_bytes_in_untouched():
    written = fhir.dumps(fhir.searchset([version()], base="https://h/fhir/", self_url="https://h/fhir/Task?status=draft", total=1))
    assert b'"x":7.10' in written
    bundle = orjson.loads(written)
    assert bundle["entry"][0]["fullUrl"] == "https://h/fhir/Task/t1" and bundle["total"] == 1
    assert bundle["link"] == [{"relation": "self", "url": "https://h/fhir/Task?status=draft"}]


def test_searchset_is_valid_fhir_with_resources_an_outcome_and_a_next_page():
    made = fhir.searchset([specimen("Task"), fhir.outcome([])], base="https://h/fhir", self_url="https://h/a", next_url="https://h/b")
    assert fhir.check(made) == []
    assert [entry["search"]["mode"] for entry in made["entry"]] == ["match", "outcome"] and "fullUrl" not in made["entry"][1]
    assert made["link"][1] == {"relation": "next", "url": "https://h/b"}
    assert fhir.check(fhir.searchset([], base="https://h", self_url="https://h/a", total=0)) == []


def test_capability_is_valid_and_lists_what_is_registered():
    made = fhir.capability({"Task": ["read", "search-type"], "Binary": ["read"]}, base="https://h/fhir", at="2026-03-02T10:00:00Z",
        version="1.2")
    assert fhir.check(made) == []
    binary, task = made["rest"][0]["resource"]
    assert binary["type"] == "Binary" and "searchParam" not in binary
    assert {"name": "owner", "type": "reference"} in task["searchParam"]
    assert [line["code"] for line in task["interaction"]] == ["read", "search-type"]
    assert made["instantiates"][0].endswith("SDOHCC-CoordinationPlatform") and made["fhirVersion"] == "4.0.1"
    assert fhir.capability({}, base="https://h", at=datetime(2026, 3, 2, tzinfo=UTC), version="1")["date"] == "2026-03-02T00:00:00.000Z"


@pytest.mark.parametrize("content", ["text", "<p>a &amp; b</p>", '<img src="#a" alt="x"/>',
    '<table><tr><td colspan="2">x</td></tr></table>', '<a href="http://x">x</a>'])
def test_narrative_accepts_plain_formatting(content):
    assert fault(DIV % content) == ""


@pytest.mark.parametrize(
    "div",
    [
        "", "text", "<p>x</p>", "<div>x</div>", DIV % "", DIV % " \n ", DIV % "<script>x</script>", DIV % '<p onclick="x">x</p>',
            DIV % "<form>x</form>",
        DIV % '<a href="java\nscript:x">x</a>', DIV % "&nbsp;x", DIV % "<p>x", DIV % "x" + DIV % "y", DIV % "<iframe>x</iframe>",
            DIV % "\ud800",
        '<!DOCTYPE div [<!ENTITY a "b">]>' + DIV % "&a;", "<div xmlns='http://www.w3.org/1999/xhtml'><body>x</body></div>",
    ],
)  # fmt: skip
def test_narrative_refuses_what_is_active_empty_or_no_xhtml(div):
    assert fault(div)


def test_check_names_the_narrative_when_it_is_unfit():
    task = specimen("Task")
    task["text"]["div"] = DIV % "<script>x</script>"
    (issue,) = fhir.check(task)
    assert (issue.code, issue.expression) == ("invariant", "Task.text.div") and issue.text.startswith("txt-1")


@pytest.mark.parametrize(
    ("one", "other", "later"),
    [
        ("2026-03-05", "2026-03-04", True), ("2026-03", "2026-03-04", False), ("2026-04", "2026-03-31T10:00:00Z", True), ("2026",
            "2026-03", False),
        ("2026-03-04T10:00:00+02:00", "2026-03-04T09:00:00Z", False), ("2026-03-04T10:00:00-02:00", "2026-03-04T11:00:00Z", True),
        ("2026-03-04T10:00:00.5Z", "2026-03-04T10:00:00Z", True), ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", False), ("2026", "2026",
            False),
        ("0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00Z", False),
    ],
)  # fmt: skip
def test_after_is_true_only_when_it_is_sure(one, other, later):
    assert fhir.after(one, other) is later


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2026", "2026-01-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z"), ("2024-02", "2024-02-01T00:00:00.000Z",
            "2024-02-29T23:59:59.999Z"),
        ("2026-03-04", "2026-03-04T00:00:00.000Z", "2026-03-04T23:59:59.999Z"),
        ("2026-03-04T10:00:00+01:00", "2026-03-04T09:00:00.000Z", "2026-03-04T09:00:00.999Z"),
        ("2026-03-04T10:00:00.25Z", "2026-03-04T10:00:00.250Z", "2026-03-04T10:00:00.250Z"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.000Z", "9999-12-31T23:59:59.999Z"),
    ],
)  # fmt: skip
def test_span_is_what_a_partial_date_covers(text, low, high):
    assert fhir.span(text) == (low, high)


def test_stamp_writes_utc_whatever_the_zone_of_updated():
    paris = datetime(2026, 3, 2, 18, 50, tzinfo=timezone(timedelta(hours=1)))
    assert b'"2026-03-02T17:50:00.000Z"' in fhir.stamp(specimen("Task"), id="a", version=1, updated=paris)
