"""What a driver's error means for the caller."""

from __future__ import annotations

import sqlite3

from adapter.errors import Conflict, LiaisonError, SettingsError, StoreFault, Unavailable

_AWAY = {"08", "53", "57", "58"}  # SQLSTATE classes: connection, resources, operator intervention, system
_TURN = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock not available
_TWICE = "23505"
_READONLY = "25006"  # a standby after a failover
_LOST = {"OperationalError", "InterfaceError", "PipelineAborted"}  # no SQLSTATE: the connection itself
_SQLITE_AWAY = {
    sqlite3.SQLITE_BUSY: "is held by another process",
    sqlite3.SQLITE_LOCKED: "is held by another process",
    sqlite3.SQLITE_FULL: "has no room left on its disk",
    sqlite3.SQLITE_IOERR: "cannot be read or written",
    sqlite3.SQLITE_READONLY: "cannot be written",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_CORRUPT: "is damaged",
}
_SQLITE_FILE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR}
FOLDER = "Let Liaison write in the folder of that file, or name one in another folder (LIAISON_DATABASE_URL)"
_SQLITE_TWICE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}


def again(problem: BaseException) -> bool:
    """Can the same unit succeed when it is simply run again (two writers met)?"""
    return getattr(problem, "sqlstate", None) in _TURN | {_TWICE}


def lost(problem: BaseException) -> bool:
    """Did the connection to the server end (restart, failover, network)?"""
    code = getattr(problem, "sqlstate", None) or ""
    return code[:3] == "57P" or code[:2] == "08" or (not code and type(problem).__name__ in _LOST)


def translated(problem: BaseException | None, *, place: str) -> LiaisonError:
    """Unavailable when the database is away or busy, Conflict when two wrote the same row, SettingsError for a file that is
    no database, else StoreFault with the driver's code. `place` names the database without its password."""
    if isinstance(problem, sqlite3.Error):
        return _sqlite(problem, place)
    code = getattr(problem, "sqlstate", None) or ""
    if code == _TWICE:
        return Conflict("The same was written by another request at the same moment")
    if code in _TURN:
        return Unavailable(f"The database {place} was busy with another writer for too long")
    if code[:2] in _AWAY or code == _READONLY or (not code and type(problem).__name__ in _LOST):
        return Unavailable(f"The database {place} cannot be reached or cannot write")
    if code[:2] in ("28", "3D"):
        return Unavailable(f"The database {place} refuses us: wrong name, user or password ({code})")
    return StoreFault(code or type(problem).__name__)


def _sqlite(problem: sqlite3.Error, place: str) -> LiaisonError:
    code = getattr(problem, "sqlite_errorcode", 0)
    if code in _SQLITE_TWICE:
        return Conflict("The same was written by another request at the same moment")
    if code & 0xFF == sqlite3.SQLITE_NOTADB:
        fix = "Name another file, or move this one away"
        return SettingsError(f"{place} is not an SQLite database", variable="LIAISON_DATABASE_URL", fix=fix)
    if reason := _SQLITE_AWAY.get(code & 0xFF):
        return Unavailable(f"The database {place} {reason}", fix=FOLDER if code & 0xFF in _SQLITE_FILE else "")
    return StoreFault(getattr(problem, "sqlite_errorname", type(problem).__name__))
