"""Which Consents count for one referral (workflow.md 4): permits only from those its ServiceRequest names, denies from all."""

from __future__ import annotations

from collections.abc import Sequence

from adapter.consent.question import listed, reference_of
from adapter.ports import Resource

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


def _is_named(consent: Resource, named: set[str]) -> bool:
    own = consent.get("id")
    return isinstance(own, str) and f"Consent/{own}" in named
