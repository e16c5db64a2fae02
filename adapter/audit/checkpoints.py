"""Signed checkpoints: lines of a file outside the database. One says how long the chain was and what its last digest was at
a time; a chain cut off or made anew since contradicts it. Hand copies to somebody else: who holds the machine holds the file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
from joserfc.jwk import OKPKey

from adapter.audit import keys
from adapter.audit.chain import Checkpoint
from adapter.clock import instant
from adapter.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Kept:
    """The checkpoints of a file, by count; `bad` is the number of the first line that is none, 0 for none such."""

    points: tuple[Checkpoint, ...] = ()
    bad: int = 0


def append(file: Path, point: Checkpoint, key: OKPKey, at: datetime) -> None:
    """Adds one signed line and waits until it is on disk. Raises SettingsError when it cannot be written."""
    line = keys.sign(orjson.dumps({"at": instant(at), "count": point.count, "head": point.head}), key)
    try:
        with file.open("a", encoding="ascii") as opened:
            opened.write(line + "\n")
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise SettingsError(f"cannot write {file}: {error.strerror}", fix="name a file outside the database's folder that you may write") from None


def read(file: Path, key: OKPKey) -> Kept:
    """The checkpoints of a file; a line that this key did not sign, or that goes back, is bad. Raises SettingsError when the
    file cannot be read."""
    points: list[Checkpoint] = []
    try:
        with file.open(encoding="ascii", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                point = _point(line.strip(), key)
                if point is None or (points and point.count < points[-1].count):
                    return Kept(tuple(points), number)
                points.append(point)
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}", fix="name the file that `liaison audit checkpoint` writes") from None
    return Kept(tuple(points))


def _point(line: str, key: OKPKey) -> Checkpoint | None:
    payload = keys.signed(line, key)
    try:
        found = orjson.loads(payload or b"")
        return Checkpoint(int(found["count"]), str(found["head"]))
    except (ValueError, KeyError, TypeError):
        return None
