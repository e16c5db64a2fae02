"""A real PostgreSQL for the tests of the tier `postgres`: its own cluster, a Unix socket, nothing on the network."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

REQUIRED = os.environ.get("LIAISON_TEST_REQUIRE", "") == "all"


def programs() -> Path | None:
    """The newest folder that holds PostgreSQL's server programs, None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _missing() -> str:
    if programs() is None:
        return "no PostgreSQL server programs on this machine"
    if os.geteuid() == 0 and not shutil.which("runuser"):
        return "PostgreSQL refuses root, and there is no runuser"
    return ""


QUICK = "-c listen_addresses='' -c fsync=off"  # for tests; a bench brings its own


class Cluster:
    """One running PostgreSQL. Its collation is not the byte order, so that a query which forgets to ask for it shows."""

    def __init__(self, folder: Path, binaries: Path, options: str = QUICK) -> None:
        self._folder, self._binaries, self._names, self._options = folder, binaries, count(1), options
        self._user = "postgres"

    def _as_server(self, *command: str | Path) -> None:
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        done = subprocess.run([*prefix, *map(str, command)], cwd=self._folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr or done.stdout}")

    def start(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")
        tables = self._folder / "cluster"
        if not tables.exists():  # else it was stopped, and comes back with what it had
            self._as_server(self._binaries / "initdb", "-D", tables, "-U", self._user, "-A", "trust", "-E", "UTF8", "--no-sync",
                            "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=fr")
        options = f"-k {self._folder} -c max_connections=60 {self._options}"
        self._as_server(self._binaries / "pg_ctl", "-D", tables, "-w", "-o", options, "-l", self._folder / "log", "start")

    def stop(self) -> None:
        self._as_server(self._binaries / "pg_ctl", "-D", self._folder / "cluster", "-m", "immediate", "stop")

    def database(self, port: int = 5432) -> str:
        """The URL of a new, empty database. `port`: what the server's options say of it; it names the socket too."""
        name = f"liaison_{next(self._names)}"
        self._as_server(self._binaries / "createdb", "-h", self._folder, "-p", str(port), "-U", self._user, name)
        return f"postgresql://{self._user}@/{name}?host={self._folder}"

    @property
    def pid(self) -> int:
        """Of the server that all its other processes are below."""
        return int((self._folder / "cluster" / "postmaster.pid").read_text().split()[0])


@contextlib.contextmanager
def running(options: str = QUICK) -> Iterator[Cluster]:
    """A cluster in a folder of its own, stopped and removed at the end. `options`: of the server."""
    binaries = programs()
    assert binaries is not None, _missing()
    with tempfile.TemporaryDirectory(prefix="liaison-pg-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder), binaries, options)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """Each call gives the URL of a new, empty database. Skips where PostgreSQL is missing; fails when every tier is required."""
    why = _missing()
    if why:
        (pytest.fail if REQUIRED else pytest.skip)(why)
    with running() as cluster:
        yield cluster.database
