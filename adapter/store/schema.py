"""The schema: which revision a database has, and bringing it to ours."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert, inspect, text

from adapter.errors import SettingsError, Unavailable
from adapter.store.database import VARIABLE, Database
from adapter.store.faults import FOLDER
from adapter.store.tables import SCHEMA, audit_head, metadata

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 5_113_914_501  # any number: two upgrades of one PostgreSQL database wait for each other


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Revisions: what the database has ("" for none) and what this program wants."""

    current: str
    wanted: str

    @property
    def ready(self) -> bool:
        return self.current == self.wanted


def check(url: str) -> SchemaState:
    """The schema of the database at `url`; creates nothing. Raises SettingsError, Unavailable."""
    database = Database(url)
    try:
        return _state(database)
    finally:
        database.close()


def require(database: Database) -> None:
    """Raises SettingsError unless the schema is the one wanted."""
    state = _state(database)
    if state.ready:
        return
    if not state.current:
        raise SettingsError("the database has no tables yet", variable=VARIABLE, fix="liaison db upgrade")
    if state.current < state.wanted:
        raise SettingsError(
            f"the database has schema {state.current}; expected {state.wanted}", variable=VARIABLE, fix="liaison db upgrade"
        )
    newer = f"the database has schema {state.current}, newer than {state.wanted}"
    raise SettingsError(newer, variable=VARIABLE, fix="Use the Liaison that made it, or a newer one")


def _state(database: Database) -> SchemaState:
    if database.missing or database.memory:
        return SchemaState("", SCHEMA)
    with database.explained(), database.reading.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return SchemaState("", SCHEMA)
        return SchemaState(str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""), SCHEMA)


def create(database: Database) -> None:
    """Makes the tables in an empty database in memory."""
    with database.writing.connect() as connection:
        metadata.create_all(connection)
        connection.execute(insert(audit_head), {"one": 1, "seq": 0, "digest": ""})


def upgrade(url: str) -> SchemaState:
    """Brings the database at `url` to the wanted schema, all or nothing, and says what it has then. A new SQLite file is
    readable by its owner only. Raises SettingsError, Unavailable."""
    database = Database(url)
    if database.memory:
        raise SettingsError("a database in memory has no schema to upgrade", variable=VARIABLE, fix="Name a file")
    try:
        if database.missing:
            os.close(os.open(str(database.url.database), os.O_CREAT | os.O_RDWR, 0o600))
        _migrate(database)
        return _state(database)
    except OSError:
        raise Unavailable("The database's file cannot be made", fix=FOLDER) from None
    finally:
        database.close()


def _migrate(database: Database) -> None:
    from alembic import command  # a tenth of a second, needed here only
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with database.explained(), database.writing.connect() as connection:
        connection.begin()  # or each step would commit for itself
        database.begin(connection.connection.driver_connection)
        try:
            if database.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
