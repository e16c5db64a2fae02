"""Which links an act of erasure or of purge destroyed: written into the act as ranges, read back when the chain is verified.
These acts prove that content went rightly, so they are never purged themselves; they name numbers of links and no person."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

import orjson

from adapter.ports import Resource

ERASE, PURGE = "audit-erase", "audit-purge"  # a person's events; events past their age
LARGEST = 5000  # links in one act, so that an event stays an event


def ranges(links: Iterable[int]) -> str:
    """ "3-5,9" of 9, 3, 4, 5."""
    ordered = sorted(set(links))
    starts = [link for before, link in pairwise([None, *ordered]) if before is None or link != before + 1]
    ends = [link for link, after in pairwise([*ordered, None]) if after is None or after != link + 1]  # type: ignore[operator]
    return ",".join(f"{first}-{last}" if first != last else str(first) for first, last in zip(starts, ends, strict=True))


def proves(event: Resource) -> bool:
    """Whether an event is an act that destroyed the content of others."""
    return any(each.get("code") in (ERASE, PURGE) for each in event.get("subtype", ()))


@lru_cache(maxsize=8)  # neighbouring links were mostly destroyed by the same act
def _destroyed(event: bytes) -> tuple[tuple[int, int], ...]:
    try:
        read = orjson.loads(event)
        if not proves(read):
            return ()
        details = [detail for entity in read["entity"] for detail in entity.get("detail", ())]
        text = next(detail["valueString"] for detail in details if detail["type"] == "links")
        pairs = (part.partition("-") for part in text.split(","))
        return tuple((int(first), int(last or first)) for first, _, last in pairs)
    except (ValueError, KeyError, IndexError, TypeError, StopIteration, AttributeError):
        return ()


def erases(event: bytes, link: int) -> bool:
    """Whether this event is an act of erasure or of purge that names the link."""
    return any(first <= link <= last for first, last in _destroyed(event))
