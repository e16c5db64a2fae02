"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, NAME, nullable=False) for name in names]


def numbers(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in names]


def flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.SmallInteger(), nullable=False)


def blobs(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.LargeBinary(), nullable=False) for name in names]


def key(*names: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*names)


def index(name: str, table: str, columns: list[str], *, where: str, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    resources()
    letters()
    shelf()
    op.create_table("audit", sa.Column("seq", KEY, primary_key=True, autoincrement=False), *blobs("event"), *texts("digest"))
    head = op.create_table(
        "audit_head", sa.Column("one", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seq", KEY, nullable=False), *texts("digest"),
    )
    op.execute(head.insert().values(one=1, seq=0, digest=""))


def resources() -> None:
    op.create_table(
        "current", *texts("type", "id"), *numbers("number"), *texts("updated", "clinic"), flag("deleted"),
        *blobs("served", "received", "indexed"), key("type", "id"),
    )
    op.create_index("current_updated", "current", ["type", "updated", "id"])
    op.create_table(
        "version", *texts("type", "id"), *numbers("number"), *texts("updated", "clinic"), flag("deleted"),
        *blobs("served", "received"), key("type", "id", "number"),
    )
    for table, one, two in (("search_value", "value", "system"), ("search_date", "low", "high")):
        columns = ("type", "param", one, two, "id")
        op.create_table(table, *texts(*columns), key(*columns), sqlite_with_rowid=False)


def letters() -> None:
    op.create_table(
        "link", *texts("ehr", "type", "id", "remote_id", "remote_version", "content_hash"), *blobs("base"), *numbers("sent"),
        key("ehr", "type", "id"), sa.UniqueConstraint("ehr", "type", "remote_id", name="link_remote"),
    )
    op.create_table(
        "outbox", sa.Column("key", KEY, primary_key=True), *texts("ehr", "lane", "type", "id"), *numbers("number"), *texts("state"),
        flag("open"), *texts("due"), *numbers("attempts"), *texts("reason", "holder", "lease_until"), *numbers("fence"),
        *texts("request_id"),
    )
    index("outbox_untaken", "outbox", ["ehr", "lane", "type", "id"], unique=True, where="state = 'queued' AND holder = ''")
    index("outbox_in_flight", "outbox", ["ehr", "lane"], unique=True, where="holder <> ''")
    index("outbox_lane", "outbox", ["ehr", "lane", "key"], where="open = 1")
    index("outbox_due", "outbox", ["due", "key"], where="open = 1")
    op.create_table(
        "conflict", sa.Column("key", KEY, primary_key=True), *texts("ehr", "type", "id", "reason"), *blobs("base", "ours", "theirs"),
        *texts("at", "state", "choice"),
    )
    index("conflict_open", "conflict", ["ehr", "type", "id"], unique=True, where="state = 'open'")


def shelf() -> None:
    op.create_table("lease", *texts("name", "holder", "until"), key("name"))
    op.create_table("kept", *texts("name"), *blobs("value"), key("name"))
    op.create_table("token", *texts("digest"), *blobs("principal"), *texts("expires"), key("digest"))
    op.create_table("remembered", *texts("key", "digest"), *blobs("answer"), *texts("at"), key("key"))
