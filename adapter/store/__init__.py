"""Memory: units of work with group commit on SQLite or PostgreSQL. The only room that knows the database library."""

from adapter.store.codec import Codec, identity
from adapter.store.schema import SchemaState, check, upgrade
from adapter.store.sql import SqlStore, open_store

__all__ = ["Codec", "SchemaState", "SqlStore", "check", "identity", "open_store", "upgrade"]
