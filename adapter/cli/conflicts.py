"""`liaison sync conflicts list | show | resolve`: changes that contradict each other, element by element."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from adapter.cli import house
from adapter.cli.sync import Json, operator_of, shown
from adapter.cli.waiting import Number, line, resolve

app = typer.Typer(no_args_is_help=True, help="Changes of both sides that contradict each other: see, settle.")


@app.command("list")
def conflicts(json: Json = False) -> None:
    """Every open conflict. Exit 1 when there is any."""
    from adapter.waiting import waiting

    with house.opened(house.settings()) as opened:
        found = [asdict(each) for each in opened.store.read_now(waiting) if each.kind == "conflict"]
    shown(found, json, [line(one) for one in found] or ["no conflict is open"])
    if found:
        raise typer.Exit(1)


@app.command()
def show(
    number: Number,
    json: Json = False,
    values: Annotated[bool, typer.Option("--values", help="Show what each side says: an event stands in the trail first.")] = False,
) -> None:
    """The elements that the sides do not hold alike: whose each is, and who changed it."""
    from adapter.conflicts import conflict, elements, told

    with house.opened(house.settings()) as opened:
        row = opened.store.read_now(lambda uow: conflict(uow, number))
        if values:
            opened.store.write_now(lambda uow: told(uow, operator_of(row.ehr), row))
        found = [asdict(each) for each in elements(row, opened.ownership)]
    for one in () if values else found:
        del one["base"], one["ours"], one["theirs"]
    head = f"conflict {number}, {row.ehr}: {row.type}, {row.reason}"
    choice = f"  `sync conflicts resolve {number} ours`, or `theirs`, with --keep NAME for an element that stays ours"
    shown(found, json, [head, choice, *(text for one in found for text in _lines(one))])


def _lines(one: dict[str, Any]) -> list[str]:
    import orjson

    sides = [f"    {side}: {orjson.dumps(one[side]).decode()}" for side in ("base", "ours", "theirs") if side in one]
    return [f"  {one['name']}: owner {one['owner']}, changed by {one['changed']}", *sides]


app.command("resolve")(resolve)
