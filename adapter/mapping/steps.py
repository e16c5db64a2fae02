"""`let:` names derived from others: aliases, choices, look-ups, properties of codes.

A step sets names on the way to FHIR; where it can be undone, its `back` sets what it came from.
"""

from __future__ import annotations

from collections.abc import Callable

from adapter.mapping.codes import code_property, label, split
from adapter.mapping.condition import Test, condition
from adapter.mapping.context import Run
from adapter.mapping.document import Node, Scalar, Tree, as_list, as_tree, as_whole, fault, only
from adapter.mapping.lookups import lookup
from adapter.mapping.scalars import Built, Make, Read, one_way, scalar, whole_name
from adapter.mapping.scope import Env, Scope
from adapter.mapping.step import Step, name_in
from adapter.mapping.terms import Terms
from adapter.mapping.times import in_french, moved


def steps(tree: Tree | None, scope: Scope, terms: Terms) -> list[Step]:
    """The steps of one `let:`, in order; each defines its name for those after it."""
    return [_noted(name, node, scope, terms) for name, node in tree.entries.items()] if tree else []


def _noted(name: str, node: Node, scope: Scope, terms: Terms) -> Step:
    """The step, with what it sets on the way back noted under its name."""
    outside, scope.read = scope.read, set()
    step = _step(name, node, scope, terms)
    scope.undone[name], scope.read = scope.read, outside
    return step


def _step(name: str, node: Node, scope: Scope, terms: Terms) -> Step:
    if isinstance(node, Scalar):
        return _alias(name, node, scope)
    tree = as_tree(node, name)
    for word, (make, keys) in _WORDS.items():
        if word in tree.entries:
            only(tree, keys | {word}, f"`{word}`")
            return make(name, tree, scope, terms)
    raise fault(tree, f"expected one of: {', '.join(_WORDS)}")


def _alias(name: str, node: Scalar, scope: Scope) -> Step:
    """Another name for a value, or text made of values."""
    built = scalar(node, scope)
    whole = whole_name(node)
    if whole:
        scope.origin[name] = scope.field_of(whole)
        if whole in scope.groups:
            scope.groups[name] = scope.groups[whole]
    scope.define(name, node, readable=built.read is not None)
    make, read = built.make, built.read

    def run(env: Env, _: Run) -> None:
        env[name] = make(env)

    def back(env: Env, _: Run) -> None:
        if name in env and read:
            if whole and isinstance(env[name], list):
                env.setdefault(whole, env[name])
            else:
                read(env[name], env)

    if whole and name in scope.readable:
        scope.read.add(f"{whole}[]")
    return Step(run, back if read else None)


def _first(name: str, tree: Tree, scope: Scope, terms: Terms) -> Step:
    """The first alternative that is there. The way back sets the first one that can be set."""
    makes: list[Make] = []
    read: Read | None = None
    for entry in as_list(tree.need("first"), "first"):
        built = _value(entry, scope, back=read is None)
        makes.append(built.make)
        read = read or built.read
    scope.define(name, tree, readable=read is not None)

    def run(env: Env, _: Run) -> None:
        for make in makes:
            value = make(env)
            if value is not None:
                env[name] = value
                return
        env[name] = None

    def back(env: Env, _: Run) -> None:
        if name in env and read:
            read(env[name], env)

    return Step(run, back if read else None)


def _value(node: Node, scope: Scope, *, back: bool) -> Built:
    if not isinstance(node, Scalar):
        raise fault(node, "expected a name or text")
    return scalar(node, scope) if back else one_way(node, scope)


def _choose(name: str, tree: Tree, scope: Scope, terms: Terms) -> Step:
    """The `is` of the first line whose `when` holds; a line without `when` always does."""
    lines: list[tuple[Test, Make]] = []
    for entry in as_list(tree.need("choose"), "choose"):
        line = as_tree(entry, "choose")
        only(line, {"when", "is"}, "a line of choose")
        holds = condition(line.need("when"), scope).holds if "when" in line.entries else _always
        lines.append((holds, _value(line.entries["is"], scope, back=False).make if "is" in line.entries else _nothing))
    scope.define(name, tree)

    def run(env: Env, _: Run) -> None:
        env[name] = next((make(env) for holds, make in lines if holds(env)), None)

    return Step(run)


def _always(env: Env) -> bool:
    return True


def _nothing(env: Env) -> None:
    return None


def _french(name: str, tree: Tree, scope: Scope, terms: Terms) -> Step:
    """A date as a French sentence says it."""
    source = scope.use(name_in(tree.need("french"), "french"), tree)
    scope.define(name, tree)

    def run(env: Env, _: Run) -> None:
        value = env.get(source)
        env[name] = in_french(value) if value else None

    return Step(run)


def _listed(name: str, tree: Tree, scope: Scope, terms: Terms) -> Step:
    """A value as a list of it alone; undone into the first of a list."""
    source = scope.use(name_in(tree.need("listed"), "listed"), tree)
    scope.define(name, tree, readable=source in scope.readable)
    scope.listed.add(name)
    setter = scope.setter(source)

    def run(env: Env, _: Run) -> None:
        value = env.get(source)
        env[name] = None if value is None else [value]

    def back(env: Env, _: Run) -> None:
        if env.get(name) and setter:
            setter(env[name][0], env)

    return Step(run, back if setter else None)


def _later(name: str, tree: Tree, scope: Scope, terms: Terms) -> Step:
    """A time some `minutes` after another."""
    source, minutes = scope.use(name_in(tree.need("later"), "later"), tree), as_whole(tree.need("minutes"), "minutes")
    scope.define(name, tree)

    def run(env: Env, run: Run) -> None:
        value = env.get(source)
        env[name] = moved(value, run, minutes=minutes) if value else None

    return Step(run)


_WORDS: dict[str, tuple[Callable[[str, Tree, Scope, Terms], Step], frozenset[str]]] = {
    "first": (_first, frozenset()),
    "choose": (_choose, frozenset()),
    "lookup": (lookup, frozenset({"of"})),
    "property": (code_property, frozenset({"table", "of", "highest"})),
    "split": (split, frozenset({"table", "alone"})),
    "label": (label, frozenset({"of"})),
    "listed": (_listed, frozenset()),
    "french": (_french, frozenset()),
    "later": (_later, frozenset({"minutes"})),
}
