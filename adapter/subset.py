"""What a social service's own software gets on `/fhir`: the projection of its view, never the whole resource.

Ids are the caller's own, searches and versions are evaluated on what it may see and on nothing else (workflow.md 6): the
answer is the same whatever is hidden.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from adapter.audit import events
from adapter.audit.queries import cleaned
from adapter.dossier import content, patient_of
from adapter.errors import Malformed
from adapter.fhir import CORE_TYPES, dumps, joins
from adapter.fhir.matching import matches
from adapter.look import Look
from adapter.ports import Clause, Found, Principal, Query, Resource, Uow, Version
from adapter.showing import Window

Seen = tuple[Version, Look]


@dataclass(frozen=True, slots=True)
class Met:
    """One page of matches, all that was seen of the types asked for by reference, how many match in all and as far as the page."""

    matches: tuple[Seen, ...] = ()
    seen: Mapping[str, list[Seen]] = field(default_factory=dict)
    total: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Subset:
    """The caller's own small server, made anew for every request from the referrals it holds."""

    window: Window

    def read(self, uow: Uow, who: Principal, type: str, id: str, *, request_id: str) -> Version | None:
        """The resource under the caller's own id; None: 404. Recorded as a read and a disclosure, or as refused."""
        found = self.seen(uow, who, type, id, request_id=request_id)
        if found is None:
            uow.audit(events.denied(who, type, reason="absent-or-not-theirs", at=uow.at, request_id=request_id))
            return None
        version, look = found
        self.window.told(uow, who, look, request_id=request_id)
        patient = patient_of(look.dossier.request)
        uow.audit(events.access(who, version.cited, patient=patient, rule="view", at=uow.at, request_id=request_id))
        return version

    def seen(self, uow: Uow, who: Principal, type: str, id: str, *, request_id: str) -> Seen | None:
        """The same, and the look that it comes from, for who does not give it out: only what is denied is recorded."""
        return next(iter(self._met(uow, who, Query(type, (Clause("_id", "id", (id,)),)), "r", request_id=request_id).matches), None)

    def search(self, uow: Uow, who: Principal, query: Query, *, request_id: str) -> Found:
        """One page of what is visible and meets the query, by id, with what comes along of the same looks. Raises Malformed (400)
        for a parameter or an order that the caller's view does not offer, whatever there is to find."""
        met = self._met(uow, who, query, "s", request_id=request_id)
        along = _along(query, met)
        self._recorded(uow, who, query, [look for _, look in (*met.matches, *along)], request_id=request_id)
        total = None if query.total == "none" else met.total
        return Found(tuple(each for each, _ in met.matches), tuple(each for each, _ in along), met.total > met.last and query.count > 0, total)

    def _met(self, uow: Uow, who: Principal, query: Query, act: Literal["r", "s"], *, request_id: str) -> Met:
        """The page with the look that each came from; what was denied on the way is recorded."""
        view = self.window.network.view_of(who.organisation)
        if view is None or not who.may(query.type, act):
            return Met()
        self._offered(view, query)
        after = query.after[1] if query.after else ""
        types = {query.type, *(each for each in CORE_TYPES if query.includes and who.may(each, act))}
        seen: dict[str, list[Seen]] = {}
        for dossier in self.window.dossiers(uow, who, view, _task(query)):
            look = self.window.look(uow, who, view, dossier, lang="fr")
            if not look.decision.permit:
                self.window.told(uow, who, look, request_id=request_id)
            for version in (_version(uow, each) for each in look.resources if each["resourceType"] in types and who.reaches(each, act)):
                seen.setdefault(version.reference, []).append((version, look))
        met = sorted({each.id for of in seen.values() for each, _ in of if matches(content(each), query)})
        page = [id for id in met if id > after][: query.count]
        given = [_fullest([one for one in seen[f"{query.type}/{id}"] if matches(content(one[0]), query)]) for id in page]
        last = len([id for id in met if id <= (page[-1] if page else after)])
        return Met(tuple(given), seen, len(met), last)

    def _recorded(self, uow: Uow, who: Principal, query: Query, looks: list[Look], *, request_id: str) -> None:
        """A disclosure for each referral that something was given of, the search once a patient."""
        for look in {look.dossier.lane: look for look in looks}.values():
            self.window.told(uow, who, look, request_id=request_id)
        asked = cleaned(query, self.window.writer.key)
        for patient in dict.fromkeys(patient_of(look.dossier.request) for look in looks) or ("",):
            uow.audit(events.searched(who, query.type, query=asked, patient=patient, rule="view", at=uow.at, request_id=request_id))

    def _offered(self, view: str, query: Query) -> None:
        offered = self.window.views[view].search.get(query.type, ()) if view in self.window.views else ()
        for clause in query.clauses:
            if clause.param not in offered and clause.param != "_id":
                raise Malformed(f"offered to this client are {', '.join(sorted({'_id', *offered}))}", code="not-supported")
        if query.sort:
            raise Malformed("this client's answers come in the order of their ids", expression="_sort", code="not-supported")


def visible(uow: Uow, look: Look, who: Principal, type: str) -> Iterator[Version]:
    """What a look shows of one type to this caller's searches, in the version that it knows."""
    return (_version(uow, each) for each in look.resources if each["resourceType"] == type and who.reaches(each, "s"))


def _fullest(seen: Sequence[Seen]) -> Seen:
    """Of one resource in several looks the one that tells most."""
    return max(seen, key=lambda one: len(one[0].served))


def _along(query: Query, met: Met) -> list[Seen]:
    """What comes along with the matches: what their references as shown name, and what is shown to name them."""
    matched = {version.reference for version, _ in met.matches}
    found: dict[str, None] = {}
    for include in query.includes:
        if include.reverse:
            shown = ((reference, each) for reference, of in met.seen.items() if reference.startswith(f"{include.type}/") for each, _ in of)
            found |= {reference: None for reference, each in shown if not matched.isdisjoint(joins.named(content(each), include))}
        else:
            found |= {each: None for version, _ in met.matches for each in joins.named(content(version), include) if each in met.seen}
    return [_fullest(met.seen[reference]) for reference in found if reference not in matched]


def _task(query: Query) -> str:
    """The id, where the query is about one Task alone: that one is found without looking at the others."""
    if query.includes:
        return ""
    ids = [clause.values for clause in query.clauses if clause.kind == "id" and not clause.modifier]
    return ids[0][0] if query.type == "Task" and len(ids) == 1 and len(ids[0]) == 1 else ""


def _version(uow: Uow, resource: Resource) -> Version:
    """The resource as a version whose number follows from what is visible: a hidden edit does not show (M-12)."""
    number = int.from_bytes(hashlib.sha256(dumps(resource)).digest()[:6])
    type, id, meta = resource["resourceType"], resource["id"], {"versionId": str(number), **resource.get("meta", {})}
    return Version(type, id, number, uow.at, "", dumps({"resourceType": type, "id": id} | resource | {"meta": meta}))
