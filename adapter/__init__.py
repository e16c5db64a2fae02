"""Liaison: social referrals as FHIR R4, in step with the clinic's EHR, each service seeing the minimum."""

__version__ = "0.1.0"
