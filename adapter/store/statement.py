"""SQL written once with SQLAlchemy Core and compiled once per engine, then run on the driver's own cursor:
Core's work per call is several times the database's own for rows as small as these."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Integer, Select, Table, Text, UpdateBase, bindparam, insert, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import BindParameter, TextClause
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.sql.selectable import GenerativeSelect

_DIALECTS: dict[str, Dialect] = {"sqlite": sqlite.dialect(paramstyle="named"), "postgresql": psycopg_dialect()}  # type: ignore[no-untyped-call]
_INSERTS: dict[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Statement:
    """A Core expression, or a function that makes it for "sqlite" or "postgresql". Parameters are named."""

    __slots__ = ("_build", "_text", "locks", "writes")

    def __init__(self, build: ClauseElement | Callable[[str], ClauseElement]) -> None:
        self._build = build
        self._text: dict[str, str] = {}
        self.writes = self.locks = False  # known once `text` has been asked for

    def text(self, dialect: str) -> str:
        """The SQL for one engine, in the parameter style of its driver."""
        if dialect not in self._text:
            built = self._build if isinstance(self._build, ClauseElement) else self._build(dialect)
            self.writes = isinstance(built, UpdateBase)
            self.locks = isinstance(built, Select) and built._for_update_arg is not None
            self._text[dialect] = str(built.compile(dialect=_DIALECTS[dialect]))
        return self._text[dialect]


def given(name: str) -> BindParameter[Any]:
    """A named text parameter."""
    return bindparam(name, type_=Text())


Limited = TypeVar("Limited", bound=GenerativeSelect)


def limited(query: Limited, limit: str | int) -> Limited:
    """At most `limit` rows: a number, or the name of a parameter. (Without an offset SQLAlchemy would add one of its own
    as a parameter on SQLite.)"""
    most = bindparam(limit, type_=Integer()) if isinstance(limit, str) else literal_column(str(limit))
    return query.limit(most).offset(literal_column("0"))


def equal(table: Table, *names: str) -> list[ColumnElement[bool]]:
    """column = :column for each name."""
    return [table.c[name] == bindparam(name, type_=table.c[name].type) for name in names]


def values(table: Table, *, without: tuple[str, ...] = ()) -> dict[str, BindParameter[Any]]:
    """column: :column for all columns of a table but `without`."""
    return {column.name: bindparam(column.name, type_=column.type) for column in table.c if column.name not in without}


def upsert(
    table: Table, *, on: tuple[str, ...], where: TextClause | None = None, without: tuple[str, ...] = (),
    change: Callable[[Any], dict[str, Any]] | None, only_if: Callable[[Any], ColumnElement[bool]] | None = None,
    returning: tuple[str, ...] = (),
) -> Statement:
    """INSERT … ON CONFLICT (on) [WHERE where] DO UPDATE SET change(excluded) [WHERE only_if(excluded)], or DO NOTHING
    when `change` is None."""

    def build(dialect: str) -> ClauseElement:
        row = _INSERTS[dialect](table).values(values(table, without=without))
        if change is None:
            row = row.on_conflict_do_nothing(index_elements=list(on), index_where=where)
        else:
            row = row.on_conflict_do_update(
                index_elements=list(on), index_where=where, set_=change(row.excluded),
                where=None if only_if is None else only_if(row.excluded),
            )
        made: ClauseElement = row.returning(*(table.c[name] for name in returning)) if returning else row
        return made

    return Statement(build)


@cache
def insert_many(table: Table, count: int) -> Statement:
    """One INSERT of `count` rows; the parameters of row i are called column_i."""
    rows = [{c.name: bindparam(f"{c.name}_{i}", type_=c.type) for c in table.c} for i in range(count)]
    return Statement(insert(table).values(rows))


@cache
def insert_one(table: Table) -> str:
    """SQLite's INSERT of one row, its parameters by place: to find them by name takes longer than to store the row."""
    return str(insert(table).compile(dialect=sqlite.dialect(paramstyle="qmark")))
