"""What may become of a Consent between the agreement and the end of the care (workflow.md 4). Pure; every answer is a new dict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from adapter.clock import instant
from adapter.consent.question import reference_of
from adapter.errors import Invalid
from adapter.names import ACT_CODE, ACT_REASON, CONSENT_SCOPE, PARTICIPATION, Systems
from adapter.ports import Resource

INFORMED_WITHIN = timedelta(days=8)  # the written sheet is due at first contact; later it is on the work list
FRESH_FOR = timedelta(hours=24)  # S14, only for what an EHR masters
# Status -> what it may become on the same id. Nothing ever returns to active: a new agreement is a new Consent.
MOVES = {
    "draft": frozenset({"proposed", "active", "rejected", "entered-in-error"}),
    "proposed": frozenset({"active", "rejected", "entered-in-error"}),
    "active": frozenset({"inactive", "entered-in-error"}),
    "rejected": frozenset({"entered-in-error"}),
    "inactive": frozenset({"entered-in-error"}),
    "entered-in-error": frozenset(),
}
# Everything a recipient could ask for. Left out is PATRQT, the person's own request: an opposition never shuts its author out.
_OTHERS = ("HMARKT", "HOPERAT", "HPAYMT", "HRESCH", "PUBHLTH", "TREAT")


def may_become(before: str, after: str) -> bool:
    """Whether a Consent may go from one status to the other on the same id. Staying is always allowed, an unknown status
    is neither left nor reached."""
    return before == after or after in MOVES.get(before, ())


def confirmed(consent: Resource, *, at: datetime, by: str = "") -> Resource:
    """The Consent after the person confirmed it in writing: one `verification` more, with whom (`by`: Patient or
    RelatedPerson; "" = its patient) and when. Raises Invalid unless it is active."""
    if consent.get("status") != "active":
        raise Invalid("only an agreement in force can be confirmed", expression="Consent.status")
    person = by or reference_of(consent.get("patient"))
    if person is None or not person.startswith(("Patient/", "RelatedPerson/")):
        raise Invalid("expected a Patient or a RelatedPerson", code="value", expression="Consent.verification.verifiedWith")
    verification = {"verified": True, "verifiedWith": {"reference": person}, "verificationDate": instant(at)}
    return consent | {"verification": [*consent.get("verification", ()), verification]}


def confirmation_stands(consent: Resource) -> bool:
    """Whether somebody confirmed it; an oral agreement permits without (S15)."""
    return any(one.get("verified") is True for one in consent.get("verification", ()))


def information_owed(since: datetime, given: datetime | None, at: datetime) -> bool:
    """Whether the written information sheet stands on the work list: it was due `since` then (the first contact, or the
    agreement while there was none), it was not given, and 8 days went by. Never a reason to deny."""
    return given is None and at - since > INFORMED_WITHIN


def fresh(heard: Iterable[datetime | None], at: datetime, *, bound: timedelta = FRESH_FOR) -> bool:
    """S14 for `decide(complete=…)`: was every EHR that masters Consents of this patient read to the end within `bound`?
    `heard`: when, for each of them (None: never). Consents mastered here are fresh by definition: give nothing for them."""
    return all(when is not None and at - when <= bound for when in heard)


def opposition(
    patient: str, *, id: str, at: datetime, organisation: str, systems: Systems, policy: str, actors: Sequence[str] = (), by: Sequence[str] = ()
) -> Resource:
    """The person opposes (CSP L1110-4 IV): a Consent that denies, to everybody or to `actors`, whatever was agreed before
    or on another basis. `organisation` took it down; `by`: who said it, the patient when empty."""
    provision: Resource = {"type": "deny", "purpose": [{"system": ACT_REASON, "code": code} for code in _OTHERS]}
    if actors:
        role = {"coding": [{"system": PARTICIPATION, "code": "IRCP"}]}
        provision["actor"] = [{"role": role, "reference": {"reference": actor}} for actor in actors]
    return {
        "resourceType": "Consent",
        "id": id,
        "identifier": [{"system": systems.sid("consent"), "value": id}],
        "status": "active",
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": ACT_CODE, "code": "IDSCL"}]}],
        "patient": {"reference": patient},
        "dateTime": instant(at),
        "performer": [{"reference": person} for person in by or (patient,)],
        "organization": [{"reference": organisation}],
        "policy": [{"uri": policy}],
        "provision": provision,
    }
