"""Names that count once until their time: an assertion is good for one token."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table("once", sa.Column("name", NAME, nullable=False), sa.Column("until", NAME, nullable=False), sa.PrimaryKeyConstraint("name"))
