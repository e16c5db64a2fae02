"""The audit trail on `/fhir`: whole for the officer, and for every other client the events of its own calls (workflow.md 6).

What another client gets tells it nothing that its calls have not told: what was refused and why, and which of the house's resources
was looked at, stays with the officer. Ids are the client's own, so that they tell nothing of how much others did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from adapter.audit import codes, events
from adapter.audit.queries import cleaned
from adapter.errors import Malformed
from adapter.fhir import dumps
from adapter.fhir.matching import matches
from adapter.ports import AuditRow, Found, Principal, Query, Resource, Uow, Version

LOOKED = 20_000  # links that one request looks at; the next page goes on
_PAGE = 500
_DOMAIN = b"liaison audit ids\x00"
_OFFICER = "officer"
_ORDERS = ("", "_id", "date", "_lastUpdated")


@dataclass(frozen=True, slots=True)
class Trail:
    """`key`: of the ids."""

    key: bytes

    def read(self, uow: Uow, who: Principal, id: str, *, request_id: str) -> Version | None:
        """One event; None: 404. Recorded like every read."""
        seq = self._seq(who, id) if who.may("AuditEvent", "r") else 0
        row = next(iter(uow.audit_rows(after=seq - 1, limit=1)), None) if seq else None
        found = self._seen(who, row) if row and row.seq == seq else None
        if found is None:
            uow.audit(events.denied(who, "AuditEvent", reason="absent-or-not-theirs", at=uow.at, request_id=request_id))
            return None
        uow.audit(events.access(who, f"AuditEvent/{id}", rule=_ground(who), at=uow.at, request_id=request_id))
        return found

    def search(self, uow: Uow, who: Principal, query: Query, *, request_id: str) -> Found:
        """One page in the order of the trail, and whether there may be more: a page that has something ends after so many links looked
        at, too. Raises Malformed for another order, and for the number of what is too many to be counted."""
        if query.sort not in _ORDERS:
            text = f"offered is the order of the trail, the earliest first: {', '.join(filter(None, _ORDERS))}"
            raise Malformed(text, expression="_sort", code="not-supported")
        found: list[Version] = []
        more, total = False, None
        if who.may("AuditEvent", "s") or who.may("AuditEvent", "r"):
            total = self._total(uow, who, query) if query.total == "accurate" else None
            for looked, row in enumerate(self._links(uow, who, query) if query.count else ()):
                if len(found) == query.count or (looked >= LOOKED and found):
                    more = True
                    break
                if version := self._match(who, row, query):
                    found.append(version)
        asked = cleaned(query, self.key)
        uow.audit(events.searched(who, "AuditEvent", query=asked, rule=_ground(who), at=uow.at, request_id=request_id))
        return Found(tuple(found), (), more, total)

    def _match(self, who: Principal, row: AuditRow, query: Query) -> Version | None:
        version = self._seen(who, row)
        return version if version and matches(orjson.loads(version.served), query) else None

    def _total(self, uow: Uow, who: Principal, query: Query) -> int:
        number = 0
        for looked, row in enumerate(self._links(uow, who, replace(query, after=None))):
            if looked == LOOKED:
                raise Malformed("the trail is too long to be counted; search a part of it, or page", expression="_total", code="too-costly")
            number += self._match(who, row, query) is not None
        return number

    def _links(self, uow: Uow, who: Principal, query: Query) -> Iterator[AuditRow]:
        after = self._seq(who, query.after[1]) if query.after else 0
        patient = next((clause.values[0] for clause in query.clauses if clause.param == "patient" and len(clause.values) == 1), "")
        while rows := uow.audit_of(patient, after=after, limit=_PAGE) if patient else uow.audit_rows(after=after, limit=_PAGE):
            yield from rows
            after = rows[-1].seq

    def _seen(self, who: Principal, row: AuditRow) -> Version | None:
        """The event as this client may see it; None where it may not, or its content is gone."""
        if not row.event:
            return None
        event: Resource = orjson.loads(row.event)
        if who.role != _OFFICER:
            if not _own(event, who):
                return None
            event = _less(event, who)
        id = str(row.seq) if who.role == _OFFICER else self._cipher().encrypt(row.seq.to_bytes(8), [who.client.encode()]).hex()
        recorded = datetime.fromisoformat(event["recorded"])
        meta = {"versionId": "1", "lastUpdated": event["recorded"]}
        return Version("AuditEvent", id, 1, recorded, who.organisation, dumps({"resourceType": "AuditEvent", "id": id, "meta": meta} | event))

    def _seq(self, who: Principal, id: str) -> int:
        """The link behind an id of this client's; 0 for any other text."""
        if who.role == _OFFICER:
            return int(id) if id.isascii() and id.isdigit() and len(id) < 19 else 0
        try:
            return int.from_bytes(self._cipher().decrypt(bytes.fromhex(id), [who.client.encode()]))
        except (ValueError, InvalidTag):
            return 0

    def _cipher(self) -> AESSIV:
        return AESSIV(hashlib.sha512(_DOMAIN + self.key).digest())


def _own(event: Resource, who: Principal) -> bool:
    """A call of this client, done: what was refused to it is the officer's to know."""
    called = any(agent.get("who", {}).get("identifier", {}).get("value") == who.client for agent in event["agent"])
    return called and event["type"].get("code") == codes.REST["code"] and event.get("outcome") == codes.DONE


def _less(event: Resource, who: Principal) -> Resource:
    """A social service knows referrals by ids of its own, a clinic by ours."""
    kept = {name: part for name, part in event.items() if name not in ("outcomeDesc", "entity")}
    entities = [each for each in event.get("entity", ()) if who.role == "clinic" or each.get("type", {}).get("code") == codes.REQUEST_ID["code"]]
    return kept | ({"entity": entities} if entities else {})


def _ground(who: Principal) -> str:
    return "officer" if who.role == _OFFICER else "own-calls"


