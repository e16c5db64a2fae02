"""When two copies of a resource say the same: key order, order of sets, form of dates and what the server
keeps make no difference (sync.md Y-41)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from adapter.ports import Resource
from adapter.sync.ownership import Ownership

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")

_SHORTEST = len("2026-03-02T18:00:00Z")


def encode(resource: Resource) -> bytes:
    """The resource as JSON with sorted keys, every value as it stands: what links and conflicts keep."""
    return _text(resource).encode()


def decode(content: bytes) -> Resource:
    """The resource of `encode`; {} of no bytes."""
    resource: Resource = json.loads(content) if content else {}
    return resource


def canonical(resource: Resource, ownership: Ownership) -> bytes:
    """The comparison form: equal for two copies that say the same. Not for sending: dates lose their zone."""
    return _text(normal(_without(resource, ownership), ownership)).encode()


def content_hash(resource: Resource, ownership: Ownership) -> str:
    """SHA-256 (hex) of the comparison form."""
    return hashlib.sha256(canonical(resource, ownership)).hexdigest()


def without_server_parts(resource: Resource, ownership: Ownership) -> Resource:
    """A copy without what the server keeps (id, version, narrative): the body of a create."""
    return _without(resource, ownership)


def normal(value: Any, ownership: Ownership, *, name: str = "", ordered: bool = False) -> Any:
    """The comparison form of one element. `ordered`: its order counts whatever the declared keys say."""
    if isinstance(value, str):
        if name == "reference":
            return value.partition("/_history/")[0]
        return _instant(value) if len(value) >= _SHORTEST and value[4] == "-" else value
    if isinstance(value, dict):
        return {key: normal(part, ownership, name=key, ordered=f"_{key}" in value) for key, part in value.items()}
    if isinstance(value, list):
        entries = [normal(part, ownership, name=name) for part in value]
        return sorted(entries, key=_text) if name in ownership.keys and not ordered and not name.startswith("_") else entries
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def same(left: Any, right: Any, ownership: Ownership, name: str = "") -> bool:
    """Whether two values of the element `name` say the same."""
    return bool(left == right) or _text(normal(left, ownership, name=name)) == _text(normal(right, ownership, name=name))


def entry_key(entry: Any, paths: tuple[str, ...], ownership: Ownership) -> str:
    """What identifies one entry of a keyed array; its whole value when none of the paths is there."""
    if paths and isinstance(entry, dict):
        found = [sorted(_text(normal(value, ownership)) for value in _reach(entry, path.split("."))) for path in paths]
        if any(found):
            return _text(found)
    return _text(normal(entry, ownership))


def moment(text: str) -> datetime | None:
    """The moment of a FHIR instant, UTC; None of anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def _reach(value: Any, path: list[str]) -> list[Any]:
    if isinstance(value, list):
        return [found for part in value for found in _reach(part, path)]
    if not path:
        return [value]
    return _reach(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []


def _without(resource: Resource, ownership: Ownership) -> Resource:
    kept = {name: value for name, value in resource.items() if name not in ownership.server}
    meta = {name: value for name, value in resource.get("meta", {}).items() if f"meta.{name}" not in ownership.server}
    kept.pop("meta", None)
    return {**kept, "meta": meta} if meta else kept


def _instant(text: str) -> str:
    """An instant in UTC without idle zeros (.120 = .120000, +01:00 = Z); any other text as it is."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        return text
    seconds, fraction, zone = match.groups()
    if zone == "Z" and not fraction:
        return text
    try:
        at = datetime.fromisoformat(seconds + zone.replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    rest = (fraction or "").rstrip("0")
    return at.isoformat()[:19] + (f".{rest}" if rest else "") + "Z"


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))  # made once: to make one takes as long as to write a small resource
_text: Callable[[Any], str] = _ENCODER.encode
