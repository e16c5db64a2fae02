"""`liaison view list | check | show | diff | try`: what each recipient may see, for who must answer for it."""

from __future__ import annotations

import json as stdlib_json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house
from adapter.cli.consent import printable
from adapter.errors import SettingsError

if TYPE_CHECKING:
    from adapter.views import Declared, View
    from adapter.views.load import Around

app = typer.Typer(no_args_is_help=True, help="The view files: what each recipient may see, what it would see now, and why not the rest.")
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Lang = Annotated[str, typer.Option(help="fr or en.")]


@app.command("list")
def list_(lang: Lang = "en", json: Json = False) -> None:
    """Each view: its version and recipient, which units of the network file have it and at which stage, how many elements of
    which data classes it shows, what may be written through it."""
    from adapter.cli import viewed

    _language(lang)
    units = viewed.units(house.settings())
    rows = [viewed.listed(each, units.get(each.recipient, [])) for _, each in sorted(_folder()[0].items())]
    _say(json, rows, (line for row in rows for line in viewed.list_lines(row, lang)))


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="View files. Default: those in force.")] = None, json: Json = False
) -> None:
    """Load view files and say of each that it holds, or what is wrong in which line. Exit 2 when something is wrong."""
    from adapter.cli import viewed

    rows = viewed.checked(files or [])
    _say(json, rows, (line for row in rows for line in viewed.check_lines(row)))
    if not all(row["ok"] for row in rows):
        raise typer.Exit(2)


@app.command()
def show(name: Annotated[str, typer.Argument(help="The view.")], lang: Lang = "en", json: Json = False) -> None:
    """One view in words: the row of the matrix, then every element with its data class and when it is shown."""
    from adapter.cli import viewed

    _language(lang)
    found, around = _folder()
    one = _chosen(name, found, around)
    row = viewed.described(one, around, lang)
    _say(json, row, viewed.show_lines(row, lang))


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A view, or a view file.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another: what it shows that A does not is +, the reverse is -.")],
    json: Json = False,
) -> None:
    """What two views show differently, or one file before and after an edit. Exit 1 when they differ."""
    from dataclasses import asdict

    from adapter.views.compare import differences

    found, around = _folder()
    rows = differences(_chosen(a, found, around), _chosen(b, found, around))
    mark = {(True, False): "+", (False, True): "-"}
    lines = [f"{mark.get((not each.before, not each.after), '~')} {each.place}{_change(each.before, each.after)}" for each in rows]
    _say(json, [asdict(each) for each in rows], iter(lines or ["no difference"]))
    if rows:
        raise typer.Exit(1)


def _change(before: str, after: str) -> str:
    said = f"{before} -> {after}" if before and after else before or after
    return "" if said == "yes" else f": {said}"


@app.command("try")
def try_(
    id: Annotated[str, typer.Argument(metavar="ID", help="The referral: RC-P4N, Task/ID or ServiceRequest/ID.")],
    as_: Annotated[str, typer.Option("--as", metavar="ORG|UNIT|PERSON", help="Who would look: a key of the network file.")],
    at: Annotated[str, typer.Option(metavar="TIME", help="As it was at that time: 2026-03-06T18:50:00+01:00. Default: now.")] = "",
    lang: Lang = "en",
    json: Json = False,
) -> None:
    """Say what somebody would see of a stored referral now: the card, the decision, and for each thing left out why. The
    values of what is left out are never printed. Recorded as an access by the officer at this terminal."""
    from adapter.cli import viewed
    from adapter.cli.viewing import tried

    _language(lang)
    settings = house.settings()
    around = _around()
    with house.opened(settings) as opened:
        trial = opened.write_now(lambda story, uow: tried(story, uow, who=as_, what=id, matrix=around.matrix, lang=lang, at=at))
        told = trial.told(around.matrix, opened.views[trial.view].recipient, lang=lang)
    _say(json, told, viewed.try_lines(told))


# ── what they share ──────────────────────────────────────────────────────────────────────────────
def _place() -> Any:
    from adapter.settings import mappings_folder

    return mappings_folder(house.settings()) / "views"


def _around() -> Around:
    from adapter.views import around_of

    return around_of(_place())


def _folder() -> tuple[dict[str, View | Declared], Around]:
    from adapter.views import load_folder

    return load_folder(_place()), _around()


def _chosen(name: str, found: dict[str, View | Declared], around: Around) -> View | Declared:
    """A view by its name, or what a file says. Raises SettingsError naming the views there are."""
    from adapter.cli.viewed import text_of
    from adapter.views import load_file

    if name in found:
        return found[name]
    if Path(name).is_file():
        return load_file(text_of(Path(name)), name=Path(name).name, around=around)
    raise SettingsError(f"no view and no file {name}", fix=f"there are: {', '.join(sorted(found))}")


def _language(lang: str) -> None:
    if lang not in ("fr", "en"):
        raise SettingsError("expected fr or en", variable="--lang", fix="say --lang fr or --lang en")


def _say(json: bool, found: Any, lines: Iterator[str]) -> None:
    if json:
        typer.echo(stdlib_json.dumps(found, ensure_ascii=False))
        return
    for line in lines:
        typer.echo(printable(line))
