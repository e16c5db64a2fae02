"""Where each element of a result comes from: the line that made it, the fields behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from adapter.mapping.compiling import compile_program
from adapter.mapping.context import MapContext
from adapter.mapping.document import Node, Scalar, Seq, Tree, as_text, as_tree, plain
from adapter.mapping.mapping import Mapping, Record, run_record
from adapter.mapping.scope import NAME
from adapter.names import Systems


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one element of a result comes from: template path, line, the record's fields behind it."""

    element: str
    place: str
    fields: tuple[str, ...]


def explain(mapping: Mapping, record: Record, *, context: MapContext) -> list[Origin]:
    """Which line made which element from which field, for this record. Raises RecordRefused as `to_fhir`."""
    seen = made(mapping, record, context)
    return [leaf for mark, leaf in leaves(mapping).items() if mark in seen]


# ── examples ─────────────────────────────────────────────────────────────────────────────────────


def made(mapping: Mapping, record: Record, context: MapContext) -> set[int]:
    """The nodes whose values one record makes: on a program of its own, as watching costs time."""
    seen: set[int] = set()
    run_record(compile_program(mapping.tree, mapping.parts, mapping.terms, context.systems, seen=seen), record, context)
    return seen


def leaves(mapping: Mapping) -> dict[int, Origin]:
    """Every value of the templates that is not fixed, by its node."""
    program = mapping.program(Systems())
    behind = _behind(mapping)
    found: dict[int, Origin] = {}
    for block in program.blocks:
        for entry in block.entries:
            for mark, path, place, names in _walk(entry.tree, entry.name, {}):
                fields = dict.fromkeys(field for name in names for field in behind(name))
                found[mark] = Origin(path, place, tuple(fields))
    return found


def _walk(node: Node, path: str, loops: dict[str, str]) -> Iterator[tuple[int, str, str, list[str]]]:
    """(node, template path, place, names) of each value; a loop's word stands for what is looped over."""
    if isinstance(node, Scalar):
        names = NAME.findall(node.value) if isinstance(node.value, str) else []
        if names:
            yield id(node), path, node.place, [loops.get(name.partition(".")[0], name) for name in names]
        return
    if isinstance(node, Seq):
        for at, entry in enumerate(node.entries):
            yield from _walk(entry, f"{path}[{at}]", loops)
        return
    if "$each" in node.entries:
        word = as_text(node.need("$as"), "$as") if "$as" in node.entries else "it"
        loops = loops | {word: as_text(node.need("$each"), "$each").removeprefix("$")}
    for key in node.entries.keys() & {"$base64", "$sha1"}:
        yield id(node), path, node.place, NAME.findall(str(plain(node.entries[key])))
    inner = [each for key, value in node.entries.items() if not key.startswith("$") for each in _walk(value, f"{path}.{key}", loops)]
    if "$when" in node.entries and not inner:
        yield id(node), path, node.place, NAME.findall(str(plain(node.entries["$when"])))
    yield from inner


def _behind(mapping: Mapping) -> Callable[[str], list[str]]:
    """name → the record's fields it is derived from, through every `let`."""
    fields = {field.name for field in mapping.fields}
    lets: dict[str, set[str]] = {}
    for tree in _lets(mapping):
        for name, node in tree.entries.items():
            lets[name] = set(NAME.findall(_texts(node)))

    def behind(name: str, depth: int = 0) -> list[str]:
        if name in fields:
            return [name]
        if depth > 20:
            return []
        stem = name if name in lets else name.partition(".")[0]
        return [field for inner in sorted(lets.get(stem, ())) for field in behind(inner, depth + 1)]

    return behind


def _lets(mapping: Mapping) -> Iterator[Tree]:
    """Every `let`, and each repeated group as a name for what it repeats."""
    for tree in (mapping.tree, *mapping.parts.values()):
        let = tree.get("let")
        if isinstance(let, Tree):
            yield let
        for name, node in as_tree(tree.entries.get("resources", Tree({}, {}, tree.place)), "resources").entries.items():
            if isinstance(node, Tree) and "$each" in node.entries:
                yield Tree({name: node.entries["$each"]}, {}, node.place)
                if isinstance(inner := node.get("$let"), Tree):
                    yield inner


def _texts(node: Node) -> str:
    if isinstance(node, Scalar):
        return str(node.value)
    entries = node.entries if isinstance(node, Seq) else node.entries.values()
    return " ".join(_texts(entry) for entry in entries)
