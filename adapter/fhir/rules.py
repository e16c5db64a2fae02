"""Every rule that applies to one object: its choices, its invariants, what its references may point to."""

from __future__ import annotations

import re
from functools import cache

from adapter.fhir import facts, rules_datatypes, rules_documents, rules_resources
from adapter.fhir.elements import Element
from adapter.fhir.rule import Object, Rule

INVARIANTS = {**rules_datatypes.RULES, **rules_resources.RULES, **rules_documents.RULES}

_NAMES_TYPE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)(?:/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?$|\?)")


def of(element: Element) -> list[Rule]:
    """The rules of an element, choices first."""
    return [*_choices(element), *INVARIANTS.get(element.name, ())]


def _choices(element: Element) -> list[Rule]:
    found = []
    for choice, required in element.choices.items():
        members = {name: name for name, field in element.fields.items() if field.choice == choice}
        members |= {f"_{name}": name for name in members if element.fields[name].sibling}
        found.append(_at_most_one(choice, members))
        if required:
            found.append(_one(choice, members))
    return found


def _at_most_one(choice: str, members: dict[str, str]) -> Rule:
    names = frozenset(members)

    def holds(value: Object) -> bool:
        present = value.keys() & names
        return len(present) <= 1 or len({members[name] for name in present}) == 1

    return Rule("choice", holds, f"expected at most one {choice}[x]", choice, "structure")


def _one(choice: str, members: dict[str, str]) -> Rule:
    return Rule("choice", lambda value: not members.keys().isdisjoint(value), f"expected one {choice}[x]", choice, "required")


def target(reference: str) -> str:
    """The resource type a literal reference names; "" where it names none (urn:, #id, an address of another form)."""
    match = _NAMES_TYPE.search(reference)
    return match[1] if match and match[1] in facts.resource_types() and not reference.startswith("#") else ""


@cache
def targeting(targets: frozenset[str]) -> Rule:
    """The rule of a Reference that may point to these types only, by its literal reference or its type."""

    def holds(value: Object) -> bool:
        literal, type = value.get("reference"), value.get("type")
        if type is None and literal is not None and literal.partition("/")[0] in targets:
            return True
        named = target(literal) if literal is not None else ""
        return (not named or named in targets) and (type is None or type not in facts.resource_types() or type in targets)

    return Rule("target", holds, f"expected a reference to {', '.join(sorted(targets))}", code="value")
