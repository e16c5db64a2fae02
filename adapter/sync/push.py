"""Drains the outbox: one letter at a time brings one resource up to date at one EHR (workflow.md 7, sync.md 5.3).

No transaction is open while an EHR is called: a unit reads what may leave, the EHR is asked, a unit writes what
came of it. A crash between the last two leaves the letter leased; whoever takes it next looks before it repeats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from adapter.clock import Clock
from adapter.ehr.client import tracing
from adapter.errors import EhrError, EhrUnavailable, Unavailable
from adapter.ports import EhrClient, Letter, LetterState, Store, Uow
from adapter.sync import retry
from adapter.sync.acts import Act, Audited, Outcome, What
from adapter.sync.delivery import Delivery

_STATES: dict[type[retry.Decision], tuple[LetterState, What]] = {
    retry.RetryAt: ("queued", "retry"),
    retry.Look: ("unknown", "unknown"),
    retry.Park: ("parked", "parked"),
    retry.Conflict: ("conflict", "conflict"),
}


class Push:
    """For one thread. `holder` names this process in leases. `failed(code, error)` hears of faults of our own (never of content),
    `settled(what, letter)` of what became of each letter, once that is stored."""

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
    ) -> None:
        self._settled = settled
        self._store, self._clients, self._delivery, self._clock = store, clients, delivery, clock
        self._holder, self._audited, self._lease, self._failed = holder, audited, lease, failed
        self._turns = list(clients)  # whose turn it is: the one served last comes last
        self._misses: Counter[str] = Counter()
        self._resting: dict[str, datetime] = {}

    def drain(self, limit: int = 100) -> int:
        """Sends up to `limit` letters, EHR by EHR in turn; returns how many were taken."""
        taken = 0
        while taken < limit and self.step():
            taken += 1
        return taken

    def step(self) -> bool:
        """Takes one letter of an EHR that is awake and settles it. False when there is none to send now. An EHR that
        was away rests, so that its letters do not each wait for a time-out while another EHR's stand behind them."""
        now = self._clock.now()
        awake = [name for name in self._turns if self._resting.get(name, now) <= now]
        return any(self._turn(ehr) for ehr in awake)

    def _turn(self, ehr: str) -> bool:
        until = self._clock.now() + self._lease
        letter = self._store.write_now(lambda uow: uow.take(holder=self._holder, until=until, ehr=ehr))
        if letter is None:
            return False
        self._turns = [name for name in self._turns if name != ehr] + [ehr]
        outcome = self._outcome(letter, until)
        self._store.write_now(lambda uow: self._settle(uow, letter, outcome))
        self._settled(outcome.what, letter)
        return True

    def _outcome(self, letter: Letter, until: datetime) -> Outcome:
        try:
            with tracing(letter.request_id):  # the id of the request that caused it (security.md U-16)
                outcome = self._delivery.deliver(self._clients[letter.ehr], letter, until=until)
            self._misses.pop(letter.ehr, None)
            return outcome
        except Unavailable:
            raise  # our own database is away: the lease runs out by itself
        except Exception as error:
            return self._after(letter, error)

    def _after(self, letter: Letter, error: Exception) -> Outcome:
        decision = retry.decide(error, letter.attempts, self._clock)
        if not isinstance(error, EhrError):
            self._failed("sync-fault", error)
        state, what = _STATES[type(decision)]
        due = decision.at if isinstance(decision, retry.RetryAt | retry.Look) else None
        if isinstance(error, EhrUnavailable) and due:
            self._resting[letter.ehr] = max(due, retry.later(self._misses[letter.ehr], self._clock))
            self._misses[letter.ehr] += 1
        if letter.state == "unknown" and state == "queued":
            state = "unknown"  # still nobody knows whether the first attempt arrived
        return Outcome(state, what, decision.reason, due=due)

    def _settle(self, uow: Uow, letter: Letter, outcome: Outcome) -> None:
        if not uow.settle(letter, state=outcome.state, due=outcome.due, reason=outcome.reason):
            return  # the lease ran out and another worker has it: it looks for itself
        if outcome.remember is not None:
            outcome.remember(uow)
        act = outcome.act or Act(outcome.what, letter.ehr, letter.type, letter.id)
        self._audited(uow, replace(act, lane=letter.lane, reason=outcome.reason, request_id=letter.request_id))


def requeue(uow: Uow, letter: Letter, *, at: datetime) -> bool:
    """Puts a parked letter, or one whose conflict is settled, back in its lane. False when it has moved on meanwhile."""
    return uow.settle(letter, state="queued", due=at)


def release(uow: Uow, ehr: str, type: str, id: str) -> int:
    """Queues again the letters that a settled conflict of this resource held back, their lanes with them; returns how many."""
    held = [letter for letter in uow.letters(states=("conflict",), ehr=ehr) if (letter.type, letter.id) == (type, id)]
    return sum(requeue(uow, letter, at=uow.at) for letter in held)
