"""The SQL of one page of a search: the rows to go through, in the page's own order where there are such, and of each of them
all conditions.

Which clause is the best to go through depends on what is stored, and no statistics tell: whoever asks tries each with a
`budget` of rows, then with a larger one. So a page costs a small multiple of what the best choice would.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Integer, Select, and_, bindparam, func, literal_column, select, tuple_, union

from adapter.store.conditions import EQUAL, Part, bind, having, holds, identified, updated
from adapter.store.statement import Statement, equal, given, limited
from adapter.store.tables import current, search_date, search_recent, search_value
from adapter.store.versions import COLUMNS

MANY = 16  # alternatives of one clause that are gone through in order
FIRST, GROWTH = 64, 4  # rows of the first try, and how many times as many the next has
WALK = -1  # all resources of the type, in place of those of one clause


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a query decides its SQL. `sort`: id, updated, or date (the dates of one parameter)."""

    parts: tuple[Part, ...]
    clinics: int
    sort: str = "id"
    backwards: bool = False
    after: bool = False


@dataclass(frozen=True, slots=True)
class Driver:
    """What is gone through: the rows of clause `clause`. `ordered`: in the order of the page, so that a full page is the
    page; `whole`: having come to their end, nothing is missing."""

    clause: int
    ordered: bool
    whole: bool = True


def drivers(shape: Shape, params: tuple[str, ...]) -> list[Driver]:
    """What a page may be made from, the likely best first. `params`: of the clauses, `recent` where kept in order of change."""
    found = []
    for i, (kind, negated, names) in enumerate(shape.parts):
        if negated or kind == "id":
            continue
        in_order = kind == "value" and EQUAL.issuperset(names) and len(names) <= MANY
        found.append(Driver(i, in_order and (shape.sort == "id" or (shape.sort == "updated" and params[i] == "recent"))))
    if shape.sort == "date":
        found += [Driver(WALK, ordered=True, whole=False), Driver(WALK, ordered=False)]
    elif not any(each.ordered for each in found):
        found.append(Driver(WALK, ordered=True))
    return found


# ── statements ───────────────────────────────────────────────────────────────────────────────────
@lru_cache(maxsize=1024)
def by_ids(shape: Shape) -> Statement:
    """The page of a query that names ids."""
    ids = and_(*(identified(i, part, current.c.id) for i, part in enumerate(shape.parts) if part[0] == "id" and not part[1]))
    return Statement(_ended(_read(shape).where(ids, *_conditions(shape, current)), shape))


@lru_cache(maxsize=1024)
def edge(shape: Shape, driver: Driver) -> Statement:
    """The place (key, id) of the `:budget`th of the driver's rows behind the last page; none where they are fewer. Of an unordered
    driver any row, where there are as many."""
    rows: Any = _stream(shape, driver) if driver.ordered else _unordered(shape, driver.clause)
    through = limited(rows, "budget").subquery("through")
    if not driver.ordered:
        return Statement(select(literal_column("''"), func.max(through.c.id)).having(func.count() >= bindparam("budget", type_=Integer())))
    last = select(through.c.key, through.c.id).order_by(*(_turned(each, shape) for each in _places(through, shape)))
    return Statement(last.limit(literal_column("1")).offset(bindparam("budget", type_=Integer()) - literal_column("1", Integer())))


@lru_cache(maxsize=1024)
def page(shape: Shape, driver: Driver, *, until: bool) -> Statement:
    """Rows of `COLUMNS` and the key of the page's order, made from the driver's rows; `until`: as far as the place (`:edge_key`,
    `:edge_id`)."""
    rows: Any = _stream(shape, driver) if driver.ordered else limited(_unordered(shape, driver.clause), "budget")
    through = rows.subquery("through")
    ids = select(through.c.id).where(*_conditions(shape, through, driver))
    if driver.ordered:
        if until:
            ids = ids.where(_within(through, shape))
        ids = limited(ids.order_by(*(_turned(each, shape) for each in _places(through, shape))), "count")
    return Statement(_ended(_read(shape).where(current.c.id.in_(ids)), shape))


@lru_cache(maxsize=512)
def counted(shape: Shape) -> Statement:
    """How many there are in all."""
    return Statement(select(func.count()).select_from(current).where(*_living(), *_conditions(shape, current)))


@lru_cache(maxsize=512)
def counted_from(shape: Shape, clause: int) -> Statement:
    """(how many rows of one clause were gone through, at most `:budget`; how many of them meet the others)."""
    through = limited(having(clause, shape.parts[clause]), "budget").cte("through")
    met = select(func.count()).select_from(current).where(*_living(), current.c.id.in_(select(through.c.id)), *_conditions(shape, current))
    return Statement(select(select(func.count()).select_from(through).scalar_subquery(), met.scalar_subquery()))


# ── their parts ──────────────────────────────────────────────────────────────────────────────────
def _living() -> list[ColumnElement[bool]]:
    return [*equal(current, "type"), current.c.deleted == literal_column("0")]


def _key(shape: Shape) -> ColumnElement[str]:
    """What a page is ordered by before the id. An expression, so that no index is walked for it: the ids are few by then."""
    if shape.sort == "id":
        return literal_column("''")
    if shape.sort == "updated":
        return current.c.updated.concat(literal_column("''"))
    of = search_date.alias("d")
    low = select(func.min(of.c.low)).where(of.c.type == given("type"), of.c.param == given("sort"), of.c.id == current.c.id).correlate(current)
    return func.coalesce(low.scalar_subquery(), given("absent"))


def _read(shape: Shape) -> Select[Any]:
    return select(*(current.c[name] for name in COLUMNS), _key(shape).label("key")).where(*_living())


def _ended(rows: Select[Any], shape: Shape) -> Select[Any]:
    """The page after the last one's end, in its order."""
    key = _key(shape)
    if shape.after:
        rows = rows.where(_behind(key, current.c.id, shape))
    keys = [current.c.id] if shape.sort == "id" else [key, current.c.id]
    return limited(rows.order_by(*(_turned(each, shape) for each in keys)), "count")


def _behind(key: ColumnElement[str], id: ColumnElement[str], shape: Shape) -> ColumnElement[bool]:
    if shape.sort == "id":
        return id < given("after_id") if shape.backwards else id > given("after_id")
    place, mark = tuple_(key, id), tuple_(given("after_key"), given("after_id"))
    return place < mark if shape.backwards else place > mark


def _turned(key: ColumnElement[str], shape: Shape) -> ColumnElement[str]:
    return key.desc() if shape.backwards else key.asc()


def _places(of: FromClause, shape: Shape) -> list[ColumnElement[str]]:
    return [of.c.id] if shape.sort == "id" else [of.c.key, of.c.id]


def _within(of: FromClause, shape: Shape) -> ColumnElement[bool]:
    if shape.sort == "id":
        return of.c.id >= given("edge_id") if shape.backwards else of.c.id <= given("edge_id")
    place, mark = tuple_(of.c.key, of.c.id), tuple_(given("edge_key"), given("edge_id"))
    return place >= mark if shape.backwards else place <= mark


def _unordered(shape: Shape, clause: int) -> Select[Any]:
    return select(current.c.id).where(*_living()) if clause == WALK else having(clause, shape.parts[clause])


def _stream(shape: Shape, driver: Driver) -> Select[Any]:
    """(key, id) of the driver's rows behind the last page, in the order of the page."""
    i = driver.clause
    if i == WALK:
        return _walk(shape)
    table = (search_recent if shape.sort == "updated" else search_value).alias("s")
    key = table.c.updated if shape.sort == "updated" else literal_column("''")
    streams = []
    for j in range(len(shape.parts[i][2])):
        valued = (table.c.type == given("type"), table.c.param == given(f"p{i}"), table.c.value == bind(i, j)(0))
        rows: Select[Any] = select(key.label("key"), table.c.id).where(*valued)
        if shape.sort == "updated":
            rows = rows.where(*(updated(n, names, table.c.updated) for n, (kind, _, names) in enumerate(shape.parts) if kind == "updated"))
        else:
            rows = rows.distinct()  # a code of two systems
        rows = _in_order(rows, key, table.c.id, shape)
        streams.append(limited(rows, "budget") if len(shape.parts[i][2]) > 1 else rows)  # one alone is left as soon as the page is full
    if len(streams) == 1:
        return streams[0]
    parts = [each.subquery(f"s{j}") for j, each in enumerate(streams)]
    every = union(*(select(each.c.key, each.c.id) for each in parts)).subquery("every")
    return select(every.c.key, every.c.id).order_by(*(_turned(each, shape) for each in _places(every, shape)))


def _walk(shape: Shape) -> Select[Any]:
    if shape.sort == "date":
        dates = search_date.alias("s")
        rows = select(dates.c.low.label("key"), dates.c.id).where(dates.c.type == given("type"), dates.c.param == given("sort"))
        return _in_order(rows, dates.c.low, dates.c.id, shape)
    all = current.alias("s")
    key = all.c.updated if shape.sort == "updated" else literal_column("''")
    rows = select(key.label("key"), all.c.id).where(all.c.type == given("type"), all.c.deleted == literal_column("0"))
    return _in_order(rows, key, all.c.id, shape)


def _in_order(rows: Select[Any], key: ColumnElement[str], id: ColumnElement[str], shape: Shape) -> Select[Any]:
    if shape.after:
        rows = rows.where(_behind(key, id, shape))
    return rows.order_by(*(_turned(each, shape) for each in ([key, id] if shape.sort != "id" else [id])))


def _conditions(shape: Shape, of: FromClause, driver: Driver | None = None) -> list[ColumnElement[bool]]:
    """All clauses, but what the driver's rows meet already."""
    own = current if of is current else current.alias("c")
    found, more = [], []
    if driver and driver.ordered and (driver.clause != WALK or shape.sort == "date"):
        more.append(own.c.deleted == literal_column("0"))  # a deleted one keeps its author's row, and no page may be filled by it
    for i, part in enumerate(shape.parts):
        kind, _, names = part
        if driver and driver.clause == i and (set(names) == {"value"} or not driver.ordered):
            continue
        if kind == "id":
            more.append(identified(i, part, own.c.id))
        elif kind == "updated":
            more.append(updated(i, names, own.c.updated))
        else:
            found.append(holds(i, part, of))
    if shape.clinics:
        more.append(own.c.clinic.in_([given(f"clinic_{n}") for n in range(shape.clinics)]))
    if not more or own is current:
        return [*found, *more]
    rows: Select[Any] = select(literal_column("1")).where(own.c.type == given("type"), own.c.id == of.c.id, *more).correlate(of)
    return [*found, limited(rows, 1).exists()]
