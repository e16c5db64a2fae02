"""Looks whether the Consents in force are still at the EHR: a search by time never shows a deletion (consent.md C-E8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adapter.ports import Clause, EhrClient, Query, Store, Uow
from adapter.sync import halts
from adapter.sync.inbound import Inbound
from adapter.sync.probe import mode_of
from adapter.sync.reads import read_many
from adapter.sync.sweep import vanished

PAGE = 200


@dataclass(frozen=True, slots=True)
class Presence:
    """One EHR, by the name of its clinic."""

    store: Store
    client: EhrClient
    inbound: Inbound

    def look(self) -> int:
        """Reads the copy of every Consent in force of this clinic; one that is gone counts as absent from then on. Returns
        how many are gone; where they are most of many the EHR is halted (Y-43). Raises EhrError: then nothing was learnt of the
        rest; Halted while it stands still."""
        if stopped := self.store.read_now(lambda uow: halts.halted(uow, self.client.name)):
            raise halts.Halted(stopped.reason)
        known, gone = 0, list[str]()
        for copies in self._pages():
            known += len(copies)
            gone += [copies[reference] for reference, found in self._read(list(copies)) if found is None]
        if vanished(len(gone), known) and not self.store.read_now(lambda uow: halts.accepted(uow, self.client.name)):
            self.inbound.stop(self.client.name, "vanished")
        for id in gone:
            self.inbound.lost(self.client.name, "Consent", id)
        return len(gone)

    def _read(self, references: list[str]) -> Iterator[tuple[str, object]]:
        batch = self.store.read_now(lambda uow: mode_of(uow, self.client.name)).batch
        return read_many(self.client, references, batch=batch)

    def _pages(self) -> Iterator[dict[str, str]]:
        """Reference there -> our id, of the Consents in force that have a copy."""
        after: str | None = ""
        while after is not None:
            page, after = self.store.read_now(lambda uow, after=after: self._linked(uow, after))  # type: ignore[misc]
            yield page

    def _linked(self, uow: Uow, after: str) -> tuple[dict[str, str], str | None]:
        name, status = self.client.name, (Clause("status", "token", ("active",)),)
        found = uow.search(Query("Consent", status, clinics=frozenset({name}), count=PAGE, after=("", after) if after else None))
        linked = [(link, each.id) for each in found if (link := uow.link(name, "Consent", each.id)) and link.remote_id]
        return {f"Consent/{link.remote_id}": id for link, id in linked}, found[-1].id if found else None
