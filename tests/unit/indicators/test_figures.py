"""I1 to I16, each by its formula (france.md 5), on referrals whose figures anybody can count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapter.network import Opening
from adapter.referral.due import Calendar
from adapter.referral.indicators import BENCHMARKS, STRENGTHS, Course, Meeting, Shown, Synced, words
from tests.unit.indicators.lived import ASKED, PARIS, course, people, row, rows

DONE: list[Any] = [(10, "accepted"), (20, "in-progress"), (250, "completed")]


def test_i01_volume_by_month_and_by_worker() -> None:
    march, april = people(6), people(8, start=100, asked=datetime(2026, 4, 30, 23, 30, tzinfo=PARIS), unit="saad")
    found = rows([*march, *april], people={"coursier": 2})
    assert row(found, "I1", "sent").numerator == 14
    assert [row(found, "I1", "sent", "month", each).numerator for each in ("2026-03", "2026-04")] == [6, 8]
    coursier, saad = (row(found, "I1", "per-worker", "unit", each) for each in ("coursier", "saad"))
    assert (coursier.numerator, coursier.denominator, coursier.mean) == (6, 2, 3.0)
    assert (saad.numerator, saad.denominator, saad.mean) == (8, None, None)  # nobody says how many work there


def test_i01_counts_neither_drafts_nor_errors() -> None:
    draft = Course(ASKED, "Patient/x", "coursier", (course().moves[0].__class__(ASKED, "draft"),))
    given_up = Course(ASKED, "Patient/y", "coursier", tuple(course().moves[0].__class__(ASKED, each) for each in ("draft", "cancelled")))
    wrong = people(5, (1, "entered-in-error"), start=50)
    assert row(rows([*people(6), draft, given_up, *wrong]), "I1", "sent").numerator == 6


def test_i02_first_contact_in_wall_and_opening_hours() -> None:
    hours = [4, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    made = [course((1, "accepted"), (each, "in-progress"), person=f"Patient/{each}", opened=timedelta(hours=each / 4)) for each in hours]
    found = rows([*made, *people(5, (1, "accepted"), start=200)])
    wall, opening = row(found, "I2", "wall"), row(found, "I2", "opening")
    assert (wall.numerator, wall.median, wall.p90, wall.mean, wall.unit) == (10, 45.0, 80.0, 45.4, "hours")
    assert (opening.median, opening.p90) == (11.2, 20.0)


def test_i02_a_second_start_after_a_halt_is_no_first_contact() -> None:
    found = rows(people(5, (1, "accepted"), (6, "in-progress"), (9, "on-hold", "autre"), (90, "in-progress")))
    assert row(found, "I2", "wall").median == 6.0


def test_i02_opening_hours_leave_out_nights_week_ends_pauses_and_holidays() -> None:
    office = Calendar(tuple(Opening(day, *span) for day in range(5) for span in ((540, 720), (780, 1080))))
    at = datetime(2026, 3, 6, 17, 0, tzinfo=PARIS)  # a Friday
    assert office.open_between(at, datetime(2026, 3, 9, 14, 0, tzinfo=PARIS)) == timedelta(hours=1 + 3 + 1)
    assert office.open_between(at, at) == office.open_between(at, at - timedelta(days=3)) == timedelta(0)
    easter = datetime(2026, 4, 3, 18, 0, tzinfo=PARIS)  # Good Friday; Monday is a holiday
    assert office.open_between(easter, datetime(2026, 4, 7, 10, 0, tzinfo=PARIS).astimezone(UTC)) == timedelta(hours=1)
    night = Calendar((Opening(6, 0, 1440),))  # a Sunday of 23 hours
    assert night.open_between(datetime(2026, 3, 28, tzinfo=PARIS), datetime(2026, 3, 30, tzinfo=PARIS)) == timedelta(hours=23)


def test_i03_decision_is_acceptance_or_rejection() -> None:
    found = rows([*people(5, (10, "accepted")), *people(6, (40, "rejected", "autre"), start=20), *people(7, start=40)])
    decided = row(found, "I3", "decided")
    assert (decided.numerator, decided.median, decided.p90) == (11, 40.0, 40.0)


def test_i04_first_appointment_that_was_kept() -> None:
    kept = [Meeting(ASKED + timedelta(days=each), status) for each, status in ((2, "noshow"), (12, "fulfilled"), (5, "cancelled"), (30, "fulfilled"))]
    found = rows([*people(6, meetings=tuple(kept)), *people(5, start=30, meetings=(Meeting(ASKED, "booked"),))])
    assert (row(found, "I4", "met").numerator, row(found, "I4", "met").median) == (6, 12.0)


def test_i05_acceptance_and_refusal_by_reason() -> None:
    found = rows([
        *people(20, (1, "accepted")), *people(6, (1, "rejected", "session-complete"), start=30), *people(7, (1, "rejected", "hors-territoire"), start=50),
        *people(8, (1, "cancelled", "sans-reponse"), start=70), *people(9, start=90),
    ])  # fmt: skip
    told = [(each.numerator, each.denominator, each.share) for each in (row(found, "I5", part) for part in ("accepted", "rejected", "undecided"))]
    assert told == [(20, 50, 0.4), (13, 50, 0.26), (17, 50, 0.34)]
    assert row(found, "I5", "rejected:session-complete").numerator == 6 and row(found, "I5", "rejected:hors-territoire").share == 0.14
    assert row(found, "I5", "cancelled-before:sans-reponse").numerator == 8


def test_i05_what_was_accepted_stays_accepted_whatever_came_after() -> None:
    after = [(2, "in-progress"), (9, "failed", "beneficiaire-absent")]
    assert row(rows(people(5, (1, "accepted"), *after)), "I5", "accepted").share == 1.0


def test_i06_wrong_orientation_before_and_after_acceptance() -> None:
    found = rows([
        *people(6, (1, "rejected", "mauvaise-orientation")), *people(5, (1, "accepted"), (9, "cancelled", "mauvaise-orientation"), start=20),
        *people(9, (1, "rejected", "autre"), start=40), *people(20, (1, "accepted"), start=60), *people(6, (1, "accepted"), (3, "cancelled", "autre"), start=90),
    ])  # fmt: skip
    wrong = row(found, "I6", "misdirected")
    assert (wrong.numerator, wrong.denominator, wrong.share) == (11, 46, 0.239)
    assert [row(found, "I6", f"misdirected-{each}").numerator for each in ("before", "after")] == [6, 5]


def test_i07_refusals_at_the_proposal_and_withdrawals() -> None:
    found = rows([*people(6, withdrawn=True), *people(14, start=30)], refusals=7)
    assert row(found, "I7", "refused").numerator == 7
    assert (row(found, "I7", "withdrawn").numerator, row(found, "I7", "withdrawn").share) == (6, 0.3)
    few = row(rows(people(5), refusals=4), "I7", "refused")
    assert few.hidden and few.numerator is None and not row(rows(people(5)), "I7", "refused").hidden


def test_i08_no_shows_of_appointments_that_were_due() -> None:
    def seen(status: str, start: int) -> list[Course]:
        return people(6, start=start, meetings=(Meeting(ASKED, status),))

    found = rows([each for at, status in enumerate(("noshow", "fulfilled", "fulfilled", "cancelled", "booked")) for each in seen(status, 20 * at)])
    missed = row(found, "I8", "noshow")
    assert (missed.numerator, missed.denominator, missed.share) == (6, 18, 0.333)


def test_i09_closed_without_an_answer() -> None:
    found = rows([
        *people(5, (720, "cancelled", "sans-reponse")), *people(5, (9, "cancelled", "autre"), start=20), *people(10, start=40),
        *people(5, (9, "rejected", "sans-reponse"), start=70),
    ])  # fmt: skip
    assert (row(found, "I9", "unanswered").numerator, row(found, "I9", "unanswered").share) == (5, 0.2)


def test_i10_loop_is_closed_where_the_outcome_reached_who_asked() -> None:
    found = rows([*people(12, *DONE, told=True), *people(8, *DONE, start=30), *people(10, (1, "accepted"), start=60, told=True)])
    every, done = row(found, "I10", "told"), row(found, "I10", "completed-told")
    assert (every.numerator, every.denominator, every.share) == (12, 30, 0.4)
    assert (done.numerator, done.denominator, done.share) == (12, 20, 0.6)


def test_i11_needs_met_partly_not_or_dropped() -> None:
    said = [("satisfait",), ("satisfait", "non-satisfait"), ("non-satisfait", "non-satisfait"), ("abandonne",), ()]
    found = rows([each for at, results in enumerate(said) for each in people(5 + at, *DONE, start=20 * at, results=results)])
    told = {part: row(found, "I11", part).numerator for part in ("satisfait", "partiel", "non-satisfait", "abandonne", "non-dit")}
    assert told == {"satisfait": 5, "partiel": 6, "non-satisfait": 7, "abandonne": 8, "non-dit": 9}
    assert row(found, "I11", "satisfait").denominator == 35


def test_i12_length_of_support_runs_from_acceptance() -> None:
    found = rows(people(5, (24, "accepted"), (24 + 24 * 70, "completed")))
    assert (row(found, "I12", "completed").median, row(found, "I12", "completed").unit) == (70.0, "days")


def test_i13_units_for_one_need_of_one_person() -> None:
    one = people(10, needs=("faim", "isolement"))
    again = people(6, unit="saad", needs=("faim",))  # the first six persons, for one of the two needs
    found = rows([*one, *again])
    assert (row(found, "I13", "one-worker").numerator, row(found, "I13", "several-workers").numerator) == (14, 6)
    assert row(found, "I13", "workers").mean == 1.3


def test_i14_lag_and_conflicts_of_each_ehr() -> None:
    found = rows([], synced=[Synced("msp", 5400.0, 3, 1)])
    assert row(found, "I14", "lag", "ehr", "msp").mean == 1.5
    assert [row(found, "I14", each, "ehr", "msp").numerator for each in ("conflicts", "parked")] == [3, 1]


def test_i15_days_avoided_are_marked_as_declared() -> None:
    found = rows([course(*DONE, person=f"Patient/{each}", days_avoided=each) for each in (0, 5, 7, 8, 30)] + people(5, start=50))
    days = row(found, "I15", "estimated")
    assert (days.numerator, days.median, days.mean, days.declared) == (5, 7.0, 10.0, True)
    assert [each.indicator for each in found if each.declared] == ["I15"]
    assert "déclaré" in words.DECLARED["fr"] and "(déclaré)" in words.TITLES["I15"]["fr"]


def test_i16_classes_beyond_need_and_deadline_by_recipient() -> None:
    found = rows([], shown=[Shown("asso", 5, 0.75, 2.5), Shown("saad", 4, 1.0, 3.0)])
    assert (row(found, "I16", "beyond", "recipient", "asso").share, row(found, "I16", "fields", "recipient", "asso").mean) == (0.75, 2.5)
    few = row(found, "I16", "beyond", "recipient", "saad")
    assert few.hidden and few.share is None and row(found, "I16", "fields", "recipient", "saad").mean is None


# ── what is hidden ───────────────────────────────────────────────────────────────────────────────
def test_acceptance_is_not_told_where_the_refusals_left_over_are_few() -> None:
    found = rows([*people(20, (1, "accepted")), *people(3, (1, "rejected", "autre"), start=50)])
    assert row(found, "I1", "sent").numerator == 23 and row(found, "I5", "rejected").hidden
    assert row(found, "I5", "accepted").numerator is None


def test_nothing_small_is_told_of_four_persons_however_many_referrals() -> None:
    found = rows(people(4, *DONE) * 5)
    assert not [each for each in found if each.numerator or each.median is not None or each.mean is not None]
    assert row(found, "I1", "sent").hidden and not row(found, "I6", "misdirected").hidden  # nobody: 0 is no secret


def test_median_is_told_from_five_values_and_p90_from_ten() -> None:
    four, five, ten = (row(rows([*people(count, *DONE), *people(9, start=60)]), "I2", "wall") for count in (4, 5, 10))
    assert (four.median, four.hidden) == (None, True)
    assert (five.median, five.p90, five.hidden) == (20.0, None, False)
    assert (ten.median, ten.p90) == (20.0, 20.0)


def test_empty_period_has_rows_of_zero_and_none_hidden() -> None:
    found = rows([])
    assert not any(each.hidden or each.numerator or each.share for each in found)
    assert {each.indicator for each in found} == set(words.TITLES) - {"I14", "I16"}


# ── words ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("lang", ["fr", "en"])
def test_every_row_has_a_label_and_every_benchmark_a_source(lang: str) -> None:
    courses = [*people(5, *DONE, days_avoided=3), *people(5, (1, "rejected", "autre"), start=20), *people(5, (1, "accepted"), (2, "failed", ""), start=40)]
    for each in rows(courses, shown=[Shown("a", 9, 1.0, 1.0)], synced=[Synced("e", 0, 0, 0)]):
        assert words.part(each.part, lang) and words.CUTS[each.cut][lang] and each.unit in words.UNITS and words.TITLES[each.indicator][lang]
    for benchmarks in BENCHMARKS.values():
        for one in benchmarks:
            assert getattr(one, lang) and one.source and STRENGTHS[one.strength][lang] and (one.value is None) == (not one.unit)


def test_number_of_decisions_is_not_told_beside_acceptances_where_refusals_are_few() -> None:
    found = rows([*people(20, (1, "accepted")), *people(3, (1, "rejected", "autre"), start=50), *people(10, start=60)])
    assert row(found, "I5", "rejected").hidden and not (row(found, "I3", "decided").numerator and row(found, "I5", "accepted").numerator)


def test_two_groups_without_a_median_are_not_found_to_be_four_each() -> None:
    met = [(1.0, "accepted"), (9.0, "in-progress")]
    made = [each for at, area in enumerate(("76540", "76231")) for each in (*people(4, *met, area=area, start=100 * at), *people(20, area=area, start=100 * at + 50))]
    found = rows(made)
    assert all(row(found, "I2", "wall", "area", area).median is None for area in ("76540", "76231"))
    every = row(found, "I2", "wall")
    assert every.numerator is None and every.median == 9.0  # eight of two hidden groups of four at most


def test_groups_of_few_take_the_next_smallest_with_them() -> None:
    made = [*people(30, area="76540"), *people(6, area="76231", start=40), *people(2, area="27", start=60), *people(1, area="14", start=70)]
    found = rows(made)
    told = {each.group: each.numerator for each in found if each.indicator == "I1" and each.cut == "area"}
    assert told == {"76540": 30, "others": 9}
