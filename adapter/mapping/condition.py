"""`when:` conditions: `$name`, `not $name`, `$name = word`, `$name != word`, joined by `and`.

A name alone holds when its value is there and not false; `or` is said by a second line of a `choose`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from adapter.mapping.document import Node, as_text, fault
from adapter.mapping.scope import Env, Scope

_CLAUSE = re.compile(r"(not\s+)?\$([A-Za-z_][\w.]*)(?:\s*(!?=)\s*([^\s=]+))?")

Test = Callable[[Env], bool]


class Condition(NamedTuple):
    """`holds(env)`. `implies`: (name, value) that holding tells, when the condition is `$name = word` alone."""

    holds: Test
    implies: tuple[str, str] | None


def condition(node: Node, scope: Scope) -> Condition:
    """The compiled condition. Raises MappingError for what is none, and for unknown names."""
    text = as_text(node, "when")
    tests: list[Test] = []
    implies: tuple[str, str] | None = None
    for clause in re.split(r"\s+and\s+", text.strip()):
        match = _CLAUSE.fullmatch(clause)
        if not match or (match[1] and match[3]):
            raise fault(node, "a condition is `$name`, `not $name`, `$name = word` or `$name != word`, joined by `and`")
        name = scope.use(match[2], node)
        tests.append(_test(name, bool(match[1]), match[3] or "", match[4] or ""))
        implies = (name, match[4]) if match[3] == "=" else None
    if len(tests) == 1:
        return Condition(tests[0], implies)
    return Condition(lambda env: all(test(env) for test in tests), None)


def _test(name: str, negated: bool, sign: str, word: str) -> Test:
    if sign == "=":
        return lambda env: env.get(name) == word
    if sign == "!=":
        return lambda env: env.get(name) != word
    if negated:
        return lambda env: not env.get(name)
    return lambda env: bool(env.get(name))
