"""An EHR as the engine's tests need it: in memory, versioned, with faults by script. No HTTP."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from adapter.clock import Clock, instant
from adapter.errors import EhrRejected, EhrStale, EhrUnavailable, EhrUnknown
from adapter.ports import Capability, Remote, Resource

Fault = Callable[[], None]


class ScriptedEhr:
    """`script(verb, *faults)`: what meets the next calls of that verb ("create", "update", "read", "search"), in turn:
    None (nothing), an exception raised before anything is done, or LOST: done, and the answer lost. `calls` counts what
    reached it. `lenient`: it ignores If-None-Exist. `deaf`: it ignores what is searched for. `drops`: elements it does not
    keep. `answers(entries)`: what becomes of the response entries of a transaction."""

    LOST = "lost"

    def __init__(self, name: str, clock: Clock) -> None:
        self.name, self.clock = name, clock
        self.rows: dict[tuple[str, str], list[Resource]] = {}
        self.calls: list[tuple[str, str]] = []
        self.searched: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        self.drops: frozenset[str] = frozenset()
        self.page_size = 50
        self.lenient = self.deaf = False
        self.answers: Callable[[list[Resource]], list[Resource]] = lambda entries: entries
        self.before: dict[str, Callable[[], object]] = {}
        self.between_pages: Callable[[], object] | None = None
        self._script: dict[str, list[Any]] = {}
        self._count = 0

    # ── the test's side ──────────────────────────────────────────────────────────────────────────
    def script(self, verb: str, *faults: Any) -> None:
        self._script.setdefault(verb, []).extend(faults)

    def plant(self, resource: Resource) -> Resource:
        self._count += 1
        return self._keep({**resource, "id": resource.get("id", f"r{self._count}")})

    def edit(self, type: str, change: Callable[[Resource], object], *, at: timedelta = timedelta(0)) -> Resource:
        """A clinician changes the only resource of this type; `at`: how far the server's clock is off."""
        resource = copy.deepcopy(self.only(type))
        change(resource)
        return self._keep(resource, at=at)

    def only(self, type: str) -> Resource:
        found = self.all(type)
        assert len(found) == 1, f"{len(found)} of {type}"
        return found[0]

    def all(self, type: str) -> list[Resource]:
        return [versions[-1] for (kind, _), versions in self.rows.items() if kind == type]

    def count(self, verb: str) -> int:
        return sum(1 for name, _ in self.calls if name == verb)

    # ── the engine's side ────────────────────────────────────────────────────────────────────────
    def capability(self) -> Capability:
        return Capability(fhir_version="4.0.1")

    def read(self, type: str, id: str) -> Remote | None:
        lost = self._meet("read", type)
        versions = self.rows.get((type, id))
        return self._answer(lost, versions[-1]) if versions else None

    def search(self, type: str, params: Sequence[tuple[str, str]]) -> Iterable[list[Remote]]:
        self._meet("search", type)
        self.searched.append((type, tuple(params)))
        found = sorted((r for r in self.all(type) if self._matches(r, params)), key=lambda r: r["meta"]["lastUpdated"])
        return self._pages([copy.deepcopy(resource) for resource in found])

    def create(self, resource: Resource, *, if_none_exist: tuple[str, str] | None = None) -> Remote:
        lost = self._meet("create", resource["resourceType"])
        return self._answer(lost, self._made(resource, if_none_exist))

    def update(self, resource: Resource, *, if_match: str) -> Remote:
        lost = self._meet("update", resource["resourceType"])
        standing = self.rows[resource["resourceType"], resource["id"]][-1]
        if standing["meta"]["versionId"] != if_match:
            raise EhrStale("stale", status_code=412)
        return self._answer(lost, self._keep(resource))

    def patch(self, type: str, id: str, operations: list[dict[str, Any]], *, if_match: str) -> Remote:
        raise NotImplementedError

    def transaction(self, bundle: Resource) -> Resource:
        lost = self._meet("transaction", "Bundle")
        before = copy.deepcopy(self.rows)
        places: dict[str, str] = {}
        try:
            entries = [self._entered(entry, places) for entry in bundle["entry"]]
        except Exception:
            self.rows = before
            raise
        if lost:
            raise EhrUnknown("the connection ended without an answer")
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": self.answers(copy.deepcopy(entries))}

    def _entered(self, entry: Resource, places: dict[str, str]) -> Resource:
        resource, request = _pointed(entry["resource"], places), entry["request"]
        if request["method"] == "POST":
            system, _, value = request["ifNoneExist"].removeprefix("identifier=").partition("|")
            kept = self._made(resource, (system, value))
            places[entry["fullUrl"]] = f"{kept['resourceType']}/{kept['id']}"
        else:
            standing = self.rows[resource["resourceType"], resource["id"]][-1]
            if request["ifMatch"] != f'W/"{standing["meta"]["versionId"]}"':
                raise EhrStale("stale", status_code=412)
            kept = self._keep(resource)
        return {"resource": kept, "response": {"status": "201 Created" if request["method"] == "POST" else "200"}}

    def _made(self, resource: Resource, if_none_exist: tuple[str, str] | None) -> Resource:
        twins = [r for r in self.all(resource["resourceType"]) if if_none_exist and not self.lenient and if_none_exist in _identifiers(r)]
        if len(twins) > 1:
            raise EhrRejected("several match", status_code=412)
        self._count += 1
        return twins[0] if twins else self._keep({**resource, "id": f"r{self._count}"})

    # ── inside ───────────────────────────────────────────────────────────────────────────────────
    def _meet(self, verb: str, type: str) -> bool:
        self.calls.append((verb, type))
        if hook := self.before.pop(verb, None):
            hook()
        fault = self._script[verb].pop(0) if self._script.get(verb) else None
        if isinstance(fault, Exception):
            raise fault
        return bool(fault == self.LOST)

    def _answer(self, lost: bool, resource: Resource) -> Remote:
        if lost:
            raise EhrUnknown("the connection ended without an answer")
        return Remote(copy.deepcopy(resource), resource["meta"]["versionId"])

    def _keep(self, resource: Resource, *, at: timedelta = timedelta(0)) -> Resource:
        versions = self.rows.setdefault((resource["resourceType"], resource["id"]), [])
        meta = {**resource.get("meta", {}), "versionId": str(len(versions) + 1), "lastUpdated": instant(self.clock.now() + at)}
        kept = {name: copy.deepcopy(value) for name, value in resource.items() if name not in self.drops} | {"meta": meta}
        versions.append(kept)
        return kept

    def _matches(self, resource: Resource, params: Sequence[tuple[str, str]]) -> bool:
        wanted = dict(params)
        system, _, value = wanted.get("identifier", "|").rpartition("|")
        named = self.deaf or not system or any(system == own and value in ("", found) for own, found in _identifiers(resource))
        since = wanted.get("_lastUpdated", "ge").removeprefix("ge")
        return named and str(resource["meta"]["lastUpdated"]) >= since

    def _pages(self, found: list[Resource]) -> Iterator[list[Remote]]:
        for start in range(0, len(found), self.page_size):
            if start and self.between_pages:
                self.between_pages()
            yield [Remote(resource, resource["meta"]["versionId"]) for resource in found[start : start + self.page_size]]


def _identifiers(resource: Resource) -> list[tuple[str, str]]:
    identifiers = resource.get("identifier", [])
    return [(each.get("system", ""), each.get("value", "")) for each in (identifiers if isinstance(identifiers, list) else [identifiers])]


def _pointed(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: places.get(part, part) if name == "reference" and isinstance(part, str) else _pointed(part, places) for name, part in value.items()}
    return [_pointed(part, places) for part in value] if isinstance(value, list) else value


def away(**when: Any) -> EhrUnavailable:
    return EhrUnavailable("the EHR cannot be reached", **when)
