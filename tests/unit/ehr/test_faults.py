"""The faults that FakeEhr scripts (sync.md 5.4), each seen on the wire. What was there first is in test_fake_server.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter.clock import FrozenClock
from adapter.ehr.fake import FakeEhr, Fault, TokenGuard, busy, merge_patients, move_identifier
from tests.unit.ehr.raw import Got, call
from tests.unit.ehr.shapes import patient, task

ALWAYS: Any = {"times": None}
EXTENSION = [{"url": "https://x.example/e", "valueString": "v"}]


def bundle(type: str, *resources: Any) -> Any:
    entries = [{"resource": each, "request": {"method": "POST", "url": each["resourceType"]}} for each in resources]
    return {"resourceType": "Bundle", "type": type, "entry": entries}


def ids(got: Got) -> list[str]:
    return [entry["resource"]["id"] for entry in got.body.get("entry", [])]


def next_of(got: Got) -> str:
    return next((link["url"] for link in got.body["link"] if link["relation"] == "next"), "")


# ── writing: versions and conditions ─────────────────────────────────────────────────────────────
def test_conditional_create_says_how_many_matched_Y_05(ehr: FakeEhr) -> None:
    ehr.inject(Fault("ignore-if-none-exist", times=2))
    codes = [call(ehr, "POST", "Task", task(), If_None_Exist="identifier=T1") for _ in range(3)]
    assert [got.status for got in codes] == [201, 201, 412]
    assert "matched 2 resources" in codes[2].body["issue"][0]["diagnostics"]


def test_stale_if_match_may_be_409_Y_06(ehr: FakeEhr) -> None:
    ehr.plant(task(id="t"))
    ehr.inject(Fault("conflict-409", **ALWAYS))
    assert call(ehr, "PUT", "Task/t", task(id="t"), If_Match='W/"9"').status == 409
    assert call(ehr, "PUT", "Task/t", task(id="t"), If_Match='W/"1"').status == 200


@pytest.mark.parametrize("status", [0, 400])
def test_server_may_demand_if_match_Y_09(ehr: FakeEhr, status: int) -> None:
    ehr.plant(task(id="t"))
    ehr.inject(Fault("demand-if-match", status=status, **ALWAYS))
    patch = [{"op": "replace", "path": "/status", "value": "accepted"}]
    tried = [("PUT", task(id="t")), ("PATCH", patch), ("DELETE", None)]
    assert [call(ehr, method, "Task/t", body).status for method, body in tried] == [status or 428] * 3
    assert call(ehr, "PUT", "Task/t", task(id="t"), If_Match='W/"1"').status == 200
    assert call(ehr, "PATCH", "Task/t", patch, If_Match='W/"2"').status == 200
    assert call(ehr, "PUT", "Task/new", task(id="new")).status == 201  # nothing to match yet


@pytest.mark.parametrize(("kind", "etag", "inside"), [("meta-only", None, True), ("strong-etag", '"1"', True)])
def test_etag_may_be_missing_or_strong_Y_10(ehr: FakeEhr, kind: Any, etag: str | None, inside: bool) -> None:
    ehr.inject(Fault(kind, **ALWAYS))
    got = call(ehr, "POST", "Task", task())
    assert (got.headers["ETag"], "versionId" in got.body["meta"]) == (etag, inside)
    assert call(ehr, "GET", f"Task/{got.body['id']}").headers["ETag"] == etag


def test_server_may_refuse_ids_of_clients_Y_41(ehr: FakeEhr) -> None:
    ehr.plant(task(id="old"))
    ehr.inject(Fault("refuse-client-ids", **ALWAYS))
    assert [call(ehr, "PUT", f"Task/{id}", task(id=id)).status for id in ("new", "old")] == [405, 200]


def test_server_may_not_keep_what_was_written_to_the_letter_Y_41(ehr: FakeEhr) -> None:
    ehr.plant(patient(id="p"))
    ehr.inject(*(Fault(kind, on="POST *", **ALWAYS) for kind in ("drop-extensions", "reorder-arrays", "normalise-dates", "rewrite-references")))  # type: ignore[arg-type]
    more = {"note": [{"text": "a"}, {"text": "b"}], "extension": EXTENSION, "authoredOn": "2026-03-02T18:50:00.250+01:00", "_status": {"extension": EXTENSION}}
    id = call(ehr, "POST", "Task", {**task(**more), "for": {"reference": "Patient/p"}}).body["id"]
    kept = ehr.get("Task", id) or {}
    assert [each["text"] for each in kept["note"]] == ["b", "a"]
    assert "extension" not in kept and "_status" not in kept
    assert kept["authoredOn"] == "2026-03-02T17:50:00Z"
    assert kept["for"] == {"reference": f"{ehr.base_url}/Patient/p"}
    assert call(ehr, "GET", "Task?patient=p").body["total"] == 1  # found all the same


# ── busy, logged out, late ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("said", "header"),
    [(7, "7"), (-3, "-3"), (31_536_000, "31536000"), (None, None), (datetime(2026, 3, 2, 18, tzinfo=UTC), "Mon, 02 Mar 2026 18:00:00 GMT"), ("soon", "soon")],
)  # fmt: skip
def test_busy_server_says_when_in_every_form_Y_11(ehr: FakeEhr, said: Any, header: str | None) -> None:
    ehr.inject(busy(503, retry_after=said, on="GET *"), busy(retry_after=said, on="POST *"))
    got = call(ehr, "GET", "Task"), call(ehr, "POST", "Task", task())
    assert [(one.status, one.headers["Retry-After"]) for one in got] == [(503, header), (429, header)]
    assert ehr.all("Task") == []


def test_rate_limit_counts_by_the_servers_clock_Y_40(ehr: FakeEhr, clock: FrozenClock) -> None:
    ehr.inject(Fault("rate-limit", amount=2, seconds=10, **ALWAYS))
    got = [call(ehr, "GET", "Task") for _ in range(3)]
    assert [one.status for one in got] == [200, 200, 429] and got[2].headers["Retry-After"] == "10"
    clock.tick(timedelta(seconds=10))
    assert [call(ehr, "GET", "Task").status for _ in range(3)] == [200, 200, 429]


def test_token_endpoint_may_be_down_and_tokens_may_end_Y_12(clock: FrozenClock) -> None:
    guard = TokenGuard("liaison", clock=clock, secret="s")
    form = b"grant_type=client_credentials&client_id=liaison&client_secret=s"
    with FakeEhr(clock=clock, guard=guard, faults=[Fault("answer", on="POST auth/token", status=503, times=2)]) as ehr:
        url = f"{ehr.origin}/auth/token"
        assert [call(ehr, "POST", url, form).status for _ in range(2)] == [503, 503]
        token = f"Bearer {call(ehr, 'POST', url, form).body['access_token']}"
        assert call(ehr, "GET", "Task", Authorization=token).status == 200
        guard.revoke()
        assert call(ehr, "GET", "Task", Authorization=token).status == 401


def test_clock_may_be_ahead_and_be_set_back_Y_12_Y_18(clock: FrozenClock) -> None:
    with FakeEhr(clock=clock, ahead=timedelta(seconds=90)) as ehr:
        first = call(ehr, "POST", "Task", task())
        assert first.body["meta"]["lastUpdated"] == "2026-03-02T17:51:30.000Z" and first.headers["Date"] == "Mon, 02 Mar 2026 17:51:30 GMT"
        ehr.ahead = timedelta(minutes=-5)
        second = call(ehr, "POST", "Task", task("T2"))
        assert second.body["meta"]["lastUpdated"] == "2026-03-02T17:45:00.000Z" and second.headers["Date"] == "Mon, 02 Mar 2026 17:45:00 GMT"


def test_a_transaction_may_commit_late_and_a_version_bear_an_earlier_time_Y_17_Y_19(ehr: FakeEhr) -> None:
    assert ehr.plant(task(id="late"), at=datetime(2026, 3, 2, 17, 49, tzinfo=UTC))[0]["meta"]["lastUpdated"] == "2026-03-02T17:49:00.000Z"
    ehr.plant(task(id="t"))
    ehr.inject(Fault("backdate", seconds=30))
    changed = call(ehr, "PUT", "Task/t", task(id="t", status="accepted"))
    assert changed.body["meta"] == {"versionId": "2", "lastUpdated": "2026-03-02T17:49:30.000Z"}
    assert ids(call(ehr, "GET", "Task?_lastUpdated=ge2026-03-02T17:50:00.000Z")) == []


def test_times_may_be_whole_seconds_Y_17(ehr: FakeEhr, clock: FrozenClock) -> None:
    ehr.inject(Fault("whole-seconds", **ALWAYS))
    times = []
    for name in ("T1", "T2"):
        clock.tick(timedelta(milliseconds=300))
        times.append(call(ehr, "POST", "Task", task(name)).body["meta"]["lastUpdated"])
    assert times == ["2026-03-02T17:50:00Z"] * 2


# ── searching ────────────────────────────────────────────────────────────────────────────────────
def test_last_updated_may_be_refused_and_is_then_not_declared_Y_20(ehr: FakeEhr) -> None:
    def declared() -> bool:
        resources = call(ehr, "GET", "metadata").body["rest"][0]["resource"]
        return all(any(each["name"] == "_lastUpdated" for each in one["searchParam"]) for one in resources)

    assert declared()
    ehr.inject(Fault("refuse-last-updated", **ALWAYS))
    assert not declared()
    assert [call(ehr, "GET", f"Task{query}").status for query in ("?_lastUpdated=gt2020", "?_lastUpdated:missing=true", "")] == [400, 400, 200]


def test_search_may_show_versions_that_are_gone_Y_21(ehr: FakeEhr) -> None:
    ehr.plant(task(id="t"), task("T2", id="u"))
    ehr.edit("Task", "t", {"status": "accepted"})
    ehr.inject(Fault("stale-search", on="GET Task"))
    shown = {entry["resource"]["id"]: entry["resource"] for entry in call(ehr, "GET", "Task").body["entry"]}
    assert (shown["t"]["status"], shown["t"]["meta"]["versionId"], shown["u"]["status"]) == ("requested", "1", "requested")
    assert call(ehr, "GET", "Task/t").body["status"] == "accepted"


def test_search_may_find_nothing_where_much_is_Y_43(ehr: FakeEhr) -> None:
    ehr.plant(*(task(f"T{number}") for number in range(3)))
    ehr.inject(Fault("empty-search", on="GET Task"))
    got = call(ehr, "GET", "Task")
    assert (got.status, got.body["total"], "entry" in got.body) == (200, 0, False)
    assert call(ehr, "GET", "Task").body["total"] == 3


def test_include_brings_what_matches_point_to_or_is_ignored_Y_20(ehr: FakeEhr) -> None:
    ehr.plant(patient(id="p"), *({**task(f"T{number}", id=f"t{number}"), "for": {"reference": "Patient/p"}} for number in range(2)))
    got = call(ehr, "GET", "Task?_include=Task:patient")
    assert [(entry["resource"]["id"], entry["search"]["mode"]) for entry in got.body["entry"]] == [("t0", "match"), ("t1", "match"), ("p", "include")]
    assert got.body["total"] == 2 and call(ehr, "GET", "Task?_include=Task:nothing").status == 400
    ehr.inject(Fault("ignore-include", on="GET Task"))
    assert ids(call(ehr, "GET", "Task?_include=Task:patient")) == ["t0", "t1"]


def test_search_may_be_answered_from_a_cache_as_by_hapi(ehr: FakeEhr) -> None:
    ehr.plant(task(id="t0"), task("T1", id="t1"))
    ehr.inject(Fault("cached-search", **ALWAYS))
    assert ids(call(ehr, "GET", "Task?_count=1")) == ["t0"]
    ehr.delete("Task", "t0")
    assert [ids(call(ehr, "GET", "Task?_count=1", **headers)) for headers in ({}, {"Cache_Control": "no-cache"}, {})] == [[], ["t1"], ["t1"]]
    ehr.plant(task("T2", id="t2"))
    assert next_of(call(ehr, "GET", "Task?_count=1", Cache_Control="no-cache")) != ""
    assert next_of(call(ehr, "GET", "Task?_count=1", Cache_Control="no-store")) == ""


@pytest.fixture
def five(ehr: FakeEhr) -> FakeEhr:
    ehr.plant(*(task(f"T{number}", id=f"t{number}") for number in range(5)))
    return ehr


def test_pages_that_are_no_snapshot_shift_Y_16(five: FakeEhr) -> None:
    five.inject(Fault("live-pages", **ALWAYS))
    first = call(five, "GET", "Task?_count=2")
    five.delete("Task", "t0")
    second = call(five, "GET", next_of(first))
    assert (ids(first), ids(second)) == (["t0", "t1"], ["t3", "t4"])  # t2 slipped through


@pytest.mark.parametrize(
    ("act", "then"),
    [
        (lambda ehr: ehr.delete("Task", "t2"), ["t3"]),
        (lambda ehr: ehr.plant(task("T9", id="t9")), ["t2", "t3"]),
        (lambda ehr: ehr.edit("Task", "t2", {"status": "accepted"}), ["t2", "t3"]),
    ],
)  # fmt: skip
def test_something_happens_between_two_pages_Y_16(five: FakeEhr, act: Any, then: list[str]) -> None:
    five.inject(Fault("meanwhile", on="GET ", act=act))
    first = call(five, "GET", "Task?_count=2")
    assert ids(call(five, "GET", next_of(first))) == then


def test_a_clinician_is_faster_than_an_update_Y_06(ehr: FakeEhr) -> None:
    ehr.plant(task(id="t"))
    ehr.inject(Fault("meanwhile", on="PUT Task/t", act=lambda ehr: ehr.edit("Task", "t", {"status": "accepted"})))
    assert call(ehr, "PUT", "Task/t", task(id="t"), If_Match='W/"1"').status == 412
    ehr.inject(Fault("meanwhile-after", on="PUT Task/t", act=lambda ehr: ehr.delete("Task", "t")))
    assert call(ehr, "PUT", "Task/t", task(id="t"), If_Match='W/"2"').status == 200
    assert ehr.get("Task", "t") is None


def test_chain_may_end_early_late_or_expired_Y_16(five: FakeEhr) -> None:
    five.inject(Fault("no-next", on="GET Task"))
    assert next_of(call(five, "GET", "Task?_count=2")) == ""
    five.inject(Fault("empty-last", on="GET Task"))
    last = call(five, "GET", "Task?_count=5")
    empty = call(five, "GET", next_of(last))
    assert (len(ids(last)), ids(empty), next_of(empty)) == (5, [], "")
    five.inject(Fault("answer", on="GET ", status=410))
    assert call(five, "GET", next_of(call(five, "GET", "Task?_count=2"))).status == 410


def test_next_link_may_lead_elsewhere_Y_16(five: FakeEhr) -> None:
    five.inject(Fault("foreign-next", on="GET Task", location="https://elsewhere.example/fhir?page=2"))
    assert next_of(call(five, "GET", "Task?_count=2")) == "https://elsewhere.example/fhir?page=2"


def test_deletion_may_leave_no_trace_Y_22(ehr: FakeEhr) -> None:
    ehr.plant(task(id="t"))
    ehr.delete("Task", "t")
    assert call(ehr, "GET", "Task/t").status == 410
    assert [entry["request"]["method"] for entry in call(ehr, "GET", "Task/t/_history").body["entry"]] == ["DELETE", "PUT"]  # a tombstone
    ehr.inject(Fault("no-tombstones", **ALWAYS))
    assert call(ehr, "GET", "Task/t").status == 404
    assert [entry["request"]["method"] for entry in call(ehr, "GET", "Task/t/_history").body["entry"]] == ["PUT"]


# ── patients, backups ────────────────────────────────────────────────────────────────────────────
def test_patients_are_merged_and_identifiers_move_Y_23(ehr: FakeEhr) -> None:
    ehr.plant(patient(id="p1"), patient(id="p2", identifier=[]))
    merge_patients(ehr, "p1", "p2")
    gone, stays = call(ehr, "GET", "Patient/p1").body, call(ehr, "GET", "Patient/p2").body
    assert gone["active"] is False and gone["link"] == [{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]
    assert stays["link"] == [{"other": {"reference": "Patient/p1"}, "type": "replaces"}]
    move_identifier(ehr, "42", source="p1", target="p2")
    assert ids(call(ehr, "GET", "Patient?identifier=42")) == ["p2"]
    with pytest.raises(KeyError):
        move_identifier(ehr, "42", source="p1", target="p2")


@pytest.mark.parametrize("kept", [False, True])
def test_ehr_comes_back_from_a_backup_Y_24(tmp_path: Path, clock: FrozenClock, kept: bool) -> None:
    with FakeEhr(clock=clock, folder=tmp_path if kept else None) as ehr:
        first = call(ehr, "POST", "Task", task()).body["id"]
        saved = ehr.snapshot()
        ehr.edit("Task", first, {"status": "accepted"})
        lost = call(ehr, "POST", "Task", task("T2")).body["id"]
        ehr.restore(saved)
        again = call(ehr, "GET", f"Task/{first}")
        assert (again.body["status"], again.headers["ETag"], call(ehr, "GET", f"Task/{lost}").status) == ("requested", 'W/"1"', 404)
        other = call(ehr, "POST", "Patient", patient()).body["id"]
        assert other == lost  # the same number, for something else
    if kept:
        with FakeEhr(clock=clock, folder=tmp_path) as ehr:
            assert [each["id"] for each in ehr.all("Task")] == [first] and [each["id"] for each in ehr.all("Patient")] == [other]


# ── Bundles ──────────────────────────────────────────────────────────────────────────────────────
def statuses(got: Got) -> list[str]:
    return [entry["response"]["status"] for entry in got.body["entry"]]


def test_one_entry_of_ten_fails_Y_28(ehr: FakeEhr) -> None:
    ten = [task(f"T{number}") for number in range(10)]
    ehr.inject(Fault("fail-entry", on="POST ", amount=3, times=2))
    assert statuses(call(ehr, "POST", "", bundle("batch", *ten))) == ["201"] * 3 + ["422"] + ["201"] * 6
    refused = call(ehr, "POST", "", bundle("transaction", *ten))
    assert refused.status == 422 and refused.body["issue"][0]["expression"] == ["Bundle.entry[3]"]
    assert len(ehr.all("Task")) == 9  # of the batch; nothing of the transaction


def test_answer_of_a_transaction_may_be_partial_Y_28(ehr: FakeEhr) -> None:
    three = [task("T1"), patient(), task("T3")]
    ehr.inject(Fault("partial-response", on="POST "), Fault("partial-response", on="POST ", amount=1, skip=1))
    assert [len(call(ehr, "POST", "", bundle("transaction", *three)).body["entry"]) for _ in range(2)] == [2, 1]
    assert len(ehr.all("Task")) == 4  # all was done


def test_answers_in_another_order_are_the_reverse_Y_28(ehr: FakeEhr) -> None:
    ehr.inject(Fault("reorder-response", on="POST "))
    got = call(ehr, "POST", "", bundle("transaction", task(), patient()))
    assert [entry["resource"]["resourceType"] for entry in got.body["entry"]] == ["Patient", "Task"]


def test_transaction_may_be_torn_Y_28(ehr: FakeEhr) -> None:
    ehr.inject(Fault("torn-transaction", on="POST ", amount=2))
    assert call(ehr, "POST", "", bundle("transaction", task("T1"), task("T2"), task("T3"))).status == 500
    assert [each["identifier"][0]["value"] for each in ehr.all("Task")] == ["T1", "T2"]
