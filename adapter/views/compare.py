"""What one view shows that another does not: two recipients side by side, or one file before and after an edit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from adapter.views.declared import Declared
from adapter.views.elements import leaves
from adapter.views.view import CONDITIONS, STAGES, Rule, View

Leaf = tuple[str, str]  # (type, path of a primitive)
YES = "yes"


@dataclass(frozen=True, slots=True)
class Difference:
    """`place`: an element ("Patient.birthDate"), or what else a file says ("writes accept", "sensitivity"); `before` and `after`: what A
    and B say of it, "" where one says nothing."""

    place: str
    before: str
    after: str


def differences(a: View | Declared, b: View | Declared) -> list[Difference]:
    """Everything in which B differs from A, elements first, in the order of the files. Elements are compared by what is copied: a
    name listed whole and the same name listed by its parts do not differ."""
    before, after = _leaves(a), _leaves(b)
    found: dict[str, Difference] = {}
    for leaf in [*before, *(leaf for leaf in after if leaf not in before)]:
        one, other = before.get(leaf), after.get(leaf)
        if (said(one) if one else "") != (said(other) if other else ""):
            place = _place(leaf, one, before, after) if one else _place(leaf, other, after, before)
            found.setdefault(place, Difference(place, said(one) if one else "", said(other) if other else ""))
    rest = [Difference(key, one, other) for key, one, other in _around(a, b) if one != other]
    return [*found.values(), *rest]


def said(rule: Rule) -> str:
    """A line as a view file says it, in one order: "D2 open need"; "consent" where its cell asks for it."""
    stages = ["always"] if rule.stages == frozenset(STAGES) else [stage for stage in STAGES if stage in rule.stages]
    return " ".join([rule.cls, *stages, *(each for each in CONDITIONS if each in rule.conditions), *(["(consent)"] if rule.consent else [])])


def _leaves(view: View | Declared) -> dict[Leaf, Rule]:
    if isinstance(view, Declared):
        return {}
    return {
        (kind, ".".join(f"{step.name}[{step.selector}]" if step.selector else step.name for step in leaf.steps)): rule
        for kind, rule in view.rules for leaf in leaves(kind, rule.path)
    }  # fmt: skip


def _place(leaf: Leaf, rule: Rule | None, here: Mapping[Leaf, Rule], there: Mapping[Leaf, Rule]) -> str:
    """The path as the line has it where the other side has that line too or nothing of it, else the primitive's own."""
    kind, path = leaf
    others = [there.get(each) for each, one in here.items() if one is rule]
    whole = rule is not None and (not any(others) or all(other is not None and other.path == rule.path for other in others))
    return f"{kind}.{rule.path if whole and rule else path}"


def _around(a: View | Declared, b: View | Declared) -> Iterator[tuple[str, str, str]]:
    one, other = _facts(a), _facts(b)
    for key in [*one, *(key for key in other if key not in one)]:
        yield key, one.get(key, ""), other.get(key, "")


def _facts(view: View | Declared) -> dict[str, str]:
    """What a file says besides its elements; what it lists, one by one."""
    if isinstance(view, Declared):
        return {"way": view.way, "recipient": view.recipient} | {f"class {cls}": YES for cls in view.classes}
    found = {
        "way": "view", "recipient": view.recipient, "ids": view.ids, "profile": "keep" if view.profile else "drop", "subsetted": str(view.subsetted).lower(),
        "sensitivity": "" if view.sensitivity is None else str(view.sensitivity),
    }  # fmt: skip
    lists = {"writes": view.writes, "sort": view.sort, "card": view.card, "list": view.line} | {f"search {kind}": names for kind, names in view.search.items()}
    lists |= {f"needs_for {cls}": sorted(needs) for cls, needs in view.needs_for.items()}
    found |= {f"{key} {each}": YES for key, names in lists.items() for each in names}
    for table, codes in view.labels.items():
        found |= {f"label {table} {code}": " / ".join(texts.values()) for code, texts in codes.items()}
    return found
