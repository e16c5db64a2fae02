"""`liaison consent check | explain`: the published reading of Consent, held against vectors and against the store."""

from __future__ import annotations

import json as stdlib_json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house

if TYPE_CHECKING:
    from adapter.consent import Failure

app = typer.Typer(no_args_is_help=True, help="The reading of Consent: held against vectors, and explained for one referral.")


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Vector files; - is standard input.")],
    zone: Annotated[str, typer.Option(help="The time zone of values that are a date only.")] = "UTC",
) -> None:
    """Decide every vector and compare. Exit 1 when one does not come out as it says or is no vector, 2 when a file is no list of vectors.

    A vector: {id, consents, request {patient, actors, purpose, action}, now, groups?, resources, complete?, expect_visible}.
    Each resource is decided by itself, by the Consents alone; groups is {"Group/x": [references]}; other keys are ignored.
    """
    from adapter.consent import run_vectors

    passed, failed, unread = 0, 0, 0
    for file in files:
        vectors = _vectors(file)
        if vectors is None:
            unread += 1
            continue
        good, failures = run_vectors(vectors, zone=zone)
        passed, failed = passed + good, failed + len(failures)
        for failure in failures:
            _tell(failure)
    typer.echo(f"{passed} passed, {failed} failed")
    if unread or failed:
        raise typer.Exit(2 if unread else 1)


def _vectors(file: Path) -> list[Any] | None:
    """The vectors of a file; None when it holds none, and standard error says so. Raises SettingsError: cannot be read."""
    from adapter.cli import deep
    from adapter.consent import are_vectors

    try:
        found = deep.load(house.document(file))
    except ValueError:
        found = None
    if are_vectors(found):
        return list(found)
    text = "expected a JSON list of vectors, of which one at least is an object with a list expect_visible"
    typer.echo(printable(f"error: {file}: {text}", sys.stderr) + "\n  mend: liaison consent check --help says what a vector is", err=True)
    return None


def _tell(failure: Failure) -> None:
    visible, expected = (", ".join(ids) or "nothing" for ids in (failure.visible, failure.expected))
    typer.echo(printable(f"FAILED {failure.id}: visible {visible}; expected {expected}"))
    for line in failure.why:
        typer.echo(printable(f"  {line}"))


def printable(text: str, out: Any = None) -> str:
    """The text as a terminal can show it: no control characters, nothing its encoding lacks."""
    encoding = (out or sys.stdout).encoding or "ascii"
    shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


@app.command()
def explain(
    who: Annotated[str, typer.Option(metavar="ORG|UNIT", help="Who looks: a key of the network file.")],
    what: Annotated[str, typer.Option(metavar="REFERRAL", help="RC-P4N, Task/ID or ServiceRequest/ID.")],
    at: Annotated[str, typer.Option(metavar="TIME", help="As it was at that time: 2026-03-06T18:50:00+01:00. Default: now.")] = "",
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say whether somebody may see a referral, and why: what each Consent says, and by which rule. Changes nothing; the
    question itself is audited."""
    from adapter.cli.explaining import explained

    with house.opened(house.settings()) as opened:
        found = opened.write_now(lambda story, uow: explained(story, uow, who=who, what=what, at=at))
    if json:
        typer.echo(stdlib_json.dumps(found))
        return
    typer.echo(f"{'permit' if found['permit'] else 'deny'}  {found['why']} [{found['rule']}]")
    typer.echo(f"asked   {found['who']}, view {found['view']}, at {found['at']}: {', '.join(found['actors'])}")
    for basis in found["bases"]:
        typer.echo(f"basis   {basis['kind']}, by {basis['evidence']}")
    for consent in found["consents"]:
        proof = {"": "", "intact": ", attestation intact"}.get(consent["attestation"], ", attestation CHANGED: its hash no longer matches")
        typer.echo(f"{consent['says']:<8}{consent['consent']} [{consent['rule']}]{proof}")
        for line in consent["why"]:
            typer.echo(f"        {line}")
    if not found["consents"]:
        typer.echo("no Consent of this person was considered")
