"""`liaison seed`: something to look at."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from adapter.cli import house
from adapter.errors import SettingsError


def seed(
    add: Annotated[bool, typer.Option("--add", help="Although there are referrals already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The counts and every referral as JSON.")] = False,
) -> None:
    """Make the referrals of 20 invented people, one in every state, by the acts that people do. Exit 2 where there are referrals."""
    from adapter.cli import seeding
    from adapter.cli.invented import PEOPLE

    with house.opened(house.settings()) as opened:
        there = seeding.standing(opened)
        if there and not add:
            fix = "name a new database (LIAISON_DATABASE_URL), or say --add where these are invented too"
            raise SettingsError(f"this database has {there} referrals", variable="--add", fix=fix)
        found = seeding.sow(opened)
    if as_json:
        import orjson

        told = {"people": len(PEOPLE), "referrals": len(found), "states": seeding.counts(found), "made": [asdict(each) for each in found]}
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    for each in found:
        typer.echo(f"{each.reference}  {each.status:<12} {each.unit:<22} {each.shows}")
    typer.echo("")
    for state, count in seeding.counts(found).items():
        typer.echo(f"{count:>4}  {state}")
    typer.echo(f"{len(found):>4}  referrals of {len(PEOPLE)} invented people")
