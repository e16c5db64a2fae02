"""Search parameters of the fake: what R4 defines for the types it serves, and no more."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from adapter.ehr.fake.wire import Refusal, Resource, walk

_COMMON = {"_id": ("id", "id"), "_lastUpdated": ("date", "meta.lastUpdated"), "_tag": ("token", "meta.tag"),
           "_profile": ("token", "meta.profile"), "identifier": ("token", "identifier")}  # fmt: skip
_PERSON = {
    "family": ("string", "name.family"),
    "given": ("string", "name.given"),
    "name": ("string", "name"),
    "active": ("token", "active"),
}
_OF_PATIENT = {"patient": ("reference", "subject"), "subject": ("reference", "subject"), "status": ("token", "status")}

# type -> parameter -> (kind, dotted path)
PARAMETERS: dict[str, dict[str, tuple[str, str]]] = {
    "Patient": {**_PERSON, "birthdate": ("date", "birthDate"), "gender": ("token", "gender"), "link": ("reference", "link.other"),
                "general-practitioner": ("reference", "generalPractitioner"), "organization": ("reference", "managingOrganization")},
    "Task": {"status": ("token", "status"), "intent": ("token", "intent"), "code": ("token", "code"), "priority": ("token", "priority"),
             "business-status": ("token", "businessStatus"), "owner": ("reference", "owner"), "requester": ("reference", "requester"),
             "patient": ("reference", "for"), "subject": ("reference", "for"), "focus": ("reference", "focus"),
             "based-on": ("reference", "basedOn"), "part-of": ("reference", "partOf"), "group-identifier": ("token", "groupIdentifier"),
             "authored-on": ("date", "authoredOn"), "modified": ("date", "lastModified")},
    "ServiceRequest": {**_OF_PATIENT, "intent": ("token", "intent"), "code": ("token", "code"), "category": ("token", "category"),
                       "priority": ("token", "priority"), "requester": ("reference", "requester"), "performer": ("reference", "performer"),
                       "based-on": ("reference", "basedOn"), "replaces": ("reference", "replaces"),
                       "requisition": ("token", "requisition"), "authored": ("date", "authoredOn")},
    "Consent": {"patient": ("reference", "patient"), "status": ("token", "status"), "scope": ("token", "scope"),
                "category": ("token", "category"), "date": ("date", "dateTime"), "actor": ("reference", "provision.actor.reference"),
                "organization": ("reference", "organization"), "period": ("date", "provision.period")},
    "Procedure": {**_OF_PATIENT, "code": ("token", "code"), "based-on": ("reference", "basedOn"), "date": ("date", "performedDateTime")},
    "Communication": {**_OF_PATIENT, "based-on": ("reference", "basedOn"), "part-of": ("reference", "partOf"),
                      "sender": ("reference", "sender"), "recipient": ("reference", "recipient"), "sent": ("date", "sent")},
    "Observation": {**_OF_PATIENT, "code": ("token", "code"), "category": ("token", "category"), "based-on": ("reference", "basedOn"),
                    "date": ("date", "effectiveDateTime")},
    "Condition": {"patient": ("reference", "subject"), "subject": ("reference", "subject"), "code": ("token", "code")},
    "Appointment": {"status": ("token", "status"), "patient": ("reference", "participant.actor"),
                    "actor": ("reference", "participant.actor"), "based-on": ("reference", "basedOn"), "date": ("date", "start")},
    "Organization": {"name": ("string", "name"), "active": ("token", "active"), "type": ("token", "type")},
    "HealthcareService": {"name": ("string", "name"), "active": ("token", "active"), "organization": ("reference", "providedBy")},
    "Practitioner": _PERSON,
    "PractitionerRole": {"practitioner": ("reference", "practitioner"), "organization": ("reference", "organization"),
                         "active": ("token", "active")},
    "RelatedPerson": {**_PERSON, "patient": ("reference", "patient")},
    "Location": {"name": ("string", "name"), "status": ("token", "status")},
    "Provenance": {"target": ("reference", "target"), "agent": ("reference", "agent.who"), "recorded": ("date", "recorded")},
    "CareTeam": _OF_PATIENT,
    "DocumentReference": _OF_PATIENT,
    "QuestionnaireResponse": _OF_PATIENT,
    "Subscription": {"status": ("token", "status"), "type": ("token", "channel.type"), "url": ("token", "channel.endpoint")},
    "Basic": {"patient": ("reference", "subject")},
}  # fmt: skip
RESULT = frozenset({"_count", "_sort", "_format", "_total", "_pretty", "_include"})
Test = Callable[[Resource], bool]


def parameters(type: str) -> dict[str, tuple[str, str]]:
    return {**_COMMON, **PARAMETERS[type]}


def condition(type: str, name: str, text: str, *, base: str) -> Test:
    """A test for one `name=text`. Raises Refusal 400 for a parameter or value that is not known."""
    name, _, modifier = name.partition(":")
    if name not in parameters(type):
        raise Refusal(400, "not-supported", f"unknown search parameter '{name}' for {type}")
    kind, path = parameters(type)[name]
    if modifier == "missing":
        return lambda resource: (next(walk(resource, path), None) is None) == (text == "true")
    if modifier not in _MODIFIERS[kind]:
        raise Refusal(400, "not-supported", f"unknown modifier ':{modifier}' of '{name}'")
    wanted = [_TESTS[kind](value, modifier, base, name) for value in _alternatives(text)]
    if modifier == "not":
        return lambda resource: not any(test(value) for value in walk(resource, path) for test in wanted)
    return lambda resource: any(test(value) for value in walk(resource, path) for test in wanted)


def _alternatives(text: str) -> list[str]:
    return [re.sub(r"\\([,|$\\])", r"\1", part) for part in re.split(r"(?<!\\),", text)]


def _token(text: str, modifier: str, base: str, name: str) -> Callable[[Any], bool]:
    system, bar, code = text.rpartition("|")

    def test(value: Any) -> bool:
        return any((code in ("", found_code)) and (not bar or system == found_system) for found_system, found_code in _tokens(value))

    return test


def _tokens(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool):
        yield "", str(value).lower()
    elif isinstance(value, str):
        yield "", value
    elif isinstance(value, dict):
        for coding in value.get("coding", [value]):
            yield coding.get("system", ""), coding.get("code", coding.get("value", ""))


def _reference(text: str, modifier: str, base: str, name: str) -> Callable[[Any], bool]:
    if modifier == "identifier":
        inner = _token(text, "", base, name)
        return lambda value: inner(value.get("identifier", {}))
    wanted = text.removeprefix(f"{base}/")
    if "/" not in wanted:
        wanted = f"Patient/{wanted}" if name == "patient" else f"/{wanted}"

    def test(value: Any) -> bool:
        found = str(value.get("reference", "")).removeprefix(f"{base}/").partition("/_history/")[0]
        return f"/{found}".endswith(wanted if wanted.startswith("/") else f"/{wanted}") and "://" not in found

    return test


def _plain(text: str) -> str:
    return "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark)).casefold()


def _string(text: str, modifier: str, base: str, name: str) -> Callable[[Any], bool]:
    def test(value: Any) -> bool:
        if isinstance(value, dict):
            return any(test(part) for part in [value.get("family"), value.get("text"), *value.get("given", [])] if part)
        if modifier == "exact":
            return bool(value == text)
        return _plain(text) in _plain(value) if modifier == "contains" else _plain(value).startswith(_plain(text))

    return test


def span(text: str) -> tuple[datetime, datetime]:
    """First instant of a FHIR date and first instant after it. Raises ValueError."""
    if len(text) == 4:
        return datetime(int(text), 1, 1, tzinfo=UTC), datetime(int(text) + 1, 1, 1, tzinfo=UTC)
    if len(text) == 7:
        year, month = int(text[:4]), int(text[5:])
        return datetime(year, month, 1, tzinfo=UTC), datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    start = datetime.fromisoformat(text.replace(" ", "+"))
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    unit = timedelta(days=1) if len(text) == 10 else timedelta(milliseconds=1) if "." in text else timedelta(seconds=1)
    return start, start + unit


def _date(text: str, modifier: str, base: str, name: str) -> Callable[[Any], bool]:
    prefix, rest = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
    try:
        low, high = span(rest)
        compare = _COMPARE[prefix]
    except (ValueError, KeyError):
        raise Refusal(400, "value", f"expected a date for '{name}'") from None

    def test(value: Any) -> bool:
        if isinstance(value, dict):
            start = span(value["start"])[0] if "start" in value else datetime.min.replace(tzinfo=UTC)
            end = span(value["end"])[1] if "end" in value else datetime.max.replace(tzinfo=UTC)
            return compare(start, end, low, high)
        return compare(*span(value), low, high)

    return test


_COMPARE: dict[str, Callable[[datetime, datetime, datetime, datetime], bool]] = {
    "eq": lambda start, end, low, high: low <= start and end <= high,
    "ne": lambda start, end, low, high: not (low <= start and end <= high),
    "gt": lambda start, end, low, high: end > high,
    "lt": lambda start, end, low, high: start < low,
    "ge": lambda start, end, low, high: end > high or (low <= start and end <= high),
    "le": lambda start, end, low, high: start < low or (low <= start and end <= high),
    "sa": lambda start, end, low, high: start >= high,
    "eb": lambda start, end, low, high: end <= low,
}
_TESTS: dict[str, Callable[[str, str, str, str], Callable[[Any], bool]]] = {
    "token": _token,
    "reference": _reference,
    "string": _string,
    "date": _date,
    "id": lambda text, modifier, base, name: lambda value: value == text,
}
_MODIFIERS = {"token": {"", "not"}, "reference": {"", "identifier"}, "string": {"", "exact", "contains"}, "date": {""}, "id": {""}}
