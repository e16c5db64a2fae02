"""The fake's memory: every version of every resource, in a dict and, if wished, in one file that survives."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapter.clock import Clock, instant
from adapter.ehr.fake.wire import Resource

FILE = "ehr-versions.ndjson"


@dataclass(frozen=True, slots=True)
class Kept:
    """One version. `resource` None: that version is a deletion."""

    type: str
    id: str
    number: int
    updated: str
    method: str
    resource: Resource | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A backup of the memory."""

    kept: Sequence[Kept]
    last_id: int


class Versions:
    """`folder`: where `ehr-versions.ndjson` lives (one line per version, appended at commit). `opaque`: version
    labels that are no numbers. Not thread-safe: the server holds a lock."""

    def __init__(self, *, clock: Clock, folder: Path | None = None, opaque: bool = False) -> None:
        self._clock, self._opaque = clock, opaque
        self._file = folder / FILE if folder else None
        self._kept: dict[str, dict[str, list[Kept]]] = {}  # by type, then by id
        self._last_id = 0
        self._open: list[Kept] | None = None
        self.told: Callable[[list[Kept]], object] = lambda _: None  # hears of every commit
        if self._file and self._file.exists():
            self._reload(self._file)

    def label(self, number: int) -> str:
        """The versionId as clients see it."""
        return f"r{number}-{number * 7919 % 1000:03d}.x" if self._opaque else str(number)

    def new_id(self) -> str:
        """Ids the server assigns are numbers, as HAPI's."""
        self._last_id += 1
        return str(self._last_id)

    def current(self, type: str, id: str) -> Kept | None:
        """The last version, which may be a deletion; None when there never was one."""
        history = self._kept.get(type, {}).get(id)
        return history[-1] if history else None

    def history(self, type: str, id: str) -> list[Kept]:
        """Oldest first."""
        return list(self._kept.get(type, {}).get(id, ()))

    def all(self, type: str) -> list[Kept]:
        """Current, not deleted versions, in order of creation."""
        return [kept[-1] for kept in self._kept.get(type, {}).values() if kept[-1].resource is not None]

    def add(self, type: str, id: str, resource: Resource | None, method: str, *, updated: str = "") -> Kept:
        """Writes the next version; sets id, meta.versionId and meta.lastUpdated (`updated`, else now)."""
        history = self._kept.setdefault(type, {}).setdefault(id, [])
        number, updated = len(history) + 1, updated or instant(self._clock.now())
        if resource is not None:
            resource = copy.deepcopy(resource)
            meta = {**resource.pop("meta", {}), "versionId": self.label(number), "lastUpdated": updated}
            rest = {key: part for key, part in resource.items() if key not in ("resourceType", "id")}
            resource = {"resourceType": type, "id": id, "meta": meta, **rest}
        kept = Kept(type, id, number, updated, method, resource)
        with self.transaction():
            history.append(kept)
            assert self._open is not None
            self._open.append(kept)
        if id.isdecimal():
            self._last_id = max(self._last_id, int(id))
        return kept

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All versions added inside are kept together or not at all."""
        if self._open is not None:
            yield
            return
        self._open = []
        try:
            yield
        except BaseException:
            for kept in reversed(self._open):
                history = self._kept[kept.type][kept.id]
                history.pop()
                if not history:
                    del self._kept[kept.type][kept.id]
            raise
        else:
            self._write(self._open)
            committed = self._open
        finally:
            self._open = None
        if committed:
            self.told(committed)

    def snapshot(self) -> Snapshot:
        """All that is kept now."""
        return Snapshot(tuple(self._all()), self._last_id)

    def restore(self, snapshot: Snapshot) -> None:
        """As it was at the snapshot: versions go back, what came since is unknown, ids given since are given again."""
        self._kept = {}
        for kept in snapshot.kept:
            self._kept.setdefault(kept.type, {}).setdefault(kept.id, []).append(kept)
        self._last_id = snapshot.last_id
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            self._write(snapshot.kept)

    def _all(self) -> Iterator[Kept]:
        for histories in self._kept.values():
            for history in histories.values():
                yield from history

    def _write(self, versions: Sequence[Kept]) -> None:
        if self._file is None:
            return
        with self._file.open("a", encoding="utf-8") as file:
            for kept in versions:
                row = {"type": kept.type, "id": kept.id, "version": kept.number, "updated": kept.updated, "method": kept.method}
                file.write(json.dumps({**row, "resource": kept.resource}, ensure_ascii=False) + "\n")

    def _reload(self, file: Path) -> None:
        whole, _, torn = file.read_bytes().rpartition(b"\n")
        if torn:  # the process died inside a write
            file.write_bytes(whole + b"\n" if whole else b"")
        for line in whole.splitlines():
            row = json.loads(line)
            kept = Kept(row["type"], row["id"], row["version"], row["updated"], row["method"], row["resource"])
            self._kept.setdefault(kept.type, {}).setdefault(kept.id, []).append(kept)
            if kept.id.isdecimal():
                self._last_id = max(self._last_id, int(kept.id))
