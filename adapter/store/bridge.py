"""The bridge to EHRs: which of their resources is which of ours, and the conflicts that a person must settle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from sqlalchemy import and_, bindparam, func, or_, select, update

from adapter.ports import ConflictRow, Link
from adapter.store.moments import moment, text
from adapter.store.session import Row
from adapter.store.statement import Statement, equal, given, limited, upsert
from adapter.store.tables import UNSETTLED, Key, conflict, link
from adapter.store.unit import Unit

_LINK = ("ehr", "type", "id", "remote_id", "remote_version", "content_hash", "base", "sent")
_LINKS = Statement(
    limited(select(*(link.c[name] for name in _LINK)).where(*equal(link, "ehr", "type"), link.c.id > given("after")).order_by(link.c.id), "most")
)
_SAVE_LINK = upsert(link, on=("ehr", "type", "id"), change=lambda new: {name: new[name] for name in _LINK[3:]})

_MANY = 100  # links that are read at once


@cache
def _by_ids(count: int) -> Statement:
    wanted = or_(*(and_(link.c.type == given(f"type_{i}"), link.c.id == given(f"id_{i}")) for i in range(count)))
    return Statement(select(*(link.c[name] for name in _LINK)).where(*equal(link, "ehr"), wanted))


@cache
def _by_remotes(count: int) -> Statement:
    wanted = link.c.remote_id.in_([given(f"remote_{i}") for i in range(count)])
    return Statement(select(*(link.c[name] for name in _LINK)).where(*equal(link, "ehr", "type"), wanted))


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
        self.links_of(ehr, [(type, id)])
        return self._unit.links[ehr, type, id]

    def links_of(self, ehr: str, ours: Iterable[tuple[str, str]]) -> None:
        known = self._unit.links
        if wanted := [each for each in dict.fromkeys(ours) if (ehr, *each) not in known]:
            known |= {(ehr, *each): None for each in wanted}
            params = {name: part for i, each in enumerate(wanted) for name, part in ((f"type_{i}", each[0]), (f"id_{i}", each[1]))}
            for row in self._unit.session.rows(_by_ids(len(wanted)), {"ehr": ehr, **params}):
                if found := self._link(row):
                    known[ehr, found.type, found.id] = found

    def link_by_remote(self, ehr: str, type: str, remote_id: str) -> Link | None:
        return self.links_by_remote(ehr, type, [remote_id]).get(remote_id)

    def links_by_remote(self, ehr: str, type: str, remote_ids: Sequence[str]) -> dict[str, Link]:
        known = self._unit.remotes
        wanted = [each for each in dict.fromkeys(remote_ids) if (ehr, type, each) not in known]
        for start in range(0, len(wanted), _MANY):
            self._read_by_remote(ehr, type, wanted[start : start + _MANY])
        return {each: found for each in remote_ids if (found := known[ehr, type, each])}

    def _read_by_remote(self, ehr: str, type: str, remote_ids: Sequence[str]) -> None:
        known, links = self._unit.remotes, self._unit.links
        known |= {(ehr, type, each): None for each in remote_ids}
        params = {f"remote_{i}": each for i, each in enumerate(remote_ids)}
        for row in self._unit.session.rows(_by_remotes(len(remote_ids)), {"ehr": ehr, "type": type, **params}):
            if found := self._link(row):
                known[ehr, type, found.remote_id] = links[ehr, type, found.id] = found

    def links(self, ehr: str, type: str, *, after: str = "", limit: int = 500) -> list[Link]:
        """By id, those behind `after`."""
        rows = self._unit.session.rows(_LINKS, {"ehr": ehr, "type": type, "after": after, "most": limit})
        return [found for row in rows if (found := self._link(row))]

    def _link(self, row: Row | None) -> Link | None:
        if row is None:
            return None
        ehr, type, id, remote_id, version, digest, base, sent = row
        return Link(ehr, type, id, remote_id, version, digest, self._unit.codec.decode(base, f"{type}/{id}"), sent)

    def save_link(self, link: Link) -> None:
        """Writes or replaces it. A second resource of ours for the same remote one ends the unit with Conflict."""
        links, remotes = self._unit.links, self._unit.remotes
        self._unit.memo.clear()
        if before := links.get((link.ehr, link.type, link.id)):
            remotes.pop((link.ehr, link.type, before.remote_id), None)
        links[link.ehr, link.type, link.id] = remotes[link.ehr, link.type, link.remote_id] = link
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
