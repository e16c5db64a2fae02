"""The little language of a view's `card`: where each value of the flat object comes from.

`Task.status | label task-status` · `ServiceRequest.requester > PractitionerRole.practitioner > Practitioner.name | name`
(follows references) · a list of such texts: the first that gives something · `fact.reference` · a mapping: an object ·
`{each: Communication, …}`: one object for each. Pipes: label [table], name, initials (of an accepted file
only), address, code, list.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from adapter.views.document import Mapped
from adapter.views.elements import Step, steps_of

PIPES = ("label", "name", "initials", "address", "code", "list")
FACTS = ("reference", "area", "age_class")


@dataclass(frozen=True, slots=True)
class Hop:
    """One path of a chain. type "fact" names a fact."""

    type: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Source:
    hops: tuple[Hop, ...]
    pipes: tuple[str, ...]
    table: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A value (`sources`), an object (`fields`) or a list of objects (`fields` and `each`)."""

    sources: tuple[Source, ...] = ()
    fields: tuple[tuple[str, Entry], ...] = ()
    each: str = ""


class Unlisted(ValueError):
    """A path that the view at hand does not list."""


Check = Callable[[str, tuple[Step, ...]], None]


def compile_entry(value: Any, check: Check) -> Entry:
    """An entry of a card. `check(type, steps)` raises ValueError for a path the view does not show; so does what cannot be read."""
    if isinstance(value, Mapped):
        fields = tuple((key, compile_entry(inner, check)) for key, inner in value.items() if key != "each")
        return Entry(fields=fields, each=str(value.get("each", "")))
    texts = value if isinstance(value, list) else [value]
    return Entry(sources=tuple(_source(text, check) for text in texts))


def compile_shared(value: Any, check: Check) -> Entry | None:
    """An entry of a card that several views share: without what this view does not list (`check` raises Unlisted); None when
    nothing is left. What cannot be read, or R4 does not have, raises ValueError as ever."""
    if isinstance(value, Mapped):
        fields = [(key, compile_shared(inner, check)) for key, inner in value.items() if key != "each"]
        kept = tuple((key, entry) for key, entry in fields if entry is not None)
        return Entry(fields=kept, each=str(value.get("each", ""))) if kept else None
    sources = []
    for text in value if isinstance(value, list) else [value]:
        with suppress(Unlisted):
            sources.append(_source(text, check))
    return Entry(sources=tuple(sources)) if sources else None


def _source(text: Any, check: Callable[[str, tuple[Step, ...]], None]) -> Source:
    if not isinstance(text, str):
        raise ValueError("expected a path such as Task.status")
    chain, *pipes = (part.strip() for part in text.split("|"))
    names, table = [], ""
    for pipe in pipes:
        word, _, argument = pipe.partition(" ")
        if word not in PIPES or (argument and word != "label"):
            raise ValueError(f"expected one of {', '.join(PIPES)}, but found {pipe}")
        names.append(word)
        table = argument or table
    hops = tuple(_hop(part.strip(), check) for part in chain.split(">"))
    return Source(hops, tuple(names), table)


def _hop(text: str, check: Callable[[str, tuple[Step, ...]], None]) -> Hop:
    kind, _, path = text.partition(".")
    if kind == "fact":
        if path not in FACTS:
            raise ValueError(f"expected one of {', '.join('fact.' + fact for fact in FACTS)}, but found {text}")
        return Hop(kind, (Step(path),))
    steps = steps_of(path)
    check(kind, steps)
    return Hop(kind, steps)
