"""Links our Patient to the EHR's. Never created unless the network file says so (workflow.md 7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from adapter.dossier import content
from adapter.identity import differing
from adapter.names import Systems
from adapter.ports import EhrClient, Letter, Remote, Resource, Store, Uow
from adapter.sync import doubts, links
from adapter.sync.acts import Act, Audited, Leaving, cited
from adapter.sync.canonical import without_server_parts
from adapter.sync.ownership import Ownership
from adapter.sync.proof import Proofs

Matching = Callable[[EhrClient, Resource], Sequence[Remote]]
"""(client, our Patient) -> the EHR's patients that match it; exactly one is a match."""
Outgoing = Callable[[Uow, Letter], Resource | None]
"""(unit, letter) -> what of that resource may leave now, projected and with our references; None: nothing may.
Called in a unit that only reads: `Leaving` records what it discloses, before it leaves."""


WITHHELD = "withheld"
Then = TypeVar("Then")


class Patients:
    """`creates(ehr)`: the network file says `patients: create` for it. `seeking` decides and records that the EHR is told the traits
    by which a patient is looked for."""

    def __init__(
        self,
        store: Store,
        *,
        match: Matching,
        outgoing: Outgoing,
        leaving: Leaving,
        seeking: Leaving,
        ownership: Ownership,
        systems: Systems,
        audited: Audited,
        creates: Callable[[str], bool] = lambda ehr: False,
        proofs: Proofs | None = None,
    ) -> None:
        self._proofs = proofs
        self._store, self._match, self._outgoing, self._leaving, self._ownership = store, match, outgoing, leaving, ownership
        self._seeking = seeking
        self._systems, self._audited, self._creates = systems, audited, creates

    def seek(self, uow: Uow, letter: Letter, id: str) -> Resource | str:
        """The patient to look for, or why the EHR is not asked: patient-gone (not here any more), WITHHELD (it may not be). To ask for
        a patient tells who it is: that it is told stands in the audit with this unit, before the search leaves."""
        patient = _patient(uow, id)
        if patient is None:
            return "patient-gone"
        return patient if self._seeking(uow, letter) else WITHHELD

    def link(self, client: EhrClient, letter: Letter, id: str, sought: Resource, then: Callable[[Uow], Then]) -> Then | str:
        """Links the patient whom `seek` gave and returns what `then` gives in the unit that does, or why a person must see to it:
        patient-none, patient-several, patient-differs (it has the number and other traits), patient-taken (it is another one's of ours)."""
        found, created = list(self._match(client, sought)), None
        if not found and self._creates(letter.ehr):
            created = self._create(client, replace(letter, type="Patient", id=id))
            found = [created] if created else []
        if len(found) != 1:
            return "patient-several" if found else "patient-none"
        if created is None and differing(sought, found[0].resource):
            return "patient-differs"  # found by its number, and the rest says that it is somebody else
        return self._store.write_now(lambda uow: self._remember(uow, letter, id, found[0], created=created is not None) or then(uow))

    def choose(self, client: EhrClient, letter: Letter, id: str, remote_id: str) -> str:
        """A person says which of the EHR's patients it is. "" when linked, else patient-absent (not there) or patient-taken."""
        remote = client.read("Patient", remote_id)
        if remote is None:
            return "patient-absent"
        return self._store.write_now(lambda uow: self._remember(uow, letter, id, remote, created=False))

    def _create(self, client: EhrClient, letter: Letter) -> Remote | None:
        projected = self._store.read_now(lambda uow: self._outgoing(uow, letter))
        own = links.own_identifier(projected, self._systems) if projected else None
        if projected is None or own is None:
            return None
        if not self._store.write_now(lambda uow: self._leaving(uow, letter)):
            return None
        return client.create(without_server_parts(projected, self._ownership), if_none_exist=own)

    def _remember(self, uow: Uow, letter: Letter, id: str, remote: Remote, *, created: bool) -> str:
        other = uow.link_by_remote(letter.ehr, "Patient", remote.id)
        if other is not None and other.id != id:
            return "patient-taken"
        links.save(uow, links.Known(links.linked(letter.ehr, "Patient", id, remote, self._ownership, sent=0), {}))
        told = cited("Patient", remote.id, remote.version)
        self._audited(uow, Act("linked", letter.ehr, "Patient", id, lane=letter.lane, remote=told, request_id=letter.request_id))
        doubts.heard(uow, letter.ehr, f"Patient/{id}", remote.resource)
        if created and self._proofs and (ours := uow.current("Patient", id)):
            self._proofs.post(uow, replace(letter, type="Patient", id=id), remote, number=ours.number)
        return ""


def _patient(uow: Uow, id: str) -> Resource | None:
    version = uow.current("Patient", id)
    return None if version is None or version.deleted else content(version)
