"""The tables. Times are text in UTC with microseconds (`moments`), flags are 0 and 1, content is bytes that
went through the storage codec. `migrations/` builds the same; a test compares them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

SCHEMA = "0006"  # the newest revision in migrations/

metadata = MetaData()
# Keys are compared byte by byte on both engines, whatever the cluster's language: paging depends on it.
Name = Text().with_variant(Text(collation="C"), "postgresql")
Key = BigInteger().with_variant(Integer, "sqlite")


def _text(*names: str) -> list[Column[str]]:
    return [Column(name, Name, nullable=False) for name in names]


def _number(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _counted(name: str) -> Column[int]:
    """With its default in the table: a Liaison of before 0006 that still runs writes rows without it."""
    return Column(name, Key, nullable=False, server_default=text("0"))


def _bytes(*names: str) -> list[Column[bytes]]:
    return [Column(name, LargeBinary, nullable=False) for name in names]


# `indexed` lists the search rows of this version, so that an update touches only the rows that changed.
current = Table(
    "current", metadata, *_text("type", "id"), _number("number"), *_text("updated", "clinic"),
    Column("deleted", SmallInteger, nullable=False), *_bytes("served", "received", "indexed"),
    PrimaryKeyConstraint("type", "id"),
    Index("current_updated", "type", "updated", "id"),
)

# Versions that a newer one replaced.
version = Table(
    "version", metadata, *_text("type", "id"), _number("number"), *_text("updated", "clinic"),
    Column("deleted", SmallInteger, nullable=False), *_bytes("served", "received"),
    PrimaryKeyConstraint("type", "id", "number"),
)

# The primary key is the lookup, and on SQLite the table itself. With `id` right behind the value a search can go through one
# value in the order of ids and ask of each id whether it has another value too.
search_value = Table(
    "search_value", metadata, *_text("type", "param", "value", "id", "system"),
    PrimaryKeyConstraint("type", "param", "value", "id", "system"), sqlite_with_rowid=False,
)
search_date = Table(
    "search_date", metadata, *_text("type", "param", "low", "high", "id"),
    PrimaryKeyConstraint("type", "param", "low", "high", "id"),
    Index("search_date_of", "type", "param", "id"), sqlite_with_rowid=False,
)
# The values of the parameters in RECENT once more, in the order of change: what is asked for newest first. An update writes
# these anew, so they are few.
RECENT = frozenset({"_author", "owner", "performer", "requester", "status"})
search_recent = Table(
    "search_recent", metadata, *_text("type", "param", "value", "updated", "id"),
    PrimaryKeyConstraint("type", "param", "value", "updated", "id"), sqlite_with_rowid=False,
)

link = Table(
    "link", metadata, *_text("ehr", "type", "id", "remote_id", "remote_version", "content_hash"), *_bytes("base"), _number("sent"),
    PrimaryKeyConstraint("ehr", "type", "id"),
    UniqueConstraint("ehr", "type", "remote_id", name="link_remote"),
)

# `open`: not yet done nor dropped. `holder` is empty when nobody has taken the letter. `rank`: the lowest goes first.
outbox = Table(
    "outbox", metadata, Column("key", Key, primary_key=True), *_text("ehr", "lane", "type", "id"), _number("number"), *_text("state"),
    Column("open", SmallInteger, nullable=False), *_text("due"), _number("attempts"), *_text("reason", "holder", "lease_until"),
    _number("fence"), *_text("request_id"), _counted("rank"),
)
UNTAKEN = text("state = 'queued' AND holder = ''")
Index(
    "outbox_untaken", outbox.c.ehr, outbox.c.lane, outbox.c.type, outbox.c.id, unique=True,
    sqlite_where=UNTAKEN, postgresql_where=UNTAKEN,
)
_TAKEN = text("holder <> ''")
Index("outbox_in_flight", outbox.c.ehr, outbox.c.lane, unique=True, sqlite_where=_TAKEN, postgresql_where=_TAKEN)
_OPEN = text("open = 1")
Index("outbox_lane", outbox.c.ehr, outbox.c.lane, outbox.c.key, sqlite_where=_OPEN, postgresql_where=_OPEN)
Index("outbox_next", outbox.c.ehr, outbox.c.rank, outbox.c.due, outbox.c.key, sqlite_where=_OPEN, postgresql_where=_OPEN)

lease = Table("lease", metadata, *_text("name", "holder", "until"), PrimaryKeyConstraint("name"))
kept = Table("kept", metadata, *_text("name"), *_bytes("value"), PrimaryKeyConstraint("name"))
token = Table("token", metadata, *_text("digest"), *_bytes("principal"), *_text("expires"), PrimaryKeyConstraint("digest"))
# How much of something was used within one period: requests of a client this minute.
tally = Table("tally", metadata, *_text("name"), *(Column(name, Key, nullable=False) for name in ("period", "used")), PrimaryKeyConstraint("name"))
# Names that count once, until their time: the `jti` of an assertion.
once = Table("once", metadata, *_text("name", "until"), PrimaryKeyConstraint("name"))
remembered = Table("remembered", metadata, *_text("key", "digest"), *_bytes("answer"), *_text("at"), PrimaryKeyConstraint("key"))

conflict = Table(
    "conflict", metadata, Column("key", Key, primary_key=True), *_text("ehr", "type", "id", "reason"), *_bytes("base", "ours", "theirs"),
    *_text("at", "state", "choice"),
)
UNSETTLED = text("state = 'open'")
Index("conflict_open", conflict.c.ehr, conflict.c.type, conflict.c.id, unique=True, sqlite_where=UNSETTLED, postgresql_where=UNSETTLED)

# `sealed` is the salted digest of the event, which the chain covers: event and salt may be destroyed ("erased" names the
# act that did it) and the chain still holds. `person`: keyed digest of the patient it is about; "?" in rows older than that.
audit = Table(
    "audit", metadata, Column("seq", Key, primary_key=True, autoincrement=False), *_bytes("event"), *_text("digest"),
    *_bytes("salt"), *_text("sealed", "person"), Column("erased", Key, nullable=False),
    Index("audit_person", "person", "seq"),
)
# What stays of the disclosures of an erased person: each line under the data protection officer's key (workflow.md 8).
register = Table(
    "register", metadata, Column("seq", Key, primary_key=True, autoincrement=False), *_text("person", "at"), *_bytes("line"),
    Index("register_person", "person", "seq"),
)
# One row, `one` = 1: the last link of the chain, and how many commits `saved` a resource. Locked by whoever adds to it.
audit_head = Table(
    "audit_head", metadata, Column("one", Integer, primary_key=True, autoincrement=False),
    Column("seq", Key, nullable=False), *_text("digest"), _counted("saved"),
)
