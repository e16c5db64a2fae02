"""The outbox: letters in lanes. Two unique indexes keep what matters even between processes: one untaken letter for
the same resource in a lane, and one letter of a lane in flight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Integer, Select, and_, bindparam, case, distinct, func, literal_column, or_, select, update

from adapter.ports import BEHIND, Letter, LetterState, Pile
from adapter.store.moments import moment, text
from adapter.store.session import Row
from adapter.store.statement import Statement, equal, given, limited, upsert
from adapter.store.tables import UNTAKEN, Key, outbox
from adapter.store.unit import Unit

_COLUMNS = ("ehr", "lane", "type", "id", "due", "number", "state", "attempts", "reason", "key", "fence", "request_id")
_LETTER = [outbox.c[name] for name in _COLUMNS]
FIRST = "Consent"
_OPEN_STATES = {"queued", "unknown", "parked", "conflict"}
_EMPTY: ColumnElement[str] = literal_column("''")
_IS_OPEN: ColumnElement[int] = literal_column("1")


def _coalesced(new: Any) -> dict[str, Any]:
    """The letter already waiting carries the newer version; one that waits for another try keeps its time."""
    sooner = and_(outbox.c.attempts == literal_column("0"), new.due < outbox.c.due)
    return {
        "number": case((new.number > outbox.c.number, new.number), else_=outbox.c.number),
        "due": case((sooner, new.due), else_=outbox.c.due),
        "request_id": new.request_id,
        "rank": case((new.rank < outbox.c.rank, new.rank), else_=outbox.c.rank),
    }


_POST = upsert(outbox, on=("ehr", "lane", "type", "id"), where=UNTAKEN, without=("key",), change=_coalesced, returning=_COLUMNS)


def _can_go(letters: FromClause) -> ColumnElement[bool]:
    return letters.c.state.in_([literal_column("'queued'"), literal_column("'unknown'")])


@lru_cache(maxsize=2)
def _next(one_ehr: bool) -> Statement:
    """The first due letter, by rank, whose lane has none in flight and none open before it; a lease that ran out is taken
    again before anything else of its lane. A lane that goes BEHIND another waits for what of that one can go."""
    mine, other, before = outbox.alias("mine"), outbox.alias("other"), outbox.alias("before")
    in_the_way: Select[Any] = (
        select(literal_column("1"))
        .where(other.c.ehr == mine.c.ehr, other.c.lane == mine.c.lane, other.c.open == _IS_OPEN, other.c.key != mine.c.key)
        .where(or_(other.c.holder != _EMPTY, and_(mine.c.holder == _EMPTY, other.c.key < mine.c.key)))
    )
    led = func.replace(mine.c.lane, literal_column(f"'{BEHIND}'"), _EMPTY)
    leading: Select[Any] = select(literal_column("1")).where(before.c.ehr == mine.c.ehr, before.c.lane == led, before.c.open == _IS_OPEN, _can_go(before))
    found = (
        select(*(mine.c[name] for name in _COLUMNS))
        .where(mine.c.open == _IS_OPEN, _can_go(mine))
        .where(mine.c.due <= given("at"), or_(mine.c.holder == _EMPTY, mine.c.lease_until <= given("at")), ~in_the_way.exists())
        .where(or_(led == mine.c.lane, ~leading.exists()))
        .order_by(mine.c.rank, mine.c.due, mine.c.key)
        .with_for_update(of=mine, skip_locked=True)
    )
    return Statement(limited(found.where(mine.c.ehr == given("ehr")) if one_ehr else found, 1))


_HASTEN = Statement(
    update(outbox).where(*equal(outbox, "ehr", "lane"), outbox.c.open == _IS_OPEN, outbox.c.key < bindparam("before", type_=Key))
    .values(rank=bindparam("new_rank", type_=Key))
)
_TAKE = Statement(
    update(outbox).where(*equal(outbox, "key"))
    .values(holder=given("new_holder"), lease_until=given("new_until"), fence=outbox.c.fence + literal_column("1"))
)
_ANY_DUE = Statement(
    limited(
        select(literal_column("1")).where(
            *equal(outbox, "ehr"), outbox.c.open == _IS_OPEN, _can_go(outbox),
            outbox.c.due <= given("at"), or_(outbox.c.holder == _EMPTY, outbox.c.lease_until <= given("at")),
        ),
        1,
    )
)
_PILES = Statement(
    select(outbox.c.ehr, outbox.c.state, outbox.c.reason, func.count(), func.min(outbox.c.due)).where(outbox.c.open == _IS_OPEN)
    .group_by(outbox.c.ehr, outbox.c.state, outbox.c.reason).order_by(outbox.c.ehr, outbox.c.state, outbox.c.reason)
)
# The next two read an index alone, and at most one row of the table.
_IN_LANES = select(outbox.c.ehr, outbox.c.lane).where(outbox.c.open == _IS_OPEN).distinct().subquery()
_LANES = Statement(select(_IN_LANES.c.ehr, func.count()).group_by(_IN_LANES.c.ehr))
_FIRST_DUE = limited(select(outbox.c.key).where(*equal(outbox, "ehr"), outbox.c.open == _IS_OPEN).order_by(outbox.c.due, outbox.c.key), 1)
_OLDEST = Statement(select(*_LETTER).where(outbox.c.key == _FIRST_DUE.scalar_subquery()))
_HELD = Statement(
    select(outbox.c.ehr, func.count(distinct(outbox.c.lane)))
    .where(outbox.c.open == _IS_OPEN, outbox.c.state.in_([literal_column("'parked'"), literal_column("'conflict'")])).group_by(outbox.c.ehr)
)
_SEEN = Statement(select(outbox.c.fence).where(*equal(outbox, "key")).with_for_update())
_MINE = outbox.c.fence == bindparam("seen_fence", type_=Integer())
_ABSORBED = bindparam("new_number", type_=Integer())
_CARRY = Statement(
    update(outbox).where(
        *equal(outbox, "key"), _MINE, outbox.c.holder == _EMPTY,
        outbox.c.state == literal_column("'queued'"),
    )
    .values(fence=outbox.c.fence + literal_column("1")).returning(outbox.c.fence)
)
_ABSORB = Statement(
    update(outbox).where(*equal(outbox, "ehr", "lane", "type", "id"), outbox.c.key != bindparam("not_key", type_=Integer()), UNTAKEN)
    .values(state=literal_column("'dropped'"), open=literal_column("0"), reason=literal_column("'coalesced'"))
    .returning(outbox.c.number)
)
_SETTLE = Statement(
    update(outbox).where(*equal(outbox, "key"), _MINE)
    .values(
        state=given("new_state"), open=bindparam("new_open", type_=Integer()), due=given("new_due"), reason=given("new_reason"),
        number=case((outbox.c.number < _ABSORBED, _ABSORBED), else_=outbox.c.number), attempts=outbox.c.attempts + literal_column("1"),
        holder=_EMPTY, lease_until=_EMPTY, fence=outbox.c.fence + literal_column("1"),
    )
    .returning(outbox.c.key)
)


class Outbox:
    """The part of a unit of work about letters to EHRs."""

    _unit: Unit

    def post(self, letter: Letter) -> Letter:
        session, rank = self._unit.session, _rank(letter, self._unit.at)
        session.letters = True
        row = session.row(
            _POST, ehr=letter.ehr, lane=letter.lane, type=letter.type, id=letter.id, number=letter.number, state=letter.state,
            open=int(letter.state in _OPEN_STATES), due=text(letter.due), attempts=letter.attempts, reason=letter.reason,
            holder="", lease_until="", fence=0, request_id=letter.request_id, rank=rank,
        )
        posted = _read(row or ())
        if rank:  # and what stands before it in its lane
            session.run(_HASTEN, ehr=letter.ehr, lane=letter.lane, before=posted.key, new_rank=rank)
        return posted

    def take(self, *, holder: str, until: datetime, ehr: str | None = None) -> Letter | None:
        params = {"at": self._unit.now} | ({} if ehr is None else {"ehr": ehr})
        row = self._unit.session.row(_next(ehr is not None), **params)
        if row is None:
            return None
        letter = _read(row)
        self._unit.session.run(_TAKE, key=letter.key, new_holder=holder, new_until=text(until))
        return replace(letter, fence=letter.fence + 1)

    def carry(self, letter: Letter) -> Letter | None:
        row = self._unit.session.row(_CARRY, key=letter.key, seen_fence=letter.fence)
        return replace(letter, fence=row[0]) if row else None

    def any_due(self, ehr: str) -> bool:
        return self._unit.session.row(_ANY_DUE, ehr=ehr, at=self._unit.now) is not None

    def piles(self) -> list[Pile]:
        return [Pile(ehr, state, reason, letters, moment(due)) for ehr, state, reason, letters, due in self._unit.session.rows(_PILES, {})]

    def lanes(self) -> dict[str, tuple[int, int]]:
        held = {ehr: lanes for (ehr, lanes) in self._unit.session.rows(_HELD, {})}  # noqa: C416  mypy does not see pairs in rows
        return {ehr: (there, held.get(ehr, 0)) for ehr, there in self._unit.session.rows(_LANES, {})}

    def oldest(self, ehr: str) -> Letter | None:
        row = self._unit.session.row(_OLDEST, ehr=ehr)
        return _read(row) if row else None

    def settle(self, letter: Letter, *, state: LetterState, due: datetime | None = None, reason: str = "") -> bool:
        session, number = self._unit.session, 0
        if state == "queued":  # back in the queue: what was queued meanwhile for the same resource goes with it
            if session.row(_SEEN, key=letter.key) != (letter.fence,):
                return False
            same = {"ehr": letter.ehr, "lane": letter.lane, "type": letter.type, "id": letter.id, "not_key": letter.key}
            number = max((absorbed for (absorbed,) in session.rows(_ABSORB, same)), default=0)
        row = session.row(
            _SETTLE, key=letter.key, seen_fence=letter.fence, new_state=state, new_open=int(state in _OPEN_STATES), new_due=text(due or letter.due),
            new_reason=reason, new_number=number,
        )
        session.letters = session.letters or row is not None
        return row is not None

    def letters(
        self, *, states: Sequence[LetterState] = (), ehr: str | None = None, lane: str | None = None, about: tuple[str, str] | None = None,
        key: int | None = None, limit: int = 1000,
    ) -> list[Letter]:  # fmt: skip
        """In the order they were posted."""
        type, id = about or (None, None)
        wanted = {name: value for name, value in (("ehr", ehr), ("lane", lane), ("type", type), ("id", id), ("key", key)) if value is not None}
        params: dict[str, Any] = {f"state_{i}": state for i, state in enumerate(states)} | {"limit": limit} | wanted
        return [_read(row) for row in self._unit.session.rows(_listed(len(states), tuple(wanted)), params)]


def _rank(letter: Letter, at: datetime) -> int:
    """What a person agreed to or took back overtakes every backlog, the newest first; all else goes in the order it was due."""
    return -int(at.timestamp() * 1_000_000) if letter.type == FIRST else 0


@lru_cache(maxsize=32)
def _listed(states: int, columns: tuple[str, ...]) -> Statement:
    query = limited(select(*_LETTER).order_by(outbox.c.key), "limit")
    if states:
        query = query.where(outbox.c.state.in_([given(f"state_{i}") for i in range(states)]))
    return Statement(query.where(*equal(outbox, *columns)))


def _read(row: Row) -> Letter:
    fields = dict(zip(_COLUMNS, row, strict=True))
    return Letter(**(fields | {"due": moment(fields["due"])}))
