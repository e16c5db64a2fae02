"""One referral read whole: the Task and everything that hangs on its ServiceRequest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from adapter import identity
from adapter.ports import Clause, Query, Resource, Uow, Version

FOLLOWING = ("Procedure", "Communication", "Appointment")  # types that point to the request by `basedOn`
NOBODY = "none"  # an id that nothing has
FROZEN = "frozen/"  # before a patient's reference: the name under which it is kept that nobody may be shown this person
DOUBTED = "doubted/"  # the same: what is known of its identity's status, and what of it a person has checked (`identity.noted`)


def content(version: Version) -> Resource:
    """The stored resource as a dict of its own."""
    resource: Resource = orjson.loads(version.served)
    return resource


def coded(concept: Resource | None, system: str) -> list[str]:
    """The codes of one system in a CodeableConcept (None: there is none)."""
    return [str(each.get("code")) for each in (concept or {}).get("coding", ()) if each.get("system") == system]


def split(reference: str) -> tuple[str, str]:
    """("Task", "x") of "Task/x"; ("", "") of anything that is not a relative reference."""
    kind, _, id = reference.partition("/")
    return (kind, id) if kind and id and "/" not in id else ("", "")


def follow(uow: Uow, reference: str) -> Version | None:
    """The current version a relative reference points to; None when absent or deleted."""
    kind, id = split(reference)
    found = uow.current(kind, id) if kind else None
    return None if found is None or found.deleted else found


def patient_of(resource: Resource) -> str:
    """The patient reference of any of our types; "" where there is none, or one of another server, who is nobody of ours yet."""
    found = subject_of(resource)
    return "" if "://" in found else found


def subject_of(resource: Resource) -> str:
    """The patient reference of any of our types, wherever it leads."""
    if resource["resourceType"] == "Patient":
        return f"Patient/{resource.get('id', '')}"
    for element in ("subject", "for", "patient", "securityContext"):
        if isinstance(target := resource.get(element), dict):
            return str(target.get("reference", ""))
    actors = (each.get("actor", {}) for each in resource.get("participant", ()) if resource["resourceType"] == "Appointment")
    return next((each["reference"] for each in actors if str(each.get("reference", "")).startswith("Patient/")), "")


@dataclass(frozen=True, slots=True)
class Dossier:
    """A referral to one recipient. `consents` are all of the patient's, `named` those its request names; `told` are the
    Provenances of the request (who heard what, when), `teams` the CareTeams of the patient. `frozen`: its EHR says that the
    patient is another one; no recipient is shown anything until a person confirms who it is."""

    task_version: Version
    request_version: Version
    task: Resource
    request: Resource
    patient: Resource | None
    consents: tuple[Resource, ...]
    following: tuple[Resource, ...]
    told: tuple[Resource, ...] = ()
    teams: tuple[Resource, ...] = ()
    frozen: bool = False  # nobody knows any more whether it is this person (sync.md Y-23)
    doubt: str = ""  # status by which the identity is to be checked by a person before anything is sent (france.md 1.3)

    @property
    def lane(self) -> str:
        return self.request_version.id

    @property
    def clinic(self) -> str:
        return self.request_version.clinic

    @property
    def owner(self) -> str:
        """The unit's id."""
        return split(self.task.get("owner", {}).get("reference", ""))[1]

    @property
    def named(self) -> tuple[Resource, ...]:
        wanted = {entry.get("reference") for entry in self.request.get("supportingInfo", ())}
        return tuple(consent for consent in self.consents if f"Consent/{consent['id']}" in wanted)

    def of(self, type: str) -> list[Resource]:
        return [resource for resource in self.following if resource["resourceType"] == type]


def pointing(uow: Uow, type: str, param: str, target: str) -> list[Version]:
    """The current resources of a type that point to `target` ("Type/id") by a search parameter."""
    return uow.search(Query(type, (Clause(param, "reference", (target,)),), count=1000))


def load(uow: Uow, task_id: str) -> Dossier | None:
    """The referral of one Task; None when the Task or its request is not there. Always the same statements, whatever there
    is to find (security.md U-05)."""
    version = uow.current("Task", task_id or NOBODY)
    task = content(version) if version and not version.deleted else {}
    request_version = follow(uow, task.get("focus", {}).get("reference", "") or f"ServiceRequest/{NOBODY}")
    request = content(request_version) if request_version else {}
    subject = request.get("subject", {}).get("reference", "") or f"Patient/{NOBODY}"
    target = request_version.reference if request_version else f"ServiceRequest/{NOBODY}"
    patient = follow(uow, subject)
    following = [found for type in FOLLOWING for found in pointing(uow, type, "based-on", target)]
    consents, told = pointing(uow, "Consent", "patient", subject), pointing(uow, "Provenance", "target", target)
    teams, kept = pointing(uow, "CareTeam", "patient", subject), uow.kept_many(FROZEN + subject, DOUBTED + subject)
    if version is None or request_version is None:
        return None
    return Dossier(
        task_version=version,
        request_version=request_version,
        task=task,
        request=request,
        patient=content(patient) if patient else None,
        consents=tuple(map(content, consents)),
        following=tuple(map(content, following)),
        told=tuple(map(content, told)),
        teams=tuple(map(content, teams)),
        frozen=bool(kept.get(FROZEN + subject)),
        doubt=identity.unchecked(content(patient) if patient else None, kept.get(DOUBTED + subject)),
    )


def booked(uow: Uow, referral: Dossier) -> tuple[Resource, ...]:
    """The Appointments of the person with the unit that still stand, but for those that are another request's."""
    with_them = (("patient", patient_of(referral.request)), ("actor", f"HealthcareService/{referral.owner}"))
    found = uow.search(Query("Appointment", tuple(Clause(param, "reference", (target,)) for param, target in with_them), count=1000))
    mine = {"reference": referral.request_version.reference}
    return tuple(each for each in map(content, found) if each["status"] in ("booked", "arrived") and mine in each.get("basedOn", (mine,)))


def of_request(uow: Uow, request_id: str) -> Dossier | None:
    """The referral of one ServiceRequest (its newest Task)."""
    tasks = pointing(uow, "Task", "focus", f"ServiceRequest/{request_id}")
    return load(uow, max(tasks, key=lambda version: version.updated).id) if tasks else None


def lanes(uow: Uow, resources: Iterable[Resource]) -> list[str]:
    """The ServiceRequest ids that these resources belong to, each once, in order."""
    found: dict[str, None] = {}
    for resource in resources:
        type, id = resource["resourceType"], resource["id"]
        if type == "ServiceRequest":
            found[id] = None
        elif type == "Task":
            found[split(resource.get("focus", {}).get("reference", ""))[1]] = None
        elif type == "Consent":
            for version in pointing(uow, "ServiceRequest", "supporting-info", f"Consent/{id}"):
                found[version.id] = None
        elif type in FOLLOWING:
            for target in resource.get("basedOn", ()):
                found[split(target.get("reference", ""))[1]] = None
    return [lane for lane in found if lane]
