"""Search over the index rows, with FHIR's meaning of token, reference, date and string (R4 search, 3.1.1.4).

A query is split into its shape (which tests, how many alternatives) and its values. Each shape is compiled once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, not_, or_, select, tuple_

from adapter.errors import Malformed
from adapter.ports import Clause, Query, Version
from adapter.store.moments import span
from adapter.store.statement import Statement, equal, given, limited
from adapter.store.tables import current, search_date, search_value
from adapter.store.terms import Blind, cut, normalised, prefix
from adapter.store.unit import Unit
from adapter.store.versions import COLUMNS, read

_MODIFIERS = {
    "token": {"", "not", "missing"}, "reference": {"", "not", "missing"}, "date": {"", "missing"},
    "string": {"", "exact", "contains", "missing"}, "id": {"", "not"}, "updated": {""},
}
_PREFIXES = {"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"}
_END = "\U0010ffff"  # after everything that a prefix may be followed by
Test = tuple[str, tuple[str, ...]]  # name of the test, its values


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a query decides its SQL. `clauses`: (kind, negated, names of the tests that are alternatives)."""

    clauses: tuple[tuple[str, bool, tuple[str, ...]], ...]
    clinics: int
    sort: str
    after: bool
    counting: bool


class Search:
    """The part of a unit of work that searches."""

    _unit: Unit

    def search(self, query: Query) -> list[Version]:
        if query.clinics is not None and not query.clinics:
            return []
        shape, params = _planned(query, self._unit.blind, counting=False)
        return [read(self._unit, row) for row in self._unit.session.rows(_statement(shape), params | {"count": query.count})]

    def count(self, query: Query) -> int:
        if query.clinics is not None and not query.clinics:
            return 0
        shape, params = _planned(query, self._unit.blind, counting=True)
        return int(self._unit.session.rows(_statement(shape), params)[0][0])


# ── from the query to shape and values ───────────────────────────────────────────────────────────
def _planned(query: Query, blind: Blind, *, counting: bool) -> tuple[Shape, dict[str, Any]]:
    params: dict[str, Any] = {"type": query.type}
    clauses = []
    for i, clause in enumerate(query.clauses):
        tests = _tests(clause, blind, query.type)
        clauses.append((_table(clause), clause.modifier == "not" or tests[0][0] == "absent", tuple(name for name, _ in tests)))
        params[f"p{i}"] = clause.param
        params |= {f"v{i}_{j}_{k}": value for j, (_, values) in enumerate(tests) for k, value in enumerate(values)}
    params |= {f"clinic_{i}": clinic for i, clinic in enumerate(sorted(query.clinics or ()))}
    after = query.after is not None and not counting
    if query.after is not None and after:
        params["after_id"] = query.after[1]
        if query.sort:
            params["after_updated"] = _span(query.after[0], "_lastUpdated")[0]
    if any("\x00" in str(value) or not _encodable(str(value)) for value in params.values()):
        raise Malformed("A search value holds characters that no stored text has")
    return Shape(tuple(clauses), len(query.clinics or ()), "" if counting else query.sort, after, counting), params


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _table(clause: Clause) -> str:
    if clause.kind in ("id", "updated"):
        return clause.kind
    return "date" if clause.kind == "date" and not clause.identifying else "value"


def _tests(clause: Clause, blind: Blind, type: str) -> list[Test]:
    if clause.modifier not in _MODIFIERS[clause.kind] or (clause.identifying and clause.modifier == "contains"):
        raise Malformed(f"The search parameter {clause.param} does not know the modifier given", expression=clause.param)
    if not clause.values:
        raise Malformed(f"The search parameter {clause.param} has no value", expression=clause.param)
    if clause.modifier == "missing":
        if clause.values not in (("true",), ("false",)):
            raise Malformed(f"Expected true or false for {clause.param}:missing", expression=clause.param)
        return [("absent" if clause.values == ("true",) else "present", ())]
    return [_test(clause, value, blind, type) for value in clause.values]


def _test(clause: Clause, value: str, blind: Blind, type: str) -> Test:
    if clause.kind == "id":
        return "is", (value,)
    if clause.kind in ("date", "updated"):
        return _date_test(clause, value, blind, type)
    if clause.kind == "string":
        words = normalised(value)
        if clause.identifying:
            return "value", (blind(type, clause.param, words),)
        if clause.modifier == "contains":
            return "contains", ("%" + "".join(f"/{char}" if char in "%_/" else char for char in prefix(words)) + "%",)
        return ("value", (cut(words),)) if clause.modifier == "exact" else ("begins", (prefix(words), prefix(words) + _END))
    system, bar, code = value.partition("|") if clause.kind == "token" else ("", "", value)
    if not bar:
        code = code or system
    hidden = blind(type, clause.param, code) if clause.identifying else cut(code)
    if not bar:
        return "value", (hidden,)
    return ("both", (hidden, cut(system))) if code else ("system", (cut(system),))


def _date_test(clause: Clause, value: str, blind: Blind, type: str) -> Test:
    prefix_given = value[:2].isalpha()
    name, date = (value[:2], value[2:]) if prefix_given else ("eq", value)
    if name not in _PREFIXES or (clause.identifying and name != "eq"):
        raise Malformed(f"The search parameter {clause.param} does not know the prefix given", expression=clause.param)
    low, high = _span(date, clause.param)
    if clause.identifying:
        return "value", (blind(type, clause.param, f"{low}/{high}"),)
    return name, (low, high)


def _span(value: str, param: str) -> tuple[str, str]:
    try:
        return span(value)
    except ValueError:
        raise Malformed(f"Expected a date for {param}, e.g. ge2026-03-02", expression=param) from None


# ── from the shape to SQL ────────────────────────────────────────────────────────────────────────
Column = ColumnElement[str]
Bind = Callable[[int], ColumnElement[str]]
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
_VALUE_TESTS: dict[str, Callable[[Bind], ColumnElement[bool]]] = {
    "value": lambda v: search_value.c.value == v(0),
    "both": lambda v: and_(search_value.c.value == v(0), search_value.c.system == v(1)),
    "system": lambda v: search_value.c.system == v(0),
    "begins": lambda v: and_(search_value.c.value >= v(0), search_value.c.value < v(1)),
    "contains": lambda v: search_value.c.value.like(v(0), escape="/"),
}


def _bind(i: int, j: int) -> Bind:
    return lambda k: given(f"v{i}_{j}_{k}")


def _condition(i: int, kind: str, negated: bool, names: tuple[str, ...]) -> ColumnElement[bool]:
    if kind == "id":
        same = or_(*(current.c.id == _bind(i, j)(0) for j in range(len(names))))
        return not_(same) if negated else same
    if kind == "updated":
        return or_(*(_DATE_TESTS[name](current.c.updated, current.c.updated, _bind(i, j)) for j, name in enumerate(names)))
    table = search_date if kind == "date" else search_value
    rows = select(table.c.id).where(*equal(table, "type"), table.c.param == given(f"p{i}"))
    if names[0] not in ("present", "absent"):
        rows = rows.where(or_(*(_row_test(kind, name, _bind(i, j)) for j, name in enumerate(names))))
    return current.c.id.not_in(rows) if negated else current.c.id.in_(rows)


def _row_test(kind: str, name: str, bind: Bind) -> ColumnElement[bool]:
    return _DATE_TESTS[name](search_date.c.low, search_date.c.high, bind) if kind == "date" else _VALUE_TESTS[name](bind)


@lru_cache(maxsize=512)
def _statement(shape: Shape) -> Statement:
    conditions = [*equal(current, "type"), current.c.deleted == literal_column("0")]
    if shape.clinics:
        conditions.append(current.c.clinic.in_([given(f"clinic_{i}") for i in range(shape.clinics)]))
    conditions += [_condition(i, *clause) for i, clause in enumerate(shape.clauses)]
    if shape.counting:
        return Statement(select(func.count()).select_from(current).where(*conditions))
    return Statement(_paged(select(*(current.c[name] for name in COLUMNS)).where(*conditions), shape))


def _paged(query: Select[Any], shape: Shape) -> Select[Any]:
    keys = (current.c.updated, current.c.id) if shape.sort else (current.c.id,)
    last = [given("after_updated"), given("after_id")] if shape.sort else [given("after_id")]
    if shape.sort not in ("", "_lastUpdated", "-_lastUpdated"):
        raise Malformed("Expected _sort to be _lastUpdated or -_lastUpdated", expression="_sort")
    backwards = shape.sort.startswith("-")
    if shape.after:
        place, mark = tuple_(*keys), tuple_(*last)
        query = query.where(place < mark if backwards else place > mark)
    return limited(query.order_by(*(key.desc() if backwards else key.asc() for key in keys)), "count")
