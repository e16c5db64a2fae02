"""The trail as each client may see it: the officer's whole, another's own calls, with ids that count nothing (workflow.md 6)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from adapter import trail
from adapter.audit import events
from adapter.audit.queries import cleaned
from adapter.errors import Malformed
from adapter.ports import AuditRow, Clause, Decision, Principal, Query, Resource, Uow
from adapter.trail import LOOKED, Trail

AT = datetime(2026, 3, 6, 18, tzinfo=UTC)
SCOPES = frozenset({"system/AuditEvent.rs"})
OFFICER = Principal("dpo", "msp-saint-eloi", role="officer", scopes=SCOPES)
CLINIC = Principal("saint-eloi", "msp-saint-eloi", role="clinic", scopes=SCOPES)
SERVICE = Principal("coursiers", "asso-coursiers", "coursier-rouen", "service", scopes=SCOPES)
TRAIL = Trail(b"k" * 32)
ALL = Query("AuditEvent")


class Chain:
    """A unit of work over these links, numbered from 1; None: one that is not there, b"" one whose content was destroyed."""

    at = AT + timedelta(days=1)

    def __init__(self, links: Sequence[Resource | bytes | None]) -> None:
        self.rows = [
            AuditRow(seq, each if isinstance(each, bytes) else json.dumps(each).encode(), "") for seq, each in enumerate(links, 1) if each is not None
        ]
        self.asked: list[tuple[str, int, int]] = []
        self.told: list[Resource] = []

    def audit_rows(self, *, after: int = 0, limit: int = 1000) -> list[AuditRow]:
        return self.audit_of("", after=after, limit=limit)

    def audit_of(self, patient: str, *, after: int = 0, limit: int = 1000) -> list[AuditRow]:
        self.asked.append((patient, after, limit))
        return [row for row in self.rows if row.seq > after and patient.encode() in row.event][:limit]

    def audit(self, event: Resource) -> None:
        self.told.append(event)


def read(who: Principal, id: str, *links: Resource | bytes | None) -> tuple[Any, Chain]:
    chain = Chain(links)
    return TRAIL.read(cast(Uow, chain), who, id, request_id="r"), chain


def search(who: Principal, query: Query, *links: Resource | bytes | None) -> tuple[Any, Chain]:
    chain = Chain(links)
    return TRAIL.search(cast(Uow, chain), who, query, request_id="r"), chain


def call(who: Principal = SERVICE, what: str = "Task/7", **more: Any) -> Resource:
    return events.access(who, what, at=AT, request_id="q", **more)


def own_id(who: Principal, seq: int) -> str:
    (found,) = search(who, replace(ALL, count=1, after=None), *[None] * (seq - 1), call(who))[0].matches
    return str(found.id)


# ── what is seen ─────────────────────────────────────────────────────────────────────────────────
def test_officer_sees_a_link_whole_under_its_number() -> None:
    event = call(patient="Patient/p")
    found, chain = read(OFFICER, "2", call(), event)
    assert json.loads(found.served) == {"resourceType": "AuditEvent", "id": "2", "meta": {"versionId": "1", "lastUpdated": event["recorded"]}} | event
    assert (found.type, found.id, found.number, found.updated, found.clinic) == ("AuditEvent", "2", 1, AT, "msp-saint-eloi")
    assert chain.told == [events.access(OFFICER, "AuditEvent/2", rule="officer", at=chain.at, request_id="r")]
    assert chain.asked == [("", 1, 1)]


def test_clinic_sees_its_own_call_with_what_it_was_about_and_a_service_without() -> None:
    for who, kept in ((CLINIC, ["2", "1", "q"]), (SERVICE, ["q"])):
        event = call(who, patient="Patient/p") | {"outcomeDesc": "why"}
        found, chain = read(who, own_id(who, 1), event)
        shown = json.loads(found.served)
        assert "outcomeDesc" not in shown and len(shown["entity"]) == len(kept)
        assert shown["entity"] == [each for each in event["entity"] if who is CLINIC or each["type"]["code"] == "XrequestId"]
        assert {name: part for name, part in shown.items() if name not in ("id", "meta", "entity")} == {
            name: part for name, part in event.items() if name not in ("outcomeDesc", "entity")
        }
        assert chain.told == [events.access(who, f"AuditEvent/{found.id}", rule="own-calls", at=chain.at, request_id="r")]
    bare, _ = read(SERVICE, own_id(SERVICE, 1), call() | {"entity": [{"type": {"code": "2"}}, {"name": "x"}]})
    assert "entity" not in json.loads(bare.served)


@pytest.mark.parametrize("link", [
    call(CLINIC), call() | {"outcome": "8"}, call() | {"type": {"code": "110113"}}, b"", None, events.denied(SERVICE, "Task", reason="absent", at=AT),
    events.decided(SERVICE, Decision(True, "permit", "S1"), patient="Patient/p", at=AT),
])  # fmt: skip
def test_what_is_not_a_call_of_its_own_that_was_done_is_absent_for_a_client(link: Any) -> None:
    found, chain = read(SERVICE, own_id(SERVICE, 1), link)
    assert found is None
    assert chain.told == [events.denied(SERVICE, "AuditEvent", reason="absent-or-not-theirs", at=chain.at, request_id="r")]
    assert search(SERVICE, ALL, link)[0].matches == ()


def test_link_that_is_not_there_is_not_the_next_one() -> None:
    assert read(OFFICER, "2", call(), None, call())[0] is None
    assert read(OFFICER, "4", call(), None, call())[0] is None
    assert read(OFFICER, "3", call(), None, call())[0].id == "3"


# ── ids ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("id", ["", "0", "-1", "x", "²", "٢", "1" * 19, "1.0", "0a" * 24])
def test_officer_finds_nothing_under_what_is_no_number(id: str) -> None:
    found, chain = read(OFFICER, id, call(), call())
    assert found is None and chain.asked == []


def test_number_of_eighteen_digits_is_one() -> None:
    assert read(OFFICER, "1" * 18, call())[1].asked == [("", int("1" * 18) - 1, 1)]


def test_ids_are_each_clients_own_of_one_length_and_of_one_key() -> None:
    ids = [own_id(who, seq) for who in (SERVICE, replace(SERVICE, client="other")) for seq in (1, 2, 3)]
    assert len(set(ids)) == 6 and {len(id) for id in ids} == {48}
    assert [read(SERVICE, id, call(), call(), call())[0] is None for id in ids] == [False, False, False, True, True, True]
    assert Trail(b"j" * 32).read(cast(Uow, Chain([call()])), SERVICE, ids[0], request_id="") is None


@pytest.mark.parametrize("id", ["", "1", "zz", "00" * 24, "00" * 3, "é"])
def test_client_finds_nothing_under_what_is_no_id_of_its_own(id: str) -> None:
    found, chain = read(SERVICE, id, call())
    assert found is None and chain.asked == []


# ── scopes ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("scope", "reads", "searches"), [
    ("system/AuditEvent.r", True, True), ("system/AuditEvent.s", False, True), ("system/*.rs", True, True), ("system/AuditEvent.cud", False, False), ("system/Task.rs", False, False),
])  # fmt: skip
def test_trail_is_for_whom_a_scope_lets_read_or_search_it(scope: str, reads: bool, searches: bool) -> None:
    who = replace(OFFICER, scopes=frozenset({scope}))
    assert (read(who, "1", call())[0] is not None) is reads
    found, chain = search(who, replace(ALL, total="accurate"), call())
    assert (len(found.matches), found.total) == ((1, 1) if searches else (0, None))
    assert len(chain.told) == 1 and bool(chain.asked) is searches  # recorded either way


# ── pages ────────────────────────────────────────────────────────────────────────────────────────
def test_pages_follow_the_trail_and_say_whether_there_is_more(monkeypatch: pytest.MonkeyPatch) -> None:
    links = [call(what=f"Task/{number}") for number in range(5)]
    assert [len(search(OFFICER, replace(ALL, count=count), *links)[0].matches) for count in (0, 2, 5, 9)] == [0, 2, 5, 5]
    assert [search(OFFICER, replace(ALL, count=count), *links)[0].more for count in (0, 2, 4, 5, 9)] == [False, True, True, False, False]
    for who in (OFFICER, SERVICE):
        for size in (1, 2, 5, 500):
            monkeypatch.setattr(trail, "_PAGE", size)
            seen, after = list[str](), None
            for _ in range(4):
                found, chain = search(who, replace(ALL, count=2, after=after), *links)
                seen += [json.loads(each.served)["id"] for each in found.matches]
                assert {limit for _, _, limit in chain.asked} == {size}
                if not found.more:
                    break
                after = ("", found.matches[-1].id)
            assert len(seen) == len(set(seen)) == 5


def test_trail_is_read_five_hundred_links_at_a_time() -> None:
    assert search(OFFICER, ALL, call())[1].asked == [("", 0, 500), ("", 1, 500)]


def test_page_that_has_something_ends_after_so_many_links() -> None:
    assert LOOKED == 20_000
    for empty, more in ((LOOKED - 1, False), (LOOKED, True)):
        found, _ = search(OFFICER, replace(ALL, count=9), call(), *[b""] * empty)
        assert (len(found.matches), found.more) == (1, more)
    late, _ = search(OFFICER, replace(ALL, count=9), *[b""] * (LOOKED + 1), call())
    assert (len(late.matches), late.more) == (1, False)  # nothing was found before: it goes on


def test_trail_is_counted_where_that_is_asked_for_and_it_is_short_enough() -> None:
    links = [call(what="Task/1"), call(CLINIC), b"", call()]
    assert [search(OFFICER, replace(ALL, total=how), *links)[0].total for how in ("none", "estimate", "accurate")] == [None, None, 3]
    assert search(SERVICE, replace(ALL, total="accurate", count=0, after=("", own_id(SERVICE, 3))), *links)[0].total == 2  # of all pages
    assert search(OFFICER, replace(ALL, total="accurate", count=0), *[b""] * LOOKED)[0].total == 0
    with pytest.raises(Malformed) as caught:
        search(OFFICER, replace(ALL, total="accurate", count=0), *[b""] * (LOOKED + 1))
    assert (caught.value.issues[0].code, caught.value.issues[0].expression) == ("too-costly", "_total")


@pytest.mark.parametrize(("sort", "offered"), [("", True), ("_id", True), ("date", True), ("_lastUpdated", True), ("-date", False), ("-_id", False), ("zyx", False)])
def test_trail_has_one_order(sort: str, offered: bool) -> None:
    if offered:
        assert len(search(OFFICER, replace(ALL, sort=sort), call())[0].matches) == 1
        return
    with pytest.raises(Malformed, match=r": _id, date, _lastUpdated$") as caught:
        search(OFFICER, replace(ALL, sort=sort), call())
    assert (caught.value.issues[0].code, caught.value.issues[0].expression) == ("not-supported", "_sort")


# ── conditions ───────────────────────────────────────────────────────────────────────────────────
def test_condition_is_met_by_what_is_seen_and_one_patient_is_looked_up_by_name() -> None:
    links = [call(patient="Patient/p", what="Task/1"), call(patient="Patient/q", what="Task/2"), events.act(SERVICE, "x", at=AT)]
    about = replace(ALL, clauses=(Clause("patient", "reference", ("Patient/p",)),))
    found, chain = search(OFFICER, about, *links)
    assert [each.id for each in found.matches] == ["1"] and chain.asked[0] == ("Patient/p", 0, 500)
    assert search(SERVICE, about, *links)[0].matches == ()  # a service sees no patient in it
    both = replace(ALL, clauses=(Clause("patient", "reference", ("Patient/p", "Patient/q")),))
    found, chain = search(OFFICER, both, *links)
    assert [each.id for each in found.matches] == ["1", "2"] and chain.asked[0] == ("", 0, 500)
    action = replace(ALL, clauses=(Clause("action", "token", ("E",)),))
    found, chain = search(OFFICER, action, *links)
    assert [each.id for each in found.matches] == ["3"] and chain.asked[0] == ("", 0, 500)


def test_search_is_told_with_its_conditions_as_digests() -> None:
    about = replace(ALL, clauses=(Clause("patient", "reference", ("Patient/p",)),))
    for who, rule in ((OFFICER, "officer"), (CLINIC, "own-calls")):
        _, chain = search(who, about)
        assert chain.told == [events.searched(who, "AuditEvent", query=cleaned(about, TRAIL.key), rule=rule, at=chain.at, request_id="r")]
