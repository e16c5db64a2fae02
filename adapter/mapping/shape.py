"""The `record:` section: the fields that a sender may write, as the document declares them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from adapter.errors import MappingError
from adapter.mapping.context import Run
from adapter.mapping.document import Node, Tree, as_text, as_tree, as_whole, fault, only
from adapter.mapping.kinds import ALL_PARAMETERS, kind_of
from adapter.mapping.terms import Terms
from adapter.mapping.values import Kind, Unfit

_FIELD = frozenset({"type", "required", "default", "never", "unless", "why", "owner", "one_way", "given_back", "instead_of", "list", "fields"}) | ALL_PARAMETERS
UNLESS: dict[str, Callable[[Run], bool]] = {"nir_authorised": lambda run: run.context.nir_authorised}
MOST_ENTRIES = 100
DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field. `name` is its dotted path; `required`: "" | "always" | "here" (when its group is
    given); `owner`: "sender", "liaison" for what only the way back fills, "both" for what a sender says first and the way back
    tells as it stands now. `given_back`: the condition under which the way back gives it (graded disclosure). `instead_of`: the field
    that does not come back where this one does."""

    key: str
    name: str
    place: str
    required: str = ""
    default: Any = None
    never: bool = False
    unless: str = ""
    why: str = ""
    owner: str = "sender"
    one_way: str = ""
    given_back: Node | None = None
    instead_of: str = ""
    most: int = 0  # > 0: a list
    least: int = 0
    kind: Kind | None = None
    group: Group | None = None  # of each entry of a list


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    place: str
    required: bool
    members: dict[str, Field | Group]

    def fields(self) -> Iterator[Field]:
        for member in self.members.values():
            if isinstance(member, Group):
                yield from member.fields()
            else:
                yield member


def declare(tree: Tree, terms: Terms) -> Group:
    """The declared shape. Raises MappingError naming file and line."""
    return _group(tree, "", terms, 0)


def _group(tree: Tree, name: str, terms: Terms, depth: int) -> Group:
    if depth > DEEPEST:
        raise fault(tree, f"a record is at most {DEEPEST} levels deep")
    required = False
    members: dict[str, Field | Group] = {}
    for key, node in tree.entries.items():
        if key == "$required":
            required = _true(node, "$required")
            continue
        spec = as_tree(node, key)
        dotted = f"{name}.{key}" if name else key
        if {"type", "never", "fields"} & spec.entries.keys():
            members[key] = _field(key, dotted, spec, tree.places[key], terms, depth)
        else:
            members[key] = _group(spec, dotted, terms, depth + 1)
    if not members:
        raise fault(tree, "a group without fields")
    return Group(name, tree.place, required, members)


def _true(node: Node, what: str) -> bool:
    value = getattr(node, "value", None)
    if not isinstance(value, bool):
        raise fault(node, f"{what}: expected true or false")
    return value


def _word(spec: Tree, key: str, allowed: tuple[str, ...]) -> str:
    node = spec.get(key)
    if node is None:
        return ""
    value = as_text(node, key)
    if value not in allowed:
        raise fault(node, f"{key}: expected {' or '.join(allowed)}")
    return value


def _required(spec: Tree) -> str:
    node = spec.get("required")
    if node is None:
        return ""
    value = getattr(node, "value", None)
    if value not in (True, "here"):
        raise fault(node, "required: expected true, or here (when its group is given)")
    return "always" if value is True else "here"


def _field(key: str, name: str, spec: Tree, place: str, terms: Terms, depth: int) -> Field:
    only(spec, _FIELD, f"the field {name!r}")
    never, unless = _word(spec, "never", ("drop",)), _word(spec, "unless", tuple(UNLESS))
    listed, inner = spec.get("list"), spec.get("fields")
    if unless and not never:
        raise fault(spec.places["unless"], "unless: only beside never")
    if inner and not listed:
        raise fault(place, "fields: a group that repeats says how often, with list: {max: …}")
    least, most = _bounds(listed) if listed else (0, 0)
    default = spec.get("default")
    kind = kind_of(spec, terms) if spec.get("type") else None
    return Field(
        key, name, place,
        required=_required(spec), default=_default(default, kind, place) if default else None,
        never=bool(never), unless=unless, why=_optional_text(spec, "why"),
        owner=_word(spec, "owner", ("sender", "liaison", "both")) or "sender", one_way=_optional_text(spec, "one_way"),
        given_back=spec.get("given_back"), instead_of=_optional_text(spec, "instead_of"),
        most=most, least=least,
        kind=kind, group=_group(as_tree(inner, "fields"), "", terms, depth + 1) if inner else None,
    )  # fmt: skip


def _optional_text(spec: Tree, key: str) -> str:
    return as_text(spec.need(key), key) if key in spec.entries else ""


def _bounds(node: Node) -> tuple[int, int]:
    tree = as_tree(node, "list")
    only(tree, frozenset({"min", "max"}), "list")
    least = as_whole(tree.need("min"), "list.min") if tree.get("min") else 0
    most = as_whole(tree.need("max"), "list.max") if tree.get("max") else MOST_ENTRIES
    if not 0 <= least <= most <= MOST_ENTRIES or most == 0:
        raise fault(node, f"list: expected 0 ≤ min ≤ max ≤ {MOST_ENTRIES}")
    return least, most


def _default(node: Node, kind: Kind | None, place: str) -> Any:
    """The default as the clean value; it must be one that a sender could have written."""
    value = getattr(node, "value", None)
    if kind is None or value is None:
        raise fault(node, "default: expected a value of the field's type")
    try:
        return kind.read(value, _NO_RUN, "", place)
    except Unfit as error:
        raise MappingError(f"default: {error.text}", document=node.place) from None


_NO_RUN: Any = None  # defaults are words and codes: nothing of the run is asked
