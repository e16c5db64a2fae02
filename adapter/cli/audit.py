"""`liaison audit verify | checkpoint | key | export | search | purge`: the trail, held against its own digests, and given to who may ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house, naming

if TYPE_CHECKING:
    from adapter.app import App
    from adapter.audit.reading import Wanted
    from adapter.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The audit trail: verify, export, search, sign.")
CheckpointFile = Annotated[Path | None, typer.Option("--checkpoints", metavar="FILE", help="Signed checkpoints. Default: LIAISON_CHECKPOINT_FILE.")]
Person = Annotated[str, typer.Option("--person", metavar="REF", help="About this person only: " + naming.HELP.partition(" Nothing")[0])]
Since = Annotated[str, typer.Option("--from", metavar="TIME", help="From this day or time on.")]
Until = Annotated[str, typer.Option("--to", metavar="TIME", help="Before this day or time.")]
KEY_FIX = "make one with `liaison audit key`, or name it with LIAISON_CHECKPOINT_KEY_FILE"


@app.command()
def verify(
    checkpoints: CheckpointFile = None,
    public: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The public key of the checkpoints.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Follow the chain from the first event to the last, in flat memory. Exit 1 when it is broken: the first bad row is named,
    with what happened to it.

    Against signed checkpoints it also finds an end that was cut off and a chain made anew.
    """
    from adapter.audit import REASONS
    from adapter.audit.verifying import verified

    settings = house.settings()
    file = checkpoints or settings.checkpoint_file
    kept = _kept(settings, file, public) if checkpoints or file.exists() else None
    with house.opened(settings) as opened:
        verdict = opened.store.read_now(lambda uow: verified(uow, kept.points if kept else ()))
    bad_line = kept.bad if kept else 0
    if json:
        found = {"ok": verdict.ok and not bad_line, "count": verdict.count, "head": verdict.head, "erased": verdict.erased, "first_bad": verdict.first_bad}
        _say(found | {"reason": verdict.reason, "checkpoints": len(kept.points) if kept else 0, "bad_checkpoint": bad_line})
    else:
        if verdict.ok:
            typer.echo(f"{verdict.count} events, all in order; {verdict.erased} without content, each named by an act of erasure or purge")
            typer.echo(f"head {verdict.count}:{verdict.head or '-'}")
        else:
            typer.echo(f"BROKEN at row {verdict.first_bad}: {verdict.reason}, {REASONS[verdict.reason]}")
            typer.echo(f"good until then: {verdict.count}:{verdict.head or '-'}")
        if kept:
            typer.echo(f"{len(kept.points)} checkpoints held" if not bad_line else f"BROKEN checkpoint file: line {bad_line} was not signed by this key")
        else:
            typer.echo("no checkpoint was kept: an end cut off with its head row would not show (liaison audit checkpoint)", err=True)
    if not verdict.ok or bad_line:
        raise typer.Exit(1)


@app.command()
def checkpoint(
    checkpoints: CheckpointFile = None,
    private: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The private key. Default: LIAISON_CHECKPOINT_KEY_FILE.")] = None,
) -> None:
    """Verify what was added since the last checkpoint and sign where the chain is now, in a file outside the database. Exit 1,
    and nothing is signed, when the chain is broken. Best run by a timer, the file copied to another machine."""
    from adapter.audit import Checkpoint, events, keys
    from adapter.audit import checkpoints as points
    from adapter.audit.verifying import verified

    settings = house.settings()
    file, key_file = checkpoints or settings.checkpoint_file, private or settings.checkpoint_key_file
    key = keys.load(key_file, keys.SIGNING, fix=KEY_FIX)
    kept = points.read(file, key) if file.exists() else points.Kept()
    with house.opened(settings) as opened:
        verdict = opened.store.read_now(lambda uow: verified(uow, kept.points[-1:], start=kept.points[-1] if kept.points else None))
        if not verdict.ok or kept.bad:
            typer.echo(f"nothing was signed: {'the checkpoint file' if kept.bad else 'the chain'} is broken; liaison audit verify", err=True)
            raise typer.Exit(1)
        points.append(file, Checkpoint(verdict.count, verdict.head), key, opened.clock.now())
        who = naming.officer()
        opened.write_now(lambda _, uow: uow.audit(events.act(who, "audit-checkpoint", at=uow.at, details=[("count", str(verdict.count))])))
    typer.echo(f"{verdict.count}:{verdict.head or '-'} signed in {file}")


@app.command()
def key(file: Annotated[Path | None, typer.Argument(help="By default LIAISON_CHECKPOINT_KEY_FILE.")] = None) -> None:
    """Make the key pair that signs checkpoints. `verify` needs the public half alone."""
    from adapter.audit import keys

    place = file or house.settings().checkpoint_key_file
    typer.echo(f"made  {place}\nmade  {keys.make(place, keys.SIGNING)}")


@app.command()
def export(
    person: Person = "", since: Since = "", until: Until = "",
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new file; - is standard output.")] = Path("-"),
) -> None:  # fmt: skip
    """Give out events as NDJSON, one a line with its place in the chain: {seq, digest, salt, sealed, event}. The export is
    itself an event, written before the first line leaves."""
    from adapter.audit.reading import links, written

    with house.opened(house.settings()) as opened:
        wanted = _wanted(opened, "audit-export", person, since, until)
        with _opened(out) as stream:
            count = 0
            for row in links(opened.store, wanted):
                stream.write(written(row) + b"\n")
                count += 1
    typer.echo(f"{count} events", err=True)


@app.command()
def search(
    person: Person = "", since: Since = "", until: Until = "",
    by: Annotated[str, typer.Option(metavar="KEY", help="Who asked or was shown: an organisation, unit, person or client.")] = "",
    what: Annotated[str, typer.Option(metavar="CODE", help="What happened: read, disclose, AuthZ-Consent, agreement-withdraw…")] = "",
    request: Annotated[str, typer.Option(metavar="ID", help="The X-Request-Id of one call.")] = "",
    refused: Annotated[bool, typer.Option("--refused", help="Only what was refused.")] = False,
    limit: Annotated[int, typer.Option(help="Lines at most.", min=1)] = 100,
    json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False,
) -> None:  # fmt: skip
    """Look for events: who, what, when, by which view, Consent and rule. The search is itself an event."""
    from adapter.audit.reading import found, in_short

    with house.opened(house.settings()) as opened:
        asked = [("by", by), ("what", what), ("request", request), ("refused", "yes" if refused else "")]
        wanted = _wanted(opened, "audit-search", person, since, until, asked)
        count = 0
        for row, told in found(opened.store, wanted, by=by, what=what, request=request, refused=refused):
            if count == limit:
                typer.echo(f"and more: --limit {limit} was reached", err=True)
                break
            count += 1
            short = in_short(row, told)
            _say(short) if json else typer.echo("  ".join(str(each) for each in short.values() if each))
    if not count:
        typer.echo("no such event", err=True)
        raise typer.Exit(1)


@app.command()
def purge(json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Do now what the jobs do every hour: events past LIAISON_SECURITY_LOG_KEPT lose their content, the register's lines of them go
    under the officer's key, lines past LIAISON_REGISTER_KEPT are shredded. Each is itself an event; the chain still verifies."""
    from dataclasses import asdict

    from adapter.retaining import Purged, Retention

    settings, done = house.settings(), Purged(more=True)
    with house.opened(settings) as opened:
        retention = Retention.of(settings, opened.store, opened.clock, holder=opened.holder)
        while done.more:
            one = retention.run(naming.officer())
            done = Purged(done.events + one.events, done.lines + one.lines, done.shredded + one.shredded, one.more)
    if json:
        _say(asdict(done))
        return
    typer.echo(f"{done.events} events lost their content; {done.lines} of them stand in the register, under the officer's key")
    typer.echo(f"{done.shredded} lines of the register shredded")


def _wanted(opened: App, act: str, person: str, since: str, until: str, asked: list[tuple[str, str]] | None = None) -> Wanted:
    """Who and when, resolved; the look into the trail is recorded before anything of it is given."""
    from adapter.audit import events
    from adapter.audit.reading import Wanted, moment

    kind, text = naming.said(person) if person else ("", "")
    zone = opened.network.zone
    begun, ended = moment(since, zone, "--from"), moment(until, zone, "--to")
    who = naming.officer()

    def recorded(story: Any, uow: Any) -> Wanted:
        patient = naming.person(story, uow, kind, text) if kind else ""
        details = [("from", begun), ("to", ended), *(asked or [])]
        uow.audit(events.act(who, act, patient=patient, at=uow.at, details=details))
        return Wanted(patient, begun, ended, uow.audit_head()[0])

    return opened.write_now(recorded)


def _kept(settings: Settings, file: Path, public: Path | None) -> Any:
    from adapter.audit import checkpoints, keys

    place = public or settings.checkpoint_key_file.with_name(settings.checkpoint_key_file.name + ".pub")
    return checkpoints.read(file, keys.load(place, keys.SIGNING, fix=KEY_FIX))


@contextmanager
def _opened(out: Path) -> Iterator[IO[bytes]]:
    """A new file that its owner alone may read, or standard output."""
    import os
    import sys

    if str(out) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        yield stream


def _say(found: dict[str, Any]) -> None:
    import orjson

    typer.echo(orjson.dumps(found).decode())
