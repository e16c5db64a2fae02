"""The indicators of a period (france.md 5), gathered from what is stored: counts, and nothing of a person.

Referrals are read a page at a time, each page in a unit of its own; of each a few numbers stay (`referral.indicators.counting`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapter import courses
from adapter.audit import officer
from adapter.audit.parts import recorded
from adapter.audit.reading import Wanted, found
from adapter.clock import instant
from adapter.errors import SettingsError
from adapter.flows import Flows
from adapter.mapping import Terms
from adapter.network import Network
from adapter.ports import Clause, Query, Store, Uow
from adapter.referral import indicators
from adapter.referral.indicators import Beside, Counted, Course, Row, Shown, Synced, words
from adapter.referral.indicators.cuts import OTHERS
from adapter.refusal import REFUSALS

PAGE = 100
LANGS = ("fr", "en")
Behind = Callable[[Uow], list[dict[str, Any]]]  # `App.behind`


@dataclass(frozen=True, slots=True)
class Period:
    """[since, until), days in the network's zone; None: open."""

    since: date | None = None
    until: date | None = None

    def holds(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)


def period(since: str, until: str) -> Period:
    """Of two days as text, "" for none. Raises SettingsError naming the option that is no day, or where the first is not before the
    second."""
    wanted = Period(_day(since, "--from"), _day(until, "--to"))
    if wanted.since and wanted.until and wanted.since >= wanted.until:
        fix = "the first day counts, the last does not: a whole year is --from 2026-01-01 --to 2027-01-01"
        raise SettingsError("expected a period that ends after it begins", variable="--to", fix=fix)
    return wanted


def _day(text: str, option: str) -> date | None:
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        found = date.min
    if (found and not 1900 < found.year < 9999) or (text and len(text) != 10):
        raise SettingsError("expected a day", variable=option, fix="write it as 2026-01-31")
    return found


def told(store: Store, story: Callable[[Uow], Flows], behind: Behind, *, wanted: Period) -> dict[str, Any]:
    """The report as one object, ready for JSON: {from, to, zone, made, least, indicators: [{id, title, declared, rows, benchmarks}]}.
    Each row has `part`, `cut`, `group` with their labels in both languages, and numerator, denominator, share, median, p90, mean with
    their `unit`, null where there is none; `hidden`: it may not be told. Who may see it holds the view `indicateurs`
    (`aggregate: true`)."""
    counted = Counted()
    for one in _courses(store, story, wanted):
        counted.feed(one)
    network, terms = store.read_now(lambda uow: (story(uow).network, story(uow).window.terms))
    at, beside = store.read_now(lambda uow: (uow.at, _beside(uow, network, behind(uow), wanted)))
    rows = indicators.figures(counted, replace(beside, shown=_shown(store, wanted, network.zone)))
    labels = _Labels(network, terms)
    return {
        "from": wanted.since.isoformat() if wanted.since else "", "to": wanted.until.isoformat() if wanted.until else "", "zone": network.zone,
        "made": instant(at), "least": indicators.LEAST,
        "indicators": [
            {
                "id": number, "title": dict(title), "declared": number == "I15",
                "rows": [asdict(row) | {"label": labels.part(row), "group_label": labels.group(row)} for row in rows if row.indicator == number],
                "benchmarks": [asdict(each) for each in indicators.BENCHMARKS.get(number, ())],
            }
            for number, title in words.TITLES.items()
        ],
    }  # fmt: skip


def _courses(store: Store, story: Callable[[Uow], Flows], wanted: Period) -> Iterator[Course]:
    """What happened to each referral that was asked in the period."""
    day = timedelta(days=1)  # the store counts days in UTC; what is too much falls out below
    bounds = [f"ge{wanted.since - day}"] if wanted.since else []
    clauses = tuple(Clause("authored", "date", (each,)) for each in [*bounds, *([f"lt{wanted.until + day}"] if wanted.until else [])])
    after: tuple[str, str] | None = None
    while True:
        ids, read = store.read_now(lambda uow, after=after: _page(uow, story(uow), clauses, after))  # type: ignore[misc]
        yield from (one for one in read if wanted.holds(one.asked.date()))
        if len(ids) < PAGE:
            return
        after = ("", ids[-1])


def _page(uow: Uow, story: Flows, clauses: tuple[Clause, ...], after: tuple[str, str] | None) -> tuple[list[str], list[Course]]:
    requests = uow.search(Query("ServiceRequest", clauses, count=PAGE, after=after))
    read = (courses.course(uow, story, each.id) for each in requests)
    return [each.id for each in requests], [one for one in read if one]


# ── what is not counted from referrals ───────────────────────────────────────────────────────────
def _beside(uow: Uow, network: Network, behind: list[dict[str, Any]], wanted: Period) -> Beside:
    people = {unit.key: sum(network.serving(each.key, uow.at) is not None for each in network.people if each.unit == unit.key) for _, unit in network.units()}
    refusals = sum(count for name, count in uow.added(REFUSALS).items() if wanted.holds(date.fromisoformat(f"{name.split('/')[1]}-01")))
    synced = [Synced(each["ehr"], each["lag"], each["conflicts"], each["parked"]) for each in behind]
    return Beside(refusals, {unit: count for unit, count in people.items() if count}, synced=synced)


def _shown(store: Store, wanted: Period, zone: str) -> list[Shown]:
    """From the disclosures in the trail, which keeps their content for a year."""
    tally, begun, ended = officer.Tally(), _moment(wanted.since, zone), _moment(wanted.until, zone)
    for row, one in found(store, Wanted("", begun, ended)):
        tally.feed(row.person, one)
    return [
        Shown(recipient, len(each.persons), round(each.beyond / each.times, 2), round(each.fields / each.times, 2))
        for recipient, each in sorted(tally.recipients.items())
    ]


def _moment(day: date | None, zone: str) -> str:
    return recorded(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)) if day else ""


# ── labels ───────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class _Labels:
    network: Network
    terms: Terms

    def part(self, row: Row) -> Mapping[str, str]:
        _, colon, reason = row.part.partition(":")
        return {lang: words.part(row.part, lang, self.terms.label("status-reason", reason, lang=lang) if colon else "") for lang in LANGS}

    def group(self, row: Row) -> Mapping[str, str]:
        if not row.group:
            return words.UNKNOWN if row.cut else words.CUTS[""]
        return words.OTHERS if row.group == OTHERS else {lang: self._named(row, lang) for lang in LANGS}

    def _named(self, row: Row, lang: str) -> str:
        if row.cut == "age":
            return self.terms.label("age-class", row.group, lang=lang)
        if row.cut == "area":
            known = self.terms.label("commune", row.group, lang=lang)
            return known if known != row.group else f"{'Département' if lang == 'fr' else 'Department'} {row.group}"
        found = self.network.unit(row.group) or self.network.organisation(row.group)
        return found.name if found else row.group
