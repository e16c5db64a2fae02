"""Templates: a YAML tree that looks like the resource it makes, compiled to closures for both directions.

Making: what starts with `$` is a value; an object or list none of whose values is there is left out.
Reading: constants tell the entries of a list apart; a value found where a template has `$name` sets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from adapter.mapping.condition import Condition, condition
from adapter.mapping.document import Node, Scalar, Seq, Tree, as_text, fault, nearest
from adapter.mapping.scalars import CODERS, Built, Make, Match, Read, coded, scalar
from adapter.mapping.scope import Env, Scope
from adapter.mapping.step import name_in

_WORDS = frozenset({"$when", "$each", "$as"})


def build(node: Node, scope: Scope) -> Built:
    """The closures of one template node. Raises MappingError naming file and line."""
    built = _build(node, scope)
    return built if scope.seen is None or built.fixed else _watched(built, id(node), scope.seen)


def _build(node: Node, scope: Scope) -> Built:
    if isinstance(node, Scalar):
        return scalar(node, scope)
    if isinstance(node, Seq):
        return _list(node, scope)
    if coder := CODERS.keys() & node.entries.keys():
        return coded(node, coder.pop(), scope)
    return _object(node, scope)


def _watched(built: Built, mark: int, seen: set[int]) -> Built:
    """The same, noting when it makes a value (explain, check)."""
    make = built.make

    def watched(env: Env) -> Any:
        value = make(env)
        if value is not None:
            seen.add(mark)
        return value

    return built._replace(make=watched)


# ── objects ──────────────────────────────────────────────────────────────────────────────────────
def _object(node: Tree, scope: Scope) -> Built:
    for key in node.entries:
        if key.startswith("$") and key not in _WORDS:
            raise fault(node.places[key], f"unknown word {key}{nearest(key, _WORDS | CODERS.keys())}")
    if "$each" in node.entries:
        raise fault(node.places["$each"], "$each stands in an entry of a list")
    built = elements(node, scope)
    when = node.get("$when")
    return built if when is None else gated(built, condition(when, scope), scope)


def elements(node: Tree, scope: Scope) -> Built:
    """The elements of an object, its `$` words left aside."""
    parts = [(key, build(value, scope)) for key, value in node.entries.items() if not key.startswith("$")]
    if not parts:
        raise fault(node, "an object without elements")
    readers = [(key, part.read) for key, part in parts if part.read]
    return Built(_maker(node, parts), all(part.fixed for _, part in parts), _reader(readers) if readers else None, _matcher(node, parts))


def _maker(node: Tree, parts: list[tuple[str, Built]]) -> Make:
    simple = {key: part.make({}) for key, part in parts if part.fixed and isinstance(node.entries[key], Scalar)}
    base = {key: simple.get(key) for key, _ in parts}  # keeps the order of the document
    fresh = [(key, part.make) for key, part in parts if part.fixed and key not in simple]
    varying = [(key, part.make) for key, part in parts if not part.fixed]

    def make(env: Env) -> dict[str, Any] | None:
        out = base.copy()
        there = not varying
        for key, value_of in varying:
            value = value_of(env)
            if value is None:
                del out[key]
            else:
                out[key] = value
                there = True
        if not there:
            return None
        for key, value_of in fresh:
            out[key] = value_of(env)
        return out

    return make


def _reader(readers: list[tuple[str, Read]]) -> Read:
    def read(value: Any, env: Env) -> None:
        if type(value) is dict:
            for key, take in readers:
                found = value.get(key)
                if found is not None:
                    take(found, env)

    return read


def _matcher(node: Tree, parts: list[tuple[str, Built]]) -> Match | None:
    """By the constants of the object itself, and by those further down of what it has; those must be there
    where the object is nothing else ({coding: [{system: …, code: $x}]})."""
    words = [(key, part.make({})) for key, part in parts if part.fixed and isinstance(node.entries[key], Scalar)]
    firm = [(key, part.match) for key, part in parts if part.match and part.fixed and not isinstance(node.entries[key], Scalar)]
    loose = [(key, part.match) for key, part in parts if part.match and not part.fixed]
    if len(loose) == len(parts):
        firm, loose = loose, []
    if not words and not firm and not loose:
        return None

    def match(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for key, word in words:
            if value.get(key) != word:
                return False
        for key, check in firm:
            if not check(value.get(key)):
                return False
        # a plain loop: a generator here costs a third of the way back
        for key, check in loose:  # noqa: SIM110
            if key in value and not check(value[key]):
                return False
        return True

    return match


def gated(built: Built, when: Condition, scope: Scope) -> Built:
    """`$when`: made only while the condition holds; found there, it tells what the condition says."""
    make, holds, inner, told = built.make, when.holds, built.read, None
    if when.implies:
        name, value = when.implies
        told = scope.setter(name)

    def read(found: Any, env: Env) -> None:
        if told:
            told(value, env)
        if inner:
            inner(found, env)

    return Built(lambda env: make(env) if holds(env) else None, False, read if told or inner else None, built.match)


# ── lists ────────────────────────────────────────────────────────────────────────────────────────
class _Entry(NamedTuple):
    fill: Callable[[Env, list[Any]], None]
    built: Built
    each: bool = False
    gather: Read | None = None  # reads the whole list: for $each


def _list(node: Seq, scope: Scope) -> Built:
    if not node.entries:
        raise fault(node, "an empty list")
    entries = [_list_entry(entry, scope) for entry in node.entries]
    fills = [entry.fill for entry in entries]

    def make(env: Env) -> list[Any] | None:
        out: list[Any] = []
        for fill in fills:
            fill(env, out)
        return out or None

    matches = [entry.built.match for entry in entries if entry.built.match]

    def match(value: Any) -> bool:
        if type(value) is list:
            for check in matches:
                for each in value:
                    if check(each):
                        return True
        return False

    return Built(make, all(entry.built.fixed for entry in entries), _list_reader(entries), match if matches else None)


def _list_entry(node: Node, scope: Scope) -> _Entry:
    return _each(node, scope) if isinstance(node, Tree) and "$each" in node.entries else _one(node, scope)


def _one(node: Node, scope: Scope) -> _Entry:
    built = build(node, scope)
    make = built.make

    def fill(env: Env, out: list[Any]) -> None:
        value = make(env)
        if value is not None:
            out.append(value)

    return _Entry(fill, built)


def _each(node: Tree, scope: Scope) -> _Entry:
    """`$each: $names` (`$as: it`): the entry once for each value."""
    name = scope.use(name_in(node.need("$each"), "$each"), node)
    if name in scope.absent:
        return _Entry(lambda env, out: None, Built(lambda env: None, False), True)
    word = as_text(node.need("$as"), "$as") if "$as" in node.entries else "it"
    inside = scope.groups.get(name)
    inner_names = [f"{word}.{key}" for key in inside] if inside else [word]
    readable = name in scope.readable
    for inner in inner_names:
        scope.define(inner, node, readable=readable)
    entry = elements(node, scope)
    built = gated(entry, condition(node.entries["$when"], scope), scope) if "$when" in node.entries else entry
    for inner in inner_names:
        if inner in scope.read:
            scope.read.add(f"{name}[]{inner.removeprefix(word)}")
            scope.read.discard(inner)
        scope.forget(inner)
    gather = _gather(name, word, inside, built) if readable else None
    return _Entry(_repeat(name, word, inside, built.make), built._replace(fixed=False), True, gather)


def _repeat(name: str, word: str, inside: tuple[str, ...] | None, make: Make) -> Callable[[Env, list[Any]], None]:
    pairs = [(key, f"{word}.{key}") for key in inside or ()]

    def fill(env: Env, out: list[Any]) -> None:
        for value in env.get(name) or ():
            if pairs:
                for key, inner in pairs:
                    env[inner] = value.get(key)
            else:
                env[word] = value
            made = make(env)
            if made is not None:
                out.append(made)

    return fill


def _gather(name: str, word: str, inside: tuple[str, ...] | None, built: Built) -> Read | None:
    read, match = built.read, built.match
    if read is None:
        return None
    prefix = len(word) + 1

    def gather(values: Any, env: Env) -> None:
        if name in env:
            return
        found: list[Any] = []
        for value in values:
            if match is not None and not match(value):
                continue
            child: Env = {}
            read(value, child)
            if inside:
                found.append({key[prefix:]: each for key, each in child.items()})
            elif word in child:
                found.append(child[word])
        if found:
            env[name] = found

    return gather


def _list_reader(entries: list[_Entry]) -> Read | None:
    """Each template in turn takes the first entry that matches and that none before it took."""
    if not any(entry.gather or (entry.built.read and not entry.each) for entry in entries):
        return None
    steps = [(entry.gather, entry.built.read, entry.built.match) for entry in entries if entry.gather or not entry.each]

    def read(values: Any, env: Env) -> None:
        if type(values) is not list:
            return
        left = list(values)
        for gather, take, match in steps:
            if gather:
                gather(values, env)
                continue
            for at, value in enumerate(left):
                if match is None or match(value):
                    del left[at]
                    if take:
                        take(value, env)
                    break

    return read
