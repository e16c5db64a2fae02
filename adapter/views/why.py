"""What comes out of a view of one stored resource, place by place, and why the rest does not (views.md 2.2 e).

Nothing here decides. `project` itself is run on a copy in which every value knows its place: a place whose value comes out, or
what is said instead of it, is shown; every other is left out. Only then the rules that kept it back are asked for their reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapter.ports import Resource
from adapter.views.elements import steps_of
from adapter.views.facts import Facts
from adapter.views.glass import DATED, Glass, of_now, selected, usual
from adapter.views.matrix import STRUCTURE, Matrix
from adapter.views.project import project, withheld
from adapter.views.view import Branch, Rule, View

Place = tuple[str | int, ...]
ATTESTATION: Place = ("sourceAttachment", "data")  # of a Consent: the text stays, its hash is made of it
# The reasons, the least telling first: of several rules the one that came nearest to showing an element is named.
REASONS = (
    "unlisted", "third", "empty", "selector", "ended", "usual", "type", "modifier", "addressee", "sensitive", "telling", "stage", "consent", "demand", "need",
    "safe", "mild", "unknown", "unnamed", "label", "hash", "reference", "once",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Left:
    """A place that does not come out. `cls`: its data class ("" where no line of the matrix gives one); `why`: one of
    REASONS; `about`: what the reason speaks of (the rule's stages, needs; the selector). Never a value."""

    place: str
    cls: str
    why: str
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Examined:
    """`shown`: what `project` gives. `came`: the stored places behind it; with `left` they are all there are."""

    shown: Resource | None
    came: tuple[str, ...]
    left: tuple[Left, ...]


def examine(resource: Resource, view: View, *, facts: Facts, matrix: Matrix) -> Examined:
    """A resource looked at through a view, with these facts."""
    shown = project(_marked(resource, ()), view, facts=facts, glass=_Followed(view, facts))
    came = set(_came(shown))
    reasons = _Reasons(resource, view, facts)
    left = [_left(place, resource, reasons, matrix) for place in places(resource) if place not in came]
    return Examined(shown, tuple(map(written, sorted(came, key=str))), tuple(left))


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """The way to every value of a resource."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*place, key))
    else:
        yield place


def written(place: Place) -> str:
    """`name[0].given[1]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def class_at(resource: Resource, place: Place, matrix: Matrix, facts: Facts) -> str:
    """The data class of a stored place, by the nearest line of the matrix that fits what is there; "" when none does."""
    names = [step for step in place if isinstance(step, str)]
    lines = matrix.elements.get(str(resource.get("resourceType")), {})
    for path in sorted(lines, key=lambda path: (-path.count("."), "[" not in path)):
        steps = steps_of(path)
        if [step.name for step in steps] != names[: len(steps)]:
            continue
        if all(not step.selector or _fits(resource, place, number, step.selector, facts) for number, step in enumerate(steps)):
            return lines[path][0]
    return ""


def _fits(resource: Resource, place: Place, number: int, selector: str, facts: Facts) -> bool:
    """Whether what stands at the step with this number (of names) is what `[selector]` means."""
    value: Any = resource
    for position, step in enumerate(place):
        value = value[step]
        if sum(isinstance(each, str) for each in place[: position + 1]) == number + 1 and isinstance(value, dict):
            return selected(value, selector, facts.systems) is not None
    return False


# ── what came out ────────────────────────────────────────────────────────────────────────────────
class _Text(str):
    place: Place


class _Whole(int):
    place: Place


class _Real(float):
    place: Place


def _marked(value: Any, place: Place) -> Any:
    """The same, every value knowing its place."""
    if isinstance(value, dict):
        return {name: _marked(inner, (*place, name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [_marked(inner, (*place, number)) for number, inner in enumerate(value)]
    for plain, marked in ((str, _Text), (int, _Whole), (float, _Real)):
        if isinstance(value, plain):
            value = marked(value)
            value.place = place
            return value
    return value


class _Followed(Glass):
    """What is said instead of a stored value keeps that value's place."""

    def instead(self, stored: Any, said: str) -> str:
        told = _Text(said)
        told.place = stored.place
        return told


def _came(shown: Any) -> Iterator[Place]:
    if isinstance(shown, dict | list):
        for inner in shown.values() if isinstance(shown, dict) else shown:
            yield from _came(inner)
    elif isinstance(shown, _Text | _Whole | _Real):
        yield shown.place


# ── why the rest did not ─────────────────────────────────────────────────────────────────────────
Reason = tuple[str, tuple[str, ...]]


def _left(place: Place, resource: Resource, reasons: _Reasons, matrix: Matrix) -> Left:
    cls = class_at(resource, place, matrix, reasons.glass.facts)
    why, about = reasons.of(place)
    return Left(written(place), "" if cls == STRUCTURE else cls, "third" if (why, cls) == ("unlisted", "D9") else why, about)


class _Reasons:
    """Asks the rules of one view, for one resource, about one place after the other."""

    def __init__(self, resource: Resource, view: View, facts: Facts) -> None:
        self.resource, self.view, self.glass = resource, view, Glass(view, facts)
        self.whole = withheld(resource, view, facts)
        if not self.whole and f"{resource['resourceType']}/{resource.get('id')}" in facts.telling:
            self.whole = "telling"

    def of(self, place: Place) -> Reason:
        if self.whole:
            return self.whole, ()
        if place == ATTESTATION and self._hashed():
            return "hash", ()
        return self._inside(self.resource, self.view.trees[self.resource["resourceType"]], place)

    def _hashed(self) -> bool:
        shown = project(self.resource, self.view, facts=self.glass.facts, glass=self.glass) or {}
        return "hash" in shown.get("sourceAttachment", {})

    def _inside(self, value: dict[str, Any], children: dict[str, list[Branch]], place: Place) -> Reason:
        name, rest = str(place[0]), place[1:]
        if value.get("system") == self.glass.need_system and "code" in children and name in ("system", "code"):
            kept = self.glass.need_kept(value.get("code"))
            return (kept, ()) if kept else self._by(children["code"][0], value[name], rest)
        branches, entry = children.get(name, []), value[name]
        if isinstance(entry, list):
            entries, entry, rest = entry, entry[int(rest[0])], rest[1:]
            if name in DATED and branches:
                entries = [one for one in entries if of_now(one, self.glass.facts.on)]
            if any(branch.selector == "usual" for branch in branches):
                entries, among = usual(entries), entries
                if _has(among, entry) and not _has(entries, entry):
                    return "usual", ()
            if not _has(entries, entry):
                return "ended", ()
        if entry is None:
            return "empty", ()
        return max((self._by(branch, entry, rest) for branch in branches), key=lambda found: REASONS.index(found[0]), default=("unlisted", ()))

    def _by(self, branch: Branch, entry: Any, rest: Place) -> Reason:
        """Why this branch of the allow-list did not let the place through."""
        if branch.rule is not None:
            return self._rule(branch, branch.rule) if not rest else ("unlisted", ())
        if not isinstance(entry, dict) or not rest:
            return "unlisted", ()
        chosen = self.glass.chosen(entry, branch)
        coded = rest[0] == "coding" and len(rest) > 1 and chosen is not None
        if chosen is None or (coded and not _has(chosen["coding"], entry["coding"][rest[1]])):
            return "selector", (branch.selector,)
        return self._inside(entry, branch.children, rest)

    def _rule(self, branch: Branch, rule: Rule) -> Reason:
        hidden = self.view.hides(rule, self.glass.facts)
        if hidden:
            about = {"stage": tuple(sorted(rule.stages)), "need": tuple(sorted(self.view.needs_for.get(rule.cls, ())))}
            return hidden, about.get(hidden, ())
        if "label" in rule.conditions:
            return "label", ()
        return ("reference" if branch.type == "reference" else "once"), ()


def _has(entries: list[Any], entry: Any) -> bool:
    return any(entry is one for one in entries)
