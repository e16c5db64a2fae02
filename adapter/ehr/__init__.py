"""The other side: a clinic's EHR over FHIR R4 (workflow.md 7). Start at `client.py`; the public double is in `fake/`."""

from adapter.ehr.capability import probe
from adapter.ehr.client import HttpEhrClient, tracing
from adapter.ehr.connect import connect
from adapter.ehr.match import Differs, Matched, Several, match_identified, match_patient, matching_patients, replaced, same_person
from adapter.ehr.refs import Unknown, inward, outward

__all__ = [
    "Differs",
    "HttpEhrClient",
    "Matched",
    "Several",
    "Unknown",
    "connect",
    "inward",
    "match_identified",
    "match_patient",
    "matching_patients",
    "outward",
    "probe",
    "replaced",
    "same_person",
    "tracing",
]
