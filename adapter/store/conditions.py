"""What a search asks of one resource, as SQL (R4 search, 3.1.1.4).

Each condition is asked of one id at a time, by an index: so a search costs what it goes through, whatever else is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, literal_column, not_, or_, select

from adapter.store.statement import equal, given, limited
from adapter.store.tables import current, search_date, search_value

Column = ColumnElement[str]
Bind = Callable[[int], ColumnElement[str]]
Part = tuple[str, bool, tuple[str, ...]]  # of a shape: kind, negated, names of the tests that are alternatives

# low, high: what the row covers; v(0), v(1): what the search value covers (R4 search, prefixes).
_DATE_TESTS: dict[str, Callable[[Column, Column, Bind], ColumnElement[bool]]] = {
    "eq": lambda low, high, v: and_(v(0) <= low, high <= v(1)),
    "ne": lambda low, high, v: not_(and_(v(0) <= low, high <= v(1))),
    "gt": lambda low, high, v: high > v(1),
    "lt": lambda low, high, v: low < v(0),
    "ge": lambda low, high, v: or_(high > v(1), and_(v(0) <= low, high <= v(1))),
    "le": lambda low, high, v: or_(low < v(0), and_(v(0) <= low, high <= v(1))),
    "sa": lambda low, high, v: low > v(1),
    "eb": lambda low, high, v: high < v(0),
}
EQUAL = frozenset({"value", "both"})  # tests that name one value, so that the index finds it
PREFIXES = frozenset(_DATE_TESTS)


def bind(i: int, j: int) -> Bind:
    """The values of test `j` of clause `i`."""
    return lambda k: given(f"v{i}_{j}_{k}")


def holds(i: int, part: Part, of: FromClause) -> ColumnElement[bool]:
    """Whether the resource of `of.c.id` meets clause `i`, which is of the kind value or date."""
    kind, negated, names = part
    table = (search_date if kind == "date" else search_value).alias(f"t{i}")
    rows: Select[Any] = select(literal_column("1")).where(*_met(i, part, table))
    if kind == "date" or EQUAL.issuperset(names):
        # with an OFFSET PostgreSQL asks row by row, which is what we want: it would read all that have the value to join them
        found: ColumnElement[bool] = limited(rows.where(table.c.id == of.c.id).correlate(of), 1).exists()
        return not_(found) if negated else found
    every = select(table.c.id).where(*_met(i, part, table))
    return of.c.id.not_in(every) if negated else of.c.id.in_(every)


def having(i: int, part: Part) -> Select[tuple[str]]:
    """The ids that have what clause `i` names, in no order."""
    kind, _, names = part
    if kind == "updated":
        return select(current.c.id).where(*equal(current, "type"), updated(i, names, current.c.updated))
    table = (search_date if kind == "date" else search_value).alias(f"t{i}")
    return select(table.c.id).where(*_met(i, part, table)).distinct()


def updated(i: int, names: tuple[str, ...], column: Column) -> ColumnElement[bool]:
    return or_(*(_DATE_TESTS[name](column, column, bind(i, j)) for j, name in enumerate(names)))


def identified(i: int, part: Part, column: Column) -> ColumnElement[bool]:
    _, negated, names = part
    given_ids = [bind(i, j)(0) for j in range(len(names))]
    return column.not_in(given_ids) if negated else column.in_(given_ids)


def _met(i: int, part: Part, table: FromClause) -> list[ColumnElement[bool]]:
    kind, _, names = part
    found: list[ColumnElement[bool]] = [table.c.type == given("type"), table.c.param == given(f"p{i}")]
    if names[0] in ("present", "absent"):
        return found
    if kind == "date":
        return [*found, or_(*(_DATE_TESTS[name](table.c.low, table.c.high, bind(i, j)) for j, name in enumerate(names)))]
    if set(names) == {"value"}:
        return [*found, table.c.value.in_([bind(i, j)(0) for j in range(len(names))])]
    if len(names) > 1 and EQUAL.issuperset(names):
        found.append(table.c.value.in_([bind(i, j)(0) for j in range(len(names))]))  # so that the index finds it: it goes through all values for an OR
    return [*found, or_(*(_value(table, name, bind(i, j)) for j, name in enumerate(names)))]


def _value(table: FromClause, name: str, v: Bind) -> ColumnElement[bool]:
    value, system = table.c.value, table.c.system
    if name == "both":
        return and_(value == v(0), system == v(1))
    if name == "system":
        return system == v(0)
    if name == "begins":
        return and_(value >= v(0), value < v(1))
    return value.like(v(0), escape="/") if name == "contains" else value == v(0)
