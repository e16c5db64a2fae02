"""Runs statements on one driver connection, inside one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Table

from adapter.store.statement import Statement, insert_many, insert_one

_CHUNK = 16
Row = tuple[Any, ...]


class Cursor(Protocol):
    def fetchone(self) -> Row | None: ...
    def fetchall(self) -> list[Row]: ...


class Connection(Protocol):
    """What sqlite3 and psycopg connections share."""

    def execute(self, sql: str, params: Mapping[str, Any] = ..., /) -> Cursor: ...
    def executemany(self, sql: str, params: Iterable[Sequence[Any]], /) -> Cursor: ...


class Session:
    """`wrote` tells whether anything was changed, `letters` whether in the outbox, `saved` whether a resource;
    `fault` is the driver's error that a unit met, even one it swallowed."""

    __slots__ = ("_connection", "_errors", "dialect", "fault", "letters", "saved", "writing", "wrote")

    def __init__(self, connection: Connection, *, dialect: str, errors: type[Exception], writing: bool) -> None:
        self._connection, self.dialect, self._errors = connection, dialect, errors
        self.writing, self.wrote, self.letters, self.saved = writing, False, False, False
        self.fault: Exception | None = None

    def _execute(self, statement: Statement, params: Mapping[str, Any]) -> Cursor:
        sql = statement.text(self.dialect)
        if not self.writing and (statement.writes or statement.locks):
            raise RuntimeError("a unit given to read() must not write")
        self.wrote = self.wrote or statement.writes
        try:
            return self._connection.execute(sql, params)
        except self._errors as problem:
            self.fault = problem
            raise

    def run(self, statement: Statement, /, **params: Any) -> None:
        self._execute(statement, params)

    def row(self, statement: Statement, /, **params: Any) -> Row | None:
        try:
            return self._execute(statement, params).fetchone()
        except self._errors as problem:  # with PostgreSQL's pipeline an error may come with the answer
            self.fault = problem
            raise

    def rows(self, statement: Statement, params: Mapping[str, Any], /) -> list[Row]:
        try:
            return self._execute(statement, params).fetchall()
        except self._errors as problem:
            self.fault = problem
            raise

    def insert(self, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
        """Inserts rows, each the values of all columns in their order. PostgreSQL gets a few in one statement, for each
        statement costs an answer; SQLite one after another, which takes it a third of the time that many at once do."""
        waiting = list(rows)
        if self.dialect == "sqlite":
            self._insert_each(table, waiting)
            return
        for start in range(0, len(waiting), _CHUNK):
            chunk = waiting[start : start + _CHUNK]
            params = {f"{column.name}_{i}": value for i, row in enumerate(chunk) for column, value in zip(table.c, row, strict=True)}
            self._execute(insert_many(table, len(chunk)), params)

    def _insert_each(self, table: Table, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        if not self.writing:
            raise RuntimeError("a unit given to read() must not write")
        self.wrote = True
        try:
            self._connection.executemany(insert_one(table), rows)
        except self._errors as problem:
            self.fault = problem
            raise
