"""`liaison intake`: the rows of a table, each taken in like a record that is sent."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house
from adapter.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.app import App
    from adapter.drop import Run, Sending, Tally
    from adapter.tables import Table

ORDER = ("taken", "fits", "already", "declined", "refused")
SHOWN = 20  # refused rows that are told on the terminal


def intake(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, or XLSX (the extra `xlsx`).")],
    columns: Annotated[str, typer.Option("--columns", metavar="NAME", help="The column map: mappings/columns/NAME.yaml.")],
    client: Annotated[str, typer.Option("--as", metavar="CLIENT", help="Whose rows they are: a client, or an organisation with one that may send records.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was broken off.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of each row; nothing is kept or written.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as JSON.")] = False,
) -> None:
    """Take in a table row by row, as POST /intake takes a record in: with the rights of a client, a row that is in already not again.

    Beside FILE come its outcome (NAME.outcome.csv, a line for each row) and the refused rows as they came (NAME.rejected.csv), to be mended
    and sent again. Exit 1 when rows were refused, 2 when the table, its header or the client is.
    """
    from adapter.drop import Sending, client_of, sending

    with house.opened(house.settings()) as opened:
        if columns not in opened.columns:
            raise SettingsError(f"no column map {columns}", variable="--columns", fix=f"there are: {', '.join(sorted(opened.columns)) or 'none'}")
        who = opened.read_now(lambda story, _: client_of(story.network, client))
        opened.write_now(lambda story, uow: sending(story, uow, who))
        what = Sending(who, opened.columns[columns])
        tally, places = _tried(opened, file, what) if dry_run else _taken(opened, file, what, resume=resume)
    counts = {name: tally.counts[name] for name in ORDER if tally.counts[name]}
    if as_json:
        import orjson

        typer.echo(orjson.dumps({"rows": tally.counts.total(), **counts, **places}, option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo(", ".join(f"{count} {name}" for name, count in counts.items()) or "no rows")
        for name, place in places.items():
            typer.echo(f"{name}: {place}")
    if tally.counts["refused"]:
        raise typer.Exit(1)


def _taken(app: App, file: Path, what: Sending, *, resume: bool) -> tuple[Tally, dict[str, str]]:
    """Raises SettingsError where an earlier run stands in the way."""
    from adapter.drop import Files, Run
    from adapter.tables import refused

    id, files = _id(file, what), Files(file)
    begun = Run.is_begun(app, id)
    if begun and files.whole:  # killed after the last row
        Run.forget(app, id)
        raise refused(file, "all of it was taken in before", fix=f"see {files.outcome.name}")
    if begun and not resume:
        raise refused(file, "it was begun before, and broken off", fix="say --resume, and it goes on where it ended")
    if not begun and (resume or files.begun):
        names = f"{files.outcome.name} and {files.rejected.name} (or what is there of them as .part)"
        fix = f"move {names} away and leave out --resume: nothing is written over, and a row that is in is not taken twice"
        raise refused(file, "no broken-off run of this very file, column map and client" if resume else "an outcome of an earlier run is there", fix=fix)
    run = Run(app, file, what, id=id)
    try:
        with _shown(run.table) as advance:
            while run.step():
                advance()
    finally:
        run.close()
    Run.forget(app, id)
    if run.left_out:
        typer.echo(f"columns that the map leaves out: {run.left_out}", err=True)
    if run.broken:
        typer.echo(f"error: {run.broken}\n  mend: {run.broken.fix}", err=True)
    return run.tally, _places(run)


def _tried(app: App, file: Path, what: Sending) -> tuple[Tally, dict[str, str]]:
    from adapter.drop import tried

    shown: list[int] = []

    def tell(line: Any, _: Table) -> None:
        if line.outcome == "refused" and len(shown) < SHOWN:
            shown.append(line.row)
            typer.echo(f"row {line.row}: {' | '.join(line.said)}")

    return tried(app, file, what, tell=tell), {}


def _places(run: Run) -> dict[str, str]:
    found = {"outcome": run.files.outcome}
    return {name: str(place) for name, place in (found | ({"rejected": run.files.rejected} if run.files.rejected.exists() else {})).items()}


def _id(file: Path, what: Sending) -> str:
    """By which a run is known again: the file's place and content, the column map, the client."""
    said = hashlib.sha256("\0".join((str(file.resolve()), what.columns.name, str(what.columns.version), what.client, "")).encode())
    with file.open("rb") as opened:
        while chunk := opened.read(1 << 20):
            said.update(chunk)
    return said.hexdigest()[:32]


@contextmanager
def _shown(table: Table) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("rows", total=max(table.size, 1))
        yield lambda: bar.update(task, completed=min(table.done(), table.size))
