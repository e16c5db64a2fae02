"""Old versions: who wrote a resource that may be gone, and what happened to all that somebody wrote."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, Table, and_, bindparam, func, literal_column, or_, select, union_all

from adapter.ports import Version
from adapter.store.moments import FIRST, text
from adapter.store.statement import Statement, equal, given
from adapter.store.tables import current, search_value, version
from adapter.store.terms import cut
from adapter.store.unit import Unit
from adapter.store.versions import COLUMNS, read

_LOCK = 5_113_914_502  # any number but the one of an upgrade
_ALONE = Statement(select(func.pg_advisory_xact_lock(bindparam("lock", type_=BigInteger()))))
_MARKED = Statement(select(literal_column("1")).select_from(search_value).where(*equal(search_value, "type", "param", "value", "system", "id")))


def _before(table: Table) -> ColumnElement[bool]:
    """Further back than the last row that was given."""
    at, id, number = given("at"), given("at_id"), bindparam("at_number", type_=Integer())
    same = and_(table.c.updated == at, or_(table.c.id > id, and_(table.c.id == id, table.c.number < number)))
    return or_(table.c.updated < at, same)


def _of(table: Table) -> Select[tuple[object, ...]]:
    marked = select(search_value.c.id).where(*equal(search_value, "type", "param"), search_value.c.value.in_([given("value"), given("other")]))
    rows = select(*(table.c[name] for name in COLUMNS)).where(*equal(table, "type"), table.c.id.in_(marked))
    return rows.where(or_(given("only") == literal_column("''"), table.c.id == given("only")), table.c.updated >= given("since"), _before(table))


_EVENTS = Statement(
    union_all(_of(current), _of(version)).order_by(current.c.updated.desc(), current.c.id, current.c.number.desc())
    .limit(bindparam("count", type_=Integer())).offset(literal_column("0"))
)  # fmt: skip


class Histories:
    """The part of a unit of work about what was."""

    _unit: Unit

    def marked(self, type: str, id: str, param: str, value: str) -> bool:
        """Whether a resource, deleted or not, has this search row."""
        return self._unit.session.row(_MARKED, type=type, id=id, param=param, value=cut(value), system="") is not None

    def happened(
        self, type: str, param: str, values: Sequence[str], *, id: str = "", since: datetime | None = None, after: tuple[str, str, int] | None = None,
        count: int,
    ) -> list[Version]:  # fmt: skip
        """Versions, deletions too, of the resources of a type (`id`: of one) that have a search row of `param` with one of (at most two)
        `values`: newest first, from `since` on, behind `after` (time as text, id, number)."""
        at, at_id, number = after or ("~", "", 0)
        params = {
            "type": type, "param": param, "value": cut(values[0]), "other": cut(values[-1]), "only": id,
            "since": text(since) if since else FIRST, "at": at, "at_id": at_id, "at_number": number, "count": count,
        }  # fmt: skip
        return [read(self._unit, row) for row in self._unit.session.rows(_EVENTS, params)]

    def alone(self) -> None:
        """Until this transaction ends no other unit, in whatever process, comes past this call: for what must look before it writes.
        (On SQLite nobody else writes anyway.)"""
        if self._unit.session.dialect == "postgresql":
            self._unit.session.row(_ALONE, lock=_LOCK)
