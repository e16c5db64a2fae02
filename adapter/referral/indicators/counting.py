"""Counting referrals, one after the other: in which cells each stands, and which of its times and values are kept.

Kept are counts, at most five persons behind each, and one number for each time; no referral.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapter.referral.codes import MISDIRECTED
from adapter.referral.indicators.course import RESULTS, UNANSWERED, UNSAID, Course
from adapter.referral.indicators.hiding import LEAST, Sum

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REASONED = ("rejected", "cancelled-before", "cancelled-after", "failed")
# What is told of a unit, an area, an age class too: a few counts only, for each hides others.
IN_CUTS = ("sent", "accepted", "rejected", "undecided", "contacted", "not-contacted", "told", "not-told")
CUTS = ("unit", "area", "age")
MONTH = "month"

SUMS = (
    Sum("sent", ("accepted", "rejected", "undecided")), Sum("sent", ("decided", "undecided")), Sum("decided", ("accepted", "rejected")),
    Sum("undecided", ("waiting", "cancelled-before")), Sum("accepted", ("running", "completed", "failed", "cancelled-after")),
    *(Sum("sent", (each, f"not-{each}")) for each in ("contacted", "met", "misdirected", "unanswered", "withdrawn", "told", "estimated")),
    Sum("contacted", ("opened", "not-opened")), Sum("misdirected", ("misdirected-before", "misdirected-after")),
    Sum("misdirected-after", (f"cancelled-after:{MISDIRECTED}",)),
    Sum("misdirected-before", (f"rejected:{MISDIRECTED}", f"cancelled-before:{MISDIRECTED}")),
    Sum("unanswered", (f"cancelled-before:{UNANSWERED}", f"cancelled-after:{UNANSWERED}")),
    Sum("completed", ("completed-told", "completed-untold")), Sum("told", ("completed-told",)),
    Sum("completed", tuple(f"result:{each}" for each in (*RESULTS, UNSAID))),
    Sum("appointments", ("fulfilled", "noshow")), Sum("pairs", ("one-worker", "several-workers")),
)  # fmt: skip


def cut(dimension: str, group: str, name: str) -> str:
    """The cell of one group: "area=Rouen/sent"."""
    return f"{dimension}={group}/{name}"


@dataclass(slots=True)
class Counted:
    """`counts` and `persons` (any five) by cell, `values` by the cell of those who have one: hours, days."""

    counts: Counter[str] = field(default_factory=Counter)
    persons: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    values: dict[str, array[float]] = field(default_factory=lambda: defaultdict(lambda: array("d")))
    groups: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    workers: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))  # (person, need) -> units

    def feed(self, one: Course) -> None:
        """One referral more. What was never sent does not count."""
        if not one.sent:
            return
        names, times = set(_cells(one)), dict(_times(one))
        for name in names:
            self.add(name, one.person)
        for name, value in times.items():
            self.values[name].append(value)
        self.group(MONTH, f"{one.asked:%Y-%m}", {"sent"}, {}, one.person)
        for dimension, group in zip(CUTS, (one.unit, one.area, one.age), strict=True):
            self.group(dimension, group, names & set(IN_CUTS), {"contacted": times["contacted"]} if "contacted" in times else {}, one.person)
        for meeting in one.meetings:
            if meeting.status in ("fulfilled", "noshow"):
                self.add("appointments", one.person)
                self.add(meeting.status, one.person)
        for need in one.needs:
            self.workers[one.person, need].add(one.unit)

    def add(self, name: str, person: str) -> None:
        self.counts[name] += 1
        if len(behind := self.persons[name]) < LEAST:
            behind.add(person)

    def group(self, dimension: str, group: str, names: Collection[str], times: Mapping[str, float], person: str) -> None:
        self.groups[dimension].add(group)
        for name in names:
            self.add(cut(dimension, group, name), person)
        for name, value in times.items():
            self.values[cut(dimension, group, name)].append(value)

    def close(self) -> None:
        """After the last referral: how many units worked on one need of one person."""
        self.values["pairs"].extend(len(units) for units in self.workers.values())
        for (person, _), units in self.workers.items():
            self.add("pairs", person)
            self.add("one-worker" if len(units) == 1 else "several-workers", person)


def sums(counted: Counted) -> list[Sum]:
    """All that is known to add up: reasons to what they are reasons of, groups to the whole, the parts of each group to it."""
    found = list(SUMS)
    for stage in REASONED:
        found.append(Sum(stage, tuple(sorted(each for each in counted.counts if each.startswith(f"{stage}:")))))
    inside = [each for each in SUMS if set(each.members) <= set(IN_CUTS)]
    for dimension, groups in counted.groups.items():
        for name in ("sent",) if dimension == MONTH else IN_CUTS:
            found.append(Sum(name, tuple(cut(dimension, group, name) for group in sorted(groups))))
        if dimension != MONTH:
            found += [Sum(cut(dimension, each, one.whole), tuple(cut(dimension, each, part) for part in one.parts)) for each in groups for one in inside]
    return found


_WORTH = {"sent": 6, "accepted": 3, "contacted": 3, "told": 3, "completed": 3, "decided": 2, "rejected": 2}
_UNSEEN = frozenset({"waiting", "running", "failed", "cancelled-before", "cancelled-after", "completed-untold", "opened"})  # in no report


def worth(name: str) -> int:
    """How much is lost where this cell is hidden: a group's before that of all, what is left over before what is asked for."""
    dimension, _, rest = name.rpartition("/")
    if rest in _UNSEEN or rest.startswith("not-"):
        return 0
    return _WORTH.get(rest, 1) + (0 if dimension else 10)


def _cells(one: Course) -> Iterator[str]:
    yield from ("sent", one.decision, one.stage)
    if one.decision != "undecided":
        yield "decided"
    if one.stage in REASONED:
        yield f"{one.stage}:{one.reason}"
    flags = {
        "contacted": one.contacted, "met": one.met, "misdirected": one.misdirected, "unanswered": one.unanswered, "withdrawn": one.withdrawn,
        "told": one.told and one.completed, "estimated": one.days_avoided is not None,
    }  # fmt: skip
    yield from (name if holds else f"not-{name}" for name, holds in flags.items())
    if one.contacted:
        yield "not-opened" if one.opened is None else "opened"
    if one.misdirected:
        yield "misdirected-after" if one.accepted else "misdirected-before"
    if one.completed:
        yield "completed-told" if one.told else "completed-untold"
        yield f"result:{one.result}"


def _times(one: Course) -> Iterator[tuple[str, float]]:
    """Hours until the first contact (by the wall, and while the unit was open) and the decision; days until the first appointment that
    was kept, of support, in hospital avoided. Never less than nothing: a call is written down after it."""
    yield from _after("contacted", one.asked, one.contacted, HOUR)
    if one.contacted and one.opened is not None:
        yield "opened", one.opened / HOUR
    yield from _after("decided", one.asked, one.decided, HOUR)
    yield from _after("met", one.asked, one.met, DAY)
    if one.accepted:
        yield from _after("completed", one.accepted, one.completed, DAY)
    if one.days_avoided is not None:
        yield "estimated", float(one.days_avoided)


def _after(name: str, since: datetime, until: datetime | None, unit: timedelta) -> Iterator[tuple[str, float]]:
    if until is not None:
        yield name, max((until.astimezone(UTC) - since.astimezone(UTC)) / unit, 0.0)
