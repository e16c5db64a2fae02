"""The acts a person does on a referral through a view: each verb with the arguments it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from adapter.clock import instant_of
from adapter.dossier import Dossier, coded
from adapter.errors import Invalid, told
from adapter.ports import Change, Resource
from adapter.referral import codes, verbs
from adapter.referral.concluding import check_once, conclude

Arguments = Mapping[str, Any]
Act = Callable[["Hand", Arguments], list[Resource]]
ORDER = ("Communication", "Procedure", "Appointment", "Consent", "ServiceRequest", "Provenance")  # the Task comes last


@dataclass(frozen=True, slots=True)
class Hand:
    """What an act works on. `needs` maps the neutral code of each need that the caller sees to the request's own codes;
    `known(table, code)` tells whether a table has a code, `snomed` the SNOMED procedure of an outcome."""

    dossier: Dossier
    scene: verbs.Scene
    needs: Mapping[str, tuple[str, ...]]
    known: Callable[[str, str], bool]
    snomed: Callable[[str], str]
    booked: tuple[Resource, ...] = ()  # the Appointments of the referral that stand
    observed: tuple[Resource, ...] = ()  # its Observations

    @property
    def referral(self) -> verbs.Referral:
        return verbs.Referral(self.dossier.task, self.dossier.request, self.dossier.named)

    def code(self, arguments: Arguments, name: str, table: str, *, shown: str = "") -> str:
        """A code argument. Raises Invalid naming the argument (`shown` instead, where it is the caller's own key) when it is
        missing or its table does not know it."""
        found = arguments.get(name)
        if not isinstance(found, str) or not self.known(table, found):
            raise Invalid(f"expected {shown or name} with a code of the table {table}", code="code-invalid", expression=shown or name)
        return found


def _complete(hand: Hand, arguments: Arguments) -> list[Resource]:
    each = arguments.get("needs")
    if each is None:
        outcome = hand.code(arguments, "outcome", "outcome")
        seen = {own: outcome for owns in hand.needs.values() for own in owns}
        return verbs.complete(hand.referral, hand.scene, seen or {"": outcome}, results=_results(hand, arguments), snomed=hand.snomed)
    coded = {need: hand.code(each, need, "outcome", shown=f"needs.{told(need, hand.needs)}") for need in each}
    known = {own: code for need, code in coded.items() for own in hand.needs.get(need, ())}
    outcomes = known if hand.needs.keys() >= coded.keys() else {}  # of a need that the caller does not see, as of one that is not there
    return verbs.complete(hand.referral, hand.scene, outcomes, results=_results(hand, arguments), snomed=hand.snomed)


def _results(hand: Hand, arguments: Arguments) -> dict[str, str]:
    """How far each of the needs that the caller sees was met; nothing where nobody said."""
    if "result" not in arguments:
        return {}
    code = hand.code(arguments, "result", "need-result")
    return {own: code for owns in hand.needs.values() for own in owns} or {"": code}


def _conclude(hand: Hand, arguments: Arguments) -> list[Resource]:
    check_once(hand.observed, hand.scene.systems)
    return conclude(hand.referral, hand.scene, hand.code(arguments, "need", "need-result"), arguments.get("days"))


def _progress(hand: Hand, arguments: Arguments) -> list[Resource]:
    """With a no-show, the Appointments that had begun by then are marked as missed."""
    code = hand.code(arguments, "progress", "business-status")
    missed = [each | {"status": "noshow"} for each in hand.booked if code in codes.ABSENT and _begun(each, hand.scene.at)]
    return [*missed, *verbs.progress(hand.referral, hand.scene, code)]


def _begun(appointment: Resource, at: datetime) -> bool:
    start = instant_of(str(appointment.get("start", "")))
    return start is not None and start <= at


def _cancel(hand: Hand, arguments: Arguments) -> list[Resource]:
    """The unit gives up what it had accepted, or was offered. That the person did not come is said after the third time."""
    reason = hand.code(arguments, "reason", "status-reason")
    said = coded(hand.dossier.task.get("businessStatus"), hand.scene.systems.code("business-status"))
    if reason == codes.ABSENTEE and codes.ABSENT[-1] not in said:
        raise Invalid(f"expected three no-shows before this reason: progress {codes.ABSENT[-1]}", expression="reason")
    return verbs.cancel(hand.referral, hand.scene, reason, actor="target")


def _message(hand: Hand, arguments: Arguments) -> list[Resource]:
    text = arguments.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) > 4000:
        raise Invalid("expected text of 1 to 4,000 characters", code="required", expression="text")
    return verbs.message(hand.referral, hand.scene, text)


def _answer(hand: Hand, arguments: Arguments) -> list[Resource]:
    asked = [each for each in hand.dossier.of("Communication") if _kind(each, hand) == codes.QUESTION]
    if not asked:
        raise Invalid("nothing was asked", expression="answer")
    newest = max(asked, key=lambda each: str(each.get("sent", "")))
    return verbs.answer(hand.referral, hand.scene, newest, hand.code(arguments, "answer", "answer"))


def _kind(communication: Resource, hand: Hand) -> str:
    system = hand.scene.systems.code("communication")
    codings = (coding for concept in communication.get("category", ()) for coding in concept.get("coding", ()))
    return next((coding["code"] for coding in codings if coding.get("system") == system), "")


def misdirected(dossier: Dossier, replacements: Sequence[object]) -> None:
    """Raises Invalid unless the referral ended as a wrong orientation and was not replaced yet (workflow.md 2)."""
    reasons = {each.get("code") for each in dossier.task.get("statusReason", {}).get("coding", ())}
    if dossier.task["status"] not in ("rejected", "cancelled") or codes.MISDIRECTED not in reasons:
        raise Invalid("expected a referral that ended as a wrong orientation", expression="Task.statusReason")
    if replacements:
        raise Invalid("this referral was replaced before", expression="ServiceRequest.replaces")


ACTS: dict[str, Act] = {
    "accept": lambda hand, _: verbs.accept(hand.referral, hand.scene),
    "decline": lambda hand, arguments: verbs.decline(hand.referral, hand.scene, hand.code(arguments, "reason", "status-reason")),
    "start": lambda hand, _: verbs.start(hand.referral, hand.scene),
    "complete": _complete,
    "ask": lambda hand, arguments: verbs.ask(hand.referral, hand.scene, hand.code(arguments, "question", "question")),
    "answer": _answer,
    "message": _message,
    "conclude": _conclude,
    "progress": _progress,
    "cancel": _cancel,
}


def changes(dossier: Dossier, resources: list[Resource], *, origin: Literal["portal", "intake", "device"] = "portal") -> list[Change]:
    """The resources of an act as changes, the Task last, each update on the version the act saw."""
    ranked = sorted(resources, key=lambda each: ORDER.index(each["resourceType"]) if each["resourceType"] in ORDER else len(ORDER))
    stored = {each["id"] for each in resources if each["resourceType"] == "Appointment"}  # no act makes one
    known = stored | {each["id"] for each in (dossier.task, dossier.request, *dossier.consents, *dossier.following)}
    return [Change("update" if each["id"] in known else "create", each["resourceType"], each["id"], each, origin=origin) for each in ranked]
