"""JSON Patch (RFC 6902): test, add, replace, remove. The rest of it no EHR letter needs."""

from __future__ import annotations

import copy
from typing import Any

from adapter.ehr.fake.wire import Refusal, Resource


def patched(resource: Resource, operations: Any) -> Resource:
    """A patched copy. Raises Refusal: 400 for a document that is no patch, 422 for one that does not fit."""
    if not isinstance(operations, list):
        raise Refusal(400, "structure", "expected a list of operations")
    copied = copy.deepcopy(resource)
    for operation in operations:
        try:
            _apply(copied, operation["op"], operation["path"], operation.get("value"))
        except (KeyError, IndexError, TypeError, ValueError):
            raise Refusal(422, "processing", "an operation does not fit the resource") from None
    return copied


def _apply(root: Any, verb: str, path: str, value: Any) -> None:
    *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
    parent = root
    for step in steps:
        parent = parent[int(step)] if isinstance(parent, list) else parent[step]
    key: Any = last if isinstance(parent, dict) else len(parent) if last == "-" else int(last)
    match verb:
        case "test" if parent[key] != value:
            raise ValueError("a test failed")
        case "test":
            pass
        case "add" if isinstance(parent, list):
            if not 0 <= key <= len(parent):
                raise IndexError("beyond the end")
            parent.insert(key, value)
        case "add":
            parent[key] = value
        case "replace":
            parent[key]
            parent[key] = value
        case "remove":
            del parent[key]
        case _:
            raise ValueError("unknown operation")
