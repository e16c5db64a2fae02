"""Searches and histories as Bundles, a page at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from adapter import fhir
from adapter.errors import Malformed
from adapter.fhir.bundle import history_bundle
from adapter.fhir.search import count_of
from adapter.fhir.subsetting import subset
from adapter.ports import Query, Version
from adapter.web.asked import Asked
from adapter.web.paging import PARAMETER, seal, unseal

if TYPE_CHECKING:
    from adapter.web.rest import Rest

HISTORY = ("_count", "_since")


def search(rest: Rest, asked: Asked) -> bytes:
    """A searchset Bundle. Raises Malformed (400), Gone for a page no longer kept open."""
    cursor = _cursor(asked)
    said, query = list(asked.params), fhir.query(asked.type, asked.params) if cursor is None else Query(asked.type)
    if cursor is not None:
        page = unseal(cursor, asked.type, client=rest.who.client, key=rest.story.writer.key, at=rest.uow.at)
        said, query = list(page.params), replace(fhir.query(asked.type, page.params), after=(page.after[0], page.after[1]))
    found, more = rest.story.search(rest.uow, rest.who, query, request_id=rest.request_id)
    after = (found[-1].updated.isoformat(timespec="microseconds") if query.sort else "", found[-1].id) if more and found else None
    given = [replace(each, served=subset(each.served, asked.subsetting)) for each in found]
    address = f"{rest.base}/{asked.type}"
    return fhir.dumps(fhir.searchset(given, base=rest.base, self_url=address, next_url=_next(rest, address, asked.type, said, after)))


def history(rest: Rest, asked: Asked) -> bytes | None:
    """A history Bundle, newest first; None: 404. Raises Malformed (400)."""
    place = f"{asked.type}/{asked.id}" if asked.id else asked.type
    cursor, said, after = _cursor(asked), list(asked.params), None
    if cursor is not None:
        page = unseal(cursor, f"{place}/_history", client=rest.who.client, key=rest.story.writer.key, at=rest.uow.at)
        id, _, number = page.after[1].partition("/")
        said, after = list(page.params), (page.after[0], id, int(number))
    for name, _ in said:
        if name not in HISTORY:
            raise Malformed(f"offered for a history are {', '.join(HISTORY)}", code="not-supported")
    options = dict(said)
    count = count_of(options["_count"]) if "_count" in options else fhir.DEFAULT_COUNT
    found = rest.story.past.history(
        rest.uow, rest.who, asked.type, asked.id, since=_instant(options.get("_since", "")), after=after, count=count, request_id=rest.request_id
    )
    if found is None:
        return None
    versions, more = found
    last = versions[-1] if more and versions else None
    behind = (_text(last), f"{last.id}/{last.number}") if last else None
    address = f"{rest.base}/{place}/_history"
    given = [replace(each, served=subset(each.served, asked.subsetting)) if not each.deleted else each for each in versions]
    return fhir.dumps(history_bundle(given, base=rest.base, self_url=address, next_url=_next(rest, address, f"{place}/_history", said, behind)))


def _cursor(asked: Asked) -> str | None:
    cursor = next((value for name, value in asked.params if name == PARAMETER), None)
    if cursor is not None and len(asked.params) > 1:
        raise Malformed("expected the next link as it was given, without further parameters", expression=PARAMETER)
    return cursor


def _next(rest: Rest, address: str, bound: str, said: list[tuple[str, str]], after: tuple[str, str] | None) -> str | None:
    if after is None:
        return None
    return f"{address}?{PARAMETER}={seal(said, after, type=bound, client=rest.who.client, key=rest.story.writer.key, at=rest.uow.at)}"


def _text(version: Version) -> str:
    return version.updated.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _instant(value: str) -> datetime | None:
    """The instant that `_since` names. Raises Malformed."""
    if not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Malformed("expected an instant with its zone, 2026-03-02T17:50:00Z", expression="_since", code="invalid")
    return found
