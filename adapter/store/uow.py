"""The unit of work: its parts put together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from adapter.clock import Clock
from adapter.store.bridge import Bridge
from adapter.store.chain import Canonical, Chain, Seal
from adapter.store.codec import Codec
from adapter.store.erasure import Erasure
from adapter.store.histories import Histories
from adapter.store.outbox import Outbox
from adapter.store.search import Search
from adapter.store.session import Session
from adapter.store.shelf import Shelf
from adapter.store.terms import Blind
from adapter.store.unit import Happened, Unit
from adapter.store.versions import Versions


@dataclass(frozen=True, slots=True)
class Making:
    """What every unit of one store is made with."""

    clock: Clock
    blind: Blind
    codec: Codec
    seal: Seal
    canonical: Canonical

    def unit(self, session: Session) -> SqlUow:
        return SqlUow(Unit(session, self.clock.now(), self.blind, self.codec), self.canonical)


class SqlUow(Versions, Histories, Search, Outbox, Bridge, Shelf, Chain, Erasure):
    """`ports.Uow` on SQLAlchemy's two engines."""

    def __init__(self, unit: Unit, canonical: Canonical) -> None:
        self._unit, self._canonical = unit, canonical
        self.at: datetime = unit.at
        self.memo = unit.memo

    @property
    def events(self) -> list[Happened]:
        """The audit events collected so far."""
        return self._unit.events
