"""A search as the audit may keep it: its parameters, each value as a keyed digest (security.md 4.1, workflow.md 8)."""

from __future__ import annotations

import hashlib
import hmac

from adapter.ports import Clause, Query

_DOMAIN = b"liaison audit search\x00"


def cleaned(query: Query, key: bytes) -> str:
    """ "family=5f0c…&status:not=91aa…": whoever has the key can ask whether somebody was looked for, nobody can read whom."""
    joined = (f"{'_revinclude' if each.reverse else '_include'}={each.type}:{each.param}" for each in query.includes)
    return "&".join([*(_clause(clause, key) for clause in query.clauses), *joined])


def digest(param: str, value: str, key: bytes) -> str:
    """What stands for one value: 16 hex characters, another for each parameter."""
    return hmac.new(key, _DOMAIN + f"{param}\x00{value}".encode(), hashlib.sha256).hexdigest()[:16]


def _clause(clause: Clause, key: bytes) -> str:
    name = f"{clause.param}:{clause.modifier}" if clause.modifier else clause.param
    return f"{name}={','.join(digest(clause.param, value, key) for value in clause.values)}"
