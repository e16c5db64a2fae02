"""Looks whether the Consents in force are still at the EHR: a search by time never shows a deletion (consent.md C-E8)."""

from __future__ import annotations

from dataclasses import dataclass

from adapter.ports import Clause, EhrClient, Link, Query, Store, Uow
from adapter.sync.inbound import Inbound

PAGE = 200


@dataclass(frozen=True, slots=True)
class Presence:
    """One EHR, by the name of its clinic."""

    store: Store
    client: EhrClient
    inbound: Inbound

    def look(self) -> int:
        """Reads the copy of every Consent in force of this clinic; one that is gone counts as absent from then on. Returns
        how many are gone. Raises EhrError: then nothing was learnt of the rest."""
        gone, after = 0, ""
        while links := self.store.read_now(lambda uow, after=after: self._linked(uow, after)):  # type: ignore[misc]
            for link in links:
                if link.remote_id and self.client.read("Consent", link.remote_id) is None:
                    self.inbound.lost(self.client.name, "Consent", link.id)
                    gone += 1
            after = links[-1].id
        return gone

    def _linked(self, uow: Uow, after: str) -> list[Link]:
        """The next page of Consents in force, by id; without remote id where the EHR has no copy."""
        name = self.client.name
        status = (Clause("status", "token", ("active",)),)
        found = uow.search(Query("Consent", status, clinics=frozenset({name}), count=PAGE, after=("", after) if after else None))
        return [uow.link(name, "Consent", each.id) or Link(name, "Consent", each.id, "") for each in found]
