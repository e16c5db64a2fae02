"""Invariants of the resource types about people and their care, by their key in R4.

Left out: warnings (dom-6, con-3, the *-0 about names); ctm-1, which needs the referenced resource; ppc-2 to
ppc-5, whose expressions name a system that does not exist and so never fire. dom-2 to dom-5 and ref-1 look
beyond one object: `containment`.
"""

from __future__ import annotations

from typing import Any

from adapter.fhir import facts
from adapter.fhir.dates import after
from adapter.fhir.rule import Object, Rule, has, has_choice, has_coding, needs, not_both, one_at_least

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


def _both_or_neither(appointment: Object) -> bool:
    return has(appointment, "start") == has(appointment, "end")


def _timed(appointment: Object) -> bool:
    return (has(appointment, "start") and has(appointment, "end")) or appointment.get("status") in {"proposed", "cancelled", "waitlist"}


def _cancelled(appointment: Object) -> bool:
    # app-4 says "no-show", which is not a code of the value set; "noshow" is meant.
    return "cancelationReason" not in appointment or appointment.get("status") in {"cancelled", "noshow"}


def _required_concept(name: str, system: str, value_set: str) -> Rule:
    def holds(value: Object) -> bool:
        return name not in value or has_coding(value, name, system, set(facts.codes(value_set)))

    return Rule("binding", holds, f"expected a code of the value set {value_set}", name, "code-invalid")


def _abated(condition: Object) -> bool:
    return not has_choice(condition, "abatement") or has_coding(
        condition, "clinicalStatus", CLINICAL, {"resolved", "remission", "inactive"}
    )


def _erroneous(condition: Object) -> bool:
    return not has_coding(condition, "verificationStatus", VERIFICATION, {"entered-in-error"}) or "clinicalStatus" not in condition


def _component_codes(observation: Object) -> bool:
    own = observation.get("code", {}).get("coding", ())
    others = (c for component in observation.get("component", ()) for c in component.get("code", {}).get("coding", ()))
    return not has_choice(observation, "value") or not any(coding in own for coding in others)


def _modified_after_authored(task: Object) -> bool:
    authored, modified = task.get("authoredOn"), task.get("lastModified")
    return authored is None or modified is None or not after(authored, modified)


def _no_home(name: str) -> Any:
    return lambda organisation: not any(part.get("use") == "home" for part in organisation.get(name, ()))


RULES: dict[str, tuple[Rule, ...]] = {
    "Task": (Rule("inv-1", _modified_after_authored, "lastModified is not earlier than authoredOn", "lastModified"),),
    "ServiceRequest": (needs("prr-1", "orderDetail", "code"),),
    "Consent": (one_at_least("ppc-1", "policy", "policyRule"),),
    "PatientContact": (one_at_least("pat-1", "name", "telecom", "address", "organization"),),
    "Organization": (
        one_at_least("org-1", "identifier", "name"),
        Rule("org-2", _no_home("address"), "an organisation has no home address", "address"),
        Rule("org-3", _no_home("telecom"), "an organisation has no home number", "telecom"),
    ),
    "Appointment": (
        Rule("app-2", _both_or_neither, "start and end come together"),
        Rule("app-3", _timed, "only a proposed, cancelled or waiting appointment has no start and end"),
        Rule("app-4", _cancelled, "cancelationReason needs status cancelled or noshow", "cancelationReason"),
    ),
    "AppointmentParticipant": (one_at_least("app-1", "type", "actor"),),
    "AuditEventEntity": (not_both("sev-1", "name", "query"),),
    "Observation": (
        Rule(
            "obs-6", lambda v: not ("dataAbsentReason" in v and has_choice(v, "value")), "dataAbsentReason and a value exclude each other"
        ),
        Rule("obs-7", _component_codes, "with a value, no component repeats the observation's code"),
    ),
    "ObservationReferenceRange": (one_at_least("obs-3", "low", "high", "text"),),
    "Condition": (
        _required_concept("clinicalStatus", CLINICAL, "condition-clinical"),
        _required_concept("verificationStatus", VERIFICATION, "condition-ver-status"),
        Rule("con-4", _abated, "an abated condition is resolved, in remission or inactive", "clinicalStatus"),
        Rule("con-5", _erroneous, "entered in error has no clinicalStatus", "clinicalStatus"),
    ),
    "ConditionStage": (one_at_least("con-1", "summary", "assessment"),),
    "ConditionEvidence": (one_at_least("con-2", "code", "detail"),),
    "GoalTarget": (Rule("gol-1", lambda v: not has_choice(v, "detail") or "measure" in v, "detail needs measure", "measure"),),
    "Group": (Rule("grp-1", lambda v: "member" not in v or v.get("actual") is True, "only an actual group has members", "member"),),
    "ImmunizationEducation": (one_at_least("imm-1", "documentType", "reference"),),
    "CarePlanActivity": (not_both("cpl-3", "detail", "reference"),),
    "List": (
        not_both("lst-1", "emptyReason", "entry"),
        Rule(
            "lst-2",
            lambda v: v.get("mode") == "changes" or not any(has(e, "deleted") for e in v.get("entry", ())),
            "only a changes list deletes",
        ),
        Rule(
            "lst-3",
            lambda v: v.get("mode") == "working" or not any(has(e, "date") for e in v.get("entry", ())),
            "only a working list dates",
        ),
    ),
}
