"""What every act on a referral has in hand, and the small shapes that acts write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from adapter.clock import instant
from adapter.names import PROFILES, SDOHCC_CODES, SNOMED, Systems
from adapter.ports import Resource

SOCIAL_ASSESSMENT = "710824005"  # SNOMED, international edition: the procedure where the caller names no better one
# Procedure.performer.actor and Communication.sender take these types; a unit stands for its organisation.
MAY_PERFORM = ("Practitioner/", "PractitionerRole/", "Organization/", "Patient/", "RelatedPerson/", "Device/")


@dataclass(frozen=True, slots=True)
class Referral:
    """One referral to one recipient. `consents` are those that `request.supportingInfo` names, the recipient's first."""

    task: Resource
    request: Resource
    consents: tuple[Resource, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """When an act happens, who does it (a reference), and what is needed to write it down.
    `label(table, code)` is the label of one of our codes in the language of the record."""

    at: datetime
    by: str
    systems: Systems
    label: Callable[[str, str], str]
    new_id: Callable[[], str]

    def coded(self, table: str, code: str) -> Resource:
        return {"coding": [{"system": self.systems.code(table), "code": code}]}

    def reason(self, code: str) -> Resource:
        """A statusReason: its text is the label of the code, never anybody's words (workflow.md 1)."""
        return self.coded("status-reason", code) | {"text": self.label("status-reason", code)}

    def later(self, authored: str) -> str:
        """The instant of the act, never before the Task was authored (Task inv-1)."""
        try:
            written = datetime.fromisoformat(authored)
        except ValueError:
            return instant(self.at)
        return instant(max(self.at, written) if written.tzinfo else self.at)


def reference(resource: Resource) -> Resource:
    return {"reference": f"{resource['resourceType']}/{resource['id']}"}


def communication(
    referral: Referral, scene: Scene, *, kind: str, text: str, to: Resource | None, topic: Resource | None = None, names_person: bool = True
) -> Resource:
    """A Communication about the referral, sent now. Without `names_person` it does not point to the patient."""
    id = scene.new_id()
    resource: Resource = {
        "resourceType": "Communication",
        "id": id,
        "identifier": [{"system": scene.systems.sid("communication"), "value": id}],
        "basedOn": [reference(referral.request)],
        "status": "completed",
        "category": [scene.coded("communication", kind)],
        "about": [reference(referral.task)],
        "sent": instant(scene.at),
        "sender": {"reference": scene.by},
        "payload": [{"contentString": text}],
    }
    if names_person and "subject" in referral.request:
        resource["subject"] = referral.request["subject"]
    if to:
        resource["recipient"] = [to]
    if topic:
        resource["topic"] = topic
    return resource


def procedure(
    referral: Referral, scene: Scene, *, outcome: str, snomed: str, needs: Iterable[str], result: str, performed: datetime
) -> Resource:
    """What came of a referral (`outcome`, beside a SNOMED procedure) for `needs`, and how far they were met (`result`, a
    code of `need-result`; "" not said)."""
    id = scene.new_id()
    resource: Resource = {
        "resourceType": "Procedure",
        "id": id,
        "meta": {"profile": [PROFILES["Procedure"]]},
        "identifier": [{"system": scene.systems.sid("procedure"), "value": id}],
        "basedOn": [reference(referral.request)],
        "status": "completed",
        "code": {"coding": [{"system": SNOMED, "code": snomed}, *scene.coded("outcome", outcome)["coding"]]},
        "subject": referral.request["subject"],
        "performedDateTime": instant(performed),
    }
    domains = (coding for concept in referral.request.get("category", ()) for coding in concept.get("coding", ()))
    if domain := next((coding for coding in domains if coding.get("system") == SDOHCC_CODES), None):
        resource["category"] = {"coding": [{"system": SDOHCC_CODES, "code": domain["code"]}]}
    if scene.by.startswith(MAY_PERFORM):
        resource["performer"] = [{"actor": {"reference": scene.by}}]
    if coded := [scene.coded("need", need) for need in needs]:
        resource["reasonCode"] = coded
    if result:
        resource["outcome"] = scene.coded("need-result", result)
    return resource


def activity_output(done: Resource) -> Resource:
    """The Task.output entry that points to a Procedure (SDOHCC PerformedActivityReference)."""
    return {"type": {"coding": [{"system": SDOHCC_CODES, "code": "resulting-activity"}]}, "valueReference": reference(done)}
