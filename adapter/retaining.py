"""Retention (workflow.md 8, security.md 4.3): an event of the security log loses its content at its age, its line of the register
goes under the officer's key first; that line is shredded at the end of the limitation period. Both are events themselves.

The chain still verifies, and what verifies no more is not purged: nobody could tell any longer what happened to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from adapter.audit import Checkpoint, events, keys, register, verify
from adapter.audit.erasures import PURGE, proves, ranges
from adapter.audit.parts import recorded
from adapter.audit.told import told
from adapter.audit.verifying import patient_in
from adapter.clock import Clock, instant
from adapter.erasing import Sealed, agreed
from adapter.errors import Conflict
from adapter.ports import AuditRow, Principal, Store, Uow
from adapter.settings import Settings

BATCH = 200  # links of one unit: its writer holds up the others no longer than that
MOST = 100  # units of one run: the rest is the next run's
SHRED = "register-shred"
LEASE, HELD = "retention", timedelta(minutes=10)
_DONE = "audit-purged"  # kept: the last link that was looked at
LIAISON = Principal("liaison", "liaison", role="device")
KEY_FIX = "the officer makes one with `liaison dpo key` and gives you the .pub file; LIAISON_OFFICER_KEY_FILE names it"


@dataclass(frozen=True, slots=True)
class Purged:
    """`events` lost their content, `lines` of them stand in the register now, `shredded` lines of it are gone. `more`: a run
    takes so many at most, and others are due."""

    events: int = 0
    lines: int = 0
    shredded: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class Periods:
    """How long the security log keeps an event, how long the register keeps a disclosure."""

    log: timedelta
    register: timedelta


@dataclass(frozen=True)
class Retention:
    """The job, and what `liaison audit purge` does. `key_file`: the officer's public key, read when a line is to be sealed."""

    store: Store
    clock: Clock
    periods: Periods
    key_file: Path
    holder: str

    @classmethod
    def of(cls, settings: Settings, store: Store, clock: Clock, *, holder: str) -> Retention:
        return cls(store, clock, Periods(settings.security_log_kept, settings.register_kept), settings.officer_key_file, holder)

    def run(self, who: Principal = LIAISON) -> Purged:
        """Purges and shreds what is due, a batch at a time. Another process that is at it is left to it. Raises SettingsError
        (no key for the register: then nothing that belongs there is purged), Conflict (the chain does not verify)."""
        now = self.clock.now()
        if not self.store.write_now(lambda uow: uow.lease(LEASE, holder=self.holder, until=now + HELD)):
            return Purged()
        try:
            return self._run(who, now)
        finally:
            self.store.write_now(lambda uow: uow.lease(LEASE, holder=self.holder, until=uow.at))

    def _run(self, who: Principal, now: datetime) -> Purged:
        self.store.write_now(lambda uow: uow.sweep())
        shredded = self.store.write_now(lambda uow: shred(uow, who, before=now - self.periods.register))
        sealed, found = self._sealing(), Purged(shredded=shredded, more=True)
        for _ in range(MOST):
            one = self.store.write_now(lambda uow: purge(uow, who, before=now - self.periods.log, sealed=sealed))
            found = replace(found, events=found.events + one.events, lines=found.lines + one.lines, more=one.more)
            if not one.more:
                break
        return found

    def _sealing(self) -> Sealed:
        opened: list[Callable[[bytes], bytes]] = []

        def sealed(line: bytes) -> bytes:
            if not opened:
                key = keys.load(self.key_file, keys.SEALING, fix=KEY_FIX)
                opened.append(lambda plain: keys.seal_for(plain, key))
            return opened[0](line)

        return sealed


def purge(uow: Uow, who: Principal, *, before: datetime, sealed: Sealed) -> Purged:
    """Destroys the content of the next links recorded before a time, up to BATCH of them, and files their lines of the register.
    Acts that prove an erasure stay. Raises Conflict when one of these links does not verify."""
    done = int(uow.kept(_DONE) or b"0")
    rows, due = uow.audit_rows(after=done, limit=BATCH), list[AuditRow]()
    until = recorded(before)
    for row in rows:
        if row.event and _recorded(row) >= until:
            break
        due.append(row)
    _whole(uow, done, due)
    going = [row for row in due if row.event and row.sealed and not proves(orjson.loads(row.event))]
    lines = sum(_filed(uow, row, sealed) for row in going)
    if going:
        links = [row.seq for row in going]
        details = [("before", instant(before)), ("links", ranges(links)), ("lines", str(lines))]
        uow.audit(events.act(who, PURGE, at=uow.at, details=details), erasing=links)
    if due:
        uow.keep(_DONE, str(due[-1].seq).encode())
    return Purged(len(going), lines, more=len(due) == BATCH)


def shred(uow: Uow, who: Principal, *, before: datetime) -> int:
    """Ends the register's lines of disclosures made before a time; how many."""
    if count := uow.shred(before):
        uow.audit(events.act(who, SHRED, at=uow.at, details=[("before", instant(before)), ("lines", str(count))]))
    return count


def _recorded(row: AuditRow) -> str:
    try:
        return str(orjson.loads(row.event)["recorded"])
    except (ValueError, KeyError, TypeError):
        return ""  # no event of ours: that it does not verify is found next


def _whole(uow: Uow, done: int, due: list[AuditRow]) -> None:
    """Raises Conflict unless these links follow the one before them as they were sealed."""
    last = next(iter(uow.audit_rows(after=done - 1, limit=1)), None) if done else None
    start = Checkpoint(done, last.digest) if last and last.seq == done else Checkpoint()
    verdict = verify(due, start=start, acts=lambda seq: next((row for row in uow.audit_rows(after=seq - 1, limit=1) if row.seq == seq), None))
    if not verdict.ok:
        raise Conflict(f"the audit chain is broken at row {verdict.first_bad}: nothing was purged; see `liaison audit verify`")


def _filed(uow: Uow, row: AuditRow, sealed: Sealed) -> bool:
    """Keeps the register's line of a disclosure; False for an event that is none."""
    event = orjson.loads(row.event)
    line, patient = register.line(row.seq, told(event)), patient_in(event)
    if line is None or not patient:
        return False
    uow.file(row.seq, patient, line.at, sealed(replace(line, agreed=agreed(uow, line)).dumps()))
    return True
