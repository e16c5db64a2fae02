"""The sandbox on PostgreSQL, and its options: what `sandbox_java.command` can ask of the server is done by it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.hapi_server import hapi, require_java
from tests.postgres import Cluster, programs

pytestmark = [pytest.mark.hapi, pytest.mark.postgres]
FHIR = {"Content-Type": "application/fhir+json"}
DANGLING = {
    "resourceType": "Task",
    "identifier": [{"system": "urn:test:task", "value": "1"}],
    "status": "requested",
    "intent": "order",
    "for": {"reference": "Patient/nobody-here"},
}


class ListeningCluster(Cluster):
    """Java's driver speaks TCP only, so this one listens on loopback."""

    def listen(self, port: int) -> str:
        """The JDBC URL of a new, empty database."""
        options = f"-k {self._folder} -c listen_addresses=127.0.0.1 -c port={port}"
        control = [self._binaries / "pg_ctl", "-D", self._folder / "cluster", "-w", "-l", self._folder / "log", "-o", options]
        self._as_server(*control, "-m", "fast", "restart")
        self._as_server(self._binaries / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", self._user, "sandbox")
        return f"jdbc:postgresql://127.0.0.1:{port}/sandbox"


@pytest.fixture
def jdbc_url(free_port: int) -> Iterator[str]:
    binaries = programs()
    if binaries is None:
        pytest.skip("no PostgreSQL server programs on this machine")
    with tempfile.TemporaryDirectory(prefix="liaison-pg-", ignore_cleanup_errors=True) as folder:
        cluster = ListeningCluster(Path(folder), binaries)
        cluster.start()
        try:
            yield cluster.listen(free_port)
        finally:
            cluster.stop()


def test_sandbox_stores_in_postgresql_and_follows_its_options_when_told(jdbc_url: str) -> None:
    require_java()
    with hapi(database=jdbc_url, database_pool=5, refint=False, reuse_cached_search=0) as url, requests.Session() as session:
        session.trust_env = False
        search = f"{url}/Task?identifier=urn:test:task|1"
        for expected in (1, 2):
            assert session.post(f"{url}/Task", json=DANGLING, headers=FHIR, timeout=60).status_code == 201
            assert session.get(search, timeout=60).json()["total"] == expected, "an old result was served again"
        assert count_in_database(jdbc_url) == 2


def count_in_database(jdbc_url: str) -> int:
    binaries = programs()
    assert binaries is not None
    query = [str(binaries / "psql"), jdbc_url.removeprefix("jdbc:"), "-U", "postgres", "-Atc", "select count(*) from hfj_resource"]
    return int(subprocess.run(query, capture_output=True, text=True, check=True).stdout)
