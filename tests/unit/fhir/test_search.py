"""Search rows and search parameters."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from adapter import fhir
from adapter.errors import Malformed
from adapter.fhir import joins
from adapter.fhir.elements import element
from adapter.fhir.parameters import parameters
from adapter.ports import Clause, Include, IndexRow
from tests.unit.fhir.specimens import specimen, specimens


def found(resource: dict[str, Any], param: str) -> list[tuple[str, str]]:
    return [(row.system, row.value) for row in fhir.rows(resource) if row.param == param]


def test_rows_of_a_task_are_what_its_parameters_ask_for():
    rows = fhir.rows(specimen("Task"))
    assert IndexRow("status", "token", "requested") in rows
    assert IndexRow("identifier", "token", "T1", "https://liaison.example/sid/task") in rows
    assert IndexRow("code", "token", "fulfill", "http://hl7.org/fhir/CodeSystem/task-code") in rows
    assert IndexRow("owner", "reference", "HealthcareService/u1") in rows
    assert IndexRow("patient", "reference", "Patient/p1") in rows and IndexRow("subject", "reference", "Patient/p1") in rows
    assert IndexRow("period", "date", low="2026-03-02", high="2026-03-04") in rows
    assert IndexRow("authored-on", "date", low="2026-03-02T18:50:00+01:00", high="2026-03-02T18:50:00+01:00") in rows
    assert not any(row.identifying for row in rows)


def test_rows_follow_deep_paths_and_arrays():
    assert found(specimen("Consent"), "actor") == [("", "Organization/cbo")]
    assert found(specimen("Procedure"), "performer") == [("", "Organization/cbo")]
    task = specimen("Task") | {"output": [{"type": {"text": "x"}, "valueReference": {"reference": "Procedure/a1"}}]}
    assert found(task, "output") == [("", "Procedure/a1")]
    assert found(specimen("ServiceRequest"), "supporting-info") == [("", "Consent/c1")]


def test_rows_that_identify_a_person_say_so():
    rows = fhir.rows(specimen("Patient"))
    marked = {row.param.removesuffix(":exact") for row in rows if row.identifying}
    assert marked == {"identifier", "family", "given", "name", "birthdate", "phone", "telecom", "address", "address-city",
        "address-postalcode"}
    assert {row.param for row in rows if not row.identifying} == {"gender", "active", "general-practitioner", "link"}


def test_rows_hold_each_word_of_an_identifying_string_for_digests_know_no_prefix():
    patient = {"resourceType": "Patient", "id": "a", "name": [{"family": "de La Tour", "given": ["Anne-Marie"]}]}
    assert [value for _, value in found(patient, "family")] == ["de La Tour", "de", "La", "Tour"]
    assert [value for _, value in found(patient, "given")] == ["Anne-Marie", "Anne", "Marie"]
    assert found({"resourceType": "Organization", "name": "Les Amis"}, "name") == [("", "Les Amis")]


def test_rows_hold_an_identifying_date_by_its_year_and_month_too_and_a_string_to_the_letter():
    rows = fhir.rows({"resourceType": "Patient", "id": "a", "birthDate": "1938-02-03", "name": [{"family": "de La Tour"}]})
    assert [row.low for row in rows if row.param == "birthdate"] == ["1938", "1938-02", "1938-02-03"]
    assert [(row.kind, row.value, row.identifying) for row in rows if row.param == "family:exact"] == [("token", "de La Tour", True)]
    assert [row.low for row in fhir.rows({"resourceType": "Patient", "id": "a", "birthDate": "1938"}) if row.param == "birthdate"] == ["1938"]


def test_rows_of_logical_absolute_versioned_and_contained_references():
    task = specimen("Task") | {
        "owner": {"identifier": {"system": "urn:x", "value": "7"}}, "requester": {"reference": "http://h/fhir/Organization/1/_history/2"},
        "for": {"reference": "Group/g"}, "focus": {"reference": "#a"}, "encounter": {"display": "x"},
    }  # fmt: skip
    assert found(task, "owner") == [("", "")] and found(task, "owner:identifier") == [("urn:x", "7")]
    assert found(task, "requester") == [("", "http://h/fhir/Organization/1")]
    assert found(task, "patient") == [] and found(task, "subject") == [("", "Group/g")]
    assert found(task, "focus") == [("", "")]
    assert next(row for row in fhir.rows(task | {"for": {"identifier": {"value": "1"}}}) if row.param == "subject:identifier").identifying


def test_rows_keep_dates_that_a_store_can_hold():
    long = "2026-03-02T18:50:00.1234567890123456789012Z"
    task = specimen("Task") | {"authoredOn": long, "lastModified": "9999-12-31T23:59:59-14:00", "executionPeriod": {"start": "2026"}}
    dates = {row.param: (row.low, row.high) for row in fhir.rows(task) if row.kind == "date"}
    assert dates["authored-on"] == ("2026-03-02T18:50:00.123Z", "2026-03-02T18:50:00.123Z")
    assert dates["modified"][1] == "9999-12-31T23:59:59.999Z" and dates["period"] == ("2026", "")


@pytest.mark.parametrize("resource", specimens(), ids=lambda r: r["resourceType"])
def test_rows_exist_for_every_core_type_and_no_other(resource):
    type = resource["resourceType"]
    assert bool(fhir.rows(resource)) is (type in fhir.CORE_TYPES and bool(parameters(type)))


@pytest.mark.parametrize("type", fhir.CORE_TYPES)
def test_every_path_of_a_parameter_leads_to_an_element_of_its_kind(type):
    kinds = {"token": {"code", "boolean", "Coding", "CodeableConcept", "Identifier", "ContactPoint"}, "reference": {"Reference", "canonical"},
             "date": {"date", "dateTime", "instant", "Period"}, "string": {"string"}}  # fmt: skip
    for parameter in parameters(type).values():
        for path in parameter.paths:
            owner = element(type)
            for step in path.steps[:-1]:
                owner = element(owner.fields[step].type)
            assert owner.fields[path.steps[-1]].type in kinds[parameter.kind], f"{type}.{parameter.name}"


OURS = {("ServiceRequest", "supporting-info"), ("Task", "output")}  # SDOHCC's own


@pytest.mark.shared
@pytest.mark.parametrize("type", fhir.CORE_TYPES)
def test_every_parameter_is_one_of_r4_with_its_kind_and_element(shared, type):
    table = json.loads((shared / "data" / "r4" / "search-parameters.json").read_text()).get(type, {})
    for parameter in parameters(type).values():
        if (type, parameter.name) in OURS:
            continue
        assert table[parameter.name]["type"] == parameter.kind
        words = set(re.findall(r"[A-Za-z]+", table[parameter.name]["expression"]))
        steps = {step for path in parameter.paths for step in path.steps if step not in ("family", "given", "text", "prefix", "suffix",
            "line")}
        unchosen = {re.sub("(DateTime|Period|Reference|Instant|CodeableConcept|Date)$", "", step) for step in steps - words}
        assert unchosen <= words | {"city", "postalCode"}, f"{type}.{parameter.name}"


# ── the query ────────────────────────────────────────────────────────────────────────────────────
def clause(type: str, name: str, value: str) -> Clause:
    (one,) = fhir.query(type, [(name, value)]).clauses
    return one


@pytest.mark.parametrize(
    ("type", "name", "value", "expected"),
    [
        ("Task", "status", "requested,accepted", Clause("status", "token", ("requested", "accepted"))),
        ("Task", "status:not", "draft", Clause("status", "token", ("draft",), "not")),
        ("Task", "identifier", "urn:x|a\\,b\\|c", Clause("identifier", "token", ("urn:x|a,b|c",))),
        ("Task", "owner", "HealthcareService/u1", Clause("owner", "reference", ("HealthcareService/u1",))),
        ("Task", "owner:HealthcareService", "u1", Clause("owner", "reference", ("HealthcareService/u1",))),
        ("Task", "owner:missing", "true", Clause("owner", "reference", ("true",), "missing")),
        ("Task", "owner:identifier", "urn:x|7", Clause("owner:identifier", "token", ("urn:x|7",), identifying=True)),
        ("Task", "patient", "p1", Clause("patient", "reference", ("Patient/p1",))),
        ("Task", "part-of", "Task/t0/_history/1", Clause("part-of", "reference", ("Task/t0",))),
        ("Task", "requester", "http://h/Organization/1", Clause("requester", "reference", ("http://h/Organization/1",))),
        ("Task", "authored-on", "ge2026-03-02", Clause("authored-on", "date", ("ge2026-03-02",))),
        ("Task", "_id", "a,b", Clause("_id", "id", ("a", "b"))),
        ("Task", "_lastUpdated", "gt2026", Clause("_lastUpdated", "updated", ("gt2026",))),
        ("Patient", "family", "Durand", Clause("family", "string", ("Durand",), identifying=True)),
        ("Patient", "family:exact", "Durand", Clause("family:exact", "token", ("|Durand",), identifying=True)),
        ("Task", "status", "http://hl7.org/fhir/task-status|requested", Clause("status", "token", ("requested",))),
        ("Task", "status", "http://hl7.org/fhir/request-status|x", Clause("status", "token", ("http://hl7.org/fhir/request-status|x",))),
        ("Task", "code", "http://hl7.org/fhir/task-status|x", Clause("code", "token", ("http://hl7.org/fhir/task-status|x",))),
        ("Patient", "gender", "http://hl7.org/fhir/administrative-gender|female", Clause("gender", "token", ("female",))),
        ("Patient", "birthdate", "1938-02-03", Clause("birthdate", "date", ("1938-02-03",), identifying=True)),
        ("Patient", "identifier", "urn:x|1", Clause("identifier", "token", ("urn:x|1",), identifying=True)),
        ("Organization", "name:contains", "santé", Clause("name", "string", ("santé",), "contains")),
    ],
)
def test_query_reads_a_parameter_as_fhir_means_it(type, name, value, expected):
    assert clause(type, name, value) == expected


def test_query_tries_every_allowed_type_when_only_an_id_is_given():
    assert set(clause("Task", "requester", "x").values) == {
        f"{type}/x" for type in ("Device", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson")
    }


def test_query_joins_repeats_by_and_and_reads_count_and_sort():
    query = fhir.query("Task", [("status", "a"), ("status", "b"), ("_count", "20"), ("_sort", "-_lastUpdated")])
    assert [c.values for c in query.clauses] == [("a",), ("b",)]
    assert (query.count, query.sort, query.clinics, query.after) == (20, "-_lastUpdated", None, None)
    assert fhir.query("Task", []).count == 100 and fhir.query("Task", [("_count", "999999")]).count == 1000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("foo", "1"), ("patient.phone", "x"), ("_has:Task:x", "1"), ("owner:Consent", "1"), ("owner:above", "1"), ("status:text", "x"),
        ("authored-on:not", "2026"), ("_id:exact", "a"), ("_lastUpdated:missing", "true"), ("owner:missing", "maybe"), ("status", ""),
            ("status", ","),
        ("owner", "Consent/1"), ("focus", "justanid"), ("owner", "!"), ("_count", "-1"), ("_count", "x"), ("_count", "²"), ("_sort",
            "status"),
        ("STATUS", "x"), ("", "x"), ("_include", "Task:identifier"), ("_include", "*"), ("_include", "ServiceRequest:subject"),
        ("_include", "Task:focus:AuditEvent"), ("_include:iterate", "Task:focus"), ("_revinclude", "ServiceRequest:patient"), ("_revinclude", "x"),
        ("_sort", "period"), ("_sort", "authored-on,status"), ("_sort", "-_lastUpdated,_id"), ("_total", "some"), ("_summary", "true"),
        ("authored-on", "ap2026"), ("_lastUpdated", "zz2026"), ("status:above", "x"), ("status:below", "x"), ("status:in", "x"),
        ("owner.name", "x"), ("patient.family:exact", "x"), ("patient.gender", "x"), ("patient.family", ""),
    ],
)  # fmt: skip
def test_query_refuses_with_400_what_is_not_offered(name, value):
    with pytest.raises(Malformed) as caught:
        fhir.query("Task", [(name, value)])
    assert caught.value.status == 400


def test_query_names_the_known_parameters_and_no_value_when_one_is_unknown():
    with pytest.raises(Malformed) as caught:
        fhir.query("Patient", [("naam", "Durand-Secret")])
    (issue,) = caught.value.issues
    assert issue.code == "not-supported" and issue.expression == "?" and "naam" not in issue.text
    assert "birthdate" in issue.text and "_lastUpdated" in issue.text and "Secret" not in issue.text
    with pytest.raises(Malformed) as caught:
        fhir.query("Patient", [("Durand Secret", "x")])
    assert "Secret" not in str(caught.value.issues)


def test_query_refuses_contains_where_only_digests_are_kept():
    with pytest.raises(Malformed):
        fhir.query("Patient", [("family:contains", "ran")])


def test_query_finds_the_rows_it_is_about():
    """Each row of a specimen is asked for by the parameter that made it."""
    for resource in specimens():
        for row in (each for each in fhir.rows(resource) if each != IndexRow(each.param, "reference")):  # one without an address
            value = {"date": row.low, "token": f"{row.system}|{row.value}"}.get(row.kind, row.value)
            asked = clause(resource["resourceType"], row.param, value)
            assert (asked.param, asked.kind, asked.identifying) == (row.param, row.kind, row.identifying)


# ── order, number, joins ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("value", "sort"),
    [("_id", ""), ("-_id", "-_id"), ("_lastUpdated", "_lastUpdated"), ("-authored-on", "-authored-on"), ("modified,_id", "modified"), ("-modified,-_id", "-modified")],
)
def test_query_sorts_by_what_has_one_value_at_most(value, sort):
    assert fhir.query("Task", [("_sort", value)]).sort == sort


@pytest.mark.parametrize("type", fhir.CORE_TYPES)
def test_what_may_be_sorted_by_is_no_array(type):
    for parameter in parameters(type).values():
        if parameter.sorts:
            assert parameter.kind == "date" and not parameter.identifying
            assert not any(element(type).fields[path.steps[0]].many for path in parameter.paths)
            assert all(len(path.steps) == 1 for path in parameter.paths)


def test_query_reads_what_is_to_be_counted():
    assert (fhir.query("Task", [("_summary", "count")]).count, fhir.query("Task", [("_count", "0")]).total) == (0, "accurate")
    assert fhir.query("Task", [("_summary", "false"), ("_total", "estimate")]).total == "estimate"
    assert fhir.query("Task", []).total == "none"


def test_query_reads_joins_each_once():
    given = [("_include", "Task:focus"), ("_include", "Task:owner:HealthcareService"), ("_include", "Task:focus"), ("_revinclude", "Provenance:target")]
    assert fhir.query("Task", given).includes == (
        Include("Task", "focus"), Include("Task", "owner", "HealthcareService"), Include("Provenance", "target", reverse=True),
    )  # fmt: skip


def test_joins_are_of_reference_parameters_and_never_of_the_trail():
    for type, params in joins.INCLUDES.items():
        assert all(parameters(type)[param].kind == "reference" for param in params), type
    assert {"Task:focus", "Procedure:based-on", "Provenance:target"} <= set(joins.revincludes("ServiceRequest"))
    assert "ServiceRequest:supporting-info" in joins.revincludes("Consent") and "Task:owner" not in joins.revincludes("Consent")
    assert not any("AuditEvent" in each for type in fhir.CORE_TYPES for each in (*joins.includes(type), *joins.revincludes(type)))
    assert "Provenance:target" in joins.revincludes("Patient") and joins.revincludes("AuditEvent") == []


def test_named_are_the_references_of_served_types_without_their_version():
    task = specimen("Task")
    assert list(joins.named(task, Include("Task", "owner"))) == ["HealthcareService/u1"]
    assert list(joins.named(task, Include("Task", "owner", "Organization"))) == []
    assert list(joins.named(specimen("Provenance"), Include("Provenance", "target"))) == ["Consent/c1"]
    assert list(joins.named(task | {"focus": {"reference": "http://h/ServiceRequest/1"}}, Include("Task", "focus"))) == []
    assert list(joins.named(task | {"focus": {"reference": "AuditEvent/1"}}, Include("Task", "focus"))) == []


def test_chain_is_the_condition_of_the_other_type():
    assert clause("Task", "patient.family", "Durand") == Clause(
        "patient.family", "string", ("Durand",), identifying=True, chain=("patient", "Patient"))  # fmt: skip
    assert clause("ServiceRequest", "subject:Patient.birthdate", "1938-02-03").chain == ("subject", "Patient")
    assert "subject.family" not in joins.chains("ServiceRequest") and "subject:Patient.family" in joins.chains("ServiceRequest")
    with pytest.raises(Malformed):
        clause("Task", "patient.birthdate", "ge1938")


def test_lenient_leaves_out_what_is_not_offered_and_says_so_without_the_callers_words():
    asked = [("status", "requested"), ("Durand Secret", "x"), ("_include", "Secret:x"), ("_sort", "Secret"), ("patient.Secret", "1")]
    found = fhir.query("Task", asked, lenient=True)
    assert found.clauses == (Clause("status", "token", ("requested",)),) and found.includes == () and found.sort == ""
    assert len(found.ignored) == 3 and not any("Secret" in each for each in found.ignored)
    assert [each.partition(":")[0] for each in found.ignored] == ["?", "_include", "_sort"]
    for name, value in (("status:above", "x"), ("_count", "x"), ("authored-on", "ap2026"), ("status", "")):
        with pytest.raises(Malformed):
            fhir.query("Task", [(name, value)], lenient=True)
