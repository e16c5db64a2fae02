"""HAPI's generic client for Java: conditional create, stale ETag, paging, transaction, in JSON and in XML (issue *Endpoints*, 1)."""

from __future__ import annotations

import pytest

from tests.clients.conftest import Served

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("encoding", ["JSON", "XML"])
def test_hapi_client_creates_once_meets_a_stale_tag_pages_and_sends_transactions(served: Served, hapi_client: list[str], system: str, encoding: str) -> None:
    said = served.walked(hapi_client, encoding, system)
    once = said["conditional create"]
    assert once["created"] == [True, False] and once["ids"] == once["found"] * 2

    stale = said["stale update"]
    assert stale["versions"] == ["1", "2"] and stale["active"] is True
    assert stale["refused"] == {"exception": "PreconditionFailedException", "status": 412, "code": "conflict"}

    pages = said["pages"]
    assert [len(page) for page in pages["pages"]] == [2, 2, 1]
    assert sorted(id for page in pages["pages"] for id in page) == sorted(pages["made"])

    together = said["transaction"]
    assert (together["type"], together["statuses"]) == ("transaction-response", ["201 Created"] * 2)
    assert together["subject"] == together["places"][0] and together["value"] == "72.50"
    failed = said["failed transaction"]
    assert failed["refused"]["exception"] == "UnprocessableEntityException" and failed["left"] == 1

    only = [f"application/fhir+{encoding.lower()}"]
    assert said["media"] == {"sent": only, "got": only}


def test_hapi_client_is_told_when_its_token_is_none(served: Served, hapi_client: list[str], system: str) -> None:
    with pytest.raises(AssertionError, match="AuthenticationException"):
        served.walked(hapi_client, "JSON", system, token="nobody's")
