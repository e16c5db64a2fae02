"""Column maps: which column of a table feeds which field of a record kind. Part of the language, as declarative as the rest.

`Columns.against(header)` fits a map to the header of one table; `Fit.record(cells)` gives a row's record as a sender would write it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping as ReadOnly
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from adapter.errors import MappingError
from adapter.mapping.cells import Cell, cell_of
from adapter.mapping.document import Node, Tree, as_list, as_text, as_tree, as_whole, fault, nearest, only, parse, plain, words
from adapter.mapping.kinds import fold
from adapter.mapping.mapping import Mapping
from adapter.mapping.shape import Field

OURS = "liaison."  # what a column of ours begins with, in the rows that are given back to be mended
_TOP = frozenset({"columns", "version", "title", "mapping", "unmapped", "fields", "examples"})
_FEED = frozenset({"column", "columns", "join", "constant", "default", "words", "list", "digits", "instant", "phones", "optional"})


class Told(NamedTuple):
    """Something about a row: the column of the map ("" for none), the path in the record, what to know or to mend. No value."""

    column: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Feed:
    """What one field is fed with: `columns`, their texts joined, or a `constant`."""

    path: str
    place: str
    columns: tuple[str, ...]
    join: str = " "
    constant: Any = None
    default: Any = None
    optional: bool = False
    several: bool = False  # the field is a list
    split: tuple[str, ...] = ()
    cell: Cell = field(default_factory=Cell)
    second: str = ""  # the path that a second telephone number goes to


@dataclass(frozen=True, slots=True)
class Filled:
    """A row as a record. With `problems` it is not to be sent."""

    record: dict[str, Any]
    warnings: list[Told]
    problems: list[Told]


class Columns:
    """One column map. Immutable. `name`, `version`, `title`; `mapping`: the record kind that rows become."""

    def __init__(self, tree: Tree, documents: ReadOnly[str, Mapping]) -> None:
        only(tree, _TOP, "a column map")
        self.tree, self.file = tree, tree.place.rpartition(":")[0]
        self.name, self.version = as_text(tree.need("columns"), "columns"), as_whole(tree.need("version"), "version")
        title = as_tree(tree.need("title"), "title")
        self.title = {lang: as_text(title.need(lang), f"title.{lang}") for lang in ("fr", "en")}
        kind = as_text(tree.need("mapping"), "mapping")
        if kind not in documents:
            raise fault(tree.places["mapping"], f"no mapping {kind!r}{nearest(kind, documents)}")
        self.mapping = documents[kind]
        policy = as_text(tree.need("unmapped"), "unmapped")
        if policy not in ("refuse", "drop"):
            raise fault(tree.places["unmapped"], "unmapped: expected refuse or drop")
        self.drops = policy == "drop"
        shape = {each.name: each for each in self.mapping.fields}
        fields = as_tree(tree.need("fields"), "fields")
        self.feeds = tuple(_feed(path, node, fields.places[path], shape) for path, node in fields.entries.items())
        self._whole(fields, shape)

    def _whole(self, fields: Tree, shape: ReadOnly[str, Field]) -> None:
        """Raises MappingError: the record's own id is not of a column, a field that every record has is fed by nothing, one is fed twice."""
        fed = {feed.path for feed in self.feeds}
        own = self.mapping.id_field
        if not any(feed.path == own and feed.columns for feed in self.feeds):
            raise fault(fields, f"the field {own!r} is the record's own id, by which a row is known again: it comes from a column")
        lacking = [name for name, each in shape.items() if each.required == "always" and name not in fed]
        if lacking:
            raise fault(fields, f"nothing feeds {', '.join(map(repr, lacking))}, which every record has")
        for feed in self.feeds:
            if feed.second in fed:
                raise fault(feed.place, f"{feed.second!r} is fed by a column of its own")

    def against(self, header: Sequence[str]) -> Fit:
        """This map on a table with that header (its names, "" for none). Raises MappingError naming what the header lacks (by the map's
        names), and what it has that the map does not know (by place: a header may be a row of somebody's)."""
        there: dict[str, list[str]] = {}
        for name in header:
            there.setdefault(fold(name), []).append(name)
        named = {name: found for feed in self.feeds for name in feed.columns if (found := there.get(fold(name)))}
        lacking = [name for feed in self.feeds for name in feed.columns if name not in named and not feed.optional]
        if lacking:
            some = "the first row that is not empty names the columns; is it there?" if not named else "mend the names in the first row, or the column map"
            raise MappingError(f"no column {', '.join(dict.fromkeys(lacking))}: {some}", document=self.tree.places["fields"])
        if twice := [name for name, found in named.items() if len(found) > 1]:
            raise MappingError(f"more than one column is called {', '.join(twice)} but for case and accents", document=self.tree.places["fields"])
        known = {fold(name) for feed in self.feeds for name in feed.columns}
        others = [place for place, name in enumerate(header) if name and fold(name) not in known and not name.startswith(OURS)]
        if others and not self.drops:
            said = ", ".join(str(place + 1) for place in others[:20])
            raise MappingError(f"columns that this map does not know: number {said} of the header (unmapped: refuse)", document=self.tree.places["unmapped"])
        return Fit(self, {name: found[0] for name, found in named.items()}, len(others))

    def column_of(self, path: str) -> str:
        """The map's name of the column behind a path of the record: of the field, or of the first field below; "" for none."""
        bare = "".join(part.partition("]")[2] if at else part for at, part in enumerate(path.split("[")))
        found = [feed for feed in self.feeds if feed.columns and bare and bare in (feed.path, feed.second)]
        found += [feed for feed in self.feeds if feed.columns and bare and feed.path.startswith(f"{bare}.")]
        return " + ".join(found[0].columns) if found else ""


class Fit:
    """A column map on the header of one table. `names`: the map's column → the table's; `left`: how many columns are left out."""

    def __init__(self, columns: Columns, names: ReadOnly[str, str], left: int) -> None:
        self.columns, self.names, self.left = columns, names, left
        self.back = {there: name for name, there in names.items()}

    def record(self, cells: ReadOnly[str, str], seen: set[str] | None = None) -> Filled:
        """The record of a row (the table's names → text). Never raises; `seen` collects the places of what was used."""
        made = Filled({}, [], [])
        for feed in self.columns.feeds:
            value, used = self._value(feed, cells, made)
            if value is not None:
                _set(made.record, feed.path, value)
                if seen is not None:
                    seen.update({feed.place, *used})
        return made

    def _value(self, feed: Feed, cells: ReadOnly[str, str], made: Filled) -> tuple[Any, set[str]]:
        if not feed.columns:
            return feed.constant, set()
        parts = [text for name in feed.columns if (there := self.names.get(name)) and (text := cells.get(there, "").strip())]
        if not parts:
            return feed.default, set()
        text, column, used = feed.join.join(parts), " + ".join(feed.columns), set[str]()
        entries = [part for each in _divided(text, feed.split) if (part := each.strip())] if feed.split else [text]
        found = []
        for entry in entries:
            clean = feed.cell.read(entry)
            made.problems.extend([Told(column, feed.path, clean.problem)] if clean.problem else [])
            if clean.more and feed.second:
                _set(made.record, feed.second, clean.more[0])
            if (left := clean.more[1:] if feed.second else clean.more) and not clean.problem:
                made.warnings.append(Told(column, feed.path, f"{len(left)} more in this cell {'is' if len(left) == 1 else 'are'} left out"))
            found.append(clean.text)
            used |= {clean.place} if clean.place else set()
        return (found if feed.several else found[0]) if found else feed.default, used


def _divided(text: str, separators: Sequence[str]) -> list[str]:
    for each in (*separators[1:], "\n"):
        text = text.replace(each, separators[0])
    return text.split(separators[0])


def _set(record: dict[str, Any], path: str, value: Any) -> None:
    *groups, last = path.split(".")
    for group in groups:
        record = record.setdefault(group, {})
    record[last] = value


def _feed(path: str, node: Node, place: str, shape: ReadOnly[str, Field]) -> Feed:
    if path not in shape:
        raise fault(place, f"the record has no field {path!r}{nearest(path, shape)}")
    found = shape[path]
    if found.group:
        raise fault(place, f"{path!r} is a group that repeats: a row cannot feed it")
    if not isinstance(node, Tree):
        return Feed(path, place, (_name(as_text(node, path)),), several=bool(found.most))
    only(node, _FEED, f"the field {path!r}")
    ways = {"column", "columns", "constant"} & node.entries.keys()
    if len(ways) != 1:
        raise fault(place, "expected one of column, columns, constant")
    if "constant" in ways:
        only(node, {"constant"}, "a constant")
        value = plain(node.need("constant"))
        return Feed(path, place, (), constant=value if not found.most or isinstance(value, list) else [value])
    names = tuple(_name(as_text(each, "columns")) for each in as_list(node.entries[ways.pop()], "columns"))
    split = tuple(as_text(each, "list") for each in as_list(node.entries["list"], "list")) if "list" in node.entries else ()
    if split and not found.most:
        raise fault(node.places["list"], f"{path!r} holds one value")
    default = plain(node.entries["default"]) if "default" in node.entries else None
    cell, second = cell_of(node, shape)
    return Feed(
        path, place, names, join=_join(node), default=default if not found.most or default is None or isinstance(default, list) else [default],
        optional=plain(node.entries["optional"]) is True if "optional" in node.entries else False, several=bool(found.most), split=split, cell=cell,
        second=second,
    )  # fmt: skip


def _join(node: Tree) -> str:
    found = plain(node.entries["join"]) if "join" in node.entries else " "
    if not isinstance(found, str):
        raise fault(node.places["join"], "join: expected text")
    return found


def _name(written: str) -> str:
    return " ".join(unicodedata.normalize("NFC", written).split())


def load_column_map(file: Path | Traversable, documents: ReadOnly[str, Mapping], *, name: str = "") -> Columns | None:
    """The column map in a file; None: it is another kind of document. Raises MappingError with file and line."""
    text = words(file)
    if not any(line.startswith("columns:") for line in text.splitlines()):
        return None
    return Columns(parse(text, name=name or file.name), documents)


def load_columns(folder: Path | Traversable, documents: ReadOnly[str, Mapping]) -> dict[str, Columns]:
    """Every column map of the folder `columns/`, by its name. Raises MappingError with file and line."""
    within, found = folder / "columns", dict[str, Columns]()
    if not within.is_dir():
        return found
    for each in sorted(within.iterdir(), key=lambda each: each.name):
        if each.name.endswith(".yaml"):
            made = load_column_map(each, documents, name=f"columns/{each.name}")
            if made is None:
                raise MappingError("expected a column map", document=f"columns/{each.name}:1")
            if f"{made.name}.yaml" != each.name:
                raise MappingError(f"expected the name of the file, {each.name.removesuffix('.yaml')}", document=made.tree.places["columns"])
            found[made.name] = made
    return found
