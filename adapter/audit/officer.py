"""What a data protection officer counts in the trail (france.md I16): recipients by data classes shown, refusals, declared
exceptions, what was dropped at the door. Pure: fed with events in short, it keeps no content and no reference of a person.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from adapter.audit.told import Told

SMALL = 5  # a cell of fewer persons is not told (views.md M-21)
PLAIN = frozenset({"D4", "D5"})  # the need and its deadline: what I16 does not count
EXCEPTIONS = ("closing-notices", "closing-notice-read", "already-followed", "opposition-told", "indicators")  # workflow.md 6, the closed list
DROPPED = "intake-dropped"


@dataclass(slots=True)
class Shown:
    """What one recipient was shown: how often, to how many persons' files, and by class."""

    times: int = 0
    beyond: int = 0  # disclosures with a class besides D4 and D5
    fields: int = 0  # classes besides these, over all disclosures
    persons: set[str] = field(default_factory=set)
    classes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    views: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Tally:
    """Fed once with every event of a period."""

    recipients: dict[str, Shown] = field(default_factory=lambda: defaultdict(Shown))
    refusals: Counter[str] = field(default_factory=Counter)
    exceptions: Counter[str] = field(default_factory=Counter)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)  # (mapping, path of the record)
    acts: Counter[str] = field(default_factory=Counter)

    def feed(self, person: str, one: Told) -> None:
        """`person`: the digest under which the event is filed, "" for none."""
        if one.kind == "disclosed":
            self._shown(person, one)
        elif not one.ok:
            self.refusals[one.rule or one.reason] += 1
        elif one.kind == "act":
            self._act(one)

    def _shown(self, person: str, one: Told) -> None:
        shown = self.recipients[one.recipient.removeprefix("Organization/")]  # a house by its key, its EHR with it
        beyond = [each for each in one.classes if each not in PLAIN]
        shown.times += 1
        shown.beyond += bool(beyond)
        shown.fields += len(beyond)
        shown.persons.add(person)
        shown.views.add(one.view)
        for each in one.classes:
            shown.classes[each].add(person)

    def _act(self, one: Told) -> None:
        self.acts[one.name] += 1
        if one.name in EXCEPTIONS:
            self.exceptions[one.name] += 1
        if one.name == DROPPED:
            for path in one.details.get("paths", "").split(","):
                self.dropped[one.details.get("mapping", ""), path] += 1

    def shown(self) -> list[dict[str, Any]]:
        """Recipients × classes, in persons. A cell under five is "<5", and there is no total to find it by (M-21); the shares
        are told where the recipient has five persons or more."""
        return [
            {
                "recipient": recipient, "views": sorted(each.views), "persons": cell(len(each.persons)),
                "classes": {name: cell(len(each.classes[name])) for name in sorted(each.classes, key=lambda name: (len(name), name))},
                "beyond": _share(each.beyond, each), "fields": _share(each.fields, each),
            }
            for recipient, each in sorted(self.recipients.items())
        ]  # fmt: skip


def cell(persons: int) -> int | str:
    """A number that may be told."""
    return f"<{SMALL}" if 0 < persons < SMALL else persons


def _share(count: int, each: Shown) -> float | None:
    return round(count / each.times, 2) if len(each.persons) >= SMALL else None
