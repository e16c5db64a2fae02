"""Who may see what: one published reading of FHIR R4 Consent, decided without side effects."""

from __future__ import annotations

from adapter.consent.anchor import anchored
from adapter.consent.decide import decide
from adapter.consent.vectors import Failure, run_vectors

__all__ = ["Failure", "anchored", "decide", "run_vectors"]
