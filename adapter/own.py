"""What a clinic's own software gets on `/fhir`: what the clinic wrote, whole, and the directory. What belongs to a referral on
which a deny holds against the clinic itself, as an opposition to everyone does, is absent here as from its view (workflow.md 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from adapter import refusal
from adapter.audit import events
from adapter.audit.queries import cleaned
from adapter.consent import may_deny
from adapter.dossier import content, follow, lanes, patient_of, split
from adapter.errors import Malformed
from adapter.fhir import joins
from adapter.ports import Clause, Found, Principal, Query, Resource, Uow, Version
from adapter.showing import Window
from adapter.writing import DIRECTORY

BASED = ("Appointment", "Observation", "QuestionnaireResponse")  # what points to a request as well
OF_REFERRAL = ("ServiceRequest", "Task", "Consent", "Procedure", "Communication", "Provenance", *BASED)
COUNTED = 10_000  # resources of referrals that are looked at one by one to be counted
_ALL = 1_000_000  # Consents of the persons on one page: none is left out
_CHAINED = 100  # resources that a chain may lead to
_PAGE = 500


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

    def search(self, uow: Uow, who: Principal, query: Query, *, request_id: str) -> Found:
        """One page of the author's own rows only, so that no count or page depends on others, with what comes along with them. Raises
        Malformed (too-costly) where a chain leads to too many, or too many are to be counted."""
        resolved = self._resolved(uow, who, query)
        limited = self.window.limited(who, resolved) if resolved else None
        about: dict[str, str] = {}
        read = self._open(uow, who, limited, about) if limited and query.count else []
        matches = read[: query.count]
        along = self._along(uow, who, query, matches)
        total = None if query.total == "none" else self._counted(uow, who, limited) if limited else 0
        self._recorded(uow, who, query, [*matches, *along], about, request_id=request_id)
        return Found(tuple(matches), tuple(along), len(read) > query.count > 0, total)

    def _recorded(self, uow: Uow, who: Principal, query: Query, given: list[Version], about: dict[str, str], *, request_id: str) -> None:
        """One event a patient and ground (BALP); who was looked for in vain stands as a digest."""
        cases: dict[tuple[str, str], list[str]] = {}
        for version in given:
            cases.setdefault((_patient(version, about), ground(version.type)), []).append(version.cited)
        asked = cleaned(query, self.window.writer.key)
        for (patient, rule), cited in (cases or {("", ground(query.type)): list[str]()}).items():
            uow.audit(
                events.searched(who, query.type, found=cited, query=asked, patient=patient, rule=rule, at=uow.at, request_id=request_id)
            )

    def _resolved(self, uow: Uow, who: Principal, query: Query) -> Query | None:
        """The query with each chain as the references that it leads to among what the caller may see; None: to none."""
        clauses = []
        for clause in query.clauses:
            if clause.chain is not None:
                param, type = clause.chain
                asked = replace(clause, param=clause.param.partition(".")[2], chain=None)
                found = self._visible(uow, who, Query(type, (asked,), count=_CHAINED))
                if not found:
                    return None
                if len(found) > _CHAINED:
                    raise Malformed(f"leads to more than {_CHAINED} resources; expected a narrower condition", expression=clause.param, code="too-costly")
                clause = Clause(param, "reference", tuple(each.reference for each in found))
            clauses.append(clause)
        return replace(query, clauses=tuple(clauses))

    def _visible(self, uow: Uow, who: Principal, query: Query) -> list[Version]:
        """What a search of the caller's would find, one more than a page has where there are."""
        limited = self.window.limited(who, query)
        return self._open(uow, who, limited) if limited else []

    def _along(self, uow: Uow, who: Principal, query: Query, matches: list[Version]) -> list[Version]:
        """What comes along with the matches, each once, by the rule of a search of its own type."""
        found: dict[str, Version] = {}
        for include in query.includes if matches else ():
            if include.reverse:
                wanted = {include.type: [each.reference for each in matches]}
            else:
                wanted = {}
                for reference in dict.fromkeys(each for match in matches for each in joins.named(content(match), include)):
                    wanted.setdefault(split(reference)[0], []).append(reference)
            for type, references in wanted.items():
                for part in batched(references):
                    clause = Clause(include.param, "reference", part) if include.reverse else Clause("_id", "id", tuple(split(each)[1] for each in part))
                    found |= {each.reference: each for each in self._every(uow, who, Query(type, (clause,), count=_PAGE))}
        return [each for reference, each in found.items() if reference not in {match.reference for match in matches}]

    def _every(self, uow: Uow, who: Principal, query: Query) -> Iterator[Version]:
        """All pages of `_visible`."""
        while True:
            read = self._visible(uow, who, query)
            yield from read[: query.count]
            if len(read) <= query.count:
                return
            query = replace(query, after=(read[query.count - 1].key, read[query.count - 1].id))

    def _counted(self, uow: Uow, who: Principal, query: Query) -> int | None:
        """How many the pages would have in all."""
        every = replace(query, sort="", count=_PAGE, after=None)
        if query.type not in OF_REFERRAL:
            return uow.count(every)
        number = 0
        while True:  # what is closed is told by its content
            read = self._open(uow, who, every)
            number += min(len(read), _PAGE)
            if len(read) <= _PAGE:
                return number
            if number >= COUNTED:
                if query.total == "estimate":
                    return None
                raise Malformed(f"more than {COUNTED} match; expected a narrower search to be counted", expression="_total", code="too-costly")
            every = replace(every, after=(read[_PAGE - 1].key, read[_PAGE - 1].id))

    def _open(self, uow: Uow, who: Principal, query: Query, about: dict[str, str] | None = None) -> list[Version]:
        """The first rows that are not closed, one more than a page has where there are. `about`: see `closed`."""
        found: list[Version] = []
        asked = replace(query, count=query.count + 1)
        while True:
            read = uow.search(asked)
            closed = self.closed(uow, who, read, "s", about)
            found += [each for each in read if each.id not in closed]
            if len(found) > query.count or len(read) < asked.count:
                return found
            asked = replace(asked, after=(read[-1].key, read[-1].id))

    def closed(
        self, uow: Uow, who: Principal, versions: Sequence[Version], act: Literal["r", "s"] = "r", about: dict[str, str] | None = None
    ) -> set[str]:
        """The ids among these rows that the constraints of the caller's scopes leave out, and of those that belong to a referral
        on which a deny holds against the clinic. The person and a deny itself belong to none. `about`: whom a version (as it is
        cited) is about, as far as somebody looked; what is learnt here is added."""
        about = {} if about is None else about
        rows = [each for each in versions if each.type in OF_REFERRAL]
        denying = self._denying(uow, {_patient(each, about) for each in rows} - {""})
        decided: dict[str, bool] = {}
        found = {each.id for each in versions if who.limited(each.type, act) and not who.reaches(content(each), act)}
        for each in rows:
            if (patient := _patient(each, about)) and patient not in denying:
                continue  # a Provenance and a closing notice point to no person
            for lane in _lanes(uow, content(each)):
                if lane not in decided:
                    decided[lane] = self._denied(uow, who, lane)
                if decided[lane]:
                    found.add(each.id)
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


def _patient(version: Version, about: dict[str, str]) -> str:
    """Whom it is about: each version is parsed once."""
    if (found := about.get(version.cited)) is None:
        found = about[version.cited] = patient_of(content(version))
    return found


def _lanes(uow: Uow, resource: Resource) -> list[str]:
    """The requests that a resource belongs to."""
    if resource["resourceType"] in BASED:
        based = (split(str(each.get("reference", ""))) for each in resource.get("basedOn", ()))
        return [id for type, id in based if type == "ServiceRequest"]
    if resource["resourceType"] != "Provenance":
        return lanes(uow, [resource])
    targets = (split(str(each.get("reference", ""))) for each in resource.get("target", ()))
    return lanes(uow, [{"resourceType": type, "id": id} for type, id in targets if type in ("ServiceRequest", "Consent")])


def ground(type: str) -> str:
    """What permits a clinic's own software to read a type: it is its author, or it is the directory."""
    return "directory" if type in DIRECTORY else "basis:author"


def batched(references: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """As many at a time as one statement asks for."""
    return (tuple(references[start : start + _PAGE]) for start in range(0, len(references), _PAGE))
