"""Drains the outbox: each letter brings one resource up to date at one EHR (workflow.md 7, sync.md 5.3).

No transaction is open while an EHR is called: a unit takes a letter and decides what of it may leave, the EHR is asked, a unit
writes what came of it and takes the next. A crash between the last two leaves the letter leased; whoever takes it next looks before
it repeats.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from adapter.clock import Clock
from adapter.ehr.client import tracing
from adapter.errors import EhrError, EhrUnavailable, EhrUnknown, Unavailable
from adapter.ports import EhrClient, Letter, LetterState, Store, Uow
from adapter.sync import retry, standing
from adapter.sync.acts import Act, Audited, Outcome, What
from adapter.sync.crew import Crew
from adapter.sync.delivery import Delivery
from adapter.sync.drafts import Round
from adapter.sync.line import Line
from adapter.sync.together import LostTogether

AHEAD = 2  # letters in hand for each request that may be open: while one is on the wire, another is decided or settled
RARELY = 20  # looks in vain take no more than a twentieth of the time
_STATES: dict[type[retry.Decision], tuple[LetterState, What]] = {
    retry.RetryAt: ("queued", "retry"),
    retry.Look: ("unknown", "unknown"),
    retry.Park: ("parked", "parked"),
    retry.Conflict: ("conflict", "conflict"),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """A letter that is ours `until` then, and what was decided of it when it was taken."""

    letter: Letter
    until: datetime
    begun: Round | None


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a letter, and of those that went along, to be settled; `weather`: what that says of its EHR."""

    ehr: str
    settled: tuple[tuple[Letter, Outcome], ...]
    weather: Callable[[Uow], None]


class Push:
    """`holder` names this process in leases. `failed(code, error)` hears of faults of our own (never of content),
    `settled(what, letter)` of what became of each letter, once that is stored. `asked`: what is kept by these names is asked for with
    each letter. A client that is no `Line` is used for one letter at a time, in the caller's thread."""

    def __init__(
        self,
        store: Store,
        clients: Mapping[str, EhrClient],
        delivery: Delivery,
        clock: Clock,
        *,
        holder: str,
        audited: Audited,
        lease: timedelta = timedelta(seconds=60),
        failed: Callable[[str, Exception], None] = lambda code, error: None,
        settled: Callable[[What, Letter], None] = lambda what, letter: None,
        asked: Sequence[str] = (),
    ) -> None:
        self._told, self._asked = [settled], asked
        self._store, self._delivery, self._clock = store, delivery, clock
        self._lines = {name: client if isinstance(client, Line) else Line(client) for name, client in clients.items()}
        self._holder, self._audited, self._lease, self._failed = holder, audited, lease, failed
        self._turns = list(clients)  # whose turn it is: the one served last comes last
        self._again: dict[str, datetime] = {}
        self._in_vain: dict[str, float] = {}  # seconds that the last look took that found nothing
        self._counts: Counter[tuple[str, What]] = Counter()
        self._lock = threading.Lock()

    @property
    def ehrs(self) -> tuple[str, ...]:
        return tuple(self._lines)

    def drain(self, limit: int = 100, *, stop: Callable[[], bool] = lambda: False) -> int:
        """Sends up to `limit` letters of all EHRs, each EHR by its own threads; returns how many were taken."""
        if all(line.parallel == 1 for line in self._lines.values()):
            taken = 0
            while taken < limit and not stop() and self.step():
                taken += 1
            return taken
        return Crew.together([self._crew(ehr, limit, stop) for ehr in self._lines])

    def drain_one(self, ehr: str, limit: int = 100, *, stop: Callable[[], bool] = lambda: False) -> int:
        """The same for one EHR: as many letters under way as its line has room for, each of another lane."""
        return self._crew(ehr, limit, stop).run()

    def pause(self, ehr: str, longest: float) -> float:
        """Seconds until it is worth looking again: until the rate of this EHR allows another request, where that held it up. A look
        in vain that took long (many letters wait behind some that wait for a person) is not repeated as soon."""
        again = self._again.get(ehr)
        if again is None:
            return max(longest, RARELY * self._in_vain.get(ehr, 0.0))
        return min(longest, max(0.0, (again - self._clock.now()).total_seconds()))

    def would(self, uow: Uow, letter: Letter) -> tuple[str, str]:
        """`Delivery.would`: what the letter would do if it went now."""
        return self._delivery.would(uow, letter)

    def hear(self, settled: Callable[[What, Letter], None]) -> None:
        """One more who is told what became of each letter."""
        self._told.append(settled)

    def count(self) -> None:
        """Adds what became of letters since to the counts that all processes share."""
        with self._lock:
            counts, self._counts = self._counts, Counter()

        def add(uow: Uow) -> None:
            for ehr, what in sorted(counts):  # always in this order: two processes never wait for each other
                uow.add(standing.counter(ehr, what), counts[ehr, what])

        if counts:
            self._store.write_now(add)

    def step(self) -> bool:
        """Takes one letter of an EHR that is awake and settles it. False when there is none to send now. An EHR that
        was away rests, so that its letters do not each wait for a time-out while another EHR's stand behind them."""
        return any(self._one(ehr) for ehr in list(self._turns))

    def _crew(self, ehr: str, limit: int, stop: Callable[[], bool]) -> Crew[Taken, Sent]:
        most = self._lines[ehr].parallel
        return Crew(partial(self._turn, ehr), self._send, most=most if most == 1 else AHEAD * most, limit=limit, stop=stop, name=f"liaison-push-{ehr}")

    def _one(self, ehr: str) -> bool:
        taken = self.take(ehr)
        if taken is None:
            return False
        self._turns = [name for name in self._turns if name != ehr] + [ehr]
        self._turn(ehr, self._send(taken), more=False)
        return True

    def take(self, ehr: str) -> Taken | None:
        """The next letter of that EHR. None: there is none, or it is paused, rests, or was asked as often as it may be this second."""
        return self._turn(ehr, None, more=True)

    def _turn(self, ehr: str, sent: Sent | None, more: bool) -> Taken | None:
        """Settles what was sent and takes the next letter, in one unit: one commit for both."""
        began, until = self._clock.monotonic(), self._clock.now() + self._lease

        def turn(uow: Uow) -> Taken | None:
            if more:
                uow.revision()  # all that is decided on is read after it
            standing.foreseen(uow, ehr, *self._asked)
            if sent is not None:
                self._settle(uow, sent)
            return self._take(uow, ehr, until) if more else None

        taken = self._store.write_now(turn)
        if more:
            self._in_vain[ehr] = 0.0 if taken else self._clock.monotonic() - began
        if sent is not None:
            self._tell(sent)
        return taken

    def _take(self, uow: Uow, ehr: str, until: datetime) -> Taken | None:
        if standing.paused(uow, ehr) or standing.resting(uow, ehr):
            return None
        line = self._lines[ehr]
        self._again.pop(ehr, None)
        if line.rate is not None and uow.any_due(ehr) and (again := line.spend(uow)):
            self._again[ehr] = again
            return None
        letter = uow.take(holder=self._holder, until=until, ehr=ehr)
        if letter is None:
            return None
        standing.trying(uow, ehr, until)
        return Taken(letter, until, self._delivery.begin(uow, letter))

    def _send(self, taken: Taken) -> Sent:
        outcome, weather = self._outcome(taken)
        return Sent(taken.letter.ehr, ((taken.letter, outcome), *outcome.others), weather)

    def _tell(self, sent: Sent) -> None:
        with self._lock:
            self._counts.update((sent.ehr, became.what) for _, became in sent.settled)
        for told in self._told:
            for each, became in sent.settled:
                told(became.what, each)

    def _outcome(self, taken: Taken) -> tuple[Outcome, Callable[[Uow], None]]:
        """What became of the letter, and what that says of its EHR."""
        letter = taken.letter
        try:
            with tracing(letter.request_id):  # the id of the request that caused it (security.md U-16)
                outcome = self._delivery.deliver(self._lines[letter.ehr], letter, until=taken.until, begun=taken.begun)
                return outcome, lambda uow: standing.answered(uow, letter.ehr)
        except Unavailable:
            raise  # our own database is away: the lease runs out by itself
        except Exception as error:
            lost = error.letters if isinstance(error, LostTogether) else ()
            outcome = replace(self._after(letter, error), others=tuple((each, self._after(each, error)) for each in lost))
            return outcome, partial(self._weather, letter, error, outcome.due)

    def _after(self, letter: Letter, error: Exception) -> Outcome:
        decision = retry.decide(error, letter.attempts, self._clock)
        if not isinstance(error, EhrError):
            self._failed("sync-fault", error)
        state, what = _STATES[type(decision)]
        due = decision.at if isinstance(decision, retry.RetryAt | retry.Look) else None
        if letter.state == "unknown" and state == "queued":
            state = "unknown"  # still nobody knows whether the first attempt arrived
        return Outcome(state, what, decision.reason, due=due)

    def _weather(self, letter: Letter, error: Exception, due: datetime | None, uow: Uow) -> None:
        if isinstance(error, EhrUnavailable | EhrUnknown):
            standing.missed(uow, letter.ehr, self._clock, until=due if isinstance(error, EhrUnavailable) else None)
        else:
            standing.answered(uow, letter.ehr)

    def _settle(self, uow: Uow, sent: Sent) -> None:
        sent.weather(uow)
        for letter, outcome in sent.settled:
            self._settle_one(uow, letter, outcome)

    def _settle_one(self, uow: Uow, letter: Letter, outcome: Outcome) -> None:
        if not uow.settle(letter, state=outcome.state, due=outcome.due, reason=outcome.reason):
            return  # the lease ran out and another worker has it: it looks for itself
        if outcome.remember is not None:
            outcome.remember(uow)
        act = outcome.act or Act(outcome.what, letter.ehr, letter.type, letter.id)
        self._audited(uow, replace(act, lane=letter.lane, reason=outcome.reason, request_id=letter.request_id))


def requeue(uow: Uow, letter: Letter, *, at: datetime, reason: str = "") -> bool:
    """Puts a parked letter, or one whose conflict is settled, back in its lane. False when it has moved on meanwhile."""
    return uow.settle(letter, state="queued", due=at, reason=reason)


def release(uow: Uow, ehr: str, type: str, id: str) -> int:
    """Queues again the letters that a settled conflict of this resource held back, their lanes with them; returns how many."""
    held = [letter for letter in uow.letters(states=("conflict",), ehr=ehr) if (letter.type, letter.id) == (type, id)]
    return sum(requeue(uow, letter, at=uow.at) for letter in held)
