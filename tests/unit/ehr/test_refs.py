from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.ehr import Unknown, inward, outward
from adapter.errors import EhrRejected
from tests.unit.ehr.shapes import SID, Resource, task

BASE = "https://ehr.example/fhir"
LINKS = {("Patient", "p1"): "901", ("ServiceRequest", "sr1"): "902", ("Task", "t1"): "903", ("Task", "t2"): "904"}
BACK = {(type, remote): id for (type, id), remote in LINKS.items()}


def lookup(type: str, id: str) -> str | None:
    return LINKS.get((type, id))


def lookup_remote(type: str, id: str) -> str | None:
    return BACK.get((type, id))


def logical(type: str, id: str) -> dict[str, Any] | None:
    return {"type": type, "identifier": {"system": f"{SID}/unit", "value": id}} if type in ("HealthcareService", "Organization") else None


def out(resource: Resource, **more: Any) -> Resource:
    return outward(resource, lookup, logical, **more)


def test_outward_puts_the_ehrs_id_where_the_target_is_linked() -> None:
    ours = task(focus={"reference": "ServiceRequest/sr1"}, **{"for": {"reference": "Patient/p1", "display": "x"}}, partOf=[{"reference": "Task/t2"}])
    theirs = out(ours)
    assert theirs["focus"] == {"reference": "ServiceRequest/902"}
    assert theirs["for"] == {"reference": "Patient/901", "display": "x"}
    assert theirs["partOf"] == [{"reference": "Task/904"}]


def test_outward_names_by_identifier_when_the_target_is_not_linked() -> None:
    owner = out(task(owner={"reference": "HealthcareService/u1", "display": "Coursiers"}))["owner"]
    assert owner == {"display": "Coursiers", "type": "HealthcareService", "identifier": {"system": f"{SID}/unit", "value": "u1"}}


def test_outward_drops_the_version_of_a_reference() -> None:
    assert out(task(focus={"reference": "ServiceRequest/sr1/_history/4"}))["focus"]["reference"] == "ServiceRequest/902"


@pytest.mark.parametrize("text", ["#p", "urn:uuid:6b1f5a3e-0000-4000-8000-000000000001", "https://other.example/fhir/Patient/p1", "Patient?identifier=x"])
def test_outward_leaves_what_is_not_ours_to_rewrite(text: str) -> None:
    assert out(task(focus={"reference": text}))["focus"] == {"reference": text}


def test_outward_makes_the_ehrs_own_address_relative() -> None:
    ours = task(focus={"reference": f"{BASE}/Condition/5"})
    assert out(ours, base_url=BASE)["focus"]["reference"] == "Condition/5"
    assert out(task(focus={"reference": f"{BASE}other/Condition/5"}), base_url=BASE)["focus"]["reference"] == f"{BASE}other/Condition/5"


def test_outward_refuses_an_id_that_would_mean_nothing_there() -> None:
    with pytest.raises(EhrRejected, match=r"Task\.input\[0\]\.valueReference: expected a Procedure") as caught:
        out(task(input=[{"valueReference": {"reference": "Procedure/secret-id"}}]))
    assert "secret-id" not in str(caught.value)


def test_outward_rewrites_inside_extensions_and_contained_resources() -> None:
    ours = task(
        extension=[{"url": "x", "valueReference": {"reference": "Patient/p1"}}],
        contained=[{"resourceType": "Provenance", "target": [{"reference": "Task/t1"}]}],
    )
    theirs = out(ours)
    assert theirs["extension"][0]["valueReference"]["reference"] == "Patient/901"
    assert theirs["contained"][0]["target"][0]["reference"] == "Task/903"


def test_inward_turns_relative_and_absolute_references_of_the_ehr_into_ours() -> None:
    theirs = task(focus={"reference": f"{BASE}/ServiceRequest/902/_history/3"}, **{"for": {"reference": "Patient/901"}})
    ours, unknown = inward(theirs, lookup_remote, base_url=BASE + "/")
    assert (ours["focus"]["reference"], ours["for"]["reference"], unknown) == ("ServiceRequest/sr1", "Patient/p1", ())


def test_inward_makes_absolute_and_reports_what_is_not_linked() -> None:
    theirs = task(focus={"reference": "ServiceRequest/sr1"}, reasonReference={"reference": "https://other.example/Condition/1"})
    ours, unknown = inward(theirs, lookup_remote, base_url=BASE)
    assert ours["focus"]["reference"] == f"{BASE}/ServiceRequest/sr1"  # the EHR's id, though one of ours has the same
    assert ours["reasonReference"] == theirs["reasonReference"]
    assert unknown == (Unknown("Task.focus", "ServiceRequest"), Unknown("Task.reasonReference", ""))


def test_inward_leaves_logical_and_contained_references() -> None:
    theirs = task(owner={"identifier": {"system": "s", "value": "v"}}, focus={"reference": "#a"})
    assert inward(theirs, lookup_remote, base_url=BASE) == (theirs, ())


linked = st.sampled_from(sorted(LINKS)).map(lambda key: {"reference": f"{key[0]}/{key[1]}"})
elements = st.sampled_from(["focus", "for", "extension", "note", "valueString", "_status"])
trees = st.recursive(
    linked | st.text(max_size=4) | st.booleans() | st.integers(0, 9) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(elements, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(elements, trees, max_size=4))
def test_inward_undoes_outward_for_linked_references(elements: Resource) -> None:
    ours = {"resourceType": "Task", **elements}
    before = copy.deepcopy(ours)
    theirs = out(ours)
    assert inward(theirs, lookup_remote, base_url=BASE) == (ours, ())
    assert ours == before  # neither way touches what it was given


@given(st.dictionaries(elements, trees, max_size=4))
def test_outward_lets_no_id_of_ours_out_in_a_reference(elements: Resource) -> None:
    text = json.dumps(out({"resourceType": "Task", **elements}))
    assert not any(f'"{type}/{id}"' in text for type, id in LINKS)


@given(
    st.dictionaries(elements, st.recursive(st.text(max_size=8).map(lambda text: {"reference": text}), lambda inner: st.lists(inner, max_size=3)), max_size=3)
)
def test_inward_never_raises_and_never_makes_an_unlinked_reference_look_like_ours(elements: Resource) -> None:
    ours, _ = inward({"resourceType": "Task", **elements}, lambda type, id: None, base_url=BASE)
    assert not any(part.get("reference", "").startswith(("Task/", "Patient/")) for part in ours.values() if isinstance(part, dict))


def test_inward_gives_back_our_reference_where_the_ehr_knows_the_party_by_our_identifier() -> None:
    def named(type: str, system: str, value: str) -> str | None:
        return f"{type}/{value}" if system == "urn:ours" else None

    by = {"type": "Organization", "identifier": {"system": "urn:ours", "value": "carsat"}, "display": "Carsat"}
    foreign = {**by, "identifier": {"system": "urn:theirs", "value": "9"}}
    read = {"resourceType": "Task", "owner": by, "requester": foreign, "identifier": [{"system": "urn:ours", "value": "carsat"}]}
    ours, unknown = inward(read, lambda type, id: None, base_url=BASE, named=named)
    assert ours == {**read, "owner": {"reference": "Organization/carsat"}}
    assert unknown == ()
