from __future__ import annotations

from itertools import islice
from typing import Any

import orjson
import pytest

from adapter.clock import FrozenClock
from adapter.ehr import HttpEhrClient
from adapter.ehr.auth import TokenAuth
from adapter.ehr.client import MOST_EMPTY, identifying
from adapter.ehr.fake import FakeEhr, Fault, TokenGuard
from adapter.errors import EhrRejected, EhrUnavailable
from tests.unit.ehr.conftest import Connect
from tests.unit.ehr.shapes import patient, task
from tests.unit.net.scripted import Scripted, http


def plant(ehr: FakeEhr, count: int) -> set[str]:
    return {one["id"] for one in ehr.plant(*[task(f"T{number}") for number in range(count)])}


def ids(client: HttpEhrClient, *params: tuple[str, str], count: int = 2) -> list[str]:
    return [remote.id for page in client.search("Task", [*params, ("_count", str(count))]) for remote in page]


def test_search_yields_every_page_when_there_are_several(client: HttpEhrClient, ehr: FakeEhr) -> None:
    planted = plant(ehr, 5)
    pages = list(client.search("Task", [("status", "requested"), ("_count", "2")]))
    assert [len(page) for page in pages] == [2, 2, 1]
    assert {remote.id for page in pages for remote in page} == planted


def test_search_asks_for_a_page_only_when_it_is_wanted(client: HttpEhrClient, ehr: FakeEhr) -> None:
    plant(ehr, 6)
    list(islice(client.search("Task", [("_count", "2")]), 1))
    assert len(ehr.requests) == 1


def test_search_asks_for_fresh_results_and_never_for_no_store(client: HttpEhrClient, ehr: FakeEhr) -> None:
    plant(ehr, 3)
    ids(client)
    assert [recorded.headers["cache-control"] for recorded in ehr.requests] == ["no-cache", "no-cache"]


def test_search_is_empty_when_nothing_matches(client: HttpEhrClient) -> None:
    assert list(client.search("Task", [("status", "failed")])) == []


@pytest.mark.parametrize(
    ("type", "params", "expected"),
    [
        ("Patient", [("family", "x")], True),
        ("Patient", [("identifier", "s|1")], True),
        ("RelatedPerson", [("name", "x")], True),
        ("Task", [("patient.identifier", "s|1")], True),
        ("Task", [("owner:identifier", "s|1")], True),
        ("Patient", [("_id", "1"), ("_count", "2")], False),
        ("Task", [("identifier", "s|1"), ("_lastUpdated", "ge2026")], False),
    ],
)
def test_identifying_tells_which_searches_speak_of_a_person(type: str, params: list[tuple[str, str]], expected: bool) -> None:
    assert identifying(type, params) is expected


def test_search_puts_no_name_into_a_url_when_it_looks_for_a_person(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.plant(*[patient() for _ in range(3)])
    found = list(client.search("Patient", [("family", "lefevre"), ("birthdate", "1938-02-03"), ("_count", "2")]))
    assert sum(map(len, found)) == 3
    assert ehr.requests[0].method == "POST" and "lefevre" in ehr.requests[0].body
    assert all("lefevre" not in recorded.path.lower() for recorded in ehr.requests)


# ── Y-16: pages that misbehave ───────────────────────────────────────────────────────────────────
def test_search_ends_when_the_next_link_leads_back_Y_16(client: HttpEhrClient, ehr: FakeEhr) -> None:
    planted = plant(ehr, 2)
    ehr.inject(Fault("repeat-next", times=None))
    assert set(ids(client)) == planted
    assert len(ehr.requests) <= 3


def test_search_gives_up_when_the_pages_never_end_Y_16(ehr: FakeEhr, connect: Connect) -> None:
    plant(ehr, 1)
    ehr.inject(Fault("endless-next", times=None))
    with pytest.raises(EhrRejected, match="do not end"):
        ids(connect(ehr.base_url, most_pages=30))
    assert len(ehr.requests) == 30


def test_search_gives_up_when_empty_pages_never_end_Y_16(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.inject(Fault("endless-next", times=None))
    with pytest.raises(EhrRejected, match="do not end"):
        ids(client)
    assert len(ehr.requests) == MOST_EMPTY


def test_search_goes_on_after_an_empty_page_Y_16(client: HttpEhrClient, ehr: FakeEhr) -> None:
    planted = plant(ehr, 3)
    ehr.inject(Fault("empty-page", on="GET ", times=1))
    found = ids(client, count=1)
    assert set(found) < planted and len(found) == 2  # the emptied page is lost, the chain is not


def test_search_stays_complete_when_a_resource_is_added_or_deleted_between_pages_Y_16(client: HttpEhrClient, ehr: FakeEhr) -> None:
    planted = sorted(plant(ehr, 6), key=int)
    pages = client.search("Task", [("_count", "2")])
    first = next(iter(pages))
    ehr.delete("Task", planted[3])
    ehr.plant(task("new"))
    rest = [remote.id for page in pages for remote in page]
    assert {remote.id for remote in first} | set(rest) == set(planted) - {planted[3]}


@pytest.mark.parametrize("status", [404, 410])
def test_search_must_begin_anew_when_a_page_has_expired_Y_16(client: HttpEhrClient, ehr: FakeEhr, status: int) -> None:
    plant(ehr, 3)
    ehr.inject(Fault("answer", on="GET ", status=status))
    with pytest.raises(EhrUnavailable, match="again"):
        ids(client)
    assert len(set(ids(client))) == 3


#
def test_search_gets_one_new_token_and_the_same_page_when_refused_midway_A_21(clock: FrozenClock, connect: Connect) -> None:
    guard = TokenGuard("liaison", clock=clock, secret="s")

    class FromGuard:
        def fetch(self) -> tuple[str, float]:
            form = {"grant_type": "client_credentials", "client_id": "liaison", "client_secret": "s"}
            body: Any = guard.token(form, {}, "").body
            return body["access_token"], 300.0

    with FakeEhr(clock=clock, guard=guard) as ehr:
        planted = plant(ehr, 6)
        pages = connect(ehr.base_url, auth=TokenAuth(FromGuard(), monotonic=clock.monotonic)).search("Task", [("_count", "2")])
        found = [remote.id for remote in next(iter(pages))]
        guard.revoke()
        found += [remote.id for page in pages for remote in page]
        assert sorted(found) == sorted(planted)
        assert guard.issued == 2
        assert ehr.requests[1].path == ehr.requests[2].path


HERE = "{origin}/fhir"
FOREIGN = [
    "http://127.0.0.1:1/fhir?page=2",
    "http://localhost:{port}/fhir?page=2",
    "https://127.0.0.1:{port}/fhir?page=2",
    "//evil.example/fhir?page=2",
    "http://127.0.0.1:{port}@evil.example/fhir?page=2",
    "http://evil.example\\@127.0.0.1:{port}/fhir",
    "{origin}/other-tenant/fhir?page=2",
    "{origin}/fhirother?page=2",
    "{origin}/fhir/../other?page=2",
    "{origin}/fhir/%2e%2e/other?page=2",
    "../other",
    "/admin",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://[::1",
    7,
    None,
]


@pytest.mark.parametrize("link", FOREIGN, ids=range(len(FOREIGN)))
def test_search_follows_no_link_to_another_address_A_23(connect: Connect, link: Any) -> None:
    def script(_: bytes) -> list[bytes]:
        port = server.origin.rpartition(":")[2]
        url = link.replace("{origin}", server.origin).replace("{port}", port) if isinstance(link, str) else link
        return [http(200, orjson.dumps({"resourceType": "Bundle", "link": [{"relation": "next", "url": url}]}))]

    with Scripted(script) as server, pytest.raises(EhrRejected):
        list(connect(f"{server.origin}/fhir").search("Task", []))
    assert len(server.requests) == 1


@pytest.mark.parametrize("link", ["{origin}/fhir?page=2", "{origin}/fhir/Task?page=2", "?page=2", "Task?page=2", "/fhir/Task?page=2"])
def test_search_follows_links_on_the_same_address(connect: Connect, link: str) -> None:
    def script(asked: bytes) -> list[bytes]:
        more = [] if b"page=2" in asked else [{"relation": "next", "url": link.replace("{origin}", server.origin)}]
        return [http(200, orjson.dumps({"resourceType": "Bundle", "link": more, "entry": [{"resource": task(id="1")}]}))]

    with Scripted(script) as server:
        pages = list(connect(f"{server.origin}/fhir").search("Task", []))
    assert len(pages) == 2


# ── entries ──────────────────────────────────────────────────────────────────────────────────────
def one_page(connect: Connect, bundle: Any) -> list[Any]:
    with Scripted(lambda _: [http(200, orjson.dumps(bundle))]) as server:
        return list(connect(server.origin).search("Task", []))


def test_search_keeps_what_was_included_and_leaves_out_outcomes(connect: Connect) -> None:
    outcome = {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}}
    included = {"resource": patient(id="7"), "search": {"mode": "include"}}
    [page] = one_page(connect, {"resourceType": "Bundle", "entry": [{"resource": task(id="1")}, included, outcome]})
    assert [remote.id for remote in page] == ["1", "7"]


@pytest.mark.parametrize(
    "entry",
    ["x", [1], [{"resource": patient(id="7")}], [{}], [{"resource": task()}], [{"resource": task(id="a/b")}], [{"resource": task(id=7)}]],
    ids=range(7),
)
def test_search_rejects_a_page_whose_entries_are_not_what_was_asked_for_Y_29(connect: Connect, entry: Any) -> None:
    with pytest.raises(EhrRejected):
        one_page(connect, {"resourceType": "Bundle", "entry": entry})


@pytest.mark.parametrize("bundle", [{"resourceType": "Task"}, {"resourceType": "OperationOutcome"}, [], "x"])
def test_search_rejects_what_is_no_bundle_Y_29(connect: Connect, bundle: Any) -> None:
    with pytest.raises(EhrRejected):
        one_page(connect, bundle)
