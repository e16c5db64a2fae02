"""The indicators I1 to I16 (france.md 5) as rows of figures, each with its numerator and denominator, or median and p90."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median

from adapter.referral.indicators.counting import CUTS, MONTH, REASONED, Counted, cut, sums, worth
from adapter.referral.indicators.course import RESULTS, UNSAID
from adapter.referral.indicators.cuts import merged
from adapter.referral.indicators.hiding import LEAST, hidden

SPREAD = 10  # values below which there is no p90: it would be the largest of somebody


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `part`: what of the indicator; `cut` and `group`: month, unit, area, age, ehr or recipient, "" for all together.
    `hidden`: there is a figure and it may not be told. Shares from 0 to 1; `unit`: what median, p90 and mean are counted in."""

    indicator: str
    part: str
    cut: str = ""
    group: str = ""
    numerator: int | None = None
    denominator: int | None = None
    share: float | None = None
    median: float | None = None
    p90: float | None = None
    mean: float | None = None
    unit: str = ""
    declared: bool = False
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What one recipient was shown in the period: to how many persons' files, the share of the disclosures with more than the need
    and its deadline (D4, D5), how many data classes beyond these each had (france.md I16)."""

    recipient: str
    persons: int
    beyond: float
    fields: float


@dataclass(frozen=True, slots=True)
class Synced:
    """One EHR as it stands: seconds since the oldest letter that waits was due, conflicts that wait for a person, letters held up."""

    ehr: str
    lag: float
    conflicts: int
    parked: int


@dataclass(frozen=True, slots=True)
class Beside:
    """What is not counted from referrals. `refusals`: at the proposal (I7), a count is all that is kept of them; `people`: how many
    work in each unit (I1); `shown` (I16), `synced` (I14)."""

    refusals: int = 0
    people: Mapping[str, int] = field(default_factory=dict)
    shown: Sequence[Shown] = ()
    synced: Sequence[Synced] = ()


def figures(counted: Counted, beside: Beside) -> list[Row]:
    """Every row that there is, in the order of the indicators; what may not be told stands as hidden. Ends `counted`."""
    counted.close()
    told = _Told(merged(counted))
    return [row for number in (_volume, _delays, _answers, _persons, _outcomes, _rest) for row in number(told, beside)]


class _Told:
    """Rows, with the small counts hidden."""

    def __init__(self, counted: Counted) -> None:
        self.counts, self.values, self.groups = counted.counts, counted.values, counted.groups
        self.persons = counted.persons
        bounds = {name: self._bounds(name) for name in self.values}
        self.hidden = hidden(counted.counts, counted.persons, sums(counted), bounds=bounds, worth=worth)

    def _bounds(self, name: str) -> tuple[int, int]:
        """What anybody knows of how many have such times, from whether their median and p90 are told."""
        if self._many(name):
            return (LEAST, SPREAD - 1) if len(self.values[name]) < SPREAD else (SPREAD, sys.maxsize)
        return 1, LEAST - 1 if self.counts[name] < LEAST else sys.maxsize

    def _many(self, name: str) -> bool:
        """Whether the times of this cell may be told."""
        return len(self.values.get(name, ())) >= LEAST and len(self.persons[name]) >= LEAST

    def of(self, dimension: str) -> list[str]:
        return sorted(self.groups[dimension])

    def count(self, indicator: str, part: str, name: str, *, dimension: str = "", group: str = "") -> Row:
        hides = name in self.hidden
        return Row(indicator, part, dimension, group, None if hides else self.counts[name], hidden=hides)

    def share(self, indicator: str, part: str, name: str, whole: str, *, dimension: str = "", group: str = "") -> Row:
        """`name` of `whole`."""
        hides, of = name in self.hidden, None if whole in self.hidden else self.counts[whole]
        some = None if hides else self.counts[name]
        share = round(some / of, 3) if some is not None and of else None
        return Row(indicator, part, dimension, group, some, of, share, hidden=hides)

    def lasting(self, indicator: str, part: str, name: str, unit: str, *, dimension: str = "", group: str = "", declared: bool = False) -> Row:
        """Median and p90 of those of cell `name`, where five persons or more are behind it; the mean where their number is told too,
        for the two together would be a sum."""
        found, hides = sorted(self.values.get(name, ())), name in self.hidden
        row = Row(indicator, part, dimension, group, None if hides else self.counts[name], unit=unit, declared=declared, hidden=hides)
        if not self._many(name):
            return replace(row, numerator=row.numerator if not found else None, hidden=hides or bool(found))
        p90 = round(found[math.ceil(0.9 * len(found)) - 1], 1) if len(found) >= SPREAD else None
        return replace(row, median=round(median(found), 1), p90=p90, mean=None if hides else round(fmean(found), 1))


Rows = Iterator[Row]


def _volume(told: _Told, beside: Beside) -> Rows:
    """I1."""
    yield told.count("I1", "sent", "sent")
    for month in told.of(MONTH):
        yield told.count("I1", "sent", cut(MONTH, month, "sent"), dimension=MONTH, group=month)
    for unit in told.of("unit"):
        row = told.count("I1", "per-worker", cut("unit", unit, "sent"), dimension="unit", group=unit)
        people = beside.people.get(unit)
        mean = round(row.numerator / people, 1) if row.numerator is not None and people else None
        yield Row("I1", "per-worker", "unit", unit, row.numerator, people, mean=mean, unit="referrals", hidden=row.hidden)
    for dimension in CUTS[1:]:
        for group in told.of(dimension):
            yield told.count("I1", "sent", cut(dimension, group, "sent"), dimension=dimension, group=group)


def _delays(told: _Told, _: Beside) -> Rows:
    """I2, I3, I4."""
    yield told.lasting("I2", "wall", "contacted", "hours")
    yield told.lasting("I2", "opening", "opened", "hours")
    for dimension in CUTS:
        for group in told.of(dimension):
            yield told.lasting("I2", "wall", cut(dimension, group, "contacted"), "hours", dimension=dimension, group=group)
    yield told.lasting("I3", "decided", "decided", "hours")
    yield told.lasting("I4", "met", "met", "days")


def _answers(told: _Told, _: Beside) -> Rows:
    """I5, I6, and I9 behind I7 and I8 in the order of counting."""
    for part in ("accepted", "rejected", "undecided"):
        yield told.share("I5", part, part, "sent")
        for dimension in CUTS:
            for group in told.of(dimension):
                whole = cut(dimension, group, "sent")
                yield told.share("I5", part, cut(dimension, group, part), whole, dimension=dimension, group=group)
    for stage in REASONED:
        for name in sorted(each for each in told.counts if each.startswith(f"{stage}:") and told.counts[each]):
            yield told.share("I5", name, name, "sent")
    yield told.share("I6", "misdirected", "misdirected", "sent")
    for part in ("misdirected-before", "misdirected-after"):
        yield told.share("I6", part, part, "sent")


def _persons(told: _Told, beside: Beside) -> Rows:
    """I7, I8, I9."""
    few = 0 < beside.refusals < LEAST
    yield Row("I7", "refused", numerator=None if few else beside.refusals, hidden=few)
    yield told.share("I7", "withdrawn", "withdrawn", "sent")
    yield told.share("I8", "noshow", "noshow", "appointments")
    yield told.share("I9", "unanswered", "unanswered", "sent")


def _outcomes(told: _Told, _: Beside) -> Rows:
    """I10, I11, I12."""
    yield told.share("I10", "told", "told", "sent")
    yield told.share("I10", "completed-told", "completed-told", "completed")
    for dimension in CUTS:
        for group in told.of(dimension):
            yield told.share("I10", "told", cut(dimension, group, "told"), cut(dimension, group, "sent"), dimension=dimension, group=group)
    for result in (*RESULTS, UNSAID):
        yield told.share("I11", result, f"result:{result}", "completed")
    yield told.lasting("I12", "completed", "completed", "days")


def _rest(told: _Told, beside: Beside) -> Rows:
    """I13 to I16."""
    workers = None if {"pairs", "several-workers"} & told.hidden or not told.counts["pairs"] else round(fmean(told.values["pairs"]), 2)
    yield Row("I13", "workers", numerator=None, mean=workers, unit="workers", hidden=workers is None and bool(told.counts["pairs"]))
    yield told.share("I13", "one-worker", "one-worker", "pairs")
    yield told.share("I13", "several-workers", "several-workers", "pairs")
    for each in beside.synced:
        yield Row("I14", "lag", "ehr", each.ehr, mean=round(each.lag / 3600, 1), unit="hours")
        yield Row("I14", "conflicts", "ehr", each.ehr, each.conflicts)
        yield Row("I14", "parked", "ehr", each.ehr, each.parked)
    yield told.lasting("I15", "estimated", "estimated", "days", declared=True)
    yield from _beyond(beside.shown)


def _beyond(shown: Iterable[Shown]) -> Rows:
    """I16: no total stands beside the recipients, by which the one of few persons could be found."""
    for each in shown:
        few = each.persons < LEAST
        yield Row("I16", "beyond", "recipient", each.recipient, share=None if few else each.beyond, hidden=few)
        yield Row("I16", "fields", "recipient", each.recipient, mean=None if few else each.fields, unit="classes", hidden=few)
