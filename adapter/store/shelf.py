"""Small things kept by name: once-only requests, tokens, named values, leases."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from sqlalchemy import Integer, bindparam, case, delete, or_, select

from adapter.errors import Conflict
from adapter.store.moments import text
from adapter.store.statement import Statement, equal, given, upsert
from adapter.store.tables import kept, lease, once, remembered, tally, token
from adapter.store.unit import Unit

_REMEMBERED = Statement(select(remembered.c.digest, remembered.c.answer).where(*equal(remembered, "key")))
_REMEMBER = upsert(remembered, on=("key",), change=None, returning=("key",))
_KEEP = upsert(kept, on=("name",), change=lambda new: {"value": new.value})
_DISCARD = Statement(delete(kept).where(kept.c.name >= given("first"), kept.c.name < given("beyond")))
_TOKEN = Statement(select(token.c.principal).where(*equal(token, "digest"), token.c.expires > given("now")))
_SAVE_TOKEN = upsert(token, on=("digest",), change=lambda new: {"principal": new.principal, "expires": new.expires})
_END_TOKEN = Statement(delete(token).where(*equal(token, "digest")))
_ONCE = upsert(
    once, on=("name",), change=lambda new: {"until": new.until}, returning=("name",), only_if=lambda new: once.c.until <= given("now")
)
_SWEEP = tuple(
    Statement(delete(table).where(column <= given("now")).returning(table.c[key]))
    for table, column, key in ((token, token.c.expires, "digest"), (once, once.c.until, "name"))
)
_LEASE = upsert(
    lease, on=("name",), change=lambda new: {"holder": new.holder, "until": new.until}, returning=("name",),
    only_if=lambda new: or_(lease.c.holder == new.holder, lease.c.until <= given("now")),
)

_TALLY = upsert(
    tally, on=("name",), returning=("used",),
    change=lambda new: {"used": case((tally.c.period == new.period, tally.c.used + new.used), else_=new.used), "period": new.period},
    only_if=lambda new: or_(tally.c.period != new.period, tally.c.used < bindparam("most", type_=Integer())),
)
_ADD = upsert(tally, on=("name",), change=lambda new: {"used": tally.c.used + new.used})
_ADDED = Statement(select(tally.c.name, tally.c.used).where(tally.c.name >= given("first"), tally.c.name < given("beyond")).order_by(tally.c.name))


@cache
def _kept(count: int) -> Statement:
    return Statement(select(kept.c.name, kept.c.value).where(kept.c.name.in_([given(f"name_{i}") for i in range(count)])))


def _beyond(start: str) -> str:
    """The first name behind all that begin so."""
    return start[:-1] + chr(ord(start[-1]) + 1)


class Shelf:
    """The part of a unit of work about small kept things."""

    _unit: Unit

    def remembered(self, key: str) -> tuple[str, bytes] | None:
        row = self._unit.session.row(_REMEMBERED, key=key)
        return (row[0], self._unit.codec.decode(row[1], f"remembered/{key}")) if row else None

    def remember(self, key: str, digest: str, answer: bytes) -> None:
        """Raises Conflict when the key is already remembered."""
        stored = self._unit.codec.encode(answer, f"remembered/{key}")
        if not self._unit.session.row(_REMEMBER, key=key, digest=digest, answer=stored, at=self._unit.now):
            raise Conflict("This request was already answered, by another request at the same moment", code="duplicate")

    def kept(self, name: str) -> bytes | None:
        return self.kept_many(name).get(name)

    def kept_many(self, *names: str) -> dict[str, bytes]:
        known = self._unit.kept
        if wanted := [each for each in names if each not in known]:
            known |= dict.fromkeys(wanted)
            params = {f"name_{i}": each for i, each in enumerate(wanted)}
            for name, value in self._unit.session.rows(_kept(len(wanted)), params):
                known[name] = self._unit.codec.decode(value, f"kept/{name}")
        return {each: found for each in names if (found := known[each]) is not None}

    def keep(self, name: str, value: bytes) -> None:
        self._unit.kept[name] = value
        self._unit.session.run(_KEEP, name=name, value=self._unit.codec.encode(value, f"kept/{name}"))

    def discard(self, start: str) -> None:
        known = self._unit.kept
        known |= dict.fromkeys(name for name in known if name.startswith(start))
        self._unit.session.run(_DISCARD, first=start, beyond=_beyond(start))

    def save_token(self, digest: str, principal: bytes, expires: datetime) -> None:
        self._unit.session.run(_SAVE_TOKEN, digest=digest, principal=principal, expires=text(expires))

    def token(self, digest: str) -> bytes | None:
        row = self._unit.session.row(_TOKEN, digest=digest, now=self._unit.now)
        return row[0] if row else None

    def end_token(self, digest: str) -> None:
        self._unit.session.run(_END_TOKEN, digest=digest)

    def tally(self, name: str, period: int, wanted: int, *, most: int) -> int:
        """How much of `wanted` is left of `most` in this period; it is used from now on. A new period begins at nothing."""
        row = self._unit.session.row(_TALLY, name=name, period=period, used=wanted, most=most)
        return max(0, wanted - max(0, int(row[0]) - most)) if row else 0

    def add(self, name: str, number: int) -> None:
        self._unit.session.run(_ADD, name=name, period=0, used=number)

    def added(self, start: str) -> dict[str, int]:
        rows = self._unit.session.rows(_ADDED, {"first": start, "beyond": _beyond(start)})
        return {name: int(used) for name, used in rows}

    def once(self, name: str, until: datetime) -> bool:
        """One statement: of two processes that say a name at the same moment the second waits for the first to commit."""
        return bool(self._unit.session.row(_ONCE, name=name, until=text(until), now=self._unit.now))

    def sweep(self) -> int:
        return sum(len(self._unit.session.rows(each, {"now": self._unit.now})) for each in _SWEEP)

    def lease(self, name: str, *, holder: str, until: datetime) -> bool:
        """Given back by leasing it again until now."""
        return bool(self._unit.session.row(_LEASE, name=name, holder=holder, until=text(until), now=self._unit.now))
