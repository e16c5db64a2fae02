"""What a derived name is made of, and the small words its kinds share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from adapter.mapping.context import Run
from adapter.mapping.document import Node, Tree, as_list, as_text, fault, nearest
from adapter.mapping.scope import Env, Scope
from adapter.mapping.terms import Table, Terms

Act = Callable[[Env, Run], None]
_NAME = re.compile(r"\$([A-Za-z_][\w.]*)")


class Step(NamedTuple):
    """`run` on the way to FHIR, `back` (None: not undone) on the way from it."""

    run: Act
    back: Act | None = None


def name_in(node: Node, what: str) -> str:
    """The name that `$name` says. Raises MappingError for anything else."""
    match = _NAME.fullmatch(as_text(node, what))
    if not match:
        raise fault(node, f"{what}: expected $name")
    return match[1]


def names_of(tree: Tree, scope: Scope, count: int, most: int = 0) -> list[str]:
    """The `count` names under `of:` (or up to `most`), each known."""
    entries = as_list(tree.need("of"), "of")
    if not count <= len(entries) <= max(count, most):
        raise fault(tree.places.get("of", tree.place), f"of: expected {count} name{'s' if count > 1 else ''}")
    return [scope.use(name_in(entry, "of"), tree) for entry in entries]


def table_of(tree: Tree, terms: Terms, key: str) -> Table:
    """The code table that the word under `key` names."""
    word = as_text(tree.need(key), key)
    table = terms.get(word)
    if table is None:
        raise fault(tree.places.get(key, tree.place), f"no code table {word!r} in terms/{nearest(word, terms.tables)}")
    return table
