"""Reading the trail for who may: a page at a time, by person and period, in flat memory (security.md U-17)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from adapter.audit.chain import pages
from adapter.audit.parts import recorded
from adapter.audit.told import Told, told
from adapter.audit.verifying import PAGE, patient_in
from adapter.clock import instant_of
from adapter.errors import SettingsError
from adapter.ports import AuditRow, Store


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which links: of one patient ("": of all), recorded in [since, until) ("": open; texts as in the events), not after
    link `last`."""

    patient: str = ""
    since: str = ""
    until: str = ""
    last: int = 1 << 62


def moment(text: str, zone: str, option: str) -> str:
    """A day or a time as it stands in the events (UTC, microseconds); "" of "". Raises SettingsError naming the option."""
    if not text:
        return ""
    if (found := instant_of(text, ZoneInfo(zone))) is None:
        raise SettingsError("expected a day or a time", variable=option, fix="write it as 2026-03-06 or 2026-03-06T18:50:00+01:00")
    return recorded(found)


def links(store: Store, wanted: Wanted) -> Iterator[AuditRow]:
    """The links, in order; each page is read in a unit of its own. One without content stands where no period is asked for."""

    def page(after: int, limit: int) -> list[AuditRow]:
        if wanted.patient:
            return store.read_now(lambda uow: uow.audit_of(wanted.patient, after=after, limit=limit))
        return store.read_now(lambda uow: uow.audit_rows(after=after, limit=limit))

    for row in pages(page, size=PAGE):
        if row.seq > wanted.last:
            return
        if not row.event:
            if not (wanted.since or wanted.until or wanted.patient):
                yield row
            continue
        event = orjson.loads(row.event)
        when = str(event.get("recorded", ""))
        if (wanted.since and when < wanted.since) or (wanted.until and when >= wanted.until):
            continue
        if not wanted.patient or patient_in(event) == wanted.patient:
            yield row


def in_turn(rows: Iterable[AuditRow], patient: str) -> Iterator[tuple[AuditRow, Told]]:
    """Of these links those about the patient that have their content, with their events in short."""
    for row in rows:
        if row.event and patient_in(event := orjson.loads(row.event)) == patient:
            yield row, told(event)


def written(row: AuditRow) -> bytes:
    """One link as a line of an export, the event as the very bytes that were sealed."""
    place = {"seq": row.seq, "digest": row.digest, "salt": row.salt.decode("ascii", "replace"), "sealed": row.sealed, "erased": row.erased}
    return orjson.dumps(place)[:-1] + b',"event":' + (row.event or b"null") + b"}"


def found(store: Store, wanted: Wanted, *, by: str = "", what: str = "", request: str = "", refused: bool = False) -> Iterator[tuple[AuditRow, Told]]:
    """The links that meet all that was asked, with their events in short."""
    for row in links(store, wanted):
        if not row.event:
            continue
        one = told(orjson.loads(row.event))
        if by and by not in {one.client, *(each.rpartition("/")[2] for each in (one.by, one.recipient))}:
            continue
        if (what and what not in (one.name, one.kind)) or (request and one.request_id != request) or (refused and one.ok):
            continue
        yield row, one


def in_short(row: AuditRow, one: Told) -> dict[str, Any]:
    """One event on one line: references and codes, no content (security.md U-17)."""
    return {
        "seq": row.seq, "at": one.at, "what": one.name, "outcome": "" if one.ok else f"refused: {one.reason}", "client": one.client, "by": one.by,
        "recipient": one.recipient, "view": one.view, "rule": one.rule, "classes": ",".join(one.classes), "consents": ",".join(one.consents),
        "about": ",".join(one.what), "request": one.request_id,
    }  # fmt: skip
