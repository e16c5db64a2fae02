"""The leaves of a template: constants, values, fixed systems, sentences, coded text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from adapter.mapping.document import Node, Scalar, Tree, fault
from adapter.mapping.scope import Env, Scope

Make = Callable[[Env], Any]
Read = Callable[[Any, Env], None]
Match = Callable[[Any], bool]

_NAME = re.compile(r"\$([A-Za-z_][\w.]*)")
_INSIDE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")
CODERS: dict[str, Callable[[bytes], bytes]] = {
    "$base64": lambda raw: raw,
    "$sha1": lambda raw: hashlib.sha1(raw, usedforsecurity=False).digest(),  # Attachment.hash is SHA-1 in R4
}


class Built(NamedTuple):
    """`make(env)`: the value or None. `fixed`: it asks nothing of env. `read(value, env)`: the way back.
    `match(value)`: whether a value is this template's, by its constants."""

    make: Make
    fixed: bool
    read: Read | None = None
    match: Match | None = None


def whole_name(node: Scalar) -> str:
    """`a.b` for `$a.b`, "" for anything else."""
    match = _NAME.fullmatch(node.value) if isinstance(node.value, str) else None
    return match[1] if match else ""


def scalar(node: Scalar, scope: Scope) -> Built:
    """A constant, `$name`, a fixed system (`$sid/request`) or text with `${name}` inside."""
    text = node.value
    if text is None:
        raise fault(node, "expected a value")
    if not isinstance(text, str) or "$" not in text:
        return _constant(text)
    if text.startswith("$$"):
        return _constant(text[1:])
    if whole := _NAME.fullmatch(text):
        name = scope.use(whole[1], node)
        return Built(lambda env: env.get(name), False, scope.setter(name))
    if "${" in text:
        return _sentence(text, node, scope)
    fixed = scope.fixed(text[1:], node) if text.startswith("$") else None
    if fixed is None:
        raise fault(node, "expected $name, $sid/…, $code/…, $url/…, $profile/… or text with ${name}; a literal $ at the start is $$")
    return _constant(fixed)


def one_way(node: Scalar, scope: Scope) -> Built:
    """The same, not read back."""
    read = set(scope.read)
    built = scalar(node, scope)
    scope.read = read
    return built._replace(read=None)


def _constant(value: Any) -> Built:
    return Built(lambda env: value, True, None, lambda other: bool(other == value))


def _sentence(text: str, node: Node, scope: Scope) -> Built:
    pieces = _INSIDE.split(text)
    literals, names = pieces[::2], [scope.use(name, node) for name in pieces[1::2]]
    if any("${" in literal for literal in literals):
        raise fault(node, "expected ${name}")
    first, rest = literals[0], list(zip(names, literals[1:], strict=True))

    def make(env: Env) -> str | None:
        said = first
        for name, literal in rest:
            value = env.get(name)
            if value is None:
                return None
            said += f"{value}{literal}"
        return said

    last = literals[-1]

    def match(value: Any) -> bool:
        return type(value) is str and value.startswith(first) and value.endswith(last)

    known = match if first or last else None
    divided = all(literal for literal in literals[1:-1])  # two names side by side cannot be told apart
    setters = [scope.setter(name) for name in names] if divided else []
    if not any(setters):
        return Built(make, False, None, known)

    def read(value: Any, env: Env) -> None:
        if type(value) is not str or not value.startswith(first):
            return
        left, found = value[len(first) :], []
        for literal in literals[1:-1]:
            part, literal_there, left = left.partition(literal)
            if not literal_there:
                return
            found.append(part)
        if not left.endswith(last):
            return
        found.append(left.removesuffix(last))
        for setter, part in zip(setters, found, strict=True):
            if setter and part:
                setter(part, env)

    return Built(make, False, read, known)


def coded(node: Tree, key: str, scope: Scope) -> Built:
    if len(node.entries) > 1:
        raise fault(node, f"{key} stands alone")
    inner = node.entries[key]
    if not isinstance(inner, Scalar):
        raise fault(inner, f"{key}: expected text or a name")
    text, coder = one_way(inner, scope), CODERS[key]

    def make(env: Env) -> str | None:
        value = text.make(env)
        return None if value is None else base64.b64encode(coder(str(value).encode())).decode()

    return Built(make, text.fixed)
