"""A view: what one kind of recipient may see, as loaded from its file and checked against R4 and the matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from adapter.views.cardspec import Entry
from adapter.views.facts import Facts

STAGES = ("offer", "open", "closed")
CONDITIONS = ("need", "demand", "safe", "mild", "label")


@dataclass(frozen=True, slots=True)
class Rule:
    """When one listed element is shown. `consent`: its cell of the matrix asks for recorded consent; a basis will not do."""

    path: str
    cls: str
    stages: frozenset[str]
    conditions: frozenset[str]
    consent: bool
    line: int


@dataclass(slots=True)
class Branch:
    """A node of the allow-list: entries of an element that fit `selector`, and what of them is kept."""

    selector: str
    type: str
    children: dict[str, list[Branch]] = field(default_factory=dict)
    rule: Rule | None = None  # a leaf has one


@dataclass(frozen=True, slots=True)
class View:
    """`trees`: type -> allow-list. `sensitivity`: the highest a need may have (None: as consented). `ids`: pairwise for
    others, local for the clinic's own EHR. `needs_for`: class -> needs that require it (cells "c")."""

    name: str
    version: int
    recipient: str
    title: Mapping[str, str]
    profile: bool
    subsetted: bool
    ids: Literal["pairwise", "local"]
    sensitivity: int | None
    needs_for: Mapping[str, frozenset[str]]
    unsafe_contact: frozenset[str]
    trees: Mapping[str, dict[str, list[Branch]]]
    rules: tuple[tuple[str, Rule], ...]  # (type, rule) in file order
    labels: Mapping[str, Mapping[str, Mapping[str, str]]]
    card: Mapping[str, Entry]
    line: Mapping[str, Entry]  # of a worklist; empty: its cards
    writes: tuple[str, ...]
    search: Mapping[str, tuple[str, ...]]
    sort: tuple[str, ...]

    @property
    def on_demand(self) -> frozenset[str]:
        """The data classes of which something is shown only when it is asked for (cells "y")."""
        return frozenset(rule.cls for _, rule in self.rules if "demand" in rule.conditions)

    @property
    def telling(self) -> Mapping[str, str]:
        """What stands for a telling name, by language."""
        return self.labels["telling"]["care-service"]

    @property
    def closed(self) -> Mapping[str, str]:
        """What a closing notice says, by language."""
        return self.labels["notice"]["closed"]

    def label(self, table: str, code: str, lang: str, facts: Facts) -> str:
        """The label of a code: this view's own, else the table's; the code itself where there is none."""
        for tables in (self.labels, facts.labels):
            found = tables.get(table, {}).get(code)
            if found:
                return found.get(lang) or found.get("fr") or code
        return code

    def allows(self, rule: Rule, facts: Facts) -> bool:
        """Is this element shown, with these facts?"""
        return not self.hides(rule, facts)

    def hides(self, rule: Rule, facts: Facts) -> str:
        """What keeps this element back with these facts: stage, consent, demand, need, safe or mild; "" when it is shown."""
        if facts.stage not in rule.stages:
            return "stage"
        if rule.consent and facts.basis != "consent":
            return "consent"
        if "demand" in rule.conditions and rule.cls not in facts.demanded:
            return "demand"
        if "need" in rule.conditions and not self._needed(rule.cls, facts):
            return "need"
        if "safe" in rule.conditions and (facts.unsafe or not self.unsafe_contact.isdisjoint(codes_of(facts.asked))):
            return "safe"
        return "mild" if "mild" in rule.conditions and self.exceeds(facts) else ""

    def _needed(self, cls: str, facts: Facts) -> bool:
        shown = facts.asked if facts.needs is None else facts.asked & facts.needs
        return not self.needs_for.get(cls, frozenset()).isdisjoint(codes_of(shown))

    def exceeds(self, facts: Facts) -> bool:
        """Does the request hold a need above this view's sensitivity? A need that no table knows does."""
        return self.sensitivity is not None and any(sensitivity(code, facts) > self.sensitivity for code in codes_of(facts.asked))


def codes_of(needs: frozenset[str]) -> frozenset[str]:
    """The bare codes of "system|code"."""
    return frozenset(need.rpartition("|")[2] for need in needs)


def sensitivity(code: str, facts: Facts) -> int:
    """1 to 3; an unknown need counts as 3."""
    term = facts.terms.get(code)
    return 3 if term is None else term.sensitivity
