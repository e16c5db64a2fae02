"""What went wrong and how to mend it, in words for the terminal."""

from __future__ import annotations

from adapter.errors import EhrError, Issue, MappingError, Refused, SettingsError, Unavailable
from adapter.logs import failure

MEND, FAULT = 2, 70


def said(error: BaseException) -> tuple[str, int]:
    """(text, exit code) of an error that ends a command. The text names files, settings and paths, never values."""
    if isinstance(error, SettingsError):
        return _told(str(error), error.fix), MEND
    if isinstance(error, Refused):
        lines = [f"  {line(issue)}" for issue in error.issues if issue.text != str(error)]
        return "\n".join([_told(str(error)), *lines]), MEND
    if isinstance(error, MappingError):
        return _told(str(error), "mend the mapping document or the record"), MEND
    if isinstance(error, EhrError):
        return _told(f"the EHR: {error}", "see whether it answers at the address of the network file; what waits is sent later"), MEND
    if isinstance(error, Unavailable):
        return _told(str(error), error.fix or "see whether the database of LIAISON_DATABASE_URL answers"), MEND
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return _told(f"{name}{error.strerror or type(error).__name__}", "name a file or folder that you may use"), MEND
    found = failure(error)
    place = f" at {found['where']}" if "where" in found else ""
    return _told(f"an error nobody foresaw: {found['error']}{place}", "please report it; no word of your records is in this line"), FAULT


def line(issue: Issue) -> str:
    """One issue on one line, the path first."""
    return ": ".join(part for part in (issue.expression, issue.text) if part)


def _told(text: str, fix: str = "") -> str:
    return f"error: {text}" + (f"\n  mend: {fix}" if fix else "")
