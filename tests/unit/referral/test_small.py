"""Spoken reference, routing, coarse place and age."""

from __future__ import annotations

from datetime import date

import pytest

from adapter.network import parse
from adapter.referral import spoken
from adapter.referral.area import AGE_CLASSES, age_at, age_class, area, department
from adapter.referral.routing import Asked, fitting, reasons
from tests.unit.network.network import TEXT, changed
from tests.unit.referral.referrals import task

NETWORK = parse(TEXT)


def test_spoken_is_short_stable_and_differs_by_turn() -> None:
    first = spoken.spoken("0b7c8f6e-0000-4000-8000-000000000001")
    assert first == spoken.spoken("0b7c8f6e-0000-4000-8000-000000000001") and len(first) == 6 and first[2] == "-"
    assert first != spoken.spoken("0b7c8f6e-0000-4000-8000-000000000001", turn=1)


def test_spoken_alphabet_has_no_letters_read_as_digits_and_is_of_prime_length() -> None:
    assert not set("01BIOSZ") & set(spoken.ALPHABET) and len(set(spoken.ALPHABET)) == len(spoken.ALPHABET) == 29


def test_parse_takes_what_people_type_and_refuses_what_cannot_be() -> None:
    right = spoken.spoken("x")
    for typed in (right.lower(), right.replace("-", ""), f" {right} ", " ".join(right.replace("-", ""))):
        assert spoken.parse(typed) == right
    for typed in ("", right[:-1], right + "A", right.replace("-", "") + "2", "é" * 5, "00000", "-" * 5):
        assert spoken.parse(typed) is None


def test_of_task_is_its_identifier_or_made_from_its_id() -> None:
    assert spoken.of_task(task()) == "K7-42M"
    assert spoken.of_task(task(identifier=[])) == spoken.spoken("t1")


@pytest.mark.parametrize(("asked", "why"), [
    (Asked(), []), (Asked(needs=("denutrition",), commune="76540", age=70, scheme="regime-general"), []),
    (Asked(commune="76681"), ["territory"]), (Asked(age=59), ["age"]), (Asked(scheme="msa"), ["scheme"]),
    (Asked(needs=("denutrition", "expulsion")), ["need"]),
    (Asked(needs=("expulsion",), commune="75056", age=20, scheme="msa"), ["territory", "age", "scheme", "need"]),
])  # fmt: skip
def test_reasons_say_everything_that_does_not_fit(asked: Asked, why: list[str]) -> None:
    assert reasons(NETWORK, "pool", asked) == why


def test_reasons_say_inactive_when_the_unit_is_gone_or_unknown() -> None:
    assert reasons(NETWORK, "nobody", Asked()) == ["inactive"]


def test_fitting_offers_others_that_fit_with_the_service_asked_first() -> None:
    two = parse(changed(("people:", """\
  - key: saad
    kind: service
    name: Aide
    category: saad
    controller: Aide
    legal_basis: mission
    secrecy_text: engagement de confidentialité signé
    units:
      - {key: saad-a, name: A, service: portage-repas}
      - {key: saad-b, name: B, service: aide-domicile, territory: ["27"]}
people:""")))  # fmt: skip
    assert [unit.key for unit in fitting(two, Asked(age=70))] == ["coursier", "pool", "saad-a", "saad-b"]
    assert next(unit.key for unit in fitting(two, Asked(service="portage-repas"))) == "saad-a"
    assert [unit.key for unit in fitting(two, Asked(commune="76540"), beside=["saad-b"])] == ["saad-a", "coursier", "pool"]
    assert [unit.key for unit in fitting(two, Asked(age=70), beside=["coursier"])] == ["pool", "saad-a", "saad-b"]
    assert [unit.key for unit in fitting(two, Asked(commune="27229"))] == ["saad-a", "saad-b"]


@pytest.mark.parametrize(("born", "day", "age"), [
    ("1938-02-03", "2026-02-02", 87), ("1938-02-03", "2026-02-03", 88), ("2008-02-29", "2026-02-28", 17), ("2008-02-29", "2026-03-01", 18),
    ("2026-03-02", "2026-03-02", 0), ("2027-01-01", "2026-03-02", None), ("1938", "2026-03-02", None), ("x", "2026-03-02", None),
])  # fmt: skip
def test_age_at_counts_whole_years(born: str, day: str, age: int | None) -> None:
    assert age_at(born, date.fromisoformat(day)) == age


@pytest.mark.parametrize(("born", "expected"), [
    ("1938-02-03", "75-plus"), ("1951-03-03", "60-74"), ("1951-03-02", "75-plus"), ("2023-03-03", "moins-3"), ("2023-03-02", "3-10"),
    ("1938", "75-plus"), ("1951", None), ("1951-03", None), ("1951-02", "75-plus"), ("2026-04-01", None), ("", None), ("19xx", None),
])  # fmt: skip
def test_age_class_is_said_only_when_the_date_says_it(born: str, expected: str | None) -> None:
    assert age_class(born, date(2026, 3, 2)) == expected


def test_age_classes_begin_at_birth_and_rise() -> None:
    lows = [low for low, _ in AGE_CLASSES]
    assert lows[0] == 0 and lows == sorted(set(lows))


@pytest.mark.parametrize(("commune", "code"), [("76540", "76"), ("97411", "974"), ("2A004", "2A"), ("98735", "987")])
def test_department_of_a_commune(commune: str, code: str) -> None:
    assert department(commune) == code


def test_area_is_the_department_when_the_commune_is_small_or_unknown() -> None:
    people = {"76540": 114_000, "76001": 1999, "76002": 2000}
    assert [area(commune, people) for commune in ("76540", "76001", "76002", "76999")] == ["76540", "76", "76002", "76"]
