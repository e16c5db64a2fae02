"""Groups of few persons are put together before anything is told: no commune stands in a report for the two people who live there."""

from __future__ import annotations

from adapter.referral.indicators.counting import CUTS, IN_CUTS, Counted, cut
from adapter.referral.indicators.hiding import LEAST

UNKNOWN, OTHERS = "", "others"  # nobody knows the group; the groups of fewer than five persons


def merged(counted: Counted) -> Counted:
    """The same, in place, with the groups of each cut that have fewer than five persons as one, `others`, which takes the smallest of
    the rest with it as long as it has fewer than five itself."""
    for dimension in CUTS:
        sizes = {group: (_persons(counted, dimension, group), counted.counts[cut(dimension, group, "sent")]) for group in counted.groups[dimension]}
        few = sorted(group for group, (persons, _) in sizes.items() if persons < LEAST)
        rest = sorted(set(sizes) - set(few), key=lambda group: (sizes[group][1], group))
        for group in few:
            _move(counted, dimension, group)
        while few and rest and _persons(counted, dimension, OTHERS) < LEAST:
            _move(counted, dimension, rest.pop(0))
    return counted


def _persons(counted: Counted, dimension: str, group: str) -> int:
    return len(counted.persons[cut(dimension, group, "sent")])


def _move(counted: Counted, dimension: str, group: str) -> None:
    counted.groups[dimension] -= {group}
    counted.groups[dimension].add(OTHERS)
    for name in IN_CUTS:
        old, new = cut(dimension, group, name), cut(dimension, OTHERS, name)
        counted.counts[new] += counted.counts.pop(old, 0)
        counted.persons[new] |= counted.persons.pop(old, set())
        counted.values[new].extend(counted.values.pop(old, ()))
