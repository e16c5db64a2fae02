"""What a unit or a prescriber gets as lists: the worklist, the closing notices, the information that is owed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from adapter import lifecycle
from adapter.audit import events
from adapter.clock import instant
from adapter.dossier import Dossier, content
from adapter.look import Revealed
from adapter.network import PRESCRIBER
from adapter.ports import Clause, Principal, Query, Resource, Uow
from adapter.referral import codes
from adapter.referral.spoken import of_task
from adapter.showing import Window
from adapter.views import brief, card, pairwise


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
        """The referrals the caller may see, and a pool has accepted, whose written information is unpaid after 8 days, longest
        first: id, reference and since when (workflow.md 4). None: the view is not the caller's."""
        if not self.window.holder(who, view):
            return None
        found = []
        for dossier in self.window.dossiers(uow, who, view):
            since = lifecycle.owed_since(uow, dossier, self.window.writer.systems)
            if since and self.window.stage(uow, view, dossier) == "open" and self.window.decision(uow, who, view, dossier).permit:
                holder = who.organisation if view == PRESCRIBER else dossier.owner
                own = pairwise(self.window.writer.key, holder, "Task", dossier.task["id"])
                found.append({"id": own, "reference": of_task(dossier.task), "what": "information", "since": instant(since)})
        uow.audit(events.act(who, "information-owed", at=uow.at, request_id=request_id, details=[("count", str(len(found)))]))
        return sorted(found, key=lambda each: each["since"])

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
