"""Bundles we answer with."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from adapter.clock import instant
from adapter.errors import Issue
from adapter.fhir.outcome import outcome
from adapter.ports import Resource, Version


def searchset(
    entries: Iterable[Version | Resource], *, along: Iterable[Version] = (), ignored: Iterable[str] = (), base: str, self_url: str,
    next_url: str | None = None, total: int | None = None,
) -> Resource:  # fmt: skip
    """A searchset Bundle, to be written by `dumps`. A Version goes in as its served bytes, decimals untouched;
    a Resource as it stands. An OperationOutcome among them is marked as one. `along`: what was to be included; `ignored`: what
    lenient handling left out, in words. `base` is the server's FHIR address."""
    links = [{"relation": "self", "url": self_url}]
    if next_url:
        links.append({"relation": "next", "url": next_url})
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        bundle["total"] = total
    bundle["link"] = links
    root = base.rstrip("/")
    lines = [_entry(entry, root) for entry in entries] + [_entry(each, root) | {"search": {"mode": "include"}} for each in along]
    if issues := [Issue("not-supported", text, severity="warning") for text in ignored]:
        lines.append(_entry(outcome(issues), root))
    if lines:
        bundle["entry"] = lines
    return bundle


def history_bundle(versions: Iterable[Version], *, base: str, self_url: str, next_url: str | None = None) -> Resource:
    """A history Bundle of these versions, in their order (R4 http, 3.1.0.16): a deletion has a request and no resource."""
    links = [{"relation": "self", "url": self_url}] + ([{"relation": "next", "url": next_url}] if next_url else [])
    bundle: Resource = {"resourceType": "Bundle", "type": "history", "link": links}
    if lines := [_line(version, base.rstrip("/")) for version in versions]:
        bundle["entry"] = lines
    return bundle


def dated(version: Version) -> bool:
    """Whether its reader may know when it changed: the time of a projection is nobody's business."""
    return version.deleted or b'"lastUpdated":' in version.served


def _line(version: Version, base: str) -> Resource:
    method, url = ("DELETE", version.reference) if version.deleted else ("POST", version.type) if version.number == 1 else ("PUT", version.reference)
    status = "204" if version.deleted else "201" if version.number == 1 else "200"
    line: Resource = {"fullUrl": f"{base}/{version.reference}"}
    if not version.deleted:
        line["resource"] = orjson.Fragment(version.served)
    line["request"] = {"method": method, "url": url}
    line["response"] = {"status": status, "etag": f'W/"{version.number}"'}
    if dated(version):
        line["response"]["lastModified"] = instant(version.updated)
    return line


def _entry(entry: Version | Resource, base: str) -> Resource:
    if isinstance(entry, Version):
        return {"fullUrl": f"{base}/{entry.reference}", "resource": orjson.Fragment(entry.served), "search": {"mode": "match"}}
    if entry["resourceType"] == "OperationOutcome":
        return {"resource": entry, "search": {"mode": "outcome"}}
    return {"fullUrl": f"{base}/{entry['resourceType']}/{entry['id']}", "resource": entry, "search": {"mode": "match"}}
