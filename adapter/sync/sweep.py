"""What of ours an EHR did not show although it showed everything: looked for one by one, for a search alone proves no deletion
(sync.md Y-22, Y-43)."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace

from adapter.ports import Link, Store
from adapter.sync import links

PAGE = 500
MANY = 20  # copies that we know; of fewer, all may well be deleted one day


class Seen:
    """The ids that one chain of pages showed: eight bytes each, so that a hundred thousand are no burden."""

    def __init__(self) -> None:
        self._digests = array("Q")
        self._sorted = True

    def add(self, id: str) -> None:
        self._digests.append(_digest(id))
        self._sorted = False

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, id: str) -> bool:
        digests, wanted = self._in_order(), _digest(id)
        place = bisect_left(digests, wanted)
        return place < len(digests) and digests[place] == wanted

    @property
    def shifted(self) -> bool:
        """Whether one was shown twice: pages moved while they were read, and another may have been shown never."""
        digests = self._in_order()
        return any(digests[place] == digests[place + 1] for place in range(len(digests) - 1))

    def _in_order(self) -> array[int]:
        if not self._sorted:
            self._digests = array("Q", sorted(self._digests))
            self._sorted = True
        return self._digests


def _digest(id: str) -> int:
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest())


def unseen(store: Store, ehr: str, type: str, seen: Seen) -> tuple[list[Link], bool]:
    """The copies that were not shown, without those known to be gone; and whether they are most of many."""
    missing, known = [], 0
    for link in copies(store, ehr, type):
        known += 1
        if link.remote_id not in seen:
            missing.append(link)
    return missing, vanished(len(missing), known)


def vanished(missing: int, known: int) -> bool:
    """Whether this is no deletion of one or the other."""
    return known >= MANY and missing * 2 > known


def copies(store: Store, ehr: str, type: str) -> Iterator[Link]:
    """Every copy there that is not known to be gone, by our id; without its content."""
    after = ""
    while found := store.read_now(lambda uow, after=after: uow.links(ehr, type, after=after, limit=PAGE)):  # type: ignore[misc]
        gone = store.read_now(lambda uow, found=found: {each.id for each in found if links.lost(uow, ehr, type, each.id)})  # type: ignore[misc]
        yield from (replace(each, base=b"") for each in found if each.remote_id and each.id not in gone)
        after = found[-1].id
