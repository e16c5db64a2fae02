"""Small resources for the tests of this room. All persons are invented."""

from __future__ import annotations

from typing import Any

Resource = dict[str, Any]
SID = "https://liaison.example/sid"


def patient(**more: Any) -> Resource:
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "https://clinic.example/ipp", "value": "42"}],
        "name": [{"use": "official", "family": "Lefèvre-Noël", "given": ["Jeanne", "Marie"]}],
        "birthDate": "1938-02-03",
        "gender": "female",
        **more,
    }


def task(value: str = "T1", **more: Any) -> Resource:
    return {
        "resourceType": "Task",
        "identifier": [{"system": f"{SID}/task", "value": value}],
        "status": "requested",
        "intent": "order",
        **more,
    }


def request(value: str = "R1", *, subject: str, **more: Any) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "identifier": [{"system": f"{SID}/request", "value": value}],
        "status": "active",
        "intent": "order",
        "subject": {"reference": subject},
        **more,
    }
