"""One FakeEhr a folder: two would each write what the other does not know."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from adapter.errors import SettingsError

NAME = "ehr.lock"


def hold(folder: Path) -> IO[str]:
    """The folder's lock, ours until it is closed or the process ends. Raises SettingsError while another has it."""
    file = (folder / NAME).open("a", encoding="ascii")
    try:
        import fcntl
    except ImportError:  # Windows: nothing is held there
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise SettingsError(f"{folder} is in use by another FakeEhr", variable="--data", fix="end that one, or name another folder") from None
    return file
