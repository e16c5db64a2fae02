from __future__ import annotations

import contextlib
import http.client
import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter.clock import FrozenClock
from adapter.ehr.fake import FakeEhr, Fault, HeaderGuard, TokenGuard, serve
from adapter.errors import SettingsError
from tests.unit.ehr.raw import call
from tests.unit.ehr.shapes import task


# ── what survives ────────────────────────────────────────────────────────────────────────────────
def test_fake_remembers_all_versions_and_deletions_in_its_folder(tmp_path: Path, clock: FrozenClock) -> None:
    with FakeEhr(folder=tmp_path, clock=clock) as ehr:
        call(ehr, "POST", "Task", task())
        call(ehr, "PUT", "Task/1", task(id="1", status="accepted", note=[{"text": "Élodie ☂"}]))
        call(ehr, "POST", "Task", task("T2"))
        call(ehr, "DELETE", "Task/2")
        before = [ehr.history("Task", id) for id in ("1", "2")]
    with FakeEhr(folder=tmp_path, clock=clock) as ehr:
        assert [ehr.history("Task", id) for id in ("1", "2")] == before
        assert call(ehr, "GET", "Task/2").status == 410
        assert call(ehr, "POST", "Task", task("T3")).body["id"] == "3"
        assert call(ehr, "PUT", "Task/1", task(id="1"), If_Match='W/"2"').status == 200


def test_fake_writes_one_line_a_version_and_none_for_what_was_rolled_back(tmp_path: Path) -> None:
    bad = {"resource": task(status="nonsense"), "request": {"method": "POST", "url": "Task"}}
    good = {"resource": task(), "request": {"method": "POST", "url": "Task"}}
    with FakeEhr(folder=tmp_path) as ehr:
        assert call(ehr, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [good, bad]}).status == 400
        call(ehr, "POST", "Task", task("T2"))
    lines = [json.loads(line) for line in (tmp_path / "ehr-versions.ndjson").read_text().splitlines()]
    assert [(line["type"], line["version"], line["resource"]["identifier"][0]["value"]) for line in lines] == [("Task", 1, "T2")]


def test_fake_forgets_a_half_written_line(tmp_path: Path) -> None:
    with FakeEhr(folder=tmp_path) as ehr:
        ehr.plant(task("T1"))
    file = tmp_path / "ehr-versions.ndjson"
    file.write_bytes(file.read_bytes() + b'{"type": "Task", "id": "2", "ver')
    with FakeEhr(folder=tmp_path) as ehr:
        ehr.plant(task("T2"))
    with FakeEhr(folder=tmp_path) as ehr:
        assert [one["identifier"][0]["value"] for one in ehr.all("Task")] == ["T1", "T2"]


def test_fake_records_every_request_and_no_secret(tmp_path: Path, clock: FrozenClock) -> None:
    with FakeEhr(folder=tmp_path, clock=clock, guard=HeaderGuard("X-Api-Key", "s3cret"), faults=[Fault("cut-before", on="GET Task/2")]) as ehr:
        call(ehr, "POST", "Task?a=b", task(), X_Api_Key="s3cret", Authorization="Bearer other", X_Request_Id="r1")
        with pytest.raises(http.client.RemoteDisconnected):
            call(ehr, "GET", "Task/2")
        call(ehr, "POST", f"{ehr.origin}/auth/token", b"client_secret=hush")
    text = (tmp_path / "ehr-requests.ndjson").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["method"], line["path"]) for line in lines] == [("POST", "/fhir/Task?a=b"), ("GET", "/fhir/Task/2"), ("POST", "/auth/token")]
    assert json.loads(lines[0]["body"]) == task()
    assert lines[0]["headers"]["x-request-id"] == "r1" and lines[0]["at"] == "2026-03-02T17:50:00.000Z"
    assert not any(secret in text for secret in ("s3cret", "Bearer", "hush"))


def test_fake_holds_its_folder_alone_until_it_stops(tmp_path: Path) -> None:
    with FakeEhr(folder=tmp_path) as ehr:
        with pytest.raises(SettingsError, match="in use by another FakeEhr") as caught:
            FakeEhr(folder=tmp_path)
        assert caught.value.variable == "--data"
        taken = ehr._server.server_port
        with pytest.raises(SettingsError, match="port"):
            FakeEhr(folder=tmp_path / "other", port=taken)
    FakeEhr(folder=tmp_path).start().stop()
    FakeEhr(folder=tmp_path / "other").start().stop()


def test_fake_names_the_port_or_folder_that_cannot_be_used(tmp_path: Path) -> None:
    with FakeEhr() as ehr, pytest.raises(SettingsError, match="port"):
        FakeEhr(port=int(ehr.origin.rpartition(":")[2]))
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot write"):
        FakeEhr(folder=tmp_path / "file" / "below")


def test_fake_ends_when_it_was_never_started() -> None:
    FakeEhr().stop()


def test_serve_runs_until_it_is_told_to_end(tmp_path: Path) -> None:
    until, heard = threading.Event(), []

    def ready(ehr: FakeEhr) -> None:
        heard.append(call(ehr, "GET", "metadata").status)
        until.set()

    serve(tmp_path, 0, ready=ready, until=until)
    assert heard == [200]


# ── a clinician at work ──────────────────────────────────────────────────────────────────────────
def test_fake_lets_a_clinician_edit_delete_and_look(ehr: FakeEhr) -> None:
    [planted] = ehr.plant(task(priority="urgent"))
    ehr.edit("Task", planted["id"], {"status": "accepted", "priority": None})
    ehr.edit("Task", planted["id"], lambda resource: resource.setdefault("note", []).append({"text": "seen"}))
    now = ehr.get("Task", planted["id"])
    assert now is not None
    assert (now["status"], now["note"], "priority" in now, now["meta"]["versionId"]) == ("accepted", [{"text": "seen"}], False, "3")
    ehr.delete("Task", planted["id"])
    assert ehr.get("Task", planted["id"]) is None and ehr.all("Task") == []
    with pytest.raises(KeyError):
        ehr.edit("Task", planted["id"], {})


def test_fake_hands_out_copies(ehr: FakeEhr) -> None:
    [planted] = ehr.plant(task())
    ehr.all("Task")[0]["status"] = "spoilt"
    assert (ehr.get("Task", planted["id"]) or {})["status"] == "requested"


# ── faults ───────────────────────────────────────────────────────────────────────────────────────
def test_fault_strikes_only_what_it_names_and_as_often_as_it_says(ehr: FakeEhr) -> None:
    fault = Fault("answer", on="GET Task/*", status=503, skip=1, times=2, headers={"Retry-After": "5"})
    ehr.inject(fault)
    ehr.plant(task(id="t"))
    assert call(ehr, "GET", "Task").status == 200
    answers = [call(ehr, "GET", "Task/t") for _ in range(5)]
    assert [got.status for got in answers] == [200, 503, 503, 200, 200]
    assert answers[1].headers["Retry-After"] == "5" and fault.struck == 2


@pytest.mark.parametrize(("kind", "committed"), [("cut-before", 0), ("cut-after", 1), ("cut-inside", 1)])
def test_fault_cuts_the_connection_before_or_after_the_commit(ehr: FakeEhr, kind: Any, committed: int) -> None:
    ehr.inject(Fault(kind))
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        call(ehr, "POST", "Task", task())
    assert len(ehr.all("Task")) == committed


@pytest.mark.parametrize(("kind", "committed"), [("answer", 0), ("answer-after", 1)])
def test_fault_answers_instead_with_or_without_doing_it_Y_03(ehr: FakeEhr, kind: Any, committed: int) -> None:
    ehr.inject(Fault(kind, status=500))
    got = call(ehr, "POST", "Task", task())
    assert (got.status, got.codes, len(ehr.all("Task"))) == (500, ["transient"], committed)


def test_fault_truncates_json_in_a_well_framed_answer(ehr: FakeEhr) -> None:
    ehr.plant(task(id="t"))
    ehr.inject(Fault("truncate"))
    got = call(ehr, "GET", "Task/t")
    assert got.status == 200
    with pytest.raises(ValueError):
        _ = got.body


@pytest.mark.parametrize(("kind", "committed"), [("hold", 0), ("hold-after", 1)])
def test_fault_holds_a_request_until_it_is_let_go(ehr: FakeEhr, kind: Any, committed: int) -> None:
    fault = Fault(kind, on="POST *")
    ehr.inject(fault)
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(call(ehr, "POST", "Task", task()).status))
    thread.start()
    while not fault.struck or len(ehr.all("Task")) != committed:
        assert call(ehr, "GET", "metadata").status == 200  # others are served meanwhile
    assert got == []
    fault.event.set()
    thread.join()
    assert got == [201]


def _careless(ehr: FakeEhr) -> None:
    with contextlib.suppress(OSError):
        call(ehr, "GET", "metadata")


def test_fake_ends_though_a_request_is_held(clock: FrozenClock) -> None:
    fault = Fault("hold")
    with FakeEhr(clock=clock, faults=[fault]) as ehr:
        thread = threading.Thread(target=_careless, args=(ehr,))
        thread.start()
        while not fault.struck:
            thread.join(0.01)
    thread.join()
    assert fault.event.is_set()


def test_fault_makes_the_server_blind_to_if_match_Y_08(ehr: FakeEhr) -> None:
    ehr.plant(task(id="t"))
    ehr.inject(Fault("ignore-if-match", times=None))
    assert call(ehr, "PUT", "Task/t", task(id="t"), If_Match='W/"9"').status == 200
    entry = {"resource": task(id="t"), "request": {"method": "PUT", "url": "Task/t", "ifMatch": 'W/"9"'}}
    assert call(ehr, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).status == 200


def test_fault_makes_conditional_creates_double_Y_04(ehr: FakeEhr) -> None:
    ehr.inject(Fault("ignore-if-none-exist", times=None))
    assert [call(ehr, "POST", "Task", task(), If_None_Exist="identifier=T1").status for _ in range(2)] == [201, 201]
    entry = {"resource": task(), "request": {"method": "POST", "url": "Task", "ifNoneExist": "identifier=T1"}}
    assert call(ehr, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).status == 200
    assert len(ehr.all("Task")) == 3


def test_fault_makes_the_server_blind_to_last_updated_Y_20(ehr: FakeEhr) -> None:
    ehr.plant(task())
    assert call(ehr, "GET", "Task?_lastUpdated=gt2999").body["total"] == 0
    ehr.inject(Fault("ignore-last-updated"))
    assert call(ehr, "GET", "Task?_lastUpdated=gt2999").body["total"] == 1


@pytest.mark.parametrize(("kind", "etag"), [("no-version", None), ("etag-only", 'W/"1"')])
def test_fault_takes_versions_away_Y_10(ehr: FakeEhr, kind: Any, etag: str | None) -> None:
    ehr.inject(Fault(kind, times=None))
    got = call(ehr, "POST", "Task", task())
    assert (got.headers["ETag"], "versionId" in got.body["meta"]) == (etag, False)
    assert "versionId" not in call(ehr, "GET", "Task").body["entry"][0]["resource"]["meta"]


def test_fake_tells_when_it_is_at_fault_itself(ehr: FakeEhr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ehr, "reply", lambda *_: 1 / 0)
    got = call(ehr, "GET", "metadata")
    assert (got.status, got.codes) == (500, ["exception"])


# ── who may come in ──────────────────────────────────────────────────────────────────────────────
def test_guard_lets_nobody_in_without_its_header(clock: FrozenClock) -> None:
    with FakeEhr(clock=clock, guard=HeaderGuard("Authorization", "Bearer right")) as ehr:
        assert call(ehr, "GET", "Task").status == 401
        assert call(ehr, "GET", "Task", Authorization="Bearer wrong").headers["WWW-Authenticate"] == "Bearer"
        assert call(ehr, "GET", "Task", Authorization="Bearer right").status == 200
        assert call(ehr, "GET", "metadata").status == 200


def test_guard_gives_tokens_that_end(clock: FrozenClock) -> None:
    guard = TokenGuard("liaison", clock=clock, secret="s", lifetime=10)
    with FakeEhr(clock=clock, guard=guard) as ehr:
        url = f"{ehr.origin}/auth/token"
        assert call(ehr, "GET", url).status == 405
        assert call(ehr, "POST", url, b"grant_type=password").body["error"] == "unsupported_grant_type"
        assert call(ehr, "POST", url, b"grant_type=client_credentials&client_id=liaison&client_secret=x").status == 401
        token = call(ehr, "POST", url, b"grant_type=client_credentials&client_id=liaison&client_secret=s").body["access_token"]
        assert call(ehr, "GET", "Task", Authorization=f"Bearer {token}").status == 200
        clock.tick(timedelta(seconds=11))
        assert call(ehr, "GET", "Task", Authorization=f"Bearer {token}").status == 401
