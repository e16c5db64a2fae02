"""Which data classes a projection holds: what the register of disclosures notes, never the content itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from adapter.ports import Resource
from adapter.views.facts import Facts
from adapter.views.glass import Glass
from adapter.views.view import Branch, View

STRUCTURE = "structure"  # says nothing of a person


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
