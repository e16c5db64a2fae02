"""What one organisation sees of one stored referral now, and why it does not see the rest: the very look that the doors give
(`Window.seen`), held against everything that is stored. Recorded as the officer's own access."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from adapter import dossier
from adapter.audit import events
from adapter.cli import naming
from adapter.cli.explaining import AsOf, moment
from adapter.consent import in_words
from adapter.dossier import Dossier
from adapter.errors import LiaisonError, NotFound, SettingsError
from adapter.look import Look, Revealed
from adapter.network import PRESCRIBER, Network
from adapter.ports import Clause, Decision, Principal, Query, Resource, Uow
from adapter.referral import spoken
from adapter.views import Facts, classes, pairwise
from adapter.views.matrix import Matrix
from adapter.views.why import Left, examine, places, written
from adapter.views.words import reason

if TYPE_CHECKING:
    from adapter.flows import Flows

AS_TOLD = "as told"


@dataclass(frozen=True, slots=True)
class Trial:
    """`card` is None where nothing is shown. `shown` and `left` are (resource, place…) of everything stored of the referral;
    "Patient/x as told" is the person as a call-taker's record tells. `facts`: of the look, None when it was denied."""

    who: Principal
    view: str
    version: int
    decision: Decision
    facts: Facts | None
    revealed: Revealed | None
    shown: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, Left], ...]

    def told(self, matrix: Matrix, recipient: str, *, lang: str) -> dict[str, Any]:
        """As plain values, each reason in words. Nothing of what is left out is in it but where it stands."""
        row = matrix.rows.get(recipient, {})
        return {
            "permit": self.decision.permit, "rule": self.decision.rule, "why": in_words(self.decision), "consents": self.decision.versions,
            "as": {"organisation": self.who.organisation, "unit": self.who.unit, "person": self.who.person}, "view": self.view, "version": self.version,
            "stage": self.facts.stage if self.facts else None, "basis": self.facts.basis if self.facts else None,
            "id": self.revealed.id if self.revealed else None, "etag": self.revealed.etag if self.revealed else None,
            "card": self.revealed.card if self.revealed else None,
            "shown": [{"resource": resource, "path": place} for resource, place in self.shown],
            "left_out": [
                {"resource": resource, "path": each.place, "class": each.cls, "why": each.why,
                 "text": reason(each, cell=row.get(each.cls, ""), facts=self.facts, lang=lang)}
                for resource, each in self.left
            ],
        }  # fmt: skip


def tried(story: Flows, uow: Uow, *, who: str, what: str, matrix: Matrix, lang: str, at: str = "") -> Trial:
    """The trial of one referral (`what`: Task/ID, ServiceRequest/ID, an id or a spoken reference) by one organisation, unit or
    person (`who`: a key of the network file), now or as it was `at` a time. Writes what the officer saw into the audit, nothing
    else. Raises SettingsError (a key or a time that is none), NotFound (no such referral)."""
    principal = looks_as(story.network, who)
    then = cast(Uow, AsOf(uow, moment(at, story.network.zone))) if at else uow
    if principal.person and story.network.serving(principal.person, then.at) is None:
        raise SettingsError("not in service then: no door shows this person anything", variable="--as", fix="see from and to in the network file")
    window, view = story.window, story.network.view_of(principal.organisation) or ""
    found = _referral(story, then, principal, view, what)
    if view not in window.views:
        raise SettingsError(f"it has no view ({view or 'no category'}): no door shows it anything", variable="--as", fix="name a service or a clinic")
    look, revealed = _look(story, then, principal, view, found, lang)
    trial = _trial(story, then, principal, found, look, revealed, matrix)
    shape, facts = window.views[look.view], look.facts
    seen = classes(look.resources, shape, facts) if facts else ()
    about = [("as", who), ("view", f"{shape.name}|{shape.version}"), ("rule", look.decision.rule), ("classes", ",".join(seen)), ("at", at)]
    officer, what, patient = naming.officer(), found.task_version.cited, str(found.request["subject"]["reference"])
    uow.audit(events.access(officer, what, patient=patient, rule="officer:view-try", at=uow.at))
    uow.audit(events.act(officer, "view-tried", what=what, patient=patient, at=uow.at, details=about))
    return trial


def looks_as(network: Network, who: str) -> Principal:
    """An organisation, a unit or a person of the network file as they would ask: with the purposes of their client. Raises
    SettingsError naming what there is."""
    key = who.rpartition("/")[2]
    person = network.person(key)
    unit = network.unit(person.unit if person else key)
    owner = (network.organisation_of_person(key) if person else network.organisation_of_unit(key) if unit else key) or ""
    organisation = network.organisation(owner)
    if organisation is None:
        there = ", ".join([*(each.key for each in network.organisations), *(each.key for _, each in network.units())])
        raise SettingsError("no organisation, unit or person of that key", variable="--as", fix=f"there are: {there or 'none; liaison network apply FILE'}")
    clients = [each for each in network.clients if each.active and each.organisation == organisation.key]
    theirs = next((each for each in clients if not unit or each.unit in ("", unit.key)), None)
    purposes = frozenset(theirs.purposes) if theirs else frozenset({"TREAT"})
    role = "clinic" if organisation.kind == "clinic" else "service"
    return Principal("view-try", organisation.key, unit.key if unit else None, role, person.key if person else None, purposes)


def _referral(story: Flows, uow: Uow, who: Principal, view: str, what: str) -> Dossier:
    """Of several with one spoken reference: the one they know, where they know one."""
    type, id = dossier.split(what)
    if reference := spoken.parse(what):
        clause = Clause("identifier", "token", (f"{story.writer.systems.sid('spoken')}|{reference}",))
        candidates = [each for version in uow.search(Query("Task", (clause,))) if (each := dossier.load(uow, version.id))]
        candidates.sort(key=lambda each: not _held(story, uow, who, view, each))
        found = candidates[0] if candidates else None
    else:
        found = dossier.of_request(uow, id) if type == "ServiceRequest" else dossier.load(uow, id if type == "Task" else what)
    if found is None:
        raise NotFound("no such referral; expected a spoken reference, Task/ID or ServiceRequest/ID", expression="ID")
    return found


def _held(story: Flows, uow: Uow, who: Principal, view: str, found: Dossier) -> bool:
    """Whether the door finds it for them, under the id they know it by. (Of a time that is past the index knows nothing: there the
    decision alone says it.)"""
    if isinstance(uow, AsOf):
        return story.window.decision(uow, who, view, found).permit
    holder = who.organisation if view == PRESCRIBER else found.owner
    own = pairwise(story.writer.key, holder, "Task", found.task["id"])
    return any(each.task["id"] == found.task["id"] for each in story.window.dossiers(uow, who, view, own))


def _look(story: Flows, uow: Uow, who: Principal, view: str, found: Dossier, lang: str) -> tuple[Look, Revealed | None]:
    """What the door answers: the look and the card; or the denial, when it does not even find it."""
    if _held(story, uow, who, view, found):
        return story.window.seen(uow, who, view, found, lang=lang)
    decision = story.window.decision(uow, who, view, found)
    return Look(view, found, Decision(False, "not this unit's", "scope") if decision.permit else decision), None


def _trial(story: Flows, uow: Uow, who: Principal, found: Dossier, look: Look, revealed: Revealed | None, matrix: Matrix) -> Trial:
    view, facts, stored = story.window.views[look.view], look.facts, _stored(story, uow, found, look.decision)
    parts = story.window.parts(uow, look.dossier, look.decision) if facts else []
    examined = [(_name(part, stored), examine(part, view, facts=facts, matrix=matrix)) for part in parts if facts]
    if tuple(each.shown for _, each in examined if each.shown) != look.resources:
        raise LiaisonError("what was examined is not what the door shows; please report it")
    looked_at = {name for name, _ in examined}
    shown = [(name, place) for name, each in examined for place in each.came]
    left = [(name, place) for name, each in examined for place in each.left]
    for name, resource in stored.items():
        if name not in looked_at:
            why = "denied" if facts is None else "told" if f"{name} {AS_TOLD}" in looked_at else "aside"
            left += [(name, Left(written(place), "", why)) for place in places(resource)]
    once, rest = tuple(dict.fromkeys(shown)), tuple(dict.fromkeys(left))  # a party may stand at both ends
    return Trial(who, view.name, view.version, look.decision, facts, revealed, once, rest)


def _stored(story: Flows, uow: Uow, found: Dossier, decision: Decision) -> dict[str, Resource]:
    """Everything stored of the referral by its reference: what a look is made of, agreements with others, teams, proofs of it all."""
    parts = [*story.window.parts(uow, found, decision), *story.window.parts(uow, found, Decision(False, "", ""))]
    everything = {f"{each['resourceType']}/{each['id']}": each for each in [*parts, *found.consents, *found.teams]}
    for name in list(everything):
        proofs = (dossier.content(version) for version in dossier.pointing(uow, "Provenance", "target", name))
        everything |= {f"Provenance/{each['id']}": each for each in proofs}
    return everything


def _name(part: Resource, stored: dict[str, Resource]) -> str:
    """Its reference; with AS_TOLD where it is not what is stored under that reference."""
    name = f"{part['resourceType']}/{part['id']}"
    return name if stored.get(name) == part else f"{name} {AS_TOLD}"
