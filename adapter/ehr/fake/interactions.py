"""What a FHIR R4 server does with a request: the fake's whole behaviour, without HTTP."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from adapter.clock import Clock
from adapter.ehr.fake import search
from adapter.ehr.fake.capability import statement
from adapter.ehr.fake.faults import Fault, Kind
from adapter.ehr.fake.patch import patched
from adapter.ehr.fake.shape import check
from adapter.ehr.fake.spoiling import rewritten, stamped
from adapter.ehr.fake.versions import Kept, Versions
from adapter.ehr.fake.wire import Asked, Refusal, Reply, Resource, references, walk

_PAGES_KEPT = 200
_RELATIVE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?")


class Interactions:
    """`base`: the URL that clients use. `check_references`: a literal reference to nothing is refused, as by HAPI.
    `habits`: the faults that strike the request being answered."""

    def __init__(self, versions: Versions, *, base: str, clock: Clock, check_references: bool = True) -> None:
        self.versions, self.base, self._clock, self._check_references = versions, base, clock, check_references
        self.habits: Mapping[Kind, Fault] = {}
        self._pages: OrderedDict[str, tuple[str, list[str], int, list[tuple[str, str]]]] = OrderedDict()
        self._searches = 0
        self._searched: dict[tuple[object, ...], list[Kept]] = {}
        self._expected: frozenset[str] = frozenset()

    def answer(self, asked: Asked, *, id: str = "") -> Reply:
        """The reply to any request but a Bundle; refusals as OperationOutcome. `id`: for what it creates."""
        try:
            with self.versions.transaction():
                return self._route(asked, id)
        except Refusal as refusal:
            return refusal.reply()

    @contextmanager
    def expecting(self, places: Iterable[str]) -> Iterator[None]:
        """Inside, references to these ("Task/7") are good: they come in the same transaction."""
        self._expected = frozenset(places)
        try:
            yield
        finally:
            self._expected = frozenset()

    def _route(self, asked: Asked, new_id: str) -> Reply:
        parts = [unquote(part) for part in asked.path.split("/")]
        if parts[0] in search.PARAMETERS:
            return self._on_type(asked, parts, new_id)
        match asked.method, parts:
            case "GET", ["metadata"]:
                return Reply(200, statement(self.base, without=frozenset({"_lastUpdated"} if "refuse-last-updated" in self.habits else ())))
            case "GET", [""] if "_page" in dict(asked.query):
                return self._page(dict(asked.query))
        raise Refusal(404, "not-found", f"unknown: '{asked.path}'")

    def _on_type(self, asked: Asked, parts: Sequence[str], new_id: str) -> Reply:
        match asked.method, parts:
            case "GET", [type]:
                return self.search(type, asked.query, asked.headers.get("cache-control", ""))
            case "POST", [type, "_search"]:
                form = parse_qsl(asked.body.decode("utf-8", "replace"), keep_blank_values=True)
                return self.search(type, [*asked.query, *form], asked.headers.get("cache-control", ""))
            case "POST", [type]:
                return self.create(type, body_of(asked), asked.headers, id=new_id)
            case "GET", [type, id]:
                return self._shown(self._living(type, id), 200)
            case "GET", [type, id, "_history"]:
                return self._history(type, id)
            case "GET", [type, id, "_history", label]:
                return self._vread(type, id, label)
            case "PUT", [type, id]:
                return self.update(type, id, body_of(asked), asked.headers)
            case "PATCH", [type, id]:
                current = self._living(type, id)
                self._match(current, asked.headers)
                assert current.resource is not None
                return self.update(type, id, patched(current.resource, body_of(asked)), asked.headers, method="PATCH")
            case "DELETE", [type, id]:
                return self.delete(type, id, asked.headers)
        raise Refusal(405, "not-supported", f"{asked.method} is not offered here")

    # ── one resource ─────────────────────────────────────────────────────────────────────────────
    def create(self, type: str, resource: Any, headers: Any = None, *, id: str = "") -> Reply:
        """201 with the new resource; with If-None-Exist 200 and the one that matched, 412 where several did."""
        if criteria := (headers or {}).get("if-none-exist"):
            found = self.matching(type, parse_qsl(criteria, keep_blank_values=True))
            if len(found) > 1:
                raise Refusal(412, "multiple-matches", f"the criteria matched {len(found)} resources")
            if found:
                return self._shown(found[0], 200)
        self._valid(resource, type)
        kept = self._add(type, id or self.versions.new_id(), resource, "POST")
        return self._shown(kept, 201, location=True)

    def update(self, type: str, id: str, resource: Any, headers: Any, *, method: str = "PUT") -> Reply:
        """200, or 201 where the id is new (clients may not choose numbers); 412 when If-Match names another version."""
        current = self.versions.current(type, id)
        self._match(current, headers)
        self._valid(resource, type, id)
        if current is None and id.isdecimal():
            raise Refusal(400, "business-rule", "numeric ids are given by the server", expression=f"{type}.id")
        if current is None and (fault := self.habits.get("refuse-client-ids")):
            raise Refusal(fault.status, "not-supported", "ids are given by the server", expression=f"{type}.id")
        new = current is None or current.resource is None
        return self._shown(self._add(type, id, resource, method), 201 if new else 200, location=new)

    def delete(self, type: str, id: str, headers: Any = None) -> Reply:
        current = self.versions.current(type, id)
        self._match(current, headers or {})
        if current is not None and current.resource is not None:
            self._add(type, id, None, "DELETE")
        return Reply(204)

    def _add(self, type: str, id: str, resource: Resource | None, method: str) -> Kept:
        kept = None if resource is None else rewritten(resource, self.habits, base=self.base)
        return self.versions.add(type, id, kept, method, updated=stamped(self._clock.now(), self.habits))

    def _valid(self, resource: Any, type: str, id: str | None = None) -> None:
        check(resource, type=type, id=id)
        if not self._check_references:
            return
        for path, reference in references(resource, type):
            target = reference["reference"].removeprefix(f"{self.base}/")
            found = _RELATIVE.fullmatch(target)
            kept = self.versions.current(*found.groups()) if found else None
            dangling = found is not None and (kept is None or kept.resource is None) and target not in self._expected
            if dangling or target.startswith("urn:uuid:"):
                raise Refusal(400, "not-found", f"resource {target} not found", expression=path)

    def _match(self, current: Kept | None, headers: Any) -> None:
        wanted = headers.get("if-match", "").strip()
        if wanted and (current is None or wanted.removeprefix("W/").strip('"') != self.versions.label(current.number)):
            raise Refusal(409 if "conflict-409" in self.habits else 412, "conflict", "the version named by If-Match is not the current one")
        if not wanted and current is not None and (fault := self.habits.get("demand-if-match")):
            raise Refusal(fault.status, "required", "If-Match is needed")

    def _living(self, type: str, id: str) -> Kept:
        kept = self.versions.current(type, id)
        if kept is None or (kept.resource is None and "no-tombstones" in self.habits):
            raise Refusal(404, "not-found", f"resource {type}/{id} is not known")
        if kept.resource is None:
            raise Refusal(410, "deleted", "the resource was deleted")
        return kept

    def _vread(self, type: str, id: str, label: str) -> Reply:
        for kept in self.versions.history(type, id):
            if self.versions.label(kept.number) == label:
                if kept.resource is None:
                    raise Refusal(410, "deleted", "that version is a deletion")
                return self._shown(kept, 200)
        raise Refusal(404, "not-found", "no such version")

    def _history(self, type: str, id: str) -> Reply:
        kept = [one for one in self.versions.history(type, id) if one.resource is not None or "no-tombstones" not in self.habits]
        if not kept:
            raise Refusal(404, "not-found", f"resource {type}/{id} is not known")
        entries = []
        for one in reversed(kept):
            entry: Resource = {"fullUrl": f"{self.base}/{type}/{id}", "request": {"method": one.method, "url": f"{type}/{id}"}}
            entry["response"] = {"status": "200", "etag": f'W/"{self.versions.label(one.number)}"', "lastModified": one.updated}
            entries.append(entry if one.resource is None else {**entry, "resource": one.resource})
        return Reply(200, {"resourceType": "Bundle", "type": "history", "total": len(kept), "entry": entries})

    def _shown(self, kept: Kept, status: int, *, location: bool = False) -> Reply:
        label = self.versions.label(kept.number)
        modified = format_datetime(datetime.fromisoformat(kept.updated), usegmt=True)
        headers = {"ETag": f'W/"{label}"', "Last-Modified": modified}
        if location:
            headers["Location"] = f"{self.base}/{kept.type}/{kept.id}/_history/{label}"
        return Reply(status, kept.resource, headers)

    # ── many ─────────────────────────────────────────────────────────────────────────────────────
    def matching(self, type: str, query: Iterable[tuple[str, str]]) -> list[Kept]:
        """Current versions that meet all conditions. Raises Refusal 400 for one that is not known."""
        tests = [search.condition(type, name, text, base=self.base) for name, text in query if name not in search.RESULT]
        return [kept for kept in self.versions.all(type) if kept.resource is not None and all(test(kept.resource) for test in tests)]

    def search(self, type: str, query: Iterable[tuple[str, str]], cache: str = "") -> Reply:
        """The first page; the others are a snapshot of the ids, each read anew when its page is asked for. `cache`: Cache-Control."""
        asked = list(query)
        options = dict(asked)
        found = self._from_cache(type, asked, cache) if "cached-search" in self.habits else self._found(type, asked)
        count = options.get("_count", "50")
        if not count.isdecimal() or not int(count):
            raise Refusal(400, "value", "expected a _count above 0")
        self._searches += 1
        token = f"s{self._searches}"
        if "cached-search" in self.habits and cache == "no-store":
            found = found[: int(count)]
        self._pages[token] = type, [kept.id for kept in found], int(count), asked
        while len(self._pages) > _PAGES_KEPT:
            self._pages.popitem(last=False)
        return self._page({"_page": token}, self_url=f"{self.base}/{type}?{urlencode(asked)}")

    def _from_cache(self, type: str, asked: list[tuple[str, str]], cache: str) -> list[Kept]:
        """What the same search found first, unless the caller wants it new."""
        if cache or (type, *asked) not in self._searched:
            self._searched[type, *asked] = self._found(type, asked)
        return self._searched[type, *asked]

    def _found(self, type: str, asked: list[tuple[str, str]]) -> list[Kept]:
        """In the order asked for. Raises Refusal 400."""
        options = dict(asked)
        if (fault := self.habits.get("refuse-last-updated")) and any(name.partition(":")[0] == "_lastUpdated" for name in options):
            raise Refusal(fault.status, "not-supported", f"unknown search parameter '_lastUpdated' for {type}")
        found = [] if "empty-search" in self.habits else self.matching(type, asked)
        match options.get("_sort", ""):
            case "_lastUpdated" | "-_lastUpdated" as order:
                found.sort(key=lambda kept: kept.updated, reverse=order.startswith("-"))
            case "_id":
                found.sort(key=lambda kept: kept.id)
            case "":
                pass
            case _:
                raise Refusal(400, "not-supported", "unknown _sort")
        return found

    def _page(self, query: dict[str, str], self_url: str = "") -> Reply:
        if query["_page"] not in self._pages:
            raise Refusal(410, "not-found", "this page has expired: search again")
        type, ids, count, asked = self._pages[query["_page"]]
        if "live-pages" in self.habits:
            ids = [kept.id for kept in self._found(type, asked)]
        offset = int(query.get("_offset", "0"))
        link = [{"relation": "self", "url": self_url or f"{self.base}?{urlencode(query)}"}]
        if offset + count < len(ids) or ("empty-last" in self.habits and offset < len(ids)):
            link.append({"relation": "next", "url": f"{self.base}?{urlencode({'_page': query['_page'], '_offset': offset + count})}"})
        entries: list[Resource] = []
        for id in ids[offset : offset + count]:
            kept = self.versions.current(type, id)
            history = self.versions.history(type, id)
            if "stale-search" in self.habits and len(history) > 1:
                kept = history[-2]
            if kept is not None and kept.resource is not None:
                entries.append({"fullUrl": f"{self.base}/{type}/{id}", "resource": kept.resource, "search": {"mode": "match"}})
        entries += self._included([entry["resource"] for entry in entries], [text for name, text in asked if name == "_include"])
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(ids), "link": link}
        return Reply(200, {**bundle, "entry": entries} if entries else bundle)

    def _included(self, found: list[Resource], wanted: list[str]) -> list[Resource]:
        """What the matches of a page point to by these parameters ("Task:focus"), each once."""
        made: dict[str, Resource] = {}
        for type, _, name in (text.partition(":") for text in wanted):
            if type not in search.PARAMETERS or search.parameters(type).get(name, ("",))[0] != "reference":
                raise Refusal(400, "not-supported", f"unknown _include '{type}:{name}'")
            for value in (value for one in found if one["resourceType"] == type for value in walk(one, search.parameters(type)[name][1])):
                target = _RELATIVE.fullmatch(str(value.get("reference", "")).removeprefix(f"{self.base}/"))
                kept = self.versions.current(*target.groups()) if target else None
                if kept is not None and kept.resource is not None:
                    place = f"{self.base}/{kept.type}/{kept.id}"
                    made[place] = {"fullUrl": place, "resource": kept.resource, "search": {"mode": "include"}}
        return list(made.values())


def body_of(asked: Asked) -> Any:
    """The body as JSON. Raises Refusal 400."""
    try:
        return json.loads(asked.body)
    except (ValueError, RecursionError):
        raise Refusal(400, "structure", "expected JSON") from None
