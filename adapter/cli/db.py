"""`liaison db upgrade | check`: the schema, and the audit chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli import house

if TYPE_CHECKING:
    from adapter.audit import Checkpoint

app = typer.Typer(no_args_is_help=True, help="The database: its schema and its audit chain.")


@app.command()
def upgrade() -> None:
    """Bring the database to this version's schema, all or nothing. A database that is not there is made."""
    from adapter import store
    from adapter.errors import SettingsError

    url = house.settings().database_url
    state = store.check(url)
    if state.current > state.wanted:
        text = f"the database has schema {state.current}, newer than {state.wanted}"
        raise SettingsError(text, variable="LIAISON_DATABASE_URL", fix="use the Liaison that made it, or a newer one; nothing was changed")
    state = store.upgrade(url)
    typer.echo(f"schema {state.current}")


@app.command()
def check(
    head: Annotated[str, typer.Option(metavar="COUNT:DIGEST", help="A head kept elsewhere: also finds a chain cut off or made anew.")] = "",
) -> None:
    """Print the schema and verify the audit chain. Exit 1 when either is not as it must be."""
    from adapter import store
    from adapter.audit.verifying import verified

    settings = house.settings()
    kept = _kept(head)
    state = store.check(settings.database_url)
    mend = "a newer Liaison made it" if state.current > state.wanted else "liaison db upgrade"
    typer.echo(f"schema  {state.current or 'none'}" + ("" if state.ready else f"; expected {state.wanted}: {mend}"))
    if not state.ready:
        raise typer.Exit(1)
    with house.opened(settings) as opened:
        verdict = opened.store.read_now(lambda uow: verified(uow, [kept] if kept else []))
    if not verdict.ok:
        typer.echo(f"audit   broken at link {verdict.first_bad} ({verdict.reason}); good until then: {verdict.count}:{verdict.head or '-'}")
        raise typer.Exit(1)
    typer.echo(f"audit   {verdict.count} links, all in order; head {verdict.count}:{verdict.head or '-'}")


def _kept(head: str) -> Checkpoint | None:
    from adapter.audit import Checkpoint
    from adapter.errors import SettingsError

    if not head:
        return None
    count, _, digest = head.partition(":")
    if not count.isdecimal() or not digest:
        raise SettingsError("expected COUNT:DIGEST", variable="--head", fix="give it as `liaison db check` printed it")
    return Checkpoint(int(count), "" if digest == "-" else digest)
