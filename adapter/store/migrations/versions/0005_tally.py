"""Counts by name within a window of time: how many requests a client sent this minute."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    numbers = [sa.Column(name, NUMBER, nullable=False) for name in ("period", "used")]
    op.create_table("tally", sa.Column("name", NAME, nullable=False), *numbers, sa.PrimaryKeyConstraint("name"))
