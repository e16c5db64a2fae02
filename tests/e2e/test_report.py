"""`liaison report`: a year played by the acts that people do, whose figures the test counts from what it did; and the command."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest

from adapter.cli.report import reported
from adapter.cli.report_page import page
from adapter.errors import SettingsError
from adapter.ports import Query
from adapter.store import upgrade
from tests.e2e.desk import Desk
from tests.e2e.stage import staged
from tests.e2e.year import CONTACTS, HOLIDAYS, Year

KINDS = {"done-seen": 15, "done-unseen": 7, "wrong": 6, "full": 5, "running": 8, "waiting": 6, "unanswered": 5, "withdrawn": 5, "refused": 6}
FROM, TO = "2026-03-01", "2027-03-01"  # refusals are kept by the month, so whole months


def mondays() -> Iterator[date]:
    day = date(2026, 3, 9)
    while day < date(2027, 2, 22):
        if day not in HOLIDAYS | {date(2026, 5, 11)}:
            yield day
        day += timedelta(days=7)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Year, Desk]]:
    folder = tmp_path_factory.mktemp("year")
    url = f"sqlite:///{folder / 'liaison.db'}"
    upgrade(url)
    with staged(url) as stage:
        year, days = Year(stage), [*mondays()]
        kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
        for number, kind in enumerate(kinds):
            year.plan(number, days[number * 7 % len(days)], kind)
        for number in range(3):  # after the period
            year.plan(900 + number, date(2027, 3, 8), "waiting")
        year.play()
        year.noted = [one for one in year.noted if one.number < 900]
        yield year, Desk(stage, folder)


@pytest.fixture(scope="module")
def found(played: tuple[Year, Desk]) -> dict[str, Any]:
    result = played[1].run("report", "--from", FROM, "--to", TO, "--format", "json")
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def row(found: dict[str, Any], indicator: str, part: str, cut: str = "", group: str = "") -> dict[str, Any]:
    rows = next(each["rows"] for each in found["indicators"] if each["id"] == indicator)
    (one,) = [each for each in rows if (each["part"], each["cut"], each["group"]) == (part, cut, group)]
    return dict(one)


def figure(one: dict[str, Any], *names: str) -> tuple[Any, ...]:
    assert not one["hidden"], one
    return tuple(one[name] for name in names)


def ninetieth(values: list[float]) -> float:
    """The smallest value that nine in ten do not pass."""
    return min(value for value in values if sum(each <= value for each in values) >= 0.9 * len(values))


# ── the figures, counted here ────────────────────────────────────────────────────────────────────
def test_year_volume_matches_what_was_asked(played: tuple[Year, Desk], found: dict[str, Any]) -> None:
    noted = played[0].noted
    assert figure(row(found, "I1", "sent"), "numerator") == (len(noted),) == (57,)
    assert figure(row(found, "I1", "per-worker", "unit", "coursier-rouen"), "numerator", "denominator", "mean") == (57, 1, 57.0)
    months = {each["group"]: each for each in next(one["rows"] for one in found["indicators"] if one["id"] == "I1") if each["cut"] == "month"}
    counted = {f"{one.asked:%Y-%m}": sum(f"{other.asked:%Y-%m}" == f"{one.asked:%Y-%m}" for other in noted) for one in noted}
    assert set(months) == set(counted)
    assert all(each["hidden"] or each["numerator"] == counted[name] for name, each in months.items())
    assert all(months[name]["hidden"] for name, count in counted.items() if count < 5)


def test_year_delays_match_what_was_done(played: tuple[Year, Desk], found: dict[str, Any]) -> None:
    noted = played[0].noted
    wall = [one.contact for one in noted if one.contact]
    opened = [CONTACTS[each][2] for each in wall]
    assert figure(row(found, "I2", "wall"), "numerator", "median", "p90", "mean") == (len(wall), median(wall), ninetieth(wall), round(mean(wall), 1))
    assert figure(row(found, "I2", "opening"), "median", "p90") == (median(opened), ninetieth(opened))
    decided = [one.decided for one in noted if one.decided]
    assert figure(row(found, "I3", "decided"), "numerator", "median", "p90") == (46, median(decided), ninetieth(decided))
    kept = [one.kept for one in noted if one.kept]
    assert figure(row(found, "I4", "met"), "numerator", "median", "p90") == (22, median(kept), ninetieth(kept))
    support = [one.support for one in noted if one.support]
    assert figure(row(found, "I12", "completed"), "numerator", "median", "p90") == (22, median(support), ninetieth(support))


def test_year_answers_and_ends_match_what_was_done(played: tuple[Year, Desk], found: dict[str, Any]) -> None:
    share = ("numerator", "denominator", "share")
    assert figure(row(found, "I5", "accepted"), *share) == (35, 57, round(35 / 57, 3))
    assert figure(row(found, "I5", "rejected"), *share) == (11, 57, round(11 / 57, 3))
    assert figure(row(found, "I5", "rejected:session-complete"), "numerator") == (5,)
    assert figure(row(found, "I6", "misdirected"), *share) == (6, 57, round(6 / 57, 3))
    assert figure(row(found, "I7", "refused"), "numerator") == (6,)
    assert figure(row(found, "I7", "withdrawn"), *share) == (5, 57, round(5 / 57, 3))
    missed = sum(one.missed for one in played[0].noted)
    assert figure(row(found, "I8", "noshow"), *share) == (missed, 22 + missed, round(missed / (22 + missed), 3))
    assert figure(row(found, "I9", "unanswered"), *share) == (5, 57, round(5 / 57, 3))


def test_year_outcomes_match_what_was_done(played: tuple[Year, Desk], found: dict[str, Any]) -> None:
    assert figure(row(found, "I10", "told"), "numerator", "denominator") == (15, 57)
    assert figure(row(found, "I10", "completed-told"), "numerator", "denominator") == (15, 22)
    for result in ("satisfait", "partiel"):
        assert figure(row(found, "I11", result), "numerator", "denominator") == (sum(one.result == result for one in played[0].noted), 22)
    assert figure(row(found, "I11", "non-dit"), "numerator") == (0,)
    assert figure(row(found, "I13", "one-worker"), "share") == (1.0,)
    declared = [one.declared for one in played[0].noted if one.declared is not None]
    days = row(found, "I15", "estimated")
    assert figure(days, "numerator", "median", "mean", "declared") == (15, float(median(declared)), round(mean(declared), 1), True)
    assert figure(row(found, "I14", "conflicts", "ehr", "msp-saint-eloi"), "numerator") == (0,)


def test_year_recipients_are_told_by_what_they_were_shown(found: dict[str, Any]) -> None:
    recipients = {each["group"] for one in found["indicators"] if one["id"] == "I16" for each in one["rows"]}
    assert {"asso-coursiers", "msp-saint-eloi"} <= recipients
    assert figure(row(found, "I16", "beyond", "recipient", "asso-coursiers"), "share") == (1.0,)  # a named unit has the name on its card


def test_year_groups_of_a_cut_add_up_and_hide_what_is_small(played: tuple[Year, Desk], found: dict[str, Any]) -> None:
    noted = played[0].noted
    places = {"rouen": "76540", "sotteville": "76681", "elbeuf": "76"}  # nobody knows how many live at Elbeuf: its department
    for place, code in places.items():
        sent = row(found, "I1", "sent", "area", code)
        assert sent["hidden"] or sent["numerator"] == sum(one.place == place for one in noted)
        answered = row(found, "I5", "rejected", "area", code)
        count = sum(one.place == place and one.kind in ("wrong", "full") for one in noted)
        assert answered["hidden"] if 0 < count < 5 else answered["hidden"] or answered["numerator"] == count
    assert row(found, "I1", "sent", "area", "76540")["group_label"]["fr"] == "Rouen"
    assert row(found, "I1", "sent", "area", "76")["group_label"] == {"fr": "Département 76", "en": "Department 76"}


def test_period_takes_in_its_first_day_and_not_its_last(played: tuple[Year, Desk]) -> None:
    app = played[1].stage.app
    assert row(reported(app, "2027-03-08", "2027-03-09"), "I1", "sent")["hidden"]  # three people
    empty = reported(app, "2027-03-09", "2027-04-01")
    assert row(empty, "I1", "sent")["numerator"] == 0 and not any(each["hidden"] for one in empty["indicators"] for each in one["rows"])
    assert row(reported(app, "2026-03-09", "2027-03-09"), "I1", "sent")["numerator"] == 60
    assert row(reported(app), "I1", "sent")["numerator"] == 60


# ── the command ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("words", "said"), [
    (["--from", "hier"], "--from"), (["--to", "2026-02-30"], "--to"), (["--from", "2026-01"], "--from"), (["--from", "2026-01-01T00:00:00"], "--from"),
    (["--from", "20260101"], "--from"), (["--to", "0000-01-01"], "--to"), (["--from", "2026-05-01", "--to", "2026-04-01"], "--to"),
    (["--from", "2026-05-01", "--to", "2026-05-01"], "--to"),
])  # fmt: skip
def test_report_refuses_days_that_are_none_and_periods_that_end_before(played: tuple[Year, Desk], words: list[str], said: str) -> None:
    from adapter.cli.refusing import said as told

    before = played[1].stage.app.read_now(lambda _, uow: uow.audit_head())
    result = played[1].run("report", *words)
    assert isinstance(result.exception, SettingsError) and result.exception.variable == said
    text, code = told(result.exception)
    assert code == 2 and said in text and "mend:" in text and "hier" not in text
    assert played[1].stage.app.read_now(lambda _, uow: uow.audit_head()) == before  # nothing was given out


def test_report_is_an_event_before_it_is_given(played: tuple[Year, Desk]) -> None:
    app = played[1].stage.app
    before = app.read_now(lambda _, uow: uow.audit_head())[0]
    assert played[1].run("report", "--format", "csv").exit_code == 0
    (event,) = [json.loads(each.event) for each in app.read_now(lambda _, uow: uow.audit_rows(after=before))]
    assert event["subtype"][0]["code"] == "indicators" and "indicateurs|1" in json.dumps(event)
    report = json.loads(played[1].run("dpo", "report", "--json").stdout)
    assert report["exceptions"]["indicators"]  # a declared exception (workflow.md 6)


def test_report_as_csv_has_a_line_for_each_row(played: tuple[Year, Desk], found: dict[str, Any]) -> None:
    result = played[1].run("report", "--from", FROM, "--to", TO, "--format", "csv", "--lang", "en")
    lines = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(lines) == sum(len(each["rows"]) for each in found["indicators"])
    accepted = next(each for each in lines if each["indicator"] == "I5" and each["part"] == "accepted" and not each["cut"])
    assert (accepted["numerator"], accepted["denominator"], accepted["share"], accepted["label"]) == ("35", "57", "0.614", "Accepted")
    assert {each["declared"] for each in lines if each["indicator"] == "I15"} == {"true"}


def test_report_as_a_table_says_what_is_hidden_and_what_is_declared(played: tuple[Year, Desk]) -> None:
    text = played[1].run("report", "--from", FROM, "--to", TO).stdout
    assert "35 / 57" in text and "masqué" in text and "déclaré par le prescripteur" in text and "61,4 %" in text
    assert "ARESPA" in text and "Bu 2024" in text
    assert "35 / 57" in played[1].run("report", "--from", FROM, "--to", TO, "--lang", "en").stdout


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_report_as_a_page_asks_nothing_of_any_other_place(played: tuple[Year, Desk], lang: str) -> None:
    text = played[1].run("report", "--from", FROM, "--to", TO, "--format", "html", "--lang", lang).stdout
    assert text.startswith("<!DOCTYPE html>") and f'<html lang="{lang}">' in text and text.count("<svg") >= 7
    assert not re.search(r"<(script|link|img|iframe|object|embed|base|form|a|image|use)\b", text), "an element that may fetch"
    assert not re.search(r"(https?:)?//|url\(|@import|@font-face|\b(src|href|srcset|action|data)=|\bon\w+=", text), "an address"
    assert "default-src 'none'" in text and "@media print" in text
    assert ("masqué" if lang == "fr" else "hidden") in text and "ARESPA" in text and "35 / 57" in text


def test_report_is_the_same_each_time(played: tuple[Year, Desk], found: dict[str, Any]) -> None:
    again = played[1].run("report", "--from", FROM, "--to", TO, "--format", "json")
    now = json.loads(again.stdout)
    assert now["indicators"][:13] == found["indicators"][:13]
    assert page(now, "fr") == page(now, "fr")


def test_charts_are_drawn_by_a_library_that_no_other_verb_loads() -> None:
    said = "import sys; from adapter.cli.program import program; import adapter.cli.reporting; program(); sys.exit('pygal' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", said], check=False).returncode == 0


def test_report_names_nobody(played: tuple[Year, Desk]) -> None:
    for form in ("table", "csv", "json", "html"):
        text = played[1].run("report", "--format", form).stdout
        assert not re.search(r"Fictif\d|Jeannezyx|1938-02-03|Patient/|Task/|39980001", text), form


def test_report_needs_the_view_that_lets_counts_be_given(played: tuple[Year, Desk], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.views.load.load_declared", lambda folder=None: {})
    result = played[1].run("report")
    assert isinstance(result.exception, SettingsError) and result.exception.variable == "LIAISON_MAPPINGS_DIR"


def test_outcome_that_the_clinic_record_holds_has_reached_who_asked(tmp_path: Path) -> None:
    """I10 by the letter alone, nobody opened anything."""
    from adapter import courses
    from tests.e2e.stage import COURSIER

    url = f"sqlite:///{tmp_path / 'liaison.db'}"
    upgrade(url)
    with staged(url) as stage:
        stage.sent()
        request = stage.app.read_now(lambda _, uow: uow.search(Query("ServiceRequest")))[0].id
        for verb, arguments in (("accept", {}), ("start", {}), ("complete", {"outcome": "aide-en-place"})):
            (shown,) = stage.cards(COURSIER, "coursier-dac-asso")
            stage.act(COURSIER, "coursier-dac-asso", shown, verb, **arguments)
            if verb == "start":
                stage.push()

        def told() -> bool:
            one = stage.app.read_now(lambda story, uow: courses.course(uow, story, request))
            assert one is not None and one.completed is not None
            return one.told

        assert not told()
        stage.push()
        assert told()
