"""What the tests of the directory do in one line each: take records in, look at what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from adapter.app import App
from adapter.directory import DirectorySystems, Import, Report, made
from adapter.directory.records import Record
from adapter.dossier import content
from adapter.ports import Query


def taken(app: App, kind: str, rows: Iterable[Any], *, digest: str = "file", told: Callable[..., None] = lambda row, note: None, **more: Any) -> Report:
    run = Import(lambda fn: app.write_now(lambda story, uow: fn(story.network, uow)), DirectorySystems(app.systems), kind, digest, told=told, **more)
    return run.run(Record(number, row) for number, row in enumerate(rows, 1))


def stored(app: App, type: str) -> dict[str, dict[str, Any]]:
    found = app.read_now(lambda _, uow: [content(each) for each in uow.search(Query(type, count=1000))])
    return {each["id"]: each for each in found if each["id"].startswith("di-")}


def id_of(app: App, kind: str, record: dict[str, Any]) -> str:
    return made(kind, record, DirectorySystems(app.systems)).id


def counted(report: Report) -> dict[str, int]:
    return {name: count for name, count in asdict(report.counts).items() if count}


def notes_in(kept: list[Any]) -> Callable[[int, Any], None]:
    return lambda row, note: kept.append(note)
