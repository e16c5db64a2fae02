"""Search: FHIR's meaning of token, reference, date and string, by examples and against a naive model."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import Malformed
from adapter.ports import Clause, IndexRow, Query, Uow, Version
from adapter.store import SqlStore
from adapter.store.moments import FIRST, LAST, span, text
from tests.contract.stores import (  # noqa: F401 - fixtures
    ALL,
    AT,
    Opening,
    clock,
    empty_file,
    ids,
    opening,
    put,
    store,
    task,
    url,
)

DAY = timedelta(days=1)


def find(store: SqlStore, *clauses: Clause, **query: object) -> list[str]:
    return ids(store.read_now(lambda uow: uow.search(Query("Task", clauses, **query))))  # type: ignore[arg-type]


def token(*values: str, modifier: str = "", identifying: bool = False) -> Clause:
    return Clause("status", "token", values, modifier, identifying)


def dated(*values: str) -> Clause:
    return Clause("period", "date", values)


def named(*values: str, modifier: str = "", identifying: bool = False) -> Clause:
    return Clause("name", "string", values, modifier, identifying)


# ── tokens and references ────────────────────────────────────────────────────────────────────────
@pytest.fixture
def tokens(store: SqlStore) -> SqlStore:
    rows = {"a": [("sys", "one")], "b": [("sys", "two")], "c": [("other", "one")], "d": [("", "one")], "e": [("sys", "one"), ("sys", "two")], "f": []}

    def fill(uow: Uow) -> None:
        for id, codes in rows.items():
            put(uow, task(id), *(IndexRow("status", "token", code, system) for system, code in codes))

    store.write_now(fill)
    return store


@pytest.mark.parametrize(
    ("clause", "found"),
    [
        (token("one"), "acde"), (token("sys|one"), "ae"), (token("|one"), "d"), (token("sys|"), "abe"), (token("two", "other|one"), "bce"),
        (token("ONE"), ""), (token("on"), ""), (token("sys|one", modifier="not"), "bcdf"), (token("one", "two", modifier="not"), "f"),
        (token("true", modifier="missing"), "f"), (token("false", modifier="missing"), "abcde"), (token("x|y|z"), ""),
    ],
)  # fmt: skip
def test_token_search_finds_what_fhir_says(tokens: SqlStore, clause: Clause, found: str) -> None:
    assert find(tokens, clause) == list(found)
    assert tokens.read_now(lambda uow: uow.count(Query("Task", (clause,)))) == len(found)


def test_clauses_are_joined_by_and_and_types_and_parameters_kept_apart(tokens: SqlStore) -> None:
    assert find(tokens, token("one"), token("two")) == ["e"]
    assert find(tokens, token("one"), Clause("intent", "token", ("one",))) == []
    assert tokens.read_now(lambda uow: uow.search(Query("Consent", (token("one"),)))) == []


def test_reference_search_wants_the_whole_reference(store: SqlStore) -> None:
    store.write_now(lambda uow: put(uow, task(), IndexRow("patient", "reference", "Patient/p1")))
    assert find(store, Clause("patient", "reference", ("Patient/p2", "Patient/p1"))) == ["t1"]
    assert find(store, Clause("patient", "reference", ("Patient/p",))) == []
    assert find(store, Clause("patient", "reference", ("Patient/p1|x",))) == []


def test_ids_and_clinics_limit_what_is_found(store: SqlStore) -> None:
    store.write_now(lambda uow: [put(uow, task(id, clinic=f"clinic-{id}")) for id in "abc"])
    assert find(store, Clause("_id", "id", ("a", "c", "z"))) == ["a", "c"]
    assert find(store, Clause("_id", "id", ("a",), "not")) == ["b", "c"]
    assert find(store, clinics=frozenset({"clinic-b", "clinic-c"})) == ["b", "c"]
    assert find(store, clinics=frozenset()) == []
    assert store.read_now(lambda uow: uow.count(Query("Task", clinics=frozenset()))) == 0


# ── dates ────────────────────────────────────────────────────────────────────────────────────────
SPANS = {
    "y": ("2026-01-01", "2026-12-31"), "m": ("2026-03-01", "2026-03-31"), "d": ("2026-03-06", "2026-03-06"),
    "i": ("2026-03-06T18:50:00.000Z", "2026-03-06T18:50:00.000Z"), "n": ("2026-03-07", "2026-03-07"), "o": ("2026-03-06", ""), "u": ("", "2026-03-06"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["2026-03-06"], "di"), (["eq2026-03"], "dimn"), (["2026"], "dimny"), (["2026-03-06T18:50Z"], "i"), (["2026-03-06T19:50+01:00"], "i"),
        (["ne2026-03-06"], "mnouy"), (["gt2026-03-06"], "mnoy"), (["lt2026-03-06"], "muy"), (["ge2026-03-06"], "dimnoy"),
        (["le2026-03-06"], "dimuy"), (["sa2026-03-06"], "n"), (["eb2026-03-07"], "diu"), (["eb2026-03-06"], ""),
        (["2026-03-07", "2026-03-06T18:50:00Z"], "in"), (["gt2026-03-06T18:50:00.000Z"], "dmnoyu"), (["lt2026"], "u"), (["2025"], ""),
    ],
)  # fmt: skip
def test_date_search_compares_spans_as_fhir_says(store: SqlStore, values: list[str], found: str) -> None:
    store.write_now(lambda uow: [put(uow, task(id), IndexRow("period", "date", low=low, high=high)) for id, (low, high) in SPANS.items()])
    assert find(store, dated(*values)) == sorted(found)


def test_last_updated_is_searched_like_a_date(store: SqlStore) -> None:
    store.write_now(lambda uow: [put(uow, task(f"t{n}", at=AT + n * DAY)) for n in range(3)])
    assert find(store, Clause("_lastUpdated", "updated", ("ge2026-03-07",))) == ["t1", "t2"]
    assert find(store, Clause("_lastUpdated", "updated", ("2026-03-06T18:50:00.000Z",))) == ["t0"]


# ── strings ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("clause", "found"),
    [
        (named("DUP"), "ab"), (named("Dupré"), "ab"), (named("dupré", modifier="exact"), "a"), (named("pre", modifier="contains"), "ab"),
        (named("re d", modifier="contains"), "b"), (named("%"), "c"), (named("_", modifier="contains"), ""), (named("100%", modifier="contains"), "c"),
        (named("zo", "du"), "abd"), (named("ZOË"), "d"), (named("true", modifier="missing"), "e"), (named("upre"), ""), (named("strasse"), "f"),
    ],
)  # fmt: skip
def test_string_search_ignores_case_and_accents(store: SqlStore, clause: Clause, found: str) -> None:
    names = {"a": "DUPRÉ", "b": "Dupré  d'Aze", "c": "% 100%", "d": "Zoë", "f": "Straße"}
    store.write_now(lambda uow: [put(uow, task("e")), *(put(uow, task(id), IndexRow("name", "string", name)) for id, name in names.items())])
    if clause.values == ("re d",):
        assert find(store, named("re d'", modifier="contains")) == ["b"]
    assert find(store, clause) == list(found)


def test_long_values_are_found_whole_and_told_apart_after_their_beginning(store: SqlStore) -> None:
    long = "é" * 5000
    store.write_now(lambda uow: put(uow, task("a"), IndexRow("status", "token", long + "1", long), IndexRow("name", "string", long + "1")))
    store.write_now(lambda uow: put(uow, task("b"), IndexRow("status", "token", long + "2", long), IndexRow("name", "string", long + "2")))
    assert find(store, token(f"{long}|{long}1")) == ["a"]
    assert find(store, named(f"{long}2", modifier="exact")) == ["b"]
    assert find(store, named("É" * 300)) == ["a", "b"]


# ── identifying values ───────────────────────────────────────────────────────────────────────────
def test_identifying_values_are_found_by_equality_only(store: SqlStore) -> None:
    rows = [IndexRow("status", "token", "1850", "ins", identifying=True), IndexRow("name", "string", "Dupré", identifying=True),
            IndexRow("period", "date", low="1950-01-02", high="1950-01-02", identifying=True)]  # fmt: skip
    store.write_now(lambda uow: put(uow, task(), *rows))
    assert find(store, token("ins|1850", identifying=True)) == find(store, token("1850", identifying=True)) == ["t1"]
    assert find(store, token("oid|1850", identifying=True)) == find(store, token("1850")) == []
    assert find(store, named("DUPRE", identifying=True)) == ["t1"]
    assert find(store, named("dup", identifying=True)) == []
    assert find(store, Clause("period", "date", ("1950-01-02",), identifying=True)) == ["t1"]
    assert find(store, Clause("period", "date", ("1950-01",), identifying=True)) == []
    for clause in (named("d", modifier="contains", identifying=True), Clause("period", "date", ("ge1950",), identifying=True)):
        with pytest.raises(Malformed):
            find(store, clause)


def test_identifying_values_are_not_found_under_another_key(opening: Opening, url: str) -> None:
    if url != "sqlite://":
        opening().write_now(lambda uow: put(uow, task(), IndexRow("status", "token", "1850", "ins", identifying=True)))
        assert find(opening(key=b"another key for tests, 32 bytes!"), token("1850", identifying=True)) == []


# ── pages ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("sort", ["", "_lastUpdated", "-_lastUpdated"])
def test_pages_follow_each_other_without_gap_or_repeat(store: SqlStore, sort: str) -> None:
    mixed = ["a", "B", "b", "A-1", "a-2", "Z", "é", "10", "9"]  # byte order, whatever the cluster's language
    store.write_now(lambda uow: [put(uow, task(id, at=AT + timedelta(microseconds=n // 2))) for n, id in enumerate(mixed)])
    found: list[Version] = []
    after = None
    while page := store.read_now(lambda uow: uow.search(Query("Task", sort=sort, count=2, after=after))):  # noqa: B023
        found += page
        after = (page[-1].updated.isoformat() if sort else "", page[-1].id)
    key = (lambda version: (version.updated, version.id.encode())) if sort else (lambda version: version.id.encode())
    assert found == sorted(found, key=key, reverse=sort.startswith("-"))  # type: ignore[arg-type]
    assert sorted(ids(found)) == sorted(mixed)


def test_page_is_not_shifted_when_rows_come_and_go_Y_16(store: SqlStore) -> None:
    store.write_now(lambda uow: [put(uow, task(id)) for id in "bdf"])
    assert find(store, count=2) == ["b", "d"]
    store.write_now(lambda uow: [put(uow, task("a")), put(uow, task("e")), put(uow, task("b", deleted=True))])
    assert find(store, count=2, after=("", "d")) == ["e", "f"]


def test_page_is_full_when_what_was_deleted_keeps_its_rows(store: SqlStore) -> None:
    wrote = IndexRow("_author", "token", "clinique")  # a tombstone keeps it, so that the author finds its history
    store.write_now(lambda uow: [put(uow, task(id, deleted=id in "ac"), wrote) for id in "abcde"])
    for sort in ("", "_lastUpdated"):
        assert find(store, Clause("_author", "token", ("clinique",)), sort=sort, count=2) == ["b", "d"]


# ── what is refused ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "query",
    [
        Query("Task", (token("a", modifier="above"),)), Query("Task", (dated("2026", ), Clause("p", "date", ("2026",), "not"))),
        Query("Task", (token(),)), Query("Task", (token("yes", modifier="missing"),)), Query("Task", (token("true", "false", modifier="missing"),)),
        Query("Task", (dated("ap2026"),)), Query("Task", (dated("2026-13"),)), Query("Task", (dated("2026-02-30"),)), Query("Task", (dated(""),)),
        Query("Task", (dated("gt"),)), Query("Task", (dated("yesterday"),)), Query("Task", (token("a\x00b"),)), Query("Task", (token("\ud800"),)),
        Query("Task", sort="_lastUpdated", after=("not a time", "x")),
    ],
)  # fmt: skip
def test_search_refuses_what_it_cannot_mean(store: SqlStore, query: Query) -> None:
    with pytest.raises(Malformed):
        store.read_now(lambda uow: uow.search(query))
    assert find(store) == []


# ── against a naive model ────────────────────────────────────────────────────────────────────────
SYSTEMS, CODES = ["", "s1", "s2"], ["a", "A", "b", "a%", "x_y", "é"]
DATES = ["2025", "2026", "2026-03", "2026-03-06", "2026-03-07", "2026-03-06T18:50:00Z", "2026-03-06T18:50:00.000Z", "2026-03-31T23:59:59.999Z"]
WORDS = ["dup", "Dupré", "dupre", "DUPRÉ d", "zoë", "z%", "_", "", "ß", "SS"]
ROWS = (
    st.builds(lambda s, v, i: IndexRow("status", "token", v, s, identifying=i), st.sampled_from(SYSTEMS), st.sampled_from(CODES), st.just(False))
    | st.builds(lambda v: IndexRow("name", "string", v), st.sampled_from(WORDS))
    | st.builds(lambda a, b: IndexRow("period", "date", low=min(a, b, key=span), high=max(a, b, key=span)), st.sampled_from(DATES), st.sampled_from(DATES))
)
CLAUSES = (
    st.builds(lambda v, m: Clause("status", "token", tuple(v), m), st.lists(st.sampled_from(
        [f"{s}|{c}" for s in SYSTEMS for c in CODES] + CODES + ["s1|", "s2|"]), min_size=1, max_size=3), st.sampled_from(["", "not"]))
    | st.builds(lambda v, m: Clause("name", "string", tuple(v), m), st.lists(st.sampled_from(WORDS), min_size=1, max_size=2),
                st.sampled_from(["", "exact", "contains"]))
    | st.builds(lambda v: Clause("period", "date", tuple(v)), st.lists(st.builds(str.__add__, st.sampled_from(
        ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]), st.sampled_from(DATES)), min_size=1, max_size=2))
    | st.builds(lambda p, v: Clause(*p, (v,), "missing"), st.sampled_from([("status", "token"), ("name", "string"), ("period", "date")]),
                st.sampled_from(["true", "false"]))
)  # fmt: skip


def plain(words: str) -> str:
    folded = unicodedata.normalize("NFKD", words).replace("ß", "ss").lower()
    return " ".join("".join(char for char in folded if unicodedata.category(char) != "Mn").split())


def matches(rows: list[IndexRow], clause: Clause) -> bool:
    mine = [row for row in rows if row.param == clause.param]
    if clause.modifier == "missing":
        return (clause.values[0] == "true") != bool(mine)
    found = any(one(row, value, clause.modifier) for row in mine for value in clause.values)
    return not found if clause.modifier == "not" else found


def one(row: IndexRow, value: str, modifier: str) -> bool:
    if row.kind == "token":
        system, bar, code = value.rpartition("|")
        return (not bar or system == row.system) and code in ("", row.value)
    if row.kind == "string":
        have, want = plain(row.value), plain(value)
        return {"": have.startswith(want), "exact": have == want, "contains": want in have}[modifier]
    prefix, want_date = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
    (low, _), (_, high), (first, last) = span(row.low), span(row.high), span(want_date)
    inside = first <= low and high <= last
    return {"eq": inside, "ne": not inside, "gt": high > last, "lt": low < first, "ge": inside or high > last, "le": inside or low < first,
            "sa": low > last, "eb": high < first}[prefix]  # fmt: skip


_types = count()


def place(number: int, rows: list[IndexRow], sort: str) -> tuple[str, str]:
    """Where a resource stands in the order of `sort`: what has no such date comes last."""
    if sort.endswith("period"):
        lows = [span(row.low)[0] for row in rows if row.kind == "date"]
        return (min(lows, default="" if sort.startswith("-") else "~"), f"r{number}")
    return (text(AT + timedelta(seconds=number // 2)) if "Updated" in sort else "", f"r{number}")


@pytest.mark.parametrize("url", ALL, indirect=True)
@given(
    resources=st.lists(st.lists(ROWS, max_size=5), max_size=6), clauses=st.lists(CLAUSES, max_size=3), count=st.integers(1, 3),
    sort=st.sampled_from(["", "-_id", "_lastUpdated", "-_lastUpdated", "period", "-period"]), gone=st.sets(st.integers(0, 5)),
)  # fmt: skip
def test_search_finds_what_a_naive_reading_finds(
    store: SqlStore, resources: list[list[IndexRow]], clauses: list[Clause], count: int, sort: str, gone: set[int]
) -> None:
    type = f"T{next(_types)}"
    if sort.endswith("period"):  # only what has one date is sorted by it
        resources = [[row for n, row in enumerate(rows) if row.kind != "date" or all(each.kind != "date" for each in rows[:n])] for rows in resources]

    def fill(uow: Uow) -> None:
        for number, rows in enumerate(resources):  # each is written over another, so that old rows would show
            version = Version(type, f"r{number}", 0, AT + timedelta(seconds=number // 2), "c", b"{}")
            uow.save(version, expected=None, index=resources[number - 1])
            uow.save(replace(version, deleted=number in gone), expected=None, index=rows)  # what is deleted may keep rows

    store.write_now(fill)
    query, found = Query(type, tuple(clauses), sort=sort, count=count), list[Version]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapter.store.search.FIRST", 1)  # so that few rows are many: each driver is given up for the next
        patch.setattr("adapter.store.search._COUNTED_FROM", 2)
        while page := store.read_now(lambda uow: uow.search(query)):  # noqa: B023
            assert len(found) % count == 0, "a page that is not full is the last"
            found += page
            query = replace(query, after=(page[-1].key, page[-1].id))
        counted = store.read_now(lambda uow: uow.count(Query(type, tuple(clauses))))
    met = [(number, rows) for number, rows in enumerate(resources) if number not in gone and all(matches(rows, clause) for clause in clauses)]
    expected = sorted((place(number, rows, sort) for number, rows in met), reverse=sort.startswith("-"))
    assert ids(found) == [id for _, id in expected]
    assert counted == len(expected)


@pytest.mark.parametrize("prefix", ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"])
def test_date_prefix_finds_what_a_naive_reading_finds_for_every_pair_of_spans(store: SqlStore, prefix: str) -> None:
    rows = [IndexRow("period", "date", low=low, high=high) for low in DATES for high in DATES if span(low) <= span(high)]
    store.write_now(lambda uow: [put(uow, task(f"{n:02}"), row) for n, row in enumerate(rows)])
    for value in DATES:
        clause = dated(prefix + value)
        assert find(store, clause) == [f"{n:02}" for n, row in enumerate(rows) if matches([row], clause)]


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))
def test_stored_times_sort_as_time_and_come_back(at: datetime) -> None:
    stored = text(at)
    assert FIRST <= stored <= LAST
    assert datetime.fromisoformat(stored) == at
    assert (stored < text(AT)) == (at < AT)
