"""`liaison map list | new | check | try | back | explain | diff`: the mapping documents, by hand."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house
from adapter.errors import SettingsError

if TYPE_CHECKING:
    from adapter.mapping import Columns, MapContext, Mapping, Trial
    from adapter.settings import Settings

Name = Annotated[str, typer.Argument(help="The mapping, or the file of one.")]
Record = Annotated[Path, typer.Argument(metavar="RECORD|-", help="A record as JSON.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
app = typer.Typer(no_args_is_help=True, help="The mapping documents: social records to FHIR and back.")


@app.command("list")
def list_(lang: Annotated[str, typer.Option(help="fr or en.")] = "en", json: Json = False) -> None:
    """The record kinds there are."""
    if lang not in ("fr", "en"):
        raise SettingsError("expected fr or en", variable="--lang", fix="say --lang fr or --lang en")
    every = sorted(documents(house.settings()).items())
    found = [{"name": name, "version": each.version, "fields": len(each.fields), "title": each.title[lang]} for name, each in every]
    printed(found, json, [f"{one['name']}  version {one['version']}, {one['fields']} fields: {one['title']}" for one in found])


@app.command()
def check(name: Annotated[str | None, typer.Argument(help="One of them only, or the file of one.")] = None, json: Json = False) -> None:
    """Run the examples inside the documents, both ways, and of the column maps (columns/NAME). Exit 1 when one does not hold."""
    from adapter.mapping import check as examine
    from adapter.mapping import check_columns

    settings = house.settings()
    maps = columns(settings, name)
    runs = {key: partial(check_columns, each) for key, each in maps.items() if name in (None, key)}
    if not runs or not name:
        chosen = {name: _document(settings, name)} if name else documents(settings)
        runs |= {key: partial(examine, document) for key, document in chosen.items()}
    told, lines = [], []
    for each, run in sorted(runs.items()):
        failures = run()
        told.append({"name": each, "failures": [{"place": one.place, "example": one.example, "text": one.text} for one in failures]})
        lines.append(f"{each}  " + ("holds" if not failures else f"{len(failures)} do not hold"))
        lines += [f"  {one.place}  {one.example + ': ' if one.example else ''}{one.text}" for one in failures]
    printed(told, json, lines)
    if any(one["failures"] for one in told):
        raise typer.Exit(1)


@app.command("try")
def try_(name: Name, record: Record, json: Json = False) -> None:
    """Map one record, and back; nothing is stored or sent. Exit 1 when it is refused."""
    from adapter.mapping import report
    from adapter.mapping import try_ as attempt

    settings = house.settings()
    document = _document(settings, name)
    written = house.record(record)
    trial = attempt(document, written, context=context(settings))
    if json:
        printed(report(trial), json, [])
    else:
        _print(trial)
    if trial.problems:
        raise typer.Exit(1)


@app.command()
def back(name: Name, resources: Annotated[Path, typer.Argument(metavar="RESOURCES|-", help="A Bundle, or one resource, as JSON.")]) -> None:
    """The record that resources give again, as JSON; nothing is stored or sent. `GET /intake/NAME/ID` does it of what is stored."""
    settings = house.settings()
    given = house.record(resources)
    entries = given.get("entry", []) if given.get("resourceType") == "Bundle" else [{"resource": given}]
    found = [each["resource"] for each in entries if isinstance(each, dict) and isinstance(each.get("resource"), dict)]
    printed(_document(settings, name).from_fhir(found, context=context(settings)), True, [])


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="What the mapping is to be called: small letters and -.")],
    sample: Annotated[Path, typer.Option("--from", metavar="SAMPLE", help="A record of the tool as JSON.")],
) -> None:
    """A document to begin with, made from a record, on standard output. What the record cannot tell is marked as a gap."""
    import re

    from adapter.mapping import Terms, start
    from adapter.settings import mappings_folder

    if not re.fullmatch(r"[a-z][a-z0-9-]{0,63}", name):
        raise SettingsError("expected small letters, digits and -", variable="NAME", fix="liaison map new mon-outil --from record.json")
    typer.echo(start(name, house.record(sample), terms=Terms.load(mappings_folder(house.settings()) / "terms")), nl=False)


@app.command()
def explain(name: Name, record: Record, json: Json = False) -> None:
    """Which line of the document made which element from which fields of a record. Exit 1 when it is refused."""
    from adapter.mapping import RecordRefused
    from adapter.mapping import explain as explained

    settings = house.settings()
    try:
        found = explained(_document(settings, name), house.record(record), context=context(settings))
    except RecordRefused as refused:
        told = [{"path": each.path, "mapping": each.document, "text": each.text} for each in refused.problems]
        printed({"problems": told}, json, [f"refused  {each}" for each in refused.problems])
        raise typer.Exit(1) from None
    told = [{"element": each.element, "line": each.place, "fields": ", ".join(each.fields)} for each in found]
    printed(told, json, [f"{one['line']}  {one['element']}" + (f"  from {one['fields']}" if one["fields"] else "") for one in told])


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A mapping, or the file of one.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same.")],
    records: Annotated[list[Path] | None, typer.Option("--record", metavar="FILE", help="A record to compare them by; may be repeated.")] = None,
    against: Annotated[str, typer.Option(metavar="stored", help="stored: also by the records of OLD that were received; paths and counts only.")] = "",
    json: Json = False,
) -> None:
    """What changes from one document to another: fields, and what becomes of the examples of both and of given records. Exit 1 when something does."""
    from dataclasses import asdict

    from adapter.mapping import compare

    if against not in ("", "stored"):
        raise SettingsError("expected stored", variable="--against", fix="say --against stored, or leave it out")
    settings = house.settings()
    before, after = (_document(settings, each) for each in (old, new))
    cases = {name: (record, contexts) for each in (after, before) for name, record, contexts in compare.examples(each)}
    cases |= {str(file): (house.record(file), compare.alike(context(settings))) for file in records or ()}
    told: dict[str, Any] = {"fields": [asdict(each) for each in compare.fields(before, after)], "records": {}}
    for name, (record, contexts) in cases.items():
        if changed := compare.made(before, after, record, contexts=contexts):
            told["records"][name] = [asdict(each) for each in changed]
    lines = [_turned("field ", each) for each in told["fields"]]
    for name, found in told["records"].items():
        lines += [f"{name}:", *(_turned("  ", each) for each in found)]
    lines = lines or [f"nothing changes in {len(cases)} records"]
    if against:
        from adapter.cli.restored import against_stored, in_lines

        told["stored"] = against_stored(settings, before, after)
        lines += in_lines(told["stored"])
    printed(told, json, lines)
    if told["fields"] or told["records"] or (against and told["stored"]["changed"]):
        raise typer.Exit(1)


def _turned(start: str, changed: dict[str, Any]) -> str:
    before, after = ("absent" if changed[name] is None else str(changed[name]) for name in ("before", "after"))
    return f"{start}{changed['path']}: {before} -> {after}"


def _document(settings: Settings, name: str) -> Mapping:
    """A mapping by name, or one that lies in a file, with the tables and parts of the house."""
    from adapter.mapping import load_one
    from adapter.settings import mappings_folder

    file = Path(name)
    return load_one(mappings_folder(settings), file) if file.suffix == ".yaml" and file.is_file() else chosen_of(documents(settings), name)


def printed(told: Any, as_json: bool, lines: list[str]) -> None:
    import orjson

    typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode() if as_json else "\n".join(lines))


def documents(settings: Settings) -> dict[str, Mapping]:
    from adapter.mapping import load
    from adapter.settings import mappings_folder

    return load(mappings_folder(settings))


def columns(settings: Settings, file: str | None = None) -> dict[str, Columns]:
    """Every column map, as `columns/NAME`; or the one in a file."""
    from adapter.mapping import load_column_map, load_columns
    from adapter.settings import mappings_folder

    known, place = documents(settings), Path(file or "")
    if place.suffix == ".yaml" and place.is_file():
        found = load_column_map(place, known)
        return {str(file): found} if found else {}
    return {f"columns/{name}": each for name, each in load_columns(mappings_folder(settings), known).items()}


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
