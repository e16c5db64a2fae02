"""dom-2 to dom-5 and ref-1: contained resources and the fragment references to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.errors import Issue
from adapter.fhir.paths import Place, expression


def suspected(compact: bytes) -> bool:
    """May a resource contain others or cite them, given its compact JSON? False is certain."""
    return b'"#' in compact or b'"contained":' in compact


def contained_faults(root: str, resource: dict[str, Any], place: Place) -> Iterator[Issue]:
    """Issues of one resource that is itself not contained, and of what it contains."""
    contained = [c for c in _list(resource, "contained") if isinstance(c, dict)]
    ids = [c.get("id") for c in contained]
    cited: list[str] = []
    for fragment, at in _fragments(resource, place):
        cited.append(fragment[1:])
        if fragment != "#" and fragment[1:] not in ids and at[-1] == "reference":
            yield Issue("invariant", "ref-1: expected #id of a contained resource", expression(root, at))
    for index, inner in enumerate(contained):
        yield from _faults(root, inner, (*place, "contained", index), cited)


def _faults(root: str, inner: dict[str, Any], place: Place, cited: list[str]) -> Iterator[Issue]:
    at = expression(root, place)
    meta = inner.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    if "contained" in inner:
        yield Issue("invariant", "dom-2: a contained resource contains no other", f"{at}.contained")
    to_container = any(fragment == "#" for fragment, _ in _fragments(inner, place))
    if inner.get("id") not in cited and not to_container:
        yield Issue("invariant", "dom-3: expected a reference to the contained resource by its id", at)
    if {"versionId", "lastUpdated"} & meta.keys():
        yield Issue("invariant", "dom-4: a contained resource has neither versionId nor lastUpdated", f"{at}.meta")
    if "security" in meta:
        yield Issue("invariant", "dom-5: a contained resource has no security labels", f"{at}.meta.security")


def _list(resource: dict[str, Any], name: str) -> list[Any]:
    value = resource.get(name)
    return value if isinstance(value, list) else []


def _fragments(value: Any, place: Place) -> Iterator[tuple[str, Place]]:
    """Every text that begins with #, below `value`; resources of entries and parameters look after their own."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "resource" and isinstance(member, dict) and "resourceType" in member:
                continue
            if name not in {"display", "div"}:
                yield from _fragments(member, (*place, name))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _fragments(member, (*place, index))
    elif isinstance(value, str) and value.startswith("#"):
        yield value, place
