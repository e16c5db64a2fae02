"""The traps of fhir.resources R4B (stack.md), each refused here; where R4B falls into it, the test shows that too."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from fhir.resources.R4B import get_fhir_model_class

from adapter import fhir
from tests.unit.fhir.specimens import specimen


def codes(resource: dict[str, Any]) -> set[tuple[str, str]]:
    return {(issue.code, issue.expression) for issue in fhir.check(resource)}


def r4b_accepts(resource: dict[str, Any]) -> bool:
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate_json(orjson.dumps(resource))
    except ValueError:
        return False
    return True


def with_(type: str, **members: Any) -> dict[str, Any]:
    return specimen(type) | members


TRAPS = {
    "bad code": (with_("Task", status="nonsense"), ("code-invalid", "Task.status")),
    "bad code in a data type": (with_("Patient", name=[{"use": "x"}]), ("code-invalid", "Patient.name[0].use")),
    "wrong reference type": (with_("Task", owner={"reference": "Consent/c1"}), ("value", "Task.owner")),
    "wrong reference type, absolute": (with_("Task", owner={"reference": "http://h/fhir/Consent/c1/_history/2"}), ("value", "Task.owner")),
    "wrong reference type, by type": (with_("Task", owner={"type": "Consent", "identifier": {"value": "1"}}), ("value", "Task.owner")),
    "null": (with_("Task", description=None), ("structure", "Task.description")),
    "empty array": (with_("Task", note=[]), ("structure", "Task.note")),
    "decimal as text": (with_("Observation", valueQuantity={"value": "2.5"}), ("structure", "Observation.valueQuantity.value")),
    "uri with spaces": (with_("Task", instantiatesUri="http://a b"), ("value", "Task.instantiatesUri")),
    "id of 65": (with_("Task", id="x" * 65), ("value", "Task.id")),
    "python name": (with_("Task", for_fhir={"reference": "Patient/p1"}), ("structure", "Task.?")),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_check_refuses_the_trap_that_r4b_falls_into(trap):
    resource, expected = TRAPS[trap]
    if trap == "python name":
        del resource["for"]
    assert expected in codes(resource)
    assert r4b_accepts(resource)


def test_check_gives_an_issue_not_keyerror_when_a_contained_type_is_unknown():
    task = with_("Task", contained=[{"resourceType": "Nonsense", "id": "a"}])
    with pytest.raises(KeyError):
        r4b_accepts(task)
    assert ("structure", "Task.contained[0]") in codes(task)


def test_check_names_the_place_when_two_of_a_choice_are_given():
    task = specimen("Task")
    task["input"][0]["valueString"] = "x"
    assert codes(task) == {("structure", "Task.input[0].value")}
    assert ("structure", "Patient.deceased") in codes(with_("Patient", deceasedDateTime="2026"))
    del task["input"][0]["valueString"], task["input"][0]["valueReference"]
    assert codes(task) == {("required", "Task.input[0].value")}


def test_check_finds_all_errors_at_once():
    assert len(fhir.check(with_("Task", status="x", intent="x", priority="x", foo=1, authoredOn="2026-02-30"))) == 5


def test_parse_and_stamp_keep_the_precision_of_decimals_and_the_text_of_dates(at):
    body = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"effectiveInstant":"2026-03-02T18:50:00.120Z","valueQuantity":{"value":7.10}}'
    )
    assert fhir.parse(body)["valueQuantity"]["value"] == 7.1
    served = fhir.stamp(body, id="o1", version=1, updated=at)
    assert b'"value":7.10}' in served and b"18:50:00.120Z" in served


def test_check_refuses_fields_that_only_r4b_has():
    extension = {"url": "http://example.org/x", "valueRatioRange": {"lowNumerator": {"value": 1}}}
    assert ("structure", "Patient.extension[0].?") in codes(with_("Patient", extension=[extension]))
    meta = {"url": "http://example.org/x", "valueMeta": {"source": "http://example.org"}}
    assert codes(with_("Patient", extension=[meta])) == set()  # and R4 has this one


@pytest.mark.parametrize("code", ["draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold",
    "failed", "completed"])
def test_check_takes_the_codes_of_the_value_set_not_those_scraped_from_a_short_text(code):
    assert codes(with_("Task", status=code)) == set()


def test_member_without_a_name_is_refused_wherever_it_stands() -> None:
    """In an extension too, whose rule looks at how its members begin."""
    for resource in ({"resourceType": "Patient", "": {}}, {"resourceType": "Patient", "extension": [{"url": "urn:x", "": {}}]}):
        assert any(issue.severity in ("error", "fatal") for issue in fhir.check(resource))
