"""References, rewritten in one function each way (workflow.md 7). Inside the house they are `Type/our-id`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapter.errors import EhrRejected
from adapter.ports import Resource

Lookup = Callable[[str, str], str | None]
"""(type, our id) -> the EHR's id, or the other way round; None: not linked."""
Logical = Callable[[str, str], dict[str, Any] | None]
"""(type, our id) -> a Reference by identifier (`{type, identifier, display?}`); None: there is none."""

Named = Callable[[str, str, str], str | None]
"""(type or "", identifier system, value) -> our "Type/id" that we refer to so at that EHR; None: not one of ours."""

_LITERAL = re.compile(r"([A-Z][A-Za-z]{1,39})/([A-Za-z0-9\-._]{1,128})(?:/_history/[^/?#]+)?", re.ASCII)

_LOGICAL = {"id", "extension", "type", "identifier", "display"}  # a Reference without `reference`; no resource is as small


@dataclass(frozen=True, slots=True)
class Unknown:
    """A reference of the EHR's to something we do not hold: where it stands and to what type ("" if not told)."""

    path: str
    type: str


def outward(resource: Resource, lookup: Lookup, logical: Logical, *, base_url: str = "") -> Resource:
    """A copy whose references are the EHR's: its id where the target is linked, else by identifier. A reference to the
    EHR's own address becomes relative; contained, `urn:` and foreign ones stay. Raises EhrRejected, naming the path,
    for a target that is neither linked nor known by an identifier: our ids mean nothing there."""

    def rewrite(reference: dict[str, Any], path: str) -> dict[str, Any]:
        text = reference.get("reference", "")
        found = _LITERAL.fullmatch(text)
        if not found:
            within = _LITERAL.fullmatch(text.removeprefix(f"{base_url}/")) if base_url and text.startswith(f"{base_url}/") else None
            return {**reference, "reference": f"{within.group(1)}/{within.group(2)}"} if within else reference
        type, id = found.groups()
        if remote_id := lookup(type, id):
            return {**reference, "reference": f"{type}/{remote_id}"}
        if named := logical(type, id):
            kept = {key: part for key, part in reference.items() if key != "reference"}
            return {**kept, **named}
        raise EhrRejected(f"{path}: expected a {type} that is linked to the EHR or has an identifier")

    rewritten: Resource = _rewritten(resource, str(resource.get("resourceType", "")), rewrite)
    return rewritten


def inward(
    resource: Resource, lookup_remote: Lookup, *, base_url: str, named: Named = lambda type, system, value: None, home: str = ""
) -> tuple[Resource, tuple[Unknown, ...]]:
    """A copy whose references are ours, and those that could not be: they become absolute, so that an id of the EHR's
    is never taken for one of ours. One by an identifier that is ours (`named`) is what it was before it went out, an address of
    our own (`home`: that of our /fhir) leads here."""
    base = base_url.rstrip("/")
    unknown: list[Unknown] = []

    def rewrite(reference: dict[str, Any], path: str) -> dict[str, Any]:
        text = reference.get("reference", "")
        if not text:
            by = reference.get("identifier")
            ours = named(str(reference.get("type", "")), str(by.get("system")), str(by.get("value"))) if isinstance(by, dict) else None
            return {"reference": ours} if ours else reference
        if home and text.startswith(f"{home}/") and (own := _LITERAL.fullmatch(text.removeprefix(f"{home}/"))):
            return {**reference, "reference": f"{own.group(1)}/{own.group(2)}"}
        found = _LITERAL.fullmatch(text.removeprefix(f"{base}/"))
        if not found:
            if not text.startswith("#"):
                unknown.append(Unknown(path, ""))
            return reference
        type, remote_id = found.groups()
        if id := lookup_remote(type, remote_id):
            return {**reference, "reference": f"{type}/{id}"}
        unknown.append(Unknown(path, type))
        return {**reference, "reference": f"{base}/{type}/{remote_id}"}

    rewritten = _rewritten(resource, str(resource.get("resourceType", "")), rewrite)
    return rewritten, tuple(unknown)


def _rewritten(value: Any, path: str, rewrite: Callable[[dict[str, Any], str], dict[str, Any]]) -> Any:
    if isinstance(value, list):
        return [_rewritten(part, f"{path}[{number}]", rewrite) for number, part in enumerate(value)]
    if not isinstance(value, dict):
        return value
    copied = {key: _rewritten(part, f"{path}.{key}", rewrite) for key, part in value.items()}
    if isinstance(copied.get("reference"), str):
        return rewrite(copied, path)
    return rewrite(copied, path) if "identifier" in copied and copied.keys() <= _LOGICAL else copied
