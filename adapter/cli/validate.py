"""`liaison validate`: is this FHIR R4?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli import house
from adapter.cli.refusing import line

if TYPE_CHECKING:
    from adapter.errors import Issue


def validate(file: Annotated[Path, typer.Argument(metavar="FILE|-", help="A resource, a Bundle, or NDJSON with one resource a line.")]) -> None:
    """Print everything that is wrong, each with its FHIRPath expression. Exit 1 when anything is."""
    count = wrong = 0
    written = house.document(file)
    if not written.strip():
        typer.echo("error: expected a resource in JSON, but found nothing")
        raise typer.Exit(1)
    for place, body in documents(written):
        count += 1
        found = issues(body)
        wrong += bool(found)
        for issue in found:
            typer.echo(f"{place}{issue.severity}: {line(issue)}")
    typer.echo(f"{count} {'resource' if count == 1 else 'resources'}, " + (f"{wrong} not valid" if wrong else "valid"))
    if wrong:
        raise typer.Exit(1)


def documents(body: bytes) -> Iterator[tuple[str, bytes]]:
    """(place, JSON) of each document: the whole, or the lines of an NDJSON file."""
    import orjson

    lines = [(number, text) for number, text in enumerate(body.splitlines(), 1) if text.strip()]
    try:
        orjson.loads(body)
        several = False
    except orjson.JSONDecodeError:
        several = len(lines) > 1 and all(text.lstrip().startswith(b"{") and text.rstrip().endswith(b"}") for _, text in lines)
    if several:
        yield from ((f"line {number}: ", text) for number, text in lines)
    elif lines:
        yield "", body


def issues(body: bytes) -> list[Issue]:
    """Every issue of one document."""
    from adapter import fhir
    from adapter.errors import Refused

    try:
        fhir.parse(body)
    except Refused as refused:
        return list(refused.issues)
    return []
