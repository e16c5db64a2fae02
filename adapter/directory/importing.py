"""The import: every record becomes what it is in FHIR, written where it differs from what is there.

The same file again changes nothing. Records are written some hundred at a time; how far it came is kept with them, in the same commit, so
that who begins again after a crash goes on from there, and doubles nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import orjson

from adapter.audit import events
from adapter.directory.keeping import Written, retire, taken_over, write
from adapter.directory.naming import SOURCE, DirectorySystems
from adapter.directory.reading import SERVICES, Made, made
from adapter.directory.records import Record
from adapter.directory.taken import Note
from adapter.network import Network
from adapter.ports import Clause, Principal, Query, Uow

T = TypeVar("T")
BATCH = 100  # records in a commit: while it runs, other writers wait
SAMPLES = 20  # of each kind of difference that are named one by one
FEW = 20  # as many may be gone whatever is left
WHO = Principal("liaison", "liaison", role="operator")
Unit = Callable[[Callable[[Network, Uow], T]], T]


@dataclass(frozen=True, slots=True)
class Counts:
    """Of records. `kept`: those that the network file has made its own, which the directory leaves alone."""

    rows: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0
    kept: int = 0
    rejected: int = 0

    def plus(self, what: str) -> Counts:
        return replace(self, **{what: getattr(self, what) + 1})


@dataclass(slots=True)
class Report:
    """What an import did. `samples`: some of each difference; `resumed`: the row after which an earlier run was taken up; `held`: why what
    is gone was left as it is, "" where it was not."""

    kind: str
    counts: Counts = field(default_factory=Counts)
    samples: list[Written] = field(default_factory=list)
    resumed: int = 0
    held: str = ""


@dataclass(frozen=True)
class Import:
    """One run over the records of a file. `digest`: of the file, by which a run that was cut off is known again; `source`: of records that do
    not say theirs; `partial`: the file is a part of the source: nothing is gone because it is not in it; `sure`: however much is gone.
    `told(row, id, note)`: what is wrong with a row."""

    unit: Unit[Any]
    systems: DirectorySystems
    kind: str
    digest: str
    source: str = ""
    partial: bool = False
    sure: bool = False
    told: Callable[[int, Note], None] = lambda row, note: None

    def run(self, records: Iterable[Record], *, advance: Callable[[], None] = lambda: None) -> Report:
        """Raises SettingsError (the file), and what the store raises. About 70 bytes are held for each record, to know which are gone."""
        done, counts = self.unit(lambda _, uow: _progress(uow, self._mark))
        report = Report(self.kind, counts, resumed=done)
        seen: set[int] = set()
        sources: set[str] = set()
        unknown = False  # a row was refused, and nobody knows whose it is
        for batch in _batches(self._told(records, seen)):
            sources |= {each.source for _, each in batch}
            unknown = unknown or any(not each.id for _, each in batch)
            if fresh := [(number, each) for number, each in batch if number > done]:
                written, refused, report.counts = self.unit(partial(self._write, fresh, report.counts))
                for number, note in refused:
                    self.told(number, note)
                _sample(report, written)
            advance()
        if not self.partial:
            self._end(report, seen, sorted(sources - {""}), unknown)
        self.unit(lambda _, uow: uow.discard(self._mark))
        return report

    @property
    def _mark(self) -> str:
        return f"directory/{self.digest}"

    def _told(self, records: Iterable[Record], seen: set[int]) -> Iterator[tuple[int, Made]]:
        """Each record as what it is, what is wrong with it told; a record that is there twice is refused the second time."""
        for number, fields, faults in records:
            found = made(self.kind, fields, self.systems, source=self.source)
            if found.id and (place := int(found.id[3:19], 16)) in seen:
                found = replace(found, resources=(), notes=(Note("id", "expected a record that was not in the file before: leave one of them out", True),))
            elif found.id:
                seen.add(place)
            for note in (*faults, *found.notes):
                self.told(number, note)
            yield number, found

    def _write(
        self, batch: list[tuple[int, Made]], counts: Counts, network: Network, uow: Uow
    ) -> tuple[list[Written], list[tuple[int, Note]], Counts]:  # fmt: skip
        written: list[Written] = []
        refused: list[tuple[int, Note]] = []
        for number, each in batch:
            note = None if each.refused else self._misplaced(uow, each)
            if note:
                refused.append((number, note))
            if each.refused or note:
                counts = counts.plus("rows").plus("rejected")
            elif taken_over(network, each.id):
                counts = counts.plus("rows").plus("kept")
            else:
                written.append(write(uow, each))
                counts = counts.plus("rows").plus(written[-1].what)
        uow.keep(self._mark, orjson.dumps({"row": batch[-1][0], "counts": asdict(counts)}))
        uow.audit(self._act(uow, len(batch)))
        return written, refused, counts

    def _misplaced(self, uow: Uow, service: Made) -> Note | None:
        if self.kind == SERVICES and uow.current("Organization", service.parent) is None:
            return Note("structure_id", "expected the id of a structure of the same source that was imported: import the structures first", True)
        return None

    def _end(self, report: Report, seen: set[int], sources: list[str], unknown: bool) -> None:
        """What the sources had and have no longer becomes inactive, unless that is more than one would think."""
        gone = there = 0
        for source in sources:
            for id in self._active(source):
                there += 1
                gone += int(id[3:19], 16) not in seen
        if gone and unknown:
            report.held = "a row cannot be told apart: mend the rows without a readable id first"
        elif gone > max(FEW, there // 2) and not self.sure:
            report.held = f"{gone} of {there} are not in this file: say --partial if it is a part of its source, --gone if they are gone"
        if report.held or not gone:
            return
        for source in sources:
            for ids in _batches(id for id in self._active(source) if int(id[3:19], 16) not in seen):
                ended = self.unit(partial(self._retired, ids))
                _sample(report, ended)
                report.counts = replace(report.counts, gone=report.counts.gone + len(ended))

    def _retired(self, ids: list[str], network: Network, uow: Uow) -> list[Written]:
        uow.audit(self._act(uow, len(ids)))
        return [retire(uow, self._type, id) for id in ids if not taken_over(network, id)]

    def _active(self, source: str) -> Iterator[str]:
        clauses = (Clause(SOURCE, "token", (source,)), Clause("active", "token", ("true",)))
        after: tuple[str, str] | None = None
        while True:
            query = Query(self._type, clauses, count=500, after=after)
            page = self.unit(partial(_found, query))
            yield from (id for _, id in page)
            if len(page) < query.count:
                return
            after = page[-1]

    @property
    def _type(self) -> str:
        return "HealthcareService" if self.kind == SERVICES else "Organization"

    def _act(self, uow: Uow, count: int) -> dict[str, Any]:
        return events.act(WHO, "directory-import", at=uow.at, details=[("kind", self.kind), ("rows", str(count)), ("file", self.digest[:16])])


def _batches(found: Iterable[T]) -> Iterator[list[T]]:
    left = iter(found)
    while batch := list(islice(left, BATCH)):
        yield batch


def _found(query: Query, network: Network, uow: Uow) -> list[tuple[str, str]]:
    return [(each.key, each.id) for each in uow.search(query)]


def _progress(uow: Uow, mark: str) -> tuple[int, Counts]:
    kept = orjson.loads(uow.kept(mark) or b"{}")
    return kept.get("row", 0), Counts(**kept.get("counts", {}))


def _sample(report: Report, written: Iterable[Written]) -> None:
    for each in written:
        if each.what != "unchanged" and sum(sample.what == each.what for sample in report.samples) < SAMPLES:
            report.samples.append(each)
