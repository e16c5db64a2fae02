"""Primitive types: what R4 lets through and what not, one value each."""

from __future__ import annotations

from typing import Any

import pytest

from adapter import fhir

GOOD: dict[str, list[Any]] = {
    "Boolean": [True, False],
    "Integer": [0, -5, 2**31 - 1, -(2**31)],
    "UnsignedInt": [0, 7],
    "PositiveInt": [1],
    "Decimal": [0, 1.5, -2, 1e-7, 12345678901234567890],
    "String": ["x", " x ", "é\n\t", "a" * 1024],
    "Markdown": ["# x"],
    "Id": ["a", "A-1.b", "x" * 64],
    "Code": ["a", "a b"],
    "Uri": ["urn:x", "a", "http://é/"],
    "Url": ["http://example.org/a?b", "mailto:a@b.example", "Binary/1", "ftp://h/f", "mllp://h:1", "urn:uuid:1", "file:///a"],
    "Canonical": ["http://example.org/q|1.0", "#a"],
    "Oid": ["urn:oid:1.2.250.1"],
    "Uuid": ["urn:uuid:c757873d-ec9a-1326-a141-556f43239520"],
    "Date": ["2026", "2026-02", "2026-02-28", "2024-02-29", "2000-02-29", "0001-01-01"],
    "DateTime": ["2026", "2026-02-28T23:59:60Z", "2026-02-28T18:50:00.123456789+14:00", "2026-02-28T18:50:00-05:30"],
    "Instant": ["2026-02-28T18:50:00Z", "2026-02-28T18:50:00.1-13:59"],
    "Time": ["00:00:00", "23:59:60.5"],
    "Base64Binary": ["eA==", "YWJj", "YW Jj\nYWJj"],
}
BAD: dict[str, list[Any]] = {
    "Boolean": ["true", 1, 0, "", [True]],
    "Integer": ["1", 1.0, 1.5, 2**31, -(2**31) - 1, True],
    "UnsignedInt": [-1],
    "PositiveInt": [0, -1],
    "Decimal": ["2.5", True, {}, "NaN"],
    "String": ["", 7, True, {}, ["x"], "a\x00", "\x1b", "x" * (1024 * 1024 + 1)],
    "Markdown": [""],
    "Id": ["", "x" * 65, "a b", "a_b", "é", "a\n", "/"],
    "Code": ["", " a", "a ", "a  b", "a\tb", "a\n"],
    "Uri": ["", "http://a b", "\n", "a\n"],
    "Url": ["", "http://", "http:// a", "://"],
    "Canonical": ["a b"],
    "Oid": ["1.2.3", "urn:oid:3.1", "urn:oid:1.02", "urn:oid:1"],
    "Uuid": ["c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "urn:uuid:1"],
    "Date": ["2026-02-30", "2026-02-29", "1900-02-29", "2026-04-31", "2026-13", "2026-00", "2026-1-1", "0000", "26",
        "2026-02-28T00:00:00Z", "2026-02-28Z", 2026],
    "DateTime": ["2026-02-30", "2026-02-28T18:50", "2026-02-28T18:50:00", "2026-02-28T24:00:00Z", "2026-02-28 18:50:00Z",
        "2026-02-28T18:50:00+15:00", "2026-02T18:50:00Z"],
    "Instant": ["2026-02-28", "2026-02-28T18:50:00", "2026-02-30T18:50:00Z", "2026"],
    "Time": ["24:00:00", "12:00", "12:00:00Z", "1:00:00", "12:60:00"],
    "Base64Binary": ["eA=", "e", "é", "e*==", "====", ""],
}  # fmt: skip


def faults(kind: str, value: Any) -> list[Any]:
    return fhir.check({"resourceType": "Basic", "code": {"text": "x"}, "extension": [{"url": "http://example.org/x",
        f"value{kind}": value}]})


@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, values in GOOD.items() for v in values])
def test_check_accepts_the_value_when_r4_does(kind, value):
    assert faults(kind, value) == []


@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, values in BAD.items() for v in values], ids=lambda v: repr(v)[:40])
def test_check_refuses_the_value_when_r4_does(kind, value):
    issues = faults(kind, value)
    assert issues and {issue.expression for issue in issues} == {f"Basic.extension[0].value{kind}"}


def test_check_refuses_a_sibling_where_r4_has_none():
    basic = {"resourceType": "Basic", "id": "a", "code": {"text": "x"}}
    assert fhir.check(basic | {"_id": {"extension": [{"url": "http://x.example", "valueBoolean": True}]}})
    assert fhir.check(basic | {"extension": [{"url": "http://x.example", "_url": {"id": "a"}, "valueBoolean": True}]})
    assert fhir.check(basic | {"created": "2026", "_created": {"id": "a"}}) == []
