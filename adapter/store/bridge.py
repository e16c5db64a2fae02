"""The bridge to EHRs: which of their resources is which of ours, and the conflicts that a person must settle."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import bindparam, func, select, update

from adapter.ports import ConflictRow, Link
from adapter.store.moments import moment, text
from adapter.store.session import Row
from adapter.store.statement import Statement, equal, given, limited, upsert
from adapter.store.tables import UNSETTLED, Key, conflict, link
from adapter.store.unit import Unit

_LINK = ("ehr", "type", "id", "remote_id", "remote_version", "content_hash", "base", "sent")
_BY_ID = Statement(select(*(link.c[name] for name in _LINK)).where(*equal(link, "ehr", "type", "id")))
_BY_REMOTE = Statement(select(*(link.c[name] for name in _LINK)).where(*equal(link, "ehr", "type", "remote_id")))
_LINKS = Statement(
    limited(select(*(link.c[name] for name in _LINK)).where(*equal(link, "ehr", "type"), link.c.id > given("after")).order_by(link.c.id), "most")
)
_SAVE_LINK = upsert(link, on=("ehr", "type", "id"), change=lambda new: {name: new[name] for name in _LINK[3:]})

_CONFLICT = ("ehr", "type", "id", "reason", "base", "ours", "theirs", "at", "key", "state", "choice")
_OPEN = upsert(
    conflict, on=("ehr", "type", "id"), where=UNSETTLED, without=("key",), returning=("key",),
    change=lambda new: {name: new[name] for name in ("reason", "base", "ours", "theirs", "at")},
)
_CONFLICTS = Statement(select(*(conflict.c[name] for name in _CONFLICT)).where(*equal(conflict, "state")).order_by(conflict.c.key))
_CONFLICTS_OF = Statement(
    select(*(conflict.c[name] for name in _CONFLICT)).where(*equal(conflict, "state", "ehr", "type", "id")).order_by(conflict.c.key)
)
_COUNTED = Statement(select(conflict.c.ehr, func.count()).where(UNSETTLED).group_by(conflict.c.ehr))
_RESOLVE = Statement(
    update(conflict).where(conflict.c.key == bindparam("at_key", type_=Key)).values(state=given("state"), choice=given("choice"))
)


class Bridge:
    """The part of a unit of work about links and conflicts."""

    _unit: Unit

    def link(self, ehr: str, type: str, id: str) -> Link | None:
        memo = self._unit.memo
        if ("link", ehr, type, id) not in memo:
            memo["link", ehr, type, id] = self._link(self._unit.session.row(_BY_ID, ehr=ehr, type=type, id=id))
        found: Link | None = memo["link", ehr, type, id]
        return found

    def link_by_remote(self, ehr: str, type: str, remote_id: str) -> Link | None:
        return self._link(self._unit.session.row(_BY_REMOTE, ehr=ehr, type=type, remote_id=remote_id))

    def links(self, ehr: str, type: str, *, after: str = "", limit: int = 500) -> list[Link]:
        """By id, those behind `after`."""
        rows = self._unit.session.rows(_LINKS, {"ehr": ehr, "type": type, "after": after, "most": limit})
        return [found for row in rows if (found := self._link(row))]

    def _link(self, row: Row | None) -> Link | None:
        if row is None:
            return None
        found = Link(*row)
        return replace(found, base=self._unit.codec.decode(found.base, f"{found.type}/{found.id}"))

    def save_link(self, link: Link) -> None:
        """Writes or replaces it. A second resource of ours for the same remote one ends the unit with Conflict."""
        self._unit.memo.clear()
        self._unit.session.run(
            _SAVE_LINK, ehr=link.ehr, type=link.type, id=link.id, remote_id=link.remote_id, remote_version=link.remote_version,
            content_hash=link.content_hash, base=self._unit.codec.encode(link.base, f"{link.type}/{link.id}"), sent=link.sent,
        )

    def save_conflict(self, conflict: ConflictRow) -> ConflictRow:
        """Opens it. A conflict of the same resource at the same EHR that is still open is brought up to date and keeps its key."""
        place, encode = f"{conflict.type}/{conflict.id}", self._unit.codec.encode
        row = self._unit.session.row(
            _OPEN, ehr=conflict.ehr, type=conflict.type, id=conflict.id, reason=conflict.reason, base=encode(conflict.base, place),
            ours=encode(conflict.ours, place), theirs=encode(conflict.theirs, place), at=text(conflict.at), state=conflict.state,
            choice=conflict.choice,
        )
        return replace(conflict, key=row[0] if row else 0)

    def conflicts(self, *, state: str = "open", about: tuple[str, str, str] | None = None) -> list[ConflictRow]:
        """Oldest first."""
        which = dict(zip(("ehr", "type", "id"), about, strict=True)) if about else {}
        return [self._conflict(row) for row in self._unit.session.rows(_CONFLICTS_OF if about else _CONFLICTS, {"state": state} | which)]

    def conflict_counts(self) -> dict[str, int]:
        return {ehr: int(count) for ehr, count in self._unit.session.rows(_COUNTED, {})}

    def _conflict(self, row: Row) -> ConflictRow:
        ehr, type, id, reason, base, ours, theirs, at, key, state, choice = row
        place, decode = f"{type}/{id}", self._unit.codec.decode
        return ConflictRow(
            ehr, type, id, reason, decode(base, place), decode(ours, place), decode(theirs, place), moment(at), key, state, choice
        )

    def settle_conflict(self, key: int, *, choice: str) -> None:
        self._unit.session.run(_RESOLVE, at_key=key, state="resolved", choice=choice)
