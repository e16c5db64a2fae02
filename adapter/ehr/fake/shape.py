"""What the fake refuses to store: bodies that no FHIR server would take."""

from __future__ import annotations

import re
from typing import Any

from adapter.ehr.fake.wire import Refusal, Resource

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?")

REQUIRED = {
    "Task": ("status", "intent"),
    "ServiceRequest": ("status", "intent", "subject"),
    "Consent": ("status", "scope", "category"),
    "Procedure": ("status", "subject"),
    "Communication": ("status",),
    "Observation": ("status", "code"),
    "Appointment": ("status", "participant"),
    "Subscription": ("status", "criteria", "channel"),
    "Provenance": ("target", "recorded", "agent"),
}
CODES = {
    ("Task", "status"): "draft requested received accepted rejected ready cancelled in-progress on-hold failed completed entered-in-error",
    ("Task", "intent"): "unknown proposal plan order original-order reflex-order filler-order instance-order option",
    ("ServiceRequest", "status"): "draft active on-hold revoked completed entered-in-error unknown",
    ("ServiceRequest", "intent"): "proposal plan directive order original-order reflex-order filler-order instance-order option",
    ("Consent", "status"): "draft proposed active rejected inactive entered-in-error",
    ("Procedure", "status"): "preparation in-progress not-done on-hold stopped completed entered-in-error unknown",
    ("Communication", "status"): "preparation in-progress not-done on-hold stopped completed entered-in-error unknown",
    ("Subscription", "status"): "requested active error off",
    ("Patient", "gender"): "male female other unknown",
}
DATES = {"birthDate", "authoredOn", "lastModified", "dateTime", "recorded", "sent", "received", "start", "end", "performedDateTime"}
LISTS = {"identifier": {"Patient", "Task", "ServiceRequest", "Consent", "Organization", "Practitioner", "Procedure", "Communication"}}
OBJECTS = {"subject", "patient", "for", "focus", "owner", "requester", "code", "scope", "meta", "businessStatus", "statusReason"}


def check(resource: Any, *, type: str, id: str | None = None) -> Resource:
    """The resource, or a Refusal: 400 for what is no such resource, 422 for what breaks its rules."""
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        raise Refusal(400, "structure", "expected a resource")
    if resource["resourceType"] != type:
        raise Refusal(400, "invalid", f"expected a {type}, but found a {resource['resourceType']}", expression="resourceType")
    if id is not None and resource.get("id") != id:
        raise Refusal(400, "invalid", "expected the id of the URL in the body", expression=f"{type}.id")
    if id is not None and not _ID.fullmatch(id):
        raise Refusal(400, "value", "expected an id of 1 to 64 letters, digits, - and .", expression=f"{type}.id")
    for element in REQUIRED.get(type, ()):
        if element not in resource:
            raise Refusal(422, "required", f"expected {element}", expression=f"{type}.{element}")
    for (kind, element), codes in CODES.items():
        if kind == type and element in resource and resource[element] not in codes.split():
            raise Refusal(400, "code-invalid", f"unknown code '{resource[element]}'", expression=f"{type}.{element}")
    _walk(resource, type, type)
    return resource


def _walk(value: Any, path: str, type: str) -> None:
    if value is None or value in ("", [], {}):
        raise Refusal(400, "structure", "expected a value, but found nothing", expression=path)
    if isinstance(value, list):
        for number, part in enumerate(value):
            _walk(part if part is not None else 0, f"{path}[{number}]", type)
    elif isinstance(value, dict):
        for key, part in value.items():
            _element(key, part, f"{path}.{key}", type)


def _element(key: str, part: Any, path: str, type: str) -> None:
    if (key == "coding" or (type in LISTS.get(key, ()) and path == f"{type}.{key}")) and not isinstance(part, list):
        raise Refusal(400, "structure", "expected a list", expression=path)
    if key in OBJECTS and path == f"{type}.{key}" and not isinstance(part, dict) and (type, key) not in _PLAIN:
        raise Refusal(400, "structure", "expected an object", expression=path)
    if key in DATES and isinstance(part, str) and not _DATE.fullmatch(part):
        raise Refusal(400, "value", "expected a date", expression=path)
    _walk(part, path, type)


_PLAIN = {("Appointment", "subject")}
