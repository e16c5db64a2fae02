"""Invented numbers with the check digits that belong to them."""

from __future__ import annotations


def keyed(thirteen: str) -> str:
    """A NIR of its first thirteen characters."""
    number = thirteen[:5] + thirteen[5:7].replace("2A", "19").replace("2B", "18") + thirteen[7:]
    return thirteen + f"{97 - int(number) % 97:02d}"


def luhn(digits: str) -> str:
    """The digits and the one that makes them a number of Luhn's."""
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(reversed(digits)))
    return digits + str(-total % 10)
