"""Looks whether the records that our patients are linked to are still theirs (sync.md Y-23).

An EHR merges records, moves numbers between them, deletes one. None of it shows in a referral, and an agreement of one person must
never serve another: such a patient is frozen, here and there, until somebody who knows says who it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from adapter.dossier import content, patient_of, split
from adapter.ehr import replaced, same_person
from adapter.ports import Clause, EhrClient, Link, Query, Remote, Resource, Store, Uow
from adapter.sync import doubts, halts
from adapter.sync.canonical import decode
from adapter.sync.inbound import Inbound
from adapter.sync.reads import read_many
from adapter.sync.sweep import vanished

PAGE = 200
IDENTITY = ("identifier", "birthDate", "link")


@dataclass(frozen=True, slots=True)
class People:
    """The patients of one EHR who have a Consent in force."""

    store: Store
    client: EhrClient
    inbound: Inbound

    def look(self, batch: bool) -> int:
        """Reads the record of each, by batches where the EHR answers them; returns how many were frozen. Raises EhrError; Halted where
        most of many records are gone."""
        wrong: list[tuple[Link, str, str]] = []
        told: list[tuple[Link, Remote]] = []
        known = 0
        for links in self._pages():
            known += len(links)
            for reference, found in read_many(self.client, list(links), batch=batch):
                if reason := _wrong(links[reference], found):
                    wrong.append((links[reference], reason, _seen(found)))
                elif found is not None:
                    told.append((links[reference], found))
            self._heed(told)
            told.clear()
        gone = sum(reason == "patient-gone" for _, reason, _ in wrong)
        if vanished(gone, known) and not self.store.read_now(lambda uow: halts.accepted(uow, self.client.name)):
            self.inbound.stop(self.client.name, "vanished")
        return self.store.write_now(lambda uow: sum(self._freeze(uow, *each) for each in wrong))

    def _heed(self, told: list[tuple[Link, Remote]]) -> None:
        """What the records say of how sure the identity is, where that is news."""
        said = [(f"Patient/{link.id}", found.resource) for link, found in told]
        news = self.store.read_now(lambda uow: doubts.news(uow, self.client.name, said))

        def heed(uow: Uow) -> None:
            for patient, record in news:
                doubts.heard(uow, self.client.name, patient, record)

        if news:
            self.store.write_now(heed)

    def _freeze(self, uow: Uow, link: Link, reason: str, seen: str) -> bool:
        return halts.halt(uow, self.client.name, reason, f"Patient/{link.id}", seen=seen)

    def _pages(self) -> Iterator[dict[str, Link]]:
        """Reference there -> link."""
        after: str | None = ""
        while after is not None:
            page, after = self.store.read_now(lambda uow, after=after: self._linked(uow, after))  # type: ignore[misc]
            yield page

    def _linked(self, uow: Uow, after: str) -> tuple[dict[str, Link], str | None]:
        name, status = self.client.name, (Clause("status", "token", ("active",)),)
        found = uow.search(Query("Consent", status, clinics=frozenset({name}), count=PAGE, after=("", after) if after else None))
        patients = dict.fromkeys(split(patient_of(content(each)))[1] for each in found)
        links = [link for id in patients if id and (link := uow.link(name, "Patient", id)) and link.remote_id]
        return {f"Patient/{link.remote_id}": link for link in links}, found[-1].id if found else None


def _wrong(link: Link, found: Remote | None) -> str:
    """Why the record is not that person's any more, as a reason of `halts`; "" when it is."""
    if found is None:
        return "patient-gone"
    if replaced(found.resource):
        return "patient-merged"
    return "" if not link.base or same_person(decode(link.base), found.resource) else "patient-changed"


def _seen(found: Remote | None) -> str:
    """What a person would have looked at, as a digest."""
    shown: Resource = {name: found.resource.get(name) for name in IDENTITY} if found else {}
    return hashlib.sha256(orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)).hexdigest()
