"""`liaison map list | check | try`: the mapping documents, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house
from adapter.errors import SettingsError

if TYPE_CHECKING:
    from adapter.mapping import MapContext, Mapping, Trial
    from adapter.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The mapping documents: social records to FHIR and back.")


@app.command("list")
def list_(lang: Annotated[str, typer.Option(help="fr or en.")] = "en") -> None:
    """The record kinds there are."""
    if lang not in ("fr", "en"):
        raise SettingsError("expected fr or en", variable="--lang", fix="say --lang fr or --lang en")
    for name, document in sorted(documents(house.settings()).items()):
        typer.echo(f"{name}  version {document.version}, {len(document.fields)} fields: {document.title.get(lang, document.title['en'])}")


@app.command()
def check(name: Annotated[str | None, typer.Argument(help="One of them only.")] = None) -> None:
    """Run the examples inside the documents, both ways. Exit 1 when one does not hold."""
    from adapter.mapping import check as examine

    found = documents(house.settings())
    chosen = {name: chosen_of(found, name)} if name else found
    failed = 0
    for each, document in sorted(chosen.items()):
        failures = examine(document)
        failed += bool(failures)
        typer.echo(f"{each}  " + ("holds" if not failures else f"{len(failures)} do not hold"))
        for failure in failures:
            typer.echo(f"  {failure.place}  {failure.example + ': ' if failure.example else ''}{failure.text}")
    if failed:
        raise typer.Exit(1)


@app.command("try")
def try_(
    name: Annotated[str, typer.Argument(help="The mapping.")],
    record: Annotated[Path, typer.Argument(metavar="RECORD|-", help="A record as JSON.")],
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Map one record, and back; nothing is stored or sent. Exit 1 when it is refused."""
    from adapter.mapping import try_ as attempt

    settings = house.settings()
    document = chosen_of(documents(settings), name)
    written = house.record(record)
    trial = attempt(document, written, context=context(settings))
    if json:
        import orjson

        typer.echo(orjson.dumps(_told(trial), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(trial)
    if trial.problems:
        raise typer.Exit(1)


def documents(settings: Settings) -> dict[str, Mapping]:
    from adapter.mapping import load
    from adapter.settings import mappings_folder

    return load(mappings_folder(settings))


def chosen_of(found: dict[str, Mapping], name: str) -> Mapping:
    """Raises SettingsError naming the mappings there are."""
    if name not in found:
        raise SettingsError(f"no mapping {name}", fix=f"there are: {', '.join(sorted(found))}")
    return found[name]


def context(settings: Settings) -> MapContext:
    """What a mapping may look up: the network file's facts, or else those of the demonstration's network."""
    from zoneinfo import ZoneInfo

    from adapter.clock import SystemClock
    from adapter.intake import Intake
    from adapter.mapping import MapContext
    from adapter.names import Systems
    from adapter.network import load, parse
    from adapter.settings import mappings_folder

    demo = mappings_folder(settings) / "demo" / "network.yaml"
    network = load(settings.network_file) if settings.network_file.exists() else parse(demo.read_text(encoding="utf-8"))
    systems, clock = Systems(settings.system_base), SystemClock()
    intake = Intake({}, network, systems, clock)
    clinic = next((each.key for each in network.organisations if each.kind == "clinic"), "clinic")
    return MapContext(
        at=clock.now(), new_id=clock.new_id, clinic=f"Organization/{clinic}", unit=intake.unit, systems=systems,
        zone=ZoneInfo(network.zone), recorder=f"Organization/{clinic}", due=intake.due, name_of=intake.name,
    )  # fmt: skip


def _told(trial: Trial) -> dict[str, Any]:
    mapped = trial.mapped
    return {
        "refused": bool(mapped and mapped.refused),
        "problems": [{"path": each.path, "mapping": each.document, "text": each.text} for each in trial.problems],
        "warnings": [{"path": each.record_path, "mapping": each.document_place, "text": each.text} for each in mapped.warnings] if mapped else [],
        "dropped": list(mapped.dropped) if mapped else [],
        "resources": mapped.resources if mapped else [],
        "back": trial.back,
    }


def _print(trial: Trial) -> None:
    from rich.console import Console
    from rich.json import JSON

    console = Console(soft_wrap=True)
    for problem in trial.problems:
        console.print(f"refused  {problem}", markup=False, highlight=False)
    if trial.mapped is None:
        return
    if trial.mapped.refused:
        console.print("The person said no: nothing is made, only a count is kept.")
    for remark in trial.mapped.warnings:
        console.print(f"warning  {remark.record_path}: {remark.text} [{remark.document_place}]", markup=False, highlight=False)
    for resource in trial.mapped.resources:
        console.print(JSON.from_data(resource))
