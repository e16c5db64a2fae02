"""What a command says of a setting that cannot work, and how to mend it: the thing at fault, not its neighbour."""

from __future__ import annotations

import errno
import socket
import sqlite3
from pathlib import Path

import pytest

from adapter.cli import house, refusing
from adapter.errors import SettingsError, Unavailable
from adapter.store.faults import translated
from adapter.store.schema import upgrade

NO_FILES = Path("/proc")  # a folder in which nobody may make a file, not even root


@pytest.mark.skipif(not NO_FILES.is_dir(), reason="needs /proc")
def test_database_in_a_folder_that_takes_no_file_is_told_by_its_folder() -> None:
    with pytest.raises(Unavailable) as caught:
        upgrade(f"sqlite:///{NO_FILES}/x.db")
    text, code = refusing.said(caught.value)
    assert code == 2 and "cannot be made" in text and "mend: Let Liaison write in the folder" in text and "LIAISON_DATABASE_URL" in text


@pytest.mark.parametrize(("fault", "folder"), [(sqlite3.SQLITE_CANTOPEN, True), (sqlite3.SQLITE_READONLY, True), (sqlite3.SQLITE_BUSY, False)])
def test_database_that_is_away_is_mended_by_its_folder_only_when_that_is_at_fault(fault: int, folder: bool) -> None:
    problem = sqlite3.OperationalError("x")
    problem.sqlite_errorcode = fault
    text, _ = refusing.said(translated(problem, place="x.db"))
    assert ("folder" in text, "see whether the database" in text) == (folder, not folder)


@pytest.mark.parametrize("host", ["nope.invalid", "a..b", "192.0.2.1"])
def test_host_that_is_not_of_this_machine_is_told_by_the_host(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(self: socket.socket, address: tuple[str, int]) -> None:
        if host == "nope.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host == "192.0.2.1":
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        address[0].encode("idna")

    monkeypatch.setattr(socket.socket, "bind", bind)
    with pytest.raises(SettingsError, match="no host name or address of this machine") as caught:
        house.listening(host, 0)
    assert "host name" in caught.value.fix and "what listens there" not in caught.value.fix


def test_port_in_use_is_told_by_what_listens_there() -> None:
    with house.listening("127.0.0.1", 0) as first:
        first.listen()
        with pytest.raises(SettingsError) as caught:
            house.listening("127.0.0.1", first.getsockname()[1])
    assert "end what listens there" in caught.value.fix
