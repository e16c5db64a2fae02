"""Which letters go first, and how often what a decision is made of has changed."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LETTER = (
    "key", "ehr", "lane", "type", "id", "number", "state", "open", "due", "attempts", "reason", "holder", "lease_until", "fence", "request_id",
)  # fmt: skip


def texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, NAME, nullable=False) for name in names]


def numbers(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in names]


def counted(name: str) -> sa.Column[Any]:
    """With its default in the table: a Liaison of before that still runs writes rows without it."""
    return sa.Column(name, KEY, nullable=False, server_default=sa.text("0"))


def index(name: str, columns: list[str], *, where: str, unique: bool = False) -> None:
    op.create_index(name, "outbox", columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    """SQLite writes a table anew, so that it is to the letter what the code makes."""
    if op.get_bind().dialect.name == "sqlite":
        _anew()
    else:
        op.add_column("outbox", counted("rank"))
        op.add_column("audit_head", counted("saved"))
        op.drop_index("outbox_due", "outbox")
    index("outbox_next", ["ehr", "rank", "due", "key"], where="open = 1")


def _anew() -> None:
    op.execute("CREATE TEMPORARY TABLE outbox_before AS SELECT * FROM outbox")
    op.execute("CREATE TEMPORARY TABLE head_before AS SELECT one, seq, digest FROM audit_head")
    op.drop_table("outbox")
    op.drop_table("audit_head")
    op.create_table(
        "outbox", sa.Column("key", KEY, primary_key=True), *texts("ehr", "lane", "type", "id"), *numbers("number"), *texts("state"),
        sa.Column("open", sa.SmallInteger(), nullable=False), *texts("due"), *numbers("attempts"), *texts("reason", "holder", "lease_until"),
        *numbers("fence"), *texts("request_id"), counted("rank"),
    )
    op.create_table(
        "audit_head", sa.Column("one", sa.Integer(), primary_key=True, autoincrement=False), sa.Column("seq", KEY, nullable=False),
        *texts("digest"), counted("saved"),
    )
    op.execute(f"INSERT INTO outbox ({', '.join(LETTER)}) SELECT {', '.join(LETTER)} FROM outbox_before")
    op.execute("INSERT INTO audit_head (one, seq, digest) SELECT one, seq, digest FROM head_before")
    op.execute("DROP TABLE outbox_before")
    op.execute("DROP TABLE head_before")
    index("outbox_untaken", ["ehr", "lane", "type", "id"], unique=True, where="state = 'queued' AND holder = ''")
    index("outbox_in_flight", ["ehr", "lane"], unique=True, where="holder <> ''")
    index("outbox_lane", ["ehr", "lane", "key"], where="open = 1")
