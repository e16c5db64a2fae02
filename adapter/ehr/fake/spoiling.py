"""How faults change a request before it is understood, a resource before it is kept, an answer before it is sent."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from adapter.clock import instant
from adapter.ehr.fake.faults import Fault, Kind
from adapter.ehr.fake.wire import Asked, Reply, Resource, references

_BLIND = {"ignore-if-match": ("if-match", "ifMatch"), "ignore-if-none-exist": ("if-none-exist", "ifNoneExist")}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_ADDRESS = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")


def blinded(asked: Asked, kind: Kind) -> Asked:
    """The request as a server sees it that does not know a header or parameter."""
    if kind == "endless-next":
        return replace(asked, query=tuple((name, text) for name, text in asked.query if name != "again"))
    if kind == "ignore-last-updated":
        return replace(asked, query=tuple((name, text) for name, text in asked.query if name.partition(":")[0] != "_lastUpdated"))
    if kind == "ignore-include":
        return replace(asked, query=tuple((name, text) for name, text in asked.query if name != "_include"))
    if kind not in _BLIND:
        return asked
    header, key = _BLIND[kind]
    headers = {name: text for name, text in asked.headers.items() if name != header}
    body = asked.body
    if asked.method == "POST" and not asked.path:
        bundle = json.loads(body)
        for entry in bundle.get("entry", []):
            entry.get("request", {}).pop(key, None)
        body = json.dumps(bundle).encode()
    return replace(asked, headers=headers, body=body)


def rewritten(resource: Resource, habits: Mapping[Kind, Fault], *, base: str) -> Resource:
    """The resource as a server keeps it that does not keep it to the letter."""
    found = copy.deepcopy(resource)
    if "rewrite-references" in habits:
        for _, reference in references(found, ""):
            if _ADDRESS.fullmatch(reference["reference"]):
                reference["reference"] = f"{base}/{reference['reference']}"
    known = habits.keys() & {"drop-extensions", "reorder-arrays", "normalise-dates"}
    return _kept(found, known) if known else found


def _kept(value: Any, habits: set[Kind]) -> Any:
    if isinstance(value, dict):
        dropped = {"extension", "modifierExtension"} if "drop-extensions" in habits else set()
        parts = {key: _kept(part, habits) for key, part in value.items() if key not in dropped}
        return {key: part for key, part in parts.items() if part not in ({}, [])}
    if isinstance(value, list):
        parts_ = [_kept(part, habits) for part in value]
        return parts_[::-1] if "reorder-arrays" in habits else parts_
    if isinstance(value, str) and "normalise-dates" in habits and _INSTANT.fullmatch(value):
        return datetime.fromisoformat(value).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return value


def stamped(now: datetime, habits: Mapping[Kind, Fault]) -> str:
    """The lastUpdated of what is written now."""
    if late := habits.get("backdate"):
        now -= timedelta(seconds=60 if late.seconds is None else late.seconds)
    return instant(now.replace(microsecond=0)).replace(".000Z", "Z") if "whole-seconds" in habits else instant(now)


def spoiled(reply: Reply, fault: Fault, *, method: str) -> Reply:
    """The answer as a server gives it that does not keep to the letter."""
    kind = fault.kind
    body = copy.deepcopy(reply.body)
    headers = dict(reply.headers)
    if kind == "minimal":
        answered = method != "GET" and reply.status in (200, 201) and isinstance(body, dict) and body["resourceType"] != "Bundle"
        return Reply(reply.status, None, headers) if answered else reply
    if not isinstance(body, dict) or body["resourceType"] in ("OperationOutcome", "CapabilityStatement"):
        return reply
    if kind in ("no-version", "etag-only", "meta-only", "strong-etag"):
        _unversioned(body, headers, kind)
    elif kind in ("wrong-type", "other-id"):
        for resource in _resources(body):
            resource |= {"resourceType": "Basic"} if kind == "wrong-type" else {"id": f"{resource['id']}-other"}
    elif kind == "reorder-response" and "entry" in body:
        body["entry"] = body["entry"][::-1]
    elif kind == "partial-response" and "entry" in body:
        body["entry"] = body["entry"][: -1 if fault.amount is None else fault.amount]
    elif kind.endswith("-next") or kind == "empty-page":
        _mislinked(body, fault)
    return Reply(reply.status, body, headers)


def _resources(body: Resource) -> list[Resource]:
    """The resource, or those of the Bundle."""
    return [body] if body["resourceType"] != "Bundle" else [entry["resource"] for entry in body.get("entry", []) if "resource" in entry]


def _unversioned(body: Resource, headers: dict[str, str], kind: Kind) -> None:
    if kind in ("no-version", "etag-only"):
        for resource in _resources(body):
            resource.get("meta", {}).pop("versionId", None)
    if kind in ("no-version", "meta-only"):
        headers.pop("ETag", None)
    elif kind == "strong-etag" and "ETag" in headers:
        headers["ETag"] = headers["ETag"].removeprefix("W/")


def _mislinked(body: Resource, fault: Fault) -> None:
    links = {link["relation"]: link["url"] for link in body.get("link", [])}
    if not links:
        return
    if fault.kind == "empty-page":
        links["next"] = links["self"] if not links.get("next") else links["next"]
        body.pop("entry", None)
    elif fault.kind == "no-next":
        links.pop("next", None)
    else:
        links["next"] = {"repeat-next": links["self"], "foreign-next": fault.location}.get(fault.kind, f"{links['self']}&again={fault.struck}")
    body["link"] = [{"relation": relation, "url": url} for relation, url in links.items()]
