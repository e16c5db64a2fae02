"""Three-way merge of one resource by declared ownership. Pure (workflow.md 7: an update is a merge).

    base      what both sides held last          ours, theirs   what each holds now
    element   ours:  we win where both changed   ehr: never touched   both: a conflict where both changed
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from adapter.ports import Resource
from adapter.sync.canonical import entry_key, same
from adapter.sync.ownership import Ownership, Side


class _Absent:
    """No such element: not the same as an empty one."""


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Merged:
    """`conflicts`: paths of shared elements that both sides changed differently; there `resource` has theirs."""

    resource: Resource
    conflicts: list[str]


def three_way(base: Resource, ours: Resource, theirs: Resource, ownership: Ownership) -> Merged:
    """Both sides' changes since `base` in one resource. What we did not change stays as theirs."""
    run = _Run(theirs.get("resourceType", ""), ownership, firm=False)
    return Merged(run.parts("", base, ours, theirs, "ehr"), run.conflicts)


def put_over(sent: Resource, ours: Resource, theirs: Resource, ownership: Ownership) -> Resource:
    """Their content with ours put over it, for writing to an EHR whose own changes have been judged already:
    every element of ours or shared stands as we have it, what we sent before (`sent`) and dropped goes, and
    what only the EHR knows stays, inside our elements too. What hangs in an element we removed goes with it."""
    return _Run(theirs.get("resourceType", ""), ownership, firm=True).parts("", sent, ours, theirs, "ehr")


class _Run:
    def __init__(self, type: str, ownership: Ownership, *, firm: bool) -> None:
        self.type, self.ownership, self.firm = type, ownership, firm
        self.conflicts: list[str] = []

    def parts(self, path: str, base: Any, ours: dict[str, Any], theirs: dict[str, Any], side: Side) -> dict[str, Any]:
        base = base if isinstance(base, dict) else {}
        merged: dict[str, Any] = {}
        value: Any
        for name in dict.fromkeys([*theirs, *ours]):
            here = f"{path}.{name}" if path else name
            own = self.ownership.side(self.type, here, side)
            if here == "meta":  # half theirs (version, time), half ours (profile): always part by part
                value = self.parts(here, base.get(name), ours.get(name, {}), theirs.get(name, {}), own)
            elif own == "ehr" or (f"_{name}" in theirs and isinstance(theirs.get(name), list)):  # values and siblings go by place
                value = theirs.get(name, ABSENT)
            else:
                before, mine, other = (each.get(name, ABSENT) for each in (base, ours, theirs))
                value = self.element(here, before, mine, other, own)
            if value is not ABSENT and (value not in ({}, []) or value == theirs.get(name)):
                merged[name] = value
        return merged

    def element(self, path: str, base: Any, ours: Any, theirs: Any, side: Side) -> Any:
        name = path.rpartition(".")[2]
        if not self.firm and self._same(ours, base, name):
            return theirs
        if self._same(ours, theirs, name):
            return theirs
        if ours is ABSENT and base is ABSENT:
            return theirs
        if isinstance(ours, dict) and isinstance(theirs, dict):
            return self.parts(path, base, ours, theirs, side)
        if name in self.ownership.keys and isinstance(ours, list) and isinstance(theirs, list):
            return self.entries(path, base if isinstance(base, list) else [], ours, theirs, side)
        if self.firm or side == "ours" or self._same(theirs, base, name):
            return ours
        if path not in self.conflicts:
            self.conflicts.append(path)
        return theirs

    def entries(self, path: str, base: list[Any], ours: list[Any], theirs: list[Any], side: Side) -> list[Any]:
        name = path.rpartition(".")[2]
        before, mine, other = (self._by_key(name, entries) for entries in (base, ours, theirs))
        merged = []
        for key in dict.fromkeys([*other, *mine]):
            value = self.element(path, before.get(key, ABSENT), mine.get(key, ABSENT), other.get(key, ABSENT), side)
            if value is not ABSENT:
                merged.append(value)
        return merged

    def _by_key(self, name: str, entries: Iterable[Any]) -> dict[tuple[str, int], Any]:
        seen: Counter[str] = Counter()
        keyed = {}
        for entry in entries:
            key = entry_key(entry, self.ownership.keys[name], self.ownership)
            keyed[key, seen[key]] = entry
            seen[key] += 1
        return keyed

    def _same(self, left: Any, right: Any, name: str) -> bool:
        if left is ABSENT or right is ABSENT:
            return left is right
        return same(left, right, self.ownership, name)
