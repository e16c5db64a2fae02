"""Search over the index rows, with FHIR's meaning of token, reference, date and string (R4 search, 3.1.1.4).

A query is split into its shape (which tests, how many alternatives) and its values. Each shape is compiled once.
"""

from __future__ import annotations

from typing import Any

from adapter.errors import Malformed
from adapter.ports import Clause, Query, Version
from adapter.store.conditions import PREFIXES, Part
from adapter.store.moments import span
from adapter.store.pages import FIRST, GROWTH, Shape, by_ids, counted, counted_from, drivers, edge, page
from adapter.store.session import Row
from adapter.store.tables import RECENT
from adapter.store.terms import Blind, cut, normalised, prefix
from adapter.store.unit import Unit
from adapter.store.versions import read

_MODIFIERS = {
    "token": {"", "not", "missing"}, "reference": {"", "not", "missing"}, "date": {"", "missing"},
    "string": {"", "exact", "contains", "missing"}, "id": {"", "not"}, "updated": {""},
}
_SORTS = {"": "id", "_id": "id", "_lastUpdated": "updated"}
_END = "\U0010ffff"  # after everything that a prefix may be followed by
_COUNTED_FROM = 4096  # rows of one clause that a count goes through before it goes through all
_ALL = 2**31 - 1
Test = tuple[str, tuple[str, ...]]  # name of the test, its values


class Search:
    """The part of a unit of work that searches."""

    _unit: Unit

    def search(self, query: Query) -> list[Version]:
        if (query.clinics is not None and not query.clinics) or not query.count:
            return []
        shape, params = _planned(query, self._unit.blind)
        return [read(self._unit, row[:-1], row[-1] or "") for row in self._page(query, shape, params | {"count": query.count})]

    def count(self, query: Query) -> int:
        if query.clinics is not None and not query.clinics:
            return 0
        shape, params = _planned(Query(query.type, query.clauses, query.clinics), self._unit.blind)
        rows = self._unit.session.rows
        for driver in drivers(shape, ("",) * len(shape.parts)) if len(shape.parts) > 1 else ():
            if driver.clause >= 0:
                through, met = rows(counted_from(shape, driver.clause), params | {"budget": _COUNTED_FROM})[0]
                if through < _COUNTED_FROM:
                    return int(met)
        return int(rows(counted(shape), params)[0][0])

    def _page(self, query: Query, shape: Shape, params: dict[str, Any]) -> list[Row]:
        rows = self._unit.session.rows
        if any(kind == "id" and not negated for kind, negated, _ in shape.parts):
            return rows(by_ids(shape), params)
        tried = drivers(shape, tuple("recent" if clause.param in RECENT else "" for clause in query.clauses))
        tried.sort(key=lambda each: each.clause < 0 or query.clauses[each.clause].param.startswith("_"))  # an author wrote much
        first = tried[0]
        if len(shape.parts) <= 1 and first.whole and (first.clause < 0 or not first.ordered or len(shape.parts[0][2]) == 1):
            return rows(page(shape, first, until=False), params | {"budget": _ALL})  # nothing else to go through: one statement
        budget = max(FIRST, 2 * query.count)
        while True:
            for driver in tried:
                limits = params | {"budget": budget}
                edged = rows(edge(shape, driver), limits)
                if edged and not driver.ordered:
                    continue  # there are more: nobody knows which come first
                mark = {"edge_key": edged[0][0], "edge_id": edged[0][1]} if edged else {}
                found = rows(page(shape, driver, until=bool(edged)), limits | mark)
                if (driver.whole and not edged) or (driver.ordered and len(found) == query.count):
                    return found
            budget *= GROWTH


# ── from the query to shape and values ───────────────────────────────────────────────────────────
def _planned(query: Query, blind: Blind) -> tuple[Shape, dict[str, Any]]:
    params: dict[str, Any] = {"type": query.type}
    parts: list[Part] = []
    for i, clause in enumerate(query.clauses):
        tests = _tests(clause, blind, query.type)
        parts.append((_table(clause), clause.modifier == "not" or tests[0][0] == "absent", tuple(name for name, _ in tests)))
        params[f"p{i}"] = clause.param
        params |= {f"v{i}_{j}_{k}": value for j, (_, values) in enumerate(tests) for k, value in enumerate(values)}
    params |= {f"clinic_{i}": clinic for i, clinic in enumerate(sorted(query.clinics or ()))}
    name = query.sort.removeprefix("-")
    sort, backwards = _SORTS.get(name, "date"), query.sort.startswith("-")
    if sort == "date":  # what has no such date comes last
        params |= {"sort": name, "absent": "" if backwards else "~"}
    if query.after is not None:
        params |= {"after_id": query.after[1], "after_key": _place(query.after[0], sort)}
    if any("\x00" in str(value) or not _encodable(str(value)) for value in params.values()):
        raise Malformed("A search value holds characters that no stored text has")
    return Shape(tuple(parts), len(query.clinics or ()), sort, backwards, query.after is not None), params


def _place(key: str, sort: str) -> str:
    return "" if sort == "id" else key if sort == "date" and key in ("", "~") else _span(key, "_sort")[0]


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
    if name not in PREFIXES or (clause.identifying and name != "eq"):
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
