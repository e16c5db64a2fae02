"""What every verb begins with: settings, an opened App, a port to listen on, a document to read."""

from __future__ import annotations

import errno
import gc
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.errors import SettingsError

if TYPE_CHECKING:
    from adapter.app import App
    from adapter.network import Network
    from adapter.settings import Settings

LARGEST = 64 << 20  # bytes of a document given on the command line


def settings(**said: Any) -> Settings:
    """The settings of the environment; what the command line said (None: nothing) goes before. Raises SettingsError."""
    from adapter.settings import load_settings

    return load_settings(os.environ, said)


@contextmanager
def opened(settings: Settings) -> Iterator[App]:
    """An App, closed at the end. Raises SettingsError: key, database, schema."""
    from adapter.app import build

    app = build(settings)
    try:
        yield app
    finally:
        app.close()


def needs_views(network: Network, views: Iterable[str]) -> None:
    """Raises SettingsError naming each view that this network needs and the mappings folder lacks, and who needs it."""
    from adapter.showing import EHR_VIEW, OUTSIDE_VIEW, TEAM_VIEW

    there, lacking = set(views), dict[str, str]()
    for each in network.organisations:
        wanted = [network.view_of(each.key) or ""] + ([EHR_VIEW] if each.ehr else []) + ([OUTSIDE_VIEW] if each.category == TEAM_VIEW else [])
        lacking |= {view: each.key for view in wanted if each.active and view not in there and view not in lacking}
    if lacking:
        said = ", ".join(f"no view {view} (of {key})" for view, key in lacking.items())
        fix = "put the view files beside the others in views/ of the mappings folder (LIAISON_MAPPINGS_DIR), or change the network file"
        raise SettingsError(f"the network names whom nothing can be shown to: {said}", variable="LIAISON_MAPPINGS_DIR", fix=fix)


def settled() -> None:
    """For a process that stays: what it was built of is never garbage, and the rest is looked through less often than after
    every 700 objects, which is many times a request and takes a tenth of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def listening(host: str, port: int, *, variable: str = "--port") -> socket.socket:
    """A socket bound to that port (0: any free one), ready to be listened on. Raises SettingsError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError, UnicodeError) as error:
        bound.close()
        if isinstance(error, socket.gaierror | UnicodeError) or getattr(error, "errno", 0) == errno.EADDRNOTAVAIL:
            why = "no host name or address of this machine"
            fix = "name an address of this machine, or a host name that stands for one: 127.0.0.1 (this machine alone), 0.0.0.0 (all of its addresses)"
        else:
            why = getattr(error, "strerror", None) or "not a port of this machine"
            fix = "end what listens there, or name another address or port (port 0: any free one)"
        raise SettingsError(f"{host}:{port} cannot be listened on ({why})", variable=variable, fix=fix) from None
    bound.set_inheritable(True)
    return bound


def document(file: Path) -> bytes:
    """The bytes of a file, or of standard input for "-". Raises SettingsError when it cannot be read or is too large."""
    try:
        if str(file) == "-":
            found = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with file.open("rb") as opened_file:
                found = opened_file.read(LARGEST + 1)
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}", fix="name a file that you may read, or - for standard input") from None
    if len(found) > LARGEST:
        raise SettingsError(f"{file} is larger than {LARGEST >> 20} MB", fix="cut it into smaller ones")
    return found


def record(file: Path) -> dict[str, Any]:
    """The JSON object in a file or on standard input. Raises SettingsError naming the file."""
    from adapter import fhir
    from adapter.errors import Malformed

    try:
        return fhir.load(document(file))
    except Malformed as error:
        raise SettingsError(f"{file}: {error}", fix="a record is one JSON object; mappings/README.md shows one") from None


def empty_folder(folder: Path, *, variable: str) -> Path:
    """`folder` as an absolute path, made if need be. Raises SettingsError unless it is empty and may be written in."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        full = any(folder.iterdir())
        probe = folder / ".writable"
        if not full:
            probe.touch()
            probe.unlink()
    except OSError as error:
        fix = "name a folder that you may write in"
        raise SettingsError(f"cannot write in {folder} ({error.strerror})", variable=variable, fix=fix) from None
    if full:
        raise SettingsError(f"{folder} is not empty", variable=variable, fix="name a new folder: nothing is written over")
    return folder.resolve()


def private(file: Path, text: str) -> Path:
    """A new file that its owner alone may read. Raises FileExistsError when it is there already."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened_file:
        opened_file.write(text + ("" if text.endswith("\n") else "\n"))
    return file


def replaced(file: Path, written: bytes) -> None:
    """Puts new content in the place of a file in one step: who reads it has the old one or the new one. Its mode stays."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    beside = file.with_name(f".{file.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened_file:
        opened_file.write(written)
        opened_file.flush()
        os.fsync(opened_file.fileno())
    beside.replace(file)
