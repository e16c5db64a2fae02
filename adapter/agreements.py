"""The acts of a consent's life, carried out: written and posted by the rules of the house, and in the audit as what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapter import acts, dossier, lifecycle
from adapter.audit import events
from adapter.clock import instant
from adapter.dossier import Dossier
from adapter.network import Network
from adapter.ports import Change, Principal, Resource, Uow, Version
from adapter.referral import verbs
from adapter.showing import Window
from adapter.witness import Case
from adapter.writing import Writer, patient_of


@dataclass(frozen=True, slots=True)
class Agreements:
    """`due(unit, at, priority)`: when a unit's answer is due."""

    network: Network
    writer: Writer
    window: Window
    due: Callable[[str, datetime, str], datetime | None]

    def live(
        self, uow: Uow, who: Principal, referral: Dossier, verb: str, arguments: Mapping[str, Any], *, request_id: str = ""
    ) -> list[Version]:
        """An act in the life of the agreement (`lifecycle.ACTS`), audited as such."""
        saved = self.writer.take(uow, who, lifecycle.ACTS[verb](self.case(uow, who, referral), arguments), request_id=request_id)
        uow.audit(
            events.act(
                who, f"agreement-{verb}", what=referral.task_version.cited, patient=referral.request["subject"]["reference"], at=uow.at,
                request_id=request_id, details=lifecycle.details(arguments),
            )
        )  # fmt: skip
        return saved

    def acknowledge(self, uow: Uow, who: Principal, view: str, spoken: str, *, request_id: str = "") -> bool:
        """The caller's unit read a closing notice, named by its spoken reference. False: it has none of that reference."""
        notice = next((each for each in self.window.closing(uow, who, view) if each["payload"][0]["contentString"] == spoken), None)
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

    def case(self, uow: Uow, who: Principal, referral: Dossier) -> Case:
        return Case(
            uow, who, self.hand(uow, who, referral), self.network, self.window.terms, self.window.identity_shown, self.due
        )

    def evidence(self, uow: Uow, who: Principal, before: Resource, after: Resource, heard: Mapping[str, Any] | None) -> list[Change]:
        """The proof that a Consent may be wider than it was. Raises Invalid where none is given."""
        lane = next(iter(dossier.lanes(uow, [before])), "")
        referral = dossier.of_request(uow, lane) if lane else None
        return lifecycle.widened(self.case(uow, who, referral), before, after, heard) if referral else []

    def hand(self, uow: Uow, who: Principal, referral: Dossier) -> acts.Hand:
        return acts.Hand(referral, self.scene(uow, who), self.window.own_needs(referral), self.window.known, self.window.snomed)

    def scene(self, uow: Uow, who: Principal) -> verbs.Scene:
        """Who acts, and when: what every act writes down."""
        by = f"PractitionerRole/{who.person}" if who.person else f"Organization/{who.organisation}"
        return verbs.Scene(uow.at, by, self.writer.systems, self.window.label, self.writer.clock.new_id)
