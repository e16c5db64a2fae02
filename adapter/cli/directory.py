"""`liaison directory import`: what there is around, as data·inclusion has it."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house
from adapter.errors import SettingsError

if TYPE_CHECKING:
    from adapter.app import App
    from adapter.directory import Report, Rows
    from adapter.directory.taken import Note

app = typer.Typer(no_args_is_help=True, help="The directory: structures and services of data·inclusion, and who can take a need.")
LISTED = 50  # notes about rows that are printed; --notes has them all
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


class Kind(StrEnum):
    structures = "structures"
    services = "services"


@app.command("import")
def import_(
    source_file: Annotated[str, typer.Argument(metavar="FILE|URL", help="JSON, JSON-lines, CSV or XLSX.")],
    kind: Annotated[Kind | None, typer.Option(help="By default what its first record is: a service names its structure.")] = None,
    source: Annotated[str, typer.Option(help="The source of records that do not say theirs.")] = "",
    sheet: Annotated[str, typer.Option(help="Of a workbook: the sheet, by default the first.")] = "",
    allow: Annotated[list[str] | None, typer.Option(help="A host that a URL may name.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="A part of its source: what is not in it is not gone.")] = False,
    gone: Annotated[bool, typer.Option("--gone", help="However much is not in it any more: it is gone.")] = False,
    notes: Annotated[Path | None, typer.Option(help="A new file for everything that is wrong with rows, as CSV.")] = None,
    json: Json = False,
) -> None:
    """Take in structures, then services. Again: only what differs. After a crash: from where it was. Exit 1 where rows were refused."""
    from adapter.directory import SERVICES, STRUCTURES, DirectorySystems, Import

    with _file(source_file, allow or []) as file, house.opened(house.settings()) as opened:
        chosen = kind.value if kind else SERVICES if _has_structure(file, sheet) else STRUCTURES
        digest = hashlib.sha256(f"{chosen}\n{source}\n{sheet}\n{_digest(file)}".encode()).hexdigest()
        with _notes(notes) as (told, written), _records(file, sheet) as (rows, advance):
            run = Import(_units(opened), DirectorySystems(opened.systems), chosen, digest, source=source, partial=partial, sure=gone, told=told)
            report = run.run(rows, advance=advance)
    _print(report, written, as_json=json, notes=notes)
    if report.counts.rejected or report.held:
        raise typer.Exit(1)


def _units(opened: App) -> Callable[[Callable[[Any, Any], Any]], Any]:
    return lambda fn: opened.write_now(lambda story, uow: fn(story.network, uow))


@contextmanager
def _file(given: str, hosts: list[str]) -> Iterator[Path]:
    """The file itself, or what is at the address, for as long as it is read."""
    if not re.match(r"(?i)https?://", given):
        yield Path(given)
        return
    from adapter.clock import SystemClock
    from adapter.directory.fetching import fetch

    with tempfile.NamedTemporaryFile(prefix="liaison-directory-") as kept, _bar("fetched") as moved:
        fetch(given, kept.file, hosts=hosts, clock=SystemClock(), advance=moved)
        kept.flush()
        yield Path(kept.name)


def _has_structure(file: Path, sheet: str) -> bool:
    from adapter.directory import records

    with records(file, sheet=sheet) as rows:
        first = next(iter(rows), None)
        return first is not None and isinstance(first.fields, dict) and "structure_id" in first.fields


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def _records(file: Path, sheet: str) -> Iterator[tuple[Rows, Callable[[], None]]]:
    from adapter.directory import records

    with records(file, sheet=sheet) as rows, _bar("records") as moved:
        yield rows, lambda: moved(rows.done(), rows.size)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar over bytes on a terminal's standard error, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size or None)


@contextmanager
def _notes(file: Path | None) -> Iterator[tuple[Callable[[int, Note], None], list[str]]]:
    """What takes down what is wrong with a row, and the first of it as lines."""
    lines: list[str] = []
    if file and file.exists():
        raise SettingsError(f"{file} is there already", variable="--notes", fix="name a new file: nothing is written over")
    kept = file.open("x", encoding="utf-8", newline="") if file else None
    try:
        import csv

        table = csv.writer(kept, delimiter=";") if kept else None
        if table:
            table.writerow(("row", "field", "refused", "expected"))

        def told(row: int, note: Note) -> None:
            if table:
                table.writerow((row, note.field, "yes" if note.refused else "", note.expected))
            if len(lines) <= LISTED and (note.refused or not table):
                lines.append(f"row {row}: {note.field or 'the record'}: {note.expected}" + ("" if note.refused else " (left out)"))

        yield told, lines
    finally:
        if kept:
            kept.close()


def _print(report: Report, lines: list[str], *, as_json: bool, notes: Path | None) -> None:
    from dataclasses import asdict

    import orjson

    counts = asdict(report.counts)
    if as_json:
        samples = [asdict(each) for each in report.samples]
        told = {"kind": report.kind, **counts, "resumed_after": report.resumed, "held": report.held, "samples": samples, "notes": lines}
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    for each in report.samples:
        typer.echo(f"{each.what:<9}  {each.id}  {each.name}" + (f"  ({', '.join(each.elements)})" if each.elements else ""))
    for line in lines[:LISTED]:
        typer.echo(line, err=True)
    if len(lines) > LISTED:
        typer.echo(f"… and more: {notes or 'say --notes FILE for all of it'}", err=True)
    if report.resumed:
        typer.echo(f"taken up after row {report.resumed}, where an earlier run ended")
    typer.echo(f"{report.kind}: " + "  ".join(f"{name} {count}" for name, count in counts.items()))
    if report.held:
        typer.echo(f"not taken as gone: {report.held}", err=True)
