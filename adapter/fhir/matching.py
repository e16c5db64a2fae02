"""Whether a resource in hand meets a search: FHIR's meaning of token, reference, id and string, as the store has it."""

from __future__ import annotations

from collections.abc import Iterable

from adapter.fhir.index import rows
from adapter.ports import Clause, IndexRow, Query, Resource


def matches(resource: Resource, query: Query) -> bool:
    """Does `resource` meet every clause of `query`? Clauses of kinds that a view never offers (dates) meet nothing."""
    if resource["resourceType"] != query.type:
        return False
    found = rows(resource)
    return all(_meets(resource, [row for row in found if row.param == clause.param], clause) for clause in query.clauses)


def _meets(resource: Resource, found: Iterable[IndexRow], clause: Clause) -> bool:
    if clause.kind == "id":
        return (resource.get("id") in clause.values) != (clause.modifier == "not")
    if clause.modifier == "missing":
        return any(found) == (clause.values == ("false",))
    met = any(_same(row, value, clause) for row in found for value in clause.values)
    return met != (clause.modifier == "not")


def _same(row: IndexRow, value: str, clause: Clause) -> bool:
    if clause.kind == "token":
        system, bar, code = value.partition("|")
        if not bar:
            return row.value == value
        return row.system == system and (not code or row.value == code)
    return clause.kind == "reference" and row.value == value
