"""The acts of a consent's life, carried out: written and posted by the rules of the house, and in the audit as what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from adapter import acts, dossier, lifecycle, takes
from adapter.audit import events
from adapter.clock import instant
from adapter.dossier import Dossier, content, patient_of
from adapter.lists import Lists
from adapter.network import Network
from adapter.ports import Change, Principal, Resource, Uow, Version
from adapter.referral import verbs
from adapter.referral.states import TERMINAL
from adapter.showing import Window
from adapter.witness import Case
from adapter.writing import Writer


@dataclass(frozen=True, slots=True)
class Agreements:
    """`due(unit, at, priority)`: when a unit's answer is due."""

    network: Network
    writer: Writer
    window: Window
    due: Callable[[str, datetime, str], datetime | None]

    def received(
        self, uow: Uow, who: Principal, changes: Sequence[Change], *, heard: Mapping[str, Any], request_id: str = ""
    ) -> list[Version]:
        """Writes changes, and what ends with them, whoever's they are (workflow.md 2 and 4): with a Task its Consents and its
        request, with a request its Task, as acts of Liaison's Device on behalf of the requester; with the agreement of the
        recipient the referral, as the person's withdrawal told to `who`."""
        consents = [current for change in changes if change.type == "Consent" and change.id and (current := uow.current("Consent", change.id))]
        before = {each.id for each in consents if not each.deleted and self._in_force(content(each), uow.at)}
        saved = self.writer.take(uow, who, changes, request_id=request_id)
        written = [content(each) for each in saved if not each.deleted]
        lost = {each["id"] for each in written if each["id"] in before and not self._in_force(each, uow.at)}
        for lane in dossier.lanes(uow, [each for each in written if each["id"] in lost or _ends(each)]):
            found = dossier.of_request(uow, lane)
            if found and (found.task["status"] in TERMINAL or found.request["status"] in verbs.VOID):
                saved += self._followed(uow, found, request_id)
            elif found and self._without_agreement(found, lost, uow.at):
                saved += self.live(uow, who, found, "withdraw", heard, request_id=request_id)
        return saved

    def _followed(self, uow: Uow, referral: Dossier, request_id: str) -> list[Version]:
        """What an end that came alone brings with it."""
        device = self.device(referral)
        changed = verbs.follow(verbs.Referral(referral.task, referral.request, referral.named), self.scene(uow, device))
        if not changed:
            return []
        saved = self.writer.take(uow, device, acts.changes(referral, changed, origin="device"), request_id=request_id)
        patient = patient_of(referral.request)
        uow.audit(events.act(device, "referral-ended", what=referral.task_version.cited, patient=patient, at=uow.at, request_id=request_id))
        return saved

    def _in_force(self, consent: Resource, at: datetime) -> bool:
        """Who ends it now takes it back (`lifecycle.narrow` refuses both alike)."""
        return lifecycle.in_force(consent, at, self.network.zone)

    def _without_agreement(self, referral: Dossier, lost: set[str], at: datetime) -> bool:
        """Whether one of the Consents `lost` was the recipient's for this referral, and it has no other."""
        own = {f"HealthcareService/{referral.owner}", f"Organization/{self.network.organisation_of_unit(referral.owner)}"}
        named = [each for each in referral.named if each.get("provision", {}).get("type") == "permit"]
        mine = [each for each in named if not (actors := _actors(each)) or actors & own]
        return any(each["id"] in lost for each in mine) and not any(self._in_force(each, at) for each in mine)

    def live(
        self, uow: Uow, who: Principal, referral: Dossier, verb: str, arguments: Mapping[str, Any], *,
        needs: Mapping[str, tuple[str, ...]] = {}, request_id: str = "",
    ) -> list[Version]:  # fmt: skip
        """An act in the life of the agreement (`lifecycle.ACTS`), audited as such. Raises Invalid for what it does not take."""
        takes.check(verb, arguments)
        saved = self.writer.take(uow, who, lifecycle.ACTS[verb](self.case(uow, who, referral, needs), arguments), request_id=request_id)
        uow.audit(
            events.act(
                who, f"agreement-{verb}", what=referral.task_version.cited, patient=referral.request["subject"]["reference"], at=uow.at,
                request_id=request_id, details=lifecycle.details(arguments),
            )
        )  # fmt: skip
        return saved

    def acknowledge(self, uow: Uow, who: Principal, view: str, spoken: str, *, request_id: str = "") -> bool:
        """The caller's unit read a closing notice, named by its spoken reference. False: it has none of that reference."""
        notice = next((each for each in Lists(self.window).closing(uow, who, view) if each["payload"][0]["contentString"] == spoken), None)
        referral = dossier.of_request(uow, dossier.split(notice["basedOn"][0]["reference"])[1]) if notice else None
        if notice is None:
            return False
        if referral is None:  # the person was erased since: the notice alone is left
            read = notice if "received" in notice else notice | {"received": instant(uow.at)}
            self.writer.take(uow, who, [Change("update", "Communication", notice["id"], read, origin="intake")], request_id=request_id)
        else:
            self.writer.take(uow, who, lifecycle.acknowledge(self.case(uow, who, referral), notice), request_id=request_id)
        what, patient = (referral.task_version.cited, patient_of(referral.request)) if referral else (f"Communication/{notice['id']}", "")
        uow.audit(events.act(who, "closing-notice-read", what=what, patient=patient, at=uow.at, request_id=request_id))
        return True

    def case(self, uow: Uow, who: Principal, referral: Dossier, needs: Mapping[str, tuple[str, ...]] = {}) -> Case:
        shown = partial(self.window.identity_shown, uow)
        return Case(uow, who, self.hand(uow, who, referral, needs), self.network, self.window.terms, shown, self.due)

    def evidence(self, uow: Uow, who: Principal, before: Resource, after: Resource, heard: Mapping[str, Any] | None) -> list[Change]:
        """The proof that a Consent may be wider than it was. Raises Invalid where none is given."""
        lane = next(iter(dossier.lanes(uow, [before])), "")
        referral = dossier.of_request(uow, lane) if lane else None
        return lifecycle.widened(self.case(uow, who, referral), before, after, heard) if referral else []

    def hand(self, uow: Uow, who: Principal, referral: Dossier, needs: Mapping[str, tuple[str, ...]] = {}) -> acts.Hand:
        """`needs`: those that the caller was shown (`Revealed.needs`); an act that names none is told none."""
        return acts.Hand(referral, self.scene(uow, who), needs, self.window.known, self.window.snomed)

    def equipped(self, uow: Uow, who: Principal, referral: Dossier, needs: Mapping[str, tuple[str, ...]], verb: str) -> acts.Hand:
        """The same, with what that verb looks at besides the referral."""
        hand = self.hand(uow, who, referral, needs)
        if verb == "progress":
            return replace(hand, booked=dossier.booked(uow, referral))
        if verb == "conclude":
            observed = dossier.pointing(uow, "Observation", "based-on", referral.request_version.reference)
            return replace(hand, observed=tuple(map(content, observed)))
        return hand

    def device(self, referral: Dossier) -> Principal:
        """Liaison's Device, on behalf of the requester's organisation (workflow.md 2)."""
        author = self.writer.organisation_of(referral.request.get("requester", {}).get("reference", ""))
        return Principal("liaison", author or referral.clinic, role="device")

    def scene(self, uow: Uow, who: Principal) -> verbs.Scene:
        """Who acts, and when: what every act writes down."""
        by = f"PractitionerRole/{who.person}" if who.person else f"Organization/{who.organisation}"
        return verbs.Scene(uow.at, by, self.writer.systems, self.window.label, self.writer.clock.new_id)


def _ends(resource: Resource) -> bool:
    """Whether something else ends with this."""
    status = resource.get("status")
    return status in (TERMINAL if resource["resourceType"] == "Task" else verbs.VOID if resource["resourceType"] == "ServiceRequest" else ())


def _actors(consent: Resource) -> set[str]:
    return {str(each.get("reference", {}).get("reference", "")) for each in consent.get("provision", {}).get("actor", ())}
