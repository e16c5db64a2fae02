"""`liaison fake-ehr`: the public double of an EHR, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer


def fake_ehr(
    folder: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Where it keeps versions and the record of requests.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On loopback; 0: any free one.")] = 8700,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="FAULT", help='What goes wrong, several times if wished: "cut-after,on=POST Task,times=2"; a wrong name lists all.'),
    ] = None,
    ahead: Annotated[float, typer.Option(metavar="SECONDS", help="How much its clock is ahead (behind: negative).")] = 0,
) -> None:
    """Run a small FHIR R4 server on loopback that stands for a clinic's EHR, until Ctrl-C."""
    from adapter.ehr.fake import FakeEhr, parsed, serve

    faults = [parsed(each) for each in fault or ()]

    def ready(ehr: FakeEhr) -> None:
        typer.echo(f"FakeEhr answers at {ehr.base_url}" + (f", kept in {folder}" if folder else ", kept nowhere"))

    serve(folder, port, ready=ready, faults=faults, ahead=timedelta(seconds=ahead))
