"""What may be deleted on `/fhir`: nothing that was sent, agreed or copied, and nothing that something else still points to."""

from __future__ import annotations

from adapter import fhir
from adapter.dossier import content
from adapter.errors import Conflict, Invalid
from adapter.fhir.parameters import parameters
from adapter.ports import Clause, Query, Uow, Version

STAYS = "what others have seen stays: set its status to entered-in-error"
_ALWAYS = ("AuditEvent", "Provenance")  # what tells of the past points to what is gone, too


def check(uow: Uow, version: Version) -> None:
    """Raises Invalid where a Task was sent, a Consent was ever in force or a copy is at an EHR; Conflict (409) where something points
    to it, naming the types."""
    if _shared(uow, version):
        raise Invalid(STAYS, expression=f"{version.type}.status", detail="shared")
    if found := pointing(uow, version.reference):
        raise Conflict(f"still pointed to by: {', '.join(found)}; delete these first", expression=version.type, detail="reference")


def _shared(uow: Uow, version: Version) -> bool:
    if uow.copies(version.type, version.id):
        return True
    statuses = {content(each).get("status") for each in uow.history(version.type, version.id) if not each.deleted}
    if version.type == "Task":
        return bool(statuses - {"draft"})
    return version.type == "Consent" and bool(statuses - {"draft", "proposed", "rejected"})


def pointing(uow: Uow, reference: str) -> list[str]:
    """The types of current resources that point to `reference` ("Type/id") by a search parameter."""
    return [type for type in fhir.CORE_TYPES if type not in _ALWAYS and _points(uow, type, reference)]


def _points(uow: Uow, type: str, reference: str) -> bool:
    target = reference.partition("/")[0]
    named = [each.name for each in parameters(type).values() if each.kind == "reference" and (not each.targets or target in each.targets)]
    return any(uow.search(Query(type, (Clause(name, "reference", (reference,)),), count=1)) for name in named)
