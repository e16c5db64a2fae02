"""Nobody finds a small count from what is told: three who try, each in a way of its own, with none of the code that hides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.referral.indicators import Course, Row, Sum, hidden
from tests.unit.indicators.lived import chance, rows

LEAST = 5
Equation = dict[str, int]  # name -> factor; the sum of factor × value is 0


# ── who tries every world, on small tables ───────────────────────────────────────────────────────
@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, int], list[Sum]]:
    """A table with its margins, its total, and now and then a further way to add the total up."""
    high, wide = draw(st.integers(1, 3)), draw(st.integers(2, 3))
    counts = {f"{i}{j}": draw(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 9])) for i, j in product(range(high), range(wide))}
    sums = [Sum(f"{i}+", tuple(f"{i}{j}" for j in range(wide))) for i in range(high)]
    sums += [Sum(f"+{j}", tuple(f"{i}{j}" for i in range(high))) for j in range(wide)]
    sums += [Sum("++", tuple(f"{i}+" for i in range(high))), Sum("++", tuple(f"+{j}" for j in range(wide)))]
    for each in sums:
        counts[each.whole] = sum(counts[part] for part in each.parts)
    if draw(st.booleans()):
        part = draw(st.integers(0, counts["++"]))
        counts |= {"some": part, "rest": counts["++"] - part}
        sums.append(Sum("++", ("some", "rest")))
    return counts, sums


def worlds(counts: dict[str, int], unknown: frozenset[str], sums: list[Sum], name: str) -> Iterator[int]:
    """Every value of `name` in a world that agrees with what is told: what is hidden is one at least. Depth first; what a sum leaves
    no choice about is taken as it must be."""

    def closed(values: dict[str, int]) -> dict[str, int] | None:
        """With all that follows from the sums; None: a contradiction."""
        values, moved = dict(values), True
        while moved:
            moved = False
            for each in sums:
                signed = [(each.whole, -1), *((part, 1) for part in each.parts)]
                known = sum(sign * (values[one] if one in unknown else counts[one]) for one, sign in signed if one in values or one not in unknown)
                open_ = [(one, sign) for one, sign in signed if one in unknown and one not in values]
                parts = [one for one, sign in open_ if sign == 1]
                if len(parts) == len(open_) and (known + len(parts) > 0 or (not open_ and known)):
                    return None
                if len(open_) == 1:
                    values[open_[0][0]] = -known * open_[0][1]
                    if values[open_[0][0]] < 1:
                        return None
                    moved = True
        return values

    def solved(given_: dict[str, int]) -> bool:
        values = closed(given_)
        if values is None or not (left := sorted(unknown - set(values), key=lambda each: (order[each], each))):
            return values is not None
        return any(solved(values | {left[0]: value}) for value in sorted(range(1, total + 1), key=lambda value: abs(value - counts[left[0]])))

    total = counts["++"] + 3  # a hidden total may be larger
    order = {each: -sum(each in one.parts for one in sums) for each in counts}
    yield from (value for value in sorted(range(1, total + 1), key=lambda value: abs(value - counts[name])) if solved({name: value}))


@given(tables())
def test_hidden_count_has_two_values_at_least_in_the_worlds_that_agree(table: tuple[dict[str, int], list[Sum]]) -> None:
    counts, sums = table
    small = {name for name, count in counts.items() if 0 < count < LEAST}
    unknown = hidden(counts, {name: [str(at) for at in range(count)][:LEAST] for name, count in counts.items()}, sums)
    assert small <= unknown and not any(counts[name] == 0 for name in unknown)
    for name in sorted(small):
        found = worlds(counts, unknown, sums, name)
        assert len([value for value, _ in zip(found, range(2), strict=False)]) == 2, (name, counts, unknown)


def test_nothing_is_hidden_where_nothing_is_small() -> None:
    counts = {"++": 30, "a": 10, "b": 20, "c": 0}
    assert hidden(counts, {name: "abcde"[:count] for name, count in counts.items()}, [Sum("++", ("a", "b", "c"))]) == frozenset()


def test_few_persons_are_few_however_many_referrals() -> None:
    counts, persons = {"++": 30, "a": 9, "b": 21}, {"++": "abcde", "a": "ab", "b": "abcde"}
    assert hidden(counts, persons, [Sum("++", ("a", "b"))]) == {"a", "b"}


def crowd(counts: dict[str, int]) -> dict[str, list[str]]:
    """Nobody is behind two of them."""
    return {name: [f"{name}{at}" for at in range(count)][:LEAST] for name, count in counts.items()}


def test_parts_that_must_all_be_one_hide_their_sum() -> None:
    ones = dict.fromkeys("abcde", 1)
    assert "++" in hidden(ones | {"++": 5}, crowd(ones | {"++": 5}), [Sum("++", tuple(ones))])
    more = ones | {"f": 6, "++": 11}
    assert hidden(more, crowd(more), [Sum("++", (*ones, "f"))]) == set(ones) | {"f"}


def test_hidden_parts_that_are_few_together_take_another_with_them() -> None:
    counts = {"++": 30, "a": 1, "b": 2, "c": 9, "d": 18}
    assert hidden(counts, crowd(counts), [Sum("++", ("a", "b", "c", "d"))]) == {"a", "b", "c"}


def test_what_is_known_of_a_hidden_count_is_reckoned_with() -> None:
    counts, total = {"++": 6, "a": 1, "b": 5}, [Sum("++", ("a", "b"))]
    assert hidden(counts, crowd(counts), total) == {"a", "b"}
    assert hidden(counts, crowd(counts), total, bounds={"b": (5, 9)}) == {"++", "a", "b"}  # its median is told: five at least


# ── who takes a report, and only that, and reckons ───────────────────────────────────────────────
PARTS = ("accepted", "rejected", "undecided")
GROUPS = ("unit", "area", "age")


def cell(part: str, cut: str, group: str) -> str:
    return f"{cut}:{group}:{part}" if cut else part


def told(found: Iterable[Row]) -> tuple[dict[str, int], set[str], dict[str, list[str]]]:
    """(values that can be read off, names of what is hidden, groups by cut)."""
    values: dict[str, int] = {}
    masked: set[str] = set()
    groups: dict[str, list[str]] = {}
    for row in found:
        part = {"per-worker": "sent", "wall": "contacted"}.get(row.part, row.part)
        part = f"result-{part}" if row.indicator == "I11" else part
        name = cell(part, row.cut, row.group)
        if row.numerator is not None:
            values[name] = row.numerator
        elif row.hidden:
            masked.add(name)
        whole = {"completed-told": "completed"}.get(row.part, "completed" if row.indicator == "I11" else "sent")
        if row.denominator is not None and row.indicator not in ("I1", "I8", "I13"):
            values[cell(whole, row.cut, row.group)] = row.denominator
        if row.cut in (*GROUPS, "month"):
            groups.setdefault(row.cut, [])
            groups[row.cut] += [row.group] if row.group not in groups[row.cut] else []
    return values, masked - set(values), groups


def equations(names: set[str], groups: dict[str, list[str]]) -> list[Equation]:
    """What anybody knows to hold of a report. What it does not show is a name of its own (`left-…`), nothing at least."""
    made: list[Equation] = []

    def adds(whole: str, *parts: str) -> None:
        made.append({whole: -1} | dict.fromkeys(parts, 1))

    for cut, group in [("", ""), *((each, one) for each in GROUPS for one in groups.get(each, ()))]:
        adds(cell("sent", cut, group), *(cell(part, cut, group) for part in PARTS))
        for part in ("contacted", "told"):
            adds(cell("sent", cut, group), cell(part, cut, group), f"left-{cell(part, cut, group)}")
    for cut, found in groups.items():
        for part in ("sent",) if cut == "month" else ("sent", *PARTS, "contacted", "told"):
            adds(part, *(cell(part, cut, group) for group in found))
    of = {stage: sorted(each for each in names if each.startswith(f"{stage}:")) for stage in ("rejected", "cancelled-before", "cancelled-after", "failed")}
    adds("decided", "accepted", "rejected")
    adds("rejected", *of["rejected"])
    adds("undecided", *of["cancelled-before"], "left-waiting")
    adds("accepted", "completed", *of["cancelled-after"], *of["failed"], "left-running")
    adds("misdirected", "misdirected-before", "misdirected-after")
    adds("misdirected-before", *(each for stage in ("rejected", "cancelled-before") for each in of[stage] if each.endswith(":mauvaise-orientation")))
    adds("misdirected-after", *(each for each in of["cancelled-after"] if each.endswith(":mauvaise-orientation")))
    adds("unanswered", *(each for stage in ("cancelled-before", "cancelled-after") for each in of[stage] if each.endswith(":sans-reponse")))
    adds("completed", "completed-told", "left-untold")
    adds("told", "completed-told")
    adds("completed", *sorted(each for each in names if each.startswith("result-")))
    for part in ("misdirected", "unanswered", "withdrawn", "met", "estimated"):
        adds("sent", part, f"left-{part}")
    return made


def reckoned(values: dict[str, int], masked: set[str], known: list[Equation]) -> dict[str, int]:
    """What follows: all equations solved together, then bounds drawn tighter as long as they move."""
    names = sorted({name for each in known for name in each} - set(values))
    lines = [[Fraction(each.get(name, 0)) for name in names] + [Fraction(-sum(f * values[n] for n, f in each.items() if n in values))] for each in known]
    done = 0
    for at in range(len(names)):
        pivot = next((i for i in range(done, len(lines)) if lines[i][at]), None)
        if pivot is None:
            continue
        lines[done], lines[pivot] = lines[pivot], lines[done]
        head = lines[done][at]
        lines[done] = [value / head for value in lines[done]]
        for i, line in enumerate(lines):
            if i != done and line[at]:
                factor = line[at]
                lines[i] = [a - factor * b if b else a for a, b in zip(line, lines[done], strict=True)]
        done += 1
    low = {name: Fraction(1 if name in masked else 0) for name in names}
    high = {name: Fraction(values.get("sent", 1000)) for name in names}
    rows_ = [({name: f for name, f in zip(names, line, strict=False) if f}, line[-1]) for line in lines[:done]]
    rows_ += [({n: Fraction(f) for n, f in each.items() if n not in values}, Fraction(-sum(f * values[n] for n, f in each.items() if n in values))) for each in known]
    for _ in range(30):
        before = (dict(low), dict(high))
        for factors, right in rows_:
            for name, factor in factors.items():
                rest = [(f * low[n], f * high[n]) for n, f in factors.items() if n != name]
                ends = sorted(((right - sum(max(pair) for pair in rest)) / factor, (right - sum(min(pair) for pair in rest)) / factor))
                low[name], high[name] = max(low[name], Fraction(-(-ends[0].numerator // ends[0].denominator))), min(high[name], Fraction(ends[1].numerator // ends[1].denominator))
        if (low, high) == before:
            break
    return {name: int(low[name]) for name in names if low[name] == high[name]}


def truly(courses: list[Course]) -> dict[str, set[str]]:
    """Who is behind each count, counted here."""
    behind: dict[str, set[str]] = {}
    for one in courses:
        said = [each.status for each in one.moves]
        taken = "accepted" in said
        part = "accepted" if taken else "rejected" if said[-1] == "rejected" else "undecided"
        names = ["sent", part, *(["contacted"] if "in-progress" in said else ["left-contacted"])]
        names.append("told" if said[-1] == "completed" and one.told else "left-told")
        reason = one.moves[-1].reason
        stage = {"rejected": "rejected", "failed": "failed", "cancelled": "cancelled-after" if taken else "cancelled-before"}.get(said[-1])
        more = [f"{stage}:{reason}"] if stage else []
        more += ["decided"] if part != "undecided" else []
        more += ["left-waiting"] if said == ["requested"] else ["left-running"] if taken and not stage and said[-1] != "completed" else []
        more += [("misdirected-after" if taken else "misdirected-before"), "misdirected"] if reason == "mauvaise-orientation" else ["left-misdirected"]
        more += ["unanswered"] if reason == "sans-reponse" else ["left-unanswered"]
        more += ["withdrawn"] if one.withdrawn else ["left-withdrawn"]
        more += ["estimated"] if one.days_avoided is not None else ["left-estimated"]
        if said[-1] == "completed":
            more += ["completed", "completed-told" if one.told else "left-untold", f"result-{one.results[0] if one.results else 'non-dit'}"]
        more += ["met"] if any(each.status == "fulfilled" for each in one.meetings) else ["left-met"]
        for name in [*names, *more]:
            behind.setdefault(name, set()).add(one.person)
        for cut, group in (("unit", one.unit), ("area", one.area), ("age", one.age)):
            for name in names:
                left = name.startswith("left-")
                key = f"left-{cell(name.removeprefix('left-'), cut, group)}" if left else cell(name, cut, group)
                behind.setdefault(key, set()).add(one.person)
        behind.setdefault(cell("sent", "month", f"{one.asked:%Y-%m}"), set()).add(one.person)
    return behind


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 90))
def test_report_gives_no_small_count_back(seed: int, count: int) -> None:
    courses = chance(seed, count)
    found = rows(courses)
    values, masked, groups = told(found)
    behind = truly(courses)
    few = {name for name, persons in behind.items() if len(persons) < LEAST}
    assert not {name for name in values if name in few and values[name]}, "told as it is"
    names = set(values) | masked
    solved = reckoned(values, masked, equations(names, groups))
    given_back = {name: value for name, value in solved.items() if name in few and value}
    assert not given_back, (given_back, seed, count)


@given(st.integers(0, 10**6), st.integers(1, 60))
def test_report_tells_no_time_of_fewer_than_five_persons(seed: int, count: int) -> None:
    courses = chance(seed, count)
    behind = truly(courses)
    for each in rows(courses):
        if each.median is None or each.group == "others":
            continue
        part = {"wall": "contacted", "opening": "contacted"}.get(each.part, each.part)
        assert len(behind[cell(part, each.cut, each.group)]) >= LEAST, each


@given(st.integers(0, 10**6), st.integers(1, 60))
def test_groups_of_few_persons_are_put_together(seed: int, count: int) -> None:
    courses = chance(seed, count)
    found = rows(courses)
    everybody = {one.person for one in courses}
    sent: dict[tuple[str, str], set[str]] = {}
    for one in courses:
        for cut, group in (("unit", one.unit), ("area", one.area), ("age", one.age)):
            sent.setdefault((cut, group), set()).add(one.person)
    named: set[tuple[str, str]] = {(row.cut, row.group) for row in found if row.cut in GROUPS and row.group != "others"}
    assert all(len(sent[each]) >= LEAST for each in named)
    assert not named or len(everybody) >= LEAST


def test_who_reckons_finds_what_is_not_hidden_well() -> None:
    """The attack has teeth: with the small count alone hidden it is found at once."""
    known: list[Equation] = [{"sent": -1, "accepted": 1, "rejected": 1, "undecided": 1}]
    values: dict[str, Any] = {"sent": 20, "accepted": 15, "undecided": 2}
    assert reckoned(values, {"rejected"}, known) == {"rejected": 3}
