"""What nobody may ever need is not kept (workflow.md 1 and 6): the free text of a Task. Words have two places, the prescriber's own on
his request and the message to the practice."""

from __future__ import annotations

from dataclasses import replace

from adapter import fhir
from adapter.errors import Issue
from adapter.ports import Change

NEEDLESS: dict[str, tuple[str, ...]] = {"Task": ("description", "note")}


def spared(change: Change) -> tuple[Change, tuple[str, ...]]:
    """The change without the elements that are not kept, and the paths of those that were there."""
    resource = change.resource
    given = [name for name in NEEDLESS.get(change.type, ()) if resource is not None and (name in resource or f"_{name}" in resource)]
    if resource is None or not given:
        return change, ()
    gone = {*given, *(f"_{name}" for name in given)}
    received = None
    if change.received:
        received = fhir.dumps({name: value for name, value in fhir.exact(change.received).items() if name not in gone})
    kept = {name: value for name, value in resource.items() if name not in gone}
    return replace(change, resource=kept, received=received), tuple(f"{change.type}.{name}" for name in given)


def warned(paths: tuple[str, ...]) -> list[Issue]:
    """What the sender is told of them."""
    text = "is not kept: write it as the note of the ServiceRequest, or as a message to the practice"
    return [Issue("business-rule", text, path, severity="warning") for path in paths]
