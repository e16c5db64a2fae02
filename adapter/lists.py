"""What a unit or a prescriber gets as lists: the worklist, the closing notices, what is owed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from adapter import lifecycle
from adapter.audit import events
from adapter.clock import instant
from adapter.dossier import Dossier, coded, content
from adapter.look import Revealed
from adapter.network import PRESCRIBER
from adapter.ports import Clause, Principal, Query, Resource, Uow
from adapter.referral import codes
from adapter.referral.due import contact_awaited
from adapter.referral.spoken import of_task
from adapter.referral.states import TERMINAL
from adapter.showing import Window
from adapter.views import brief, card, pairwise
from adapter.writing import DIRECTORY

DEADLINE = "deadline"
SAID = {codes.WAITS: "answer", codes.HALF: "half-time", codes.SECOND: "second-person", codes.DUE: DEADLINE}


@dataclass(frozen=True, slots=True)
class Lists:
    """Each through the window, decided and recorded like a single look. None: the view is not the caller's (404)."""

    window: Window

    def worklist(self, uow: Uow, who: Principal, view: str, *, lang: str, request_id: str) -> list[Revealed] | None:
        """Every referral that may be shown now, newest first, as a line (workflow.md 6); what a line does not say is not disclosed."""
        if not self.window.holder(who, view):
            self.window.refused(uow, who, view, "view-not-assigned", request_id=request_id)
            return None
        lines = (self._line(uow, who, view, each, lang=lang, request_id=request_id) for each in self.window.dossiers(uow, who, view))
        found = [each for each in lines if each]
        if not found:  # that there is nothing is an answer too, and leaves its event
            uow.audit(events.act(who, "worklist", at=uow.at, request_id=request_id, details=[("view", view), ("count", "0")]))
        return found

    def _line(self, uow: Uow, who: Principal, view: str, dossier: Dossier, *, lang: str, request_id: str) -> Revealed | None:
        look, revealed = self.window.seen(uow, who, view, dossier, lang=lang)
        seen, facts = self.window.views[look.view], look.facts
        if revealed and facts and seen.line:
            look = replace(look, resources=brief(look.resources, seen, facts))
            line = card(seen, look.resources, facts=facts, lang=lang, fields=seen.line)
            revealed = replace(revealed, card=line, resources=look.resources)
        self.window.told(uow, who, look, request_id=request_id)
        return revealed

    def notices(self, uow: Uow, who: Principal, view: str, *, lang: str = "fr", request_id: str = "") -> list[dict[str, Any]] | None:
        if not self.window.holder(who, view):
            return None
        notices = self.closing(uow, who, view)
        uow.audit(events.act(who, "closing-notices", at=uow.at, request_id=request_id, details=[("count", str(len(notices)))]))
        said = self.window.views[view].closed.get(lang) or self.window.views[view].closed["fr"]
        return [
            {"reference": each["payload"][0]["contentString"], "sent": each["sent"], "read": each.get("received", ""), "text": said}
            for each in notices
        ]

    def owed(self, uow: Uow, who: Principal, view: str, *, request_id: str) -> list[dict[str, Any]] | None:
        """What the referrals that the caller may see still want, longest first: id, reference, `what` and since when. information: the
        written sheet is unpaid after 8 days (workflow.md 4; a pool owes it once it accepted); answer, half-time, second-person,
        deadline: as was said when time had passed (3), the last with the `phone` of the other side where the view has it; no-shows:
        the unit may cancel after the third. None: the view is not the caller's."""
        if not self.window.holder(who, view):
            return None
        found = []
        for dossier in self.window.dossiers(uow, who, view):
            wants = list(self._wants(uow, view, dossier))
            if not wants or not self.window.decision(uow, who, view, dossier).permit:
                continue
            holder = who.organisation if view == PRESCRIBER else dossier.owner
            own = {"id": pairwise(self.window.writer.key, holder, "Task", dossier.task["id"]), "reference": of_task(dossier.task)}
            for what, since in wants:
                phone = self._phone(uow, who, view, dossier, request_id=request_id) if what == DEADLINE else ""
                found.append({**own, "what": what, "since": since, **({"phone": phone} if phone else {})})
        uow.audit(events.act(who, "information-owed", at=uow.at, request_id=request_id, details=[("count", str(len(found)))]))
        return sorted(found, key=lambda each: each["since"])

    def _wants(self, uow: Uow, view: str, dossier: Dossier) -> Iterator[tuple[str, str]]:
        """(what, since when as a FHIR instant) of one referral."""
        systems = self.window.writer.systems
        since = lifecycle.owed_since(uow, dossier, systems)
        if since and self.window.stage(uow, view, dossier) == "open":
            yield "information", instant(since)
        task, business = dossier.task, systems.code("business-status")
        said = {what: str(each.get("sent", each["meta"]["lastUpdated"])) for what, each in lifecycle.reminders(dossier, self.window.writer.key).items()}
        if codes.WAITS in said and task["status"] == "requested":
            yield SAID[codes.WAITS], said[codes.WAITS]
        pressing = [code for code in codes.ESCALATIONS if code in said]
        if pressing and contact_awaited(task, business):
            yield SAID[pressing[-1]], said[pressing[-1]]
        if view != PRESCRIBER and task["status"] not in TERMINAL and codes.ABSENT[-1] in coded(task.get("businessStatus"), business):
            yield "no-shows", task["lastModified"]

    def _phone(self, uow: Uow, who: Principal, view: str, dossier: Dossier, *, request_id: str) -> str:
        """Where the other side is called, as the caller's card has it; a disclosure of the parties alone."""
        look, revealed = self.window.seen(uow, who, view, dossier, lang="fr")
        found = revealed.card.get("recipient" if view == PRESCRIBER else "prescriber", {}).get("phone", "") if revealed else ""
        if found:
            parties = tuple(each for each in look.resources if each["resourceType"] in DIRECTORY)
            self.window.told(uow, who, replace(look, resources=parties), request_id=request_id)
        return str(found)

    def closing(self, uow: Uow, who: Principal, view: str) -> list[Resource]:
        """The closing notices of the caller's units, as they are stored; none where the view is not the caller's."""
        if not self.window.holder(who, view):
            return []
        units = tuple(f"HealthcareService/{unit}" for unit in self.window.units(who))
        if not units:  # a practice may have none
            return []
        kind = (f"{self.window.writer.systems.code('communication')}|{codes.CLOSING}",)
        found = uow.search(Query("Communication", (Clause("recipient", "reference", units), Clause("category", "token", kind))))
        return [content(version) for version in found]

