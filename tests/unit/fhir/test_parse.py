"""Bytes in: what is JSON, what is a resource, and which error says so."""

from __future__ import annotations

import json

import orjson
import pytest

from adapter import fhir
from adapter.errors import Invalid, Malformed, Refused
from tests.unit.fhir.specimens import specimen, specimens


def refused(body: bytes, **wanted: str) -> Refused:
    with pytest.raises(Refused) as caught:
        fhir.parse(body, **wanted)
    return caught.value


@pytest.mark.parametrize("resource", specimens(), ids=lambda r: r["resourceType"])
def test_parse_gives_the_dict_back_when_the_resource_is_valid(resource):
    assert fhir.parse(orjson.dumps(resource)) == resource
    assert fhir.parse(json.dumps(resource, indent=2).encode()) == resource


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nonsense", b"\xff\xfe{}", b'{"resourceType":"Task\xc3"}', b"\xef\xbb\xbf{}",
            '{"resourceType":"Task"}'.encode("utf-16"),
        b'{"resourceType":"\\ud800"}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":1e999}', b'{"a":01}', b'{"a":1,}',
            b"{'a':1}",
        b'{"a":"\x01"}', b"{}{}", b"[" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b'{"a":' * 300 + b"1" + b"}" * 300,
            b'{"a":' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_parse_refuses_with_400_when_it_is_no_json_of_ours(body):
    error = refused(body)
    assert isinstance(error, Malformed) and error.status == 400
    assert [issue.code for issue in error.issues] == ["structure"]


@pytest.mark.parametrize("body", [b"[]", b"null", b'"Task"', b"7", b"true", b"[{}]"])
def test_parse_refuses_when_it_is_not_an_object(body):
    assert "one JSON object" in str(refused(body))


@pytest.mark.parametrize("value", [b"", b',"resourceType":null', b',"resourceType":""', b',"resourceType":7', b',"resourceType":["Task"]',
    b',"resourceType":{}'])
def test_parse_names_the_missing_resource_type_when_there_is_none(value):
    (issue,) = refused(b'{"id":"a"' + value + b"}").issues
    assert issue.code == "structure" and "resourceType" in issue.text


def test_parse_tells_unknown_and_unserved_types_apart():
    assert refused(b'{"resourceType":"Nonsense"}').issues[0].code == "structure"
    assert refused(b'{"resourceType":"Citation"}').issues[0].code == "structure"  # R4B has it, R4 has not
    assert refused(b'{"resourceType":"MedicationRequest"}').issues[0].code == "not-supported"


def test_parse_refuses_when_the_type_is_another_than_asked():
    error = refused(orjson.dumps(specimen("Task")), type="Patient")
    assert error.issues[0].text == "expected a Patient" and error.issues[0].expression == "resourceType"
    assert fhir.parse(orjson.dumps(specimen("Task")), type="Task")["id"] == "t1"


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"Patient","id":"a","id":"b"}',
        b'{"resourceType":"Patient","name":[{"family":"A","family":"A"}]}',
        b'{"resourceType":"Patient","resourceType":"Patient"}',
        b'{"resourceType":"Patient","i\\u0064":"a","id":"a"}',
    ],
)
def test_parse_refuses_when_a_member_stands_twice(body):
    assert "once in an object" in str(refused(body))


def test_parse_accepts_when_members_repeat_in_different_objects():
    fhir.parse(b'{ "resourceType": "Patient", "name": [{"family": "A"}, {"family": "A"}] }')


def test_parse_refuses_with_422_when_only_invariants_are_broken():
    task = specimen("Task") | {"lastModified": "2026-03-01"}
    error = refused(orjson.dumps(task))
    assert isinstance(error, Invalid) and error.status == 422
    assert [(i.code, i.expression) for i in error.issues] == [("invariant", "Task.lastModified")]


def test_parse_collects_every_issue_when_several_things_are_wrong():
    task = specimen("Task") | {"status": "nonsense", "foo": 1, "authoredOn": "2026-02-30", "lastModified": None,
        "owner": {"reference": "Consent/1"}}
    task["input"][1]["valueString"] = "x"
    del task["intent"]
    error = refused(orjson.dumps(task))
    assert error.status == 400
    assert {(i.code, i.expression) for i in error.issues} == {
        ("code-invalid", "Task.status"), ("structure", "Task.?"), ("value", "Task.authoredOn"), ("structure", "Task.lastModified"),
        ("required", "Task.intent"), ("value", "Task.owner"), ("structure", "Task.input[1].value"),
    }  # fmt: skip
    assert "6 more" in str(error)


def test_parse_never_repeats_a_value_when_it_refuses():
    secret = "DURAND-1938"
    patient = {
        "resourceType": "Patient", "id": secret + "!" * 60, "gender": secret, "birthDate": secret, "active": secret, "name": secret,
        "contact": [{"gender": secret}], "link": [{"type": secret, "other": {"reference": f"Task/{secret}"}}],
            secret: {"resourceType": secret},
        "photo": [{"data": secret, "url": f"a b {secret}"}], "multipleBirthInteger": secret, "multipleBirthBoolean": secret,
        "contained": [{"resourceType": secret}, {"resourceType": "Patient", "id": secret, "birthDate": secret}],
            "meta": {"lastUpdated": secret},
        "text": {"status": secret, "div": secret}, "telecom": [{"system": secret, "rank": secret}],
    }  # fmt: skip
    error = refused(orjson.dumps(patient))
    assert len(error.issues) > 15
    assert secret not in str(error) + json.dumps(fhir.outcome(error))


def test_check_says_so_when_a_dict_is_no_json():
    for odd in ({"resourceType": "Patient", "id": {1}}, {1: 2}, {"resourceType": "Patient", "id": float("nan")}, "Task", None, []):
        assert fhir.check(odd)  # type: ignore[arg-type]
    loop: dict = {"resourceType": "Patient"}
    loop["contact"] = [loop]
    assert fhir.check(loop)


def test_parse_refuses_when_nested_deeper_than_a_resource_may():
    def nested(levels: int) -> bytes:
        inner: dict = {"url": "http://example.org/x", "valueBoolean": True}
        for _ in range(levels):
            inner = {"url": "http://example.org/x", "extension": [inner]}
        return orjson.dumps({"resourceType": "Patient", "extension": [inner]})

    fhir.parse(nested(45))
    assert refused(nested(60)).issues[0].code == "too-long"


def test_parse_takes_a_huge_number_as_decimal_and_refuses_it_as_integer():
    body = b'{"resourceType":"Basic","code":{"text":"x"},"extension":[{"url":"http://example.org/x","value%s":%s}]}'
    huge = b"123456789012345678901234567890"
    assert fhir.parse(body % (b"Decimal", huge))
    assert refused(body % (b"Integer", huge)).issues[0].expression == "Basic.extension[0].valueInteger"


@pytest.mark.parametrize("key", ["Zyxdurand", "_Zyxdurand", "zyxdurand", "Mme Zyx", "foo", "birthDate2"])
def test_an_unknown_member_is_told_by_its_place_and_never_by_its_name(key):
    """It may be somebody's name; beside it every element that R4 has is told by name."""
    patient = specimen("Patient") | {key: {"": None, key: ""}, "contained": [{"resourceType": "Task", "id": "t", key: 1, "status": ""}]}
    told = [(issue.expression, issue.text) for issue in refused(orjson.dumps(patient)).issues]
    assert ("Patient.?", f"is no element of this type in FHIR R4 (number {list(patient).index(key) + 1} of its object)") in told
    assert "Patient.contained[0].status" in {expression for expression, _ in told}
    assert key not in repr(told)
