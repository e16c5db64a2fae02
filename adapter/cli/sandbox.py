"""`liaison sandbox up | status | down`: a real FHIR server on this machine to try Liaison on."""

from __future__ import annotations

import threading
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from adapter.cli import sandbox_docker, sandbox_java
from adapter.cli.sandbox_record import (
    Sandbox,
    capability,
    expect_free,
    forget,
    home,
    remember,
    remembered,
    software,
    tail,
    wait_until_ready,
    writable,
)
from adapter.clock import Clock, SystemClock
from adapter.errors import SettingsError

app = typer.Typer(no_args_is_help=True, help="A real HAPI FHIR R4 server on this machine, to try Liaison on.")
NOTICE = (
    "First time: this downloads HAPI FHIR and what it needs (1,200 files, 330 MB) from Maven Central and builds it here.\n"
    "Of all of Liaison's commands only this one downloads anything."
)


class Engine(StrEnum):
    auto = "auto"
    java = "java"
    docker = "docker"


@app.command()
def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="On loopback.")] = 8090,
    engine: Annotated[Engine, typer.Option(help="auto: Docker where an engine answers, else Java and Maven.")] = Engine.auto,
    keep: Annotated[Path | None, typer.Option(help="Folder of a database that outlives the sandbox (Java only).")] = None,
) -> None:
    """Build (the first time) and start it; wait until it answers."""
    clock, pause, console = SystemClock(), threading.Event().wait, Console()
    place = home()
    known = remembered(place)
    if known is not None and alive(known):
        if known.port != port:
            raise SettingsError(f"the sandbox runs already, at {known.url}", variable="--port", fix="first: liaison sandbox down")
        console.print("It runs already.")
        show(console, known, capability(known.url, clock), clock)
        return
    expect_free(port)
    chosen = choose(engine, keep)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        line = progress.add_task("", total=None)
        if chosen is Engine.docker:
            progress.update(line, description=f"Starting {sandbox_docker.IMAGE} (the first time Docker downloads it)")
            started = sandbox_docker.start(port=port, clock=clock)
        else:
            kept = writable(keep, variable="--keep") if keep else None
            if not sandbox_java.is_built(place):
                console.print(NOTICE, highlight=False)
            progress.update(line, description="Building")
            sandbox_java.build(place, pause=pause, progress=lambda count: progress.update(line, description=f"Building; {count} files downloaded"))
            started = sandbox_java.start(place, port=port, keep=kept, clock=clock)
        remember(place, started)  # before it is ready: `down` must find it when this is interrupted
        progress.update(line, description="Starting (about 15 s)")
        try:
            statement = wait_until_ready(started, alive=lambda: alive(started), last_lines=lambda: last_lines(started), clock=clock, pause=pause)
        except BaseException:  # also when interrupted: leave no server behind that nobody was told of
            end(started, clock)
            forget(place)
            raise
    show(console, started, statement, clock)


@app.command()
def status() -> None:
    """Whether it runs, where, since when, with how much memory. Exit 1 when it does not run or does not answer."""
    clock, console = SystemClock(), Console()
    known = remembered(home())
    if known is None or not alive(known):
        console.print("The sandbox is not running. Start it: liaison sandbox up", highlight=False)
        raise typer.Exit(1)
    statement = capability(known.url, clock)
    show(console, known, statement, clock)
    if statement is None:
        raise typer.Exit(1)


@app.command()
def down() -> None:
    """End the sandbox that `up` started, and nothing else."""
    console, place = Console(), home()
    known = remembered(place)
    ended = known is not None and end(known, SystemClock())
    forget(place)
    console.print(f"Ended {known.url}" if known and ended else "The sandbox is not running.", highlight=False)


def choose(engine: Engine, keep: Path | None) -> Engine:
    """The engine to use. Raises SettingsError when the one asked for is not there or cannot do what is asked."""
    docker = engine is not Engine.java and sandbox_docker.answers()
    if engine is Engine.docker and not docker:
        raise SettingsError("no Docker engine answers", variable="--engine", fix="start it, or use --engine java")
    if engine is Engine.docker and keep is not None:
        raise SettingsError("the Docker image keeps nothing", variable="--keep", fix="use --engine java")
    if docker and keep is None:
        return Engine.docker
    sandbox_java.java()
    sandbox_java.maven()
    return Engine.java


def alive(sandbox: Sandbox) -> bool:
    return sandbox_docker.running(sandbox) if sandbox.engine == "docker" else sandbox_java.resident(sandbox) is not None


def last_lines(sandbox: Sandbox) -> str:
    return sandbox_docker.last_lines(sandbox) if sandbox.engine == "docker" else tail(Path(sandbox.log))


def end(sandbox: Sandbox, clock: Clock) -> bool:
    if sandbox.engine == "docker":
        return sandbox_docker.stop(sandbox)
    return sandbox_java.stop(sandbox, clock=clock, pause=threading.Event().wait)


def memory(sandbox: Sandbox) -> str:
    if sandbox.engine == "docker":
        return sandbox_docker.memory(sandbox) or "unknown"
    return f"{(sandbox_java.resident(sandbox) or 0) / 2**20:.0f} MB"


def show(console: Console, sandbox: Sandbox, statement: dict[str, Any] | None, clock: Clock) -> None:
    """The facts as a table; the URL stands alone on its line, so that it can be copied."""
    table = Table(show_header=False, box=None, pad_edge=False)
    process = f"process {sandbox.pid}" if sandbox.engine == "java" else f"container {sandbox.handle[:12]}"
    for name, value in (
        ("URL", sandbox.url),
        ("Server", software(statement) if statement else "does not answer"),
        ("Memory", memory(sandbox)),
        ("Up for", f"{sandbox.uptime(clock)} s, {process}"),
        ("Log", sandbox.log),
        ("Try", f"liaison demo --ehr {sandbox.url}"),
        ("End", "liaison sandbox down"),
    ):
        table.add_row(name, value)
    console.print(table, soft_wrap=True)
