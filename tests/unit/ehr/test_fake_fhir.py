from __future__ import annotations

from typing import Any

import pytest

from adapter.ehr.fake import FakeEhr
from tests.unit.ehr.raw import call
from tests.unit.ehr.shapes import SID, Resource, patient, request, task


def entry(method: str, url: str, resource: Resource | None = None, full_url: str = "", **more: str) -> Resource:
    found: Resource = {"request": {"method": method, "url": url, **more}}
    return {**found, **({"resource": resource} if resource else {}), **({"fullUrl": full_url} if full_url else {})}


def bundle(type: str, *entries: Resource) -> Resource:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


# ── one resource ─────────────────────────────────────────────────────────────────────────────────
def test_fake_creates_with_id_version_and_location(ehr: FakeEhr) -> None:
    got = call(ehr, "POST", "Task", task(id="mine"))
    id = got.body["id"]
    assert got.status == 201 and id.isdecimal()  # the server's own, as at HAPI
    assert got.headers["Location"] == f"{ehr.base_url}/Task/{id}/_history/1"
    assert got.headers["ETag"] == 'W/"1"'
    assert got.headers["Last-Modified"] == "Mon, 02 Mar 2026 17:50:00 GMT"
    assert got.headers["Content-Type"] == "application/fhir+json"
    assert got.body["meta"] == {"versionId": "1", "lastUpdated": "2026-03-02T17:50:00.000Z"}
    assert call(ehr, "GET", f"Task/{id}").body == got.body


def test_fake_keeps_profile_and_tags_and_ignores_the_senders_version(ehr: FakeEhr) -> None:
    meta = {"profile": ["http://x"], "versionId": "9", "lastUpdated": "1999-01-01T00:00:00Z"}
    assert call(ehr, "POST", "Task", task(meta=meta)).body["meta"]["profile"] == ["http://x"]
    assert ehr.all("Task")[0]["meta"]["versionId"] == "1"


def test_fake_updates_and_keeps_every_version(ehr: FakeEhr) -> None:
    [one] = ehr.plant(task(id="t"))
    got = call(ehr, "PUT", "Task/t", {**one, "status": "accepted"}, If_Match='W/"1"')
    assert (got.status, got.headers["ETag"], got.body["status"]) == (200, 'W/"2"', "accepted")
    assert call(ehr, "GET", "Task/t/_history/1").body["status"] == "requested"
    history = call(ehr, "GET", "Task/t/_history").body
    assert (history["type"], history["total"]) == ("history", 2)
    assert [entry["resource"]["meta"]["versionId"] for entry in history["entry"]] == ["2", "1"]


@pytest.mark.parametrize("etag", ['W/"2"', '"2"', 'W/"x"', "2"])
def test_fake_refuses_an_update_with_another_version(ehr: FakeEhr, etag: str) -> None:
    ehr.plant(task(id="t"))
    assert call(ehr, "PUT", "Task/t", task(id="t"), If_Match=etag).status == 412
    assert call(ehr, "DELETE", "Task/t", If_Match=etag).status == 412
    assert call(ehr, "PATCH", "Task/t", [], If_Match=etag).status == 412


def test_fake_creates_by_update_where_the_id_is_no_number(ehr: FakeEhr) -> None:
    got = call(ehr, "PUT", "Task/ours", task(id="ours"))
    assert (got.status, got.body["id"]) == (201, "ours")
    assert call(ehr, "PUT", "Task/77", task(id="77")).status == 400
    assert call(ehr, "PUT", "Task/new", task(id="new"), If_Match='W/"1"').status == 412


def test_fake_deletes_then_says_gone_and_can_bring_back(ehr: FakeEhr) -> None:
    ehr.plant(task(id="t"))
    assert call(ehr, "DELETE", "Task/t").status == 204
    assert call(ehr, "DELETE", "Task/t").status == 204
    assert call(ehr, "GET", "Task/t").status == 410
    assert call(ehr, "GET", "Task/t/_history/2").status == 410
    assert "resource" not in call(ehr, "GET", "Task/t/_history").body["entry"][0]
    assert call(ehr, "PUT", "Task/t", task(id="t")).status == 201
    assert ehr.history("Task", "t")[1] is None


def test_fake_patches(ehr: FakeEhr) -> None:
    ehr.plant(task(id="t", note=[{"text": "a"}]))
    operations = [
        {"op": "test", "path": "/status", "value": "requested"},
        {"op": "replace", "path": "/status", "value": "accepted"},
        {"op": "add", "path": "/note/-", "value": {"text": "b"}},
        {"op": "add", "path": "/note/0", "value": {"text": "0"}},
        {"op": "add", "path": "/priority", "value": "urgent"},
        {"op": "remove", "path": "/identifier"},
    ]
    got = call(ehr, "PATCH", "Task/t", operations, If_Match='W/"1"')
    assert got.status == 200
    assert [note["text"] for note in got.body["note"]] == ["0", "a", "b"]
    assert (got.body["status"], got.body["priority"], "identifier" in got.body) == ("accepted", "urgent", False)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/status", "value": "accepted"},
        {"op": "replace", "path": "/nothing", "value": 1},
        {"op": "remove", "path": "/note/3"},
        {"op": "add", "path": "/note/9", "value": {}},
        {"op": "move", "from": "/a", "path": "/b"},
        {"path": "/a"},
        "x",
    ],
    ids=range(7),
)
def test_fake_refuses_a_patch_that_does_not_fit(ehr: FakeEhr, operation: Any) -> None:
    ehr.plant(task(id="t", note=[{"text": "a"}]))
    assert call(ehr, "PATCH", "Task/t", [operation]).status == 422
    assert ehr.get("Task", "t") == ehr.history("Task", "t")[0]


def test_fake_creates_conditionally_once_and_refuses_when_several_match(ehr: FakeEhr) -> None:
    criteria = f"identifier={SID}/task|T1"
    statuses = [call(ehr, "POST", "Task", task(), If_None_Exist=criteria).status for _ in range(2)]
    assert statuses == [201, 200]
    ehr.plant(task())
    got = call(ehr, "POST", "Task", task(), If_None_Exist=criteria)
    assert (got.status, got.codes) == (412, ["multiple-matches"])


def test_fake_answers_without_the_resource_when_asked_to(ehr: FakeEhr) -> None:
    got = call(ehr, "POST", "Task", task(), Prefer="return=minimal")
    assert (got.status, got.raw) == (201, b"") and "Location" in got.headers


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{nope", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        ([], 400),
        ({}, 400),
        (patient(), 400),
        (task(status="nonsense"), 400),
        (task(intent=None), 400),
        (task(note=[]), 400),
        (task(note=[{}]), 400),
        (task(note=[{"text": ""}]), 400),
        (task(code="fulfill"), 400),
        (task(code={"coding": {"code": "fulfill"}}), 400),
        (task(identifier={"value": "1"}), 400),
        (task(authoredOn="yesterday"), 400),
        ({"resourceType": "Task", "status": "requested"}, 422),
        (task(focus={"reference": "ServiceRequest/none"}), 400),
        (task(focus={"reference": "urn:uuid:1"}), 400),
    ],
    ids=range(18),
)
def test_fake_refuses_what_no_fhir_server_would_take(ehr: FakeEhr, body: Any, status: int) -> None:
    got = call(ehr, "POST", "Task", body)
    assert got.status == status and got.codes
    assert ehr.all("Task") == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "Task/none", 404),
        ("GET", "Task/none/_history", 404),
        ("GET", "Task/t/_history/9", 404),
        ("GET", "Nonsense/1", 404),
        ("GET", "", 404),
        ("GET", "?_page=x", 410),
        ("PUT", "Task", 405),
        ("POST", "Task/t", 405),
        ("GET", "Task?foo=1", 400),
        ("GET", "Task?status:exactly=x", 400),
        ("GET", "Task?_sort=status", 400),
        ("GET", "Task?_count=0", 400),
        ("GET", "Task?authored-on=soon", 400),
        ("GET", "Task?authored-on=zz2026", 400),
    ],
)
def test_fake_says_what_it_does_not_know(ehr: FakeEhr, method: str, path: str, status: int) -> None:
    ehr.plant(task(id="t"))
    got = call(ehr, method, path)
    assert got.status == status and got.codes


def test_fake_refuses_an_id_that_differs_from_the_address(ehr: FakeEhr) -> None:
    assert call(ehr, "PUT", "Task/a", task(id="b")).status == 400
    assert call(ehr, "PUT", "Task/a_b", task(id="a_b")).status == 400


def test_fake_accepts_dangling_references_when_told_to() -> None:
    with FakeEhr(check_references=False) as ehr:
        assert call(ehr, "POST", "Task", task(focus={"reference": "ServiceRequest/none"})).status == 201


def test_fake_accepts_references_by_identifier_contained_and_absolute(ehr: FakeEhr) -> None:
    [one] = ehr.plant(task())
    for reference in (
        {"identifier": {"value": "x"}},
        {"reference": "#a"},
        {"reference": f"{ehr.base_url}/Task/{one['id']}"},
        {"reference": "https://x/Task/9"},
    ):
        assert call(ehr, "POST", "Task", task(partOf=[reference])).status == 201
    assert call(ehr, "POST", "Task", task(partOf=[{"reference": f"{ehr.base_url}/Task/none"}])).status == 400


# ── transactions and batches ─────────────────────────────────────────────────────────────────────
def test_fake_carries_out_a_transaction_whole(ehr: FakeEhr) -> None:
    ehr.plant(task("old", id="old"), task("gone", id="gone"), patient(id="p"))
    order = request(subject="Patient?identifier=https://clinic.example/ipp|42", supportingInfo=[{"reference": "urn:uuid:2"}])
    got = call(
        ehr, "POST", "", bundle(
            "transaction",
            entry("GET", "Task/old"),
            entry("POST", "ServiceRequest", order, "urn:uuid:1", ifNoneExist=f"identifier={SID}/request|R1"),
            entry("POST", "Task", task(focus={"reference": "urn:uuid:1"}), "urn:uuid:2"),
            entry("PUT", "Task/old", task("old", id="old", status="accepted"), ifMatch='W/"1"'),
            entry("DELETE", "Task/gone"),
        ),
    )  # fmt: skip
    assert got.status == 200 and got.body["type"] == "transaction-response"
    assert [part["response"]["status"] for part in got.body["entry"]] == ["200", "201", "201", "200", "204"]
    assert got.body["entry"][0]["resource"]["status"] == "accepted"  # reads come last
    [made] = ehr.all("ServiceRequest")
    new = next(one for one in ehr.all("Task") if one["identifier"][0]["value"] == "T1")
    assert made["subject"]["reference"] == "Patient/p"
    assert made["supportingInfo"][0]["reference"] == f"Task/{new['id']}"
    assert new["focus"]["reference"] == f"ServiceRequest/{made['id']}"
    assert got.body["entry"][1]["response"]["location"] == f"{ehr.base_url}/ServiceRequest/{made['id']}/_history/1"


def test_fake_uses_what_is_there_when_a_transaction_creates_conditionally(ehr: FakeEhr) -> None:
    ehr.plant(patient(id="p"), request(id="r", subject="Patient/p"))
    order = entry("POST", "ServiceRequest", request(subject="Patient/p"), "urn:uuid:1", ifNoneExist=f"identifier={SID}/request|R1")
    got = call(ehr, "POST", "", bundle("transaction", order, entry("POST", "Task", task(focus={"reference": "urn:uuid:1"}))))
    assert [part["response"]["status"] for part in got.body["entry"]] == ["200", "201"]
    assert ehr.all("Task")[0]["focus"]["reference"] == "ServiceRequest/r"


@pytest.mark.parametrize(
    "bad",
    [
        entry("POST", "Task", task(status="nonsense")),
        entry("POST", "Task", task(focus={"reference": "urn:uuid:nowhere"})),
        entry("POST", "Task", task(focus={"reference": "Task?identifier=none"})),
        entry("PUT", "Task/old", task(id="old"), ifMatch='W/"9"'),
        entry("GET", "Task/none"),
        entry("PATCH", "Task/old"),
        {"resource": task()},
    ],
    ids=range(7),
)
def test_fake_carries_out_nothing_of_a_transaction_when_one_entry_fails(ehr: FakeEhr, bad: Resource) -> None:
    ehr.plant(task("old", id="old"))
    got = call(ehr, "POST", "", bundle("transaction", entry("POST", "Task", task()), entry("DELETE", "Task/old"), bad))
    assert got.status >= 400 and got.codes
    assert [one["id"] for one in ehr.all("Task")] == ["old"]
    assert len(ehr.history("Task", "old")) == 1


def test_fake_settles_each_entry_of_a_batch_alone_Y_28(ehr: FakeEhr) -> None:
    got = call(ehr, "POST", "", bundle("batch", entry("POST", "Task", task()), entry("GET", "Task/none"), entry("POST", "Task", task("T2"))))
    assert [part["response"]["status"] for part in got.body["entry"]] == ["201", "404", "201"]
    assert got.body["entry"][1]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert len(ehr.all("Task")) == 2


@pytest.mark.parametrize("body", [task(), bundle("collection"), [], "x"])
def test_fake_refuses_what_is_no_transaction(ehr: FakeEhr, body: Any) -> None:
    assert call(ehr, "POST", "", body).status == 400


def test_fake_declares_what_it_does(ehr: FakeEhr) -> None:
    statement = call(ehr, "GET", "metadata").body
    assert (statement["resourceType"], statement["fhirVersion"]) == ("CapabilityStatement", "4.0.1")
    for declared in statement["rest"][0]["resource"]:
        assert call(ehr, "GET", declared["type"]).status == 200
        for param in declared["searchParam"]:
            value = "2026" if param["type"] == "date" else "x"
            assert call(ehr, "GET", f"{declared['type']}?{param['name']}={value}").status == 200
