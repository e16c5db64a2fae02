"""One search at one EHR, from the first page to the last, whatever the EHR makes of it (sync.md Y-16, Y-20, Y-21)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from adapter.clock import instant
from adapter.errors import EhrError, EhrRejected, EhrUnavailable
from adapter.ports import EhrClient, Remote
from adapter.sync.canonical import moment
from adapter.sync.crew import quick_turns
from adapter.sync.inbound import Arrival, Outcome
from adapter.sync.reads import refused
from adapter.sync.sweep import Seen

PAGE = 100
AHEAD = 3  # pages that are fetched while one is taken in
ROUNDS = 3  # times that one chain is read when its pages shift
REPEATS = 3  # times that a page may come again before the chain counts as endless
COARSE = timedelta(seconds=1)  # the resolution of some servers' times


class TakesIn(Protocol):
    def __call__(self, arrivals: Sequence[Arrival]) -> Counter[Outcome]: ...


@dataclass
class Walked:
    """What one search gave. `newest`: of the EHR's own times; `whole`: everything was shown, not only what changed; `timed`: the
    EHR searches by time."""

    tally: Counter[Outcome] = field(default_factory=Counter)
    newest: datetime | None = None
    seen: Seen = field(default_factory=Seen)
    whole: bool = False
    timed: bool = True


class Walk:
    """`timed`: whether the EHR is known to search by time; `since`: the beginning of the overlap, None for everything; `certain`: what
    the search showed once it shows again."""

    def __init__(
        self, client: EhrClient, type: str, params: Sequence[tuple[str, str]], *, take_in: TakesIn, since: datetime | None, timed: bool,
        certain: bool = True,
    ) -> None:  # fmt: skip
        self._client, self._type, self._params, self._take_in = client, type, params, take_in
        self._since, self._timed = since if timed else None, timed
        self._certain = certain

    def through(self) -> Walked:
        """Reads every page and takes it in. Chains that end in the middle, or whose pages shifted, are read once more; an EHR that does not
        know `_lastUpdated` is asked without. Raises EhrError."""
        tally, rounds = Counter[Outcome](), 0
        while True:
            rounds += 1
            try:
                found = self._chain(tally)
            except EhrUnavailable as error:
                if error.status_code not in (404, 410) or rounds >= ROUNDS:
                    raise  # only a link that expired is worth another try at once
                continue
            except EhrError as error:
                if not (refused(error) and self._timed):
                    raise
                self._timed, self._since = False, None
                continue
            if self._since is not None and self._certain and not len(found.seen):
                self._since = None  # the newest we know of is not shown again: is it gone, or does the search lie?
            elif rounds >= ROUNDS or not found.seen.shifted:
                return found

    def _chain(self, tally: Counter[Outcome]) -> Walked:
        found = Walked(tally, whole=self._since is None, timed=self._timed)
        last, repeated = list[tuple[str, str]](), 0
        for page in ahead(self._client.search(self._type, self._asked())):
            given = [(remote.id, remote.version) for remote in page]
            last, repeated = given, repeated + 1 if given == last else 0
            if repeated >= REPEATS:
                raise EhrRejected(f"search {self._type}: the same page again and again")
            shown = [(remote, updated(remote)) for remote in page if remote.resource.get("resourceType") == self._type]
            now = list(self._as_they_are(shown, found))
            found.tally += self._take_in(now)
            for arrival in now:
                found.seen.add(arrival.remote.id)
            times = [time for _, time in shown if time]
            found.newest = max([*times, *([found.newest] if found.newest else [])], default=None)
        self._timed = found.timed
        return found

    def _as_they_are(self, shown: Sequence[tuple[Remote, datetime | None]], found: Walked) -> Iterator[Arrival]:
        """What a search by time shows from before that time is read again: either its index is ahead of what it shows (Y-21), or
        it does not look at the time at all, and then shows everything (Y-20)."""
        for remote, time in shown:
            if self._since is None or not found.timed or time is None or time >= self._since - COARSE:
                yield Arrival(remote)
                continue
            current = self._client.read(self._type, remote.id)
            if current is None or (current.version, updated(current)) != (remote.version, time):
                yield Arrival(current or remote, now=current is not None)
                continue
            found.timed, found.whole = False, True
            yield Arrival(remote)

    def _asked(self) -> list[tuple[str, str]]:
        since = [("_lastUpdated", f"ge{instant(self._since)}")] if self._since else []
        return [*self._params, *since, *([("_sort", "_lastUpdated")] if self._timed else []), ("_count", str(PAGE))]


def ahead(pages: Iterable[list[Remote]]) -> Iterator[list[Remote]]:
    """The same pages, the next few fetched while its caller takes one in: one that takes longer holds up nobody."""
    quick_turns()
    coming = iter(pages)
    reader = ThreadPoolExecutor(1, thread_name_prefix="liaison-page")
    try:
        following = deque(reader.submit(next, coming, None) for _ in range(AHEAD))
        while (page := following.popleft().result()) is not None:
            following.append(reader.submit(next, coming, None))
            yield page
    finally:
        reader.shutdown(cancel_futures=True)


def updated(remote: Remote) -> datetime | None:
    """When the EHR says that it was changed."""
    meta = remote.resource.get("meta")
    return moment(str(meta.get("lastUpdated", ""))) if isinstance(meta, dict) else None
