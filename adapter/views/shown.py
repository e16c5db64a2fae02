"""Which data classes a projection holds: what the register of disclosures notes, never the content itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from adapter.ports import Resource
from adapter.views.cardspec import Entry
from adapter.views.facts import Facts
from adapter.views.glass import Glass
from adapter.views.view import Branch, View

WHOLE = ("resourceType", "id", "meta")
STRUCTURE = "structure"  # says nothing of a person


def brief(resources: Iterable[Resource], view: View, facts: Facts) -> tuple[Resource, ...]:
    """Of these projected resources what the line of a list is made from, and nothing else."""
    used: dict[str, set[str]] = {}
    for entry in _entries(view.line.values()):
        for source in entry.sources if facts.accepted else (one for one in entry.sources if "initials" not in one.pipes):
            for hop in source.hops:
                used.setdefault(hop.type, set(WHOLE)).add(hop.steps[0].name)
    listed = ((one, used.get(str(one.get("resourceType")))) for one in resources)
    return tuple({name: value for name, value in one.items() if name in names} for one, names in listed if names)


def _entries(entries: Iterable[Entry]) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        yield from _entries(inner for _, inner in entry.fields)


def classes(resources: Iterable[Resource], view: View, facts: Facts) -> tuple[str, ...]:
    """D1…D13 of these projected resources, by the lines of the view that let them through, in order."""
    glass, found = Glass(view, facts), set[str]()
    for resource in resources:
        found.update(_inside(resource, view.trees.get(str(resource.get("resourceType")), {}), glass))
    return tuple(sorted(found - {STRUCTURE}, key=lambda each: (len(each), each)))


def _inside(value: dict[str, Any], children: dict[str, list[Branch]], glass: Glass) -> Iterator[str]:
    for name, branches in children.items():
        for entry in value[name] if isinstance(value.get(name), list) else [value[name]] if name in value else []:
            for branch in branches:
                if branch.rule is not None:
                    if glass.holds(branch):
                        yield branch.rule.cls
                elif isinstance(entry, dict) and (chosen := glass.chosen(entry, branch)) is not None:
                    yield from _inside(chosen, branch.children, glass)
