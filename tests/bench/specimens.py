"""The resources the benches send: the call of the story as our own mapping makes it. All persons are invented."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import orjson

from adapter.ports import Query
from tests.e2e.stage import staged

TYPES = ("Patient", "Consent", "ServiceRequest", "Task")
MARK = "NUMBER-OF-THE-BENCH"


@cache
def _sent() -> dict[str, Any]:
    with staged() as stage:
        stage.sent()
        found = {type: stage.app.read_now(lambda _, uow, type=type: uow.search(Query(type)))[0] for type in TYPES}
    return {type: orjson.loads(version.served) for type, version in found.items()}


def specimen(type: str) -> dict[str, Any]:
    """One resource of the referral, as a clinic's software would send it: without id and version."""
    resource = copy.deepcopy(_sent()[type])
    del resource["id"]
    resource["meta"] = {name: value for name, value in resource["meta"].items() if name not in ("versionId", "lastUpdated")}
    return resource


def request_of(patient: str) -> dict[str, Any]:
    """The ServiceRequest about a patient ("Patient/x"), its identifier to be filled in for MARK."""
    resource = {name: value for name, value in specimen("ServiceRequest").items() if name != "supportingInfo"} | {"subject": {"reference": patient}}
    resource["identifier"] = [resource["identifier"][0] | {"value": MARK}]
    return resource


def task_of(patient: str, request: str) -> dict[str, Any]:
    """The Task on it, still a draft: one that needs no agreement yet."""
    resource = specimen("Task") | {"for": {"reference": patient}, "focus": {"reference": request}, "status": "draft"}
    resource["identifier"] = [resource["identifier"][0] | {"value": MARK}]
    return resource
