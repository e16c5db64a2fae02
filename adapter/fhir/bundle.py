"""Bundles we answer with."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from adapter.ports import Resource, Version


def searchset(
    entries: Iterable[Version | Resource], *, base: str, self_url: str, next_url: str | None = None, total: int | None = None
) -> Resource:
    """A searchset Bundle, to be written by `dumps`. A Version goes in as its served bytes, decimals untouched;
    a Resource as it stands. An OperationOutcome among them is marked as one. `base` is the server's FHIR address."""
    links = [{"relation": "self", "url": self_url}]
    if next_url:
        links.append({"relation": "next", "url": next_url})
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        bundle["total"] = total
    bundle["link"] = links
    if lines := [_entry(entry, base.rstrip("/")) for entry in entries]:
        bundle["entry"] = lines
    return bundle


def _entry(entry: Version | Resource, base: str) -> Resource:
    if isinstance(entry, Version):
        return {"fullUrl": f"{base}/{entry.reference}", "resource": orjson.Fragment(entry.served), "search": {"mode": "match"}}
    if entry["resourceType"] == "OperationOutcome":
        return {"resource": entry, "search": {"mode": "outcome"}}
    return {"fullUrl": f"{base}/{entry['resourceType']}/{entry['id']}", "resource": entry, "search": {"mode": "match"}}
