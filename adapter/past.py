"""What was: older versions of what a caller of `/fhir` may read, and what became of it.

A clinic gets every version of what it wrote. A social service gets the one that it may see now and no other: a number follows
from what is visible, so an older one tells of what may not be seen any more (workflow.md 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapter.audit import events
from adapter.dossier import content, patient_of
from adapter.own import Own, ground
from adapter.ports import Principal, Query, Uow, Version
from adapter.subset import Subset
from adapter.writing import AUTHOR, KEEPER, LISTED

After = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Past:
    own: Own
    subset: Subset

    def version(self, uow: Uow, who: Principal, type: str, id: str, number: int, *, request_id: str) -> Version | None:
        """One version (vread); None: 404. One that deleted the resource comes as it is stored, without content."""
        if who.role == "service":
            now = self.subset.read(uow, who, type, id, request_id=request_id)
            return now if now and now.number == number else None
        found = uow.version(type, id, number) if self._wrote(uow, who, type, id) else None
        if found is None or not self._open(uow, who, [found]):
            uow.audit(events.denied(who, type, reason="absent-or-not-theirs", verb="vread", at=uow.at, request_id=request_id))
            return None
        uow.audit(events.access(who, found.cited, patient=_patient(found), rule=ground(type), at=uow.at, request_id=request_id, vread=True))
        return found

    def gone(self, uow: Uow, who: Principal, type: str, id: str) -> bool:
        """Whether the caller's own resource was there and is deleted (410); of others' nobody is told."""
        now = uow.current(type, id)
        return now is not None and now.deleted and self._wrote(uow, who, type, id)

    def own_word(self, uow: Uow, who: Principal, version: Version) -> bool:
        """Whether a current version is one that the caller wrote and reaches."""
        return not version.deleted and self._wrote(uow, who, version.type, version.id) and bool(self._open(uow, who, [version]))

    def history(
        self, uow: Uow, who: Principal, type: str, id: str, *, since: datetime | None, after: After | None, count: int, request_id: str
    ) -> tuple[list[Version], bool] | None:
        """One page of the versions of a resource, or ("") of all of a type, newest first, and whether there is more. None: 404."""
        if who.role == "service":
            return self._only_now(uow, who, type, id, request_id=request_id)
        marks = self._marks(who, type)
        if marks is None or (id and not self._wrote(uow, who, type, id)):
            uow.audit(events.denied(who, type, reason="absent-or-not-theirs", verb="history-instance", at=uow.at, request_id=request_id))
            return None
        read = uow.happened(type, AUTHOR, marks, id=id, since=since, after=after, count=count + 1)
        found = self._open(uow, who, read[:count])
        about: dict[str, list[str]] = {}
        for version in found:
            about.setdefault(_patient(version), []).append(version.cited)
        for patient, cited in (about or {"": []}).items():
            verb = "history-instance" if id else "history-type"
            event = events.searched(who, type, found=cited, patient=patient, rule=ground(type), at=uow.at, request_id=request_id, verb=verb)
            uow.audit(event)
        return found, len(read) > count

    def _only_now(self, uow: Uow, who: Principal, type: str, id: str, *, request_id: str) -> tuple[list[Version], bool] | None:
        if not id:
            found = self.subset.search(uow, who, Query(type, count=1000), request_id=request_id)
            return list(found.matches), found.more
        now = self.subset.read(uow, who, type, id, request_id=request_id)
        return ([now], False) if now else None

    def _marks(self, who: Principal, type: str) -> Sequence[str] | None:
        """Whose word a resource has to be for the caller to read its past; None: nobody's."""
        limited = self.own.window.limited(who, Query(type), "r")
        authors = [clause.values for clause in limited.clauses if clause.param == AUTHOR] if limited else []
        return None if limited is None else authors[0] if authors else (KEEPER, LISTED)

    def _wrote(self, uow: Uow, who: Principal, type: str, id: str) -> bool:
        return any(uow.marked(type, id, AUTHOR, author) for author in self._marks(who, type) or ())

    def _open(self, uow: Uow, who: Principal, versions: Sequence[Version]) -> list[Version]:
        """Those that no deny closes and that the caller's scopes reach."""
        kept = [each for each in versions if not each.deleted]
        closed = self.own.closed(uow, who, kept)
        return [each for each in versions if each.deleted or each.id not in closed]


def _patient(version: Version) -> str:
    return "" if version.deleted else patient_of(content(version))
