"""The flat object of a view: what the portal, the views API, letters and mails show (workflow.md 6).

Made from resources already projected and the facts of the look, from nothing else; English keys, labels by language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapter.ports import Resource
from adapter.views.cardspec import Entry, Hop, Source
from adapter.views.elements import Step
from adapter.views.facts import Facts
from adapter.views.glass import selected
from adapter.views.view import View


def card(view: View, resources: Sequence[Resource], *, facts: Facts, lang: str, fields: Mapping[str, Entry] | None = None) -> dict[str, Any]:
    """The card of one referral. `resources`: what `project` gave for it, by the same view and facts. `lang`: fr or en.
    `fields`: other entries than the view's card, such as its line of a list.

    Keys without a value are absent. `view` and `version` name the file it follows. An area and an age class appear in a
    pool offer only, whatever the facts hold.
    """
    desk = _Desk(view, resources, replace(facts, lang=lang))
    return {"view": view.name, "version": view.version, **desk.object(tuple((view.card if fields is None else fields).items()))}


class _Desk:
    def __init__(self, view: View, resources: Sequence[Resource], facts: Facts) -> None:
        self.view, self.facts = view, facts
        self.resources = resources
        self.named: dict[Any, Resource] = {f"{one.get('resourceType')}/{one.get('id')}": one for one in resources}

    def object(self, fields: Sequence[tuple[str, Entry]], only: Resource | None = None) -> dict[str, Any]:
        found = {key: self.entry(entry, only) for key, entry in fields}
        return {key: value for key, value in found.items() if value not in (None, [], {})}

    def entry(self, entry: Entry, only: Resource | None) -> Any:
        if entry.each and only is None:
            made = [self.object(entry.fields, one) for one in self.resources if one.get("resourceType") == entry.each]
            return [one for one in made if one]
        if entry.fields:
            return self.object(entry.fields, only)
        for source in entry.sources:
            if (value := self.value(source, only)) not in (None, []):
                return value
        return None

    def value(self, source: Source, only: Resource | None) -> Any:
        found = self.chain(source.hops, only)
        texts = [text for text in (self.text(one, source) for one in found) if text not in (None, "")]
        unique = list(dict.fromkeys(texts))
        return unique if "list" in source.pipes else unique[0] if unique else None

    def chain(self, hops: tuple[Hop, ...], only: Resource | None) -> list[Any]:
        first, *rest = hops
        if first.type == "fact":
            return [self.fact(first.steps[0].name)]
        start = [only] if only is not None and only.get("resourceType") == first.type else [
            one for one in self.resources if one.get("resourceType") == first.type
        ]  # fmt: skip
        found = [value for one in start for value in _walk(one, first.steps, self.facts)]
        for hop in rest:
            there = [self.named.get(value.get("reference")) for value in found if isinstance(value, dict)]
            found = [
                value for one in there if one is not None and one.get("resourceType") == hop.type
                for value in _walk(one, hop.steps, self.facts)
            ]  # fmt: skip
        return found

    def fact(self, name: str) -> str:
        if name in ("area", "age_class") and self.facts.stage != "offer":
            return ""
        return str(getattr(self.facts, name))

    def text(self, value: Any, source: Source) -> Any:
        if "label" in source.pipes:
            return self.label(value, source.table)
        if "code" in source.pipes:
            return next((coding.get("code") for coding in _codings(value)), None)
        if "name" in source.pipes:
            return _name(value)
        if "initials" in source.pipes:
            return _initials(value) if self.facts.accepted else None
        if "address" in source.pipes:
            return _address(value)
        if isinstance(value, dict):  # a Reference to one whose name is not shown
            return value.get("display")
        return value

    def label(self, value: Any, table: str) -> str | None:
        """Of a code, by the table named; of a CodeableConcept, by the first of its codings that a table of ours has."""
        if isinstance(value, str):
            return self.view.label(table, value, self.facts.lang, self.facts)
        base = self.facts.systems.code("")
        for coding in _codings(value):
            system = str(coding.get("system"))
            if system.startswith(base):
                return self.view.label(system.removeprefix(base), str(coding.get("code")), self.facts.lang, self.facts)
        return None


def _walk(value: Any, steps: Sequence[Step], facts: Facts) -> list[Any]:
    """All values at a path, lists opened."""
    found = [value]
    for step in steps:
        found = [one.get(step.name) for one in found if isinstance(one, dict)]
        found = [inner for one in found for inner in (one if isinstance(one, list) else [one])]
        if step.selector:
            found = [one for one in found if isinstance(one, dict) and selected(one, step.selector, facts.systems) is not None]
    return found


def _codings(value: Any) -> list[dict[str, Any]]:
    codings = value.get("coding") if isinstance(value, dict) else None
    return codings if isinstance(codings, list) else []


def _name(value: Any) -> str | None:
    """A HumanName as it is said: "Dr Camille Exemple"."""
    if not isinstance(value, dict):
        return value if isinstance(value, str) else None
    given, prefix = value.get("given") or [], value.get("prefix") or []
    words = [*prefix, *given, value.get("family")]
    return " ".join(str(word) for word in words if word) or value.get("text")


def _initials(value: Any) -> str | None:
    """Of a HumanName: "J. D."."""
    parts = [*(value.get("given") or [])[:1], value.get("family")] if isinstance(value, dict) else []
    return " ".join(f"{part[0].upper()}." for part in parts if isinstance(part, str) and part) or None


def _address(value: Any) -> str | None:
    """An Address on one line: "12 rue de l'Exemple, 76100 Rouen"."""
    if not isinstance(value, dict):
        return None
    town = " ".join(str(word) for word in (value.get("postalCode"), value.get("city")) if word)
    return ", ".join(str(part) for part in [*(value.get("line") or []), town] if part) or None
