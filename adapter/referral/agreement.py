"""The two agreements a referral needs before it leaves: the doctor's and the patient's (workflow.md 2 and 3).

They are FHIR state: the doctor agreed when the ServiceRequest is active, the patient when the recipient's Consent is.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapter.ports import Resource

_AGREED_ONCE = frozenset({"active", "on-hold", "completed", "revoked"})


def agreements(request: Resource, consents: Sequence[Resource], *, recipient: str = "") -> tuple[bool, bool]:
    """(doctor, patient), now. Of `consents` only those count that `request.supportingInfo` names; of these the one whose
    actor is `recipient` ("Organization/x"), or the first named when no recipient is given."""
    return request.get("status") == "active", _status(request, consents, recipient) == "active"


def may_leave(request: Resource, task: Resource, consents: Sequence[Resource], *, recipient: str = "") -> bool:
    """Whether anything of the referral may go to the clinic's EHR: both agreements stand, or both stood when it was sent
    (the end of a referral that was sent must be told; a draft that was given up never leaves)."""
    state = task.get("status")
    if state == "draft":
        return False
    if state in ("rejected", "completed", "failed"):  # reached from requested only
        return True
    if state in ("cancelled", "entered-in-error"):
        return request.get("status") in _AGREED_ONCE and _status(request, consents, recipient) in ("active", "inactive")
    return all(agreements(request, consents, recipient=recipient))


def _status(request: Resource, consents: Sequence[Resource], recipient: str) -> str:
    """The status of the recipient's Consent; "" where there is none."""
    by_reference = {f"Consent/{consent.get('id')}": consent for consent in consents}
    named = [by_reference[where] for entry in request.get("supportingInfo", ()) if (where := entry.get("reference")) in by_reference]
    if recipient:
        named = [consent for consent in named if recipient in _actors(consent)]
    return str(named[0].get("status", "")) if named else ""


def _actors(consent: Resource) -> set[str]:
    return {actor.get("reference", {}).get("reference", "") for actor in consent.get("provision", {}).get("actor", ())}
