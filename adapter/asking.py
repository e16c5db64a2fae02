"""Self-referral (SDOHCC refer-7): the person asks, by a platform; no doctor does.

A platform is an organisation of which the network file says so; it asks for nobody but the person. Which units take such a request
the network file says too: where a doctor has to agree as well, as for the couriers, none does. The person's own Consent is
needed as ever.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter.dossier import content, follow, split
from adapter.errors import Issue
from adapter.network import Network
from adapter.ports import Resource, Uow

ASKING = ("Patient", "RelatedPerson")


def issues(uow: Uow, network: Network, task: Resource, request: Resource) -> Iterator[Issue]:
    """What is against sending this request to this unit, as far as it is about who asks."""
    asking, organisation = str(request.get("requester", {}).get("reference", "")), _organisation(network, task)
    platform = network.organisation(organisation)
    if platform is None or not platform.platform:
        if kind(request, request.get("requester", {})) in ASKING:
            text = "expected the Organization of a platform, as the network file has it: what a person asks comes by one"
            yield Issue("business-rule", text, "Task.requester")
        return
    if split(asking)[0] not in ASKING or _person(uow, asking) != request.get("subject", {}).get("reference"):
        yield Issue("business-rule", "expected the person whom it is about, or somebody related: a platform asks for nobody else", "ServiceRequest.requester")
    if task.get("requester", {}).get("reference") != f"Organization/{organisation}":
        yield Issue("business-rule", "expected the Organization of the platform", "Task.requester")
    unit = network.unit(split(task.get("owner", {}).get("reference", ""))[1])
    if unit is None or not unit.self_referrals:
        yield Issue("business-rule", "expected a unit that takes what persons ask themselves, as the network file has it", "Task.owner")
    given = {str(each.get("valueReference", {}).get("reference", "")) for each in task.get("input", ())}
    if task.get("focus", {}).get("reference") not in given or not any(split(each)[0] == "QuestionnaireResponse" for each in given):
        yield Issue("required", "expected the ServiceRequest and a QuestionnaireResponse", "Task.input")


def kind(resource: Resource, reference: Resource) -> str:
    """The type that a reference of the resource leads to, here, elsewhere or within it; "" where it does not say."""
    text = str(reference.get("reference", ""))
    if text.startswith("#"):
        return next((str(each.get("resourceType")) for each in resource.get("contained", ()) if f"#{each.get('id')}" == text), "")
    steps = text.partition("/_history/")[0].split("/")
    return steps[-2] if len(steps) > 1 else str(reference.get("type", ""))


def _organisation(network: Network, task: Resource) -> str:
    """Key of the organisation that the Task comes from."""
    type, key = split(task.get("requester", {}).get("reference", ""))
    return key if type == "Organization" else network.organisation_of_person(key) or ""


def _person(uow: Uow, asking: str) -> str:
    """Whom it is about who asks so."""
    found = follow(uow, asking) if split(asking)[0] == "RelatedPerson" else None
    return str(content(found).get("patient", {}).get("reference", "")) if found else asking
