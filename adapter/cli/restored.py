"""`liaison map diff OLD NEW --against stored`: what another document would make of the records that were received. Paths and counts, no value:
what is printed is of persons.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from adapter.cli import house

if TYPE_CHECKING:
    from adapter.flows import Flows
    from adapter.mapping import MapContext, Mapping
    from adapter.ports import Uow
    from adapter.settings import Settings

_INDEX = re.compile(r"\[\d+\]")


def against_stored(settings: Settings, before: Mapping, after: Mapping) -> dict[str, Any]:
    """`records`: how many of the old mapping's are stored; `changed`: of how many the resources would differ; `unread`: how many no longer come
    back as a record that the old document takes; `paths`: path -> in how many records it differs (`refused`: only one document takes it)."""
    with house.opened(settings) as opened:
        found: dict[str, Any] = opened.read_now(lambda story, uow: _compared(story, uow, before, after))
    return found


def _compared(story: Flows, uow: Uow, before: Mapping, after: Mapping) -> dict[str, Any]:
    """The record as it was received is not kept: it comes back from its resources by the old document, and both map it."""
    from adapter import recorded
    from adapter.mapping import compare, try_

    counts, paths = Counter[str](), Counter[str]()
    for kept in recorded.every(uow, story.writer.systems, before.name):
        counts["records"] += 1
        context = recorded.context(kept, story.intake)
        record = before.from_fhir(kept.resources, context=context, whole=True)
        if try_(before, record, context=_counting(context), lacking=True).mapped is None:
            counts["unread"] += 1
            continue
        changed = compare.made(before, after, record, contexts=(_counting(context), _counting(context)), lacking=True)
        counts["changed"] += bool(changed)
        paths.update({_INDEX.sub("", each.path) for each in changed})
    return {"records": counts["records"], "changed": counts["changed"], "unread": counts["unread"], "paths": dict(sorted(paths.items()))}


def _counting(context: MapContext) -> MapContext:
    numbers = count(1)
    return replace(context, new_id=lambda: f"id-{next(numbers)}")


def in_lines(told: dict[str, Any]) -> list[str]:
    unread = f", {told['unread']} do not come back whole" if told["unread"] else ""
    lines = [f"stored: {told['changed']} of {told['records']} records would make other resources{unread}"]
    return [*lines, *(f"  {path}: in {number}" for path, number in told["paths"].items())]
