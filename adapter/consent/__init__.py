"""Who may see what: one published reading of FHIR R4 Consent, decided without side effects, and the life of a Consent."""

from __future__ import annotations

from adapter.consent.anchor import anchored
from adapter.consent.decide import decide
from adapter.consent.explain import Considered, considered, in_words
from adapter.consent.vectors import Failure, are_vectors, run_vectors

__all__ = ["Considered", "Failure", "anchored", "are_vectors", "considered", "decide", "in_words", "run_vectors"]
