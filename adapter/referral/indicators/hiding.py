"""Which counts may be told, so that nothing that is told gives a small one away (france.md 5: cells under five are hidden).

A count is small when fewer than five persons are behind it, however many referrals. Beside the small ones others are hidden, until
for each small count there is a second world: other numbers that agree with all that is told and with every sum that is known to hold.
So neither margins and totals nor the sums of several tables together give it back. Nothing is told of why a count is hidden, and a
zero never is: who reads knows that what is hidden is one at least. Where a median is told of those behind a hidden count, he knows
within which bounds it lies, and the second world keeps to them.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

LEAST = 5  # persons
TRIES = 400  # steps of the search for one second world; where that is not enough, one more count is hidden


@dataclass(frozen=True, slots=True)
class Sum:
    """What everybody knows: `whole` is the sum of `parts`."""

    whole: str
    parts: tuple[str, ...]

    @property
    def members(self) -> tuple[str, ...]:
        return (self.whole, *self.parts)


def hidden(
    counts: Mapping[str, int], persons: Mapping[str, Collection[str]], sums: Sequence[Sum], *, bounds: Mapping[str, tuple[int, int]] = {},
    worth: Callable[[str], int] = lambda name: 0,
) -> frozenset[str]:  # fmt: skip
    """The names of the counts that may not be told. `persons`: who is behind each, or any five of them; `bounds`: what is known of a
    count even where it is hidden (at least, at most); `worth`: of what may be hidden the least goes first, then the smallest."""
    small = frozenset(name for name, count in counts.items() if count and len(persons[name]) < LEAST)
    veil = _Veil(counts, persons, tuple(sums), set(small), bounds, worth)
    while (more := veil.next(small)) is not None:
        veil.hidden.add(more)
    return frozenset(veil.hidden)


@dataclass(slots=True)
class _Veil:
    counts: Mapping[str, int]
    persons: Mapping[str, Collection[str]]
    sums: tuple[Sum, ...]
    hidden: set[str]
    bounds: Mapping[str, tuple[int, int]]
    worth: Callable[[str], int]
    holding: dict[str, list[Sum]] = field(default_factory=lambda: defaultdict(list))
    safe: dict[str, dict[str, int]] = field(default_factory=dict)  # of each small count its second world

    def __post_init__(self) -> None:
        for each in self.sums:
            for name in each.members:
                self.holding[name].append(each)

    def next(self, small: Collection[str]) -> str | None:
        """One more count to hide; None: what is hidden stays hidden."""
        for each in self.sums:
            if self._few(each) and (found := self._least(each.members)):
                return found
        for name in sorted(small):
            if name in self.safe:  # hiding more takes no world away
                continue
            search = _Search(self)
            world = search.from_(name)
            if world is None and (found := self._least(search.barred) or self._beside(name)):
                return found
            self.safe[name] = world or {}
        return None

    def _few(self, each: Sum) -> bool:
        """Whether the hidden parts are few persons even together, which the whole and the other parts give away."""
        parts = [part for part in each.parts if part in self.hidden]
        return bool(parts) and each.whole not in self.hidden and len({person for part in parts for person in self.persons[part]}) < LEAST

    def _least(self, names: Collection[str]) -> str | None:
        """The smallest of these counts that is told."""
        told = [name for name in names if name not in self.hidden and self.counts[name]]
        return min(told, key=lambda name: (self.worth(name), self.counts[name], name), default=None)

    def may(self, name: str, step: int) -> bool:
        """Whether, for all that is told, this hidden count may be `step` more."""
        least, most = self.bounds.get(name, (1, sys.maxsize))
        return least <= self.counts[name] + step <= most

    def _beside(self, name: str) -> str | None:
        """The smallest count told in a sum with this one, else in a sum with a hidden one there, and so on outwards."""
        seen, edge = {name}, [name]
        while edge:
            around = {other for one in edge for each in self.holding[one] for other in each.members} - seen
            if found := self._least(around):
                return found
            seen |= around
            edge = sorted(around & self.hidden)
        return None


@dataclass(slots=True)
class _Search:
    """For other numbers: each hidden count may be one more or one less, as long as it stays in its bounds and all sums hold."""

    veil: _Veil
    left: int = TRIES
    barred: set[str] = field(default_factory=set)  # what is told, and would have to be other

    def from_(self, name: str) -> dict[str, int] | None:
        for step in (1, -1):
            if self.veil.may(name, step) and (found := self._mended({name: step})):
                return found
        return None

    def _mended(self, changed: dict[str, int]) -> dict[str, int] | None:
        self.left -= 1
        if self.left < 0:
            return None
        broken = next(self._broken(changed), None)
        if broken is None:
            return changed
        each, over = broken
        ways = [(each.whole, -over), *((part, over) for part in sorted(each.parts, key=lambda part: -self.veil.counts[part]))]
        self.barred |= {name for name, _ in ways if name not in self.veil.hidden}
        for name, step in ways:
            if name in self.veil.hidden and name not in changed and self.veil.may(name, step) and (found := self._mended(changed | {name: step})):
                return found
        return None

    def _broken(self, changed: Mapping[str, int]) -> Iterator[tuple[Sum, int]]:
        """The sums that do not hold any more, the last touched first, and which way: 1 where the whole is too large."""
        for name in reversed(list(changed)):
            for each in self.veil.holding[name]:
                off = changed.get(each.whole, 0) - sum(changed.get(part, 0) for part in each.parts)
                if off:
                    yield each, 1 if off > 0 else -1
