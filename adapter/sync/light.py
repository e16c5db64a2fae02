"""SDOHCC Direct Light: what a unit that works in an EHR left there of its work (sdohcc.md 1.4). Pure.

The Procedure that a completed Task points to is read, and what is coded of it becomes one of ours: status, code, time, needs,
result. Notes, texts and whom else it names stay in the EHR.
"""

from __future__ import annotations

import re
from typing import Any

from adapter.names import PROFILES, Systems
from adapter.ports import Resource

CODED = ("code", "reasonCode", "outcome", "category", "statusReason")
TIMES = ("performedDateTime", "performedPeriod")
_PROCEDURE = re.compile(r"Procedure/[A-Za-z0-9\-._]{1,128}", re.ASCII)


def left_there(task: Resource, base_url: str = "") -> list[str]:
    """The Procedures, as "Procedure/77", that a Task of an EHR says came of it."""
    found = (str(each.get("valueReference", {}).get("reference", "")) for each in task.get("output", ()) if isinstance(each, dict))
    plain = (each.removeprefix(f"{base_url}/").partition("/_history/")[0] for each in found)
    return [each for each in dict.fromkeys(plain) if _PROCEDURE.fullmatch(each)]


def made_ours(theirs: Resource, id: str, *, task: Resource, performer: str, systems: Systems) -> Resource:
    """Our Procedure of one that the EHR has, about our referral. `performer`: our reference of whose work it was."""
    coded = {name: _coded(theirs[name]) for name in CODED if name in theirs}
    return {
        "resourceType": "Procedure",
        "id": id,
        "meta": {"profile": [PROFILES["Procedure"]]},
        "identifier": [{"system": systems.sid("procedure"), "value": id}],
        "basedOn": [task["focus"]],
        "status": str(theirs.get("status", "unknown")),
        "subject": task["for"],
        **{name: part for name, part in coded.items() if part},
        **{name: theirs[name] for name in TIMES if name in theirs},
        "performer": [{"actor": {"reference": performer}}],
    }


def _coded(concept: Any) -> Any:
    """A CodeableConcept, or several, without any word: systems and codes."""
    if isinstance(concept, list):
        return [found for each in concept if (found := _coded(each))]
    coding = concept.get("coding", ()) if isinstance(concept, dict) else ()
    kept = [{name: str(each[name]) for name in ("system", "code")} for each in coding if isinstance(each, dict) and each.get("system") and each.get("code")]
    return {"coding": kept} if kept else {}
