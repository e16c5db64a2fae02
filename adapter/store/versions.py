"""Resources: the current version, the older ones, and their search rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import bindparam, delete, insert, select, union_all, update

from adapter.errors import Conflict, Stale
from adapter.ports import IndexRow, Version
from adapter.store.moments import moment, text
from adapter.store.session import Row
from adapter.store.statement import Statement, equal, values
from adapter.store.tables import RECENT, current, search_date, search_recent, search_value, version
from adapter.store.terms import Term, terms
from adapter.store.unit import Unit

COLUMNS = ("type", "id", "number", "updated", "clinic", "deleted", "served", "received")
_NOW = [current.c[name] for name in COLUMNS]
_BEFORE = [version.c[name] for name in COLUMNS]
_SAME, _OLD = equal(current, "type", "id"), equal(version, "type", "id")
_CURRENT = Statement(select(*_NOW).where(*_SAME))
_NUMBERED = Statement(
    union_all(select(*_NOW).where(*_SAME, *equal(current, "number")), select(*_BEFORE).where(*_OLD, *equal(version, "number")))
)
_HISTORY = Statement(union_all(select(*_NOW).where(*_SAME), select(*_BEFORE).where(*_OLD)).order_by(current.c.number.desc()))
_SEEN = Statement(select(current.c.number, current.c.indexed, current.c.updated).where(*_SAME).with_for_update())
_CREATE = Statement(insert(current).values(values(current)))
_SHELVE = Statement(insert(version).from_select(list(COLUMNS), select(*_NOW).where(*_SAME)))
_REPLACE = Statement(
    update(current)
    .where(current.c.type == bindparam("at_type", type_=current.c.type.type), current.c.id == bindparam("at_id", type_=current.c.id.type))
    .values(values(current, without=("type", "id")))
)
_FORGET = {
    "value": Statement(delete(search_value).where(*equal(search_value, "type", "param", "value", "system", "id"))),
    "date": Statement(delete(search_date).where(*equal(search_date, "type", "param", "low", "high", "id"))),
}
_OUTDATE = Statement(delete(search_recent).where(*equal(search_recent, *search_recent.c.keys())))
_ENDS = {"value": ("value", "system"), "date": ("low", "high")}


def read(unit: Unit, row: Row, key: str = "") -> Version:
    """The Version of a row of `COLUMNS`; `key`: where it stands in the order of a search."""
    type, id, number, updated, clinic, deleted, served, received = row
    decode, place = unit.codec.decode, f"{type}/{id}"
    return Version(type, id, number, moment(updated), clinic, decode(served, place), decode(received, place), bool(deleted), key=key)


class Versions:
    """The part of a unit of work about resources."""

    _unit: Unit

    def current(self, type: str, id: str) -> Version | None:
        known = self._unit.known
        if (type, id) not in known:
            row = self._unit.session.row(_CURRENT, type=type, id=id)
            known[type, id] = read(self._unit, row) if row else None
        return known[type, id]

    def version(self, type: str, id: str, number: int) -> Version | None:
        row = self._unit.session.row(_NUMBERED, type=type, id=id, number=number)
        return read(self._unit, row) if row else None

    def history(self, type: str, id: str) -> list[Version]:
        return [read(self._unit, row) for row in self._unit.session.rows(_HISTORY, {"type": type, "id": id})]

    def save(self, version: Version, *, expected: int | None, index: Iterable[IndexRow]) -> Version:
        session = self._unit.session
        session.saved = True
        seen = session.row(_SEEN, type=version.type, id=version.id)
        number: int = seen[0] if seen else 0
        if expected is not None and expected != number:
            if expected == 0:
                raise Conflict(f"Expected no {version.type} with this id, but found one", code="duplicate")
            raise Stale(f"Expected version {expected} of this {version.type}, but found {number}")
        before = {tuple(term) for term in orjson.loads(seen[1])} if seen else set()
        after = terms(version.type, index, self._unit.blind)
        saved = replace(version, number=number + 1)
        row = self._row(saved, after)
        if seen:
            session.run(_SHELVE, type=version.type, id=version.id)
            session.run(_REPLACE, at_type=row.pop("type"), at_id=row.pop("id"), **row)
        else:
            session.run(_CREATE, **row)
        self._index(saved, gone=before - after, new=after - before)
        self._reorder(saved, before, after, updated=seen[2] if seen else "")
        self._unit.known.pop((saved.type, saved.id), None)
        self._unit.memo.clear()
        return saved

    def _row(self, saved: Version, indexed: set[Term]) -> dict[str, Any]:
        encode, place = self._unit.codec.encode, saved.reference
        return {
            "type": saved.type, "id": saved.id, "number": saved.number, "updated": text(saved.updated), "clinic": saved.clinic,
            "deleted": int(saved.deleted), "served": encode(saved.served, place), "received": encode(saved.received, place),
            "indexed": orjson.dumps(sorted(indexed)),
        }

    def _index(self, saved: Version, *, gone: set[Any], new: set[Term]) -> None:
        for kind, param, one, two in gone:
            first, second = _ENDS[kind]
            self._unit.session.run(_FORGET[kind], type=saved.type, id=saved.id, param=param, **{first: one, second: two})
        type, id = saved.type, saved.id
        values = [(type, param, value, id, system) for kind, param, value, system in new if kind == "value"]
        self._unit.session.insert(search_value, values)
        self._unit.session.insert(search_date, [(type, param, low, high, id) for kind, param, low, high in new if kind == "date"])

    def _reorder(self, saved: Version, before: set[Any], after: set[Term], *, updated: str) -> None:
        """Moves the rows that stand in the order of change from where they stood at `updated`."""
        for param, value in _recent(before):
            self._unit.session.run(_OUTDATE, type=saved.type, param=param, value=value, updated=updated, id=saved.id)
        at = text(saved.updated)
        self._unit.session.insert(search_recent, [(saved.type, param, value, at, saved.id) for param, value in _recent(after)])


def _recent(found: Iterable[Any]) -> set[tuple[str, str]]:
    return {(param, value) for kind, param, value, _ in found if kind == "value" and param in RECENT}
