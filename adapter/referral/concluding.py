"""What the prescriber says of a referral that has ended, asked once (workflow.md 3): whether the need was met as he sees it, and how many
days in hospital it avoided, 0 to 30. Kept as Observations, and always told as declared.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapter.clock import instant
from adapter.errors import Invalid
from adapter.names import Systems
from adapter.ports import Resource
from adapter.referral.scene import Referral, Scene, reference
from adapter.referral.states import TERMINAL

TABLE, NEED, DAYS = "observation", "besoin-vu", "jours-hospitalisation-evites"
MOST = 30  # days
_NOT_KNOWN = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}


def conclude(referral: Referral, scene: Scene, need: str, days: int | None) -> list[Resource]:
    """The two Observations: `need` is a code of `need-result`, `days` None where he does not know. Raises Invalid unless the referral
    ran and has ended, and for days that are none."""
    if referral.task["status"] not in TERMINAL - {"entered-in-error"} or referral.request["status"] in ("draft", "entered-in-error"):
        raise Invalid("expected a referral that was sent and has ended", expression="Task.status")
    if days is not None and not 0 <= days <= MOST:
        raise Invalid(f"expected days from 0 to {MOST}, or none where it is not known", code="value", expression="days")
    avoided = {"dataAbsentReason": _NOT_KNOWN} if days is None else {"valueInteger": days}
    return [_said(referral, scene, NEED, {"valueCodeableConcept": scene.coded("need-result", need)}), _said(referral, scene, DAYS, avoided)]


def check_once(observations: Iterable[Resource], systems: Systems) -> None:
    """Raises Invalid where one of these was said of the referral before."""
    if any(coding.get("system") == systems.code(TABLE) for each in observations for coding in each.get("code", {}).get("coding", ())):
        raise Invalid("this was said of the referral before: it is asked once", expression="Observation.code")


def _said(referral: Referral, scene: Scene, code: str, value: Resource) -> Resource:
    id = scene.new_id()
    return {
        "resourceType": "Observation", "id": id, "identifier": [{"system": scene.systems.sid("observation"), "value": id}],
        "basedOn": [reference(referral.request)], "status": "final", "code": scene.coded(TABLE, code), "subject": referral.request["subject"],
        "effectiveDateTime": instant(scene.at), "issued": instant(scene.at), "performer": [{"reference": scene.by}],
    } | value  # fmt: skip
