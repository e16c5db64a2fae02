"""The verbs, put together. What a verb needs beyond the terminal it imports itself when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from adapter.cli import (
    audit,
    client,
    conflicts,
    consent,
    db,
    dead,
    demo,
    doctor,
    dpo,
    fake_ehr,
    init,
    intake,
    keys,
    mappings,
    network,
    person,
    reconcile,
    report,
    sandbox,
    seed,
    serve,
    slots,
    team,
    validate,
    view,
    waiting,
    worker,
)


def _version(wanted: bool) -> None:
    if wanted:
        from adapter import __version__

        typer.echo(f"liaison {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")] = False,
) -> None:
    """Social referrals as FHIR R4, in step with the clinic's EHR, each service seeing the minimum the patient agreed to.

    Settings are LIAISON_* variables; README has the list.
    """


def program() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_top)
    for name, verb in (
        ("demo", demo.demo), ("init", init.init), ("serve", serve.serve), ("worker", worker.worker), ("validate", validate.validate),
        ("fake-ehr", fake_ehr.fake_ehr), ("seed", seed.seed), ("intake", intake.intake), ("doctor", doctor.doctor),
        ("reconcile", reconcile.reconcile), ("report", report.report),
    ):  # fmt: skip
        app.command(name)(verb)
    waiting.app.add_typer(dead.app, name="dead")
    waiting.app.add_typer(conflicts.app, name="conflicts")
    groups = (
        ("audit", audit.app), ("client", client.app), ("consent", consent.app), ("db", db.app), ("directory", slots.app), ("dpo", dpo.app),
        ("keys", keys.app),
        ("map", mappings.app), ("network", network.app), ("person", person.app), ("sandbox", sandbox.app), ("sync", waiting.app),
        ("team", team.app), ("view", view.app),
    )  # fmt: skip
    for name, group in groups:
        app.add_typer(group, name=name)
    return app
