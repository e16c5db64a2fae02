"""The chain of a store held against everything that is known of it: checkpoints, the head row, the acts of erasure, how its
rows are filed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from adapter.audit.chain import Checkpoint, Verdict, pages, verify
from adapter.ports import AuditRow, Resource, Uow

PAGE = 1000
BEFORE_ALL = -(1 << 62)  # below any number that a row could have been given by somebody else: ours begin at 1


def patient_in(event: Resource) -> str:
    """The patient an event is about, "" for none."""
    for entity in event.get("entity", ()):
        if isinstance(entity, dict) and entity.get("type", {}).get("code") == "1":
            return str(entity.get("what", {}).get("reference", ""))
    return ""


def verified(uow: Uow, kept: Iterable[Checkpoint] = (), *, start: Checkpoint | None = None) -> Verdict:
    """Follows the whole chain of a store in one unit, a page at a time, in flat memory. `start`: where it was verified
    before (what lies before it is then not read)."""
    last = uow.audit_head()
    points = sorted((point for point in kept if start is None or point.count > start.count), key=lambda point: point.count)
    if last[0] < 0:
        return Verdict(False, 0, "", 1, "truncated")  # there is no head row at all
    points = sorted([*points, Checkpoint(*last)] if last[0] else points, key=lambda point: point.count)

    def page(after: int, limit: int) -> list[AuditRow]:
        return uow.audit_rows(after=after, limit=limit)

    @lru_cache(maxsize=8)  # neighbouring links were mostly destroyed by the same act
    def act(seq: int) -> AuditRow | None:
        return next((row for row in uow.audit_rows(after=seq - 1, limit=1) if row.seq == seq), None)

    def filed(event: Resource) -> str:
        patient = patient_in(event)
        return uow.audit_person(patient) if patient else ""

    after = start.count if start else BEFORE_ALL
    verdict = verify(pages(page, size=PAGE, after=after), kept=points, start=start, acts=act, filed=filed)
    grown = uow.audit_head()[0]
    if verdict.ok and verdict.count > grown:
        return replace(verdict, ok=False, first_bad=grown + 1, reason="inserted")  # rows that no head row knows of
    return verdict
