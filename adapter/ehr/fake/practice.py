"""What happens in a practice that an EHR then has to say: patients merged, an identifier that moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter.ehr.fake.server import FakeEhr


def merge_patients(ehr: FakeEhr, gone: str, stays: str) -> None:
    """Two records were one person: `gone` becomes inactive and points to `stays` (Patient.link replaced-by), which points back.
    What was about `gone` keeps pointing there, as in most EHRs. Raises KeyError for a patient who is not there."""
    link = {"other": {"reference": f"Patient/{stays}"}, "type": "replaced-by"}
    back = {"other": {"reference": f"Patient/{gone}"}, "type": "replaces"}
    ehr.edit("Patient", gone, lambda patient: patient.update(active=False, link=[*patient.get("link", ()), link]))
    ehr.edit("Patient", stays, lambda patient: patient.update(link=[*patient.get("link", ()), back]))


def move_identifier(ehr: FakeEhr, value: str, *, source: str, target: str) -> None:
    """The identifier with that value now is another patient's. Raises KeyError when `source` has no such identifier."""
    moved = [each for each in (ehr.get("Patient", source) or {}).get("identifier", ()) if each.get("value") == value]
    if not moved:
        raise KeyError(value)
    ehr.edit("Patient", source, lambda patient: patient.update(identifier=[each for each in patient["identifier"] if each not in moved]))
    ehr.edit("Patient", target, lambda patient: patient.update(identifier=[*patient.get("identifier", ()), *moved]))
