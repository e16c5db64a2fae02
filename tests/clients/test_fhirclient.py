"""fhirclient, Python's client for SMART on FHIR, creates, reads, updates, pages and sends a transaction (issue *Endpoints*, 1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.conftest import Served

pytestmark = pytest.mark.clients
WALK = Path(__file__).with_name("walk_fhirclient.py")


def test_fhirclient_creates_reads_updates_pages_and_sends_a_transaction(served: Served, programs: Path, system: str) -> None:
    said = served.walked([programs / "python", WALK], system)
    assert said["capability"] == {"version": "4.0.1"}
    read = said["create and read"]
    assert (read["id"], read["family"], read["version"]) == (read["read"], "Exemple", "1")
    assert said["update"] == {"version": "2", "active": True}
    pages = said["pages"]
    assert [len(page) for page in pages["pages"]] == [2, 2, 1]
    assert sorted(id for page in pages["pages"] for id in page) == sorted(pages["made"])
    together = said["transaction"]
    assert (together["type"], together["statuses"]) == ("transaction-response", ["201 Created"] * 2)
    assert together["places"][0].startswith("Patient/") and together["subject"] == together["places"][0]
