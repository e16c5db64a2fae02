"""The code tables of `mappings/terms/`: one file a table, labels in French and English.

A table's `table:` is the last part of its code system (`Systems.code(table)`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any

from adapter.errors import MappingError
from adapter.mapping.document import Node, Tree, as_list, as_text, as_tree, fault, nearest, only, parse, plain, words

_TABLE = frozenset({"table", "labels", "properties", "codes", "elsewhere"})
_OWN = frozenset({"fr", "en", "abstract"})


@dataclass(frozen=True, slots=True)
class Term:
    """One code. `properties` hold what its table declares (for a need: sensitivity, priority, sdohcc…).
    `abstract`: a code that views and answers use and no record may choose."""

    code: str
    fr: str
    en: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    abstract: bool = False
    place: str = ""

    def label(self, lang: str = "fr") -> str:
        """The label in `fr` or `en` (French for any other language)."""
        return self.en if lang == "en" else self.fr


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is never recorded, by the `words` somebody may write for it, and what is to be done instead."""

    words: tuple[str, ...]
    fr: str
    en: str


@dataclass(frozen=True)
class Table:
    """A code table. `key` is the last part of its system."""

    key: str
    labels: Mapping[str, str]
    properties: frozenset[str]
    terms: Mapping[str, Term]
    elsewhere: tuple[Elsewhere, ...] = ()

    @cached_property
    def order(self) -> dict[str, int]:
        return {code: at for at, code in enumerate(self.terms)}

    def get(self, code: str) -> Term | None:
        return self.terms.get(code)

    def __contains__(self, code: object) -> bool:
        return code in self.terms


class Terms:
    """All tables that were loaded. `terms["need"]`, `terms.label("need", "isolement", lang="en")`."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables: Mapping[str, Table] = MappingProxyType(dict(tables))

    @classmethod
    def load(cls, folder: Path | Traversable) -> Terms:
        """Reads every `*.yaml` of `mappings/terms`. Raises MappingError naming file and line."""
        files = sorted((each for each in folder.iterdir() if each.name.endswith(".yaml")), key=lambda each: each.name)
        return cls.of({each.name: words(each, name=f"terms/{each.name}") for each in files})

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Terms:
        """The same from texts by file name."""
        tables: dict[str, Table] = {}
        for name, text in texts.items():
            tree = parse(text, name=f"terms/{name}")
            table = _table(tree)
            if table.key in tables:
                raise fault(tree, f"the table {table.key!r} is here twice")
            tables[table.key] = table
        return cls(tables)

    def __getitem__(self, table: str) -> Table:
        return self.tables[table]

    def get(self, table: str) -> Table | None:
        return self.tables.get(table)

    def choosable(self, table: str) -> tuple[str, ...]:
        """The codes of a table that a record may choose; none where there is no such table."""
        found = self.tables.get(table)
        return tuple(code for code, term in found.terms.items() if not term.abstract) if found else ()

    def label(self, table: str, code: str, *, lang: str = "fr") -> str:
        """The label of a code, or the code itself when the table does not know it."""
        found = self.tables[table].get(code) if table in self.tables else None
        return found.label(lang) if found else code

    def neutral(self, code: str, *, table: str = "need") -> str:
        """The code under which this one travels to a recipient (workflow.md 6)."""
        term = self.tables[table].get(code)
        return str(term.properties["neutral"]) if term else code


def _table(tree: Tree) -> Table:
    only(tree, _TABLE, "a code table")
    key = as_text(tree.need("table"), "table")
    labels = as_tree(tree.need("labels"), "labels")
    only(labels, frozenset({"fr", "en"}), "labels")
    declared = frozenset(as_tree(tree.need("properties"), "properties").entries) if tree.get("properties") else frozenset[str]()
    rows = as_tree(tree.need("codes"), "codes")
    terms = {code: _term(code, row, declared) for code, row in rows.entries.items()}
    elsewhere = _elsewhere(as_tree(tree.need("elsewhere"), "elsewhere"), terms) if tree.get("elsewhere") else ()
    table = Table(key, {lang: as_text(labels.need(lang), f"labels.{lang}") for lang in ("fr", "en")}, declared, terms, elsewhere)
    if "neutral" in declared:
        _check_neutral(table)
    return table


def _term(code: str, node: Node, declared: frozenset[str]) -> Term:
    row = as_tree(node, code)
    only(row, _OWN | declared, f"the code {code!r}")
    properties = {key: plain(row.entries[key]) for key in declared if key in row.entries}
    abstract = plain(row.entries["abstract"]) is True if "abstract" in row.entries else False
    return Term(code, as_text(row.need("fr"), f"{code}.fr"), as_text(row.need("en"), f"{code}.en"), properties, abstract, row.place)


def _elsewhere(tree: Tree, terms: Mapping[str, Term]) -> tuple[Elsewhere, ...]:
    found = []
    for name, node in tree.entries.items():
        row = as_tree(node, name)
        only(row, frozenset({"words", "fr", "en"}), f"elsewhere.{name}")
        words = (name, *(as_text(each, "words") for each in as_list(row.need("words"), "words")))
        if known := next((each for each in words if each in terms), ""):
            raise fault(row, f"{known!r} is a code of the table as well")
        found.append(Elsewhere(words, as_text(row.need("fr"), "fr"), as_text(row.need("en"), "en")))
    return tuple(found)


def _check_neutral(table: Table) -> None:
    """Every code has a neutral code in the table, and a neutral code is its own."""
    for term in table.terms.values():
        neutral = term.properties.get("neutral")
        if neutral is None:
            raise MappingError(f"the code {term.code!r} has no neutral code", document=term.place)
        found = table.get(neutral)
        if found is None:
            near = nearest(str(neutral), table.terms)
            raise MappingError(f"the neutral code of {term.code!r} is not in the table{near}", document=term.place)
        if found.properties.get("neutral") != neutral:
            raise MappingError(f"the neutral code of {term.code!r} must be its own neutral code", document=term.place)
