"""One resource of ours, one copy at the EHR: looking for it by our identifier, and mending what the EHR's race made of it (Y-04, Y-05).

An EHR whose conditional create is not atomic may keep two copies. Which of them stays is a rule, so that all who find them do the
same: the one we know already, else the one with the lowest id (the shorter first, so that 9 comes before 10). The others become
`entered-in-error`, with a Provenance where the EHR keeps those; nothing is deleted, and the operator is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapter.errors import EhrError, EhrRejected, EhrStale
from adapter.ports import ConflictRow, EhrClient, Letter, Link, Remote, Resource, Store, Uow
from adapter.sync import links, standing
from adapter.sync.acts import Act, Audited, cited
from adapter.sync.canonical import encode
from adapter.sync.proof import Proofs

WRONG = "entered-in-error"
TYPES = frozenset({"Appointment", "Communication", "Consent", "Procedure", "ServiceRequest", "Task"})  # that have this status
DOUBLE = "double"  # state of the row that tells an operator
REASON = "doubled-there"


class CannotLook(EhrError):
    """The EHR cannot be searched by identifier: nobody knows whether it has the resource."""


class Doubles:
    """`searches(ehr)`: whether the network file says that it can be searched by identifier."""

    def __init__(
        self, store: Store, *, audited: Audited, proofs: Proofs | None = None, searches: Callable[[str], bool] = lambda ehr: True
    ) -> None:
        self._store, self._audited, self._proofs, self._searches = store, audited, proofs, searches

    def searchable(self, ehr: str) -> bool:
        """Whether it may be asked by identifier: neither the network file nor what was learnt speaks against it."""
        return self._searches(ehr) and self._store.read_now(lambda uow: standing.searchable(uow, ehr))

    def find(self, client: EhrClient, letter: Letter, own: tuple[str, str]) -> list[Remote]:
        """The copies that carry our identifier, those in error only where there is no other. Raises CannotLook where the EHR
        refuses such a search or does not heed it, which is remembered; and the other EhrErrors."""
        if not self.searchable(letter.ehr):
            raise CannotLook("a search by identifier does not work there")
        found: list[Remote] = []
        try:
            for page in client.search(letter.type, [("identifier", "|".join(own))]):
                for remote in page:
                    if remote.resource.get("resourceType") == letter.type:
                        if not _carries(remote.resource, own):
                            raise EhrRejected("it gives what was not asked for", status_code=200)
                        found.append(remote)
        except EhrRejected as error:
            if error.status_code not in (401, 403):  # what is not allowed today may be tomorrow
                self._store.write_now(lambda uow: standing.unsearchable(uow, letter.ehr))
            raise CannotLook(str(error), status_code=error.status_code) from None
        return [each for each in found if each.resource.get("status") != WRONG] or found

    def mend(self, client: EhrClient, letter: Letter, found: Sequence[Remote], *, sent: Resource) -> Remote:
        """The copy that stays: linked, as if `sent` were the last we know of it; the others are in error from now on. Raises
        EhrRejected where they cannot be, and the other EhrErrors: whoever comes next begins anew and comes to the same."""
        if letter.type not in TYPES:
            raise EhrRejected(f"several copies of a {letter.type}")

        def keep(uow: Uow) -> Remote:
            link = uow.link(letter.ehr, letter.type, letter.id)
            known = link.remote_id if link else ""
            kept = min(found, key=lambda each: (each.id != known, len(each.id), each.id))
            if link is None:
                links.save(uow, links.Known(Link(letter.ehr, letter.type, letter.id, kept.id, base=encode(sent)), sent))
            return kept

        kept = self._store.write_now(keep)
        for other in found:
            if other.id != kept.id and other.resource.get("status") != WRONG:
                self._end(client, letter, other, kept)
        return kept

    def _end(self, client: EhrClient, letter: Letter, other: Remote, kept: Remote) -> None:
        ended = _ended(client, other)
        told = cited(letter.type, ended.id, ended.version)

        def tell(uow: Uow) -> None:
            ours = uow.current(letter.type, letter.id)
            there = encode({"kept": cited(letter.type, kept.id, ""), "ended": cited(letter.type, ended.id, "")})
            row = ConflictRow(letter.ehr, letter.type, letter.id, REASON, encode(kept.resource), there, encode(other.resource), uow.at, state=DOUBLE)
            uow.save_conflict(row)
            number = ours.number if ours else 0
            self._audited(uow, Act("mended", letter.ehr, letter.type, letter.id, lane=letter.lane, number=number, remote=told, reason=REASON))
            if self._proofs is not None:
                self._proofs.post(uow, letter, ended, number=number, other=True)

        self._store.write_now(tell)


def _ended(client: EhrClient, other: Remote) -> Remote:
    """Set in error as the EHR has it; once more when it changed under us."""
    try:
        return client.update({**other.resource, "status": WRONG}, if_match=other.version)
    except EhrStale:
        now = client.read(str(other.resource["resourceType"]), other.id)
        if now is None or now.resource.get("status") == WRONG:
            return now or other
        return client.update({**now.resource, "status": WRONG}, if_match=now.version)


def _carries(resource: Resource, own: tuple[str, str]) -> bool:
    identifiers = resource.get("identifier", ())
    return any((each.get("system"), each.get("value")) == own for each in (identifiers if isinstance(identifiers, list) else [identifiers]))
