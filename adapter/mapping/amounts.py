"""Amounts, counts, and yes or no as JSON says it."""

from __future__ import annotations

import re
from typing import Any

from adapter.mapping.context import Run
from adapter.mapping.values import Kind, Unfit, clean, same

MOST = 1_000_000
MOST_COUNTED = 2_147_483_647  # a whole number of FHIR has 32 bits
_TYPED = re.compile(r"\d{1,12}(?:[.,]\d{1,2})?", re.ASCII)


def number(most: int | None = None, *, whole: bool = False) -> Kind:
    """A number from 0 to `most`: of at most two decimals, or `whole`; a comma is read as French. Text that is one is taken as one."""
    most = most or (MOST_COUNTED if whole else MOST)
    expected = f"expected a {'whole number' if whole else 'number of at most two decimals'} from 0 to {most}"

    def read(value: object, run: Run, path: str, place: str) -> int | float | None:
        if type(value) in (int, float):
            value = str(value).removesuffix(".0")
        typed = clean(value, 20)
        if typed is None:
            return None
        if not _TYPED.fullmatch(typed):
            raise Unfit(expected)
        found = float(typed.replace(",", "."))
        if found > most or (whole and not found.is_integer()):
            raise Unfit(expected)
        return int(found) if found.is_integer() else found

    def write(value: Any, run: Run) -> Any:  # it may have stood in an identifier
        return int(value) if type(value) is str and value.isascii() and value.isdigit() else value

    return Kind(read, write)


def yes_or_no() -> Kind:
    """true or false."""

    def read(value: object, run: Run, path: str, place: str) -> bool:
        if type(value) is not bool:
            raise Unfit("expected true or false", "structure")
        return value

    return Kind(read, same)
