"""One decision on one referral as it stands, or stood, in the store: made by the same code that reveals, and told in full."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from adapter import dossier
from adapter.audit import events
from adapter.clock import instant, instant_of
from adapter.consent import considered, decide, in_words, proof
from adapter.dossier import patient_of
from adapter.errors import NotFound, SettingsError
from adapter.look import Asked
from adapter.ports import Clause, Decision, Principal, Query, Uow, Version
from adapter.referral import spoken

if TYPE_CHECKING:
    from adapter.flows import Flows

OPERATOR = Principal("liaison", "liaison", role="operator")


class AsOf:
    """A unit of work that sees each resource as it was at a time (consent.md P4). Searches find by what is indexed now, so
    only by what never changes: patient, focus, request."""

    def __init__(self, uow: Uow, at: datetime) -> None:
        self._uow, self.at = uow, at

    def current(self, type: str, id: str) -> Version | None:
        return next((version for version in self._uow.history(type, id) if version.updated <= self.at), None)

    def search(self, query: Query) -> list[Version]:
        found = (self.current(version.type, version.id) for version in self._uow.search(query))
        return [version for version in found if version and not version.deleted]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._uow, name)


def explained(story: Flows, uow: Uow, *, who: str, what: str, at: str) -> dict[str, Any]:
    """The decision, what it was made of and what each Consent said. Writes one audit event, nothing else. Raises
    SettingsError (a key or a time that is none), NotFound (no such referral at that time)."""
    principal = _principal(story, who)
    then = moment(at, story.network.zone) if at else uow.at
    past = cast(Uow, AsOf(uow, then))
    kind, id = _task(story, uow, reference) if (reference := spoken.parse(what)) else dossier.split(what)
    if kind not in ("Task", "ServiceRequest"):
        fix = "give the house's own id of the referral, or read its reference from a card, as RC-P4N"
        raise SettingsError("expected a spoken reference, Task/ID or ServiceRequest/ID", variable="--what", fix=fix)
    found = dossier.load(past, id) if kind == "Task" else dossier.of_request(past, id)
    uow.audit(events.act(OPERATOR, "consent-explain", what=f"{kind}/{id}", patient=patient_of(found.request) if found else "", at=uow.at))
    if found is None:
        text = "no such referral at that time; expected its spoken reference or the id of its Task or ServiceRequest here, or a later --at"
        raise NotFound(text, expression="--what")
    view = story.network.view_of(principal.organisation)
    if view is None:
        raise SettingsError("it has no view: it may see nothing", variable="--who", fix="give its organisation a category in the network file")
    asked = story.window.asked(past, principal, view, found)
    zone, decision = story.network.zone, Decision(False, "not sent yet, or not to a unit of theirs", "scope")
    if asked is not None:
        decision = decide(asked.consents, asked.bases, asked.ask, then, resource=found.request, zone=zone, complete=asked.complete)
    return {
        "permit": decision.permit, "reason": decision.reason, "rule": decision.rule, "why": in_words(decision),
        "versions": decision.versions, "codes": sorted(decision.codes),
        "who": who, "what": what, "view": view, "at": instant(then),
        "actors": sorted(asked.ask.actors) if asked else [],
        "bases": [asdict(basis) for basis in asked.bases] if asked else [],
        "consents": _weighed(asked, found, then, zone) if asked else [],
    }  # fmt: skip


def _task(story: Flows, uow: Uow, reference: str) -> tuple[str, str]:
    """The Task of a spoken reference, as type and id."""
    clause = Clause("identifier", "token", (f"{story.writer.systems.sid('spoken')}|{reference}",))
    found = uow.search(Query("Task", (clause,)))
    return "Task", found[0].id if found else dossier.NOBODY


def _weighed(asked: Asked, found: dossier.Dossier, at: datetime, zone: str) -> list[dict[str, Any]]:
    weighed = considered(asked.consents, asked.ask, at, resource=found.request, zone=zone)
    return [asdict(one) | {"attestation": proof.state(consent)} for one, consent in zip(weighed, asked.consents, strict=False)]


def _principal(story: Flows, who: str) -> Principal:
    """An organisation, or one of its units, as it would ask. Raises SettingsError naming what there is."""
    key = who.rpartition("/")[2]
    unit = story.network.unit(key)
    organisation = story.network.organisation(story.network.organisation_of_unit(key) or "" if unit else key)
    if organisation is None:
        there = ", ".join(each.key for each in story.network.organisations)
        raise SettingsError("no organisation or unit of that key", variable="--who", fix=f"there are: {there or 'none; liaison network apply FILE'}")
    return Principal("consent-explain", organisation.key, key if unit else None, role=organisation.kind)


def moment(text: str, zone: str) -> datetime:
    """The instant that --at says, in this zone when it names none. Raises SettingsError."""
    if (found := instant_of(text, ZoneInfo(zone))) is None:
        raise SettingsError("expected a time", variable="--at", fix="write it as 2026-03-06T18:50:00+01:00")
    return found
