"""What a resource written from outside may point to: what is here and the writer's own, nothing of another clinic. And which
numbers it may not bring.

Absent and forbidden read the same (rule of the house), so that no reference can be used to ask what there is.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator
from typing import Any

import orjson

from adapter.dossier import follow, pointing, split
from adapter.errors import Invalid, Issue
from adapter.identity import NUMBERS, kind_of
from adapter.network import Network
from adapter.ports import Resource, Uow

OURS = {"ServiceRequest": ("subject", "supportingInfo"), "Task": ("for", "focus", "owner"), "Consent": ("patient",)}
# By these a referral hangs together: they point neither outside nor into the resource itself.
_HERE = "expected a reference to something that is here: create it first, or name it by an identifier"
_READ = "expected a reference to something that is here, or to the FHIR server of your own EHR, which the network file names: a ServiceRequest and its Patient"
_NUMBER = "expected no number of the social security: the network file names no basis (nir_authorised) for this organisation; leave it out"
_MARKS = (b"1.2.250.1.213.1.4.", b'"INS', b'"NH"', b'"NSS"', b'"SS"', b'"SB"')  # one is in every such number
_UNIT = "expected a unit of the directory that takes part: HealthcareService/key, as the network file has it"


def check_references(
    uow: Uow, network: Network, organisation: str, resource: Resource, *, coming: Container[str] = (), waiting: Collection[str] = ()
) -> None:
    """Raises Invalid with every reference that points to nothing `organisation` may point to, and where a referral is not
    one request and one Task for one unit (workflow.md 1). `coming`: "Type/id" of what is written with it; `waiting`: addresses at
    the EHR of the organisation that are still to be read."""
    type = resource["resourceType"]
    missing = {value for value in literals(resource) if value not in coming and not _there(uow, network, organisation, value)}
    missing |= {each["reference"] for name in OURS.get(type, ()) for each in listed(resource.get(name)) if not split(each.get("reference", "x/x"))[0]}
    missing -= set(waiting)
    ehr = network.ehr_of(organisation) if type == "Task" else None
    said = {True: _READ if ehr and ehr.level == "task" else _HERE, False: _HERE}  # by whether it is an address
    wrong = ((path, value) for path, value in _places(resource, type) if value in missing)
    issues = [Issue("not-found", said["://" in value], path, detail="reference") for path, value in wrong] if missing else []
    issues += _shape(uow, network, resource)
    if issues:
        raise Invalid(issues[0].text, issues=issues)


def check_numbers(network: Network, organisation: str, resource: Resource) -> None:
    """Raises Invalid with the place of each number of the social security, where `organisation` has no basis in the network file
    to handle it (workflow.md 8)."""
    found = network.organisation(organisation)
    if (found and found.nir_authorised) or not _may_have(orjson.dumps(resource)):
        return
    issues = [Issue("business-rule", _NUMBER, path) for path in _numbered(resource, resource["resourceType"])]
    if issues:
        raise Invalid(issues[0].text, issues=issues)


def _may_have(body: bytes) -> bool:
    return any(mark in body for mark in _MARKS)


def _numbered(node: Any, path: str) -> Iterator[str]:
    """The places of the numbers of the social security: without a type, or of another name, they are some too."""
    if isinstance(node, list):
        for number, each in enumerate(node):
            yield from _numbered(each, f"{path}[{number}]")
    elif isinstance(node, dict):
        if "resourceType" not in node and kind_of(node) in NUMBERS:
            yield path
        for name, each in node.items():
            yield from _numbered(each, f"{path}.{name}")


def literals(resource: Resource) -> set[str]:
    """Every literal reference, contained resources' too."""
    found: set[str] = set()
    open: list[Any] = [resource]
    for node in open:  # which grows meanwhile
        if type(node) is dict:
            if type(reference := node.get("reference")) is str:
                found.add(reference)
            open += [each for each in node.values() if type(each) is not str]
        elif type(node) is list:
            open += node
    return found


def _places(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """(path, value) of each reference."""
    if isinstance(node, list):
        for number, each in enumerate(node):
            yield from _places(each, f"{path}[{number}]")
    elif isinstance(node, dict):
        for name, each in node.items():
            if name == "reference" and isinstance(each, str):
                yield path, each
            else:
                yield from _places(each, f"{path}.{name}")


def listed(value: Any) -> list[Any]:
    """An element that repeats in one type and not in another, as a list."""
    return value if isinstance(value, list) else [value] if value else []


def _there(uow: Uow, network: Network, organisation: str, reference: str) -> bool:
    type, id = split(reference.partition("/_history/")[0])
    if not type:
        return reference.startswith("#") or ("://" in reference and not reference.partition("?")[0].isalpha())  # a condition is for transactions
    if _in_directory(network, type, id):
        return True
    found = follow(uow, f"{type}/{id}")
    return found is not None and found.clinic == organisation


def _in_directory(network: Network, type: str, id: str) -> bool:
    """Whether the directory has it: looked up without the store."""
    if type == "Organization":
        return network.organisation(id) is not None
    if type == "HealthcareService":
        return network.unit(id) is not None
    return type in ("Practitioner", "PractitionerRole") and network.person(id) is not None


def _shape(uow: Uow, network: Network, resource: Resource) -> Iterator[Issue]:
    if resource["resourceType"] == "ServiceRequest" and len(resource.get("performer", ())) > 1:
        yield Issue("business-rule", "expected one performer: several are one request each", "ServiceRequest.performer")
    if resource["resourceType"] != "Task":
        return
    type, key = split(resource.get("owner", {}).get("reference", ""))
    unit, owner = network.unit(key), network.unit_organisation(key)
    if type != "HealthcareService" or unit is None or not unit.active or owner is None or not owner.active or owner.kind != "service":
        yield Issue("business-rule", _UNIT, "Task.owner")
    focus = resource.get("focus", {}).get("reference", "")
    if any(each.id != resource.get("id") for each in pointing(uow, "Task", "focus", focus)):
        yield Issue("duplicate", "expected a request that has no Task yet: one request, one Task", "Task.focus")
