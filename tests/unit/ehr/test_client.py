from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest

from adapter.clock import FrozenClock
from adapter.ehr import HttpEhrClient, tracing
from adapter.ehr.answers import SEVERAL
from adapter.ehr.auth import bearer
from adapter.ehr.fake import FakeEhr, Fault, HeaderGuard
from adapter.errors import EhrError, EhrRejected, EhrStale, EhrUnavailable, EhrUnknown
from tests.unit.ehr.conftest import NOW, Connect
from tests.unit.ehr.shapes import SID, Resource, patient, request, task
from tests.unit.net.scripted import Scripted, http

OWN = (f"{SID}/task", "T1")


# ── one resource ─────────────────────────────────────────────────────────────────────────────────
def test_client_reads_what_it_created(client: HttpEhrClient) -> None:
    made = client.create(task())
    read = client.read("Task", made.id)
    assert read == made
    assert made.version == "1"


def test_client_reads_none_when_absent_or_deleted(client: HttpEhrClient, ehr: FakeEhr) -> None:
    made = client.create(task())
    ehr.delete("Task", made.id)
    assert client.read("Task", made.id) is None
    assert client.read("Task", "never") is None


def test_client_takes_a_proxys_404_page_for_no_deletion(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.inject(Fault("answer", status=404, body=b"<html>", headers={"Content-Type": "text/html"}))
    with pytest.raises(EhrUnavailable):
        client.read("Task", "1")


def test_client_creates_once_when_its_identifier_is_there_already(client: HttpEhrClient, ehr: FakeEhr) -> None:
    first, second = (client.create(task(), if_none_exist=OWN) for _ in range(2))
    assert first == second
    assert len(ehr.all("Task")) == 1


@pytest.mark.parametrize("value", ["a b&c=d", "a,b", "a$b", "a\\b", "é+%"])
def test_client_creates_once_when_the_identifier_holds_marks_of_the_search_syntax(client: HttpEhrClient, ehr: FakeEhr, value: str) -> None:
    for _ in range(2):
        client.create(task(value), if_none_exist=(f"{SID}/task", value))
    assert [one["identifier"][0]["value"] for one in ehr.all("Task")] == [value]


def test_client_says_several_when_a_conditional_create_matched_more_than_one_Y_05(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.plant(task(), task())
    with pytest.raises(EhrRejected, match=SEVERAL) as caught:
        client.create(task(), if_none_exist=OWN)
    assert caught.value.status_code == 412


def test_client_does_not_adopt_when_the_matched_resource_lacks_the_identifier(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.inject(Fault("answer", status=200, body=task("T9", id="9")))
    with pytest.raises(EhrUnknown, match="identifier"):
        client.create(task(), if_none_exist=OWN)


def test_client_updates_with_if_match_always_Y_09(client: HttpEhrClient, ehr: FakeEhr) -> None:
    made = client.create(task())
    changed = client.update({**made.resource, "status": "accepted"}, if_match=made.version)
    assert (changed.version, changed.resource["status"]) == ("2", "accepted")
    assert ehr.requests[-1].headers["if-match"] == 'W/"1"'


def test_client_patches_with_if_match(client: HttpEhrClient) -> None:
    made = client.create(task())
    changed = client.patch("Task", made.id, [{"op": "replace", "path": "/status", "value": "accepted"}], if_match=made.version)
    assert (changed.version, changed.resource["status"]) == ("2", "accepted")
    with pytest.raises(EhrStale):
        client.patch("Task", made.id, [], if_match=made.version)


@pytest.mark.parametrize("status", [409, 412])
def test_client_is_stale_when_the_ehr_moved_on_Y_06(client: HttpEhrClient, ehr: FakeEhr, status: int) -> None:
    made = client.create(task())
    ehr.inject(Fault("answer", on="PUT *", status=status))
    with pytest.raises(EhrStale) as caught:
        client.update(made.resource, if_match=made.version)
    assert caught.value.status_code == status


def test_client_sends_no_credentials_or_body_when_the_id_would_leave_its_path(client: HttpEhrClient, ehr: FakeEhr) -> None:
    for id in ("../metadata", "..", "a/b", "a?b", "", "a\n"):
        with pytest.raises(EhrRejected):
            client.read("Task", id)
    assert ehr.requests == []


# ── versions, Y-10 ───────────────────────────────────────────────────────────────────────────────
def test_client_round_trips_versions_that_are_no_numbers_Y_10(clock: FrozenClock, connect: Connect) -> None:
    with FakeEhr(clock=clock, opaque_versions=True) as ehr:
        client = connect(ehr.base_url)
        made = client.create(task())
        assert not made.version.isdecimal()
        changed = client.update({**made.resource, "status": "accepted"}, if_match=made.version)
        assert changed.version != made.version
        with pytest.raises(EhrStale):
            client.update({**made.resource, "status": "rejected"}, if_match=made.version)


def test_client_takes_the_version_from_the_etag_when_meta_has_none_Y_10(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.inject(Fault("etag-only", times=None))
    made = client.create(task())
    assert "versionId" not in made.resource["meta"]
    assert client.update({**made.resource, "status": "accepted"}, if_match=made.version).version == "2"


def test_client_has_no_version_and_sends_no_if_match_when_the_ehr_gives_none_Y_10(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.inject(Fault("no-version", times=None))
    made = client.create(task())
    assert made.version == ""
    client.update({**made.resource, "status": "accepted"}, if_match=made.version)
    assert "if-match" not in ehr.requests[-1].headers


@pytest.mark.parametrize(
    ("etag", "version"),
    [('W/"7"', "7"), ('"7"', "7"), (' W/"a-b.c" ', "a-b.c"), ("7", ""), ('W/"7', ""), ('W/"a b"', ""), ('W/"é"', ""), ('W/""', "")],
)
def test_client_reads_weak_and_strong_etags_and_no_others_Y_10(connect: Connect, etag: str, version: str) -> None:
    with Scripted(lambda _: [http(200, b'{"resourceType":"Task","id":"1"}', f"ETag: {etag}")]) as server:
        read = connect(server.origin).read("Task", "1")
    assert read is not None and read.version == version


# ── what may have happened: Y-02, Y-03 ───────────────────────────────────────────────────────────
UNSURE = [
    Fault("cut-after"),
    Fault("cut-inside"),
    Fault("truncate"),
    Fault("answer-after", status=500),
    Fault("answer-after", status=502, body=b"<html>Bad gateway</html>"),
    Fault("answer-after", status=503),
    Fault("answer-after", status=504),
    Fault("answer-after", status=408),
    Fault("answer-after", status=200, body=b"<html>Sign in</html>"),
    Fault("answer-after", status=200, body=b"[1]"),
    Fault("answer-after", status=202, body=b""),
    Fault("answer-after", status=201, body=patient(id="1")),
    Fault("answer-after", status=200, body={"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}),
    Fault("answer-after", status=201, body=b""),
    Fault("answer-after", status=201, body=b"", headers={"Location": "http://evil.example/fhir/Task/1"}),
    Fault("answer-after", status=201, body=b"", headers={"Location": "Task/../Patient/1"}),
    Fault("answer-after", status=409),
]


@pytest.mark.parametrize("fault", UNSURE, ids=[f"{fault.kind}-{fault.status}-{number}" for number, fault in enumerate(UNSURE)])
def test_client_does_not_know_and_finds_it_by_identifier_when_a_create_is_answered_badly_Y_02_Y_03(clock: FrozenClock, connect: Connect, fault: Fault) -> None:
    fault.struck = 0
    with FakeEhr(clock=clock, faults=[fault]) as ehr:
        client = connect(ehr.base_url)
        with pytest.raises(EhrUnknown):
            client.create(task(), if_none_exist=OWN)
        found = [remote.id for page in client.search("Task", [("identifier", "|".join(OWN))]) for remote in page]
        assert client.create(task(), if_none_exist=OWN).id == found[0]
        assert len(ehr.all("Task")) == len(found) == 1


@pytest.mark.parametrize("kind", ["cut-after", "truncate"])
def test_client_does_not_know_when_the_answer_to_an_update_is_lost_Y_02(client: HttpEhrClient, ehr: FakeEhr, kind: Any) -> None:
    made = client.create(task())
    ehr.inject(Fault(kind, on="PUT *"))
    with pytest.raises(EhrUnknown):
        client.update({**made.resource, "status": "accepted"}, if_match=made.version)
    read = client.read("Task", made.id)
    assert read is not None and read.resource["status"] == "accepted"


def test_client_does_not_know_when_an_update_answers_with_another_id_Y_29(client: HttpEhrClient, ehr: FakeEhr) -> None:
    made = client.create(task())
    ehr.inject(Fault("answer-after", on="PUT *", status=200, body=task(id="77")))
    with pytest.raises(EhrUnknown, match="id"):
        client.update(made.resource, if_match=made.version)


def test_client_reads_back_when_the_ehr_answers_a_write_without_the_resource(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.inject(Fault("minimal", times=None))
    made = client.create(task(), if_none_exist=OWN)
    changed = client.update({**made.resource, "status": "accepted"}, if_match=made.version)
    assert (made.version, changed.version, changed.resource["status"]) == ("1", "2", "accepted")


def test_client_does_not_know_when_what_was_written_cannot_be_read_back(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.inject(Fault("minimal"), Fault("answer", on="GET *", status=503))
    with pytest.raises(EhrUnknown, match="read back"):
        client.create(task())


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, EhrRejected), (403, EhrRejected), (404, EhrRejected), (405, EhrRejected), (422, EhrRejected), (428, EhrRejected), (501, EhrRejected)],
)
def test_client_is_rejected_when_the_ehr_says_no_to_a_write(client: HttpEhrClient, ehr: FakeEhr, status: int, kind: type[EhrError]) -> None:
    ehr.inject(Fault("answer", status=status))
    with pytest.raises(kind) as caught:
        client.create(task())
    assert caught.value.status_code == status


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_client_is_unavailable_when_a_read_fails_over_there(client: HttpEhrClient, ehr: FakeEhr, status: int) -> None:
    ehr.inject(Fault("answer", status=status))
    with pytest.raises(EhrUnavailable):
        client.read("Task", "1")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("header", "seconds"), [("120", 120), ("Mon, 02 Mar 2026 17:55:00 GMT", 300), ("-5", 1), ("31536000", 3600)])
def test_client_is_told_when_to_come_back_Y_11(client: HttpEhrClient, ehr: FakeEhr, status: int, header: str, seconds: int) -> None:
    for act in (lambda: client.create(task()), lambda: client.read("Task", "1")):
        ehr.inject(Fault("answer", status=status, headers={"Retry-After": header}))
        with pytest.raises(EhrUnavailable) as caught:
            act()
        assert caught.value.retry_at is not None and (caught.value.retry_at - NOW).total_seconds() == seconds


def test_client_is_unavailable_without_a_time_when_429_names_none_Y_11(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.inject(Fault("answer", status=429))
    with pytest.raises(EhrUnavailable) as caught:
        client.create(task())
    assert caught.value.retry_at is None


# ── reading nonsense: Y-29 ───────────────────────────────────────────────────────────────────────
NONSENSE: list[bytes | Resource] = [
    b"<html>Sign in</html>",
    b'{"resourceType":"Task","id":"1","status"',
    b"",
    b"null",
    b"[]",
    b'{"resourceType":"Task","id":"1","x":"\xff"}',
    b"[" * 100_000,
    patient(id="1"),
    task(id="2"),
    task(),
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]},
    {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]},
]


@pytest.mark.parametrize("body", NONSENSE, ids=range(len(NONSENSE)))
def test_client_rejects_an_answer_that_is_not_the_resource_Y_29(client: HttpEhrClient, ehr: FakeEhr, body: Any) -> None:
    ehr.inject(Fault("answer", status=200, body=body))
    with pytest.raises(EhrRejected):
        client.read("Task", "1")


def test_client_rejects_an_answer_beyond_its_size_Y_29(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.inject(Fault("answer", status=200, body=task(id="1", note=[{"text": "x" * 2_000_000}])))
    with pytest.raises(EhrRejected, match="larger"):
        client.read("Task", "1")


# ── what is said ─────────────────────────────────────────────────────────────────────────────────
def test_client_tells_codes_and_paths_and_never_what_the_ehr_quotes(client: HttpEhrClient, ehr: FakeEhr, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    planted = "Quenneville"
    issues = [
        {"severity": "error", "code": "required", "expression": ["Task.status"], "diagnostics": f"HAPI-1821: {planted} born 1938"},
        {"severity": "error", "code": planted, "expression": [f"Patient.name.where(family='{planted}')"], "details": {"text": planted}},
        {"severity": "error", "code": "value", "location": ["Task.note[0].text"]},
        "nonsense",
    ]
    ehr.inject(Fault("answer", status=422, body={"resourceType": "OperationOutcome", "issue": issues}))
    with pytest.raises(EhrRejected) as caught:
        client.create(task(note=[{"text": planted}]))
    assert str(caught.value) == "create Task: 422 (required at Task.status; HAPI-1821; an issue; value at Task.note[0].text)"
    assert planted not in "".join(traceback.format_exception(caught.value)) + caplog.text


def test_client_carries_the_request_id_it_is_given_and_replaces_a_bad_one(client: HttpEhrClient, ehr: FakeEhr) -> None:
    with tracing("call-7"):
        client.read("Task", "1")
    with tracing("bad\r\nX-Evil: 1"):
        client.read("Task", "1")
    client.read("Task", "1")
    sent = [recorded.headers["x-request-id"] for recorded in ehr.requests]
    assert sent[0] == "call-7"
    assert all(len(one) == 36 for one in sent[1:]) and sent[1] != sent[2]


# ── credentials: A-21 ────────────────────────────────────────────────────────────────────────────
def test_client_shows_its_credentials_on_every_request(clock: FrozenClock, connect: Connect) -> None:
    with FakeEhr(clock=clock, guard=HeaderGuard("Authorization", "Bearer s3cret")) as ehr:
        client = connect(ehr.base_url, auth=bearer(lambda: "s3cret"))
        ehr.plant(*[task(f"T{number}") for number in range(5)])
        assert sum(len(page) for page in client.search("Task", [("_count", "2")])) == 5
        assert {recorded.headers["authorization"] for recorded in ehr.requests} == {"***"}


def test_client_is_rejected_after_one_more_try_when_its_credentials_are_refused(clock: FrozenClock, connect: Connect) -> None:
    tokens = iter(["old", "new", "newer", "newest"])
    with FakeEhr(clock=clock, guard=HeaderGuard("Authorization", "Bearer right")) as ehr:
        client = connect(ehr.base_url, auth=bearer(lambda: next(tokens)))
        with pytest.raises(EhrRejected) as caught:
            client.create(task())
        assert caught.value.status_code == 401
        assert len(ehr.requests) == 2
        assert ehr.all("Task") == []


def test_client_tries_once_only_when_it_has_nothing_else_to_show(client: HttpEhrClient, ehr: FakeEhr) -> None:
    ehr.inject(Fault("answer", status=401, times=None))
    with pytest.raises(EhrRejected):
        client.read("Task", "1")
    assert len(ehr.requests) == 1


# ── transactions ─────────────────────────────────────────────────────────────────────────────────
def entry(resource: Resource, full_url: str, **more: str) -> Resource:
    return {"fullUrl": full_url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"], **more}}


def test_client_sends_a_transaction_whose_entries_point_at_each_other(client: HttpEhrClient, ehr: FakeEhr) -> None:
    [person] = ehr.plant(patient())
    order = request(subject=f"Patient/{person['id']}")
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [entry(task(focus={"reference": "urn:uuid:2"}), "urn:uuid:1"), entry(order, "urn:uuid:2", ifNoneExist=f"identifier={SID}/request|R1")],
    }
    response = client.transaction(bundle)
    assert [part["response"]["status"] for part in response["entry"]] == ["201", "201"]
    assert ehr.all("Task")[0]["focus"]["reference"] == f"ServiceRequest/{ehr.all('ServiceRequest')[0]['id']}"


@pytest.mark.parametrize("body", [{"resourceType": "Bundle", "type": "transaction-response"}, {"resourceType": "Bundle", "type": "searchset"}, b"", b"{}"])
def test_client_does_not_know_when_a_transaction_is_answered_short_Y_28(client: HttpEhrClient, ehr: FakeEhr, body: Any) -> None:
    ehr.inject(Fault("answer-after", status=200, body=body))
    with pytest.raises(EhrUnknown):
        client.transaction({"resourceType": "Bundle", "type": "transaction", "entry": [entry(task(), "urn:uuid:1")]})
