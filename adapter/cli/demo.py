"""`liaison demo`: one referral, end to end, through the real doors."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house
from adapter.errors import LiaisonError, SettingsError

if TYPE_CHECKING:
    from adapter.cli.story.stage import Stage


def demo(
    lang: Annotated[str, typer.Option(help="fr or en.")] = "fr",
    as_json: Annotated[bool, typer.Option("--json", help="One object a step, a summary last.")] = False,
    ehr: Annotated[str, typer.Option(help="Base URL of a real FHIR R4 server to play it on.")] = "",
    record: Annotated[Path | None, typer.Option(help="Start from your own record (JSON).")] = None,
    mapping: Annotated[str, typer.Option(help="The mapping of that record.")] = "appel-coursier",
    keep: Annotated[Path | None, typer.Option(help="Leave database, EHR state and request log in this folder.")] = None,
) -> None:
    """Play one referral: phone call, EHR, minimal views, answer, withdrawal. Exit code 1 if any step fails."""
    from adapter.cli.story.stage import opened

    if lang not in ("fr", "en"):
        raise SettingsError("expected fr or en", variable="--lang", fix="say --lang fr or --lang en")
    own = house.record(record) if record else None
    if own is not None and not isinstance(own.get("personne"), dict):
        raise SettingsError("expected a record with personne", variable="--record", fix="mappings/README.md shows a record")
    kept = house.empty_folder(keep, variable="--keep") if keep else None
    temporary = tempfile.TemporaryDirectory(prefix="liaison-demo-")
    with temporary, opened(ehr_url=ehr, folder=kept or Path(temporary.name), kept=kept, lang=lang) as stage:
        stage.record, stage.mapping = own, mapping
        failed = _play(stage, as_json=as_json)
    raise typer.Exit(1 if failed else 0)


def _play(stage: Stage, *, as_json: bool) -> int:
    """Plays every step until one cannot go on; returns how many failed."""
    from adapter.cli.story.steps import STEPS

    played = failed = 0
    for name, (_, actor), title, step in STEPS:
        told: dict[str, Any] = {"step": name, "actor": actor, "title": title[stage.lang]}
        try:
            found = step(stage)
            told |= {"ok": all(found.checks.values()), "checks": found.checks, "decision": found.decision, "card": found.card, "fhir": found.fhir}
        except (LiaisonError, OSError, LookupError, TypeError) as error:  # what did not come back as the step expects
            told |= {"ok": False, "checks": {}, "error": type(error).__name__}
        played += 1
        failed += not told["ok"]
        _shown(told, as_json=as_json)
        if not told["ok"]:
            break
    summary = {"summary": True, "ok": not failed, "steps": played, "failed": failed, "left": len(STEPS) - played}
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
    else:
        typer.echo(f"\n{played - failed}/{len(STEPS)} {'étapes' if stage.lang == 'fr' else 'steps'} ok")
    return failed


def _shown(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    from rich.console import Console, Group
    from rich.json import JSON
    from rich.panel import Panel
    from rich.text import Text

    parts: list[Any] = [Text(f"{'✓' if held else '✗'} {check}", style="green" if held else "red") for check, held in told["checks"].items()]
    if told.get("decision"):
        parts.append(Text(told["decision"], style="italic"))
    for resource in told.get("fhir", ()):
        parts.append(Text(f"FHIR {resource.get('resourceType')}/{resource.get('id')} {resource.get('status', '')}", style="dim"))
    if told.get("card"):
        parts.append(JSON(json.dumps(told["card"], ensure_ascii=False), indent=1))
    if "error" in told:
        parts.append(Text(told["error"], style="red"))
    Console().print(Panel(Group(*parts), title=f"{told['title']} · {told['actor']}", border_style="green" if told["ok"] else "red"))
