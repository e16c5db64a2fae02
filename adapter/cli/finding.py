"""`liaison directory search | who`: what there is around, and who of the network can take a need."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from adapter.cli import house
from adapter.cli.directory import Json, app
from adapter.errors import SettingsError

if TYPE_CHECKING:
    from adapter.directory import Hit, Recipient
Need = Annotated[list[str] | None, typer.Option("--need", help="A need of mappings/terms/needs.yaml; may be said several times.")]
Commune = Annotated[str, typer.Option(metavar="INSEE", help="INSEE code of the commune where the person lives.")]
Scheme = Annotated[str, typer.Option(help="Health insurance scheme, as the network file writes it.")]


@app.command()
def search(
    need: Need = None,
    theme: Annotated[list[str] | None, typer.Option(help="A thématique of data·inclusion.")] = None,
    commune: Commune = "",
    near: Annotated[str, typer.Option(metavar="LAT,LON", help="Latitude and longitude in degrees.")] = "",
    within: Annotated[float, typer.Option(help="Kilometres from there.")] = 20.0,
    public: Annotated[list[str] | None, typer.Option(help="A public of data·inclusion; services for everybody are found too.")] = None,
    scheme: Scheme = "",
    most: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 20,
    json: Json = False,
) -> None:
    """Services around: the nearest first, or by name. They are reached as their entry says, not through Liaison. Exit 1: none."""
    from adapter.directory import Wanted
    from adapter.directory import search as find

    wanted = Wanted(
        tuple(need or ()), tuple(theme or ()), _commune(commune) or None, _place(near) if near else None, within, tuple(public or ()), scheme or None, most
    )
    with house.opened(house.settings()) as opened:
        hits = opened.read_now(lambda _, uow: find(uow, wanted, terms=opened.terms))
    if json:
        import orjson

        told = [{"km": hit.km and round(hit.km, 2), "service": hit.service, "structure": hit.structure, "place": hit.place, "also": hit.also} for hit in hits]
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo("\n".join(map(_line, hits)) or "none")
    if not hits:
        raise typer.Exit(1)


def _line(hit: Hit) -> str:
    address = hit.place.get("address", {})
    where = " ".join(filter(None, (address.get("postalCode", ""), address.get("city", ""))))
    reached = ", ".join(each["value"] for each in hit.service.get("telecom") or hit.structure.get("telecom", ()) if each["system"] in ("phone", "email"))
    far = f"{hit.km:5.1f} km  " if hit.km is not None else ""
    also = f"  [also {', '.join(hit.also)}]" if hit.also else ""
    return far + "; ".join(filter(None, (hit.service["name"], hit.structure.get("name", ""), where, reached))) + f"  {hit.service['id']}{also}"


@app.command()
def who(
    need: Need = None,
    commune: Commune = "",
    age: Annotated[int | None, typer.Option(min=0, max=130, help="In whole years.")] = None,
    scheme: Scheme = "",
    at: Annotated[str, typer.Option(help="From when on, as 2026-03-06T18:50; by default now.")] = "",
    others: Annotated[bool, typer.Option("--others", help="Those too that do not take it, and why.")] = False,
    json: Json = False,
) -> None:
    """Who of the network can take this need here, and when? Nothing of a person is asked. Exit 1: nobody."""
    from adapter.directory import who as find
    from adapter.referral.routing import Asked

    with house.opened(house.settings()) as opened:
        for each in need or ():
            if each not in opened.terms.choosable("need"):
                raise SettingsError("expected a need that a record may choose", variable="--need", fix="mappings/terms/needs.yaml names them")
        zone = opened.network.zone
        since = moment(at, zone) if at else opened.clock.now()
        asked = Asked(tuple(need or ()), _commune(commune) or None, age, scheme or None)
        found = opened.read_now(lambda story, uow: find(uow, story.network, asked, at=since, others=others))
    if json:
        import orjson

        typer.echo(orjson.dumps([_told(each) for each in found], option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo("\n".join(_row(each, since) for each in found) or "nobody")
    if not any(not each.against for each in found):
        raise typer.Exit(1)


def _told(each: Recipient) -> dict[str, Any]:
    return {
        "unit": each.unit.key, "name": each.unit.name, "organisation": each.organisation, "phone": each.unit.phone, "fits": not each.against,
        "against": each.against, "opens": each.opens and each.opens.isoformat(), "capacity": each.capacity, "takes": each.takes, "has": each.has,
        "slots": [{"start": slot.start.isoformat(), "end": slot.end.isoformat(), "free": slot.free} for slot in each.slots],
    }  # fmt: skip


def _row(each: Recipient, at: datetime) -> str:
    from adapter.referral.due import said

    if each.unit.permanence:
        when = "next free: " + "; ".join(said(slot.start, "en") for slot in each.slots) if each.slots else "no free slot"
    else:
        when = "" if each.opens is None else "open now" if each.opens <= at else f"opens {said(each.opens, 'en')}"
    room = f"{each.capacity} ({each.has} of {each.takes})" if each.takes is not None else each.capacity
    against = f"does not fit: {', '.join(each.against)}" if each.against else ""
    return f"{each.unit.key:<24} " + "; ".join(filter(None, (each.unit.name, each.organisation, against, when, room)))


def _commune(written: str) -> str:
    if written and not re.fullmatch(r"(\d{2}|2[AB])\d{3}", written):
        raise SettingsError("expected the INSEE code of a commune (five characters)", variable="--commune", fix="it is not the post code: 76540 is Rouen")
    return written


def _place(written: str) -> tuple[float, float]:
    found = re.fullmatch(r"\s*(-?\d{1,2}(?:\.\d+)?)\s*[,;]\s*(-?\d{1,3}(?:\.\d+)?)\s*", written)
    if not found or abs(float(found[1])) > 90 or abs(float(found[2])) > 180:
        raise SettingsError("expected latitude and longitude", variable="--near", fix="say --near 49.443,1.099")
    return float(found[1]), float(found[2])


def moment(written: str, zone: str) -> datetime:
    """A time given on the command line; without an offset it is meant in `zone`. Raises SettingsError."""
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise SettingsError("expected a time", variable="--at", fix="say --at 2026-03-06T18:50") from None
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))
