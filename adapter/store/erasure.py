"""Erasure: the content of a resource goes, in every version and every copy we hold; that it was there stays
(workflow.md 8). And the register that outlives it, each line under the officer's key."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, bindparam, delete, func, insert, literal_column, or_, select, update

from adapter.store.moments import text
from adapter.store.statement import Statement, equal, given, limited, values
from adapter.store.tables import Key, conflict, current, kept, link, outbox, register, search_date, search_recent, search_value, version
from adapter.store.unit import Unit

_NOTHING = bindparam("nothing", type_=LargeBinary())
_AT = ("type", "id")
_NOW = Statement(
    update(current)
    .where(current.c.type == given("at_type"), current.c.id == given("at_id"))
    .values(deleted=literal_column("1"), served=_NOTHING, received=_NOTHING, indexed=bindparam("none", type_=LargeBinary()))
)
_BEFORE = Statement(
    update(version)
    .where(version.c.type == given("at_type"), version.c.id == given("at_id"))
    .values(deleted=literal_column("1"), served=_NOTHING, received=_NOTHING)
)
_VERSIONS = Statement(select(func.count()).select_from(version).where(*equal(version, *_AT)))
_FORGET = [Statement(delete(table).where(*equal(table, *_AT))) for table in (search_value, search_date, search_recent, link, conflict)]
_LAST_PUT = Statement(delete(kept).where(kept.c.name.like(given("ending"))))  # what the engine remembers of a copy: put/EHR/Task/x
_COPIES = Statement(select(link.c.ehr).where(*equal(link, *_AT)).order_by(link.c.ehr))
_WAITING = Statement(select(func.count()).select_from(outbox).where(*equal(outbox, *_AT), outbox.c.open == literal_column("1")))

_FILE = Statement(insert(register).values(values(register)))
_AFTER = register.c.seq > bindparam("after", type_=Key)
_LINES = Statement(
    limited(
        select(register.c.seq, register.c.line).where(or_(given("person") == literal_column("''"), register.c.person == given("person")), _AFTER)
        .order_by(register.c.seq),
        "limit",
    )
)  # fmt: skip
_SHRED = Statement(delete(register).where(register.c.at < given("before")))
_OVER = Statement(select(func.count()).select_from(register).where(register.c.at < given("before")))


class Erasure:
    """The part of a unit of work about erasing, and about what is kept of it."""

    _unit: Unit

    def erase(self, type: str, id: str) -> int:
        """Destroys the content of every version of one resource, its search rows, its link to each EHR, what was last sent there, its conflicts.
        Ids, numbers and times stay; whoever reads it finds it deleted. Returns the number of versions."""
        session = self._unit.session
        session.saved = True
        row = session.row(_VERSIONS, type=type, id=id)
        encode, place = self._unit.codec.encode, f"{type}/{id}"
        session.run(_NOW, at_type=type, at_id=id, nothing=encode(b"", place), none=b"[]")
        session.run(_BEFORE, at_type=type, at_id=id, nothing=encode(b"", place))
        for statement in _FORGET:
            session.run(statement, type=type, id=id)
        session.run(_LAST_PUT, ending=f"%/{type}/{id}")
        self._unit.forget()
        return int(row[0] if row else 0) + 1

    def copies(self, type: str, id: str) -> list[str]:
        """The EHRs that hold a copy of it."""
        return [row[0] for row in self._unit.session.rows(_COPIES, {"type": type, "id": id})]

    def letters_waiting(self, type: str, id: str) -> int:
        """How many letters about it are still to be sent or settled."""
        row = self._unit.session.row(_WAITING, type=type, id=id)
        return int(row[0]) if row else 0

    def file(self, seq: int, patient: str, at: str, line: bytes) -> None:
        """Keeps one line of the register: of the disclosure of link `seq`, made `at` (as in the event)."""
        person = self._unit.blind("AuditEvent", "patient", patient)
        self._unit.session.run(_FILE, seq=seq, person=person, at=at, line=line)

    def filed(self, patient: str = "", *, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        """(link, line) of the register, of one erased patient or ("") of all, in the order of the links."""
        person = self._unit.blind("AuditEvent", "patient", patient) if patient else ""
        rows = self._unit.session.rows(_LINES, {"person": person, "after": after, "limit": limit})
        return [(row[0], bytes(row[1])) for row in rows]

    def shred(self, before: datetime) -> int:
        """Ends the register lines of disclosures made before a time (aware); how many there were. Writes nothing for none."""
        row = self._unit.session.row(_OVER, before=text(before))
        if count := int(row[0]) if row else 0:
            self._unit.session.run(_SHRED, before=text(before))
        return count
