"""Who may see what: one published reading of FHIR R4 Consent, decided without side effects, and the life of a Consent."""

from __future__ import annotations

from adapter.consent.anchor import anchored, denial, may_deny
from adapter.consent.decide import decide
from adapter.consent.explain import Considered, considered, in_words
from adapter.consent.groups import members, team
from adapter.consent.life import confirmation_stands, confirmed, fresh, information_owed, may_become, opposition
from adapter.consent.narrowing import wider
from adapter.consent.parties import given_by, given_by_parent, majority, missing_agreement, standing
from adapter.consent.proof import Wording, attested, intact, said, sealed
from adapter.consent.urgency import urgencies, urgent
from adapter.consent.vectors import Failure, are_vectors, run_vectors

__all__ = [
    "Considered", "Failure", "Wording", "anchored", "are_vectors", "attested", "confirmation_stands", "confirmed", "considered", "decide",
    "denial", "fresh", "given_by", "given_by_parent", "in_words", "information_owed", "intact", "majority", "may_become", "may_deny", "members",
    "missing_agreement", "opposition", "run_vectors", "said", "sealed", "standing", "team", "urgencies", "urgent", "wider",
]  # fmt: skip
