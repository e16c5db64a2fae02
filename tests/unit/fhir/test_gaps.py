"""null, empty things, ids alone, control characters, `_` siblings, contained resources."""

from __future__ import annotations

from typing import Any

import pytest

from adapter import fhir
from adapter.fhir import gaps

EXT = {"extension": [{"url": "http://example.org/x", "valueBoolean": True}]}


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **members}


def at(resource: dict[str, Any]) -> list[str]:
    return sorted(issue.expression for issue in fhir.check(resource))


@pytest.mark.parametrize(
    "name",
    [
        {"given": ["A", None], "_given": [None, EXT]},
        {"given": ["A", "B"], "_given": [EXT]},
        {"given": ["A"], "_given": [{"id": "x"}]},
        {"_given": [EXT]},
        {"family": "A", "_family": {"id": "x"}},
        {"_family": EXT},
    ],
)
def test_check_accepts_null_and_siblings_where_json_pads_arrays(name):
    assert at(patient(name=[name])) == []


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ({"given": [None]}, ["Patient.name[0].given[0]"]),
        ({"given": ["A", None]}, ["Patient.name[0].given[1]"]),
        ({"given": [None], "_given": [None]}, ["Patient.name[0].given[0]", "Patient.name[0].given[0]"]),
        ({"given": ["A", None], "_given": [EXT]}, ["Patient.name[0].given[1]"]),
        ({"_given": [None, EXT]}, ["Patient.name[0].given[0]"]),
        ({"_given": [{}], "given": ["A"]}, ["Patient.name[0].given[0]"]),
        ({"_family": {"id": "x"}}, ["Patient.name[0].family"]),
        ({"_family": {}, "family": "A"}, ["Patient.name[0].family"]),
        ({"_family": None, "family": "A"}, ["Patient.name[0].family"]),
        ({"_family": [EXT], "family": "A"}, ["Patient.name[0].family"]),
        ({"family": None}, ["Patient.name[0].family"]),
        ({"family": ""}, ["Patient.name[0].family"]),
        ({"given": []}, ["Patient.name[0].given"]),
        ({"given": [""]}, ["Patient.name[0].given[0]"]),
        ({"family": "A\u0000"}, ["Patient.name[0].family"]),
        ({"family": "A\u0008"}, ["Patient.name[0].family"]),
        ({"id": "a"}, ["Patient.name[0]"]),
        ({}, ["Patient.name[0]"]),
        ({"period": {}}, ["Patient.name[0].period"]),
    ],
)
def test_check_refuses_the_gap_and_names_its_place(name, places):
    assert at(patient(name=[name])) == places


@pytest.mark.parametrize("member", [None, [], {}, "", [None], [[]], [{}]])
def test_check_refuses_gaps_where_objects_are_expected(member):
    assert at(patient(name=member))


def test_suspicion_is_only_a_hint_when_text_merely_looks_like_a_gap():
    assert at(patient(name=[{"text": 'null {} [] "" {"id": \\ \t\n'}])) == []
    assert not gaps.suspected(b'{"resourceType":"Patient"}')


def test_check_excuses_a_required_primitive_when_extensions_stand_for_it():
    task = {"resourceType": "Task", "intent": "order", "_status": EXT}
    assert at(task) == []
    assert at(task | {"_status": {"id": "x"}}) == ["Task.status"]
    assert at({"resourceType": "Task", "_status": EXT}) == ["Task.intent"]
    assert at(task | {"lastModified": "2026-01-01", "authoredOn": "2026-01-02"}) == ["Task.lastModified"]


def contained(*inner: dict[str, Any], **members: Any) -> dict[str, Any]:
    return patient(contained=list(inner), generalPractitioner=[{"reference": "#a"}], **members)


PRACTITIONER = {"resourceType": "Practitioner", "id": "a"}


def test_check_accepts_a_contained_resource_that_is_cited_or_cites():
    assert at(contained(PRACTITIONER)) == []
    role = {"resourceType": "PractitionerRole", "id": "b", "practitioner": {"reference": "#"}}
    assert at(patient(contained=[role])) == []


@pytest.mark.parametrize(
    ("resource", "key", "place"),
    [
        (contained(), "ref-1", "Patient.generalPractitioner[0].reference"),
        (contained(PRACTITIONER | {"id": "b"}), "ref-1", "Patient.generalPractitioner[0].reference"),
        (patient(contained=[PRACTITIONER]), "dom-3", "Patient.contained[0]"),
        (contained(PRACTITIONER | {"contained": [PRACTITIONER]}), "dom-2", "Patient.contained[0].contained"),
        (contained(PRACTITIONER | {"meta": {"versionId": "1"}}), "dom-4", "Patient.contained[0].meta"),
        (contained(PRACTITIONER | {"meta": {"security": [{"code": "R"}]}}), "dom-5", "Patient.contained[0].meta.security"),
    ],
)
def test_check_keeps_the_rules_of_containment(resource, key, place):
    resource = {k: v for k, v in resource.items() if v != []}
    assert (key, place) in {(issue.text.partition(":")[0], issue.expression) for issue in fhir.check(resource)}


@pytest.mark.parametrize("inner", [{"resourceType": "Nonsense"}, {"resourceType": ["Patient"]}, {"resourceType": {}}, {"id": "a"}, "x", 7])
def test_check_refuses_a_contained_resource_of_no_known_type(inner):
    assert "Patient.contained[0]" in at(patient(contained=[inner]))


def test_check_names_places_inside_contained_resources_and_entries():
    practitioner = PRACTITIONER | {"gender": "x", "name": [{"period": {"start": "2026-02", "end": "2026-01"}}]}
    assert at(contained(practitioner)) == ["Patient.contained[0].gender", "Patient.contained[0].name[0].period"]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": contained()}, {"resource": practitioner}]}
    bundle["entry"][0]["resource"].pop("contained")
    assert at(bundle) == [
        "Bundle.entry[0].resource.generalPractitioner[0].reference", "Bundle.entry[1].resource.gender",
            "Bundle.entry[1].resource.name[0].period",
    ]  # fmt: skip
