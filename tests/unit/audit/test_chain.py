"""The chain: what it detects, and that the bytes it seals are RFC 8785's."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from adapter.audit import Checkpoint, canonical, events, pages, seal, verify
from adapter.ports import AuditRow, Principal

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def chained(*texts: bytes) -> list[AuditRow]:
    rows, head = [], ""
    for seq, event in enumerate(texts, 1):
        head = seal(head, event)
        rows.append(AuditRow(seq, event, head))
    return rows


ROWS = chained(b'{"n":"1"}', b'{"n":"2"}', b'{"n":"3"}', b'{"n":"4"}', b'{"n":"5"}')
WHOLE = Checkpoint(5, ROWS[-1].digest)


# ── canonical bytes ──────────────────────────────────────────────────────────────────────────────
@given(st.dictionaries(st.text(), json))
def test_canonical_is_rfc_8785_for_any_json(event: dict[str, Any]) -> None:
    assert canonical(event) == rfc8785.dumps(event)


@pytest.mark.parametrize(
    "event",
    [{"a": 1e21}, {"a": [1e-7, 0.1]}, {"a": ["x", 1e21]}, {"a": [[], 1e21]}, {"a": [{}, -1e21]}, {"a": [True, 1e21]}, {"a": [None, -0.0]},
     {"\ue000": "", "\U00010000": ""}, {"a": "\x7f\x1f\u2028\"\\/"}, {"a": {"b": 10.0}}],
)  # fmt: skip
def test_canonical_is_rfc_8785_where_fast_writers_differ(event: dict[str, Any]) -> None:
    assert canonical(event) == rfc8785.dumps(event)


@pytest.mark.parametrize("event", [{"a": datetime(2026, 1, 1, tzinfo=UTC)}, {"a": float("nan")}, {"a": {1: 2}}, {"a": "\ud800"}])
def test_canonical_refuses_what_is_no_json(event: dict[str, Any]) -> None:
    with pytest.raises(Exception):  # noqa: B017 - each library names it its own way
        canonical(event)


def test_canonical_takes_the_fast_way_for_our_own_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rfc8785, "dumps", None)
    event = events.act(Principal("app", "org"), "resolve", what="Task/1", at=datetime(2026, 3, 2, 17, 50, 0, 5, tzinfo=UTC))
    assert canonical(event).startswith(b'{"action":"E"')


# ── the seal ─────────────────────────────────────────────────────────────────────────────────────
def test_seal_stays_the_same_for_ever() -> None:
    """A changed digest would make every kept chain invalid: this value must never be edited."""
    assert seal("", b'{"resourceType":"AuditEvent"}') == "863c84657701c7db790009c539d0e7313424f0da0fd40be533e26a12dcb132f7"


@given(st.text(), st.binary(), st.text(), st.binary())
def test_seal_differs_when_anything_differs(head: str, event: bytes, other_head: str, other_event: bytes) -> None:
    same = (head, event) == (other_head, other_event)
    assert (seal(head, event) == seal(other_head, other_event)) == same


def test_seal_differs_when_bytes_move_from_one_part_to_the_other() -> None:
    assert seal("ab", b"c") != seal("a", b"bc")


# ── verifying ────────────────────────────────────────────────────────────────────────────────────
def test_verify_accepts_the_chain_as_it_was_written() -> None:
    verdict = verify(ROWS, kept=WHOLE)
    assert (verdict.ok, verdict.count, verdict.head, verdict.checkpoint) == (True, 5, WHOLE.head, WHOLE)


def test_verify_accepts_an_empty_chain_when_nothing_was_kept() -> None:
    assert verify([]).ok
    assert verify([], kept=Checkpoint()).ok


def test_verify_accepts_a_chain_that_grew_after_the_checkpoint() -> None:
    assert verify(ROWS, kept=Checkpoint(2, ROWS[1].digest)).ok


TAMPERED = {
    "edited": ([ROWS[0], AuditRow(2, b'{"n":"x"}', ROWS[1].digest), *ROWS[2:]], 2, "digest"),
    "edited and sealed again": ([ROWS[0], AuditRow(2, b"x", seal(ROWS[0].digest, b"x")), *ROWS[2:]], 3, "digest"),
    "digest edited": ([ROWS[0], AuditRow(2, ROWS[1].event, "0" * 64), *ROWS[2:]], 2, "digest"),
    "deleted": ([*ROWS[:2], *ROWS[3:]], 3, "order"),
    "deleted and renumbered": ([*ROWS[:2], *(AuditRow(r.seq - 1, r.event, r.digest) for r in ROWS[3:])], 3, "digest"),
    "first deleted": (ROWS[1:], 1, "order"),
    "inserted": ([*ROWS[:2], AuditRow(3, b"new", "0" * 64), *(AuditRow(r.seq + 1, r.event, r.digest) for r in ROWS[2:])], 3, "digest"),
    "repeated": ([*ROWS[:2], ROWS[1], *ROWS[2:]], 3, "order"),
    "exchanged": ([ROWS[0], AuditRow(2, ROWS[2].event, ROWS[2].digest), AuditRow(3, ROWS[1].event, ROWS[1].digest)], 2, "digest"),
    "events exchanged": ([ROWS[0], AuditRow(2, ROWS[2].event, ROWS[1].digest), AuditRow(3, ROWS[1].event, ROWS[2].digest)], 2, "digest"),
}  # fmt: skip


@pytest.mark.parametrize("how", TAMPERED)
def test_verify_finds_the_first_bad_link_without_a_checkpoint_U_10(how: str) -> None:
    rows, first_bad, reason = TAMPERED[how]
    verdict = verify(rows)
    assert (verdict.ok, verdict.first_bad, verdict.reason) == (False, first_bad, reason)
    assert verdict.count == first_bad - 1


def test_verify_finds_a_cut_tail_and_a_deleted_chain_only_by_the_checkpoint_U_10() -> None:
    assert verify(ROWS[:3]).ok
    cut = verify(ROWS[:3], kept=WHOLE)
    assert (cut.ok, cut.first_bad, cut.reason) == (False, 4, "truncated")
    assert verify([], kept=WHOLE).reason == "truncated"


def test_verify_finds_a_chain_made_anew_only_by_the_checkpoint_U_10() -> None:
    anew = chained(b"a", b"b", b"c", b"d", b"e", b"f")
    assert verify(anew).ok
    verdict = verify(anew, kept=WHOLE)
    assert (verdict.ok, verdict.first_bad, verdict.reason) == (False, 5, "rewritten")


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=8), st.data())
def test_verify_finds_any_single_change(written: list[bytes], data: st.DataObject) -> None:
    rows = chained(*written)
    at = data.draw(st.integers(0, len(rows) - 1))
    event = data.draw(st.binary(max_size=5).filter(lambda other: other != rows[at].event))
    changed = [*rows[:at], AuditRow(at + 1, event, rows[at].digest), *rows[at + 1 :]]
    assert verify(changed).first_bad == at + 1


def test_verify_needs_the_memory_of_a_page_when_the_chain_is_long() -> None:
    def fetch(after: int, limit: int) -> list[AuditRow]:
        heads.setdefault(0, "")
        rows = []
        for seq in range(after + 1, min(after + limit, 5000) + 1):
            heads[0] = seal(heads[0], event)
            rows.append(AuditRow(seq, event, heads[0]))
        return rows

    heads: dict[int, str] = {}
    event = b"x" * 1000
    tracemalloc.start()
    verdict = verify(pages(fetch, size=100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (verdict.ok, verdict.count) == (True, 5000)
    assert peak < 1_000_000


def test_pages_asks_for_what_follows_the_last_row() -> None:
    asked = []

    def fetch(after: int, limit: int) -> list[AuditRow]:
        asked.append((after, limit))
        return ROWS[after : after + limit]

    rows: Iterator[AuditRow] = pages(fetch, size=2)
    assert list(rows) == ROWS
    assert asked == [(0, 2), (2, 2), (4, 2), (5, 2)]
