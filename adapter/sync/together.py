"""The letters of one referral in one transaction, where the EHR does transactions: all of it arrives or nothing.

A new referral is three resources that point at each other; in one Bundle each points at where the others will be (urn:uuid). A
transaction that is refused did nothing: its letters go one by one, so that the one at fault is the one that waits for a person.
One whose answer is lost is an unknown outcome of each of its letters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from adapter.clock import Clock
from adapter.errors import EhrError, EhrRejected, EhrStale, EhrUnknown
from adapter.names import Systems
from adapter.ports import EhrClient, Letter, Remote, Resource, Store, Uow
from adapter.sync import links, proof
from adapter.sync.acts import Outcome, tried_before
from adapter.sync.drafts import Going
from adapter.sync.line import turn
from adapter.sync.links import Unlinked, moved
from adapter.sync.merge import put_over
from adapter.sync.ownership import Ownership

if TYPE_CHECKING:
    from adapter.sync.delivery import Delivery
    from adapter.sync.drafts import Draft, Drafts

MOST = 20  # letters in one transaction


class LostTogether(EhrUnknown):
    """Nobody heard what became of a transaction; `letters` went along with the one that was taken."""

    letters: tuple[Letter, ...] = ()


class Together:
    """`told(ehr)`: what the network file says of its transactions: what an EHR declares of them is for `doctor` to tell, and a person to use."""

    def __init__(self, store: Store, clock: Clock, *, ownership: Ownership, systems: Systems, told: Mapping[str, bool | None]) -> None:
        self._store, self._clock, self._ownership, self._systems, self._told = store, clock, ownership, systems, told

    def begin(self, uow: Uow, drafts: Drafts, letter: Letter, draft: Draft, revision: int) -> list[Going]:
        """The letter and those behind it in its lane that can go now, up to the first that cannot; that they leave stands in the audit
        with this unit. Fewer than two: it goes alone."""
        if tried_before(letter) or not self._does(letter.ehr):
            return []
        waiting = uow.letters(states=("queued",), ehr=letter.ehr, lane=letter.lane, limit=MOST)
        parts: list[Going] = []
        places: dict[str, str] = {}
        found: Draft | Outcome | Unlinked = draft
        for each in [letter, *(behind for behind in waiting if behind.key > letter.key)]:
            if parts:
                if each.due > uow.at or each.type in (proof.TYPE, "Patient") or each.attempts or each.fence:
                    break
                found = drafts.draft(uow, each, places)
            if isinstance(found, Unlinked | Outcome) or not self._goes(found):
                break
            taken = uow.carry(each) if parts else each
            leave = drafts.leave(uow, taken, revision) if taken else None
            if taken is None or leave is None:
                break
            parts.append(Going(taken, found, leave, "" if found.known else f"urn:uuid:{self._clock.new_id()}"))
            places |= {parts[-1].reference: parts[-1].place} if parts[-1].place else {}
        return parts

    def _goes(self, draft: Draft) -> bool:
        """Whether it can be an entry: an update of a version, or a create by our identifier."""
        known = draft.known
        return bool(known.link.remote_version) if known else links.own_identifier(draft.sent, self._systems) is not None

    def send(self, delivery: Delivery, client: EhrClient, parts: Sequence[Going], until: datetime) -> Outcome | None:
        """What became of the first letter and, in `others`, of those that went along. None: it goes alone. Raises EhrError."""
        with turn(client):
            if not delivery.drafts.still(parts, until):
                return None
            try:
                response = client.transaction({"resourceType": "Bundle", "type": "transaction", "entry": [self._entry(each) for each in parts]})
            except (EhrRejected, EhrStale):
                return None
            except EhrUnknown as error:
                self._store.write_now(lambda uow: self._tried(uow, parts))
                lost = LostTogether(str(error), status_code=error.status_code)
                lost.letters = tuple(each.letter for each in parts[1:])
                raise lost from None
        outcomes = self._outcomes(delivery, client, parts, response.get("entry", []), until)
        return replace(outcomes[0], others=tuple(zip((each.letter for each in parts[1:]), outcomes[1:], strict=True)))

    def _does(self, ehr: str) -> bool:
        return bool(self._told.get(ehr))

    # ── before ───────────────────────────────────────────────────────────────────────────────────
    def _entry(self, part: Going) -> Resource:
        draft, type = part.draft, part.letter.type
        if draft.known is None:
            own = links.own_identifier(draft.sent, self._systems) or ("", "")
            condition = "identifier=" + quote("|".join(own), safe=":/|")
            return {"fullUrl": part.place, "resource": draft.sent, "request": {"method": "POST", "url": type, "ifNoneExist": condition}}
        known = draft.known
        body = put_over(draft.put, draft.sent, known.base, self._ownership)
        url = f"{type}/{known.link.remote_id}"
        return {"resource": {**body, "id": known.link.remote_id}, "request": {"method": "PUT", "url": url, "ifMatch": f'W/"{known.link.remote_version}"'}}

    def _tried(self, uow: Uow, parts: Sequence[Going]) -> None:
        for each in parts:
            if each.draft.known is not None:  # what was to be created points at places that nobody knows
                links.tried(uow, each.letter.ehr, each.letter.type, each.letter.id, each.draft.sent, self._ownership)

    # ── after ────────────────────────────────────────────────────────────────────────────────────
    def _outcomes(self, delivery: Delivery, client: EhrClient, parts: Sequence[Going], entries: Sequence[Any], until: datetime) -> list[Outcome]:
        """Each by its own entry; one that cannot be read is looked for."""
        found = [(part, self._remote(client, part, entries, number)) for number, part in enumerate(parts)]
        places = {part.place: f"{part.letter.type}/{remote.id}" for part, remote in found if part.place and isinstance(remote, Remote)}
        outcomes = []
        for part, remote in found:
            draft = replace(part.draft, sent=moved(part.draft.sent, places))
            if isinstance(remote, Outcome):
                outcomes.append(remote)
            elif self._clock.now() >= until or (draft.known is None and not delivery.drafts.holds(draft.sent, remote, {})):
                outcomes.append(Outcome("unknown", "unknown", "unknown-outcome", due=self._clock.now()))  # looked for: there twice, or not as we sent it
            else:
                outcomes.append(delivery.done(part.letter, draft, remote, "updated" if draft.known else "created"))
        return outcomes

    def _remote(self, client: EhrClient, part: Going, entries: Sequence[Any], number: int) -> Remote | Outcome:
        """What the EHR has of it now, by the entry in its place, or by our identifier when they came in another order."""
        own = links.own_identifier(part.draft.sent, self._systems)
        there = [entries[number], *entries] if number < len(entries) else list(entries)
        entry = next((each for each in there if own and _carries(each, part.letter.type, own)), None)
        if entry is None and number < len(entries) and isinstance(entries[number], dict) and "resource" not in entries[number]:
            entry = entries[number]
        response = entry.get("response", {}) if isinstance(entry, dict) else {}
        status = str(response.get("status", ""))[:3]
        if entry is not None and status.startswith("4"):
            return Outcome("queued", "retry", "alone", due=self._clock.now())
        if entry is not None and status.startswith("2"):
            if isinstance(found := entry.get("resource"), dict) and found.get("id"):
                version = found.get("meta", {}).get("versionId") or str(response.get("etag", "")).removeprefix("W/").strip('"')
                return Remote(found, str(version))
            located = str(response.get("location", "")).partition("/_history/")[0].rpartition(f"{part.letter.type}/")[2]
            if remote := _read(client, part.letter.type, located, own):
                return remote
        return Outcome("unknown", "unknown", "unknown-outcome", due=self._clock.now())


def _read(client: EhrClient, type: str, id: str, own: tuple[str, str] | None) -> Remote | None:
    try:
        remote = client.read(type, id) if id else None
    except EhrError:
        return None
    return remote if remote and own and _carries({"resource": remote.resource}, type, own) else None


def _carries(entry: Any, type: str, own: tuple[str, str]) -> bool:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict) or resource.get("resourceType") != type:
        return False
    identifiers = resource.get("identifier", ())
    return any((each.get("system"), each.get("value")) == own for each in (identifiers if isinstance(identifiers, list) else [identifiers]))
