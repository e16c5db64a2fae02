"""The audit chain covers salted digests, so that content can be erased; rows are filed by patient; the register."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def text(name: str) -> sa.Column[Any]:
    return sa.Column(name, NAME, nullable=False)


def blob(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def upgrade() -> None:
    """Rows of before keep their links as they are: no salt, and "?" for a patient that only the key could tell."""
    if op.get_bind().dialect.name == "sqlite":  # which adds a column only with its default written into the table
        op.execute("CREATE TEMPORARY TABLE audit_before AS SELECT seq, event, digest FROM audit")
        op.drop_table("audit")
        op.create_table(
            "audit", sa.Column("seq", KEY, primary_key=True, autoincrement=False), blob("event"), text("digest"), blob("salt"),
            text("sealed"), text("person"), sa.Column("erased", KEY, nullable=False),
        )
        op.execute("INSERT INTO audit SELECT seq, event, digest, x'', '', '?', 0 FROM audit_before")
        op.execute("DROP TABLE audit_before")
    else:
        for name, column, default in (
            ("salt", sa.LargeBinary(), "''"), ("sealed", NAME, "''"), ("person", NAME, "'?'"), ("erased", KEY, "0"),
        ):  # fmt: skip
            op.add_column("audit", sa.Column(name, column, nullable=False, server_default=sa.text(default)))
            op.alter_column("audit", name, server_default=None)
    op.create_index("audit_person", "audit", ["person", "seq"])
    op.create_table("register", sa.Column("seq", KEY, primary_key=True, autoincrement=False), text("person"), text("at"), blob("line"))
    op.create_index("register_person", "register", ["person", "seq"])
