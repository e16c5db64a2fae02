"""A mapping document as a tree in which every key and value knows its file and line.

YAML is read as plain text scalars; only `true`, `false`, `null` and whole numbers become values of their
own, so that no date, no "oui" and no Norwegian "no" turns into something its author did not write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from adapter.errors import MappingError

LONGEST = 1_000_000  # characters of one document
DEEPEST = 60
_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True, slots=True)
class Scalar:
    value: str | int | bool | None
    place: str


@dataclass(frozen=True, slots=True)
class Seq:
    entries: tuple[Node, ...]
    place: str


@dataclass(frozen=True, slots=True)
class Tree:
    """A YAML mapping. `places` holds the place of each key, for errors about the key itself."""

    entries: dict[str, Node]
    places: dict[str, str]
    place: str

    def get(self, key: str) -> Node | None:
        return self.entries.get(key)

    def need(self, key: str) -> Node:
        """The value of a key that must be there. Raises MappingError."""
        if key not in self.entries:
            raise MappingError(f"expected the key {key!r} here", document=self.place)
        return self.entries[key]


Node: TypeAlias = Scalar | Seq | Tree


def words(file: Path | Traversable, *, name: str = "") -> str:
    """The text of a document. Raises MappingError naming file and line where it is no UTF-8. `name`: by which it is called."""
    found = file.read_bytes()
    try:
        return found.decode("utf-8")
    except UnicodeDecodeError as error:
        line = found.count(b"\n", 0, error.start) + 1
        raise MappingError("expected text in UTF-8: save the file so", document=f"{name or file.name}:{line}") from None


def parse(text: str, *, name: str) -> Tree:
    """The tree of one document; `name` is the file name that places carry.

    Raises MappingError for text that is no YAML, doubled keys, anchors and aliases, and documents too
    long or too deep.
    """
    if len(text) > LONGEST:
        raise MappingError(f"expected at most {LONGEST:,} characters", document=name)
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        why = getattr(error, "problem", None) or "unexpected character"
        raise MappingError(f"not readable as YAML: {why}", document=f"{name}:{line}") from None
    if root is None:
        raise MappingError("the document is empty", document=f"{name}:1")
    return as_tree(_node(root, name, 0, set()), "the document")


def _node(node: yaml.Node, name: str, depth: int, seen: set[int]) -> Node:
    place = f"{name}:{node.start_mark.line + 1}"
    if depth > DEEPEST:
        raise MappingError(f"nested deeper than {DEEPEST}", document=place)
    if id(node) in seen:
        raise MappingError("anchors and aliases are not part of the language; use a part", document=place)
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        return Scalar(_scalar(node), place)
    if isinstance(node, yaml.SequenceNode):
        return Seq(tuple(_node(child, name, depth + 1, seen) for child in node.value), place)
    entries: dict[str, Node] = {}
    places: dict[str, str] = {}
    for key, value in node.value:
        at = f"{name}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode) or not key.value:
            raise MappingError("expected a plain key", document=at)
        if key.value in entries:
            raise MappingError(f"the key {key.value!r} is here twice", document=at)
        entries[key.value], places[key.value] = _node(value, name, depth + 1, seen), at
    return Tree(entries, places, place)


def _scalar(node: yaml.ScalarNode) -> str | int | bool | None:
    text: str = node.value
    if node.style:  # quoted or block: text as it stands
        return text
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _WHOLE.fullmatch(text) else text


def fault(node: Node | str, text: str) -> MappingError:
    """The error to raise about a node (or a place)."""
    return MappingError(text, document=node if isinstance(node, str) else node.place)


def as_tree(node: Node, what: str) -> Tree:
    if not isinstance(node, Tree):
        raise MappingError(f"{what}: expected keys and values", document=node.place)
    return node


def as_text(node: Node, what: str) -> str:
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
        raise MappingError(f"{what}: expected a word or text", document=node.place)
    return node.value


def as_whole(node: Node, what: str) -> int:
    if not isinstance(node, Scalar) or not isinstance(node.value, int) or isinstance(node.value, bool):
        raise MappingError(f"{what}: expected a whole number", document=node.place)
    return node.value


def as_list(node: Node, what: str) -> tuple[Node, ...]:
    """The entries of a list; one word stands for a list of one."""
    if isinstance(node, Seq):
        return node.entries
    if isinstance(node, Scalar) and node.value is not None:
        return (node,)
    raise MappingError(f"{what}: expected a list", document=node.place)


def plain(node: Node) -> Any:
    """The node as ordinary Python values."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Seq):
        return [plain(entry) for entry in node.entries]
    return {key: plain(value) for key, value in node.entries.items()}


def only(tree: Tree, keys: set[str] | frozenset[str], what: str) -> None:
    """Refuses keys that the language does not know here, naming the near ones."""
    for key in tree.entries:
        if key not in keys:
            raise fault(tree.places[key], f"{what} does not know {key!r}{nearest(key, keys)}")


def nearest(word: str, known: Any, *, most: int = 5) -> str:
    """`; near: a, b` for an error text, or the first known words when none is near."""
    words = sorted(known)
    near = get_close_matches(word, words, n=most, cutoff=0.5)
    if near:
        return f"; near: {', '.join(near)}"
    return f"; known: {', '.join(words[:12])}{', …' if len(words) > 12 else ''}" if words else ""
