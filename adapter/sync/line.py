"""The line to one EHR: at most so many requests open at once, and none that the EHR's rate does not allow (limits of the network file).

Every request of this process to that EHR goes through it, whoever asks. How many requests a second all processes may make
together is counted in the database, when a letter is taken; what a letter asks beyond its one request is paid for before the next.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

from adapter.ports import Capability, EhrClient, Remote, Resource, Uow


def turn(client: EhrClient) -> AbstractContextManager[None]:
    """One of the requests that may be open, held while its caller makes sure that it may still be made."""
    return client.turn() if isinstance(client, Line) else nullcontext()


class Line:
    """An `EhrClient` that waits for its turn. `parallel`: requests open at once; `rate`: requests a second, all processes together."""

    def __init__(self, client: EhrClient, *, parallel: int = 1, rate: float | None = None) -> None:
        self.name, self.rate = client.name, rate
        self.parallel = parallel
        self._client = client
        self._free = threading.Semaphore(parallel)
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._made, self._paid = 0, 0  # requests

    # ── turns ────────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def turn(self) -> Iterator[None]:
        """Holds one of the open requests; inside, this thread's own calls do not wait again."""
        if getattr(self._mine, "held", False):
            yield
            return
        with self._free:
            self._mine.held = True
            try:
                yield
            finally:
                self._mine.held = False

    @contextmanager
    def _call(self) -> Iterator[None]:
        with self.turn():
            with self._lock:
                self._made += 1
            yield

    # ── the rate ─────────────────────────────────────────────────────────────────────────────────
    def spend(self, uow: Uow) -> datetime | None:
        """Pays for one request in the unit that takes a letter, and for those made unpaid. None: go on; else when there is more."""
        if self.rate is None:
            return None
        most, second = max(1, int(self.rate)), int(uow.at.timestamp())
        with self._lock:
            self._paid = min(self._paid, self._made + self.parallel)  # what was paid for and not asked is not saved up
            wanted = 1 + max(0, self._made - self._paid)
            got = uow.tally(f"ehr/{self.name}", second, wanted, most=most)
            self._paid += got
        return None if got == wanted else datetime.fromtimestamp(second, UTC) + timedelta(seconds=1)

    # ── the client ───────────────────────────────────────────────────────────────────────────────
    def capability(self) -> Capability:
        with self._call():
            return self._client.capability()

    def read(self, type: str, id: str) -> Remote | None:
        with self._call():
            return self._client.read(type, id)

    def search(self, type: str, params: Sequence[tuple[str, str]]) -> Iterable[list[Remote]]:
        with self._call():
            return self._pages(iter(self._client.search(type, params)))

    def _pages(self, pages: Iterator[list[Remote]]) -> Iterator[list[Remote]]:
        """The first page came with the search; each further one is a request of its own."""
        turn = self.turn
        while True:
            with turn():
                page = next(pages, None)
            if page is None:
                return
            yield page
            turn = self._call

    def create(self, resource: Resource, *, if_none_exist: tuple[str, str] | None = None) -> Remote:
        with self._call():
            return self._client.create(resource, if_none_exist=if_none_exist)

    def update(self, resource: Resource, *, if_match: str) -> Remote:
        with self._call():
            return self._client.update(resource, if_match=if_match)

    def patch(self, type: str, id: str, operations: list[dict[str, Any]], *, if_match: str) -> Remote:
        with self._call():
            return self._client.patch(type, id, operations, if_match=if_match)

    def transaction(self, bundle: Resource) -> Resource:
        with self._call():
            return self._client.transaction(bundle)
