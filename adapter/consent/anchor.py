"""Which Consents count for one referral (workflow.md 4): permits only from those its ServiceRequest names, denies from all. And
which of its resources they deny by themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from adapter.consent.decide import decide
from adapter.consent.question import listed, reference_of
from adapter.ports import Ask, Basis, Decision, Resource

# Marks a Consent whose permits do not count here. Any modifierExtension has that effect on a decision (S15).
DENIES_ONLY = {"url": "urn:liaison:denies-only", "valueBoolean": True}


def anchored(consents: Sequence[Resource], service_request: Resource) -> list[Resource]:
    """The Consents to hand to `decide` for this ServiceRequest, in the same order.

    Those in its `supportingInfo` come back as they are; of every other only the denies are left: a copy, marked so
    that its permits do not count. (Cutting the permits out would turn "no one but X" into "no one".)
    """
    wanted = service_request.get("supportingInfo") if isinstance(service_request, dict) else None
    named = {text for entry in listed(wanted) if (text := reference_of(entry)) is not None}
    those = (consent for consent in consents if isinstance(consent, dict))
    return [consent if _is_named(consent, named) else {**consent, "modifierExtension": [DENIES_ONLY]} for consent in those]


def may_deny(consent: Resource) -> bool:
    """Whether anything in it could be a deny. False only for one plain rule that is none: then nothing it says denies anything."""
    provision = consent.get("provision")
    return not isinstance(provision, dict) or provision.get("type") == "deny" or "provision" in provision


def denial(
    consents: Sequence[Resource], ask: Ask, at: datetime, *, resource: Resource, groups: Mapping[str, Collection[str]] = {}, zone: str = "Europe/Paris"
) -> Decision | None:
    """The denial of one resource of a referral that was permitted: denies are asked of every resource, the permit once of its
    request (workflow.md 4). None: nobody denies it."""
    denying = [consent for consent in consents if may_deny(consent)]
    found = decide(denying, (Basis("author", ""),), ask, at, resource=resource, groups=groups, zone=zone) if denying else None
    return None if found is None or found.permit else found


def _is_named(consent: Resource, named: set[str]) -> bool:
    own = consent.get("id")
    return isinstance(own, str) and f"Consent/{own}" in named
