"""Runs statements on one driver connection, inside one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from sqlalchemy import Table

from adapter.store.statement import Statement, insert_many

_CHUNK = 16
Row = tuple[Any, ...]


class Cursor(Protocol):
    def fetchone(self) -> Row | None: ...
    def fetchall(self) -> list[Row]: ...


class Connection(Protocol):
    """What sqlite3 and psycopg connections share."""

    def execute(self, sql: str, params: Mapping[str, Any] = ..., /) -> Cursor: ...


class Session:
    """`wrote` tells whether anything was changed; `fault` is the driver's error that a unit met, even one it swallowed."""

    __slots__ = ("_connection", "_dialect", "_errors", "fault", "writing", "wrote")

    def __init__(self, connection: Connection, *, dialect: str, errors: type[Exception], writing: bool) -> None:
        self._connection, self._dialect, self._errors = connection, dialect, errors
        self.writing, self.wrote = writing, False
        self.fault: Exception | None = None

    def _execute(self, statement: Statement, params: Mapping[str, Any]) -> Cursor:
        sql = statement.text(self._dialect)
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

    def insert(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Inserts rows that name every column, a few at a time."""
        waiting = list(rows)
        for start in range(0, len(waiting), _CHUNK):
            chunk = waiting[start : start + _CHUNK]
            params = {f"{name}_{i}": value for i, row in enumerate(chunk) for name, value in row.items()}
            self._execute(insert_many(table, len(chunk)), params)
