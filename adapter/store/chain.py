"""The audit chain. A unit collects its events; they are sealed when the group commits, under the one head row,
which is locked last: two processes never add to the same link (security.md 4.2).

A link covers the salted digest of its event, not the event: content and salt may be destroyed later, by an act that is
itself a link and names what it destroyed, and the chain still verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import LargeBinary, bindparam, literal_column, or_, select, update

from adapter.ports import AuditRow, Resource
from adapter.store.session import Session
from adapter.store.statement import Statement, given, limited
from adapter.store.tables import Key, audit, audit_head
from adapter.store.unit import Happened, Unit

Seal = Callable[[str, bytes], str]
"""seal(previous digest, bytes) -> digest of this link; the digest before the first link is "". The same function makes
the salted digest of an event: seal(salt, event)."""
Canonical = Callable[[Resource], bytes]
SALTED = b"salted "  # what a link covers begins with it; an event, being JSON, cannot
OLD = "?"  # `person` of a row written before there was one: it may be about anybody

_ONLY = audit_head.c.one == literal_column("1")
_HEAD = Statement(select(audit_head.c.seq, audit_head.c.digest).where(_ONLY).with_for_update())
_LOOK = Statement(select(audit_head.c.seq, audit_head.c.digest).where(_ONLY))
_REVISION = Statement(select(audit_head.c.saved).where(_ONLY))
_SAVED = Statement(update(audit_head).where(_ONLY).values(saved=audit_head.c.saved + literal_column("1")))
_MOVE = Statement(update(audit_head).where(_ONLY).values(seq=bindparam("seq", type_=Key), digest=given("digest")))
_AFTER = audit.c.seq > bindparam("after", type_=Key)
_COLUMNS = [audit.c[name] for name in ("seq", "event", "digest", "salt", "sealed", "person", "erased")]
_ROWS = Statement(limited(select(*_COLUMNS).where(_AFTER).order_by(audit.c.seq), "limit"))
_OF = Statement(
    limited(
        select(*_COLUMNS).where(or_(audit.c.person == given("person"), audit.c.person == literal_column(f"'{OLD}'")), _AFTER).order_by(audit.c.seq),
        "limit",
    )
)
_BLANK = Statement(
    update(audit)
    .where(audit.c.seq == bindparam("at_seq", type_=Key))
    .values(
        event=bindparam("nothing", type_=LargeBinary()), salt=bindparam("nothing", type_=LargeBinary()), person=literal_column("''"),
        erased=bindparam("by", type_=Key),
    )
)


def seal_events(session: Session, seal: Seal, salt: Callable[[], str], events: Iterable[Happened]) -> None:
    """Adds the events to the chain, in their order, and destroys what they say they destroy."""
    seq, digest = session.row(_HEAD) or (0, "")
    rows, erasing = [], []
    for happened in events:
        grain = salt()
        sealed = seal(grain, happened.event)
        seq, digest = seq + 1, seal(digest, SALTED + sealed.encode())
        rows.append((seq, happened.event, digest, grain.encode(), sealed, happened.person, 0))
        erasing += [(each, seq) for each in happened.erasing]
    session.insert(audit, rows)
    for each, by in erasing:
        session.run(_BLANK, at_seq=each, nothing=b"", by=by)
    session.run(_MOVE, seq=seq, digest=digest)


def count_saving(session: Session) -> None:
    """Counts a commit that saved a resource: under the head's lock, so that what is counted and what is seen come together."""
    session.run(_SAVED)


class Chain:
    """The part of a unit of work about the audit trail."""

    _unit: Unit
    _canonical: Canonical

    def audit(self, event: Resource, *, erasing: Sequence[int] = ()) -> None:
        """`erasing`: links, committed before, whose content is destroyed with this commit. Raises RuntimeError in a unit
        given to read(): what is seen and must be audited is read in a unit that writes."""
        if not self._unit.session.writing:
            raise RuntimeError("a unit given to read() must not audit")
        patient = _patient(event)
        self._unit.events.append(Happened(self._canonical(event), self.audit_person(patient) if patient else "", tuple(erasing)))

    def audit_rows(self, *, after: int = 0, limit: int = 1000) -> list[AuditRow]:
        return [_link(row) for row in self._unit.session.rows(_ROWS, {"after": after, "limit": limit})]

    def audit_person(self, patient: str) -> str:
        """The keyed digest under which events about a patient ("Patient/x") are filed."""
        return self._unit.blind("AuditEvent", "patient", patient)

    def audit_of(self, patient: str, *, after: int = 0, limit: int = 1000) -> list[AuditRow]:
        """The links about a patient, and those written before links were filed by patient (the caller looks into them)."""
        wanted = {"person": self.audit_person(patient), "after": after, "limit": limit}
        return [_link(row) for row in self._unit.session.rows(_OF, wanted)]

    def audit_head(self) -> tuple[int, str]:
        """(number of links, digest of the last) as the head row says; (-1, "") where there is none."""
        seq, digest = self._unit.session.row(_LOOK) or (-1, "")
        return seq, digest

    def revision(self) -> int:
        """Goes up with every commit that saved or erased a resource, or weighed. As long as it is the same later, so is all
        of that which the unit reads from here on: what it read before it forgets, so it is best asked first. -1 where this
        transaction has saved one already: nobody knows yet."""
        unit = self._unit
        if unit.session.saved:
            return -1
        if unit.revision is None:
            unit.forget()
            row = unit.session.row(_REVISION)
            unit.revision = int(row[0]) if row else 0
        return unit.revision

    def weigh(self) -> None:
        """Counts this commit in `revision`."""
        self._unit.session.saved = True


def _link(row: Sequence[Any]) -> AuditRow:
    """The row as written, whatever type somebody else put into it since: a tampered one is to be verified, not to end it."""
    seq, event, digest, salt, sealed, person, erased = row
    return AuditRow(int(seq), _bytes(event), str(digest), _bytes(salt), str(sealed), str(person), erased if isinstance(erased, int) else 0)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode() if value is not None else b""


def _patient(event: Resource) -> str:
    """The patient an event is about, "" for none: its entity of the kind person."""
    for entity in event.get("entity", ()):
        if isinstance(entity, dict) and entity.get("type", {}).get("code") == "1":
            return str(entity.get("what", {}).get("reference", ""))
    return ""
