"""Search rows by value and id; the dates of one resource; what is asked for newest first."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BY_ID = ("type", "param", "value", "id", "system")
BY_CHANGE = ("type", "param", "value", "updated", "id")
NEWEST_FIRST = "'_author', 'owner', 'performer', 'requester', 'status'"


def keyed(name: str, columns: tuple[str, ...]) -> None:
    """A table whose columns are its key."""
    made = [sa.Column(column, NAME, nullable=False) for column in columns]
    op.create_table(name, *made, sa.PrimaryKeyConstraint(*columns), sqlite_with_rowid=False)


def upgrade() -> None:
    op.execute("CREATE TEMPORARY TABLE search_value_before AS SELECT * FROM search_value")
    op.drop_table("search_value")
    keyed("search_value", BY_ID)
    named = "type, param, value, id, system"
    op.execute(f"INSERT INTO search_value ({named}) SELECT {named} FROM search_value_before ORDER BY 1, 2, 3, 4, 5")
    op.execute("DROP TABLE search_value_before")
    op.create_index("search_date_of", "search_date", ["type", "param", "id"])
    keyed("search_recent", BY_CHANGE)
    op.execute(
        "INSERT INTO search_recent SELECT DISTINCT s.type, s.param, s.value, c.updated, s.id FROM search_value s"
        f" JOIN current c ON c.type = s.type AND c.id = s.id WHERE s.param IN ({NEWEST_FIRST})"
    )
