"""OpenStreetMap opening hours, where their grammar is simple: "Mo-Fr 09:00-12:00,14:00-18:00; Sa 09:00-12:00; PH off".

What is more than days and hours (months, weeks, comments, past midnight) is not guessed at: the words are kept instead.
"""

from __future__ import annotations

import re

from adapter.network import Opening
from adapter.network.hours import MIDNIGHT, joined, range_from

_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_DAY = f"(?:{'|'.join(_DAYS)}|PH)"
_RULE = re.compile(rf"(?:({_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*)\s+)?(off|closed|24/7|\d\d?:\d\d-\d\d?:\d\d(?:,\d\d?:\d\d-\d\d?:\d\d)*)")
_SPACES = re.compile(r"\s*([,;-])\s*")
LONGEST = 500


def parsed(written: str) -> tuple[Opening, ...] | None:
    """The openings of a week; None where the words say more than that, or nothing that can be read. A later rule for a day stands in
    the place of an earlier one, as OpenStreetMap has it. Public holidays (PH) are left to the words."""
    if len(written) > LONGEST:
        return None
    week: dict[int, list[Opening]] = {}
    for rule in _SPACES.sub(r"\1", written.strip()).split(";"):
        if not rule:
            continue
        found = _RULE.fullmatch(rule.strip())
        days = _days(found[1] or "Mo-Su") if found else None
        if found is None or days is None:
            return None
        try:
            openings = _ranges(found[2])
            week |= {day: [Opening(day, *each) for each in openings] for day in days}
        except ValueError:
            return None
    try:
        return joined(each for openings in week.values() for each in openings) or None
    except ValueError:
        return None


def _days(written: str) -> list[int] | None:
    found: list[int] = []
    for each in written.split(","):
        first, dash, last = each.partition("-")
        if "PH" in (first, last):
            if dash:
                return None
            continue
        start, end = _DAYS.index(first), _DAYS.index(last if dash else first)
        found += [(start + step) % 7 for step in range((end - start) % 7 + 1)]
    return found


def _ranges(written: str) -> list[tuple[int, int]]:
    if written in ("off", "closed"):
        return []
    if written == "24/7":
        return [(0, MIDNIGHT)]
    return [range_from("-".join(time.zfill(5) for time in each.split("-"))) for each in written.split(",")]
