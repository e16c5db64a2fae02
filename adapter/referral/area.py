"""Coarse place and age: what a pool may see of a person before it accepts (workflow.md 6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

# Codes of our table `age-class`, each from its youngest age on.
AGE_CLASSES = ((0, "moins-3"), (3, "3-10"), (11, "11-17"), (18, "18-29"), (30, "30-59"), (60, "60-74"), (75, "75-plus"))
SMALL = 2000  # inhabitants; a smaller commune would point at a person


def age_at(birth_date: str, day: date) -> int | None:
    """Whole years on `day`; None where a partial or future birthDate does not say. A birthday of 29 February is 1 March."""
    try:
        born = date.fromisoformat(birth_date)
    except ValueError:
        return None
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day)) if born <= day else None


def age_class(birth_date: str, day: date) -> str | None:
    """"75-plus" and the like, from a FHIR birthDate. A partial date (1938, 1938-02) has a class where its first and its last
    day have the same; else None."""
    spans = {4: ("-01-01", "-12-31"), 7: ("-01", "-28")}
    ages = {age_at(birth_date + end, day) for end in spans.get(len(birth_date), ("", ""))}
    classes = {None if age is None else [name for low, name in AGE_CLASSES if age >= low][-1] for age in ages}
    return classes.pop() if len(classes) == 1 else None


def department(commune: str) -> str:
    """"76" of 76540, "974" of 97411, "2A" of 2A004."""
    return commune[:3] if commune.startswith(("97", "98")) else commune[:2]


def area(commune: str, population: Mapping[str, int]) -> str:
    """The commune's INSEE code, or its department where it has less than 2,000 inhabitants or nobody knows how many."""
    return commune if population.get(commune, 0) >= SMALL else department(commune)
