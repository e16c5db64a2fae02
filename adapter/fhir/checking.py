"""check(): all that is wrong with a resource, as FHIR R4 has it."""

from __future__ import annotations

from itertools import islice

import orjson
from pydantic_core import ErrorDetails, ValidationError

from adapter.errors import Issue
from adapter.fhir import containment, gaps, paths, schema, walk
from adapter.ports import Resource

MOST = 100  # issues told of one resource: what is wrong throughout is wrong for one reason, and an answer grows no larger than what was asked


def check(resource: Resource, *, type: str | None = None) -> list[Issue]:
    """The issues of a parsed resource, [] when it is valid FHIR R4; `type` is the type it has to be. Of more than `MOST` the first, and one
    that says so.

    Checked: shape, primitive types and calendar dates, required codes, choices, reference targets, the
    invariants of R4 (stack.md, "Traps"). Texts never hold values.
    """
    if not isinstance(resource, dict):
        return [Issue("structure", "expected an object")]
    try:
        compact = orjson.dumps(resource)
    except (TypeError, ValueError, RecursionError):
        return [Issue("structure", "expected plain JSON: objects, arrays, text, numbers, true and false, not nested too deeply")]
    return issues(resource, compact, type)


def issues(resource: Resource, compact: bytes, type: str | None) -> list[Issue]:
    """The same, given the resource's compact JSON."""
    actual = resource.get("resourceType")
    if fault := schema.unfit(actual):
        return [Issue(*fault)]
    if type is not None and actual != type:
        return [Issue("structure", f"expected a {type}", "resourceType")]
    return _issues(str(actual), resource, compact)


def _issues(root: str, resource: Resource, compact: bytes) -> list[Issue]:
    if gaps.too_deep(resource, compact):
        return [Issue("too-long", f"expected at most {gaps.DEEPEST} levels of objects and arrays", root)]
    shape: list[Issue] = []
    broken = False
    try:
        schema.validator(root).validate_python(resource)
        if not gaps.suspected(compact) and not containment.suspected(compact):
            return []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        broken = any(one["type"] == schema.BROKEN for one in found)
        faults = (one for one in found if one["type"] != schema.BROKEN and not _excused(one, resource))
        shape = [paths.issue(root, one, resource) for one in islice(faults, MOST + 1)]
    empty = list(islice(gaps.gaps(root, resource), MOST + 1))
    named = {issue.expression for issue in empty}
    all_found = [*empty, *(i for i in shape if i.expression not in named), *islice(walk.broken_rules(root, resource), MOST + 1)]
    if broken and not all_found:  # never accept what the validator refused
        return [Issue("invariant", "breaks a rule of FHIR R4", root)]
    if len(all_found) > MOST:
        return [*all_found[:MOST], Issue("too-costly", f"has more than {MOST} faults; these are the first", root)]
    return all_found


def _excused(found: ErrorDetails, resource: Resource) -> bool:
    """A required primitive may be given by extensions alone: `_status` without `status`."""
    if found["type"] != "missing":
        return False
    return f"_{found['loc'][-1]}" in paths.owner(resource, found)
