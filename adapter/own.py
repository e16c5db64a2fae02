"""What a clinic's own software gets on `/fhir`: what the clinic wrote, whole, and the directory. What belongs to a referral on
which a deny holds against the clinic itself, as an opposition to everyone does, is absent here as from its view (workflow.md 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from adapter import refusal
from adapter.audit import events
from adapter.audit.queries import cleaned
from adapter.consent import may_deny
from adapter.dossier import content, follow, lanes, split
from adapter.ports import Clause, Principal, Query, Resource, Uow, Version
from adapter.showing import Window
from adapter.writing import DIRECTORY, patient_of

OF_REFERRAL = ("ServiceRequest", "Task", "Consent", "Procedure", "Communication", "Provenance")
_ALL = 1_000_000  # Consents of the persons on one page: none is left out


@dataclass(frozen=True, slots=True)
class Own:
    window: Window

    def read(self, uow: Uow, who: Principal, type: str, id: str, *, request_id: str) -> Version | None:
        """The resource, whole; None: 404."""
        limited = self.window.limited(who, Query(type, (Clause("_id", "id", (id,)),)), "r")
        found = next(iter(uow.search(limited) if limited else []), None)
        if found is None or self.closed(uow, who, [found]):
            reason = "absent-or-not-theirs" if found is None else "opposed"
            uow.audit(events.denied(who, type, reason=reason, at=uow.at, request_id=request_id))
            return None
        uow.audit(events.access(who, found.cited, patient=patient_of(content(found)), rule=ground(type), at=uow.at, request_id=request_id))
        return found

    def search(self, uow: Uow, who: Principal, query: Query, *, request_id: str) -> tuple[list[Version], bool]:
        """One page, and whether there is more: the author's own rows only, so that no count or page depends on others."""
        limited = self.window.limited(who, query)
        read = self._open(uow, who, limited) if limited else []
        found = read[: query.count]
        about: dict[str, list[str]] = {}  # one event a patient (BALP); who was looked for in vain stands as a digest
        for version in found:
            about.setdefault(patient_of(content(version)), []).append(version.cited)
        asked, rule = cleaned(query, self.window.writer.key), ground(query.type)
        for patient, cited in (about or {"": []}).items():
            uow.audit(
                events.searched(who, query.type, found=cited, query=asked, patient=patient, rule=rule, at=uow.at, request_id=request_id)
            )
        return found, len(read) > query.count

    def _open(self, uow: Uow, who: Principal, query: Query) -> list[Version]:
        """The first rows that are not closed, one more than a page has where there are."""
        found: list[Version] = []
        asked = replace(query, count=query.count + 1)
        while True:
            read = uow.search(asked)
            closed = self.closed(uow, who, read, "s")
            found += [each for each in read if each.id not in closed]
            if len(found) > query.count or len(read) < asked.count:
                return found
            last = read[-1]
            asked = replace(asked, after=(last.updated.isoformat(timespec="microseconds") if query.sort else "", last.id))

    def closed(self, uow: Uow, who: Principal, versions: Sequence[Version], act: Literal["r", "s"] = "r") -> set[str]:
        """The ids among these rows that the constraints of the caller's scopes leave out, and of those that belong to a referral
        on which a deny holds against the clinic. The person and a deny itself belong to none."""
        rows = {each.id: content(each) for each in versions if each.type in OF_REFERRAL}
        denying = self._denying(uow, {patient_of(each) for each in rows.values()} - {""})
        decided: dict[str, bool] = {}
        found = {each.id for each in versions if who.limited(each.type, act) and not who.reaches(content(each), act)}
        for id, resource in rows.items():
            if (patient := patient_of(resource)) and patient not in denying:
                continue  # a Provenance and a closing notice point to no person
            for lane in _lanes(uow, resource):
                if lane not in decided:
                    decided[lane] = self._denied(uow, who, lane)
                if decided[lane]:
                    found.add(id)
        return found

    def _denied(self, uow: Uow, who: Principal, lane: str) -> bool:
        request = follow(uow, f"ServiceRequest/{lane}")
        return request is not None and refusal.denied(uow, self.window.network, content(request), refusal.parties(who))

    def _denying(self, uow: Uow, patients: set[str]) -> set[str]:
        """Those of them with a Consent in force that may deny anything: of the others no referral need be looked at."""
        if not patients:
            return set()
        clauses = (Clause("patient", "reference", tuple(sorted(patients))), Clause("status", "token", ("active",)))
        consents = map(content, uow.search(Query("Consent", clauses, count=_ALL)))
        return {patient_of(each) for each in consents if may_deny(each)}


def _lanes(uow: Uow, resource: Resource) -> list[str]:
    """The requests that a resource belongs to."""
    if resource["resourceType"] != "Provenance":
        return lanes(uow, [resource])
    targets = (split(str(each.get("reference", ""))) for each in resource.get("target", ()))
    return lanes(uow, [{"resourceType": type, "id": id} for type, id in targets if type in ("ServiceRequest", "Consent")])


def ground(type: str) -> str:
    """What permits a clinic's own software to read a type: it is its author, or it is the directory."""
    return "directory" if type in DIRECTORY else "basis:author"
