"""Whether a resource in hand meets a search: FHIR's meaning of token, reference, id and date, as the store has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from adapter.errors import Malformed
from adapter.fhir.dates import span
from adapter.fhir.index import rows
from adapter.ports import Clause, IndexRow, Query, Resource

# low, high: what the resource covers; first, last: what the search value covers (R4 search, prefixes).
_DATES: dict[str, Callable[[str, str, str, str], bool]] = {
    "eq": lambda low, high, first, last: first <= low and high <= last,
    "ne": lambda low, high, first, last: not (first <= low and high <= last),
    "gt": lambda low, high, first, last: high > last,
    "lt": lambda low, high, first, last: low < first,
    "ge": lambda low, high, first, last: high > last or (first <= low and high <= last),
    "le": lambda low, high, first, last: low < first or (first <= low and high <= last),
    "sa": lambda low, high, first, last: low > last,
    "eb": lambda low, high, first, last: high < first,
}
_EARLIEST, _LATEST = "0000", "9999-12-31T23:59:59.999Z"


def matches(resource: Resource, query: Query) -> bool:
    """Does `resource` meet every clause of `query`? Strings meet nothing: what is searched so is kept as digests alone. Raises
    Malformed for a value that is no date."""
    if resource["resourceType"] != query.type:
        return False
    found = rows(resource)
    return all(_meets(resource, [row for row in found if row.param == clause.param], clause) for clause in query.clauses)


def _meets(resource: Resource, found: Iterable[IndexRow], clause: Clause) -> bool:
    if clause.kind == "updated":
        updated = str(resource.get("meta", {}).get("lastUpdated", ""))
        return bool(updated) and any(_within(updated, updated, value, clause) for value in clause.values)
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
    if clause.kind == "date":
        return _within(row.low, row.high, value, clause)
    return clause.kind == "reference" and row.value == value


def _within(low: str, high: str, value: str, clause: Clause) -> bool:
    prefix, date = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
    try:
        first, last = span(date)
    except ValueError:
        raise Malformed("expected a date, ge2026-03-02", expression=clause.param, code="invalid") from None
    return _DATES[prefix](span(low)[0] if low else _EARLIEST, span(high)[1] if high else _LATEST, first, last)
