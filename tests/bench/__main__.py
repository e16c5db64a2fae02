"""`make bench ARGS="--only B1,B4 --json FILE"`: measures, prints a table, writes JSON. An unknown row is refused."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from tests.bench import clocked, decide_rate, map_rate, pull_rate, push_rate, store_rate, systems, validate_rate
from tests.bench.clinic import DOORS
from tests.bench.doors import HAPI_WARM, Door, Pace, measure
from tests.bench.figures import Figure, as_json, tables
from tests.bench.load import CONNECTIONS, BenchError

ROOMS = {"B6": decide_rate.lanes, "B9": map_rate.lanes, "validate": validate_rate.lanes}  # rows inside one process
ENGINE: dict[str, Callable[[argparse.Namespace], list[Figure]]] = {
    "B7": lambda given: push_rate.rows(given.letters),
    "B8": lambda given: pull_rate.measure(pull_rate.Run(tasks=given.tasks)),
}
ROWS = sorted({door.id for door in DOORS} | set(ROOMS) | set(ENGINE) | {"store"})


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", default=",".join(ROWS), help=f"rows, by comma: {', '.join(ROWS)}")
    parser.add_argument("--without", default="", help=f"systems left out, by comma: {', '.join(systems.SYSTEMS)}")
    parser.add_argument("--json", type=Path, help="write figures and ratios there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a round over HTTP; inside one process a tenth of it")
    parser.add_argument("--warm-hapi", type=float, default=HAPI_WARM, help="seconds of load on HAPI that do not count")
    parser.add_argument("--database", default="", help="URL of an empty database for ours, in place of an SQLite file")
    parser.add_argument("--letters", type=int, default=push_rate.Run.letters, help="of B7")
    parser.add_argument("--tasks", type=int, default=pull_rate.Run.tasks, help="of B8")
    found = parser.parse_args(given)
    found.only, found.without = _named(parser, found.only, ROWS), _named(parser, found.without, systems.SYSTEMS)
    if found.rounds < 1 or found.seconds <= 0:
        parser.error("expected at least one round of more than no time")
    return found


def _named(parser: argparse.ArgumentParser, text: str, known: tuple[str, ...] | list[str]) -> list[str]:
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"no such name: {', '.join(unknown)}; there are {', '.join(known)}")
    return wanted


def over_http(doors: list[Door], given: argparse.Namespace, left_out: dict[str, str]) -> list[Figure]:
    """Rows over HTTP, on every system that has part in them and can run here."""
    starts = {"ours": lambda: systems.ours(given.database), "yardstick": systems.yardstick, "hapi": systems.hapi}
    needed = {name.removesuffix("-inline") for door in doors for name in door.prepare if name not in given.without}
    with ExitStack() as stack:
        running = []
        for name, start in starts.items():
            if name == "hapi" and name in needed and (why := systems.why_no_hapi()):
                left_out[name] = why
            elif name in needed:
                print(f"starting {name}", file=sys.stderr)
                running += [each for each in stack.enter_context(start()) if each.name not in given.without]
        pace = Pace(given.rounds, given.seconds, given.seconds, given.warm_hapi)
        return measure(doors, running, pace, say=lambda line: print(line, file=sys.stderr))


def run(given: argparse.Namespace, left_out: dict[str, str]) -> list[Figure]:
    found: list[Figure] = []
    if doors := [door for door in DOORS if door.id in given.only]:
        found += over_http(doors, given, left_out)
    for id, lanes in ROOMS.items():
        if id in given.only:
            print(f"measuring {id}", file=sys.stderr)
            found += clocked.measure(lanes(), rounds=given.rounds, seconds=given.seconds / 10)
    for id, rows in ENGINE.items():
        if id in given.only:
            print(f"measuring {id}", file=sys.stderr)
            found += rows(given)
    if "store" in given.only:
        print("measuring store", file=sys.stderr)
        found.append(store_rate.measure(given.rounds, given.seconds / 2))
    return sorted(found, key=lambda each: ROWS.index(each.id))


def main() -> int:
    given = arguments()
    left_out = dict.fromkeys(given.without, "left out by --without")
    try:
        figures = run(given, left_out)
    except BenchError as error:
        print(f"the bench ends: {error}", file=sys.stderr)
        return 1
    console = Console(width=None if sys.stdout.isatty() else 160)
    for table in tables(figures):
        console.print(table)
    for name, why in left_out.items():
        console.print(f"{name}: not measured, {why}")
    machine = {
        "cores": os.cpu_count(), "python": platform.python_version(), "sqlite": sqlite3.sqlite_version, "connections": CONNECTIONS,
        "rounds": given.rounds, "letters": given.letters, "tasks": given.tasks, "seconds": given.seconds, "warm_hapi": given.warm_hapi,
    }  # fmt: skip
    if given.json:
        given.json.write_text(json.dumps(as_json(figures, left_out=left_out, machine=machine), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
