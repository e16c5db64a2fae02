"""`liaison demo`: one referral, end to end, through the real doors."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house
from adapter.errors import EhrError, SettingsError

if TYPE_CHECKING:
    from adapter.cli.story.stage import Stage

CALL = "appel-coursier"  # the mapping of the story's own record


def demo(
    lang: Annotated[str, typer.Option(help="fr or en.")] = "fr",
    as_json: Annotated[bool, typer.Option("--json", help="One object a step, a summary last.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Unfold the FHIR that travels.")] = False,
    ehr: Annotated[str, typer.Option(metavar="URL", help="Play it on this FHIR R4 server: a test server, it will keep what is sent.")] = "",
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Start from your own record (JSON; - for standard input).")] = None,
    mapping: Annotated[str, typer.Option(metavar="NAME", help="The mapping of that record.")] = CALL,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Leave database, EHR state and logs in this new folder.")] = None,
) -> None:
    """Play one referral: the call, both agreements, the EHR, minimal views, the answer, a withdrawal. Exit 1 if a step fails."""
    from adapter.cli.story.stage import opened

    if lang not in ("fr", "en"):
        raise SettingsError("expected fr or en", variable="--lang", fix="say --lang fr or --lang en")
    if record is None and mapping != CALL:
        raise SettingsError("a mapping reads a record", variable="--mapping", fix="name the record with --record FILE")
    own = house.record(record) if record else None
    with ExitStack() as stack:
        folder = house.empty_folder(keep, variable="--keep") if keep else _temporary(stack)
        stage = stack.enter_context(opened(ehr_url=ehr, folder=folder, lang=lang, mapping=mapping, record=own))
        summary = _play(stage, folder, as_json=as_json, full=full)
    if keep and not as_json:
        _left(folder, lang, played_there=bool(ehr))
    if not summary["ok"]:
        raise typer.Exit(1)


def _temporary(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liaison-demo-")))


def _play(stage: Stage, folder: Path, *, as_json: bool, full: bool) -> dict[str, Any]:
    """Plays every step until one fails, and tells each; returns the summary."""
    import orjson

    from adapter import audit
    from adapter.cli.story.stage import emitted
    from adapter.cli.story.steps import STEPS, told
    from adapter.cli.telling import Teller

    teller = Teller(stage.lang, full=full)
    if not as_json:
        teller.opening()
    played = failed = 0
    for account in told(stage):
        played += 1
        failed += not account.ok
        if as_json:
            typer.echo(orjson.dumps(account.shown(stage.lang)).decode())
        else:
            teller.step(played, account)
    verdict = audit.verify(stage.audit_rows())
    try:
        there = emitted(stage, folder)
    except EhrError:  # it went away: the step that met it said so
        there = {}
    summary: dict[str, Any] = {
        "summary": True, "ok": not failed and played == len(STEPS) and verdict.ok and bool(there), "steps": played, "failed": failed,
        "not_played": [step.name for step in STEPS[played:]], "ehr": there,
        "audit": {"verified": verdict.ok, "count": verdict.count, "head": verdict.head},
    }  # fmt: skip
    if as_json:
        typer.echo(orjson.dumps(summary).decode())
    else:
        teller.closing(summary)
    return summary


def _left(folder: Path, lang: str, *, played_there: bool) -> None:
    """What lies in the folder now, and how to look at it."""
    fr = lang == "fr"
    typer.echo(f"{'Gardé dans' if fr else 'Kept in'} {folder}:")
    lines = ["liaison.db, liaison.key", "answers.ndjson", "emitted/"] + ([] if played_there else ["ehr-versions.ndjson, ehr-requests.ndjson"])
    for line in lines:
        typer.echo(f"  {line}")
    typer.echo(f"  LIAISON_DATABASE_URL=sqlite:///{folder / 'liaison.db'} LIAISON_SECRET_KEY_FILE={folder / 'liaison.key'} liaison db check")
    if not played_there:
        typer.echo(f"  liaison fake-ehr --data {folder}")
