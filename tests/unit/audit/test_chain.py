"""The chain: what it detects, and that the bytes it seals are RFC 8785's."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from adapter.audit import REASONS, Checkpoint, canonical, events, pages, seal, verify
from adapter.audit.erasures import ERASE, erases, ranges
from adapter.ports import AuditRow, Principal
from adapter.store.chain import SALTED

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def chained(*texts: bytes, salted: bool = False) -> list[AuditRow]:
    rows, head = [], ""
    for seq, event in enumerate(texts, 1):
        sealed = seal(f"salt{seq}", event) if salted else ""
        head = seal(head, SALTED + sealed.encode() if salted else event)
        rows.append(AuditRow(seq, event, head, f"salt{seq}".encode() if salted else b"", sealed))
    return rows


TEXTS = [b'{"n":"%d"}' % n for n in range(1, 6)]
ROWS, SALTY = chained(*TEXTS), chained(*TEXTS, salted=True)
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


def moved(row: AuditRow, by: int) -> AuditRow:
    return replace(row, seq=row.seq + by)


def swapped(rows: list[AuditRow], at: int) -> list[AuditRow]:
    return [*rows[:at], moved(rows[at + 1], -1), moved(rows[at], 1), *rows[at + 2 :]]


def other(row: AuditRow, event: bytes = b'{"n":"x"}') -> AuditRow:
    """The row with another event, and a salted digest to suit."""
    return replace(row, event=event, sealed=row.sealed and seal(row.salt.decode(), event))


def tampered(rows: list[AuditRow]) -> dict[str, tuple[list[AuditRow], int, str]]:
    """Each attack of U-10 that needs no checkpoint to be seen: rows, first bad link, why."""
    resealed = replace(other(rows[1]), digest=seal(rows[0].digest, SALTED + other(rows[1]).sealed.encode() if rows[1].sealed else b'{"n":"x"}'))
    fork = chained(b'{"n":"1"}', b'{"n":"9"}', salted=bool(rows[0].sealed))[1]
    return {
        "edited": ([rows[0], replace(rows[1], event=b'{"n":"x"}'), *rows[2:]], 2, "changed"),
        "edited, its own digest too": ([rows[0], other(rows[1]), *rows[2:]], 2, "changed"),
        "edited and sealed again": ([rows[0], resealed, *rows[2:]], 3, "changed"),
        "digest edited": ([rows[0], replace(rows[1], digest="0" * 64), *rows[2:]], 2, "changed"),
        "deleted": ([*rows[:2], *rows[3:]], 3, "removed"),
        "deleted and renumbered": ([*rows[:2], *(moved(row, -1) for row in rows[3:])], 3, "changed"),
        "first deleted": (rows[1:], 1, "removed"),
        "inserted": ([*rows[:2], AuditRow(3, b"new", "0" * 64), *(moved(row, 1) for row in rows[2:])], 3, "inserted"),
        "repeated": ([*rows[:2], rows[1], *rows[2:]], 2, "inserted"),
        "exchanged": (swapped(rows, 1), 2, "swapped"),
        "last two exchanged": (swapped(rows, 3), 4, "swapped"),
        "events exchanged": ([rows[0], replace(rows[1], event=rows[2].event), replace(rows[2], event=rows[1].event), *rows[3:]], 2, "changed"),
        "forked": ([*rows[:2], moved(fork, 1), *rows[3:]], 3, "forked"),
    }  # fmt: skip


KINDS = sorted(tampered(ROWS))


@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize("rows", [ROWS, SALTY], ids=["plain", "salted"])
def test_verify_names_the_first_bad_link_without_a_checkpoint_U_10(how: str, rows: list[AuditRow]) -> None:
    changed, first_bad, reason = tampered(rows)[how]
    verdict = verify(changed)
    assert (verdict.ok, verdict.first_bad, verdict.reason) == (False, first_bad, reason)
    assert verdict.reason in REASONS


@pytest.mark.parametrize("blank", [replace(SALTY[2], event=b""), replace(SALTY[2], event=b"", salt=b""), replace(SALTY[2], event=b"", salt=b"", erased=5)])
def test_verify_finds_content_that_went_without_an_act_of_erasure_U_10(blank: AuditRow) -> None:
    verdict = verify([*SALTY[:2], blank, *SALTY[3:]], acts=lambda seq: SALTY[seq - 1])
    assert (verdict.first_bad, verdict.reason) == (3, "erased" if not blank.salt else "changed")


def test_verify_accepts_content_that_an_act_of_erasure_names_U_14() -> None:
    act = events.act(Principal("liaison", "liaison"), ERASE, at=datetime(2026, 3, 2, tzinfo=UTC), details=[("links", "2-3")])
    rows = chained(b'{"n":"1"}', b'{"n":"2"}', b'{"n":"3"}', b'{"n":"4"}', canonical(act), salted=True)
    blank = [replace(row, event=b"", salt=b"", erased=5) if row.seq in (2, 3) else row for row in rows]
    verdict = verify(blank, acts=lambda seq: rows[seq - 1])
    assert (verdict.ok, verdict.erased) == (True, 2)
    more = [replace(row, event=b"", salt=b"", erased=5) if row.seq == 4 else row for row in blank]
    assert verify(more, acts=lambda seq: rows[seq - 1]).first_bad == 4


def test_verify_refuses_a_salted_link_written_as_a_plain_one() -> None:
    """So that content cannot be hidden behind its own digest."""
    hidden = replace(SALTY[1], event=SALTED + SALTY[1].sealed.encode(), salt=b"", sealed="")
    assert verify([SALTY[0], hidden, *SALTY[2:]]).first_bad == 2


def test_verify_finds_a_row_filed_under_another_patient() -> None:
    rows = [replace(row, person="p") for row in SALTY]
    assert verify(rows, filed=lambda event: "p").ok
    verdict = verify([*rows[:2], replace(rows[2], person=""), *rows[3:]], filed=lambda event: "p")
    assert (verdict.first_bad, verdict.reason) == (3, "misfiled")


def test_verify_goes_on_from_what_was_verified_before() -> None:
    assert verify(SALTY[2:], start=Checkpoint(2, SALTY[1].digest)).count == 5
    assert verify(SALTY[3:], start=Checkpoint(2, SALTY[1].digest)).reason == "removed"


def test_verify_holds_the_chain_against_every_checkpoint() -> None:
    kept = [Checkpoint(1, SALTY[0].digest), Checkpoint(3, "f" * 64), Checkpoint(5, SALTY[4].digest)]
    assert (verify(SALTY, kept=kept).first_bad, verify(SALTY, kept=kept).reason) == (3, "rewritten")
    assert verify(SALTY, kept=[kept[0], kept[2]]).ok
    assert verify(SALTY[:4], kept=[kept[0], kept[2]]).reason == "truncated"


@given(st.sets(st.integers(1, 40)))
def test_ranges_name_exactly_the_links_of_an_act(links: set[int]) -> None:
    act = canonical(events.act(Principal("l", "l"), ERASE, at=datetime(2026, 3, 2, tzinfo=UTC), details=[("links", ranges(links))]))
    assert {link for link in range(50) if erases(act, link)} == links


@pytest.mark.parametrize("event", [b"", b"[]", b"{}", b'{"subtype":[{"code":"audit-erase"}]}', b'{"subtype":[{"code":"audit-erase"}],"entity":[3]}'])
def test_erases_nothing_when_the_event_is_no_act_of_erasure(event: bytes) -> None:
    assert not erases(event, 1)


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
