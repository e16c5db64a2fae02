"""The only way out: view ∩ consent (or another basis) ∩ scope, decided at the moment of looking, and audited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from adapter import hearsay
from adapter.audit import events
from adapter.consent import anchored, decide, denial, fresh, may_deny, members, team, urgencies
from adapter.dossier import Dossier, content, follow, load, patient_of, split
from adapter.errors import Malformed
from adapter.look import Asked, Bounds, Look, Revealed
from adapter.mapping import Terms
from adapter.names import ACT_REASON
from adapter.network import PRESCRIBER, Network
from adapter.ports import Ask, Basis, Clause, Decision, Letter, Principal, Query, Resource, Uow, Version
from adapter.referral import states
from adapter.referral.scene import SOCIAL_ASSESSMENT
from adapter.scopes import common
from adapter.sight import Sight
from adapter.sync.cursors import Cursor, cursor_name
from adapter.views import Glass, View, card, classes, etag, project
from adapter.writing import AUTHOR, DIRECTORY, HIDDEN, HOLDER, KEEPER, Writer, withdrawn

EHR_VIEW = "dossier-clinique"
MOST = 1000  # referrals of one list
TRAITS = ("D1", "D2")  # at most, of a patient who is looked for: names and numbers, date of birth and sex
TEAM_VIEW, OUTSIDE_VIEW = "as-msp-equipe", "as-carsat"  # who is not of the person's team sees the second (workflow.md 5)


@dataclass(frozen=True)
class Window:
    """Decides and projects. Whatever it answers None to is a 404 for the caller; the audit holds the difference."""

    network: Network
    views: Mapping[str, View]
    terms: Terms
    writer: Writer
    bounds: Bounds = field(default_factory=Bounds)

    @cached_property
    def sight(self) -> Sight:
        return Sight(self.network, self.terms, self.writer)

    def verbs(self, view: str) -> tuple[str, ...]:
        return self.views[view].writes

    def known(self, table: str, code: str) -> bool:
        found = self.terms.get(table)
        return found is not None and code in found

    def snomed(self, outcome: str) -> str:
        """The SNOMED procedure of an outcome code."""
        term = self.terms["outcome"].get(outcome)
        return str(term.properties["snomed"]) if term else SOCIAL_ASSESSMENT

    def label(self, table: str, code: str) -> str:
        return self.terms.label(table, code)

    def own_needs(self, look: Look) -> dict[str, tuple[str, ...]]:
        """Neutral code → the request's own codes behind it: for the practice all of them, for a recipient those that it is shown
        while the referral is open, so that a need it may not see is to its acts as one that is not there."""
        glass = Glass(self.views[look.view], look.facts) if look.facts and look.facts.stage != "closed" else None
        found: dict[str, tuple[str, ...]] = {}
        for code in self.sight.asked(look.dossier):
            if look.view == PRESCRIBER or (glass and not glass.need_kept(code)):
                neutral = self.terms.neutral(code)
                found[neutral] = (*found.get(neutral, ()), code)
        return found

    # ── one referral, all referrals ──────────────────────────────────────────────────────────────
    def find(
        self, uow: Uow, who: Principal, view: str, id: str, *, lang: str, request_id: str, demanded: frozenset[str] = frozenset()
    ) -> tuple[Dossier | None, Revealed | None]:
        """The referral behind a view's own id, and what of it may be shown. (None, None) or (dossier, None): 404. Raises
        Malformed for a data class that the caller's view has nothing of on demand."""
        if self.holder(who, view) and (wrong := demanded - self.views[view].on_demand):
            offered = ", ".join(sorted(self.views[view].on_demand)) or "nothing"
            raise Malformed(f"{len(wrong)} of the classes asked for are not shown on demand in this view; it shows {offered}", expression="demand")
        tasks, hidden = (self._known_as(uow, who, view, index, f"|{id}") for index in (HOLDER, HIDDEN))
        dossier = load(uow, tasks[0].id if tasks else "")  # nothing takes the statements of something (U-05)
        if dossier is None:
            reason = "absent" if not hidden else "draft" if content(hidden[0])["status"] == "draft" else "withdrawn"
            self.refused(uow, who, view, reason, request_id=request_id)
            return None, None
        return dossier, self.show(uow, who, view, dossier, lang=lang, request_id=request_id, demanded=demanded)

    def refused(self, uow: Uow, who: Principal, view: str, reason: str, *, request_id: str) -> None:
        """Why it is a 404. The view is named where it is one of ours: else it is the caller's own text."""
        uow.audit(events.denied(who, "Task", reason=reason, view=view if view in self.views else "", at=uow.at, request_id=request_id))

    def dossiers(self, uow: Uow, who: Principal, view: str, id: str = "") -> list[Dossier]:
        """Every referral the caller holds in this view, newest call first, or the one it knows under `id`; whether it may
        be shown is still to be decided. No edit of what is hidden moves one in this order."""
        known = [version.id for version in self._known_as(uow, who, view, HOLDER, f"|{id}")]
        loaded = [found for task in known or ([""] if id else []) if (found := load(uow, task))]
        return sorted(loaded, key=lambda each: (_at(each, "authoredOn"), each.task["id"]), reverse=True)

    def _known_as(self, uow: Uow, who: Principal, view: str, index: str, value: str, *more: Clause) -> list[Version]:
        """The Tasks that the caller knows under one of its own ids. Always one statement, whatever there is."""
        holders = [who.organisation] if view == PRESCRIBER else self.units(who)
        if not self.holder(who, view):
            return []
        clause = Clause(index, "token", tuple(f"{holder}{value}" for holder in holders))
        return uow.search(Query("Task", (clause, *more), count=MOST))

    def show(
        self, uow: Uow, who: Principal, view: str, dossier: Dossier, *, lang: str, request_id: str, demanded: frozenset[str] = frozenset()
    ) -> Revealed | None:
        """`reveal` for a person or a service behind a view."""
        look, revealed = self.seen(uow, who, view, dossier, lang=lang, demanded=demanded)
        self.told(uow, who, look, request_id=request_id)
        return revealed

    def seen(
        self, uow: Uow, who: Principal, view: str, dossier: Dossier, *, lang: str, demanded: frozenset[str] = frozenset()
    ) -> tuple[Look, Revealed | None]:
        """What `show` shows, and the look behind it. Nothing of it may go out before the audit says who looked."""
        if (look := self.look(uow, who, view, dossier, lang=lang, demanded=demanded)).facts is None:
            return look, None
        made = tagged = card(self.views[look.view], look.resources, facts=look.facts, lang=lang)
        if lang != "fr" or demanded:  # one tag whatever the language and what was asked for: any of them may act on it
            french = self.look(uow, who, view, dossier, lang="fr")
            tagged = card(self.views[french.view], french.resources, facts=french.facts or look.facts, lang="fr")
        own = look.facts.pairwise("Task", dossier.task["id"])
        return look, Revealed(own, etag(tagged), made, look.resources, look.decision, self.own_needs(look))

    def look(
        self, uow: Uow, who: Principal, view: str, dossier: Dossier, *, lang: str, demanded: frozenset[str] = frozenset()
    ) -> Look:
        """Decides and projects. Nothing of it may go out before `told` has put it in the audit."""
        decision = self.decision(uow, who, view, dossier)
        if not decision.permit:
            return Look(view, dossier, decision)
        if view == TEAM_VIEW and decision.rule != "basis:team":
            view = OUTSIDE_VIEW
        holder = who.organisation if view == PRESCRIBER else dossier.owner
        if view != PRESCRIBER and (said := hearsay.limit(dossier, self.network, systems=self.writer.systems)):
            dossier = replace(dossier, patient=said)
        stage, unsafe = self.stage(uow, view, dossier), self._unsafe(uow, who, view, dossier)
        facts = self.sight.facts(uow, who, dossier, decision, holder=holder, stage=stage, lang=lang, unsafe=unsafe, demanded=demanded)
        parts = self._undenied(uow, who, view, dossier, self.parts(uow, dossier, decision))
        glass = Glass(self.views[view], facts)
        projected = [part for each in parts if (part := project(each, glass.view, facts=facts, glass=glass))]
        return Look(view, dossier, decision, facts, tuple(projected))

    def _unsafe(self, uow: Uow, who: Principal, view: str, dossier: Dossier) -> bool:
        """Whether another referral of this person that the caller may see too says not to contact them: a refuge is not to be
        read from the card beside it (france.md 3.4)."""
        if view == PRESCRIBER:
            return False
        others = self._known_as(uow, who, view, HOLDER, "|", Clause("patient", "reference", (patient_of(dossier.request),)))
        loaded = (load(uow, each.id) for each in others if each.id != dossier.task["id"])
        needs = self.views[view].unsafe_contact
        unsafe = (each for each in loaded if each and self.sight.unsafe(each, needs))
        return any(self.decision(uow, who, view, each).permit for each in unsafe)

    def told(self, uow: Uow, who: Principal, look: Look, *, request_id: str) -> None:
        """The decision and, where it is a permit, the disclosure."""
        patient, what = patient_of(look.dossier.request), look.dossier.task_version.cited
        uow.audit(events.decided(who, look.decision, patient=patient, what=what, view=look.view, at=uow.at, request_id=request_id))
        if look.decision.permit:
            self._disclosed(uow, who, look, recipient=f"Organization/{who.organisation}", request_id=request_id)

    def letter(self, uow: Uow, letter: Letter, dossier: Dossier) -> Resource | None:
        """What of the letter's resource may leave for the clinic's EHR now; None: nothing may. Reads only: `leaving` records
        the disclosure, before it happens."""
        if not self._may_leave(uow, letter, dossier, tried=letter.attempts > 0 or letter.fence > 1):
            return None
        found = next(iter(self._letter_look(uow, letter, dossier)[1].resources), None)
        return _known_there(uow, letter, found) if found and withdrawn(dossier.told) else found

    def leaving(self, uow: Uow, letter: Letter, dossier: Dossier, *, seeking: bool = False) -> bool:
        """Whether the letter's resource (`seeking`: the traits to look for its patient by) may leave at this moment; then the
        disclosure is recorded in this unit."""
        who, look = self._letter_look(uow, letter, dossier)
        if not look.decision.permit or not self._may_leave(uow, letter, dossier):
            return False
        self._disclosed(uow, who, look, recipient=letter.ehr, request_id=letter.request_id, seeking=seeking)
        return True

    def _may_leave(self, uow: Uow, letter: Letter, dossier: Dossier, *, tried: bool = False) -> bool:
        """What was withdrawn is told where it was sent before, or may have been (`tried`: then it is looked for); nothing
        of it arrives anywhere for the first time."""
        first = uow.link(letter.ehr, letter.type, letter.id) is None
        return self.writer.may_leave(dossier, known=not first) and (tried or not first or not withdrawn(dossier.told))

    def _letter_look(self, uow: Uow, letter: Letter, dossier: Dossier) -> tuple[Principal, Look]:
        """Who gets the letter, and what of its resource may leave for them now. Within one unit it is decided once."""
        known: tuple[Dossier, tuple[Principal, Look]] | None = uow.memo.get((letter.ehr, letter.type, letter.id))
        if known is None or known[0] is not dossier:
            known = uow.memo[letter.ehr, letter.type, letter.id] = dossier, self._letter_looked(uow, letter, dossier)
        return known[1]

    def _letter_looked(self, uow: Uow, letter: Letter, dossier: Dossier) -> tuple[Principal, Look]:
        who = self.ehr_principal(letter.ehr, dossier.clinic)
        linked = uow.link(letter.ehr, "Task", dossier.task["id"]) is not None
        decision = self.decision(uow, who, EHR_VIEW, dossier, linked=linked)
        stored = uow.current(letter.type, letter.id)
        if not decision.permit or stored is None:
            return who, Look(EHR_VIEW, dossier, decision)
        facts = self.sight.facts(uow, who, dossier, decision, holder="", stage=self.stage(uow, EHR_VIEW, dossier), lang="fr")
        left = self._undenied(uow, who, EHR_VIEW, dossier, iter([content(stored)]), linked=linked)
        found = next((project(each, self.views[EHR_VIEW], facts=facts) for each in left), None)
        return who, Look(EHR_VIEW, dossier, decision, facts, (found,) if found else ())

    def ehr_principal(self, ehr: str, clinic: str) -> Principal:
        return Principal(f"ehr-{ehr}", clinic, role="device")

    def identity_shown(self, uow: Uow, dossier: Dossier) -> bool:
        """Whether the recipient has been shown who it is: a named unit from the start, a pool once it accepted. What ended may
        have ended as an offer: its versions tell."""
        unit, status = self.network.unit(dossier.owner), dossier.task["status"]
        if status in states.TERMINAL and not (unit and unit.stage == "named"):
            return any(content(each)["status"] in states.TAKEN for each in uow.history("Task", dossier.task["id"]) if not each.deleted)
        return status in states.TAKEN or (status != "draft" and unit is not None and unit.stage == "named")

    def limited(self, who: Principal, query: Query, act: Literal["r", "s"] = "s") -> Query | None:
        """The query as a clinic's own software may ask it on /fhir; None: it may see nothing of that type. Narrowed by what the
        constraints of its scopes have in common; each row is still to be held against them (`Principal.reaches`)."""
        if not own(who, query.type) or not who.may(query.type, act):
            return None
        held = (Clause(name, "token" if name == "status" else "reference", values) for name, values in common(who.limits(query.type, act)))
        query = replace(query, clauses=(*query.clauses, *held))
        if query.type in ("Practitioner", "PractitionerRole"):  # a provisional doctor is for whose record tells of him
            return replace(query, clauses=(*query.clauses, Clause(AUTHOR, "token", (who.organisation, KEEPER))))
        if query.type in DIRECTORY:
            return query
        return replace(query, clauses=(*query.clauses, Clause(AUTHOR, "token", (who.organisation,))))

    # ── scope, decision, parts ───────────────────────────────────────────────────────────────────
    def holder(self, who: Principal, view: str) -> str:
        """Under whose key the caller knows referrals in this view; "" when the view is not assigned to it."""
        if view not in self.views or self.network.view_of(who.organisation) != view:
            return ""
        return who.organisation if view == PRESCRIBER else next(iter(self.units(who)), "")

    def units(self, who: Principal) -> list[str]:
        organisation = self.network.organisation(who.organisation)
        every = [unit.key for unit in organisation.units if unit.active] if organisation else []
        return [who.unit] if who.unit in every else [] if who.unit else every

    def decision(self, uow: Uow, who: Principal, view: str, dossier: Dossier, *, linked: bool = False) -> Decision:
        """May the caller see this referral in this view, now? (`decide`, on what `asked` gathers.)"""
        if who.role == "service" and "BTG" in who.purposes:
            return Decision(False, "break-glass is not offered to a social service", "break-glass")
        asked = self.asked(uow, who, view, dossier, linked=linked)
        if asked is None:
            return Decision(False, "not this unit's", "scope")
        if dossier.frozen and view not in (PRESCRIBER, EHR_VIEW):
            return Decision(False, "the EHR says that this is another person", "patient-frozen")
        if dossier.doubt and view not in (PRESCRIBER, EHR_VIEW) and dossier.task["status"] not in states.TAKEN:  # what runs already goes on
            return Decision(False, "a person has to check the identity first", "identity-doubtful")
        groups = members(dossier.teams, uow.at, zone=self.network.zone)
        found = decide(
            asked.consents, asked.bases, asked.ask, uow.at, resource=dossier.request, groups=groups, zone=self.network.zone,
            complete=asked.complete,
        )  # fmt: skip
        return (found.permit and self._denial(uow, asked, dossier, dossier.task)) or found

    def _denial(self, uow: Uow, asked: Asked, dossier: Dossier, resource: Resource) -> Decision | None:
        groups = members(dossier.teams, uow.at, zone=self.network.zone)
        return denial(asked.consents, asked.ask, uow.at, resource=resource, groups=groups, zone=self.network.zone)

    def _undenied(self, uow: Uow, who: Principal, view: str, dossier: Dossier, parts: Iterator[Resource], *, linked: bool = False) -> Iterator[Resource]:
        """Those of the referral's resources that no Consent denies to the caller by themselves."""
        asked = self.asked(uow, who, view, dossier, linked=linked) if any(map(may_deny, dossier.consents)) else None
        return (each for each in parts if asked is None or self._denial(uow, asked, dossier, each) is None)

    def asked(self, uow: Uow, who: Principal, view: str, dossier: Dossier, *, linked: bool = False) -> Asked | None:
        """What the decision on this referral is made of; None: it is not sent yet, or not to a unit of the caller's."""
        draft = dossier.task["status"] == "draft"
        author = self.writer.author(uow, dossier.request, who) == who.organisation
        ours = view in (PRESCRIBER, EHR_VIEW)
        if not ours and (draft or dossier.owner not in self.units(who)):
            return None
        actors = {f"Organization/{who.organisation}", *(f"HealthcareService/{unit}" for unit in self.units(who))}
        if who.person:
            actors |= {f"PractitionerRole/{who.person}", f"Practitioner/{who.person}"}
        ask = Ask(
            patient=patient_of(dossier.request),
            actors=frozenset(actors),
            purpose=tuple(f"{ACT_REASON}|{purpose}" for purpose in sorted(who.purposes)),
            action="disclose" if view == EHR_VIEW else "access",
        )
        bases = tuple(Basis("author", evidence) for evidence in self._bases(uow, view, dossier, author=author and ours, linked=linked))
        if view == TEAM_VIEW:
            bases += team(dossier.teams, ask, uow.at, zone=self.network.zone)
        bases += urgencies(dossier.told, dossier.request_version.reference, actors, uow.at, systems=self.writer.systems)
        complete = view == EHR_VIEW or self._heard(uow, dossier)  # the EHR that masters Consents is told its own
        return Asked(tuple(anchored(dossier.consents, dossier.request)), bases, ask, complete)

    def _heard(self, uow: Uow, dossier: Dossier) -> bool:
        """S14: whether the EHR that masters this clinic's Consents was read to the end lately."""
        ehr = self.network.ehr_of(dossier.clinic)
        if ehr is None or ehr.consents != "ehr":
            return True
        return fresh([Cursor.decode(uow.kept(cursor_name(ehr.name, "Consent"))).ran], uow.at, bound=self.bounds.consents)

    def _bases(self, uow: Uow, view: str, dossier: Dossier, *, author: bool, linked: bool) -> Iterator[str]:
        ended = dossier.task["status"] in states.TERMINAL
        if author:
            yield dossier.request_version.cited
        elif view == EHR_VIEW and linked and ended:
            yield dossier.task_version.cited  # what was sent there is told its end
        elif view not in (PRESCRIBER, EHR_VIEW) and ended and not withdrawn(dossier.told) and uow.at - _at(dossier, "lastModified") <= self.bounds.reference:
            yield dossier.task_version.cited  # its own answer: reference, dates, outcome

    def stage(self, uow: Uow, view: str, dossier: Dossier) -> Any:
        if view in (PRESCRIBER, EHR_VIEW):
            return "open"
        if dossier.task["status"] in states.TERMINAL:
            return "closed"
        return "open" if self.identity_shown(uow, dossier) else "offer"

    def parts(self, uow: Uow, dossier: Dossier, decision: Decision) -> Iterator[Resource]:
        """Every resource of the referral that a view may speak of; what of it is seen is the view's to say."""
        yield dossier.task
        yield dossier.request
        if dossier.patient:
            yield dossier.patient
        counted = {version.partition("/_history/")[0] for version in decision.versions}
        yield from (each for each in dossier.named if not counted or f"Consent/{each['id']}" in counted)
        yield from dossier.following
        for reference in (dossier.request.get("requester", {}), dossier.task.get("owner", {})):
            yield from self._directory(uow, str(reference.get("reference", "")), 2)

    def _directory(self, uow: Uow, reference: str, depth: int) -> Iterator[Resource]:
        """A party and those it belongs to."""
        found = follow(uow, reference) if split(reference)[0] in DIRECTORY else None
        if found is None:
            return
        party = content(found)
        yield party
        for element in ("practitioner", "organization", "providedBy") if depth else ():
            yield from self._directory(uow, party.get(element, {}).get("reference", ""), depth - 1)

    def _disclosed(self, uow: Uow, who: Principal, look: Look, *, recipient: str, request_id: str, seeking: bool = False) -> None:
        """The register's line: to whom, by which view, on which Consent and rule, which data classes were in it."""
        view, dossier, decision = self.views[look.view], look.dossier, look.decision
        shown = TRAITS if seeking else classes(look.resources, view, look.facts) if look.facts else ()
        uow.audit(
            events.disclosed(
                who, [dossier.task_version.cited, dossier.request_version.cited], patient=patient_of(dossier.request),
                recipient=recipient, view=view.name, view_version=str(view.version), consents=decision.versions, rule=decision.rule,
                classes=shown, demanded=sorted(look.facts.demanded.intersection(shown)) if look.facts else (),
                stage="search" if seeking else self.stage(uow, look.view, dossier),
                custodian=dossier.clinic, at=uow.at, request_id=request_id,
            )
        )  # fmt: skip


def own(who: Principal, type: str) -> bool:
    """Whether the caller's own rows of a type are given whole: a clinic's of all, a service's Subscriptions."""
    return who.role == "clinic" or (who.role == "service" and type == "Subscription")


def _at(dossier: Dossier, element: str) -> datetime:
    return datetime.fromisoformat(dossier.task[element])


def _known_there(uow: Uow, letter: Letter, resource: Resource) -> Resource:
    """Without the outputs that the EHR does not have: what was withdrawn takes them along nowhere for the first time."""
    if "output" not in resource:
        return resource
    kept = [each for each in resource["output"] if uow.link(letter.ehr, *split(each.get("valueReference", {}).get("reference", "")))]
    rest = {name: value for name, value in resource.items() if name != "output"}
    return rest | ({"output": kept} if kept else {})
