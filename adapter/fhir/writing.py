"""A resource as bytes, decimals as they came."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from adapter.clock import instant
from adapter.ports import Resource


def dumps(resource: Resource) -> bytes:
    """Compact JSON in UTF-8, members in the order of the dict."""
    return orjson.dumps(resource)


def exact(body: bytes) -> Resource:
    """The tree of `body` for editing and writing back: numbers are kept as the text they came in (7.10 stays 7.10)
    and are opaque. `body` was parsed before (`parse`); `dumps` writes the tree."""
    plain: Resource = orjson.loads(body)
    if orjson.dumps(plain) == body:  # no number in it is written otherwise, and orjson takes a third of the time
        return plain
    tree: Resource = json.loads(body, parse_float=orjson.Fragment, parse_int=orjson.Fragment)
    return tree


def stamp(
    resource: bytes | Resource, *, id: str, version: int, updated: datetime, edit: Callable[[Resource], Any] | None = None
) -> bytes:
    """The served bytes of a version: `id`, meta.versionId and meta.lastUpdated set, everything else as sent.

    From bytes, decimals keep their text; from a dict they are what the dict holds (which is not changed).
    `edit` may change the tree before it is written: references, Task.lastModified. Numbers in it are opaque.
    """
    tree = exact(resource) if isinstance(resource, bytes) else orjson.loads(orjson.dumps(resource)) if edit else dict(resource)
    meta = {**tree.pop("meta", {}), "versionId": str(version), "lastUpdated": instant(updated)}
    tree.pop("id", None)
    stamped = {"resourceType": tree.pop("resourceType"), "id": id, "meta": meta, **tree}
    if edit:
        edit(stamped)
    return orjson.dumps(stamped)
