"""What one step of the demonstration tells: who did what, what travelled, who decided why, what each person saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from adapter.cli.story.doors import Answer
from adapter.clock import instant
from adapter.ports import Resource


class Words(NamedTuple):
    """One thing said in both languages."""

    fr: str
    en: str

    def of(self, lang: str) -> str:
        return self.en if lang == "en" else self.fr


class Actor(NamedTuple):
    """A person of the story. `client` is the software that acts for them ("" for the EHR's own users and the machine)."""

    name: Words
    client: str = ""


class Travelled(NamedTuple):
    """A resource that went to the EHR. `place`: its reference there."""

    method: str
    place: str
    resource: Resource


class Decided(NamedTuple):
    """A disclosure decided in this step, as the audit has it. `who`: the software that asked ("" for a letter to the EHR);
    a request that was answered as if there were nothing has a reason and neither rule nor view."""

    permit: bool
    rule: str
    reason: str
    view: str
    who: str = ""


@dataclass
class Account:
    """One step as it went. `ok` follows from its checks alone; a step without any is not ok. `causes`: what is known of why it
    is not: which call was refused and with which words, which letters are still here."""

    step: str
    actor: Actor
    title: Words
    at: Any
    did: list[Words] = field(default_factory=list)
    checks: list[tuple[Words, bool]] = field(default_factory=list)
    travelled: list[Travelled] = field(default_factory=list)
    decisions: list[Decided] = field(default_factory=list)
    cards: list[tuple[Words, dict[str, Any]]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    left_out: Words | None = None
    error: str = ""
    causes: list[Words] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.error and (self.left_out is not None or (bool(self.checks) and all(held for _, held in self.checks)))

    def said(self, fr: str, en: str) -> None:
        self.did.append(Words(fr, en))

    def check(self, fr: str, en: str, held: object) -> None:
        self.checks.append((Words(fr, en), bool(held)))

    def came(self, fr: str, en: str, answer: Answer, status: int) -> None:
        """A check that an answer has this status; what else came is said when it has not."""
        tail = "" if answer.status == status else f" (HTTP {answer.status} {answer.why})"
        self.check(fr + tail, en + tail, answer.status == status)

    def saw(self, who: Words, card: dict[str, Any]) -> None:
        self.cards.append((who, card))

    def shown(self, lang: str) -> dict[str, Any]:
        """The step as one JSON object."""
        told: dict[str, Any] = {"step": self.step, "ok": self.ok, "actor": self.actor.name.of(lang), "at": instant(self.at)}
        told |= {"title": self.title.of(lang), "did": [each.of(lang) for each in self.did]}
        told["checks"] = [{"what": what.of(lang), "ok": held} for what, held in self.checks]
        told["calls"] = self.calls
        told["travelled"] = [each._asdict() for each in self.travelled]
        told["decisions"] = [each._asdict() for each in self.decisions]
        told["cards"] = [{"who": who.of(lang), "card": card} for who, card in self.cards]
        if self.left_out:
            told["left_out"] = self.left_out.of(lang)
        if not self.ok:
            told["causes"] = [each.of(lang) for each in self.causes]
        return told | ({"error": self.error} if self.error else {})
