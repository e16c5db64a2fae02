"""`liaison report`: the indicators I1 to I16 of a period."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house, naming

if TYPE_CHECKING:
    from adapter.app import App

VIEW = "indicateurs"  # whose report it is: counts only


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    HTML = "html"


class Lang(StrEnum):
    FR = "fr"
    EN = "en"


def report(
    since: Annotated[str, typer.Option("--from", metavar="DAY", help="Referrals asked from this day on, as 2026-01-01.")] = "",
    until: Annotated[str, typer.Option("--to", metavar="DAY", help="Before this day.")] = "",
    form: Annotated[Format, typer.Option("--format", help="html: one page for browser and printer, which asks nothing of any other place.")] = Format.TABLE,
    lang: Annotated[Lang, typer.Option("--lang", help="Of titles and labels; json has both.")] = Lang.FR,
) -> None:
    """The indicators of the referrals asked in a period, beside what the literature has. Counts only: what fewer than five persons
    stand behind is hidden, with what would give it away. Giving it out is an event in the trail."""
    with house.opened(house.settings()) as opened:
        found = reported(opened, since, until)
    if form is Format.JSON:
        import orjson

        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    elif form is Format.CSV:
        from adapter.cli.reporting import csv_lines

        typer.echo("".join(csv_lines(found, lang.value)), nl=False)
    elif form is Format.HTML:
        from adapter.cli.report_page import page

        typer.echo(page(found, lang.value))
    else:
        from adapter.cli.reporting import show

        show(found, lang.value)


def reported(opened: App, since: str = "", until: str = "") -> dict[str, Any]:
    """The report as one object (`adapter.report.told`). It is itself an event, written first. Raises SettingsError: no such days, or
    no view file that lets counts be given."""
    from adapter import report as reports
    from adapter.audit import events
    from adapter.errors import SettingsError
    from adapter.settings import mappings_folder
    from adapter.views.load import load_declared

    wanted = reports.period(since, until)
    declared = load_declared(mappings_folder(opened.settings) / "views").get(VIEW)
    if declared is None or declared.way != "counts":
        fix = f"put {VIEW}.yaml with aggregate: true beside the other views of the mappings folder"
        raise SettingsError("no view lets counts be given out", variable="LIAISON_MAPPINGS_DIR", fix=fix)
    details = [("from", since), ("to", until), ("view", f"{declared.name}|{declared.version}")]
    opened.write_now(lambda _, uow: uow.audit(events.act(naming.officer(), "indicators", at=uow.at, details=details)))
    return reports.told(opened.store, opened.story, opened.behind, wanted=wanted)
