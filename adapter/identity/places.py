"""Towns as people write them (france.md 1.6, note 4)."""

from __future__ import annotations

import re

_POSTAL_CITY = re.compile(r"(\d{5})[ \u00a0,-]+(\D{2,})", re.ASCII)


def postal_and_city(city: object) -> tuple[str, str]:
    """("92140", "CLAMART") of "92140 CLAMART"; ("", "") of a town without a postal code before it."""
    found = _POSTAL_CITY.fullmatch(city.strip()) if isinstance(city, str) else None
    return (found[1], found[2].strip()) if found else ("", "")
