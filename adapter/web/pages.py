"""Searches and histories as Bundles, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from adapter import fhir
from adapter.errors import Malformed
from adapter.fhir.bundle import history_bundle
from adapter.fhir.search import RESULT, count_of
from adapter.fhir.subsetting import Subsetting, subset
from adapter.ports import Query, Version
from adapter.web.asked import PRESENTED, Asked, Pairs, local, presented
from adapter.web.paging import PARAMETER, seal, unseal

if TYPE_CHECKING:
    from adapter.web.rest import Rest

HISTORY = ("_count", "_since")


def search(rest: Rest, asked: Asked) -> bytes:
    """A searchset Bundle with what was asked to come along. Raises Malformed (400), Gone for a page no longer kept open."""
    said, after, how, lenient = asked.params + asked.how, None, asked.subsetting, asked.lenient
    if (cursor := _cursor(asked)) is not None:
        page = unseal(cursor, asked.type, client=rest.who.client, key=rest.story.writer.key, at=rest.uow.at)
        said, after, lenient = page.params, page.after, True  # as the first page was read
        how, _, _ = presented(asked.type, said)
    params = [(name, value) for name, value in local(said, rest.base) if name not in PRESENTED or (name, value) == ("_summary", "count")]
    query = replace(fhir.query(asked.type, params, lenient=lenient), after=after)
    found = rest.story.found(rest.uow, rest.who, query, request_id=rest.request_id)
    behind = (found.matches[-1].key, found.matches[-1].id) if found.more and found.matches else None
    matches, along = _subset(found.matches, how), _subset(found.includes, Subsetting(how.summary))
    address = f"{rest.base}/{asked.type}"
    return fhir.dumps(
        fhir.searchset(
            matches, along=along, ignored=query.ignored, total=found.total, base=rest.base, self_url=_self(address, said, query),
            next_url=_next(rest, address, asked.type, said, behind),
        )
    )  # fmt: skip


def history(rest: Rest, asked: Asked) -> bytes | None:
    """A history Bundle, newest first; None: 404. Raises Malformed (400)."""
    place = f"{asked.type}/{asked.id}" if asked.id else asked.type
    cursor, said, after, how = _cursor(asked), asked.params + asked.how, None, asked.subsetting
    if cursor is not None:
        page = unseal(cursor, f"{place}/_history", client=rest.who.client, key=rest.story.writer.key, at=rest.uow.at)
        id, _, number = page.after[1].partition("/")
        said, after = page.params, (page.after[0], id, int(number))
        how, _, _ = presented(asked.type, said)
    for name, _ in said:
        if name not in HISTORY and name not in PRESENTED:
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
    given = [replace(each, served=subset(each.served, how)) if not each.deleted else each for each in versions]
    return fhir.dumps(history_bundle(given, base=rest.base, self_url=address, next_url=_next(rest, address, f"{place}/_history", said, behind)))


def _self(address: str, said: Pairs, query: Query) -> str:
    """The search as it was understood (R4 search, 3.1.1.2), but for what identifies a person: that stands in no address of ours."""
    clauses = {clause.param: clause for clause in query.clauses if not clause.identifying}
    every, left = {clause.param for clause in query.clauses}, {text.partition(":")[0] for text in query.ignored}
    used = []
    for name, value in said:
        asked = name if name in every else name.partition(":")[0]
        if asked in clauses or (name in (*RESULT, *PRESENTED) and name not in left):
            used.append((name, value))
    return f"{address}?{urlencode(used, safe=':/|,')}" if used else address


def _subset(versions: Sequence[Version], how: Subsetting) -> Sequence[Version]:
    return [replace(each, served=subset(each.served, how)) for each in versions] if how else versions


def _cursor(asked: Asked) -> str | None:
    cursor = next((value for name, value in asked.params if name == PARAMETER), None)
    if cursor is not None and len(asked.params) > 1:
        raise Malformed("expected the next link as it was given, without further parameters", expression=PARAMETER)
    return cursor


def _next(rest: Rest, address: str, bound: str, said: Pairs, after: tuple[str, str] | None) -> str | None:
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
