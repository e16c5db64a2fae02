"""`liaison person why | erase`: the register of disclosures in plain words, and the order of erasure."""

from __future__ import annotations

import json as stdlib_json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house, naming
from adapter.errors import SettingsError

if TYPE_CHECKING:
    from adapter.audit.register import Line
    from adapter.flows import Flows
    from adapter.ports import Uow

app = typer.Typer(no_args_is_help=True, help="What a person may ask for: who saw what, and erasure.")
Person = Annotated[str, typer.Argument(metavar="PERSON", help=naming.HELP)]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Officer = Annotated[Path | None, typer.Option("--officer-key", metavar="FILE", help="The officer's private key: opens the lines of who was erased.")]


@app.command()
def why(person: Person = "", lang: Annotated[str, typer.Option(help="fr or en.")] = "fr", officer_key: Officer = None, json: Json = False) -> None:
    """Tell who saw what of a person, when, on which consent and rule (RGPD art. 15), in words the person understands. The
    question is itself an event."""
    from adapter.audit import register

    if lang not in register.EVERY:
        raise SettingsError("expected fr or en", variable="--lang", fix="say --lang fr or --lang en")
    kind, text = naming.said(person)
    opener = _opener(officer_key)
    with house.opened(house.settings()) as opened:
        lines, shut, patient, name, zone = opened.write_now(lambda story, uow: _register(story, uow, kind, text, opener))
    found = register.gathered(lines)
    if json:
        said = [register.in_words(each, name=name, lang=lang, zone=zone) for each in found]
        told = [asdict(each) | {"to_name": name(each.to), "by_name": name(each.by), "said": words} for each, words in zip(found, said, strict=True)]
        typer.echo(stdlib_json.dumps({"person": patient, "lines": told, "sealed": shut}, ensure_ascii=False))
        return
    french = lang == "fr"
    typer.echo(f"Qui a vu quoi de vous — {patient}" if french else f"Who saw what of you — {patient}")
    for each in found:
        typer.echo(f"- {register.in_words(each, name=name, lang=lang, zone=zone)}.")
    if not found and not shut:
        typer.echo("Rien n'a été montré à personne." if french else "Nothing was shown to anybody.")
    if shut:
        typer.echo(f"{shut} ligne(s) sous la clé du délégué (--officer-key)." if french else f"{shut} line(s) under the officer's key (--officer-key).")
    typer.echo(register.RIGHTS[register.EVERY.index(lang)])


def _opener(file: Path | None) -> Callable[[bytes], bytes | None]:
    from adapter.audit import keys

    if file is None:
        return lambda sealed: None
    key = keys.load(file, keys.SEALING, fix="name the officer's private key")
    return lambda sealed: keys.opened(sealed, key)


def _register(story: Flows, uow: Uow, kind: str, text: str, opener: Callable[[bytes], bytes | None]) -> tuple[list[Line], int, str, Callable[[str], str], str]:
    """The lines of a person, how many are sealed, who it is, the names of the directory, the zone. Records that it was asked."""
    from adapter.audit import events, pages
    from adapter.audit.reading import in_turn
    from adapter.audit.register import Line, line
    from adapter.dossier import follow
    from adapter.erasing import agreed

    patient = naming.person(story, uow, kind, text)
    found: list[Line] = []
    for row, told in in_turn(pages(lambda after, limit: uow.audit_of(patient, after=after, limit=limit)), patient):
        if one := line(row.seq, told):
            found.append(replace(one, agreed=agreed(uow, one)))
    shut = 0
    for sealed in _filed(uow, patient):
        plain = opener(sealed)
        shut += plain is None
        found += [Line.loads(plain)] if plain is not None else []
    uow.audit(events.act(naming.officer(), "register-asked", patient=patient if follow(uow, patient) else "", at=uow.at))
    network, names = story.network, story.intake.name

    def name(reference: str) -> str:
        if "/" in reference:
            return names(reference) or reference
        organisation = network.organisation(reference)
        return organisation.name if organisation else reference

    return sorted(found, key=lambda each: each.at), shut, patient, name, network.zone


def _filed(uow: Uow, patient: str) -> list[bytes]:
    found: list[bytes] = []
    after = 0
    while page := uow.filed(patient, after=after):
        found += [sealed for _, sealed in page]
        after = page[-1][0]
    return found


@app.command()
def erase(
    person: Person = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    unsent: Annotated[bool, typer.Option("--unsent", help="Go on although an EHR was not told yet; it is listed.")] = False,
    json: Json = False,
) -> None:
    """Erase a person: end what runs, tell recipients and EHRs, keep the register under the officer's key, destroy the rest and
    list what cannot be erased. Exit 1 when an EHR must be told first: run it again after `liaison sync push`."""
    from adapter import erasing
    from adapter.audit import events, keys
    from adapter.retaining import KEY_FIX

    settings = house.settings()
    kind, text = naming.said(person)
    key = keys.load(settings.officer_key_file, keys.SEALING, fix=KEY_FIX)
    with house.opened(settings) as opened:
        patient = opened.read_now(lambda story, uow: naming.person(story, uow, kind, text))
        if not yes and not typer.confirm(f"Erase {patient} for good?", err=True):
            raise typer.Exit(1)
        who = naming.officer()

        def ended(story: Flows, uow: Uow) -> erasing.Ended:
            uow.audit(events.act(who, "erasure-asked", patient=patient, at=uow.at))
            return erasing.end(story, uow, who, patient)

        done = opened.write_now(ended)
        if done.waiting and not unsent:
            wait = f"{done.waiting} letters to an EHR wait: liaison sync push, then this again"
            _tell(json, {"person": patient, "erased": False, **asdict(done)}, [*_told(done), wait])
            raise typer.Exit(1)
        gone = opened.write_now(
            lambda story, uow: erasing.erase(story, uow, who, patient, sealed=lambda line: keys.seal_for(line, key), unsent=unsent)
        )
    counts = ", ".join(f"{number} {type}" for type, number in gone.resources.items())
    lines = [*_told(done), f"erased  {counts} ({gone.versions} versions), {gone.events} events", f"kept    {gone.lines} register lines under the officer's key"]
    lines += [f"left    {each.what} · {each.reason} · held by {each.holder}" for each in gone.left]
    _tell(json, {"person": patient, "erased": True, **asdict(done), **asdict(gone)}, lines)


def _told(done: Any) -> list[str]:
    return [f"ended   {done.ended} referrals", *(f"told    {recipient}, file {reference}" for recipient, reference in done.told)]


def _tell(json: bool, found: dict[str, Any], lines: list[str]) -> None:
    typer.echo(stdlib_json.dumps(found, ensure_ascii=False) if json else "\n".join(lines))
