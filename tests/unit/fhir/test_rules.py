"""Invariants: one resource that keeps each and one that breaks it, and FHIRPath's opinion of both and of their mutants."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models

from adapter import fhir
from adapter.fhir.rules import INVARIANTS
from tests.unit.fhir.mutations import parent, places
from tests.unit.fhir.specimens import specimen

UCUM = "http://unitsofmeasure.org"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
Case = tuple[str, str, dict[str, Any], dict[str, Any]]


def extended(name: str, value: Any) -> dict[str, Any]:
    return {"resourceType": "Basic", "code": {"text": "x"}, "extension": [{"url": "http://example.org/x", f"value{name}": value}]}


def of(type: str, **members: Any) -> dict[str, Any]:
    return specimen(type) | members


def timing(**repeat: Any) -> dict[str, Any]:
    return extended("Timing", {"repeat": repeat})


def item(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Questionnaire", "status": "draft", "item": [{"linkId": "1", "type": "string", **members}]}


def bundle(type: str, *entries: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type, **members} | ({"entry": list(entries)} if entries else {})


def capability(**members: Any) -> dict[str, Any]:
    return {"resourceType": "CapabilityStatement", "status": "active", "date": "2026", "kind": "requirements", "fhirVersion": "4.0.1",
            "format": ["json"], "description": "x", "rest": [{"mode": "server"}], **members}  # fmt: skip


def list_(**members: Any) -> dict[str, Any]:
    return {"resourceType": "List", "status": "current", "mode": "working", **members}


def group(actual: bool) -> dict[str, Any]:
    return {"resourceType": "Group", "type": "person", "actual": actual, "member": [{"entity": {"reference": "Patient/p1"}}]}


def condition(**members: Any) -> dict[str, Any]:
    return of("Condition", **members)


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def value_set(**include: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "status": "draft", "compose": {"include": [include]}}


def expansion(**contains: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "status": "draft", "expansion": {"timestamp": "2026", "contains": [contains]}}


def target(**members: Any) -> dict[str, Any]:
    element = {"code": "a", "target": [{"code": "b", **members}]}
    return {"resourceType": "ConceptMap", "status": "draft", "group": [{"element": [element]}]}


def unmapped(**members: Any) -> dict[str, Any]:
    return {"resourceType": "ConceptMap", "status": "draft", "group": [{"element": [{"code": "a"}], "unmapped": members}]}


def parameter(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": "x", **members}]}


def participant(**members: Any) -> dict[str, Any]:
    return of("Appointment", participant=[{"status": "accepted", **members}])


_REF = {"reference": "Patient/p1"}
_ENTRY = {"resource": {"resourceType": "Basic", "code": {"text": "x"}}, "fullUrl": "http://example.org/Basic/1"}
_REQUEST = {"request": {"method": "GET", "url": "Patient"}}
_EXT = "Basic.extension.value"

# key, path of the element in the resource, one that keeps it, one that breaks it
CASES: list[Case] = [
    ("inv-1", "Task", of("Task"), of("Task", lastModified="2026-03-01T00:00:00Z")),
    ("prr-1", "ServiceRequest", of("ServiceRequest", orderDetail=[{"text": "x"}]), {k: v for k, v in of("ServiceRequest",
        orderDetail=[{"text": "x"}]).items() if k != "code"}),
    ("ppc-1", "Consent", of("Consent"), {k: v for k, v in of("Consent").items() if k != "policy"}),
    ("pat-1", "Patient.contact", of("Patient"), of("Patient", contact=[{"gender": "male"}])),
    ("org-1", "Organization", of("Organization"), {"resourceType": "Organization", "active": True}),
    ("org-2", "Organization.address", of("Organization"), of("Organization", address=[{"use": "home"}])),
    ("org-3", "Organization.telecom", of("Organization"), of("Organization", telecom=[{"system": "phone", "value": "0", "use": "home"}])),
    ("app-2", "Appointment", of("Appointment"), {k: v for k, v in of("Appointment", status="proposed").items() if k != "end"}),
    ("app-3", "Appointment", of("Appointment"), {k: v for k, v in of("Appointment").items() if k not in ("start", "end")}),
    ("app-4", "Appointment", of("Appointment", status="cancelled", cancelationReason={"text": "x"}), of("Appointment",
        cancelationReason={"text": "x"})),
    ("app-1", "Appointment.participant", participant(actor=_REF), participant(required="optional")),
    ("sev-1", "AuditEvent.entity", of("AuditEvent"), of("AuditEvent", entity=[{"name": "x", "query": "eA=="}])),
    ("obs-6", "Observation", of("Observation"), of("Observation", dataAbsentReason={"text": "x"})),
    ("obs-7", "Observation", of("Observation"), of("Observation", code=coded(UCUM, "d"), component=[{"code": coded(UCUM, "d")}])),
    ("obs-3", "Observation.referenceRange", of("Observation"), of("Observation", referenceRange=[{"type": {"text": "x"}}])),
    ("con-1", "Condition.stage", condition(stage=[{"summary": {"text": "x"}}]), condition(stage=[{"type": {"text": "x"}}])),
    ("con-2", "Condition.evidence", condition(evidence=[{"code": [{"text": "x"}]}]), condition(evidence=[{"extension": extended("Boolean",
        True)["extension"]}])),
    ("con-4", "Condition", condition(abatementDateTime="2026", clinicalStatus=coded(CLINICAL, "resolved")),
        condition(abatementDateTime="2026")),
    ("con-5", "Condition", condition(verificationStatus=coded(VERIFICATION, "confirmed")), condition(verificationStatus=coded(VERIFICATION,
        "entered-in-error"))),
    ("grp-1", "Group", group(True), group(False)),
    ("lst-1", "List", list_(entry=[{"item": _REF}]), list_(entry=[{"item": _REF}], emptyReason={"text": "x"})),
    ("lst-2", "List", list_(mode="changes", entry=[{"item": _REF, "deleted": True}]), list_(entry=[{"item": _REF, "deleted": True}])),
    ("lst-3", "List", list_(entry=[{"item": _REF, "date": "2026"}]), list_(mode="snapshot", entry=[{"item": _REF, "date": "2026"}])),
    ("inv-1", "Parameters.parameter", parameter(valueString="x"), parameter(valueString="x", resource={"resourceType": "Basic",
        "code": {"text": "x"}})),
    ("que-2", "Questionnaire", item(), {"resourceType": "Questionnaire", "status": "draft", "item": [{"linkId": "1", "type": "string"},
        {"linkId": "1", "type": "string"}]}),
    ("que-1", "Questionnaire.item", item(type="display"), item(type="group")),
    ("que-3", "Questionnaire.item", item(code=[{"code": "a"}]), item(type="display", code=[{"code": "a"}])),
    ("que-4", "Questionnaire.item", item(type="choice", answerValueSet="http://x"), item(type="choice", answerValueSet="http://x",
        answerOption=[{"valueString": "a"}])),
    ("que-5", "Questionnaire.item", item(type="choice", answerValueSet="http://x"), item(type="boolean", answerValueSet="http://x")),
    ("que-6", "Questionnaire.item", item(required=True), item(type="display", required=True)),
    ("que-8", "Questionnaire.item", item(initial=[{"valueString": "a"}]), item(type="display", initial=[{"valueString": "a"}])),
    ("que-9", "Questionnaire.item", item(readOnly=True), item(type="display", readOnly=True)),
    ("que-10", "Questionnaire.item", item(maxLength=3), item(type="date", maxLength=3)),
    ("que-11", "Questionnaire.item", item(answerOption=[{"valueString": "a"}]), item(answerOption=[{"valueString": "a"}],
        initial=[{"valueString": "a"}])),
    ("que-12", "Questionnaire.item", item(enableWhen=[{"question": "2", "operator": "exists", "answerBoolean": True}] * 3,
        enableBehavior="any"),
     item(enableWhen=[{"question": "2", "operator": "exists", "answerBoolean": True}] * 3)),
    ("que-13", "Questionnaire.item", item(repeats=True, initial=[{"valueString": "a"}] * 2), item(initial=[{"valueString": "a"}] * 2)),
    ("qrs-1", "QuestionnaireResponse.item", of("QuestionnaireResponse"),
     of("QuestionnaireResponse", item=[{"linkId": "1", "answer": [{"valueString": "x"}], "item": [{"linkId": "2"}]}])),
    ("bdl-1", "Bundle", bundle("searchset", total=0), bundle("collection", total=0)),
    ("bdl-2", "Bundle", bundle("searchset", _ENTRY | {"search": {"mode": "match"}}), bundle("collection",
        _ENTRY | {"search": {"mode": "match"}})),
    ("bdl-3", "Bundle", bundle("batch", _ENTRY | _REQUEST), bundle("batch", _ENTRY)),
    ("bdl-4", "Bundle", bundle("batch-response", {"response": {"status": "200"}}), bundle("batch-response", _ENTRY)),
    ("bdl-7", "Bundle", bundle("collection", _ENTRY), bundle("collection", _ENTRY, _ENTRY)),
    ("bdl-5", "Bundle.entry", bundle("collection", _ENTRY), bundle("collection", {"fullUrl": "http://example.org/x"})),
    ("bdl-8", "Bundle.entry", bundle("collection", _ENTRY), bundle("collection",
        _ENTRY | {"fullUrl": "http://example.org/Basic/1/_history/1"})),
    ("cpb-1", "CapabilityStatement", capability(), {k: v for k, v in capability().items() if k != "rest"}),
    ("cpb-2", "CapabilityStatement", capability(), {k: v for k, v in capability().items() if k != "description"}),
    ("cpb-14", "CapabilityStatement", capability(), capability(kind="instance")),
    ("cpb-15", "CapabilityStatement", capability(kind="capability", software={"name": "x"}), capability(kind="capability")),
    ("cpb-16", "CapabilityStatement", capability(), capability(software={"name": "x"})),
    ("cpb-9", "CapabilityStatement.rest", capability(rest=[{"mode": "server", "resource": [{"type": "Task"}]}]),
     capability(rest=[{"mode": "server", "resource": [{"type": "Task"}] * 2}])),
    ("cpb-12", "CapabilityStatement.rest.resource", capability(rest=[{"mode": "server", "resource": [{"type": "Task",
        "searchParam": [{"name": "a", "type": "token"}]}]}]),
     capability(rest=[{"mode": "server", "resource": [{"type": "Task", "searchParam": [{"name": "a", "type": "token"}] * 2}]}])),
    ("cmd-1", "ConceptMap.group.element.target", target(equivalence="narrower", comment="x"), target(equivalence="narrower")),
    ("cmd-2", "ConceptMap.group.unmapped", unmapped(mode="fixed", code="a"), unmapped(mode="fixed")),
    ("cmd-3", "ConceptMap.group.unmapped", unmapped(mode="other-map", url="http://x"), unmapped(mode="other-map")),
    ("vsd-1", "ValueSet.compose.include", value_set(system="http://x"), value_set(version="1")),
    ("vsd-2", "ValueSet.compose.include", value_set(system="http://x", concept=[{"code": "a"}]), value_set(valueSet=["http://x"],
        concept=[{"code": "a"}])),
    ("vsd-6", "ValueSet.expansion.contains", expansion(system="http://x", code="a"), expansion(abstract=True)),
    ("vsd-9", "ValueSet.expansion.contains", expansion(system="http://x", code="a"), expansion(display="x")),
    ("vsd-10", "ValueSet.expansion.contains", expansion(system="http://x", code="a"), expansion(code="a")),
    ("per-1", "Task.executionPeriod", of("Task"), of("Task", executionPeriod={"start": "2026-03-05", "end": "2026-03-04"})),
    ("cpt-2", "Patient.telecom", of("Patient"), of("Patient", telecom=[{"value": "0"}])),
    ("att-1", "Consent.sourceAttachment", of("Consent"), of("Consent", sourceAttachment={"data": "eA=="})),
    ("qty-3", "Observation.value", of("Observation"), of("Observation", valueQuantity={"value": 1, "code": "d"})),
    ("rng-2", _EXT, extended("Range", {"low": {"value": 1}, "high": {"value": 2}}), extended("Range", {"low": {"value": 3},
        "high": {"value": 2}})),
    ("rat-1", _EXT, extended("Ratio", {"numerator": {"value": 1}, "denominator": {"value": 2}}), extended("Ratio",
        {"numerator": {"value": 1}})),
    ("age-1", _EXT, extended("Age", {"value": 3, "code": "a", "system": UCUM}), extended("Age", {"value": 0, "code": "a", "system": UCUM})),
    ("cnt-3", _EXT, extended("Count", {"value": 3, "code": "1", "system": UCUM}), extended("Count", {"value": 3.5, "code": "1",
        "system": UCUM})),
    ("dis-1", _EXT, extended("Distance", {"value": 3, "code": "m", "system": UCUM}), extended("Distance", {"value": 3, "code": "m",
        "system": "http://x"})),
    ("drt-1", _EXT, extended("Duration", {"value": 3, "code": "m", "system": UCUM}), extended("Duration", {"code": "m", "system": UCUM})),
    ("exp-1", _EXT, extended("Expression", {"language": "text/fhirpath", "expression": "x"}), extended("Expression",
        {"language": "text/fhirpath"})),
    ("tim-1", _EXT + ".repeat", timing(duration=1, durationUnit="h"), timing(duration=1)),
    ("tim-2", _EXT + ".repeat", timing(period=1, periodUnit="h"), timing(period=1)),
    ("tim-4", _EXT + ".repeat", timing(duration=1, durationUnit="h"), timing(duration=-1, durationUnit="h")),
    ("tim-5", _EXT + ".repeat", timing(period=1, periodUnit="h"), timing(period=-1, periodUnit="h")),
    ("tim-6", _EXT + ".repeat", timing(period=1, periodUnit="h", periodMax=2), timing(periodMax=2)),
    ("tim-7", _EXT + ".repeat", timing(duration=1, durationUnit="h", durationMax=2), timing(durationMax=2)),
    ("tim-8", _EXT + ".repeat", timing(count=1, countMax=2), timing(countMax=2)),
    ("tim-9", _EXT + ".repeat", timing(offset=1, when=["HS"]), timing(offset=1, when=["C"])),
    ("tim-10", _EXT + ".repeat", timing(timeOfDay=["09:00:00"]), timing(timeOfDay=["09:00:00"], when=["HS"])),
    ("trd-1", _EXT, extended("TriggerDefinition", {"type": "periodic", "timingDate": "2026"}),
     extended("TriggerDefinition", {"type": "periodic", "timingDate": "2026", "data": [{"type": "Task"}]})),
    ("trd-2", _EXT, extended("TriggerDefinition", {"type": "named-event", "name": "x"}),
     extended("TriggerDefinition", {"type": "named-event", "name": "x", "condition": {"language": "text/fhirpath", "expression": "x"}})),
    ("trd-3", _EXT, extended("TriggerDefinition", {"type": "named-event", "name": "x"}), extended("TriggerDefinition",
        {"type": "named-event"})),
    ("drq-1", _EXT + ".codeFilter", extended("DataRequirement", {"type": "Task", "codeFilter": [{"path": "a"}]}),
     extended("DataRequirement", {"type": "Task", "codeFilter": [{"path": "a", "searchParam": "b"}]})),
    ("drq-2", _EXT + ".dateFilter", extended("DataRequirement", {"type": "Task", "dateFilter": [{"path": "a"}]}),
     extended("DataRequirement", {"type": "Task", "dateFilter": [{"path": "a", "searchParam": "b"}]})),
]  # fmt: skip
IDS = [f"{key} {path.split('.')[0]}" for key, path, _, _ in CASES]


def keys(resource: dict[str, Any]) -> set[str]:
    return {issue.text.partition(":")[0] for issue in fhir.check(resource) if issue.code == "invariant"}


@pytest.mark.parametrize(("key", "path", "good", "bad"), CASES, ids=IDS)
def test_check_keeps_to_the_invariant(key, path, good, bad):
    assert fhir.check(good) == []
    assert key in keys(bad)
    assert all(issue.expression.startswith(bad["resourceType"]) for issue in fhir.check(bad))


def test_every_rule_of_the_table_has_a_case():
    elsewhere = {"ext-1", "binding", "gol-1", "imm-1", "cpl-3", "bdl-9", "bdl-11", "bdl-12", "cpb-3", "cpb-7", "csd-1", "que-7", "vsd-3"}
    written = {rule.key for rules in INVARIANTS.values() for rule in rules}
    assert written == {key for key, *_ in CASES} | elsewhere


OTHERS = [
    ("ext-1", extended("String", "x") | {"extension": [{"url": "http://example.org/x"}]}),
    ("ext-1", {"resourceType": "Basic", "code": {"text": "x"}, "extension": [{"url": "http://x", "valueBoolean": True,
        "extension": extended("Boolean", True)["extension"]}]}),
    ("gol-1", {"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "x"}, "subject": _REF,
        "target": [{"detailString": "x"}]}),
    ("imm-1", {"resourceType": "Immunization", "status": "completed", "vaccineCode": {"text": "x"}, "patient": _REF,
        "occurrenceString": "x",
               "education": [{"publicationDate": "2026"}]}),
    ("cpl-3", {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": _REF,
               "activity": [{"detail": {"status": "completed"}, "reference": {"reference": "Task/t"}}]}),
    ("bdl-9", bundle("document", {"resource": {"resourceType": "Basic", "code": {"text": "x"}}})),
    ("bdl-11", bundle("document", {"resource": {"resourceType": "Basic", "code": {"text": "x"}}})),
    ("bdl-12", bundle("message")),
    ("cpb-3", capability(messaging=[{"endpoint": [{"protocol": {"code": "http"}, "address": "http://x"}]}])),
    ("cpb-7", capability(document=[{"mode": "producer", "profile": "http://x"}] * 2)),
    ("csd-1", {"resourceType": "CodeSystem", "status": "draft", "content": "complete", "concept": [{"code": "a"}, {"code": "b",
        "concept": [{"code": "a"}]}]}),
    ("que-7", item(enableWhen=[{"question": "2", "operator": "exists", "answerString": "x"}])),
    ("vsd-3", value_set(system="http://x", concept=[{"code": "a"}], filter=[{"property": "p", "op": "=", "value": "v"}])),
]  # fmt: skip


@pytest.mark.parametrize(("key", "bad"), OTHERS, ids=[key for key, _ in OTHERS])
def test_check_refuses_what_breaks_the_rule(key, bad):
    assert key in keys(bad)


def test_check_wants_a_code_of_the_value_set_where_a_concept_is_bound():
    for wrong in ({"text": "actif"}, coded("http://example.org", "active"), coded(CLINICAL, "nonsense")):
        (issue,) = fhir.check(condition(clinicalStatus=wrong))
        assert (issue.code, issue.expression) == ("code-invalid", "Condition.clinicalStatus")


def _expression(shared: Any, key: str, path: str, resource: dict[str, Any]) -> str | None:
    table = json.loads((shared / "data" / "r4" / "invariants.json").read_text())
    value = next((name.removeprefix("value") for e in resource.get("extension", ()) for name in e if name.startswith("value")), "")
    typed = {"Task.executionPeriod": "Period", "Patient.telecom": "ContactPoint", "Consent.sourceAttachment": "Attachment",
        "Observation.value": "Quantity"}
    for owner in (path, typed.get(path, ""), path.replace(_EXT, value)):
        for found, _, expression in table.get(owner, ()):
            if found == key:
                return str(expression)
    return None


# Where FHIRPath as fhirpathpy evaluates it, or the expression itself, says something else than R4 means.
DISSENT = {"app-4": "its expression has a code that does not exist", "cnt-3": "%ucum and toString of 3.0",
    "rng-2": "compares Quantities without units as empty",
           "bdl-8": "is empty, not true, where there is no fullUrl at all, which R4 permits"}  # fmt: skip


@pytest.mark.shared
@pytest.mark.parametrize(("key", "path", "good", "bad"), [c for c in CASES if c[0] not in DISSENT],
    ids=[i for i in IDS if i.split()[0] not in DISSENT])
def test_the_rule_agrees_with_fhirpath_on_its_examples_and_their_mutants(shared, key, path, good, bad):
    expression = _expression(shared, key, path, good)
    assert expression, "the shared table has this invariant"
    expression = expression.replace("hasValue()", "exists()")  # which fhirpathpy lacks; the same for values without extensions
    rule = fhirpathpy.compile(f"{path}.all({expression})", model=models["r4"])
    chance = random.Random(key)
    compared = 0
    for number in range(24):
        mutant = copy.deepcopy(chance.choice((good, bad)))
        if number > 1:
            place, _ = chance.choice([p for p in places(mutant) if p[0] != ("resourceType",)])
            del parent(mutant, place)[place[-1]]
        if any(issue.code != "invariant" for issue in fhir.check(mutant)):
            continue  # FHIRPath is asked about well-formed resources
        verdict = rule(mutant, {"resource": mutant, "ucum": UCUM})
        compared += 1
        assert (verdict != [False]) == (key not in keys(mutant)), mutant
    assert compared
