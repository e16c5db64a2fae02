"""The audit chain. A unit collects its events; they are sealed when the group commits, under the one head row,
which is locked last: two processes never add to the same link (security.md 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import bindparam, literal_column, select, update

from adapter.ports import AuditRow, Resource
from adapter.store.session import Session
from adapter.store.statement import Statement, given, limited
from adapter.store.tables import Key, audit, audit_head
from adapter.store.unit import Unit

Seal = Callable[[str, bytes], str]
"""seal(previous digest, event) -> digest of this link; the digest before the first link is ""."""
Canonical = Callable[[Resource], bytes]

_ONLY = audit_head.c.one == literal_column("1")
_HEAD = Statement(select(audit_head.c.seq, audit_head.c.digest).where(_ONLY).with_for_update())
_MOVE = Statement(update(audit_head).where(_ONLY).values(seq=bindparam("seq", type_=Key), digest=given("digest")))
_AFTER = audit.c.seq > bindparam("after", type_=Key)
_ROWS = Statement(limited(select(audit.c.seq, audit.c.event, audit.c.digest).where(_AFTER).order_by(audit.c.seq), "limit"))


def seal_events(session: Session, seal: Seal, events: Iterable[bytes]) -> None:
    """Adds the events to the chain, in their order."""
    seq, digest = session.row(_HEAD) or (0, "")
    rows = []
    for event in events:
        seq, digest = seq + 1, seal(digest, event)
        rows.append({"seq": seq, "event": event, "digest": digest})
    session.insert(audit, rows)
    session.run(_MOVE, seq=seq, digest=digest)


class Chain:
    """The part of a unit of work about the audit trail."""

    _unit: Unit
    _canonical: Canonical

    def audit(self, event: Resource) -> None:
        """Raises RuntimeError in a unit given to read(): what is seen and must be audited is read in a unit that writes."""
        if not self._unit.session.writing:
            raise RuntimeError("a unit given to read() must not audit")
        self._unit.events.append(self._canonical(event))

    def audit_rows(self, *, after: int = 0, limit: int = 1000) -> list[AuditRow]:
        return [AuditRow(*row) for row in self._unit.session.rows(_ROWS, {"after": after, "limit": limit})]
