"""What nobody may ever need is not kept (workflow.md 1 and 6): the free text of a Task, for words have two places, the prescriber's own on
his request and the message to the practice; of a Patient an INS without a qualified identity, and the INS-C (france.md 1.2)."""

from __future__ import annotations

from dataclasses import replace

from adapter import fhir, identity
from adapter.errors import Invalid, Issue
from adapter.ports import Change, Resource

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


def numbered(change: Change, *, production: bool, sandbox: bool, authorised: bool) -> tuple[Change, tuple[str, ...], tuple[Issue, ...]]:
    """The change without the numbers of a Patient that are not kept, their paths, and what the sender is told (`identity.entered`). Raises
    Invalid with every number that cannot be right."""
    resource = change.resource
    if resource is None or (change.type != "Patient" and change.received and not identity.marked(change.received)):
        return change, (), ()  # most have no number of France, and are not walked through for it
    found = identity.entered(resource, production=production, sandbox=sandbox, authorised=authorised)
    if found.errors:
        raise Invalid(found.errors[0].text, issues=found.errors)
    if found.dropped:
        received = fhir.dumps(_without(fhir.exact(change.received), found.dropped)) if change.received else None
        change = replace(change, resource=_without(resource, found.dropped), received=received)
    return change, tuple(f"Patient.identifier[{number}]" for number in found.dropped), found.warnings


def _without(patient: Resource, dropped: tuple[int, ...]) -> Resource:
    kept = [each for number, each in enumerate(patient["identifier"]) if number not in dropped]
    return {name: value for name, value in patient.items() if name != "identifier"} | ({"identifier": kept} if kept else {})


def warned(paths: tuple[str, ...]) -> list[Issue]:
    """What the sender is told of them."""
    text = "is not kept: write it as the note of the ServiceRequest, or as a message to the practice"
    return [Issue("business-rule", text, path, severity="warning") for path in paths]
