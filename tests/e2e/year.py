"""A year of referrals, played by the acts that people do on a clock that goes from one to the next; what was done is noted here, and
nothing of it is read back from the house."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapter import acts, dossier
from adapter.ports import Change, Principal
from adapter.referral import verbs
from adapter.views import pairwise
from tests.e2e.stage import CALL, CLINIC, COURSIER, GP, Stage

PARIS = ZoneInfo("Europe/Paris")
UNIT, VIEW = "coursier-rouen", "coursier-dac-asso"
PLACES = {"rouen": ("76100", "Rouen", "76540"), "sotteville": ("76300", "Sotteville-lès-Rouen", "76681"), "elbeuf": ("76500", "Elbeuf", "76231")}
# Until the first contact, from a Monday at ten: (days, at what time) and how long the unit (9 to 18) was open meanwhile.
CONTACTS = {6.0: (0, time(16), 6.0), 26.0: (1, time(12), 11.0), 47.5: (2, time(9, 30), 17.5), 78.0: (3, time(16), 33.0)}
HOLIDAYS = {date(2026, 4, 6), date(2026, 5, 25), date(2026, 7, 13), date(2026, 11, 9)}  # Mondays of weeks with a public holiday


@dataclass
class Noted:
    """One referral as it was played."""

    number: int
    asked: datetime
    kind: str
    place: str
    born: str
    contact: float = 0.0
    decided: float = 0.0
    support: float = 0.0
    kept: float = 0.0
    missed: bool = False
    result: str = ""
    declared: int | None = None


@dataclass
class Year:
    """`plan` puts acts on the calendar, `play` does them in the order of time."""

    stage: Stage
    noted: list[Noted] = field(default_factory=list)
    refused: int = 0
    _acts: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _tasks: dict[int, str] = field(default_factory=dict)

    def at(self, when: datetime, act: Callable[[], None]) -> None:
        self._acts.append((when, len(self._acts), act))

    def play(self) -> None:
        for when, _, act in sorted(self._acts, key=lambda each: each[:2]):
            self.stage.clock.set(when)
            act()

    # ── what people do ───────────────────────────────────────────────────────────────────────────
    def record(self, one: Noted) -> dict[str, Any]:
        postcode, commune, insee = PLACES[one.place]
        person = copy.deepcopy(CALL["personne"]) | {"nom": f"Fictif{one.number}", "nom_naissance": f"Fictif{one.number}", "naissance": one.born}
        person["adresse"] = {"ligne": "1 rue de l'Exemple", "code_postal": postcode, "commune": commune, "code_insee": insee}
        return {"id": f"an-{one.number}", "appel": one.asked.isoformat(), "personne": person}

    def ask(self, one: Noted) -> None:
        receipt = self.stage.call(**self.record(one))
        self._tasks[one.number] = receipt.referrals[0]["task"]
        for side in ("doctor", "patient"):
            self.stage.agree(side, record=f"an-{one.number}")

    def refuse(self, one: Noted) -> None:
        self.stage.call(**self.record(one))
        self.stage.agree("patient", agreed=False, record=f"an-{one.number}")

    def answer(self, one: Noted, verb: str, **arguments: Any) -> None:
        id = pairwise(self.stage.app.settings.key(), UNIT, "Task", self._tasks[one.number])
        shown = self.stage.see(COURSIER, VIEW, id)
        assert shown is not None
        self.stage.act(COURSIER, VIEW, shown, verb, **arguments)

    def conclude(self, one: Noted) -> None:
        """The doctor opens the referral, and says how many days in hospital it avoided."""
        shown = self.stage.see(GP, "prescripteur", pairwise(self.stage.app.settings.key(), CLINIC, "Task", self._tasks[one.number]))
        assert shown is not None
        self.stage.act(GP, "prescripteur", shown, "conclude", need="satisfait", days=one.declared)

    def end(self, one: Noted, reason: str) -> None:
        """The requester's side gives it up."""

        def done(story: Any, uow: Any) -> None:
            found = dossier.load(uow, self._tasks[one.number])
            hand = story.agreements.hand(uow, GP, found)
            story.receive(uow, GP, acts.changes(found, verbs.cancel(hand.referral, hand.scene, reason, actor="requester")))

        self.stage.app.write_now(done)

    def withdraw(self, one: Noted) -> None:
        self.answer(one, "withdraw", heard_by="coursier-lea", how="telephone")

    def bring(self, one: Noted, appointment: dict[str, Any]) -> None:
        """An Appointment of this referral as another system tells it."""

        def done(story: Any, uow: Any) -> None:
            found = dossier.load(uow, self._tasks[one.number])
            whole = appointment | {"id": story.writer.clock.new_id(), "basedOn": [{"reference": f"ServiceRequest/{found.request['id']}"}]}
            whole["participant"] = [{"actor": found.request["subject"], "status": "accepted"}]
            story.receive(uow, Principal("liaison", CLINIC, role="device"), [Change("create", "Appointment", whole["id"], whole, origin="device")])

        self.stage.app.write_now(done)

    # ── what is planned ──────────────────────────────────────────────────────────────────────────
    def plan(self, number: int, monday: date, kind: str) -> None:
        """`kind`: done-seen, done-unseen, wrong, full, running, waiting, unanswered, withdrawn, refused."""
        asked = datetime.combine(monday, time(10), PARIS)
        place = ("rouen", "rouen", "sotteville", "elbeuf")[number % 4]
        one = Noted(number, asked, kind, place, ("1938-02-03", "1950-07-09", "1939-11-30")[number % 3])
        if kind == "refused":
            self.refused += 1
            self.at(asked, lambda: self.refuse(one))
            return
        self.noted.append(one)
        self.at(asked, lambda: self.ask(one))
        if kind in ("wrong", "full"):
            one.decided = 24.0
            reason = {"wrong": "mauvaise-orientation", "full": "session-complete"}[kind]
            self.at(asked + timedelta(hours=24), lambda: self.answer(one, "decline", reason=reason))
        elif kind == "unanswered":
            self.at(asked + timedelta(days=30), lambda: self.end(one, "sans-reponse"))
        elif kind != "waiting":
            self._followed(one)

    def _followed(self, one: Noted) -> None:
        one.decided, one.contact = 2.0, list(CONTACTS)[one.number % 4]
        days, hour, _ = CONTACTS[one.contact]
        self.at(one.asked + timedelta(hours=2), lambda: self.answer(one, "accept"))
        self.at(datetime.combine(one.asked.date() + timedelta(days=days), hour, PARIS), lambda: self.answer(one, "start"))
        if one.kind == "withdrawn":
            self.at(one.asked + timedelta(days=7), lambda: self.withdraw(one))
        if not one.kind.startswith("done"):
            return
        one.support = float(14 + 3 * (one.number % 5))
        ended = one.asked.astimezone(ZoneInfo("UTC")) + timedelta(hours=2, days=one.support)
        one.result = ("satisfait", "partiel")[one.number % 2]
        self.at(ended, lambda: self.answer(one, "complete", outcome="aide-en-place", result=one.result))
        if one.kind == "done-seen":
            one.declared = one.number % 6
            self.at(ended + timedelta(days=1), lambda: self.conclude(one))
        one.kept, one.missed = float(5 + one.number % 7), one.number % 3 == 0
        start = (one.asked.astimezone(ZoneInfo("UTC")) + timedelta(days=one.kept)).isoformat()
        meetings = [{"resourceType": "Appointment", "status": "fulfilled", "start": start, "end": start}]
        meetings += [meetings[0] | {"status": "noshow"}] if one.missed else []
        for each in meetings:
            self.at(ended - timedelta(hours=1), lambda each=each: self.bring(one, each))  # type: ignore[misc]
